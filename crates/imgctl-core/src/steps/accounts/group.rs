//! `groups`: made, changed and removed as groupadd(8), groupmod(8) and groupdel(8) do it.

use super::customs::Customs;
use super::{ids, user};
use crate::guest::{AccountFile, ColonFile, Database, Guest};
use crate::steps::{Outcome, Step, StepError, StepFailure, StepSpec};
use AccountFile::{Group, Gshadow, Passwd};
use imgctl_recipe::{GroupEntry, Plan, Principal, Sourced};
use imgctl_vfs::EscapedBytes;

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "groups",
    section: "groups",
    help: "make and change groups",
    build: |plan: &Plan| {
        let groups = plan.groups.iter().filter(|group| !group.value.is_absent);
        let groups: Vec<_> = groups.cloned().collect();
        (!groups.is_empty()).then(|| {
            Box::new(Groups {
                groups,
                after_users: false,
            }) as Box<dyn Step>
        })
    },
};

/// After users: members can be new, and only a group that is nobody's primary one can go.
pub(in crate::steps) const MEMBERS: StepSpec = StepSpec {
    name: "group-members",
    section: "groups",
    help: "put users into groups, and remove groups",
    build: |plan: &Plan| {
        let groups = plan.groups.iter();
        let groups = groups.filter(|group| group.value.is_absent || !group.value.members.is_empty());
        let groups: Vec<_> = groups.cloned().collect();
        (!groups.is_empty()).then(|| {
            Box::new(Groups {
                groups,
                after_users: true,
            }) as Box<dyn Step>
        })
    },
};

#[derive(Debug)]
struct Groups {
    groups: Vec<Sourced<GroupEntry>>,
    after_users: bool,
}

impl Step for Groups {
    fn name(&self) -> &'static str {
        if self.after_users { MEMBERS.name } else { SPEC.name }
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        for group in &self.groups {
            let done = match (self.after_users, group.value.is_absent) {
                (true, false) => ensure_members(guest, &group.value),
                _ => ensure(guest, &group.value),
            };
            done.map_err(|failure| failure.at(self.name(), Some(&group.origin)))?;
        }
        Ok(())
    }
}

pub(super) fn ensure(guest: &mut Guest, group: &GroupEntry) -> Outcome<()> {
    let mut database = Database::read(guest)?;
    let customs = Customs::read(guest)?;
    let name = group.name.as_bytes();
    let Some(file) = database.get(Group) else {
        return Err(StepFailure::refused("the guest has no /etc/group"));
    };
    match (group.is_absent, file.has(name)) {
        (true, false) => {}
        (true, true) => remove(&mut database, name)?,
        (false, false) => {
            let gid = match group.gid {
                Some(gid) => unused(&database, name, gid)?,
                None => ids::free_gid(&database, &customs, group.is_system, None)?,
            };
            add(&mut database, &customs, name, gid);
        }
        (false, true) => {
            if let Some(gid) = group.gid {
                renumber(guest, &mut database, name, gid)?;
            }
        }
    }
    Ok(database.write(guest)?)
}

pub(super) fn ensure_members(guest: &mut Guest, group: &GroupEntry) -> Outcome<()> {
    let mut database = Database::read(guest)?;
    for member in &group.members {
        if !database.get(Passwd).is_some_and(|file| file.has(member.as_bytes())) {
            let known = user::known_users(&database);
            return Err(StepFailure::unknown("user", member, known.iter().map(Vec::as_slice)));
        }
        add_member(&mut database, &group.name, member.as_bytes())?;
    }
    Ok(database.write(guest)?)
}

/// A line for a new group.
pub(super) fn add(database: &mut Database, customs: &Customs, name: &[u8], gid: u32) {
    // busybox knows no other place for a group's password, and says so all the same.
    let is_elsewhere = database.get(Gshadow).is_some() || !customs.has_login_defs;
    let password: &[u8] = if is_elsewhere { b"x" } else { b"!" };
    database.push(Group, &[name, password, gid.to_string().as_bytes(), b""]);
    database.push(Gshadow, &[name, b"!", b"", b""]);
}

/// Puts a user into a group that exists.
pub(super) fn add_member(database: &mut Database, group: &str, user: &[u8]) -> Outcome<()> {
    if !database.get(Group).is_some_and(|file| file.has(group.as_bytes())) {
        return Err(unknown(database, group));
    }
    for file in [Group, Gshadow] {
        if let Some(file) = database.get_mut(file) {
            file.add_word(group.as_bytes(), 3, user);
        }
    }
    Ok(())
}

/// The number of a group that exists.
pub(super) fn number_of(database: &Database, group: &Principal) -> Outcome<u32> {
    match group {
        Principal::Name(name) => {
            let gid = database.field(Group, name.as_bytes(), 2).and_then(ids::number);
            gid.ok_or_else(|| unknown(database, name))
        }
        Principal::Id(gid) if ids::used(database, Group).contains(gid) => Ok(*gid),
        Principal::Id(gid) => Err(StepFailure::refused(format!(
            "the guest has no group with the number {gid}"
        ))),
    }
}

fn unknown(database: &Database, name: &str) -> StepFailure {
    let entries = database.get(Group).into_iter().flat_map(ColonFile::entries);
    StepFailure::unknown("group", name, entries.filter_map(|fields| fields.first().copied()))
}

fn unused(database: &Database, name: &[u8], gid: u32) -> Outcome<u32> {
    let entries = database.get(Group).into_iter().flat_map(ColonFile::entries);
    let digits = gid.to_string();
    let mut others = entries.filter(|fields| fields.first() != Some(&name));
    match others.find(|fields| fields.get(2) == Some(&digits.as_bytes())) {
        None => Ok(gid),
        Some(fields) => Err(StepFailure::refused(format!(
            "the number {gid} is that of the group {} already",
            EscapedBytes(fields.first().copied().unwrap_or_default())
        ))),
    }
}

/// Another number for the group, and for those whose primary group it is. Files keep the old one.
fn renumber(guest: &mut Guest, database: &mut Database, name: &[u8], gid: u32) -> Outcome<()> {
    let old = database.field(Group, name, 2).unwrap_or_default().to_vec();
    let new = gid.to_string();
    if old == new.as_bytes() {
        return Ok(());
    }
    unused(database, name, gid)?;
    database.set_field(Group, name, 2, new.as_bytes());
    for user in user::known_users(database) {
        if database.field(Passwd, &user, 3) == Some(&old) {
            database.set_field(Passwd, &user, 3, new.as_bytes());
        }
    }
    guest.warn(format!(
        "the group {} has the number {gid} now; files that belong to the number {} keep it",
        EscapedBytes(name),
        EscapedBytes(&old)
    ));
    Ok(())
}

fn remove(database: &mut Database, name: &[u8]) -> Outcome<()> {
    let gid = database.field(Group, name, 2).unwrap_or_default().to_vec();
    let users = user::known_users(database);
    let primary = users.iter().find(|user| database.field(Passwd, user, 3) == Some(&gid));
    if let Some(user) = primary {
        let message = format!(
            "the group {} cannot go: it is the primary group of {}",
            EscapedBytes(name),
            EscapedBytes(user)
        );
        return Err(StepFailure::refused_with(
            message,
            "remove the user, or give it another `group`",
        ));
    }
    database.remove(Group, name);
    database.remove(Gshadow, name);
    Ok(())
}
