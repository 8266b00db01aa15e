//! `users[].sudo`: a file of /etc/sudoers.d for each user. The rules were judged when the recipe was read.

use super::user::known_users;
use crate::guest::{AccountFile, Database, Guest, MAX_TEXT_BYTES, NewMetadata};
use crate::steps::{Outcome, Step, StepError, StepFailure, StepSpec, fixed};
use imgctl_recipe::{Plan, Sourced, User, UserState};
use imgctl_vfs::GuestPath;
use std::fmt::Write as _;

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "sudoers",
    section: "users",
    help: "let users act as others by sudo",
    build: |plan: &Plan| {
        let asks = |user: &&Sourced<User>| {
            !matches!(user.value.state, UserState::Absent { .. }) && !user.value.sudo.is_empty()
        };
        let users: Vec<_> = plan.users.iter().filter(asks).cloned().collect();
        (!users.is_empty()).then(|| Box::new(Sudoers { users }) as Box<dyn Step>)
    },
};

#[derive(Debug)]
struct Sudoers {
    users: Vec<Sourced<User>>,
}

impl Step for Sudoers {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        for user in &self.users {
            let User { name, sudo, .. } = &user.value;
            allow(guest, name, sudo, Others::Replaced).map_err(|failure| failure.at(SPEC.name, Some(&user.origin)))?;
        }
        Ok(())
    }
}

const HEADER: &str = "# Made by imgctl\n";

/// What becomes of the rules that the user's file has already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Others {
    Replaced,
    Kept,
}

/// Gives a user these rules.
pub(super) fn allow(guest: &mut Guest, name: &str, rules: &[String], others: Others) -> Outcome<()> {
    let database = Database::read(guest)?;
    if !database
        .get(AccountFile::Passwd)
        .is_some_and(|file| file.has(name.as_bytes()))
    {
        let known = known_users(&database);
        return Err(StepFailure::unknown("user", name, known.iter().map(Vec::as_slice)));
    }
    let path = file_of(name)?;
    let present = guest.read(&path, MAX_TEXT_BYTES)?.unwrap_or_default();
    let mut text = match others {
        Others::Kept if !present.is_empty() => String::from_utf8_lossy(&present).into_owned(),
        _ => HEADER.to_owned(),
    };
    for rule in rules {
        let line = format!("{} {rule}", quoted(name));
        if !text.lines().any(|present| present == line) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        }
    }
    guest.create_directory_all(&fixed("/etc/sudoers.d"), NewMetadata::root(0o750))?;
    if text.as_bytes() != present {
        guest.write_file(&path, &mut text.as_bytes(), NewMetadata::root(0o440))?;
    }
    guest.set_mode(&path, 0o440)?;
    guest.set_owner(&path, 0, 0)?;
    check_included(guest)
}

/// Removes the file of a user that is gone.
pub(super) fn remove(guest: &mut Guest, name: &str) -> Outcome<()> {
    guest.remove(&file_of(name)?)?;
    Ok(())
}

/// The user's file. sudo passes over names with a dot, and cannot be told to take them.
fn file_of(name: &str) -> Outcome<GuestPath> {
    let name = name.replace('.', "%2e").replace('$', "%24");
    Ok(GuestPath::new(format!("/etc/sudoers.d/90-imgctl-{name}"))?)
}

/// The name as sudoers takes it: bare it could be an alias or a word of the grammar.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c);
    match name.chars().all(is_plain) {
        true => name.to_owned(),
        false => format!("\"{name}\""),
    }
}

fn check_included(guest: &mut Guest) -> Outcome<()> {
    for file in ["/etc/sudoers", "/usr/etc/sudoers"] {
        let Some(text) = guest.read(&fixed(file), MAX_TEXT_BYTES)? else {
            continue;
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix(['@', '#']));
        let includes = lines.any(|line| {
            let mut words = line.split_ascii_whitespace();
            let folder = words
                .next()
                .filter(|word| *word == "includedir")
                .and_then(|_| words.next());
            folder.is_some_and(|folder| folder.trim_matches('"').trim_end_matches('/').ends_with("sudoers.d"))
        });
        if !includes {
            guest.warn(format!(
                "{file} does not include /etc/sudoers.d: rules there have no effect"
            ));
        }
        return Ok(());
    }
    guest.warn("the guest has no sudo: the rules in /etc/sudoers.d have no effect until it is installed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{edited, guest, mode, text};

    #[test]
    fn each_user_has_a_file() {
        let mut guest = guest(&[
            "/etc/passwd|root:x:0:0::/root:/bin/sh\na.b:x:1:1::/:\nADM:x:2:2::/:\n",
            "/etc/sudoers 0440|@includedir /etc/sudoers.d\n",
        ]);
        let rules = ["ALL=(ALL) NOPASSWD: ALL".to_owned()];
        let changes = edited(&mut guest, |guest| {
            allow(guest, "a.b", &rules, Others::Replaced).unwrap();
            allow(guest, "ADM", &rules, Others::Replaced).unwrap();
            allow(guest, "ADM", &["ALL=/bin/ls".to_owned()], Others::Kept).unwrap();
        });
        assert_eq!(
            changes,
            [
                "~/etc",
                "+/etc/sudoers.d",
                "+/etc/sudoers.d/90-imgctl-ADM",
                "+/etc/sudoers.d/90-imgctl-a%2eb"
            ]
        );
        assert_eq!(
            text(&guest, "/etc/sudoers.d/90-imgctl-ADM"),
            "# Made by imgctl\n\"ADM\" ALL=(ALL) NOPASSWD: ALL\n\"ADM\" ALL=/bin/ls\n"
        );
        assert_eq!(mode(&guest, "/etc/sudoers.d/90-imgctl-a%2eb"), "0440 0:0");
        assert!(guest.warnings().is_empty());
        assert!(allow(&mut guest, "nobody", &rules, Others::Replaced).is_err());
    }

    #[test]
    fn a_second_time_changes_nothing() {
        let mut guest = guest(&[
            "/etc/passwd|ops:x:1:1::/:\n",
            "/etc/sudoers.d/ 0755",
            "/etc/sudoers.d/90-imgctl-ops 0440|# Made by imgctl\nops ALL=ALL\n",
        ]);
        allow(&mut guest, "ops", &["ALL=ALL".to_owned()], Others::Replaced).unwrap();
        assert!(guest.log().is_empty());
        assert!(guest.warnings()[0].message.contains("no sudo"));
    }
}
