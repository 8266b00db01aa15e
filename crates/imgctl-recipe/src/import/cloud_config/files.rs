//! `write_files`.

use super::super::yaml::{Child, Value};
use super::Importer;
use super::document::{Document, items, text};
use crate::kinds::decode_base64;
use crate::node::{Node, NodeKind, Resolved};

impl Importer<'_> {
    pub(super) fn write_files(&mut self, node: &Node) {
        let Some(entries) = items(node) else {
            self.draft.left_out("write_files", "it is not a list");
            return;
        };
        for (index, entry) in entries.iter().enumerate() {
            self.write_file(&format!("write_files[{index}]"), entry);
        }
    }

    fn write_file(&mut self, from: &str, node: &Node) {
        let entry = Document::new(node);
        let Some(path) = entry.text("path") else {
            self.draft.left_out(from, "it has no `path`");
            return;
        };
        let from = format!("{from} {path}");
        if entry.get("source").is_some() {
            let reason =
                "its content comes from an address: give it by `url` and `sha256`, or as a local file by `source`";
            self.draft.left_out(from, reason);
            return;
        }
        let content = entry.text("content").unwrap_or_default();
        let content = match decoded(content, entry.text("encoding").unwrap_or_default()) {
            Ok(content) => content,
            Err(reason) => {
                self.draft.left_out(from, reason);
                return;
            }
        };
        let key = match entry.flag("append") {
            Some(true) => "append",
            _ => "content",
        };
        let mut keys = vec![(key, Child::part(Value::Text(content)))];
        if let Some(node) = entry.get("permissions") {
            match mode(node) {
                Some(mode) => keys.push(("mode", Child::part(Value::Text(mode)))),
                None => self
                    .draft
                    .remark(&from, "its permissions are no octal number; the recipe has the default"),
            }
        }
        if let Some(owner) = entry.text("owner") {
            let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
            let named = [("owner", user), ("group", group)].into_iter();
            keys.extend(
                named
                    .filter(|(_, name)| !name.is_empty() && *name != "-1" && *name != "None")
                    .map(|(key, name)| (key, Child::part(principal(name)))),
            );
        }
        for (name, _) in entry.entries() {
            if !["path", "content", "encoding", "append", "permissions", "owner", "defer"].contains(&name) {
                self.draft
                    .left_out(format!("{from}: {name}"), "a recipe has nothing like it");
            }
        }
        self.draft.file(from, path, keys);
    }
}

fn principal(name: &str) -> Value {
    match name.parse::<u32>() {
        Ok(number) => Value::Plain(number.to_string()),
        Err(_) => Value::text(name),
    }
}

/// A number of YAML 1.1, where a leading zero means octal; or a string of octal digits.
fn mode(node: &Node) -> Option<String> {
    let NodeKind::Scalar(scalar) = &node.kind else {
        return None;
    };
    let digits = text(node)?;
    let bits = match scalar.resolve() {
        Resolved::Integer if !digits.starts_with("0o") && digits.len() > 1 => digits.parse::<u32>().ok()?,
        _ => u32::from_str_radix(digits.trim_start_matches("0o"), 8).ok()?,
    };
    (bits <= 0o7777).then(|| format!("{bits:04o}"))
}

/// The text that an encoded content stands for.
fn decoded(content: &str, encoding: &str) -> Result<String, &'static str> {
    const BINARY: &str = "its content is not text: put it into a file beside the recipe and name that by `source`";
    match encoding.to_ascii_lowercase().as_str() {
        "" | "text/plain" => Ok(content.to_owned()),
        "b64" | "base64" => {
            let packed: String = content.split_whitespace().collect();
            let bytes = decode_base64(&packed).ok_or("its content is not base64")?;
            String::from_utf8(bytes)
                .ok()
                .filter(|text| !text.contains('\0'))
                .ok_or(BINARY)
        }
        "gz" | "gzip" | "gz+b64" | "gz+base64" | "gzip+b64" | "gzip+base64" => {
            Err("its content is compressed: unpack it into a file beside the recipe and name that by `source`")
        }
        _ => Err("its encoding is not known"),
    }
}
