//! cloud-init's cloud-config as a recipe (module reference: <https://docs.cloud-init.io/en/latest/reference/modules.html>).

mod apt;
mod document;
mod files;
mod packages;
mod settings;
mod users;

use std::path::Path;

use document::{Document, flag, text};

use super::commands::{self, Taken, quoted};
use super::draft::Draft;
use super::yaml::{Child, Value};
use super::{Import, ImportError, MAX_IMPORT_BYTES};
use crate::finding::Findings;
use crate::node::{Node, NodeKind};
use crate::reader;
use crate::source_map::SourceMap;

/// What a cloud-config leaves to the image it boots in.
#[derive(Clone, Debug, Default)]
pub struct CloudConfigOptions {
    /// The image's default user, who gets what the cloud-config says of it: `debian`, `ubuntu`, `rocky`.
    pub default_user: Option<String>,
}

/// Makes a recipe of a cloud-config's text.
///
/// # Errors
/// What is no cloud-config: not UTF-8, not YAML, not a mapping.
pub fn from_cloud_config(bytes: &[u8], options: &CloudConfigOptions) -> Result<Import, ImportError> {
    if bytes.len() > MAX_IMPORT_BYTES {
        return Err(ImportError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ImportError::NotText)?;
    check_kind(text)?;
    let map = SourceMap::new(Path::new("cloud-config"), text.to_owned());
    let file = map.recipe().clone();
    let mut findings = Findings::new(map);
    let root = reader::read(&file, &mut findings, &mut 0);
    let mut findings = findings.take_sorted();
    let Some(root) = root else {
        return Err(match findings.is_empty() {
            true => ImportError::NotACloudConfig("the cloud-config is empty"),
            false => ImportError::Yaml(Box::new(findings.swap_remove(0))),
        });
    };
    let mut draft = Draft::default();
    for finding in findings {
        // Syntax that is never right leaves no root; an alias leaves a hole, anchors and tags only themselves.
        let line = format!("line {}", finding.origin.line);
        match finding.message.starts_with("aliases") {
            true => draft.left_out(line, finding.message),
            false => draft.remark(line, finding.message),
        }
    }
    let NodeKind::Mapping(_) = root.kind else {
        return Err(ImportError::NotACloudConfig(
            "a cloud-config is a mapping of keys to values",
        ));
    };
    let mut importer = Importer {
        draft: &mut draft,
        options,
    };
    importer.import(&Document::new(&root));
    draft.finish("cloud-config")
}

/// Refuses user data of other kinds by name.
fn check_kind(text: &str) -> Result<(), ImportError> {
    let first = text.lines().next().unwrap_or_default().trim_end();
    let refusal = match first {
        "## template: jinja" => "a template must be rendered first: cloud-init query --format, or write the values in",
        "#cloud-config-archive" => "an archive must be taken apart first: give its cloud-config parts one by one",
        "#cloud-boothook" | "#include" | "#include-once" | "#part-handler" => "this is user data, but no cloud-config",
        first if first.starts_with("#!") => "this is a script, not a cloud-config; name it in `run` by `source`",
        first if first.starts_with("Content-Type:") || first.starts_with("MIME-Version:") => {
            "a MIME message must be taken apart first: give its cloud-config part"
        }
        _ => return Ok(()),
    };
    Err(ImportError::NotACloudConfig(refusal))
}

struct Importer<'i> {
    draft: &'i mut Draft,
    options: &'i CloudConfigOptions,
}

