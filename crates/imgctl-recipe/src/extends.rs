//! `extends`: reads the recipes that one is built on, and merges them.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::check::{HEAD, check_head};
use crate::finding::{Complaint, Findings, Place, quoted};
use crate::host::{Host, HostFileError};
use crate::kinds;
use crate::node::{Node, NodeKind, Resolved};
use crate::reading::Reading;
use crate::source_map::SourceFile;
use crate::{MAX_RECIPE_BYTES, reader};

/// How many files a recipe can be made of.
const MAX_FILES: usize = 64;

/// How long a chain of recipes that build on each other can be.
const MAX_DEPTH: usize = 16;

/// Reads the recipe and every recipe it is built on; `None` after a finding that leaves nothing to check.
pub(crate) fn read(findings: &mut Findings, host: &dyn Host, reading: Reading<'_>) -> Option<Node> {
    let file = Arc::clone(findings.source.recipe());
    let mut loader = Loader {
        findings,
        host,
        reading,
        nodes: 0,
        chain: vec![identity(&file.name)],
        done: Vec::new(),
        merged: None,
    };
    let root = reader::read(&file, loader.findings, &mut loader.nodes)?;
    loader.bases(&root, &file);
    let merged = loader.merged.take();
    Some(match merged {
        // Something that is no mapping is refused as it is.
        Some(base) if matches!(root.kind, NodeKind::Mapping(_)) => merge_recipes(base, root),
        _ => root,
    })
}

struct Loader<'l> {
    findings: &'l mut Findings,
    host: &'l dyn Host,
    reading: Reading<'l>,
    /// How many values were read.
    nodes: usize,
    /// The files that lead to this one, from the recipe on.
    chain: Vec<PathBuf>,
    /// The files that were merged: each counts once.
    done: Vec<PathBuf>,
    merged: Option<Node>,
}

impl Loader<'_> {
    /// Merges everything that a file extends, in order.
    fn bases(&mut self, root: &Node, file: &SourceFile) {
        let Some(extends) = root.get("extends") else {
            return;
        };
        let items = match &extends.kind {
            NodeKind::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(extends),
        };
        for (index, item) in items.iter().enumerate() {
            // What is no path is refused by the check of the head.
            let NodeKind::Scalar(scalar) = &item.kind else {
                continue;
            };
            let name = scalar.text.as_str();
            let is_path = scalar.resolve() == Resolved::Text && (kinds::HOST_PATH.check)(name).is_ok();
            if !is_path || name.contains("${{") {
                continue;
            }
            let place = Place {
                span: item.span.clone(),
                key: format!("extends[{index}]"),
            };
            self.base(name, &file.beside(Path::new(name)), &place);
        }
    }

    fn base(&mut self, name: &str, path: &Path, place: &Place) {
        let identity = identity(path);
        if let Some(at) = self.chain.iter().position(|file| *file == identity) {
            let chain = self.chain.get(at..).unwrap_or_default().iter().chain([&identity]);
            let chain: Vec<String> = chain.map(|file| file.display().to_string()).collect();
            let complaint = Complaint::error(format!(
                "the recipes extend each other in a circle: {}",
                chain.join(" → ")
            ));
            self.findings.push(place, complaint.hint("remove one of the `extends`"));
            return;
        }
        if self.done.contains(&identity) {
            return;
        }
        if self.findings.source.count() >= MAX_FILES {
            self.refuse_once(place, format!("the recipe is made of more than {MAX_FILES} files"));
            return;
        }
        if self.chain.len() >= MAX_DEPTH {
            self.refuse_once(
                place,
                format!("the recipes build on each other more than {MAX_DEPTH} deep"),
            );
            return;
        }
        let Some(file) = self.open(name, path, place) else {
            return;
        };
        let Some(root) = reader::read(&file, self.findings, &mut self.nodes) else {
            return;
        };
        if !matches!(root.kind, NodeKind::Mapping(_)) {
            let (span, key) = (root.span.clone(), String::new());
            let complaint = Complaint::error(format!("a recipe must be a mapping, but is {}", root.describe()));
            self.findings.push(&Place { span, key }, complaint);
            return;
        }
        check_head(&root, self.findings, self.reading);
        self.chain.push(identity.clone());
        self.bases(&root, &file);
        self.chain.pop();
        self.done.push(identity);
        self.merged = Some(match self.merged.take() {
            Some(base) => merge_recipes(base, root),
            None => root,
        });
    }

    fn open(&mut self, name: &str, path: &Path, place: &Place) -> Option<Arc<SourceFile>> {
        let bytes = self.host.read_file(path, MAX_RECIPE_BYTES);
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).map_err(|_| HostFileError::NotText));
        match text {
            Ok(text) => Some(self.findings.source.add(path, text)),
            Err(error) => {
                let complaint = Complaint::error(format!("cannot read {}: {error}", quoted(name)));
                let complaint = match error {
                    HostFileError::NotFound if Path::new(name).is_relative() => {
                        complaint.hint("the path is relative to the folder of this file")
                    }
                    _ => complaint,
                };
                self.findings.push(place, complaint);
                None
            }
        }
    }

    fn refuse_once(&mut self, place: &Place, message: String) {
        self.findings.push(place, Complaint::error(message));
    }
}

