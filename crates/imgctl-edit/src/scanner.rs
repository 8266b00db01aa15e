//! The place in a script's text, and the names of its variables.

use crate::ast::Slot;
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// As deep as parentheses, blocks and operators may nest.
const MAX_DEPTH: usize = 100;

/// As many patterns as a script may have: each takes time to compile.
const MAX_PATTERNS: usize = 100;

/// As many variables as a script may have.
const MAX_VARIABLES: usize = 1000;

/// Reads a script from its beginning to its end.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(crate) fn peek_at(&self, distance: usize) -> Option<u8> {
        self.text.get(self.at + distance).copied()
    }

    pub(crate) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    pub(crate) fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn advance(&mut self, count: usize) {
        self.at = self.text.len().min(self.at + count);
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(crate) fn take(&mut self, literal: &str) -> bool {
        let found = self.rest().starts_with(literal.as_bytes());
        if found {
            self.advance(literal.len());
        }
        found
    }

    /// Passes over white space and comments.
    pub(crate) fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => while !matches!(self.next(), None | Some(b'\n')) {},
                _ if byte.is_ascii_whitespace() => self.advance(1),
                _ => return,
            }
        }
    }

    /// The word here; empty when there is none.
    pub(crate) fn peek_word(&self) -> &'t [u8] {
        let rest = self.rest();
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let length = match rest.first() {
            Some(first) if !first.is_ascii_digit() => rest.iter().take_while(|byte| is_word(byte)).count(),
            _ => 0,
        };
        rest.get(..length).unwrap_or_default()
    }

    pub(crate) fn take_word(&mut self) -> &'t [u8] {
        let word = self.peek_word();
        self.advance(word.len());
        word
    }

    /// Whether this word is here, which then is passed over.
    pub(crate) fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek_word() == keyword.as_bytes();
        if found {
            self.advance(keyword.len());
        }
        found
    }

    /// Reads what stands between delimiters, of which the first is the next byte: the text as it is written, and the
    /// first delimiter. Brackets nest.
    pub(crate) fn delimited(&mut self, what: &str) -> Result<(&'t [u8], u8)> {
        let unended = || Error::new(format!("{what} has no end"));
        let open = self.next().ok_or_else(unended)?;
        if open.is_ascii_alphanumeric() || open.is_ascii_whitespace() || open == b'_' {
            return Err(Error::new(format!(
                "{what} has the delimiter `{}`, which imgctl does not take",
                char::from(open)
            )));
        }
        Ok((self.delimited_from(open, what)?, open))
    }

    /// The same after the first delimiter.
    pub(crate) fn delimited_from(&mut self, open: u8, what: &str) -> Result<&'t [u8]> {
        let close = closing(open);
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(byte) = self.next() {
            if byte == b'\\' {
                self.advance(1);
            } else if byte == close {
                match depth.checked_sub(1) {
                    Some(outer) => depth = outer,
                    None => return Ok(self.text.get(start..self.at - 1).unwrap_or_default()),
                }
            } else if byte == open {
                depth += 1;
            }
        }
        Err(Error::new(format!("{what} has no end")))
    }

    /// The letters here, as flags.
    pub(crate) fn letters(&mut self) -> &'t [u8] {
        let length = self
            .rest()
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let letters = self.rest().get(..length).unwrap_or_default();
        self.advance(length);
        letters
    }

    /// What is here, for messages.
    pub(crate) fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(self.rest());
        let shown: String = text.chars().take(20).collect();
        match shown.len() < text.len() {
            true => format!("`{shown}…`"),
            false => format!("`{shown}`"),
        }
    }
}

/// What ends a text that `open` begins.
pub(crate) fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        b'{' => b'}',
        b'<' => b'>',
        other => other,
    }
}

/// The variables of a script by their names, and how deep the reading is.
#[derive(Debug)]
pub(crate) struct Names {
    globals: BTreeMap<Vec<u8>, Slot>,
    /// `my` variables, by block.
    scopes: Vec<BTreeMap<Vec<u8>, Slot>>,
    count: usize,
    patterns: usize,
    depth: usize,
}

impl Names {
    pub(crate) fn new() -> Self {
        let known = [(b"_".to_vec(), Slot::TOPIC), (b"lineno".to_vec(), Slot::LINE_NUMBER)];
        Self {
            globals: BTreeMap::from(known),
            scopes: vec![BTreeMap::new()],
            count: 2,
            patterns: 0,
            depth: 0,
        }
    }

    /// How many variables there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How many patterns there are.
    pub(crate) fn patterns(&self) -> usize {
        self.patterns
    }

    pub(crate) fn add_pattern(&mut self) -> Result<()> {
        self.patterns += 1;
        match self.patterns > MAX_PATTERNS {
            true => Err(Error::new("the script has too many patterns")),
            false => Ok(()),
        }
    }

    pub(crate) fn resolve(&mut self, name: &[u8]) -> Result<Slot> {
        let scopes = self.scopes.iter().rev();
        if let Some(slot) = scopes.chain([&self.globals]).find_map(|scope| scope.get(name)) {
            return Ok(*slot);
        }
        let slot = self.add()?;
        self.globals.insert(name.to_vec(), slot);
        Ok(slot)
    }

    pub(crate) fn declare(&mut self, name: &[u8]) -> Result<Slot> {
        let slot = self.add()?;
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_vec(), slot);
        }
        Ok(slot)
    }

    fn add(&mut self) -> Result<Slot> {
        if self.count >= MAX_VARIABLES {
            return Err(Error::new("the script has too many variables"));
        }
        self.count += 1;
        Ok(Slot(self.count - 1))
    }

    pub(crate) fn open_scope(&mut self) {
        self.scopes.push(BTreeMap::new());
    }

    pub(crate) fn close_scope(&mut self) {
        self.scopes.pop();
    }

    pub(crate) fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        match self.depth > MAX_DEPTH {
            true => Err(Error::new("the script nests too deeply")),
            false => Ok(()),
        }
    }

    pub(crate) fn back(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}
