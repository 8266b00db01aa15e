//! The functions (perlfunc(1)).

use crate::ast::{Case, Expression, Function};
use crate::error::{Error, Result};
use crate::machine::{Machine, Outcome, check_length};
use crate::scalar::Scalar;

impl Machine {
    pub(crate) fn call(&mut self, function: Function, arguments: &[Expression]) -> Outcome<Scalar> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.evaluate(argument)?);
        }
        let first = values.first().cloned().unwrap_or_default();
        let cased = |case: Case| Scalar::Text(case.apply(first.bytes().into_owned()));
        Ok(match function {
            Function::Lower => cased(Case::Lower),
            Function::Upper => cased(Case::Upper),
            Function::LowerFirst => cased(Case::LowerFirst),
            Function::UpperFirst => cased(Case::UpperFirst),
            Function::Quote => cased(Case::Quote),
            Function::Length if !first.is_defined() => Scalar::Undefined,
            Function::Length => position(first.bytes().len()),
            Function::Defined => Scalar::truth(first.is_defined()),
            Function::Ordinal => Scalar::Integer(i64::from(first.bytes().first().copied().unwrap_or_default())),
            Function::Character => match u8::try_from(first.integer()) {
                Ok(byte) => Scalar::text([byte]),
                Err(_) => return Err(Error::new("a character above 255 is no byte").into()),
            },
            Function::Absolute => match first.number() {
                Scalar::Integer(number) => Scalar::Integer(number.saturating_abs()),
                number => Scalar::from_float(number.float().abs()),
            },
            Function::Integer => match first.number() {
                Scalar::Float(number) => Scalar::from_float(number.trunc()),
                number => number,
            },
            Function::Reverse => {
                let mut text = first.into_bytes();
                text.reverse();
                Scalar::Text(text)
            }
            Function::Index | Function::RightIndex => find(function, &values),
            Function::Substring => substring(&values),
            Function::Sprintf => Scalar::Text(formatted(&values)?),
            Function::Chomp | Function::Chop | Function::Undefine => self.cut(function, arguments, first)?,
        })
    }

    /// The functions that change their argument.
    fn cut(&mut self, function: Function, arguments: &[Expression], value: Scalar) -> Result<Scalar> {
        let Some(argument) = arguments.first() else {
            return Ok(Scalar::Undefined);
        };
        let slot = self.target(argument)?;
        if function == Function::Undefine {
            self.set(slot, Scalar::Undefined);
            return Ok(Scalar::Undefined);
        }
        if !value.is_defined() {
            return Ok(Scalar::Integer(0));
        }
        let mut text = value.into_bytes();
        let removed = match function {
            Function::Chomp if text.last() != Some(&b'\n') => None,
            _ => text.pop(),
        };
        self.set(slot, Scalar::Text(text));
        Ok(match function {
            Function::Chomp => Scalar::Integer(i64::from(removed.is_some())),
            _ => Scalar::text(removed.map_or_else(Vec::new, |byte| vec![byte])),
        })
    }
}

fn position(position: usize) -> Scalar {
    Scalar::Integer(i64::try_from(position).unwrap_or(i64::MAX))
}

fn find(function: Function, values: &[Scalar]) -> Scalar {
    let text = |index: usize| values.get(index).map(Scalar::bytes).unwrap_or_default();
    let (text, needle) = (text(0), text(1));
    let from = values
        .get(2)
        .map(|from| usize::try_from(from.integer().max(0)).unwrap_or(usize::MAX));
    let is_here = |at: &usize| text.get(*at..).is_some_and(|rest| rest.starts_with(&needle));
    let found = match function {
        Function::Index => (from.unwrap_or(0).min(text.len())..=text.len()).find(is_here),
        _ => (0..=from.unwrap_or(text.len()).min(text.len())).rev().find(is_here),
    };
    found.map_or(Scalar::Integer(-1), position)
}

