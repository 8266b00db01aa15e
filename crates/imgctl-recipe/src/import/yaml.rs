//! Values as YAML that this crate's reader reads back the same.

use crate::finding::is_harmful;
use crate::node::{Resolved, Scalar};

/// Spaces per level.
pub(crate) const INDENT: usize = 2;

/// A value to write.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A string, quoted where it needs to be.
    Text(String),
    /// A number or boolean.
    Plain(String),
    List(Vec<Child>),
    Map(Vec<(&'static str, Child)>),
}

/// A value with what it was made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Child {
    pub(super) value: Value,
    /// The other tool's words for it; `None` for what cannot go without what it is in.
    pub(super) from: Option<String>,
    /// Left out after all.
    pub(super) is_dropped: bool,
}

impl Child {
    pub(super) fn part(value: Value) -> Self {
        Self {
            value,
            from: None,
            is_dropped: false,
        }
    }

    pub(super) fn of(from: impl Into<String>, value: Value) -> Self {
        Self {
            from: Some(from.into()),
            ..Self::part(value)
        }
    }

    pub(super) fn is_written(&self) -> bool {
        !self.is_dropped && !self.value.is_empty()
    }
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Text(_) | Self::Plain(_) => false,
            Self::List(items) => !items.iter().any(Child::is_written),
            Self::Map(entries) => !entries.iter().any(|(_, child)| child.is_written()),
        }
    }
}

