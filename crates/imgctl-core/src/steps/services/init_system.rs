//! Which program starts the guest's services.

use crate::guest::Guest;
use crate::steps::{Outcome, fixed};

/// What /sbin/init is, or would be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum InitSystem {
    Systemd,
    OpenRc,
    /// Init scripts with links by runlevel.
    SysV,
    /// Nothing that is known.
    None,
}

impl InitSystem {
    /// Looks at what /sbin/init leads to, else at what there is.
    pub(crate) fn of(guest: &Guest) -> Outcome<Self> {
        if let Some(target) = guest.read_link(&fixed("/sbin/init"))? {
            match target.rsplit(|byte| *byte == b'/').next().unwrap_or_default() {
                b"systemd" => return Ok(Self::Systemd),
                b"openrc-init" => return Ok(Self::OpenRc),
                _ => {}
            }
        }
        let signs = [
            (Self::Systemd, "/usr/lib/systemd/systemd"),
            (Self::Systemd, "/lib/systemd/systemd"),
            (Self::OpenRc, "/sbin/openrc"),
            (Self::OpenRc, "/usr/sbin/openrc"),
            (Self::OpenRc, "/etc/runlevels"),
            (Self::Systemd, "/usr/lib/systemd/system"),
            (Self::Systemd, "/lib/systemd/system"),
            (Self::Systemd, "/etc/systemd/system"),
            (Self::SysV, "/etc/rc.d/init.d"),
            (Self::SysV, "/etc/init.d"),
        ];
        for (manager, path) in signs {
            if guest.exists(&fixed(path))? {
                return Ok(manager);
            }
        }
        Ok(Self::None)
    }
}
