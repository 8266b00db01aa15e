//! From Perl's syntax of regular expressions to that of the `fancy-regex` crate (perlre(1), perlrebackslash(1)).

use crate::error::{Error, Result};
use crate::quoted::escaped;
use crate::scanner::Scanner;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How an expression is matched.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Flags {
    pub(crate) ignores_case: bool,
    pub(crate) is_multi_line: bool,
    pub(crate) dot_matches_all: bool,
    pub(crate) is_extended: bool,
}

/// An expression in the other syntax.
pub(crate) struct Translated {
    /// For texts without line breaks before their last byte.
    pub(crate) line: String,
    /// For all texts.
    pub(crate) exact: String,
    /// The numbers of named groups.
    pub(crate) names: BTreeMap<String, usize>,
}

pub(crate) fn translate(source: &[u8], flags: Flags) -> Result<Translated> {
    let mut translator = Translator {
        scanner: Scanner::new(source),
        line: String::new(),
        exact: String::new(),
        flags,
        outer: Vec::new(),
        groups: 0,
        total: count_groups(source),
        names: BTreeMap::new(),
    };
    if flags.ignores_case {
        translator.both("(?i)");
    }
    translator.run()?;
    Ok(Translated {
        line: translator.line,
        exact: translator.exact,
        names: translator.names,
    })
}

struct Translator<'t> {
    scanner: Scanner<'t>,
    line: String,
    exact: String,
    flags: Flags,
    /// The flags outside each open group.
    outer: Vec<Flags>,
    groups: usize,
    total: usize,
    names: BTreeMap<String, usize>,
}

