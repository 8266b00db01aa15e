//! A value of the recipe as a YAML document of its own, for programs of the guest to read.
//!
//! Numbers and booleans stay as they are written; strings are quoted where any version of YAML would see something else.

use crate::import::yaml::{INDENT, is_plain, write_quoted, write_string};
use crate::node::{Node, NodeKind, Resolved, Scalar};

/// The document's text; for a mapping or list it begins at the start of a line.
pub(crate) fn written(node: &Node) -> String {
    let mut out = String::new();
    match &node.kind {
        NodeKind::Mapping(entries) if !entries.is_empty() => write_mapping(&mut out, entries, 0),
        NodeKind::Sequence(items) if !items.is_empty() => write_sequence(&mut out, items, 0),
        _ => write_after(&mut out, node, 0),
    }
    out
}

/// Whether a secret is anywhere in it.
pub(crate) fn is_sensitive(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Scalar(scalar) => scalar.sensitive,
        NodeKind::Sequence(items) => items.iter().any(is_sensitive),
        NodeKind::Mapping(entries) => entries
            .iter()
            .any(|(key, value)| is_sensitive(key) || is_sensitive(value)),
        NodeKind::Refused => false,
    }
}

fn write_mapping(out: &mut String, entries: &[(Node, Node)], depth: usize) {
    for (index, (key, value)) in entries.iter().enumerate() {
        // The first one of a list's item stands after the dash.
        if index > 0 || !out.ends_with("- ") {
            out.push_str(&" ".repeat(depth * INDENT));
        }
        write_key(out, key);
        match &value.kind {
            NodeKind::Mapping(inner) if !inner.is_empty() => {
                out.push_str(":\n");
                write_mapping(out, inner, depth + 1);
            }
            NodeKind::Sequence(items) if !items.is_empty() => {
                out.push_str(":\n");
                write_sequence(out, items, depth + 1);
            }
            _ => {
                out.push_str(": ");
                write_after(out, value, depth + 1);
            }
        }
    }
}

fn write_sequence(out: &mut String, items: &[Node], depth: usize) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 || !out.ends_with("- ") {
            out.push_str(&" ".repeat(depth * INDENT));
        }
        out.push_str("- ");
        match &item.kind {
            NodeKind::Mapping(inner) if !inner.is_empty() => write_mapping(out, inner, depth + 1),
            NodeKind::Sequence(inner) if !inner.is_empty() => write_sequence(out, inner, depth + 1),
            _ => write_after(out, item, depth + 1),
        }
    }
}

/// What stands to the end of a line, or is empty.
fn write_after(out: &mut String, node: &Node, depth: usize) {
    match &node.kind {
        NodeKind::Scalar(scalar) => write_scalar(out, scalar, depth),
        NodeKind::Mapping(_) => out.push_str("{}\n"),
        NodeKind::Sequence(_) => out.push_str("[]\n"),
        NodeKind::Refused => out.push_str("null\n"),
    }
}

fn write_scalar(out: &mut String, scalar: &Scalar, depth: usize) {
    match scalar.resolve_value() {
        Resolved::Text => write_string(out, &scalar.text, depth),
        Resolved::Null => out.push_str("null\n"),
        _ => {
            out.push_str(&scalar.text);
            out.push('\n');
        }
    }
}

fn write_key(out: &mut String, key: &Node) {
    let NodeKind::Scalar(scalar) = &key.kind else {
        return;
    };
    match scalar.plain || is_plain(&scalar.text) {
        // A key that was written without quotes needs none.
        true if !scalar.text.contains(['\n', '#', ':']) => out.push_str(&scalar.text),
        _ => write_quoted(out, &scalar.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Findings;
    use crate::reader;
    use crate::source_map::SourceMap;
    use std::path::Path;

    fn parsed(text: &str) -> Node {
        let map = SourceMap::new(Path::new("written"), text.to_owned());
        let file = map.recipe().clone();
        let mut findings = Findings::new(map);
        let root = reader::read(&file, &mut findings, &mut 0);
        assert_eq!(findings.take_sorted(), [], "{text}");
        root.unwrap()
    }

    #[test]
    fn documents_keep_what_they_say() {
        let text = "\
version: 2
ethernets:
  eth0:
    addresses:
      - \"192.0.2.10/24\"
      - \"2001:db8::10/64\"
    dhcp4: true
    mtu: 9000
    match: {}
    names: []
    empty: null
    legacy: yes
    quoted: \"yes\"
    \"a: b\": x
  more:
    - - a
      - b
    - k: v
      l: |
        #!/bin/sh
        echo x
";
        let written_once = written(&parsed(text));
        assert_eq!(written_once, text);
        assert_eq!(written(&parsed(&written_once)), text);
        let flow = "{ version: 2, ethernets: { eth0: { addresses: [192.0.2.1/24, '1.10'], a: ~ } } }";
        let expected = "version: 2\nethernets:\n  eth0:\n    addresses:\n      - \"192.0.2.1/24\"\n      - \"1.10\"\n    a: null\n";
        assert_eq!(written(&parsed(flow)), expected);
    }
}
