//! `users` and keys of the default user.

use super::super::yaml::{Child, Value};
use super::Importer;
use super::document::{Document, flag, items, text, texts};
use crate::node::{Node, NodeKind};

const NO_DEFAULT: &str =
    "the default user is the image's own: name it with --default-user, like debian, ubuntu or rocky";

const PASSWORD: &str = "a password does not belong in a recipe: name a secret, `password: \"${{ secrets.NAME }}\"`";

impl Importer<'_> {
    pub(super) fn users(&mut self, node: &Node) {
        let Some(entries) = items(node) else {
            self.draft.left_out("users", "it is not a list");
            return;
        };
        for (index, entry) in entries.iter().enumerate() {
            let from = format!("users[{index}]");
            match &entry.kind {
                NodeKind::Scalar(scalar) if scalar.text == "default" => {
                    if self.options.default_user.is_none() {
                        self.draft.remark(&from, NO_DEFAULT);
                    }
                }
                NodeKind::Scalar(scalar) => {
                    let present = Child::of(from.clone(), Value::text("present"));
                    self.draft.user(&scalar.text, &from).set("state", present);
                }
                _ => self.user(&from, &Document::new(entry)),
            }
        }
    }

    /// `user`: what the default user is like.
    pub(super) fn user_default(&mut self, node: &Node) {
        match text(node) {
            Some(name) => {
                let present = Child::of("user", Value::text("present"));
                self.draft.user(name, "user").set("state", present);
            }
            None => self.draft.left_out("user", "write it as an entry of `users`"),
        }
    }

    pub(super) fn default_keys(&mut self, node: &Node) {
        let name = "ssh_authorized_keys";
        match (&self.options.default_user, texts(node)) {
            (_, None) => self.draft.left_out(name, "it is not a list of strings"),
            (None, _) => self.draft.left_out(name, NO_DEFAULT),
            (Some(user), Some(keys)) => {
                for (index, key) in keys.into_iter().enumerate() {
                    self.draft.user(user, name).key(key, &format!("{name}[{index}]"));
                }
            }
        }
    }

    fn user(&mut self, from: &str, entry: &Document<'_>) {
        let Some(name) = entry.text("name") else {
            self.draft.left_out(from, "it has no `name`");
            return;
        };
        let from = format!("{from} {name}");
        self.draft
            .user(name, &from)
            .set("state", Child::of(format!("{from}: state"), Value::text("present")));
        for (key, node) in entry.entries() {
            let part = format!("{from}: {key}");
            let property = match key {
                // cloud-init leaves the password locked unless it is told not to.
                "name" | "no_user_group" => continue,
                "lock_passwd" if flag(node) == Some(true) => continue,
                "no_create_home" if flag(node) == Some(false) => continue,
                "ssh_authorized_keys" | "ssh-authorized-keys" => {
                    self.user_keys(name, &part, node);
                    continue;
                }
                "sudo"
                    if flag(node) == Some(false) || text(node).is_none_or(str::is_empty) && texts(node).is_none() =>
                {
                    continue;
                }
                key => property(key, node),
            };
            match property {
                Some((key, value)) => self.draft.user(name, &from).set(key, Child::of(part, value)),
                None => self.draft.left_out(part, reason(key)),
            }
        }
    }

    fn user_keys(&mut self, name: &str, part: &str, node: &Node) {
        let Some(keys) = texts(node) else {
            self.draft.left_out(part, "it is not a list of strings");
            return;
        };
        for (index, key) in keys.into_iter().enumerate() {
            self.draft.user(name, part).key(key, &format!("{part}[{index}]"));
        }
    }
}

/// The recipe's word for a user's property.
fn property(key: &str, node: &Node) -> Option<(&'static str, Value)> {
    let plain = |text: &str| Value::text(text);
    Some(match key {
        "gecos" => ("comment", plain(text(node)?)),
        "homedir" => ("home", plain(text(node)?)),
        "shell" => ("shell", plain(text(node)?)),
        "primary_group" | "primary-group" => ("group", plain(text(node)?)),
        "uid" => ("uid", Value::Plain(text(node)?.parse::<u32>().ok()?.to_string())),
        "system" => ("system", Value::Plain(flag(node)?.to_string())),
        "no_create_home" => ("create_home", Value::Plain((!flag(node)?).to_string())),
        "expiredate" => ("expires", plain(text(node)?)),
        "lock_passwd" => ("locked", Value::Plain(flag(node)?.to_string())),
        "passwd" | "hashed_passwd" => ("password_hash", plain(text(node)?)),
        "groups" => {
            let groups = texts(node)?;
            let names = groups.iter().flat_map(|groups| groups.split(',')).map(str::trim);
            let names = names.filter(|name| !name.is_empty());
            (
                "groups",
                Value::List(names.map(|name| Child::part(plain(name))).collect()),
            )
        }
        "sudo" => {
            let rules = texts(node)?;
            (
                "sudo",
                Value::List(rules.iter().map(|rule| Child::part(plain(rule))).collect()),
            )
        }
        _ => return None,
    })
}

fn reason(key: &str) -> &'static str {
    match key {
        "plain_text_passwd" => PASSWORD,
        "ssh_import_id" => "it fetches keys from a service: write them into `ssh_authorized_keys`",
        "ssh_redirect_user" | "doas" | "snapuser" | "inactive" | "selinux_user" | "no_log_init" => {
            "a recipe's users have nothing like it"
        }
        _ => "it is not what cloud-init expects there, or a recipe's users have nothing like it",
    }
}