impl Translator<'_> {
    fn run(&mut self) -> Result<()> {
        while let Some(byte) = self.scanner.next() {
            match byte {
                b'\\' => self.backslash()?,
                b'[' => {
                    let class = class(&mut self.scanner)?;
                    self.both(&class);
                }
                b'(' => self.open()?,
                b')' => {
                    self.flags = self
                        .outer
                        .pop()
                        .ok_or_else(|| Error::new("a pattern has a `)` without a `(`"))?;
                    self.both(")");
                }
                b'^' if self.flags.is_multi_line => self.both(r"(?:\A|(?<=\n)(?!\z))"),
                b'^' => self.both(r"\A"),
                b'$' if self.flags.is_multi_line => self.both("(?m:$)"),
                b'$' => self.end(),
                b'.' => self.both(if self.flags.dot_matches_all { "(?s:.)" } else { r"[^\n]" }),
                b'|' | b'*' | b'+' | b'?' => {
                    self.line.push(char::from(byte));
                    self.exact.push(char::from(byte));
                }
                b'{' => self.brace()?,
                b'#' if self.flags.is_extended => while !matches!(self.scanner.next(), None | Some(b'\n')) {},
                _ if self.flags.is_extended && byte.is_ascii_whitespace() => {}
                _ => self.literal(byte),
            }
        }
        match self.outer.is_empty() {
            true => Ok(()),
            false => Err(Error::new("a pattern has a `(` without a `)`")),
        }
    }

    fn both(&mut self, text: &str) {
        self.line.push_str(text);
        self.exact.push_str(text);
    }

    fn literal(&mut self, byte: u8) {
        let text = literal(byte);
        self.both(&text);
    }

    /// The end of the text, or before a line break that ends it.
    fn end(&mut self) {
        self.line.push_str("(?m:$)");
        self.exact.push_str(r"(?=\n?\z)");
    }

    /// A brace, which is a literal where it is no quantifier.
    fn brace(&mut self) -> Result<()> {
        let rest = self.scanner.rest();
        let end = rest.iter().position(|byte| *byte == b'}');
        let inner = end.and_then(|end| rest.get(..end)).unwrap_or_default();
        let mut bounds = inner.splitn(2, |byte| *byte == b',');
        let is_number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        let least = bounds.next().unwrap_or_default();
        let most = bounds.next();
        let is_quantifier = match most {
            None => is_number(least),
            Some(most) => {
                (is_number(least) && (most.is_empty() || is_number(most))) || (least.is_empty() && is_number(most))
            }
        };
        if !is_quantifier {
            self.both(r"\{");
            return Ok(());
        }
        let inner = String::from_utf8_lossy(inner).into_owned();
        let zero = if least.is_empty() { "0" } else { "" };
        self.scanner.advance(inner.len() + 1);
        if self.scanner.peek() == Some(b'+') {
            // The other syntax has none; an atomic group would have to begin earlier.
            return Err(Error::real_perl("a possessive count in a pattern"));
        }
        self.both(&format!("{{{zero}{inner}}}"));
        Ok(())
    }

    fn backslash(&mut self) -> Result<()> {
        let Some(byte) = self.scanner.next() else {
            return Err(Error::new("a pattern ends in a backslash"));
        };
        match byte {
            b'd' | b'D' | b'w' | b'W' | b's' | b'S' | b'b' | b'B' | b'A' | b'z' | b'K'
                if !(byte == b'b' && self.scanner.peek() == Some(b'{')) =>
            {
                self.both(&format!("\\{}", char::from(byte)));
            }
            b'Z' => self.end(),
            b'N' if self.scanner.peek() != Some(b'{') => self.both(r"[^\n]"),
            b'h' => self.both(r"[\t \xA0]"),
            b'H' => self.both(r"[^\t \xA0]"),
            b'v' => self.both(r"[\n\x0B\x0C\r\x85]"),
            b'V' => self.both(r"[^\n\x0B\x0C\r\x85]"),
            b'R' => self.both(r"(?>\r\n|[\n\x0B\x0C\r\x85])"),
            b'1'..=b'9' => self.number(byte)?,
            b'g' | b'k' => self.reference(byte)?,
            b'n' | b't' | b'r' | b'f' | b'a' | b'e' | b'x' | b'c' | b'0' => {
                let byte = escaped(byte, &mut self.scanner)?;
                self.literal(byte);
            }
            _ if byte.is_ascii_alphabetic() => {
                return Err(Error::real_perl(format!("`\\{}` in a pattern", char::from(byte))));
            }
            _ => self.literal(byte),
        }
        Ok(())
    }

    /// `\1`, or an octal number.
    fn number(&mut self, first: u8) -> Result<()> {
        let mut digits = vec![first];
        while let Some(digit) = self.scanner.peek().filter(u8::is_ascii_digit) {
            digits.push(digit);
            self.scanner.advance(1);
        }
        let number = String::from_utf8_lossy(&digits).parse::<usize>().unwrap_or(usize::MAX);
        if number <= self.total {
            self.both(&format!("(?:\\{number})"));
            return Ok(());
        }
        let octal: Vec<u8> = digits
            .iter()
            .copied()
            .take_while(|digit| *digit < b'8')
            .take(3)
            .collect();
        if number >= 10 && octal.len() > 1 {
            let value = octal
                .iter()
                .fold(0_u16, |value, digit| value * 8 + u16::from(digit - b'0'));
            let byte = u8::try_from(value).map_err(|_| Error::new("a character above 255 is no byte"))?;
            self.literal(byte);
            digits.iter().skip(octal.len()).for_each(|digit| self.literal(*digit));
            return Ok(());
        }
        match number < 10 {
            true => Err(Error::new(format!(
                "`\\{number}` refers to a group that the pattern does not have"
            ))),
            false => Err(Error::new(format!("`\\{number}` in a pattern is ambiguous")).hint("write `\\x…` for a byte")),
        }
    }

    /// `\g{1}`, `\g{-1}`, `\g1`, `\k<name>`, `\k{name}`, `\k'name'`.
    fn reference(&mut self, letter: u8) -> Result<()> {
        let refuse = || Error::new("a reference to a group cannot be read").hint("write `\\1`");
        let name = match self.scanner.peek() {
            Some(b'{' | b'<' | b'\'') => {
                let (name, _) = self.scanner.delimited("a reference to a group")?;
                name.to_vec()
            }
            _ if letter == b'g' => self.scanner.letters().to_vec(),
            _ => return Err(refuse()),
        };
        let name = String::from_utf8(name).map_err(|_| refuse())?;
        let name = name.trim();
        let number = match name.strip_prefix('-') {
            Some(back) => back
                .parse()
                .ok()
                .and_then(|back: usize| (self.groups + 1).checked_sub(back)),
            None => name.parse().ok(),
        };
        let number = number
            .or_else(|| self.names.get(name).copied())
            .filter(|number| (1..=self.total).contains(number));
        self.both(&format!("(?:\\{})", number.ok_or_else(refuse)?));
        Ok(())
    }

    fn open(&mut self) -> Result<()> {
        let outer = self.flags;
        if self.scanner.peek() == Some(b'*') {
            return Err(Error::real_perl("`(*…)` in a pattern"));
        }
        if self.scanner.peek() != Some(b'?') {
            self.outer.push(outer);
            self.groups += 1;
            self.both("(");
            return Ok(());
        }
        self.scanner.advance(1);
        for simple in [":", "=", "!", "<=", "<!", ">"] {
            if self.scanner.take(simple) {
                self.outer.push(outer);
                self.both(&format!("(?{simple}"));
                return Ok(());
            }
        }
        match self.scanner.peek() {
            Some(b'#') => {
                while !matches!(self.scanner.next(), None | Some(b')')) {}
                Ok(())
            }
            Some(b'<' | b'\'' | b'P') => self.named_group(outer),
            Some(b'a'..=b'z' | b'^' | b'-') => self.inline_flags(outer),
            _ => Err(Error::real_perl(format!(
                "`(?` before {} in a pattern",
                self.scanner.excerpt()
            ))),
        }
    }

    fn named_group(&mut self, outer: Flags) -> Result<()> {
        self.scanner.take("P");
        let (name, _) = self.scanner.delimited("the name of a group")?;
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if name.is_empty() || !name.iter().all(is_word) {
            return Err(Error::real_perl("`(?P` without a name"));
        }
        self.groups += 1;
        let name = String::from_utf8_lossy(name).into_owned();
        if self.names.insert(name, self.groups).is_some() {
            return Err(Error::real_perl("a second group of the same name"));
        }
        self.outer.push(outer);
        self.both("(");
        Ok(())
    }

    /// `(?i)`, `(?i-s:…)`, `(?^x:…)`.
    fn inline_flags(&mut self, outer: Flags) -> Result<()> {
        let mut is_on = true;
        loop {
            match self.scanner.next() {
                Some(b'^') => self.flags = Flags::default(),
                Some(b'-') => is_on = false,
                Some(b'i') => self.flags.ignores_case = is_on,
                Some(b'm') => self.flags.is_multi_line = is_on,
                Some(b's') => self.flags.dot_matches_all = is_on,
                Some(b'x') => self.flags.is_extended = is_on,
                Some(b'a') => {}
                Some(b':') => {
                    self.outer.push(outer);
                    let case = self.case();
                    self.both(&format!("(?{case}:"));
                    return Ok(());
                }
                Some(b')') => {
                    let case = self.case();
                    self.both(&format!("(?{case})"));
                    return Ok(());
                }
                _ => return Err(Error::real_perl("a flag inside of a pattern")),
            }
        }
    }

    fn case(&self) -> &'static str {
        if self.flags.ignores_case { "i" } else { "-i" }
    }
}

