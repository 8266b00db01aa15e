//! `${{ … }}` in values and templates: where it stands, and what it becomes.

use std::ops::Range;

use crate::finding::{Complaint, Findings, Place, quoted};
use crate::node::{Node, NodeKind, Scalar};
use crate::scope::{Found, Scope, Within};

/// How much text all references of a recipe can become together.
const MAX_EXPANDED_BYTES: usize = 16 << 20;

/// How many values a recipe can have once its lists are filled in.
const MAX_NODES: usize = 200_000;

/// A part of a text.
#[derive(Debug, Eq, PartialEq)]
enum Piece<'t> {
    /// As it is.
    Text(&'t str),
    /// The name between the braces, and the bytes of all of it.
    Reference(&'t str, Range<usize>),
}

/// Replaces every reference in the values of a recipe. `vars` and `secrets` have none, and conditions name things alone.
pub(crate) fn fill_in(root: &mut Node, scope: &mut Scope, findings: &mut Findings) {
    let mut filler = Filler {
        scope,
        findings,
        budget: Budget::default(),
    };
    // What others can name comes first.
    if let Some(metadata) = root.get_mut("metadata") {
        filler.node(metadata, "metadata", Within::Metadata);
    }
    filler.scope.learn("metadata", root.get("metadata"));
    if let Some(url) = root.get_mut("source").and_then(|source| source.get_mut("url")) {
        filler.node(url, "source.url", Within::Source);
    }
    filler.scope.learn("source", root.get("source"));
    let NodeKind::Mapping(entries) = &mut root.kind else {
        return;
    };
    for (key, value) in entries {
        let Some(name) = key.as_text().map(str::to_owned) else {
            continue;
        };
        match name.as_str() {
            "metadata" => {}
            "source" => filler.source(value),
            "apiVersion" | "kind" | "extends" | "vars" | "secrets" => filler.refuse(value, &name),
            "outputs" => filler.node(value, &name, Within::Outputs),
            _ => filler.node(value, &name, Within::Other),
        }
    }
}

/// Fills in the text of a template, whose first byte has this offset; `None` after a finding.
pub(crate) fn render(
    text: &str,
    start: usize,
    place: &Place,
    scope: &Scope,
    findings: &mut Findings,
) -> Option<Rendered> {
    let mut rendered = Rendered::default();
    let mut refused = false;
    let mut report = |range: Range<usize>, complaint: Complaint| {
        let span = start + range.start..start + range.end;
        let key = place.key.clone();
        findings.push(&Place { span, key }, complaint);
        refused = true;
    };
    for piece in pieces(text) {
        let (name, range) = match piece {
            Ok(Piece::Text(text)) => {
                rendered.text.push_str(text);
                continue;
            }
            Ok(Piece::Reference(name, range)) => (name, range),
            Err((range, complaint)) => {
                report(range, complaint);
                continue;
            }
        };
        match scope.find(name, Within::Template) {
            Ok(Found::Scalar(scalar)) => rendered.text.push_str(&scalar.text),
            Ok(Found::List(_)) => report(range, list_in_text(name)),
            Ok(Found::Secret(text)) => {
                rendered.text.push_str(text);
                rendered.sensitive = true;
            }
            Ok(Found::AbsentSecret) => rendered.absent = Some(name.to_owned()),
            Ok(Found::Pending) => {}
            Ok(Found::Invalid) => refused = true,
            Err(complaint) => report(range, complaint),
        }
        if rendered.text.len() > MAX_EXPANDED_BYTES {
            report(0..0, too_much());
            break;
        }
    }
    (!refused).then_some(rendered)
}

/// What a template became.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    pub(crate) text: String,
    /// Whether a secret is in it.
    pub(crate) sensitive: bool,
    /// An optional secret in it that has no value.
    pub(crate) absent: Option<String>,
}

#[derive(Debug, Default)]
struct Budget {
    bytes: usize,
    nodes: usize,
    spent: bool,
}

struct Filler<'f> {
    scope: &'f mut Scope,
    findings: &'f mut Findings,
    budget: Budget,
}