impl Importer<'_> {
    fn import(&mut self, document: &Document<'_>) {
        for name in document.duplicates() {
            self.draft.remark(name, "it is given twice; the last one counts");
        }
        self.host_name(document);
        for (name, node) in document.entries() {
            match name {
                // Together above.
                "hostname" | "fqdn" | "prefer_fqdn_over_hostname" => {}
                "timezone" => self.draft.timezone = self.word(name, node),
                "locale" => self.draft.locale = self.word(name, node),
                "keyboard" => self.keyboard(node),
                "ca_certs" | "ca-certs" => self.ca_certs(node),
                "write_files" => self.write_files(node),
                "groups" => self.groups(node),
                "users" => self.users(node),
                "user" => self.user_default(node),
                "ssh_authorized_keys" => self.default_keys(node),
                "packages" => self.packages(node),
                "package_update" | "apt_update" => {}
                "package_upgrade" | "apt_upgrade" => match flag(node) {
                    Some(true) => self.draft.update = Some(("all".to_owned(), name.to_owned())),
                    Some(false) => {}
                    None => self.draft.left_out(name, "it is neither true nor false"),
                },
                "yum_repos" => self.yum_repos(node),
                "apt" => self.apt(node),
                "runcmd" => self.commands(name, node, None),
                "bootcmd" => self.commands(name, node, Some("before-packages")),
                "ssh_pwauth" => self.password_logins(node),
                name => self.other(name, node),
            }
        }
    }

    /// A string, or a note that there is none.
    fn word(&mut self, name: &str, node: &Node) -> Option<(String, String)> {
        match text(node) {
            Some(text) => Some((text.to_owned(), name.to_owned())),
            None => {
                self.draft.left_out(name, "it is not a string");
                None
            }
        }
    }

    /// A mapping, or a note that there is none.
    fn section<'n>(&mut self, name: &str, node: &'n Node) -> Option<Document<'n>> {
        if matches!(node.kind, NodeKind::Mapping(_)) {
            return Some(Document::new(node));
        }
        self.draft.left_out(name, "it is not a mapping");
        None
    }

    /// Commands of one list, which cloud-init makes one script of: for the first boot, or for a place while the image is
    /// made.
    fn commands(&mut self, name: &str, node: &Node, at: Option<&'static str>) {
        let NodeKind::Sequence(items) = &node.kind else {
            self.draft.left_out(name, "it is not a list");
            return;
        };
        let mut script = String::new();
        for (index, item) in items.iter().enumerate() {
            let from = format!("{name}[{index}]");
            match &item.kind {
                NodeKind::Scalar(scalar) => {
                    if commands::take(self.draft, &scalar.text, &from) == Taken::No {
                        script.push_str(scalar.text.trim_end_matches('\n'));
                        script.push('\n');
                    }
                }
                NodeKind::Sequence(_) => {
                    let Some(words) = document::texts(item) else {
                        self.draft.left_out(from, "it is not a list of strings");
                        continue;
                    };
                    if commands::take_words(self.draft, &words, &from) == Taken::No {
                        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                        script.push_str(&words.join(" "));
                        script.push('\n');
                    }
                }
                _ => self
                    .draft
                    .left_out(from, "it is neither a string nor a list of strings"),
            }
        }
        if script.is_empty() {
            return;
        }
        let mut entry = vec![("name", Child::part(Value::text(name)))];
        entry.extend(at.map(|at| ("at", Child::part(Value::text(at)))));
        entry.push(("network", Child::part(Value::Plain("true".to_owned()))));
        // cloud-init goes on after a command that fails.
        if at.is_none() {
            entry.push(("retry", Child::part(Value::Plain("false".to_owned()))));
        }
        entry.push(("script", Child::part(Value::Text(format!("#!/bin/sh\n{script}")))));
        let entry = Child::of(name, Value::Map(entry));
        match at {
            Some(_) => {
                self.draft.run.push(entry);
                let reason = "cloud-init runs it at every boot, a recipe once, while the image is made";
                self.draft.remark(name, reason);
            }
            None => {
                self.draft.first_boot.push(entry);
                let reason = "it runs at the first boot of each machine, as cloud-init does it; what can be done while \
                              the image is made belongs in `run`";
                self.draft.remark(name, reason);
            }
        }
    }

    fn other(&mut self, name: &str, node: &Node) {
        if matches!(&node.kind, NodeKind::Scalar(scalar) if scalar.plain && scalar.text.is_empty()) {
            return;
        }
        let reason = settings::REASONS.iter().find(|(names, _)| names.contains(&name));
        let reason = reason.map_or("a recipe has nothing like it", |(_, reason)| reason);
        self.draft.left_out(settings::shown(name), reason);
    }
}
