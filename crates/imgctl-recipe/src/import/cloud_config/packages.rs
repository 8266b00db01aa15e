//! `packages`, `yum_repos`, `ca_certs`.

use super::super::yaml::{Child, Value};
use super::Importer;
use super::document::{Document, items, text, texts};
use crate::node::{Node, NodeKind};

/// What yum and a recipe call alike.
const KEYS: [&str; 7] = [
    "baseurl",
    "mirrorlist",
    "metalink",
    "gpgkey",
    "gpgcheck",
    "enabled",
    "priority",
];

impl Importer<'_> {
    pub(super) fn packages(&mut self, node: &Node) {
        let Some(entries) = items(node) else {
            self.draft.left_out("packages", "it is not a list");
            return;
        };
        for (index, entry) in entries.iter().enumerate() {
            let from = format!("packages[{index}]");
            match &entry.kind {
                NodeKind::Mapping(_) => {
                    for (manager, list) in Document::new(entry).entries() {
                        match (manager, items(list)) {
                            ("apt", Some(list)) => list.iter().for_each(|entry| self.package(&from, entry)),
                            _ => self.draft.left_out(
                                format!("{from} {manager}"),
                                "a recipe installs by the guest's own package manager only",
                            ),
                        }
                    }
                }
                _ => self.package(&from, entry),
            }
        }
    }

    /// `name`, or `[name, version]`.
    fn package(&mut self, from: &str, node: &Node) {
        let name = match texts(node).as_deref() {
            Some([name]) => (*name).to_owned(),
            Some([name, version]) => format!("{name}={version}"),
            _ => {
                self.draft
                    .left_out(from, "it is neither a name nor a name with a version");
                return;
            }
        };
        let from = format!("{from} {name}");
        self.draft.install.push((name, from));
    }

    pub(super) fn yum_repos(&mut self, node: &Node) {
        let Some(section) = self.section("yum_repos", node) else {
            return;
        };
        for (id, node) in section.entries() {
            let from = format!("yum_repos.{id}");
            let entry = Document::new(node);
            let mut keys = vec![("id", Child::part(Value::text(id)))];
            for (name, node) in entry.entries() {
                let value = match name {
                    "baseurl" | "gpgkey" | "mirrorlist" | "metalink" => text(node).map(|text| Value::text(text.trim())),
                    "enabled" | "gpgcheck" => entry.flag(name).map(|flag| Value::Plain(flag.to_string())),
                    "priority" => text(node).map(|text| Value::Plain(text.trim().to_owned())),
                    // The name that people see.
                    "name" => continue,
                    _ => None,
                };
                match value {
                    Some(value) => {
                        let mut known = KEYS.into_iter();
                        let key = known.find(|key| *key == name);
                        keys.push((key.unwrap_or("baseurl"), Child::part(value)));
                    }
                    None => self
                        .draft
                        .left_out(format!("{from}.{name}"), "a recipe's repositories have nothing like it"),
                }
            }
            self.draft.repositories.push(Child::of(from, Value::Map(keys)));
        }
    }

    pub(super) fn ca_certs(&mut self, node: &Node) {
        let Some(section) = self.section("ca_certs", node) else {
            return;
        };
        for (name, node) in section.entries() {
            match (name, texts(node)) {
                ("trusted", Some(certificates)) => {
                    for (index, certificate) in certificates.into_iter().enumerate() {
                        let mut content = certificate.trim().to_owned();
                        content.push('\n');
                        let keys = vec![("content", Child::part(Value::Text(content)))];
                        let from = format!("ca_certs.trusted[{index}]");
                        self.draft.ca.push(Child::of(from, Value::Map(keys)));
                    }
                }
                _ => self
                    .draft
                    .left_out(format!("ca_certs.{name}"), "a recipe only adds certificate authorities"),
            }
        }
    }
}
