//! Quoted texts: strings, patterns and replacements with the variables in them, and the lists of `tr`.

use crate::ast::{Case, Expression};
use crate::error::{Error, Result};
use crate::scalar::Scalar;
use crate::scanner::{Names, Scanner, closing};
use std::sync::Arc;

/// What a quoted text is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    String,
    /// The right side of `s///`, where `\1` means `$1`.
    Replacement,
    /// A pattern, whose other escapes are left to it.
    Pattern,
}

/// A quoted text without the backslashes before its delimiters.
pub(crate) fn undelimited(text: &[u8], open: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' {
            match bytes.peek() {
                Some(next) if *next == open || *next == closing(open) => continue,
                // Two backslashes stay two; the text is read again later.
                Some(_) => {
                    out.push(byte);
                    out.extend(bytes.next());
                    continue;
                }
                None => {}
            }
        }
        out.push(byte);
    }
    out
}

/// A single-quoted text: only `\\` is an escape.
pub(crate) fn verbatim(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' && bytes.peek() == Some(&b'\\') {
            bytes.next();
        }
        out.push(byte);
    }
    out
}

/// Reads a double-quoted text.
pub(crate) fn interpolated(text: &[u8], purpose: Purpose, names: &mut Names) -> Result<Expression> {
    let mut reader = Reader {
        scanner: Scanner::new(text),
        purpose,
        names,
    };
    let mut parts = Vec::new();
    while !reader.scanner.is_at_end() {
        parts.extend(reader.parts(None)?);
        // A `\E` without a beginning means nothing.
        reader.scanner.take("\\E");
    }
    Ok(match <[Expression; 1]>::try_from(parts) {
        Ok([Expression::Constant(constant)]) => Expression::Constant(constant),
        Ok([single]) => Expression::Joined(vec![single]),
        Err(parts) if parts.is_empty() => Expression::Constant(Scalar::text("")),
        Err(parts) => Expression::Joined(parts),
    })
}

/// The bytes of an expression without variables.
pub(crate) fn constant(expression: &Expression) -> Option<Vec<u8>> {
    match expression {
        Expression::Constant(constant) => Some(constant.bytes().into_owned()),
        Expression::Joined(parts) => {
            let parts: Option<Vec<Vec<u8>>> = parts.iter().map(constant).collect();
            parts.map(|parts| parts.concat())
        }
        Expression::Cased(case, inner) => constant(inner).map(|text| case.apply(text)),
        _ => None,
    }
}

impl Case {
    pub(crate) fn apply(self, mut text: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Upper => text.make_ascii_uppercase(),
            Self::Lower => text.make_ascii_lowercase(),
            Self::UpperFirst => text.iter_mut().take(1).for_each(|byte| byte.make_ascii_uppercase()),
            Self::LowerFirst => text.iter_mut().take(1).for_each(|byte| byte.make_ascii_lowercase()),
            Self::Quote => {
                let quoted = |byte: u8| match byte.is_ascii_alphanumeric() || byte == b'_' {
                    true => vec![byte],
                    false => vec![b'\\', byte],
                };
                text = text.into_iter().flat_map(quoted).collect();
            }
        }
        text
    }
}

struct Reader<'t, 'n> {
    scanner: Scanner<'t>,
    purpose: Purpose,
    names: &'n mut Names,
}