/// A byte that stands for itself.
fn literal(byte: u8) -> String {
    match byte {
        b'_' => "_".to_owned(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        b' ' | b'"' | b'%' | b'\'' | b',' | b'/' | b':' | b';' | b'<' | b'=' | b'>' | b'@' | b'`' | b'!' => {
            char::from(byte).to_string()
        }
        _ => {
            let mut text = String::new();
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02X}");
            text
        }
    }
}

/// How many groups a pattern captures.
fn count_groups(source: &[u8]) -> usize {
    let mut scanner = Scanner::new(source);
    let mut count = 0;
    let mut in_class = false;
    while let Some(byte) = scanner.next() {
        match byte {
            b'\\' => scanner.advance(1),
            b'[' if !in_class => {
                in_class = true;
                scanner.take("^");
                scanner.take("]");
            }
            b']' => in_class = false,
            b'(' if !in_class => {
                let rest = scanner.rest();
                let is_named = [&b"?<"[..], b"?'", b"?P<"].iter().any(|start| rest.starts_with(start))
                    && !rest.starts_with(b"?<=")
                    && !rest.starts_with(b"?<!");
                count += usize::from(!rest.starts_with(b"?") || is_named);
            }
            _ => {}
        }
    }
    count
}

/// A bracketed class whose `[` was read.
fn class(scanner: &mut Scanner<'_>) -> Result<String> {
    let mut out = String::from(if scanner.take("^") { "[^" } else { "[" });
    let unended = || Error::new("a pattern has a `[` without a `]`");
    let mut is_first = true;
    // The last single byte, which a range can begin with.
    let mut start: Option<u8> = None;
    loop {
        let byte = scanner.next().ok_or_else(unended)?;
        let item = match byte {
            b']' if !is_first => break,
            b'[' if matches!(scanner.peek(), Some(b':' | b'.' | b'=')) && has_posix_end(scanner) => posix(scanner)?,
            b'-' if start.is_some() && !matches!(scanner.peek(), Some(b']') | None) => {
                let first = start.take().unwrap_or_default();
                match class_item(scanner.next().ok_or_else(unended)?, scanner)? {
                    Item::Byte(last) if last < first => {
                        return Err(Error::new("a range in a pattern ends before it begins"));
                    }
                    Item::Byte(last) => {
                        out.push_str(&format!("-\\x{last:02X}"));
                        is_first = false;
                        continue;
                    }
                    // `a-\d` is three members.
                    Item::Class(class) => Item::Class(format!("\\x2D{class}")),
                }
            }
            byte => class_item(byte, scanner)?,
        };
        is_first = false;
        start = match item {
            Item::Byte(byte) => {
                out.push_str(&format!("\\x{byte:02X}"));
                Some(byte)
            }
            Item::Class(class) => {
                out.push_str(&class);
                None
            }
        };
    }
    out.push(']');
    Ok(out)
}