impl Filler<'_> {
    fn node(&mut self, node: &mut Node, key: &str, within: Within) {
        self.budget.nodes = self.budget.nodes.saturating_add(1);
        match &mut node.kind {
            NodeKind::Scalar(scalar) if scalar.text.contains("${{") => {
                let place = Place {
                    span: node.span.clone(),
                    key: key.to_owned(),
                };
                let filled = self.scalar(scalar, &place, within);
                node.kind = filled.unwrap_or(NodeKind::Refused);
            }
            NodeKind::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.node(item, &format!("{key}[{index}]"), within);
                }
                splice(items);
                if self.budget.nodes.saturating_add(items.len()) > MAX_NODES {
                    items.clear();
                    self.spend(node.span.clone(), key);
                }
            }
            NodeKind::Mapping(entries) => {
                for (name, value) in entries {
                    let name = name.as_text().unwrap_or_default().to_owned();
                    let inner = match name.is_empty() {
                        true => key.to_owned(),
                        false => format!("{key}.{}", name.chars().take(64).collect::<String>()),
                    };
                    match name.as_str() {
                        "when" => self.condition(value, &inner),
                        _ => self.node(value, &inner, within),
                    }
                }
            }
            NodeKind::Scalar(_) | NodeKind::Refused => {}
        }
    }

    /// The source without its `url`, which is filled in already.
    fn source(&mut self, node: &mut Node) {
        let NodeKind::Mapping(entries) = &mut node.kind else {
            return;
        };
        for (key, value) in entries {
            match key.as_text().map(str::to_owned) {
                None => {}
                Some(key) if key == "url" => {}
                Some(key) => self.node(value, &format!("source.{key}"), Within::Source),
            }
        }
    }

    /// A condition names things without braces.
    fn condition(&mut self, node: &mut Node, key: &str) {
        let Some(text) = node.as_text().filter(|text| text.contains("${{")) else {
            return;
        };
        let bare = text.replace("${{", "").replace("}}", "");
        let complaint = Complaint::error("a condition has no `${{ … }}`: it names things as they are")
            .hint(format!("write {}", quoted(bare.split_whitespace().collect::<Vec<_>>().join(" ").as_str())));
        let place = Place {
            span: node.span.clone(),
            key: key.to_owned(),
        };
        self.findings.push(&place, complaint);
        node.kind = NodeKind::Refused;
    }

    /// What a scalar with references becomes; `None` after a finding.
    fn scalar(&mut self, scalar: &Scalar, place: &Place, within: Within) -> Option<NodeKind> {
        let mut filled = Scalar {
            text: String::new(),
            plain: scalar.plain,
            ..Scalar::default()
        };
        let mut refused = false;
        let parts: Vec<_> = pieces(&scalar.text).collect();
        let alone = parts.len() == 1;
        for piece in parts {
            let name = match piece {
                Ok(Piece::Text(text)) => {
                    filled.text.push_str(text);
                    continue;
                }
                Ok(Piece::Reference(name, _)) => name,
                Err((_, complaint)) => {
                    self.findings.push(place, complaint);
                    refused = true;
                    continue;
                }
            };
            filled.from.push(name.to_owned());
            match self.scope.find(name, within) {
                Ok(Found::Scalar(value)) if alone => {
                    filled.text.push_str(&value.text);
                    filled.plain = scalar.plain && value.plain;
                    filled.typed = value.plain;
                }
                Ok(Found::Scalar(value)) => filled.text.push_str(&value.text),
                Ok(Found::List(items)) if alone => {
                    let items = items.iter().map(|item| Node {
                        span: place.span.clone(),
                        kind: NodeKind::Scalar(Scalar {
                            from: vec![name.to_owned()],
                            ..item.clone()
                        }),
                    });
                    return Some(NodeKind::Sequence(items.collect()));
                }
                Ok(Found::List(_)) => {
                    self.findings.push(place, list_in_text(name));
                    refused = true;
                }
                Ok(Found::Secret(text)) => {
                    filled.text.push_str(text);
                    filled.plain = false;
                    filled.sensitive = true;
                }
                Ok(Found::AbsentSecret) => {
                    filled.plain = false;
                    filled.sensitive = true;
                    filled.absent = Some(name.to_owned());
                }
                Ok(Found::Pending) => {
                    filled.text.push_str(&format!("${{{{ {name} }}}}"));
                    self.scope.pending.push(place.clone());
                }
                Ok(Found::Invalid) => refused = true,
                Err(complaint) => {
                    self.findings.push(place, complaint);
                    refused = true;
                }
            }
        }
        self.budget.bytes = self.budget.bytes.saturating_add(filled.text.len());
        if self.budget.bytes > MAX_EXPANDED_BYTES {
            self.spend(place.span.clone(), &place.key);
            return None;
        }
        (!refused).then_some(NodeKind::Scalar(filled))
    }

    fn spend(&mut self, span: Range<usize>, key: &str) {
        if !self.budget.spent {
            let key = key.to_owned();
            self.findings.push(&Place { span, key }, too_much());
        }
        self.budget.spent = true;
    }

    /// Says of the first reference that there can be none.
    fn refuse(&mut self, node: &Node, section: &str) {
        match &node.kind {
            NodeKind::Scalar(scalar) => {
                if pieces(&scalar.text).any(|piece| !matches!(piece, Ok(Piece::Text(_)))) {
                    let place = Place {
                        span: node.span.clone(),
                        key: section.to_owned(),
                    };
                    let complaint = Complaint::error(format!("`{section}` cannot contain `${{{{ … }}}}`"))
                        .hint("write the value itself; `$${{` stands for the characters `${{`");
                    self.findings.push(&place, complaint);
                }
            }
            NodeKind::Sequence(items) => items.iter().for_each(|item| self.refuse(item, section)),
            NodeKind::Mapping(entries) => entries.iter().for_each(|(_, value)| self.refuse(value, section)),
            NodeKind::Refused => {}
        }
    }
}