impl Reader<'_, '_> {
    /// The parts up to the end, or to the `\E` that ends `within`, which is not read.
    fn parts(&mut self, within: Option<Case>) -> Result<Vec<Expression>> {
        self.names.deeper()?;
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut first: Option<Case> = None;
        while let Some(byte) = self.scanner.peek() {
            let part = match (byte, self.scanner.peek_at(1)) {
                (b'\\', Some(b'E')) => break,
                (b'\\', Some(b'U' | b'L')) if matches!(within, Some(Case::Upper | Case::Lower)) => break,
                (b'\\', Some(letter @ (b'U' | b'L' | b'Q'))) => {
                    self.scanner.advance(2);
                    let case = match letter {
                        b'U' => Case::Upper,
                        b'L' => Case::Lower,
                        _ => Case::Quote,
                    };
                    let inner = self.parts(Some(case))?;
                    self.scanner.take("\\E");
                    Expression::Cased(case, Box::new(Expression::Joined(inner)))
                }
                (b'\\', Some(letter @ (b'u' | b'l'))) => {
                    self.scanner.advance(2);
                    flush(&mut literal, &mut parts, &mut first);
                    first = Some(if letter == b'u' {
                        Case::UpperFirst
                    } else {
                        Case::LowerFirst
                    });
                    continue;
                }
                (b'\\', _) => match self.escape(&mut literal)? {
                    Some(part) => part,
                    None => continue,
                },
                (b'$', next) if self.is_variable(next) => {
                    self.scanner.advance(1);
                    variable(&mut self.scanner, self.names, Some(self.purpose))?
                }
                (b'@', Some(next)) if self.is_array(next) => {
                    return Err(Error::new("`@` before a name is an array in Perl").hint("write `\\@`"));
                }
                _ => {
                    literal.push(byte);
                    self.scanner.advance(1);
                    continue;
                }
            };
            flush(&mut literal, &mut parts, &mut first);
            parts.push(cased(part, first.take()));
        }
        flush(&mut literal, &mut parts, &mut first);
        self.names.back();
        Ok(parts)
    }

    /// Whether a dollar sign before `next` begins a variable rather than being the end of a pattern.
    fn is_variable(&self, next: Option<u8>) -> bool {
        let ends = matches!(next, None | Some(b'(' | b')' | b'|' | b' ' | b'\r' | b'\n' | b'\t'));
        self.purpose != Purpose::Pattern || !ends
    }

    fn is_array(&self, next: u8) -> bool {
        next.is_ascii_alphanumeric()
            || matches!(next, b'_' | b':' | b'\'' | b'{' | b'$')
            || (self.purpose != Purpose::Pattern && matches!(next, b'+' | b'-'))
    }

    /// One backslash and what belongs to it.
    fn escape(&mut self, literal: &mut Vec<u8>) -> Result<Option<Expression>> {
        self.scanner.advance(1);
        let Some(byte) = self.scanner.next() else {
            literal.push(b'\\');
            return Ok(None);
        };
        if self.purpose == Purpose::Pattern {
            literal.extend([b'\\', byte]);
            return Ok(None);
        }
        if self.purpose == Purpose::Replacement && matches!(byte, b'1'..=b'9') {
            // With more digits it is an octal number.
            if !self.scanner.peek().is_some_and(|next| next.is_ascii_digit()) {
                return Ok(Some(Expression::Group(usize::from(byte - b'0'))));
            }
        }
        literal.push(escaped(byte, &mut self.scanner)?);
        Ok(None)
    }
}

fn flush(literal: &mut Vec<u8>, parts: &mut Vec<Expression>, first: &mut Option<Case>) {
    if !literal.is_empty() {
        let constant = Expression::Constant(Scalar::Text(std::mem::take(literal)));
        parts.push(cased(constant, first.take()));
    }
}

fn cased(part: Expression, case: Option<Case>) -> Expression {
    match case {
        Some(case) => Expression::Cased(case, Box::new(part)),
        None => part,
    }
}

