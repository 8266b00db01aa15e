//! YAML text to nodes, refusing what recipes do not use: anchors, tags, several documents.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use crate::finding::{Complaint, Findings, Place, is_harmful};
use crate::node::{Node, NodeKind, Scalar};
use crate::source_map::SourceFile;

/// How deep lists and mappings can be nested; the language itself needs 7.
const MAX_DEPTH: usize = 64;

/// How many values a recipe can have.
const MAX_NODES: usize = 100_000;

/// Reads one document; `None` after a finding that leaves nothing to check.
pub(crate) fn read(source: &SourceFile, findings: &mut Findings) -> Option<Node> {
    let mut reader = Reader {
        source,
        findings,
        stack: Vec::new(),
        root: None,
        documents: 0,
        nodes: 0,
    };
    let mut parser = Parser::new_from_str(&source.text);
    while let Some(event) = parser.next_event() {
        let done = match event {
            Ok((Event::StreamEnd, _)) => break,
            Ok((event, span)) => reader.event(event, span),
            Err(error) => {
                reader.syntax(&error);
                None
            }
        };
        done?;
    }
    if reader.root.is_none() {
        reader.refuse(
            source.start..source.start,
            Complaint::error("the recipe is empty").hint("it begins with `apiVersion: imgctl/v1` and `kind: Recipe`"),
        );
    }
    reader.root
}

/// A list or mapping that is not complete yet.
#[derive(Debug)]
enum Open {
    Sequence(usize, Vec<Node>),
    Mapping(usize, Vec<(Node, Node)>, Option<Node>),
}

struct Reader<'r> {
    source: &'r SourceFile,
    findings: &'r mut Findings,
    stack: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
}

impl Reader<'_> {
    /// `None` ends the reading.
    fn event(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        let bytes = self.bytes(span);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Some(()),
            Event::DocumentStart(_) => self.document(bytes),
            Event::Alias(_) => {
                self.refuse(
                    bytes.clone(),
                    Complaint::error("aliases are not supported").hint("write the value out"),
                );
                self.value(bytes, NodeKind::Refused)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.check_properties(&bytes, anchor, tag.is_some());
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let text = text.into_owned();
                let scalar = Scalar {
                    text,
                    plain,
                    ..Scalar::default()
                };
                self.value(bytes, NodeKind::Scalar(scalar))
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_properties(&bytes, anchor, tag.is_some());
                self.open(Open::Sequence(bytes.start, Vec::new()), bytes)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_properties(&bytes, anchor, tag.is_some());
                self.open(Open::Mapping(bytes.start, Vec::new(), None), bytes)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(bytes.end),
        }
    }

    fn document(&mut self, bytes: Range<usize>) -> Option<()> {
        self.documents += 1;
        if self.documents > 1 {
            self.refuse(
                bytes,
                Complaint::error("a recipe is one YAML document, but another one begins here")
                    .hint("put it into a file of its own"),
            );
            return None;
        }
        Some(())
    }

    fn check_properties(&mut self, bytes: &Range<usize>, anchor: usize, tagged: bool) {
        if anchor > 0 {
            self.refuse(
                bytes.clone(),
                Complaint::error("anchors are not supported").hint("remove the `&name`"),
            );
        }
        if tagged {
            self.refuse(
                bytes.clone(),
                Complaint::error("tags are not supported").hint("remove the `!tag`"),
            );
        }
    }

    fn open(&mut self, open: Open, bytes: Range<usize>) -> Option<()> {
        if self.stack.len() >= MAX_DEPTH {
            self.refuse(
                bytes,
                Complaint::error(format!("lists and mappings are nested more than {MAX_DEPTH} deep")),
            );
            return None;
        }
        self.stack.push(open);
        Some(())
    }

    fn close(&mut self, end: usize) -> Option<()> {
        let (start, kind) = match self.stack.pop()? {
            Open::Sequence(start, items) => (start, NodeKind::Sequence(items)),
            Open::Mapping(start, entries, _) => (start, NodeKind::Mapping(entries)),
        };
        // The end event of a block collection is where the next thing begins.
        let local = |byte: usize| byte.saturating_sub(self.source.start);
        let text = self.source.text.get(local(start)..local(end)).unwrap_or_default();
        self.value(start..start + text.trim_end().len(), kind)
    }

    fn value(&mut self, span: Range<usize>, kind: NodeKind) -> Option<()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.refuse(
                span,
                Complaint::error(format!("the recipe has more than {MAX_NODES} values")),
            );
            return None;
        }
        let node = Node { span, kind };
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence(_, items)) => items.push(node),
            Some(Open::Mapping(_, entries, key)) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
        Some(())
    }

    fn syntax(&mut self, error: &ScanError) {
        let at = self.source.byte_of(error.marker().index());
        let next = self.source.text.get(at..).and_then(|rest| rest.chars().next());
        let length = next.filter(|c| !c.is_control()).map_or(0, char::len_utf8);
        let (message, hint) = explain(error.info());
        let complaint = Complaint::error(message);
        let complaint = match hint {
            Some(hint) => complaint.hint(hint),
            None => complaint,
        };
        let at = self.source.start + at;
        self.refuse(at..at + length, complaint);
    }

    fn refuse(&mut self, span: Range<usize>, complaint: Complaint) {
        let key = String::new();
        self.findings.push(&Place { span, key }, complaint);
    }

    fn bytes(&self, span: Span) -> Range<usize> {
        let start = self.source.byte_of(span.start.index());
        let end = self.source.byte_of(span.end.index()).max(start);
        self.source.start + start..self.source.start + end
    }
}

/// The parser's words for a syntax error, and a remedy for the frequent ones.
fn explain(info: &str) -> (String, Option<&'static str>) {
    const REMEDIES: [(&str, &str); 13] = [
        (
            "mapping values are not allowed",
            "a value that contains `: ` needs quotes; a nested key needs a line of its own, further right",
        ),
        ("tab", "YAML is indented with spaces, not tabs"),
        (
            "unexpected character",
            "a value that begins with this character needs quotes",
        ),
        (
            "simple key expect",
            "each entry of a mapping is `key: value`; a text of several lines begins with `|`",
        ),
        (
            "node content",
            "a `[` or `{` is perhaps not closed, or a value is missing",
        ),
        (
            "unknown anchor",
            "anchors and aliases are not supported; a value that begins with `*` needs quotes",
        ),
        (
            "unprintable",
            "remove the control character, or write it as an escape in double quotes",
        ),
        (
            "escape character",
            "use single quotes, in which `\\` is an ordinary character",
        ),
        ("quoted scalar", "the quote that begins here is perhaps not closed"),
        ("flow", "a `,`, `]` or `}` is missing, or a value needs quotes"),
        (
            "expected '-' indicator",
            "the keys of one list entry begin in the same column",
        ),
        ("expected key", "the keys of one mapping begin in the same column"),
        ("recursion limit", "lists and mappings are nested too deep"),
    ];
    let remedy = REMEDIES.iter().find(|(words, _)| info.contains(words));
    let printable: String = info.chars().filter(|c| !is_harmful(*c)).collect();
    // The parser quotes as `this'.
    let printable = match printable.split_once('`') {
        Some((before, quoted)) => format!("{before}`{}", quoted.replace('\'', "`")),
        None => printable,
    };
    (format!("YAML syntax: {printable}"), remedy.map(|(_, hint)| *hint))
}
