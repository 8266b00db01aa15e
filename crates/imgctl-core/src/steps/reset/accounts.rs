//! `user-account`: ordinary users go, with what is theirs.

use super::{shown, sweep, unknown_user};
use crate::guest::{Account, Accounts, Guest, MAX_TEXT_BYTES, NewMetadata};
use crate::steps::{Outcome, fixed};
use imgctl_recipe::Reset;
use imgctl_vfs::GuestPath;
use std::collections::BTreeSet;

/// Where login.defs says nothing: shadow's own defaults.
const ORDINARY: std::ops::RangeInclusive<u32> = 1000..=60_000;

pub(super) fn run(guest: &mut Guest, reset: &Reset) -> Outcome<()> {
    let accounts = Accounts::read(guest)?;
    for name in reset.keep_users.iter().chain(&reset.remove_users) {
        // Users that are gone already are as they should be.
        if accounts.user(name).is_none() && reset.keep_users.contains(name) {
            return Err(unknown_user(&accounts, name));
        }
    }
    let range = range(guest)?;
    let is_listed = |list: &[String], user: &Account| list.iter().any(|name| name.as_bytes() == user.name);
    let goes = |user: &&Account| {
        range.contains(&user.uid)
            && !is_listed(&reset.keep_users, user)
            && (reset.remove_users.is_empty() || is_listed(&reset.remove_users, user))
    };
    let mut removed: Vec<Account> = accounts.users.iter().filter(goes).cloned().collect();
    removed.retain(|user| !guest.is_account_kept(&user.name));
    let names: BTreeSet<&[u8]> = removed.iter().map(|user| user.name.as_slice()).collect();
    if names.is_empty() {
        return Ok(());
    }
    for file in ["passwd", "shadow", "subuid", "subgid"] {
        edit(guest, file, |fields| {
            match names.contains(fields.first().map_or(&[][..], Vec::as_slice)) {
                true => None,
                false => Some(fields),
            }
        })?;
    }
    groups(guest, &accounts, &names)?;
    for user in &removed {
        for mail in ["/var/spool/mail", "/var/mail"] {
            sweep::remove_file(guest, &fixed(mail).join(&user.name))?;
        }
        remove_home(guest, &accounts, user, &names)?;
    }
    Ok(())
}

/// UID_MIN and UID_MAX of /etc/login.defs.
fn range(guest: &Guest) -> Outcome<std::ops::RangeInclusive<u32>> {
    let text = guest
        .read(&fixed("/etc/login.defs"), MAX_TEXT_BYTES)?
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let value = |name: &str| {
        let mut lines = text.lines().map(str::split_whitespace);
        lines.find_map(|mut words| (words.next() == Some(name)).then(|| words.next()?.parse().ok())?)
    };
    Ok(value("UID_MIN").unwrap_or(*ORDINARY.start())..=value("UID_MAX").unwrap_or(*ORDINARY.end()))
}

/// Groups named like a removed user go, unless they are the first group of one who stays; memberships go anyway.
fn groups(guest: &mut Guest, accounts: &Accounts, names: &BTreeSet<&[u8]>) -> Outcome<()> {
    let stays = |gid: u32| {
        let mut users = accounts.users.iter();
        users.any(|user| user.gid == gid && !names.contains(user.name.as_slice()))
    };
    let gone: BTreeSet<&[u8]> = accounts
        .groups
        .iter()
        .filter(|group| names.contains(group.name.as_slice()) && !stays(group.gid))
        .map(|group| group.name.as_slice())
        .collect();
    for (file, lists) in [("group", &[3][..]), ("gshadow", &[2, 3])] {
        edit(guest, file, |mut fields| {
            if gone.contains(fields.first().map_or(&[][..], Vec::as_slice)) {
                return None;
            }
            for list in lists {
                if let Some(members) = fields.get_mut(*list) {
                    let stay = members
                        .split(|byte| *byte == b',')
                        .filter(|member| !names.contains(member));
                    *members = stay.collect::<Vec<_>>().join(&b',');
                }
            }
            Some(fields)
        })?;
    }
    Ok(())
}

/// Edits the lines of a file of /etc, each as its fields; `None` removes one. Lines that are no entries stay.
fn edit(guest: &mut Guest, name: &str, edit: impl Fn(Vec<Vec<u8>>) -> Option<Vec<Vec<u8>>>) -> Outcome<()> {
    let path = fixed("/etc").join(name.as_bytes());
    let Some(old) = guest.read(&path, MAX_TEXT_BYTES)? else {
        return Ok(());
    };
    let mut new = Vec::with_capacity(old.len());
    for line in old.split_inclusive(|byte| *byte == b'\n') {
        let (text, end) = match line.strip_suffix(b"\n") {
            Some(text) => (text, &b"\n"[..]),
            None => (line, &b""[..]),
        };
        if text.starts_with(b"#") || !text.contains(&b':') {
            new.extend_from_slice(line);
            continue;
        }
        let fields = text.split(|byte| *byte == b':').map(<[u8]>::to_vec).collect();
        if let Some(fields) = edit(fields) {
            new.extend(fields.join(&b':'));
            new.extend_from_slice(end);
        }
    }
    if new != old {
        guest.write_file(&path, &mut new.as_slice(), NewMetadata::root(0o644))?;
    }
    Ok(())
}

/// A home that others use, or that is no folder of its own, stays.
fn remove_home(guest: &mut Guest, accounts: &Accounts, user: &Account, names: &BTreeSet<&[u8]>) -> Outcome<()> {
    let Some(home) = &user.home else {
        return Ok(());
    };
    let Some(found) = guest.find_link(home)? else {
        return Ok(());
    };
    let is_shared = accounts.users.iter().any(|other| {
        let lies_in = |other: &GuestPath| other.is_within(&found.path) || other.is_within(home);
        !names.contains(other.name.as_slice()) && other.home.as_ref().is_some_and(lies_in)
    });
    let is_system = [
        "/usr", "/etc", "/bin", "/sbin", "/lib", "/dev", "/proc", "/sys", "/run", "/boot",
    ];
    let is_system = is_system.iter().any(|folder| found.path.is_within(&fixed(folder)));
    let is_owned = guest.metadata_of(&found)?.uid == user.uid;
    if is_shared || is_system || found.path.components().count() < 2 || !is_owned {
        let name = shown(&user.name);
        guest.warn(format!(
            "{} stays, though it is the home of {name}: it is not theirs alone",
            found.path
        ));
        return Ok(());
    }
    sweep::remove_tree(guest, &found.path)
}