/// The byte that an escape means, whose first byte after the backslash was read.
pub(crate) fn escaped(byte: u8, scanner: &mut Scanner<'_>) -> Result<u8> {
    Ok(match byte {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'f' => 0x0c,
        b'a' => 0x07,
        b'b' => 0x08,
        b'e' => 0x1b,
        b'c' => scanner.next().unwrap_or(b'@').to_ascii_uppercase() ^ 64,
        b'x' => hexadecimal(scanner)?,
        b'0'..=b'7' => {
            let mut value = u16::from(byte - b'0');
            for _ in 0..2 {
                match scanner.peek() {
                    Some(digit @ b'0'..=b'7') => {
                        scanner.advance(1);
                        value = value * 8 + u16::from(digit - b'0');
                    }
                    _ => break,
                }
            }
            u8::try_from(value).map_err(|_| wide())?
        }
        b'N' | b'o' => return Err(Error::real_perl(format!("the escape `\\{}`", char::from(byte)))),
        other => other,
    })
}

fn wide() -> Error {
    Error::new("a character above 255 is no byte").hint("write the character itself")
}

fn hexadecimal(scanner: &mut Scanner<'_>) -> Result<u8> {
    let is_braced = scanner.take("{");
    let mut value = 0_u32;
    let mut count = 0;
    while let Some(digit) = scanner.peek().and_then(|byte| char::from(byte).to_digit(16)) {
        if count == if is_braced { 8 } else { 2 } {
            break;
        }
        value = value.saturating_mul(16).saturating_add(digit);
        scanner.advance(1);
        count += 1;
    }
    if is_braced && !scanner.take("}") {
        return Err(Error::new("`\\x{` has no end"));
    }
    u8::try_from(value).map_err(|_| wide())
}

/// Reads a variable whose `$` was read. `quoted` says in what text it stands, if not in code.
pub(crate) fn variable(scanner: &mut Scanner<'_>, names: &mut Names, quoted: Option<Purpose>) -> Result<Expression> {
    let is_braced = scanner.peek() == Some(b'{');
    if is_braced {
        scanner.advance(1);
        scanner.skip_space();
    }
    let variable = bare_variable(scanner, names, quoted)?;
    if is_braced {
        scanner.skip_space();
        if !scanner.take("}") {
            return Err(Error::real_perl("`${…}` around more than a name"));
        }
    }
    let is_element = match scanner.peek() {
        Some(b'[' | b'{') => !matches!(variable, Expression::NamedGroup(_)),
        Some(b'-') => {
            quoted.is_some() && scanner.peek_at(1) == Some(b'>') && matches!(scanner.peek_at(2), Some(b'[' | b'{'))
        }
        _ => false,
    };
    match is_element {
        true => Err(Error::real_perl("an element of an array or hash")),
        false => Ok(variable),
    }
}

fn bare_variable(scanner: &mut Scanner<'_>, names: &mut Names, quoted: Option<Purpose>) -> Result<Expression> {
    let word = scanner.take_word();
    if !word.is_empty() {
        if scanner.rest().starts_with(b"::") {
            return Err(Error::real_perl("a variable of a package"));
        }
        return match word {
            b"ENV" | b"ARGV" | b"INC" | b"SIG" | b"a" | b"b" if scanner.peek() == Some(b'{') => {
                Err(Error::real_perl(format!("`${}`", String::from_utf8_lossy(word))))
            }
            word => Ok(Expression::Variable(names.resolve(word)?)),
        };
    }
    let shown = scanner.excerpt();
    match scanner.next() {
        Some(b'&') => Ok(Expression::Group(0)),
        Some(b'`') => Ok(Expression::Prematch),
        Some(b'\'') => Ok(Expression::Postmatch),
        Some(b'.') => Ok(Expression::InputLine),
        Some(digit @ b'1'..=b'9') => {
            let mut number = usize::from(digit - b'0');
            while let Some(digit) = scanner.peek().filter(u8::is_ascii_digit) {
                scanner.advance(1);
                number = number.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
            }
            Ok(Expression::Group(number))
        }
        Some(b'+') if scanner.take("{") => {
            let name = String::from_utf8_lossy(scanner.take_word()).into_owned();
            match scanner.take("}") && !name.is_empty() {
                true => Ok(Expression::NamedGroup(name)),
                false => Err(Error::new("`$+{` needs a name and `}`")),
            }
        }
        None if quoted.is_some() => Err(Error::new("the text ends in `$`").hint("write `\\$`")),
        _ if quoted.is_some() => {
            Err(Error::new(format!("`$` before {shown} is a variable of Perl's own")).hint("write `\\$`"))
        }
        _ => Err(Error::real_perl(format!("`$` before {shown}"))),
    }
}

