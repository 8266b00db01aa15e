//! What is wrong in a recipe, where, and what to do about it.

use std::fmt;
use std::ops::Range;

use crate::plan::{Origin, Redactor};
use crate::source_map::SourceMap;

/// At most this many findings are listed; hostile recipes have more.
const MAX_FINDINGS: usize = 1000;

/// One thing to tell about a recipe.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Whether it forbids a plan.
    pub severity: Severity,
    /// File, line, column and key path.
    pub origin: Origin,
    /// Bytes of the file's text that this is about: within one line, possibly empty, on character boundaries.
    pub span: Range<usize>,
    /// What is wrong; lower case, no final period.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for Finding {
    /// One line without the hint: `golden.yaml:4:5: error: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { file, line, column, .. } = &self.origin;
        write!(
            f,
            "{}:{line}:{column}: {}: {}",
            file.display(),
            self.severity,
            self.message
        )
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// There is no plan.
    Error,
    /// The plan does something else than its writer may think.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// A finding that does not know its place yet.
#[derive(Clone, Debug)]
pub(crate) struct Complaint {
    severity: Severity,
    pub(crate) message: String,
    hint: Option<String>,
}

impl Complaint {
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(message)
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Where a value stands: its bytes, as the [`SourceMap`] counts them, and its path inside the document.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) span: Range<usize>,
    pub(crate) key: String,
}

/// Collects findings, up to a limit.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) source: SourceMap,
    /// Each with the offset it is sorted by.
    list: Vec<(usize, Finding)>,
    dropped: usize,
    failed: bool,
    /// The last guard of secrets: messages do not speak of their values anyway.
    pub(crate) redactor: Redactor,
}

impl Findings {
    pub(crate) fn new(source: SourceMap) -> Self {
        Self {
            source,
            list: Vec::new(),
            dropped: 0,
            failed: false,
            redactor: Redactor::default(),
        }
    }

    pub(crate) fn push(&mut self, place: &Place, complaint: Complaint) {
        self.failed |= complaint.severity == Severity::Error;
        if self.list.len() >= MAX_FINDINGS {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let finding = Finding {
            severity: complaint.severity,
            origin: self.source.origin(place),
            span: self.source.clip(&place.span),
            message: complaint.message,
            hint: complaint.hint,
        };
        self.list.push((place.span.start, finding));
    }

    /// An empty list about the same texts.
    pub(crate) fn anew(&self) -> Self {
        Self::new(self.source.clone())
    }

    /// Adds what another look at the same texts found, unless it was found before.
    pub(crate) fn take_over(&mut self, other: Self) {
        self.failed |= other.failed;
        for finding in other.list {
            if !self.list.contains(&finding) {
                self.list.push(finding);
            }
        }
    }

    /// How many there are, to speak of later ones.
    pub(crate) fn mark(&self) -> usize {
        self.list.len()
    }

    /// Adds to the messages since a mark where their value is from.
    pub(crate) fn say_since(&mut self, mark: usize, addition: &str) {
        for (_, finding) in self.list.get_mut(mark..).unwrap_or_default() {
            if !finding.message.ends_with(addition) {
                finding.message.push_str(addition);
            }
        }
    }

    /// Whether more findings would be thrown away: no need to compute hints any more.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MAX_FINDINGS
    }

    /// Whether there was an error, listed or not.
    pub(crate) fn failed(&self) -> bool {
        self.failed
    }

    /// Everything found: the recipe's own in the order of the text, then those of other files.
    pub(crate) fn take_sorted(&mut self) -> Vec<Finding> {
        self.list.sort_by_key(|(at, _)| *at);
        let list = std::mem::take(&mut self.list);
        let redactor = std::mem::take(&mut self.redactor);
        let mut list: Vec<Finding> = list.into_iter().map(|(_, finding)| finding).collect();
        for finding in &mut list {
            finding.message = redactor.redact(&finding.message).into_owned();
            finding.hint = finding.hint.take().map(|hint| redactor.redact(&hint).into_owned());
        }
        if let (Some(last), true) = (list.last(), self.dropped > 0) {
            let message = format!("{} more findings are not listed", self.dropped);
            let more = Finding {
                severity: if self.failed {
                    Severity::Error
                } else {
                    Severity::Warning
                },
                message,
                hint: Some("correct these first".into()),
                ..last.clone()
            };
            list.push(more);
        }
        list
    }
}

/// A recipe's text as it can stand in a message: one short line in backquotes, control characters escaped.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut out = String::from("`");
    for (index, character) in text.chars().enumerate() {
        if index == SHOWN {
            out.push('…');
            break;
        }
        if is_harmful(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out.push('`');
    out
}

/// Control characters, and those that reorder or hide the text around them.
pub(crate) fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_and_harmless() {
        assert_eq!(quoted("mode"), "`mode`");
        assert_eq!(quoted("a\u{1b}[31m\n"), "`a\\u{1b}[31m\\n`");
        assert_eq!(quoted("\u{202e}x"), "`\\u{202e}x`");
        assert!(quoted(&"x".repeat(1_000_000)).chars().count() < 70);
    }
}
