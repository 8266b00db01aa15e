//! `users` and `groups`: who is there, and what they may.

use std::collections::BTreeMap;

use super::Context;
use crate::fields::Fields;
use crate::finding::{Complaint, Place, quoted};
use crate::kinds::{days_from_1970, principal};
use crate::plan::{Expiry, GroupEntry, Password, Sourced, User, UserState};

/// The keys of which an entry has at least one.
const PROPERTIES: [&str; 17] = [
    "ssh_authorized_keys",
    "state",
    "uid",
    "group",
    "groups",
    "home",
    "create_home",
    "shell",
    "comment",
    "system",
    "expires",
    "password",
    "password_hash",
    "disabled",
    "locked",
    "sudo",
    "move_home",
];

pub(super) fn users(fields: &Fields<'_>, context: &mut Context<'_>) -> Vec<Sourced<User>> {
    let mut users = Vec::new();
    let mut seen = BTreeMap::new();
    for (entry, place) in fields.tables("users") {
        let keys = keys(entry, context);
        let Some((name, name_place)) = entry.text("name") else {
            continue;
        };
        if !entry.is_conditional()
            && let Some(first) = seen.insert(name, context.line(name_place))
        {
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
                    .hint("add `ssh_authorized_keys: [\"ssh-ed25519 AAAA… me\"]`, or `state: present` to make it"),
            );
        }
        let state = state(entry, name, context);
        check(entry, context);
        let user = User {
            name: name.to_owned(),
            ssh_authorized_keys: keys,
            ..properties(entry, state)
        };
        users.push(context.sourced(user, place));
    }
    users
}

fn state(entry: &Fields<'_>, name: &str, context: &mut Context<'_>) -> UserState {
    let state = entry.text("state").map(|(state, _)| state);
    let removes_home = entry.boolean("remove_home").unwrap_or_default();
    if removes_home && state != Some("absent") {
        report(
            entry,
            "remove_home",
            "only with `state: absent` a home is removed",
            context,
        );
    }
    match state {
        Some("present") => UserState::Present,
        Some(_) => {
            for key in PROPERTIES.iter().filter(|key| **key != "state") {
                if entry.has(key) {
                    report(
                        entry,
                        key,
                        &format!("the user `{name}` is absent: it has no `{key}`"),
                        context,
                    );
                }
            }
            if name == "root" {
                report(entry, "state", "no system works without root", context);
            }
            UserState::Absent {
                remove_home: removes_home,
            }
        }
        None => UserState::Existing,
    }
}

fn report(entry: &Fields<'_>, key: &str, message: &str, context: &mut Context<'_>) {
    if let Some(place) = entry.key_place(key) {
        context.report(place, Complaint::error(message).hint("remove it"));
    }
}

/// What a field of passwd(5) cannot hold, and what does not go together.
fn check(entry: &Fields<'_>, context: &mut Context<'_>) {
    for key in ["home", "shell"] {
        if let Some((text, place)) = entry.text(key)
            && text.contains([':', '\n'])
        {
            let message = format!("{} has a `:`, which ends a field of passwd", quoted(text));
            context.report(place, Complaint::error(message));
        }
    }
    if entry.boolean("create_home") == Some(false) && entry.boolean("move_home") == Some(true) {
        report(
            entry,
            "move_home",
            "`move_home` contradicts `create_home: false`",
            context,
        );
    }
    if entry.has("password") && !entry.is_secret("password") && !entry.is_incomplete() {
        let complaint = Complaint::warning("the password stands in the recipe itself");
        let hint = "name a secret, `password: \"${{ secrets.NAME }}\"`, or give `password_hash`";
        if let Some(place) = entry.key_place("password") {
            context.report(place, complaint.hint(hint));
        }
    }
}

fn properties(entry: &Fields<'_>, state: UserState) -> User {
    let owned = |key: &str| entry.text(key).map(|(text, _)| text.to_owned());
    let number = |key: &str| entry.integer(key).and_then(|(id, _)| u32::try_from(id).ok());
    let is = |key: &str| entry.boolean(key) == Some(true);
    let expires = entry.text("expires").map(|(text, _)| match days_from_1970(text) {
        Some(day) => Expiry::Day(day),
        None => Expiry::Never,
    });
    let password = match (owned("password"), owned("password_hash")) {
        (Some(text), _) => Some(Password::Text(text)),
        (None, Some(hash)) => Some(Password::Hash(hash)),
        (None, None) => is("disabled").then_some(Password::Disabled),
    };
    User {
        name: String::new(),
        state,
        uid: number("uid"),
        group: entry.text("group").and_then(|(text, _)| principal(text)),
        groups: entry.texts("groups").map(|(name, _)| name.to_owned()).collect(),
        home: owned("home"),
        create_home: entry.boolean("create_home"),
        move_home: is("move_home"),
        shell: owned("shell"),
        comment: owned("comment"),
        is_system: is("system"),
        expires,
        password,
        locked: entry.boolean("locked"),
        sudo: entry.texts("sudo").map(|(rule, _)| rule.trim().to_owned()).collect(),
        ssh_authorized_keys: Vec::new(),
    }
}

pub(super) fn groups(fields: &Fields<'_>, context: &mut Context<'_>) -> Vec<Sourced<GroupEntry>> {
    let mut groups = Vec::new();
    let mut seen = BTreeMap::new();
    for (entry, place) in fields.tables("groups") {
        let Some((name, name_place)) = entry.text("name") else {
            continue;
        };
        if !entry.is_conditional()
            && let Some(first) = seen.insert(name, context.line(name_place))
        {
            let message = format!("the group `{name}` is listed twice, first in line {first}");
            context.report(name_place, Complaint::error(message).hint("merge the two entries"));
        }
        let is_absent = entry.text("state").is_some_and(|(state, _)| state == "absent");
        for key in ["gid", "system", "members"] {
            if is_absent && entry.has(key) {
                report(
                    entry,
                    key,
                    &format!("the group `{name}` is absent: it has no `{key}`"),
                    context,
                );
            }
        }
        let group = GroupEntry {
            name: name.to_owned(),
            is_absent,
            gid: entry.integer("gid").and_then(|(gid, _)| u32::try_from(gid).ok()),
            is_system: entry.boolean("system") == Some(true),
            members: entry.texts("members").map(|(name, _)| name.to_owned()).collect(),
        };
        groups.push(context.sourced(group, place));
    }
    groups
}

fn keys(entry: &Fields<'_>, context: &mut Context<'_>) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let mut seen: BTreeMap<&str, _> = BTreeMap::new();
    let found: Vec<(&str, &Place)> = entry.texts("ssh_authorized_keys").collect();
    for (key, place) in found {
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