/// Writes the entries of a mapping, each at the beginning of a line.
pub(super) fn write_map(out: &mut String, entries: &[(&'static str, Child)], depth: usize) {
    let written = entries.iter().filter(|(_, child)| child.is_written());
    for (index, (key, child)) in written.enumerate() {
        // The first one of a list's item stands after the dash.
        if index > 0 || !out.ends_with("- ") {
            out.push_str(&" ".repeat(depth * INDENT));
        }
        out.push_str(key);
        out.push(':');
        write_value(out, &child.value, depth);
    }
}

fn write_value(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Text(text) => {
            out.push(' ');
            write_text(out, text, depth + 1);
        }
        Value::Plain(text) => {
            out.push(' ');
            out.push_str(text);
            out.push('\n');
        }
        Value::Map(entries) => {
            out.push('\n');
            write_map(out, entries, depth + 1);
        }
        Value::List(items) => {
            out.push('\n');
            for item in items.iter().filter(|item| item.is_written()) {
                out.push_str(&" ".repeat((depth + 1) * INDENT));
                out.push_str("- ");
                match &item.value {
                    Value::Map(entries) => write_map(out, entries, depth + 2),
                    Value::Text(text) => write_text(out, text, depth + 2),
                    Value::Plain(text) => {
                        out.push_str(text);
                        out.push('\n');
                    }
                    // No section has lists of lists.
                    Value::List(_) => out.push_str("[]\n"),
                }
            }
        }
    }
}

fn write_text(out: &mut String, text: &str, depth: usize) {
    // What is no variable must not look like one.
    write_string(out, &text.replace("${{", "$${{"), depth);
}

/// Writes a string to the end of its last line, quoted where it needs to be.
pub(crate) fn write_string(out: &mut String, text: &str, depth: usize) {
    if is_plain(text) {
        out.push_str(text);
        out.push('\n');
    } else if is_block(text) {
        out.push_str(if text.ends_with('\n') { "|\n" } else { "|-\n" });
        for line in text.lines() {
            if !line.is_empty() {
                out.push_str(&" ".repeat(depth * INDENT));
                out.push_str(line);
            }
            out.push('\n');
        }
    } else {
        write_quoted(out, text);
        out.push('\n');
    }
}

/// Whether a text needs no quotes anywhere, by any version of YAML.
pub(crate) fn is_plain(text: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_/.@+-".contains(&byte);
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    let scalar = Scalar {
        text: text.to_owned(),
        plain: true,
        ..Scalar::default()
    };
    let is_short_boolean = matches!(text, "y" | "Y" | "n" | "N");
    begins && text.bytes().all(safe) && !is_short_boolean && scalar.resolve() == Resolved::Text
}

/// Whether a text of several lines can stand as it is.
fn is_block(text: &str) -> bool {
    let is_shown = |c: char| c == '\n' || c == '\t' || (!c.is_control() && !is_harmful(c) && c != '\u{feff}');
    text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && !text.ends_with("\n\n")
        && !text.ends_with([' ', '\t'])
        // A line of nothing but spaces would lose them.
        && text.lines().all(|line| line.is_empty() || !line.trim().is_empty())
        && text.chars().all(is_shown)
}

pub(crate) fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            _ if character.is_control() || is_harmful(character) || !is_yaml_printable(character) => {
                out.push_str(&format!("\\U{:08x}", u32::from(character)));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// `c-printable` of YAML 1.2, without what looks like a line's end or the text's beginning.
fn is_yaml_printable(character: char) -> bool {
    !matches!(
        character,
        '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Findings;
    use crate::node::NodeKind;
    use crate::reader;
    use crate::source_map::SourceMap;
    use proptest::prelude::*;
    use std::path::Path;

    fn written(text: &str) -> String {
        let mut out = String::new();
        let item = Child::part(Value::Map(vec![
            ("content", Child::part(Value::text(text))),
            ("next", Child::part(Value::text("x"))),
        ]));
        let list = Child::part(Value::List(vec![item, Child::part(Value::text(text))]));
        write_map(&mut out, &[("files", list), ("end", Child::part(Value::text(text)))], 0);
        out
    }

    /// All scalars of a YAML text, keys included.
    fn scalars(text: &str) -> Vec<String> {
        fn collect(kind: NodeKind, found: &mut Vec<String>) {
            match kind {
                NodeKind::Scalar(scalar) => {
                    assert_eq!(scalar.resolve(), Resolved::Text, "{scalar:?}");
                    found.push(scalar.text);
                }
                NodeKind::Sequence(items) => items.into_iter().for_each(|item| collect(item.kind, found)),
                NodeKind::Mapping(entries) => entries.into_iter().for_each(|(key, value)| {
                    collect(key.kind, found);
                    collect(value.kind, found);
                }),
                NodeKind::Refused => panic!("refused"),
            }
        }
        let map = SourceMap::new(Path::new("written"), text.to_owned());
        let file = map.recipe().clone();
        let mut findings = Findings::new(map);
        let root = reader::read(&file, &mut findings, &mut 0);
        assert_eq!(findings.take_sorted(), [], "{text}");
        let mut found = Vec::new();
        collect(root.unwrap().kind, &mut found);
        found
    }

    fn comes_back(text: &str) {
        let written = written(text);
        let escaped = text.replace("${{", "$${{");
        let text = escaped.as_str();
        let expected = ["files", "content", text, "next", "x", text, "end", text];
        assert_eq!(scalars(&written), expected, "{written}");
    }

    #[test]
    fn every_text_comes_back() {
        for text in [
            "",
            " ",
            "a",
            "/etc/motd",
            "no",
            "y",
            "1.10",
            "0755",
            "~",
            "null",
            "a: b",
            "a #b",
            "- a",
            "{a}",
            "*x",
            "&x",
            "!x",
            "%x",
            "@x",
            "`x",
            "'",
            "\"",
            "\\",
            "a\n",
            "a\nb",
            "a\nb\n",
            "a\n\nb\n",
            "a\nb\n\n",
            "\na\n",
            " a\nb\n",
            "a\n  b\n",
            "a\n \nb\n",
            "a\tb",
            "\ta\nb",
            "a\n\tb\n",
            "a \nb\n",
            "a\nb ",
            "\r\n",
            "a\r\nb\r\n",
            "\u{0}",
            "\u{1b}[2J",
            "\u{7f}",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{fffe}",
            "\u{202e}",
            "é\nü\n",
            "😀",
            "#!/bin/sh\necho 'x: y' # z\n",
            "---\n...\n",
            "--- a\nb",
            "? a",
            "key: |\n  x\n",
            "=",
            "<<",
            "a,b",
            "[",
            "]",
            ": ",
            "a:",
            ":a",
            "-",
            "--",
            "...",
            "---",
        ] {
            comes_back(text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_text_comes_back(text in "[ \\t\\n#:a'\"|>\\\\é-]{0,24}", any in any::<String>()) {
            comes_back(&text);
            comes_back(&any);
        }
    }
}
