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

use super::Outcome;
use crate::guest::Guest;
use std::ops::RangeInclusive;

/// The numbers of users who are none of the system's.
pub(super) fn ordinary_users(guest: &Guest) -> Outcome<RangeInclusive<u32>> {
    let range = customs::Customs::read(guest)?.range("UID", false);
    Ok(range.low..=range.high)
}