/// Puts the items of a list that came from a variable in its place: `[a, "${{ vars.list }}"]`.
fn splice(items: &mut Vec<Node>) {
    let from_variable = |item: &Node| match &item.kind {
        NodeKind::Sequence(inner) => inner.iter().all(|inner| inner.span == item.span),
        _ => false,
    };
    if !items.iter().any(from_variable) {
        return;
    }
    for item in std::mem::take(items) {
        match item {
            Node {
                kind: NodeKind::Sequence(inner),
                span,
            } if inner.iter().all(|inner| inner.span == span) => items.extend(inner),
            other => items.push(other),
        }
    }
}

fn too_much() -> Complaint {
    Complaint::error("what the variables become is too large").hint("put large contents into files, named by `source`")
}

fn list_in_text(name: &str) -> Complaint {
    Complaint::error(format!("{} is a list: it cannot be part of a text", quoted(name)))
        .hint("a list stands alone, as a whole value or as an entry of another list")
}

/// The parts of a text. `$${{` stands for `${{`.
fn pieces(text: &str) -> impl Iterator<Item = Result<Piece<'_>, (Range<usize>, Complaint)>> {
    let mut rest = text;
    let mut at = 0;
    let mut waiting: Option<(usize, usize)> = None;
    std::iter::from_fn(move || {
        if let Some((begin, length)) = waiting.take() {
            let literal = text.get(begin..begin + length)?;
            return Some(Ok(Piece::Text(literal)));
        }
        if rest.is_empty() {
            return None;
        }
        let open = match rest.find("${{") {
            None => rest.len(),
            Some(open) => open,
        };
        let before = rest.get(..open).unwrap_or_default();
        if let (Some(before), true) = (before.strip_suffix('$'), open < rest.len()) {
            // The second `$` and the braces stay.
            waiting = Some((at + open, 3));
            rest = rest.get(open + 3..).unwrap_or_default();
            at += open + 3;
            return Some(Ok(Piece::Text(before)));
        }
        if open > 0 {
            rest = rest.get(open..).unwrap_or_default();
            at += open;
            return Some(Ok(Piece::Text(before)));
        }
        let Some(close) = rest.find("}}") else {
            let broken = at..at + 3;
            rest = "";
            let complaint = Complaint::error("`${{` has no `}}`").hint("write `$${{` for the characters themselves");
            return Some(Err((broken, complaint)));
        };
        let name = rest.get(3..close).unwrap_or_default().trim();
        let range = at..at + close + 2;
        rest = rest.get(close + 2..).unwrap_or_default();
        at += close + 2;
        Some(Ok(Piece::Reference(name, range)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        let pieces = pieces(text).map(|piece| match piece {
            Ok(Piece::Text(text)) => format!("'{text}'"),
            Ok(Piece::Reference(name, range)) => {
                assert!(text[range.clone()].starts_with("${{") && text[range].ends_with("}}"));
                name.to_owned()
            }
            Err((range, _)) => format!("!{}", range.start),
        });
        pieces.filter(|piece| piece != "''").collect()
    }

    #[test]
    fn texts_are_split_at_references() {
        assert_eq!(split("a"), ["'a'"]);
        assert_eq!(split("${{ vars.a }}"), ["vars.a"]);
        assert_eq!(split("${{vars.a}}${{ b }}c"), ["vars.a", "b", "'c'"]);
        assert_eq!(split("x $${{ a }} ${{ b }}"), ["'x '", "'${{'", "' a }} '", "b"]);
        assert_eq!(split("$$$${{ a }}"), ["'$$$'", "'${{'", "' a }}'"]);
        assert_eq!(split("ä ${{ a"), ["'ä '", "!3"]);
        assert_eq!(split("${{}}"), [""]);
        assert_eq!(split("$ {{ a }} ${ a }"), ["'$ {{ a }} ${ a }'"]);
        assert_eq!(split("${{ ${{ a }} }}"), ["${{ a", "' }}'"]);
    }
}
