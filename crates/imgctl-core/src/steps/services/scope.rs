//! Whose units: the system's, or those of every user's session.

/// Whose units a step is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    /// The system's.
    System,
    /// Those of every user's session, as `systemctl --global`.
    User,
}

impl Scope {
    /// Where the units of user sessions are, the most important first.
    pub(super) const USER_FOLDERS: [&'static str; 5] = [
        "/etc/systemd/user",
        "/usr/local/share/systemd/user",
        "/usr/share/systemd/user",
        "/usr/local/lib/systemd/user",
        "/usr/lib/systemd/user",
    ];

    /// Where links are put.
    pub(super) fn config(self) -> &'static str {
        match self {
            Self::System => "/etc/systemd/system",
            Self::User => "/etc/systemd/user",
        }
    }

    /// Where preset files are, the most important first. What lies below /run is gone after a boot.
    pub(super) fn preset_folders(self) -> [&'static str; 4] {
        match self {
            Self::System => [
                "/etc/systemd/system-preset",
                "/usr/local/lib/systemd/system-preset",
                "/usr/lib/systemd/system-preset",
                "/lib/systemd/system-preset",
            ],
            Self::User => [
                "/etc/systemd/user-preset",
                "/usr/local/lib/systemd/user-preset",
                "/usr/lib/systemd/user-preset",
                "/lib/systemd/user-preset",
            ],
        }
    }
}
