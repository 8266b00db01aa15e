//! Users and groups of the guest by name or number.

use crate::guest::{Accounts, Guest};
use crate::steps::{Outcome, StepFailure};
use imgctl_recipe::Principal;

/// The accounts, read only where a name makes them needed.
pub(super) fn accounts_for(guest: &Guest, principals: &[&Option<Principal>]) -> Outcome<Accounts> {
    let is_named = |principal: &&Option<Principal>| matches!(principal, Some(Principal::Name(_)));
    Ok(match principals.iter().any(is_named) {
        true => Accounts::read(guest)?,
        false => Accounts::default(),
    })
}

pub(super) fn uid_of(accounts: &Accounts, user: &Principal) -> Outcome<u32> {
    let name = match user {
        Principal::Id(id) => return Ok(*id),
        Principal::Name(name) => name,
    };
    match accounts.user(name) {
        Some(user) => Ok(user.uid),
        None => {
            let known = accounts.users.iter().map(|user| user.name.as_slice());
            Err(StepFailure::unknown("user", name, known))
        }
    }
}

pub(super) fn gid_of(accounts: &Accounts, group: &Principal) -> Outcome<u32> {
    let name = match group {
        Principal::Id(id) => return Ok(*id),
        Principal::Name(name) => name,
    };
    match accounts.group(name) {
        Some(group) => Ok(group.gid),
        None => {
            let known = accounts.groups.iter().map(|group| group.name.as_slice());
            Err(StepFailure::unknown("group", name, known))
        }
    }
}
