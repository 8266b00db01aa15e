//! The recipe's YAML as a small tree with the place of every value.

use std::fmt;
use std::ops::Range;

/// A value and its bytes in the text.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) kind: NodeKind,
}

/// The three shapes of YAML.
#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
    /// Something that was refused already, like an alias: nothing more is said about it.
    Refused,
}

/// A string, number, boolean or nothing: which of them depends on what is expected.
#[derive(Clone, Default)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Without quotes, so that `5`, `true` and an empty value are not strings.
    pub(crate) plain: bool,
    /// What was filled in, like `vars.mode`.
    pub(crate) from: Vec<String>,
    /// Whether it is all of a variable that is a number or a boolean: one even inside of quotes.
    pub(crate) typed: bool,
    /// Whether a secret is in it.
    pub(crate) sensitive: bool,
    /// An optional secret in it that has no value.
    pub(crate) absent: Option<String>,
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sensitive {
            true => f.write_str("Scalar(..)"),
            false => write!(f, "Scalar({:?})", self.text),
        }
    }
}

impl Node {
    /// A scalar's text.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The value of a mapping's key.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let NodeKind::Mapping(entries) = &self.kind else {
            return None;
        };
        let mut entries = entries.iter();
        entries
            .find(|(name, _)| name.as_text() == Some(key))
            .map(|(_, value)| value)
    }

    /// The value of a mapping's key.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let NodeKind::Mapping(entries) = &mut self.kind else {
            return None;
        };
        let mut entries = entries.iter_mut();
        entries
            .find(|(name, _)| name.as_text() == Some(key))
            .map(|(_, value)| value)
    }

    /// What it is, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match &self.kind {
            NodeKind::Scalar(scalar) => scalar.resolve().describe(),
            NodeKind::Sequence(_) => "a list",
            NodeKind::Mapping(_) => "a mapping",
            NodeKind::Refused => "something else",
        }
    }
}

/// What a scalar is by the YAML 1.2 core schema, or what a reader of YAML 1.1 would see in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Resolved {
    Null,
    Boolean(bool),
    Integer,
    Float,
    /// `yes`, `no`, `on`, `off`: a boolean in YAML 1.1, a string in 1.2.
    LegacyBoolean,
    /// `0755`, `0b11`, `1_000`: numbers to some readers, with different values.
    LegacyNumber,
    Text,
}

impl Resolved {
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Boolean(_) | Self::LegacyBoolean => "a boolean",
            Self::Integer | Self::Float | Self::LegacyNumber => "a number",
            Self::Text => "a string",
        }
    }
}

impl Scalar {
    pub(crate) fn resolve(&self) -> Resolved {
        if self.plain {
            resolve_plain(&self.text)
        } else {
            Resolved::Text
        }
    }

    /// What it is where a number or a boolean is wanted.
    pub(crate) fn resolve_value(&self) -> Resolved {
        match self.typed {
            true => resolve_plain(&self.text),
            false => self.resolve(),
        }
    }
}

fn resolve_plain(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "true" | "True" | "TRUE" => return Resolved::Boolean(true),
        "false" | "False" | "FALSE" => return Resolved::Boolean(false),
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float,
        "yes" | "Yes" | "YES" | "no" | "No" | "NO" | "on" | "On" | "ON" | "off" | "Off" | "OFF" => {
            return Resolved::LegacyBoolean;
        }
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        return Resolved::Float;
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Resolved::Text;
    }
    if let Some(radix) = digits.strip_prefix('0').filter(|rest| !rest.is_empty())
        && let Some(resolved) = resolve_zero(radix)
    {
        return resolved;
    }
    if all_digits(digits) {
        return Resolved::Integer;
    }
    if digits.contains('_') && all_digits(&digits.replace('_', "")) {
        return Resolved::LegacyNumber;
    }
    if is_float(digits) {
        return Resolved::Float;
    }
    Resolved::Text
}

/// What follows a leading zero.
fn resolve_zero(rest: &str) -> Option<Resolved> {
    if let Some(octal) = rest.strip_prefix('o') {
        return (!octal.is_empty() && octal.bytes().all(|b| matches!(b, b'0'..=b'7'))).then_some(Resolved::Integer);
    }
    if let Some(hex) = rest.strip_prefix('x') {
        return (!hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit())).then_some(Resolved::Integer);
    }
    if let Some(binary) = rest.strip_prefix('b') {
        return (!binary.is_empty() && binary.bytes().all(|b| matches!(b, b'0' | b'1')))
            .then_some(Resolved::LegacyNumber);
    }
    all_digits(rest).then_some(Resolved::LegacyNumber)
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `1.5`, `1.`, `.5`, `1e3`, without sign.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let exponent_ok = exponent.is_none_or(|exponent| all_digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)));
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_ok
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_resolve_as_yaml_says() {
        for (texts, resolved) in [
            (&["", "~", "null"][..], Resolved::Null),
            (&["true", "TRUE"], Resolved::Boolean(true)),
            (&["false"], Resolved::Boolean(false)),
            (&["0", "5", "-5", "+12", "0o755", "0x1F", "755"], Resolved::Integer),
            (
                &["1.10", "1.", ".5", "1e3", "-1.5E-3", ".inf", ".nan", "01.5"],
                Resolved::Float,
            ),
            (&["no", "Yes", "on", "OFF"], Resolved::LegacyBoolean),
            (&["0755", "0b11", "1_000", "08"], Resolved::LegacyNumber),
            (
                &[
                    "a",
                    "1.0.0",
                    "v1",
                    "512B",
                    "0x",
                    "0o8",
                    ".",
                    "-",
                    "1e",
                    "10.0.0.0/8",
                    "2025-11-01",
                    "e5",
                    "yEs",
                ],
                Resolved::Text,
            ),
        ] {
            for text in texts {
                assert_eq!(resolve_plain(text), resolved, "{text}");
            }
        }
    }
}
