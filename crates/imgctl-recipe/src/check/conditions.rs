//! `when`: which entries are left out.

use super::{Checker, join};
use crate::condition::{Judge, judge};
use crate::finding::{Complaint, Place};
use crate::kinds;
use crate::node::{Node, NodeKind};
use crate::reading::Mode;
use crate::schema::{Shape, Table};

/// What becomes of a mapping by its condition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Holds,
    /// It is looked at, but may be left out later.
    Open,
    LeaveOut,
}

impl Checker<'_> {
    /// Judges the condition of a mapping, if it has one.
    pub(super) fn condition(&mut self, node: &Node, table: &Table, place: &Place) -> Verdict {
        let is_condition = |shape: &Shape| matches!(shape, Shape::Text(kind) if std::ptr::eq(*kind, &kinds::CONDITION));
        let known = table.keys.iter().find(|key| is_condition(&key.shape));
        let Some((key, value)) = known.and_then(|key| Some((key, node.get(key.name)?))) else {
            return Verdict::Holds;
        };
        let NodeKind::Scalar(scalar) = &value.kind else {
            return Verdict::Open;
        };
        let key = join(&place.key, key.name);
        let verdict = judge(
            &scalar.text,
            &Judge {
                scope: self.reading.scope,
                files: self.reading.files,
                guest: match self.reading.mode {
                    Mode::Guest(guest) => Some(guest),
                    Mode::Every | Mode::Certain => None,
                },
                file: self.findings.source.file_at(value.span.start),
            },
        );
        let is_output = key == "outputs" || key.starts_with("outputs.");
        match (self.reading.mode, verdict) {
            (Mode::Every, Err((range, complaint))) => {
                let span = self.inside(value, &scalar.text, range);
                self.findings.push(&Place { span, key }, complaint);
                Verdict::Open
            }
            (Mode::Every, Ok(None)) if is_output => {
                let complaint = Complaint::error("what is written is decided before the guest is known")
                    .hint("conditions in `outputs` can ask for `vars`, `secrets` and `exists` alone");
                let span = value.span.clone();
                self.findings.push(&Place { span, key }, complaint);
                Verdict::Open
            }
            (Mode::Every, Ok(_)) => Verdict::Open,
            (_, Ok(Some(true))) => Verdict::Holds,
            _ => Verdict::LeaveOut,
        }
    }

    /// Bytes of a scalar's value as bytes of the file, where it stands there as it is; else all of it.
    fn inside(&self, node: &Node, text: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let file = self.findings.source.file_at(node.span.start);
        let local = node.span.start.saturating_sub(file.start)..node.span.end.saturating_sub(file.start);
        let written = file.text.get(local).unwrap_or_default();
        let quoted = || written.get(1..)?.strip_prefix(text).map(|_| 1);
        let offset = match written.starts_with(text) {
            true => Some(0),
            false => quoted(),
        };
        match offset.map(|offset| node.span.start + offset) {
            Some(start) => start + range.start..start + range.end,
            None => node.span.clone(),
        }
    }
}
