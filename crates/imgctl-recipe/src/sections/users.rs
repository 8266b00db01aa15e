//! `users`: existing users and their authorized keys.

use std::collections::BTreeMap;

use super::Context;
use crate::fields::Fields;
use crate::finding::Complaint;
use crate::plan::{Sourced, User};

/// The keys of which an entry has at least one.
const PROPERTIES: [&str; 13] = [
    "ssh_authorized_keys",
    "state",
    "uid",
    "group",
    "groups",
    "home",
    "shell",
    "comment",
    "system",
    "password",
    "password_hash",
    "locked",
    "sudo",
];

pub(super) fn users(fields: &Fields<'_>, context: &mut Context<'_>) -> Vec<Sourced<User>> {
    let mut users = Vec::new();
    let mut seen = BTreeMap::new();
    for (entry, place) in fields.tables("users") {
        let keys = keys(entry, context);
        let Some((name, name_place)) = entry.text("name") else {
            continue;
        };
        if let Some(first) = seen.insert(name, context.line(name_place)) {
            context.report(
                name_place,
                Complaint::error(format!("the user `{name}` is listed twice, first in line {first}"))
                    .hint("merge the two entries"),
            );
        }
        if PROPERTIES.iter().all(|key| !entry.has(key)) && !entry.is_incomplete() {
            context.report(
                place,
                Complaint::error(format!("the entry says nothing about the user `{name}`"))
                    .hint("add `ssh_authorized_keys: [\"ssh-ed25519 AAAA… me\"]`"),
            );
        }
        let user = User {
            name: name.to_owned(),
            ssh_authorized_keys: keys,
        };
        users.push(context.sourced(user, place));
    }
    users
}

fn keys(entry: &Fields<'_>, context: &mut Context<'_>) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let mut seen = BTreeMap::new();
    for (key, place) in entry.texts("ssh_authorized_keys") {
        let key = key.trim_matches([' ', '\t', '\n']);
        if let Some(first) = seen.insert(key, context.line(place)) {
            context.report(
                place,
                Complaint::warning(format!("this key is listed twice, first in line {first}")).hint("remove one"),
            );
            continue;
        }
        keys.push(key.to_owned());
    }
    keys
}