/// What `tr` makes of each byte.
#[derive(Debug)]
pub(crate) struct Transliteration {
    /// For every byte: not in the list, deleted, or what it becomes.
    map: [Fate; 256],
    squeezes: bool,
    pub(crate) is_pure: bool,
    /// Whether it only counts.
    pub(crate) is_identity: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Kept,
    Deleted,
    Becomes(u8),
}

impl Transliteration {
    pub(crate) fn new(search: &[u8], replacement: &[u8], flags: &[u8]) -> Result<Arc<Self>> {
        if let Some(flag) = flags.iter().find(|flag| !b"cdsr".contains(flag)) {
            return Err(Error::new(format!("`tr` has no flag `{}`", char::from(*flag))));
        }
        let has = |flag: u8| flags.contains(&flag);
        let listed = expand(search)?;
        let replacement = expand(replacement)?;
        let search: Vec<u8> = match has(b'c') {
            true => (0..=u8::MAX).filter(|byte| !listed.contains(byte)).collect(),
            false => listed,
        };
        let is_identity = replacement.is_empty() && !has(b'd');
        let mut map = [Fate::Kept; 256];
        for (index, byte) in search.iter().enumerate() {
            let Some(fate) = map.get_mut(usize::from(*byte)).filter(|fate| **fate == Fate::Kept) else {
                continue;
            };
            *fate = match replacement.get(index) {
                _ if is_identity => Fate::Becomes(*byte),
                Some(new) => Fate::Becomes(*new),
                None if has(b'd') => Fate::Deleted,
                None => replacement.last().map_or(Fate::Deleted, |last| Fate::Becomes(*last)),
            };
        }
        Ok(Arc::new(Self {
            map,
            squeezes: has(b's'),
            is_pure: has(b'r'),
            is_identity: is_identity && !has(b's'),
        }))
    }

    /// The new text, and how many bytes were in the list.
    pub(crate) fn apply(&self, text: &[u8]) -> (Vec<u8>, usize) {
        let mut out = Vec::with_capacity(text.len());
        let mut count = 0;
        let mut squeezed = None;
        for byte in text {
            match self.map.get(usize::from(*byte)).copied().unwrap_or(Fate::Kept) {
                Fate::Kept => {
                    out.push(*byte);
                    squeezed = None;
                }
                Fate::Deleted => count += 1,
                Fate::Becomes(new) => {
                    count += 1;
                    if !self.squeezes || squeezed != Some(new) {
                        out.push(new);
                    }
                    squeezed = Some(new);
                }
            }
        }
        (out, count)
    }
}

/// The bytes of a list of `tr`, its escapes and ranges written out.
fn expand(list: &[u8]) -> Result<Vec<u8>> {
    let mut scanner = Scanner::new(list);
    let mut out: Vec<u8> = Vec::new();
    let mut is_range = false;
    while let Some(byte) = scanner.next() {
        if byte == b'-' && !out.is_empty() && !scanner.is_at_end() && !is_range {
            is_range = true;
            continue;
        }
        let byte = match byte {
            b'\\' => match scanner.next() {
                Some(next) => escaped(next, &mut scanner)?,
                None => b'\\',
            },
            byte => byte,
        };
        match (is_range, out.last().copied()) {
            (true, Some(first)) if first > byte => {
                return Err(Error::new("a range of `tr` ends before it begins"));
            }
            (true, Some(first)) => out.extend(first.saturating_add(1)..=byte),
            _ => out.push(byte),
        }
        is_range = false;
    }
    Ok(out)
}
