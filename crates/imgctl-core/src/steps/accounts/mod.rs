//! Users, groups and how they get in.

mod crypt;
mod customs;
#[cfg(test)]
mod flag_tests;
mod flags;
pub(super) mod group;
mod home;
mod ids;
pub(super) mod password;
pub(super) mod sshd;
pub(super) mod sudoers;
#[cfg(test)]
mod tests;
pub(super) mod user;

pub(super) use crypt::Method;
pub(super) use flags::FLAGS;
