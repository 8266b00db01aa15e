//! Patterns: Perl's regular expressions, matched against bytes.

use crate::ast::Expression;
use crate::error::{Error, Result};
use crate::translate::{Flags, translate};
use fancy_regex::{BytesMode, Regex, RegexBuilder};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Steps that one match may go back.
const BACKTRACK_LIMIT: usize = 250_000;

/// Memory for one compiled expression, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// The longest expression, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 16;

/// A pattern of a script.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    /// One that is always the same.
    Fixed(Arc<Compiled>),
    /// One with variables in it.
    Dynamic { source: Arc<Expression>, flags: Flags },
}

/// An expression that can be matched.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Right for texts without line breaks before their last byte, and fast.
    line: Regex,
    /// Right for all texts, where that is another expression.
    exact: Option<(String, OnceLock<Option<Regex>>)>,
    names: BTreeMap<String, usize>,
}

/// The ranges of a match: the whole, then its groups.
pub(crate) type Groups = Vec<Option<Range<usize>>>;

impl Compiled {
    pub(crate) fn new(source: &[u8], flags: Flags) -> Result<Self> {
        if source.is_empty() {
            return Err(Error::real_perl("the empty pattern, which repeats the last one,"));
        }
        if source.len() > MAX_PATTERN_BYTES {
            return Err(Error::new("a pattern is too long"));
        }
        let translated = translate(source, flags)?;
        let line = compile(&translated.line).map_err(|why| {
            let shown = String::from_utf8_lossy(source).into_owned();
            Error::new(format!("the pattern `{shown}` cannot be read: {why}"))
        })?;
        let exact = (translated.exact != translated.line).then(|| (translated.exact, OnceLock::new()));
        Ok(Self {
            line,
            exact,
            names: translated.names,
        })
    }

    /// The first match at or after `start`.
    pub(crate) fn find(&self, text: &[u8], start: usize) -> Result<Option<Groups>> {
        let is_line = text
            .iter()
            .position(|byte| *byte == b'\n')
            .is_none_or(|end| end + 1 == text.len());
        let regex = match &self.exact {
            Some((exact, compiled)) if !is_line => compiled.get_or_init(|| compile(exact).ok()).as_ref(),
            _ => Some(&self.line),
        };
        let regex = regex.ok_or_else(|| Error::new("a pattern is too large when compiled"))?;
        let found = regex.captures_from_pos(text, start).map_err(|_| {
            Error::new("a pattern takes too many steps on a line").hint("write it without nested repetitions")
        })?;
        Ok(found.map(|found| (0..found.len()).map(|index| Some(found.get(index)?.range())).collect()))
    }

    /// The number of the group of this name.
    pub(crate) fn group(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }
}

fn compile(pattern: &str) -> std::result::Result<Regex, String> {
    let built = RegexBuilder::new(pattern)
        .bytes_mode(BytesMode::Ascii)
        .backtrack_limit(BACKTRACK_LIMIT)
        .delegate_size_limit(SIZE_LIMIT)
        .delegate_dfa_size_limit(SIZE_LIMIT)
        .max_prog_size(100_000)
        .build();
    built.map_err(|error| {
        // The last line says what is wrong; those before draw the place.
        let text = error.to_string();
        text.lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned()
    })
}
