//! Terms: variables, strings, matches, substitutions, functions.

use crate::ast::{Expression, Function, Leave, Slot, Substitution};
use crate::error::{Error, Result};
use crate::parser::{Parser, assignable};
use crate::pattern::{Compiled, Pattern};
use crate::quoted::{Purpose, Transliteration, constant, interpolated, undelimited, variable, verbatim};
use crate::scalar::Scalar;
use crate::scanner::closing;
use crate::translate::Flags;
use std::sync::Arc;

/// Functions: name, least and most arguments. Without one, `$_` is meant where that is 0.
const FUNCTIONS: [(&str, Function, usize, usize); 19] = [
    ("abs", Function::Absolute, 0, 1),
    ("chomp", Function::Chomp, 0, 1),
    ("chop", Function::Chop, 0, 1),
    ("chr", Function::Character, 0, 1),
    ("defined", Function::Defined, 0, 1),
    ("index", Function::Index, 2, 3),
    ("int", Function::Integer, 0, 1),
    ("lc", Function::Lower, 0, 1),
    ("lcfirst", Function::LowerFirst, 0, 1),
    ("length", Function::Length, 0, 1),
    ("ord", Function::Ordinal, 0, 1),
    ("quotemeta", Function::Quote, 0, 1),
    ("reverse", Function::Reverse, 1, 1),
    ("rindex", Function::RightIndex, 2, 3),
    ("sprintf", Function::Sprintf, 1, 100),
    ("substr", Function::Substring, 2, 3),
    ("uc", Function::Upper, 0, 1),
    ("ucfirst", Function::UpperFirst, 0, 1),
    ("undef", Function::Undefine, 0, 1),
];