fn substring(values: &[Scalar]) -> Scalar {
    let text = values.first().map(Scalar::bytes).unwrap_or_default();
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let offset = values.get(1).map_or(0, Scalar::integer);
    let start = if offset < 0 {
        length.saturating_add(offset)
    } else {
        offset
    };
    let end = match values.get(2).map(Scalar::integer) {
        None => length,
        Some(count) if count < 0 => length.saturating_add(count),
        Some(count) => start.saturating_add(count),
    };
    if start > length || (start < 0 && end < 0) {
        return Scalar::Undefined;
    }
    let (start, end) = (start.max(0), end.min(length));
    let range = usize::try_from(start).unwrap_or(0)..usize::try_from(end.max(start)).unwrap_or(0);
    Scalar::text(text.get(range).unwrap_or_default())
}

/// `sprintf`: `%s %d %i %u %c %x %X %o %b %%` with flags, width and precision.
fn formatted(values: &[Scalar]) -> Result<Vec<u8>> {
    let format = values.first().map(Scalar::bytes).unwrap_or_default();
    let mut arguments = values.iter().skip(1);
    let mut out = Vec::new();
    let mut bytes = format.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut flags = Vec::new();
        while let Some(flag) = bytes.next_if(|byte| b"-+ 0#".contains(byte)) {
            flags.push(flag);
        }
        let number = |bytes: &mut std::iter::Peekable<_>| {
            let mut value = None;
            while let Some(digit) = bytes.next_if(|byte: &u8| byte.is_ascii_digit()) {
                value = Some(
                    value
                        .unwrap_or(0_usize)
                        .saturating_mul(10)
                        .saturating_add(usize::from(digit - b'0')),
                );
            }
            value
        };
        let width = number(&mut bytes).unwrap_or(0);
        let has_precision = bytes.next_if_eq(&b'.').is_some();
        let precision = has_precision.then(|| number(&mut bytes).unwrap_or(0));
        check_length(out.len().saturating_add(width).saturating_add(precision.unwrap_or(0)))?;
        let conversion = bytes.next().unwrap_or(b'%');
        if conversion == b'%' {
            out.push(b'%');
            continue;
        }
        let argument = arguments.next().cloned().unwrap_or_default();
        out.extend(converted(conversion, &argument, &flags, width, precision)?);
        check_length(out.len())?;
    }
    Ok(out)
}

fn converted(kind: u8, value: &Scalar, flags: &[u8], width: usize, precision: Option<usize>) -> Result<Vec<u8>> {
    let has = |flag: u8| flags.contains(&flag);
    let number = value.integer();
    let (sign, mut digits) = match kind {
        b's' => {
            let mut text = value.bytes().into_owned();
            text.truncate(precision.unwrap_or(usize::MAX));
            ("", text)
        }
        b'c' => (
            "",
            vec![u8::try_from(number).map_err(|_| Error::new("a character above 255 is no byte"))?],
        ),
        b'd' | b'i' => {
            let sign = if number < 0 {
                "-"
            } else if has(b'+') {
                "+"
            } else if has(b' ') {
                " "
            } else {
                ""
            };
            (sign, number.unsigned_abs().to_string().into_bytes())
        }
        b'u' => ("", number.cast_unsigned().to_string().into_bytes()),
        b'x' => (
            if has(b'#') && number != 0 { "0x" } else { "" },
            format!("{number:x}").into_bytes(),
        ),
        b'X' => (
            if has(b'#') && number != 0 { "0X" } else { "" },
            format!("{number:X}").into_bytes(),
        ),
        b'o' => (
            if has(b'#') && number != 0 { "0" } else { "" },
            format!("{number:o}").into_bytes(),
        ),
        b'b' => (
            if has(b'#') && number != 0 { "0b" } else { "" },
            format!("{number:b}").into_bytes(),
        ),
        _ => return Err(Error::real_perl(format!("`%{}` of sprintf", char::from(kind)))),
    };
    let is_text = matches!(kind, b's' | b'c');
    if let (Some(precision), false) = (precision, is_text) {
        let zeros = precision.saturating_sub(digits.len());
        digits.splice(0..0, std::iter::repeat_n(b'0', zeros));
    }
    let missing = width.saturating_sub(sign.len() + digits.len());
    let fill = |byte: u8| vec![byte; missing];
    Ok(if has(b'-') {
        [sign.as_bytes(), &digits, &fill(b' ')].concat()
    } else if has(b'0') && (is_text || precision.is_none()) {
        [sign.as_bytes(), &fill(b'0'), &digits].concat()
    } else {
        [&fill(b' '), sign.as_bytes(), &digits].concat()
    })
}
