//! Perl's scalars: undefined, numbers and bytes, each taken as the other where it is wanted.

use std::borrow::Cow;

/// A value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Scalar {
    #[default]
    Undefined,
    Integer(i64),
    Float(f64),
    Text(Vec<u8>),
}

impl Scalar {
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::Text(text.into())
    }

    /// What comparisons give: 1, or the empty string.
    pub(crate) fn truth(value: bool) -> Self {
        match value {
            true => Self::Integer(1),
            false => Self::text(""),
        }
    }

    pub(crate) fn is_defined(&self) -> bool {
        *self != Self::Undefined
    }

    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Undefined => false,
            Self::Integer(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !matches!(text.as_slice(), b"" | b"0"),
        }
    }

    pub(crate) fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Undefined => Cow::Borrowed(b""),
            Self::Integer(number) => Cow::Owned(number.to_string().into_bytes()),
            Self::Float(number) => Cow::Owned(shown(*number).into_bytes()),
            Self::Text(text) => Cow::Borrowed(text),
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text,
            other => other.bytes().into_owned(),
        }
    }

    /// As a number: an integer where it is one, else a float.
    pub(crate) fn number(&self) -> Self {
        match self {
            Self::Undefined => Self::Integer(0),
            Self::Integer(_) | Self::Float(_) => self.clone(),
            Self::Text(text) => parse_number(text),
        }
    }

    pub(crate) fn float(&self) -> f64 {
        match self.number() {
            #[allow(
                clippy::cast_precision_loss,
                reason = "Perl's numbers lose precision in the same way"
            )]
            Self::Integer(number) => number as f64,
            Self::Float(number) => number,
            Self::Undefined | Self::Text(_) => 0.0,
        }
    }

    /// As a whole number, towards zero.
    pub(crate) fn integer(&self) -> i64 {
        match self.number() {
            Self::Integer(number) => number,
            #[allow(clippy::cast_possible_truncation, reason = "floats beyond the range saturate")]
            Self::Float(number) => number as i64,
            Self::Undefined | Self::Text(_) => 0,
        }
    }

    /// The result of arithmetic, an integer again where it can be one.
    pub(crate) fn from_float(number: f64) -> Self {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "only whole numbers in the range are cast"
        )]
        match number.fract() == 0.0 && number.abs() < 9e15 {
            true => Self::Integer(number as i64),
            false => Self::Float(number),
        }
    }
}

/// The number that a text begins with, 0 without one.
fn parse_number(text: &[u8]) -> Scalar {
    let start = text.iter().position(|byte| !byte.is_ascii_whitespace());
    let text = start.and_then(|start| text.get(start..)).unwrap_or_default();
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let whole = digits(sign);
    let mut end = sign + whole;
    let mut fraction = 0;
    if text.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        if whole + fraction > 0 {
            end += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return Scalar::Integer(0);
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let number = text.get(..end).and_then(|number| std::str::from_utf8(number).ok());
    let number = number.unwrap_or_default();
    match number.trim_start_matches('+').parse::<i64>() {
        Ok(integer) => Scalar::Integer(integer),
        Err(_) => Scalar::from_float(number.parse().unwrap_or(0.0)),
    }
}

/// A float as Perl prints it: `%.15g`.
fn shown(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Inf" } else { "-Inf" }.to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{number:.14e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..15).contains(&exponent) {
        let places = usize::try_from(14 - exponent).unwrap_or(0);
        return trimmed(&format!("{number:.places$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_as_numbers() {
        for (text, number) in [
            ("12abc", Scalar::Integer(12)),
            ("  -3", Scalar::Integer(-3)),
            ("+7", Scalar::Integer(7)),
            ("1.5x", Scalar::Float(1.5)),
            ("1e3", Scalar::Integer(1000)),
            ("0x1f", Scalar::Integer(0)),
            (".", Scalar::Integer(0)),
            ("", Scalar::Integer(0)),
            ("3.", Scalar::Integer(3)),
        ] {
            assert_eq!(Scalar::text(text).number(), number, "{text}");
        }
    }

    #[test]
    fn numbers_as_texts() {
        for (number, text) in [
            (0.1, "0.1"),
            (1.0 / 3.0, "0.333333333333333"),
            (1e20, "1e+20"),
            (-2.5e-7, "-2.5e-07"),
            (123_456.75, "123456.75"),
        ] {
            assert_eq!(Scalar::Float(number).bytes().as_ref(), text.as_bytes());
        }
    }
}
