//! `user` and `group`: passwd(5), group(5), shadow(5).

use super::{Found, Scene, Verdict};
use crate::guest::{AccountFile, Accounts, ColonFile, Database, Guest};
use imgctl_recipe::{GroupCheck, UserCheck};
use imgctl_vfs::EscapedBytes;
use std::collections::BTreeSet;

pub(super) fn judge_user(scene: &Scene<'_>, check: &UserCheck) -> Verdict {
    let mut expected = Vec::new();
    let mut add = |name: &str, value: Option<String>| expected.extend(value.map(|value| format!("{name} {value}")));
    add("uid", check.uid.map(|uid| uid.to_string()));
    add("home", check.home.clone());
    add("shell", check.shell.clone());
    add(
        "in",
        Some(check.groups.join(" and ")).filter(|groups| !groups.is_empty()),
    );
    add("password", check.locked.map(|locked| lock_name(locked).to_owned()));
    let expected = match (check.absent, expected.as_slice()) {
        (true, _) => "absent".to_owned(),
        (false, []) => "present".to_owned(),
        (false, expected) => expected.join(", "),
    };
    Verdict::new(format!("user {}", check.name), expected, user(scene.guest, check))
}

fn user(guest: &Guest, check: &UserCheck) -> Found {
    let database = Database::read(guest)?;
    let name = check.name.as_bytes();
    let Some(fields) = database.get(AccountFile::Passwd).and_then(|file| file.entry(name)) else {
        return Ok(match check.absent {
            true => Vec::new(),
            false => vec!["the guest has no such user".to_owned()],
        });
    };
    if check.absent {
        return Ok(vec![format!("the guest has it, uid {}", escaped(field(&fields, 2)))]);
    }
    let mut faults = Vec::new();
    let mut compare = |what: &str, found: &[u8], wanted: Option<String>| {
        if wanted.is_some_and(|wanted| wanted.as_bytes() != found) {
            faults.push(format!("{what} {}", escaped(found)));
        }
    };
    compare("uid", field(&fields, 2), check.uid.map(|uid| uid.to_string()));
    compare("home", field(&fields, 5), check.home.clone());
    compare("shell", field(&fields, 6), check.shell.clone());
    if !check.groups.is_empty() {
        let groups = groups_of(&database, name, field(&fields, 3));
        let missing = check.groups.iter().filter(|group| !groups.contains(group.as_bytes()));
        faults.extend(missing.map(|group| format!("not in {group}")));
    }
    if let Some(wanted) = check.locked {
        let password = match field(&fields, 1) {
            b"x" => database.field(AccountFile::Shadow, name, 1),
            own => Some(own),
        };
        // No line of shadow, no password.
        let is_locked = password.is_none_or(|password| password.starts_with(b"!") || password.starts_with(b"*"));
        if is_locked != wanted {
            faults.push(format!("password {}", lock_name(is_locked)));
        }
    }
    Ok(faults)
}

/// The first group of the user and those that list it.
fn groups_of(database: &Database, user: &[u8], gid: &[u8]) -> BTreeSet<Vec<u8>> {
    let is_in = |fields: &Vec<&[u8]>| {
        let mut members = field(fields, 3).split(|byte| *byte == b',');
        field(fields, 2) == gid || members.any(|member| member == user)
    };
    let lines = database
        .get(AccountFile::Group)
        .into_iter()
        .flat_map(ColonFile::entries);
    lines.filter(is_in).map(|fields| field(&fields, 0).to_vec()).collect()
}

pub(super) fn judge_group(scene: &Scene<'_>, check: &GroupCheck) -> Verdict {
    let expected = match (check.absent, check.gid) {
        (true, _) => "absent".to_owned(),
        (false, None) => "present".to_owned(),
        (false, Some(gid)) => format!("gid {gid}"),
    };
    Verdict::new(format!("group {}", check.name), expected, group(scene.guest, check))
}

fn group(guest: &Guest, check: &GroupCheck) -> Found {
    let accounts = Accounts::read(guest)?;
    let fault = match (accounts.group(&check.name), check.absent) {
        (None, true) => None,
        (None, false) => Some("the guest has no such group".to_owned()),
        (Some(group), true) => Some(format!("the guest has it, gid {}", group.gid)),
        (Some(group), false) => check
            .gid
            .filter(|gid| *gid != group.gid)
            .map(|_| format!("gid {}", group.gid)),
    };
    Ok(fault.into_iter().collect())
}

fn field<'t>(fields: &[&'t [u8]], index: usize) -> &'t [u8] {
    fields.get(index).copied().unwrap_or_default()
}

fn lock_name(is_locked: bool) -> &'static str {
    match is_locked {
        true => "locked",
        false => "not locked",
    }
}

fn escaped(bytes: &[u8]) -> String {
    EscapedBytes(bytes).to_string()
}
