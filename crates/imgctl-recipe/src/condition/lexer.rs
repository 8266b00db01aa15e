//! The words of a condition.

use std::ops::Range;

use super::Refusal;
use crate::finding::{Complaint, quoted};

/// A word of a condition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Token<'t> {
    /// `os`, `vars.release`, `and`.
    Name(&'t str),
    /// In quotes, or a number.
    Text(&'t str),
    /// `==`, `(`, `,`.
    Symbol(&'static str),
}

/// Longer ones first.
const SYMBOLS: [&str; 14] = [
    "==", "!=", ">=", "<=", "&&", "||", ">", "<", "!", "(", ")", "[", "]", ",",
];

/// Splits a condition into words with their bytes.
pub(super) fn split(text: &str) -> Result<Vec<(Token<'_>, Range<usize>)>, Refusal> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(character) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(at..).unwrap_or_default();
        if character.is_whitespace() {
            at += character.len_utf8();
            continue;
        }
        let (token, length) = token(rest, character, at)?;
        tokens.push((token, at..at + length));
        at += length;
    }
    Ok(tokens)
}

fn token(rest: &str, first: char, at: usize) -> Result<(Token<'_>, usize), Refusal> {
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
        return Ok((Token::Symbol(symbol), symbol.len()));
    }
    if matches!(first, '"' | '\'') {
        let inner = rest.get(1..).unwrap_or_default();
        return match inner.find(first) {
            Some(end) => Ok((Token::Text(inner.get(..end).unwrap_or_default()), end + 2)),
            None => {
                let complaint = Complaint::error("a quote in the condition is not closed");
                Err((at..at + 1, complaint))
            }
        };
    }
    let length = |allowed: fn(char) -> bool| rest.find(|c| !allowed(c)).unwrap_or(rest.len());
    if first.is_ascii_digit() {
        let length = length(|c| c.is_ascii_digit() || c == '.');
        return Ok((Token::Text(rest.get(..length).unwrap_or_default()), length));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let length = length(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
        return Ok((Token::Name(rest.get(..length).unwrap_or_default()), length));
    }
    let hint = match first {
        '=' => "write `==`",
        '&' => "write `&&` or `and`",
        '|' => "write `||` or `or`",
        '$' => "names stand as they are, without `${{ }}`",
        '~' => "there are no patterns; compare by `==`, or with `in [\"a\", \"b\"]`",
        _ => "texts stand in quotes; conditions are made of `==`, `!=`, `<`, `>=`, `in`, `and`, `or`, `not` and parentheses",
    };
    let message = format!("{} means nothing in a condition", quoted(&first.to_string()));
    Err((at..at + first.len_utf8(), Complaint::error(message).hint(hint)))
}
