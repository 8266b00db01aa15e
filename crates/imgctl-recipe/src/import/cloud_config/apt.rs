//! `apt`: sources as repositories.

use super::super::yaml::{Child, Value};
use super::Importer;
use super::document::text;
use crate::node::Node;

impl Importer<'_> {
    pub(super) fn apt(&mut self, node: &Node) {
        let Some(section) = self.section("apt", node) else {
            return;
        };
        for (name, node) in section.entries() {
            match name {
                "sources" => {
                    let Some(sources) = self.section("apt.sources", node) else {
                        continue;
                    };
                    for (name, node) in sources.entries() {
                        self.apt_source(name, node);
                    }
                }
                "preserve_sources_list" => {}
                _ => self.draft.left_out(
                    format!("apt.{name}"),
                    "a recipe adds repositories as `packages.repos`; write other settings of apt as `files`",
                ),
            }
        }
    }

    fn apt_source(&mut self, name: &str, node: &Node) {
        let from = format!("apt.sources.{name}");
        let Some(entry) = self.section(&from, node) else {
            return;
        };
        let mut line = None;
        let mut key = None;
        for (name, node) in entry.entries() {
            match (name, text(node)) {
                ("source", Some(text)) => line = Some(text.trim()),
                ("key", Some(text)) => key = Some(format!("{}\n", text.trim())),
                ("filename", Some(_)) => {}
                ("keyid" | "keyserver", Some(_)) => {}
                _ => self
                    .draft
                    .left_out(format!("{from}.{name}"), "a recipe's repositories have nothing like it"),
            }
        }
        if key.is_none() && entry.entries().any(|(name, _)| name == "keyid") {
            self.draft.left_out(
                &from,
                "its key is on a keyserver: fetch it, and name the file by `key: { source: … }`",
            );
            return;
        }
        let Some(line) = line else {
            self.draft
                .left_out(&from, "it has no `source`: a key alone is for no repository");
            return;
        };
        let id = name.trim_end_matches(".list").trim_end_matches(".sources");
        match repository(id, line, key) {
            Ok(keys) => self.draft.repositories.push(Child::of(from, Value::Map(keys))),
            Err(reason) => self.draft.left_out(from, reason),
        }
    }
}

/// The entry that a line of sources.list makes.
fn repository(id: &str, line: &str, key: Option<String>) -> Result<Vec<(&'static str, Child)>, &'static str> {
    if line.starts_with("ppa:") {
        return Err("a PPA is found by asking Launchpad: write its archive as `uri` and `suite`");
    }
    if line.contains("$RELEASE") || line.contains("$MIRROR") || line.contains("$PRIMARY") || line.contains("$SECURITY")
    {
        return Err("`$RELEASE` and mirrors are the instance's: write the suite and the archive themselves");
    }
    let not_a_line = "it is no line of sources.list";
    let (kind, rest) = line.split_once(char::is_whitespace).ok_or(not_a_line)?;
    let rest = rest.trim_start();
    let (options, place) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or(not_a_line)?,
        None => ("", rest),
    };
    let mut words = place.split_whitespace();
    let (uri, suite) = (words.next().ok_or(not_a_line)?, words.next().ok_or(not_a_line)?);
    let list = |words: Vec<&str>| {
        Child::part(Value::List(
            words.into_iter().map(|word| Child::part(Value::text(word))).collect(),
        ))
    };
    let mut keys = vec![
        ("id", Child::part(Value::text(id))),
        ("uri", Child::part(Value::text(uri))),
        ("suite", Child::part(Value::text(suite))),
    ];
    let components: Vec<&str> = words.collect();
    if !components.is_empty() {
        keys.push(("components", list(components)));
    }
    if kind != "deb" {
        keys.push(("types", list(vec![kind])));
    }
    for option in options.split_whitespace() {
        match option.split_once('=').unwrap_or((option, "")) {
            ("arch", value) => keys.push(("architectures", list(value.split(',').collect()))),
            ("trusted", "yes") => keys.push(("gpgcheck", Child::part(Value::Plain("false".to_owned())))),
            ("signed-by", "$KEY_FILE") => {}
            ("signed-by", value) if key.is_none() => keys.push(("signed_by", Child::part(Value::text(value)))),
            ("signed-by", _) => {}
            _ => return Err("it has options that a recipe's repositories have nothing like"),
        }
    }
    if let Some(key) = key {
        let content = ("content", Child::part(Value::Text(key)));
        keys.push(("key", Child::part(Value::Map(vec![content]))));
    }
    Ok(keys)
}
