//! Operations on files.

use std::path::Path;

use super::super::yaml::{Child, Value};
use super::Importer;

impl Importer<'_> {
    /// Every operation that is no other.
    pub(super) fn file(&mut self) {
        let value = self.operation.value.clone();
        match self.operation.name.as_str() {
            "append-line" => {
                if let Some((path, line)) = self.pair() {
                    self.entry(&path, vec![("append", text(format!("{line}\n")))]);
                }
            }
            "write" => {
                if let Some((path, content)) = self.pair() {
                    self.entry(&path, vec![("content", text(content))]);
                }
            }
            "chmod" => self.chmod(),
            "chown" => self.chown(),
            "upload" => {
                if let Some((local, path)) = self.pair() {
                    let path = within(&path, &local);
                    self.source(&local, &path);
                }
            }
            "copy-in" => {
                if let Some((local, folder)) = self.pair() {
                    let path = format!("{}/{}", folder.trim_end_matches('/'), base_name(&local));
                    self.source(&local, &path);
                }
            }
            "delete" | "scrub" => self.entry(&value, vec![("state", text("absent".to_owned()))]),
            "mkdir" => self.entry(
                value.trim_end_matches('/'),
                vec![("type", text("directory".to_owned()))],
            ),
            "link" => self.link(),
            "edit" => self.edit(),
            "copy" | "move" => {
                let key = if self.operation.name == "copy" { "copy" } else { "move" };
                if let Some((from, to)) = self.pair() {
                    let to = within(&to, &from);
                    self.entry(&to, vec![(key, text(from))]);
                }
            }
            "tar-in" => {
                if let Some((archive, folder)) = self.pair() {
                    self.entry(folder.trim_end_matches('/'), vec![("archive", text(archive))]);
                }
            }
            "touch" => self.entry(&value, vec![("type", text("file".to_owned()))]),
            "truncate-recursive" => self.entry(
                value.trim_end_matches('/'),
                vec![
                    ("state", text("empty".to_owned())),
                    ("recursive", Child::part(Value::Plain("true".to_owned()))),
                ],
            ),
            "truncate" if value == "/etc/machine-id" => {
                let from = self.operation.subject();
                self.draft.reset("machine_id", "empty", &from);
            }
            "truncate" => self.entry(&value, vec![("content", text(String::new()))]),
            _ => self
                .draft
                .left_out(self.operation.subject(), "a recipe has nothing like it"),
        }
    }

    fn entry(&mut self, path: &str, keys: Vec<(&'static str, Child)>) {
        let entry = [vec![("path", text(path.to_owned()))], keys].concat();
        self.draft
            .files
            .push(Child::of(self.operation.subject(), Value::Map(entry)));
    }

    /// What real Perl is needed for is left out.
    fn edit(&mut self) {
        let Some((path, script)) = self.pair() else {
            return;
        };
        match imgctl_edit::Script::parse(&script) {
            Ok(_) => self.entry(&path, vec![("edit", text(script.trim().to_owned()))]),
            Err(error) => self.draft.left_out(
                self.operation.subject(),
                format!("{error}; `files` with `line` and `match` replaces a line"),
            ),
        }
    }

    /// virt-customize reads a mode without a leading zero as a decimal number, which nobody means.
    fn chmod(&mut self) {
        let Some((mode, path)) = self.pair() else {
            return;
        };
        let is_octal = !mode.is_empty() && mode.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        if !is_octal || mode.trim_start_matches('0').len() > 4 {
            self.draft.left_out(
                self.operation.subject(),
                "the mode is not an octal number of at most four digits",
            );
            return;
        }
        let octal = format!("{:0>4}", mode.trim_start_matches('0'));
        if !mode.starts_with('0')
            && let Ok(decimal) = mode.parse::<u32>()
        {
            let reason = format!(
                "virt-customize reads {mode} as a decimal number and sets {:04o}; the recipe has {octal}",
                decimal & 0o7777
            );
            self.draft.remark(self.operation.subject(), reason);
        }
        self.entry(&path, vec![("mode", text(octal))]);
    }

    fn chown(&mut self) {
        let parts: Vec<&str> = self.operation.value.splitn(3, ':').collect();
        let ([uid, gid, path], true) = (parts.as_slice(), parts.len() == 3) else {
            self.no_colon();
            return;
        };
        let keys = vec![("owner", id(uid)), ("group", id(gid))];
        self.entry(path, keys);
    }

    /// A local file with the mode and the owner that it has on this machine, as virt-customize gives it.
    fn source(&mut self, local: &str, path: &str) {
        let mut keys = vec![("source", text(local.to_owned()))];
        match self.host.look(Path::new(local)) {
            Some(found) if found.is_directory => {
                let kept = ["owners", "times"].map(|what| Child::part(Value::text(what)));
                let keys = vec![
                    ("tree", text(local.to_owned())),
                    ("preserve", Child::part(Value::List(kept.to_vec()))),
                ];
                self.draft.trees.insert(local.into());
                self.entry(path, keys);
                return;
            }
            Some(found) => {
                keys.push(("mode", text(format!("{:04o}", found.mode))));
                for (key, number) in [("owner", found.uid), ("group", found.gid)] {
                    if number != 0 {
                        keys.push((key, id(&number.to_string())));
                    }
                }
            }
            None => self.draft.remark(
                self.operation.subject(),
                format!("{local} is not here: the recipe does not say its mode and owner, which virt-customize keeps"),
            ),
        }
        self.entry(path, keys);
    }

    fn link(&mut self) {
        let mut parts = self.operation.value.split(':');
        let (Some(target), links) = (
            parts.next().map(str::to_owned),
            parts.map(str::to_owned).collect::<Vec<_>>(),
        ) else {
            return;
        };
        if links.is_empty() {
            self.no_colon();
        }
        for link in links {
            self.entry(&link, vec![("target", text(target.clone()))]);
        }
    }
}

fn text(text: String) -> Child {
    Child::part(Value::Text(text))
}

/// A number where a name is possible, too.
fn id(number: &str) -> Child {
    Child::part(match number.parse::<u32>() {
        Ok(number) => Value::Plain(number.to_string()),
        Err(_) => Value::text(number),
    })
}

/// A path that ends in a slash is a directory: the base name is kept in it.
fn within(path: &str, from: &str) -> String {
    match path.strip_suffix('/') {
        Some(folder) => format!("{folder}/{}", base_name(from)),
        None => path.to_owned(),
    }
}

fn base_name(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path)
}