impl<'t> Parser<'t, '_> {
    pub(crate) fn term(&mut self) -> Result<Expression> {
        self.scanner.skip_space();
        match self.scanner.peek() {
            Some(b'$') => {
                self.scanner.advance(1);
                variable(&mut self.scanner, self.names, None)
            }
            Some(b'"' | b'\'') => self.string(),
            Some(b'(') => {
                self.scanner.advance(1);
                let inner = self.expression()?;
                self.scanner.skip_space();
                match self.scanner.peek() {
                    Some(b',') => Err(Error::real_perl("a list")),
                    _ => self.expect(")").map(|()| inner),
                }
            }
            Some(b'/') => self.matching(Expression::Variable(Slot::TOPIC)),
            Some(b'0'..=b'9') => self.number(),
            Some(b'.') if self.scanner.peek_at(1).is_some_and(|next| next.is_ascii_digit()) => self.number(),
            Some(b'@') => Err(Error::real_perl("an array")),
            Some(b'%') => Err(Error::real_perl("a hash")),
            Some(b'&') => Err(Error::real_perl("a subroutine")),
            Some(b'<') => Err(Error::real_perl("reading a file")),
            Some(b'`') => Err(Error::real_perl("running a program")),
            _ if self.scanner.peek_word().is_empty() => Err(self.unexpected()),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Expression> {
        let word = self.scanner.peek_word();
        if let b"s" | b"m" | b"y" | b"tr" = word {
            return self.matching(Expression::Variable(Slot::TOPIC));
        }
        let excerpt = self.scanner.excerpt();
        self.scanner.advance(word.len());
        match word {
            b"q" | b"qq" => {
                self.scanner.skip_space();
                let (text, open) = self.scanner.delimited("a string")?;
                self.quoted(text, open, word == b"qq" && open != b'\'')
            }
            b"my" | b"our" => self.declaration(word == b"my"),
            b"print" => self.print(false),
            b"printf" => self.print(true),
            b"next" => self.leave(Leave::Next),
            b"last" => self.leave(Leave::Last),
            b"return" => match self.is_at_end_of_operand() {
                true => Ok(Expression::Leave(Leave::Return)),
                false => Err(Error::real_perl("`return` with a value")),
            },
            b"exit" => self.exit(),
            b"die" => {
                let list = self.arguments()?;
                Ok(Expression::Die(list))
            }
            b"eof" => {
                self.scanner.skip_space();
                match self.scanner.peek() {
                    Some(b'(') => Err(Error::real_perl("`eof()`").hint("write `eof`")),
                    _ => Ok(Expression::EndOfFile),
                }
            }
            b"STDIN" | b"STDOUT" | b"STDERR" => Err(Error::real_perl("a file handle")),
            _ => self.function(word, &excerpt),
        }
    }

    fn is_at_end_of_operand(&mut self) -> bool {
        self.scanner.skip_space();
        self.is_at_expression_end()
    }

    fn leave(&mut self, leave: Leave) -> Result<Expression> {
        match self.is_at_end_of_operand() {
            true => Ok(Expression::Leave(leave)),
            false => Err(Error::real_perl("a label")),
        }
    }

    /// `exit` and `exit 0`; any other status fails.
    fn exit(&mut self) -> Result<Expression> {
        let arguments = self.arguments()?;
        match arguments.as_slice() {
            [] => Ok(Expression::Leave(Leave::Last)),
            [Expression::Constant(status)] if status.integer() == 0 => Ok(Expression::Leave(Leave::Last)),
            _ => Ok(Expression::Die(vec![Expression::Constant(Scalar::text(
                "exit with a status",
            ))])),
        }
    }

    fn declaration(&mut self, is_lexical: bool) -> Result<Expression> {
        self.scanner.skip_space();
        if !self.scanner.take("$") {
            return Err(Error::real_perl("`my` with anything but one scalar"));
        }
        let name = self.scanner.take_word().to_vec();
        if name.is_empty() || name == b"_" {
            return Err(self.unexpected());
        }
        if !is_lexical {
            return Ok(Expression::Variable(self.names.resolve(&name)?));
        }
        // What is assigned to it does not see it yet; reading the rest first would need its end.
        Ok(Expression::Fresh(self.names.declare(&name)?))
    }

    fn print(&mut self, is_formatted: bool) -> Result<Expression> {
        self.scanner.skip_space();
        self.scanner.take_keyword("STDOUT");
        let mut list = self.arguments()?;
        if list.is_empty() {
            list.push(Expression::Variable(Slot::TOPIC));
        }
        Ok(Expression::Print(match is_formatted {
            true => vec![Expression::Call(Function::Sprintf, list)],
            false => list,
        }))
    }

    /// A list of arguments, in parentheses or not.
    fn arguments(&mut self) -> Result<Vec<Expression>> {
        self.scanner.skip_space();
        if !self.scanner.take("(") {
            return self.list();
        }
        let list = self.list()?;
        self.expect(")")?;
        Ok(list)
    }

    fn function(&mut self, word: &[u8], excerpt: &str) -> Result<Expression> {
        let known = FUNCTIONS.iter().find(|(name, ..)| name.as_bytes() == word);
        let Some((name, function, least, most)) = known else {
            return Err(Self::refused_word(word).unwrap_or_else(|| Error::real_perl(excerpt)));
        };
        self.scanner.skip_space();
        let mut arguments = match self.scanner.peek() {
            Some(b'(') => self.arguments()?,
            _ if *most > 1 => self.list()?,
            Some(b'<') => Vec::new(),
            _ if self.is_at_expression_end() => Vec::new(),
            // A named unary operator binds looser than sums, tighter than comparisons.
            _ => vec![self.operators(2)?],
        };
        if arguments.is_empty() && *least == 0 && *function != Function::Undefine {
            arguments.push(Expression::Variable(Slot::TOPIC));
        }
        if arguments.len() < *least || arguments.len() > *most {
            return Err(Error::new(format!(
                "`{name}` does not take {} arguments",
                arguments.len()
            )));
        }
        let changes = matches!(function, Function::Chomp | Function::Chop | Function::Undefine);
        if changes && let Some(argument) = arguments.pop() {
            arguments.push(assignable(argument)?);
        }
        Ok(Expression::Call(*function, arguments))
    }

    fn number(&mut self) -> Result<Expression> {
        let rest = self.scanner.rest();
        let is_part = |(index, byte): (usize, &u8)| {
            let next_is_digit = rest.get(index + 1).is_some_and(u8::is_ascii_digit);
            byte.is_ascii_alphanumeric() && *byte != b'x' || *byte == b'_' || (*byte == b'.' && next_is_digit)
        };
        let is_hexadecimal = rest.starts_with(b"0x");
        let length = match is_hexadecimal {
            true => {
                2 + rest
                    .iter()
                    .skip(2)
                    .take_while(|byte| byte.is_ascii_hexdigit() || **byte == b'_')
                    .count()
            }
            false => rest
                .iter()
                .enumerate()
                .take_while(|(index, byte)| is_part((*index, byte)))
                .count(),
        };
        let text: Vec<u8> = rest.iter().take(length).copied().filter(|byte| *byte != b'_').collect();
        let text = String::from_utf8(text).unwrap_or_default();
        let refuse = || Error::new(format!("the number `{text}` cannot be read"));
        self.scanner.advance(length);
        let radix = |digits: &str, radix| i64::from_str_radix(digits, radix).map_err(|_| refuse());
        let is_octal = text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        Ok(Expression::Constant(match text.strip_prefix("0x") {
            Some(digits) => Scalar::Integer(radix(digits, 16)?),
            None if is_octal => Scalar::Integer(radix(&text, 8)?),
            None => match text.parse() {
                Ok(integer) => Scalar::Integer(integer),
                Err(_) => Scalar::from_float(text.parse().map_err(|_| refuse())?),
            },
        }))
    }

    fn string(&mut self) -> Result<Expression> {
        let (text, open) = self.scanner.delimited("a string")?;
        self.quoted(text, open, open == b'"')
    }

    fn quoted(&mut self, text: &[u8], open: u8, interpolates: bool) -> Result<Expression> {
        let text = undelimited(text, open);
        match interpolates {
            true => interpolated(&text, Purpose::String, self.names),
            false => Ok(Expression::Constant(Scalar::Text(verbatim(&text)))),
        }
    }

    /// `/…/`, `m…`, `s…`, `tr…`, applied to `on`.
    pub(crate) fn matching(&mut self, on: Expression) -> Result<Expression> {
        let word = self.scanner.peek_word();
        let kind = match (self.scanner.peek(), word) {
            (Some(b'/'), _) => "m",
            (_, b"m") => "m",
            (_, b"s") => "s",
            (_, b"tr" | b"y") => "tr",
            _ => return Err(Error::real_perl(format!("a match with {}", self.scanner.excerpt()))),
        };
        self.scanner.advance(word.len());
        if !word.is_empty() && self.scanner.peek() != Some(b'#') {
            self.scanner.skip_space();
        }
        let (first, open) = self.scanner.delimited("a pattern")?;
        if kind == "m" {
            let flags = self.scanner.letters();
            let (pattern, _) = self.pattern(first, open, flags, "imsxgoc")?;
            if flags.contains(&b'g') {
                self.progressive_matches += 1;
            }
            return Ok(Expression::Match {
                on: Box::new(on),
                pattern,
            });
        }
        let (second, second_open) = self.second_part(open)?;
        let flags = self.scanner.letters();
        if kind == "tr" {
            let table = Transliteration::new(&undelimited(first, open), &undelimited(second, second_open), flags)?;
            let on = match table.is_pure || table.is_identity {
                true => on,
                false => assignable(on)?,
            };
            return Ok(Expression::Transliterate {
                on: Box::new(on),
                table,
            });
        }
        self.substitution(on, (first, open), (second, second_open), flags)
    }

    /// What follows the first part: after a bracket a text with delimiters of its own.
    fn second_part(&mut self, open: u8) -> Result<(&'t [u8], u8)> {
        if closing(open) != open {
            self.scanner.skip_space();
            let (text, open) = self.scanner.delimited("a replacement")?;
            return Ok((text, open));
        }
        // The first part's end begins the second.
        Ok((self.scanner.delimited_from(open, "a replacement")?, open))
    }

    fn substitution(
        &mut self,
        on: Expression,
        (pattern, open): (&[u8], u8),
        (replacement, replacement_open): (&[u8], u8),
        flags: &[u8],
    ) -> Result<Expression> {
        let evaluations = flags.iter().filter(|flag| **flag == b'e').count();
        if evaluations > 1 {
            return Err(Error::real_perl("the flag `ee`"));
        }
        let (pattern, _) = self.pattern(pattern, open, flags, "imsxgeroc")?;
        let text = undelimited(replacement, replacement_open);
        let replacement = match (evaluations, replacement_open) {
            (1, _) => {
                let mut inner = Parser::new(&text, self.names);
                inner.only_expression()?
            }
            (_, b'\'') => Expression::Constant(Scalar::Text(text)),
            _ => interpolated(&text, Purpose::Replacement, self.names)?,
        };
        let is_pure = flags.contains(&b'r');
        Ok(Expression::Substitute(Box::new(Substitution {
            on: if is_pure { on } else { assignable(on)? },
            pattern,
            replacement,
            is_global: flags.contains(&b'g'),
            is_pure,
        })))
    }

    /// A pattern, whose variables are known only later.
    pub(crate) fn pattern(
        &mut self,
        source: &[u8],
        open: u8,
        letters: &[u8],
        allowed: &str,
    ) -> Result<(Pattern, Flags)> {
        if let Some(letter) = letters.iter().find(|letter| !allowed.as_bytes().contains(letter)) {
            return Err(Error::new(format!("a pattern has no flag `{}`", char::from(*letter)))
                .hint("separate statements by `;`"));
        }
        self.names.add_pattern()?;
        let has = |letter: u8| letters.contains(&letter);
        let flags = Flags {
            ignores_case: has(b'i') || has(b'I'),
            is_multi_line: has(b'm'),
            dot_matches_all: has(b's'),
            is_extended: has(b'x'),
        };
        // Between brackets, the backslashes of brackets stay.
        let source = match closing(open) == open {
            true => undelimited(source, open),
            false => source.to_vec(),
        };
        let source = match open {
            b'\'' => Expression::Constant(Scalar::Text(source)),
            _ => interpolated(&source, Purpose::Pattern, self.names)?,
        };
        let pattern = match constant(&source) {
            Some(source) => Pattern::Fixed(Arc::new(Compiled::new(&source, flags)?)),
            None => Pattern::Dynamic {
                source: Arc::new(source),
                flags,
            },
        };
        Ok((pattern, flags))
    }
}
