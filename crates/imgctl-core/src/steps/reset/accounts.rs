//! `user-account`: ordinary users go, with what is theirs.

use super::{sweep, unknown_user};
use crate::guest::{Account, Accounts, Guest};
use crate::steps::accounts::{ordinary_users, user::ensure};
use crate::steps::{Outcome, fixed};
use imgctl_recipe::{Reset, User, UserState};

pub(super) fn run(guest: &mut Guest, reset: &Reset) -> Outcome<()> {
    let accounts = Accounts::read(guest)?;
    for name in reset.keep_users.iter().chain(&reset.remove_users) {
        // Users that are gone already are as they should be.
        if accounts.user(name).is_none() && reset.keep_users.contains(name) {
            return Err(unknown_user(&accounts, name));
        }
    }
    let range = ordinary_users(guest)?;
    let is_listed = |list: &[String], user: &Account| list.iter().any(|name| name.as_bytes() == user.name);
    let goes = |user: &&Account| {
        range.contains(&user.uid)
            && !is_listed(&reset.keep_users, user)
            && (reset.remove_users.is_empty() || is_listed(&reset.remove_users, user))
    };
    let mut removed: Vec<Account> = accounts.users.iter().filter(goes).cloned().collect();
    removed.retain(|user| !guest.is_account_kept(&user.name));
    for user in removed {
        let Ok(name) = String::from_utf8(user.name) else {
            continue;
        };
        for mail in ["/var/spool/mail", "/var/mail"] {
            sweep::remove_file(guest, &fixed(mail).join(name.as_bytes()))?;
        }
        let absent = User {
            name,
            state: UserState::Absent { remove_home: true },
            ..User::default()
        };
        ensure(guest, &absent)?;
    }
    Ok(())
}