enum Item {
    Byte(u8),
    Class(String),
}

fn class_item(byte: u8, scanner: &mut Scanner<'_>) -> Result<Item> {
    if byte != b'\\' {
        return Ok(Item::Byte(byte));
    }
    let byte = scanner
        .next()
        .ok_or_else(|| Error::new("a pattern ends in a backslash"))?;
    Ok(match byte {
        b'd' | b'D' | b'w' | b'W' | b's' | b'S' => Item::Class(format!("\\{}", char::from(byte))),
        b'h' => Item::Class(r"\t\x20\xA0".to_owned()),
        b'v' => Item::Class(r"\n\x0B\x0C\r\x85".to_owned()),
        b'n' | b't' | b'r' | b'f' | b'a' | b'b' | b'e' | b'x' | b'c' | b'0'..=b'7' => {
            Item::Byte(escaped(byte, scanner)?)
        }
        _ if byte.is_ascii_alphanumeric() => {
            return Err(Error::real_perl(format!("`\\{}` in a class", char::from(byte))));
        }
        _ => Item::Byte(byte),
    })
}

fn has_posix_end(scanner: &Scanner<'_>) -> bool {
    let kind = scanner.peek().unwrap_or_default();
    let rest = scanner.rest().get(1..).unwrap_or_default();
    let word = rest
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'^')
        .count();
    rest.get(word) == Some(&kind) && rest.get(word + 1) == Some(&b']')
}

/// `[:alpha:]`, whose `[` was read.
fn posix(scanner: &mut Scanner<'_>) -> Result<Item> {
    const CLASSES: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
        "word", "xdigit",
    ];
    let is_class = scanner.take(":");
    let negation = if scanner.take("^") { "^" } else { "" };
    let name = String::from_utf8_lossy(scanner.take_word()).into_owned();
    scanner.advance(2);
    match is_class && CLASSES.contains(&name.as_str()) {
        true => Ok(Item::Class(format!("[:{negation}{name}:]"))),
        false => Err(Error::new(format!("a pattern has the unknown class `[:{name}:]`"))),
    }
}
