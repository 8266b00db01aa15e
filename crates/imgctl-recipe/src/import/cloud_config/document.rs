//! Values as cloud-init's YAML reader (PyYAML, YAML 1.1) sees them.

use std::collections::{BTreeMap, BTreeSet};

use crate::node::{Node, NodeKind, Resolved};

/// A mapping, of whose keys the last one of a name counts.
pub(super) struct Document<'n> {
    entries: Vec<(&'n str, &'n Node)>,
    duplicates: BTreeSet<&'n str>,
}

impl<'n> Document<'n> {
    /// Of a mapping; everything else has no keys.
    pub(super) fn new(node: &'n Node) -> Self {
        let NodeKind::Mapping(entries) = &node.kind else {
            return Self {
                entries: Vec::new(),
                duplicates: BTreeSet::new(),
            };
        };
        let named: Vec<(&str, &Node)> = entries
            .iter()
            .filter_map(|(key, value)| Some((text(key)?, value)))
            .collect();
        let mut last = BTreeMap::new();
        let mut duplicates = BTreeSet::new();
        for (index, (name, _)) in named.iter().enumerate() {
            if last.insert(*name, index).is_some() {
                duplicates.insert(*name);
            }
        }
        let counts = |(index, (name, _)): &(usize, (&str, &Node))| last.get(name) == Some(index);
        let entries = named
            .into_iter()
            .enumerate()
            .filter(counts)
            .map(|(_, entry)| entry)
            .collect();
        Self { entries, duplicates }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&'n str, &'n Node)> {
        self.entries.iter().copied()
    }

    pub(super) fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(key, _)| *key == name).map(|(_, node)| *node)
    }

    pub(super) fn text(&self, name: &str) -> Option<&'n str> {
        self.get(name).and_then(text)
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(flag)
    }

    pub(super) fn duplicates(&self) -> impl Iterator<Item = &'n str> {
        self.duplicates.iter().copied()
    }
}

/// A scalar's text, whatever it would be to a reader; nothing for null.
pub(super) fn text(node: &Node) -> Option<&str> {
    match &node.kind {
        NodeKind::Scalar(scalar) if scalar.resolve() != Resolved::Null => Some(&scalar.text),
        _ => None,
    }
}

/// A boolean of YAML 1.1, or a string that cloud-init takes for one.
pub(super) fn flag(node: &Node) -> Option<bool> {
    match text(node)?.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A list of scalars, or one scalar.
pub(super) fn texts(node: &Node) -> Option<Vec<&str>> {
    match &node.kind {
        NodeKind::Sequence(items) => items.iter().map(text).collect(),
        _ => text(node).map(|text| vec![text]),
    }
}

/// The items of a list.
pub(super) fn items(node: &Node) -> Option<&[Node]> {
    match &node.kind {
        NodeKind::Sequence(items) => Some(items),
        _ => None,
    }
}