/// A path without `.` and `..`, as far as that is possible without looking.
fn identity(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            _ => out.push(component),
        }
    }
    out
}

/// Merges two recipes: what makes a document a recipe is the child's alone.
fn merge_recipes(mut base: Node, child: Node) -> Node {
    if let NodeKind::Mapping(entries) = &mut base.kind {
        let has_metadata = child.get("metadata").is_some();
        entries.retain(|(key, _)| {
            let name = key.as_text().unwrap_or_default();
            !(HEAD.contains(&name) || has_metadata && name == "metadata")
        });
    }
    merge(base, child, &mut Vec::new())
}

/// Mappings are merged key by key, lists are joined, and of anything else the child's counts. `path` is where they are.
fn merge(base: Node, child: Node, path: &mut Vec<String>) -> Node {
    match (base.kind, child.kind) {
        (NodeKind::Mapping(base), NodeKind::Mapping(child_entries)) => Node {
            span: child.span,
            kind: NodeKind::Mapping(merge_entries(base, child_entries, path)),
        },
        (NodeKind::Sequence(mut base), NodeKind::Sequence(items)) => {
            // A variable's list is one value.
            if path.first().is_some_and(|section| section == "vars") {
                base.clear();
            }
            base.extend(items);
            Node {
                span: child.span,
                kind: NodeKind::Sequence(base),
            }
        }
        // `vars: { release: "1.35" }` gives a declared variable another default.
        (NodeKind::Mapping(base), kind @ NodeKind::Scalar(_)) if path.len() == 2 && is_in(path, "vars") => {
            let value = Node {
                span: child.span.clone(),
                kind,
            };
            Node {
                span: child.span,
                kind: NodeKind::Mapping(with_default(base, value)),
            }
        }
        (_, kind) => Node { span: child.span, kind },
    }
}

fn is_in(path: &[String], section: &str) -> bool {
    path.first().is_some_and(|first| first == section)
}

fn with_default(mut entries: Vec<(Node, Node)>, value: Node) -> Vec<(Node, Node)> {
    let default = entries.iter_mut().find(|(key, _)| key.as_text() == Some("default"));
    match default {
        Some((_, default)) => *default = value,
        None => {
            let key = Node::text("default", value.span.clone());
            entries.push((key, value));
        }
    }
    entries
}

fn merge_entries(base: Vec<(Node, Node)>, child: Vec<(Node, Node)>, path: &mut Vec<String>) -> Vec<(Node, Node)> {
    let mut merged: Vec<(Node, Option<Node>)> = base.into_iter().map(|(key, value)| (key, Some(value))).collect();
    let base_count = merged.len();
    let mut taken = vec![false; base_count];
    let mut index: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for (at, (key, _)) in merged.iter().enumerate() {
        if let Some(name) = key.as_text() {
            index.entry(name.to_owned()).or_insert(at);
        }
    }
    for (key, value) in child {
        let at = key.as_text().and_then(|name| index.get(name)).copied();
        // Of a key that the child has twice, the second stays to be found.
        let at = at.filter(|at| !taken.get(*at).copied().unwrap_or(true));
        let slot = at.and_then(|at| Some((at, merged.get_mut(at)?)));
        let Some((at, slot)) = slot else {
            merged.push((key, Some(value)));
            continue;
        };
        if let Some(taken) = taken.get_mut(at) {
            *taken = true;
        }
        path.push(key.as_text().unwrap_or_default().to_owned());
        let value = match slot.1.take() {
            Some(base) => merge(base, value, path),
            None => value,
        };
        path.pop();
        *slot = (key, Some(value));
    }
    let whole = merged.into_iter().filter_map(|(key, value)| Some((key, value?)));
    whole.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_to_the_same_file_are_the_same() {
        for (path, expected) in [
            ("a.yaml", "a.yaml"),
            ("./a.yaml", "a.yaml"),
            ("lib/../a.yaml", "a.yaml"),
            ("../a.yaml", "../a.yaml"),
            ("../../x/../a.yaml", "../../a.yaml"),
            ("/r/./b/../a.yaml", "/r/a.yaml"),
        ] {
            assert_eq!(identity(Path::new(path)), Path::new(expected), "{path}");
        }
    }
}
