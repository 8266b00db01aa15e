//! `users`, `groups` and `sshd`: who there is, and how they get in.

use std::fmt;

use super::{Principal, Sourced};

/// One entry of `users`. What is `None` stays as it is, or is as the guest makes its users.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// Whether it exists.
    pub state: UserState,
    /// The number.
    pub uid: Option<u32>,
    /// The primary group.
    pub group: Option<Principal>,
    /// Further groups; those it is in besides stay.
    pub groups: Vec<String>,
    /// The home directory.
    pub home: Option<String>,
    /// Whether the home directory is made where it is missing; `None`: for a new user that is none of the system's.
    pub create_home: Option<bool>,
    /// Whether what is in the old home directory moves to the new one.
    pub move_home: bool,
    /// The login shell.
    pub shell: Option<String>,
    /// The full name.
    pub comment: Option<String>,
    /// Whether a new user is one of the system's.
    pub is_system: bool,
    /// When the account ends.
    pub expires: Option<Expiry>,
    /// The password.
    pub password: Option<Password>,
    /// Whether no password logs in.
    pub locked: Option<bool>,
    /// Rules of sudoers without the user's name; `None`: none are made.
    pub sudo: Vec<String>,
    /// Public keys that must be authorized; others stay.
    pub ssh_authorized_keys: Vec<String>,
}

/// Whether a user exists.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum UserState {
    /// It must be there already.
    #[default]
    Existing,
    /// It is made where it is missing.
    Present,
    /// It is removed.
    Absent {
        /// With its home directory and its mail.
        remove_home: bool,
    },
}

/// When an account ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expiry {
    /// It does not.
    Never,
    /// On this day, counted from 1970-01-01.
    Day(u32),
}

/// How a password is given. Its `Debug` shows nothing of it.
#[derive(Clone, Eq, PartialEq)]
pub enum Password {
    /// The password itself.
    Text(String),
    /// As crypt(5) stores it.
    Hash(String),
    /// There is none: `*`.
    Disabled,
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Hash(_) => "Hash(…)",
            Self::Disabled => "Disabled",
        })
    }
}

/// One entry of `groups`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GroupEntry {
    /// The group's name.
    pub name: String,
    /// Whether it is removed instead of made.
    pub is_absent: bool,
    /// The number.
    pub gid: Option<u32>,
    /// Whether a new group is one of the system's.
    pub is_system: bool,
    /// Users that are in it; others stay.
    pub members: Vec<String>,
}

/// A keyword of sshd_config(5) and what it is set to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SshdSetting {
    /// The keyword as the manual writes it.
    pub keyword: &'static str,
    /// Its values, each for a line of its own; of most keywords there is one.
    pub values: Vec<String>,
    /// Whether every line with the keyword counts, not just the first.
    pub is_list: bool,
}

/// The `sshd` section.
pub type Sshd = Vec<Sourced<SshdSetting>>;
