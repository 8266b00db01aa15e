//! apk's order of versions: `number{.number}…{letter}{_suffix{number}}…{~hash}{-r#}` (apk-package(5)).
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use super::{compare_numbers, take};
use std::cmp::Ordering;

/// Suffixes that come before the version itself.
const BEFORE: [&[u8]; 4] = [b"alpha", b"beta", b"pre", b"rc"];
/// Suffixes that come after it.
const AFTER: [&[u8]; 5] = [b"cvs", b"svn", b"git", b"hg", b"p"];

/// A piece of a version. Where two versions go on with different pieces, the one whose piece stands later here is older.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Kind {
    First,
    Number,
    Letter,
    Suffix,
    SuffixNumber,
    Hash,
    Revision,
    End,
    /// What follows is no version; the rest is not compared.
    Invalid,
}

#[derive(Debug)]
struct Piece<'v> {
    kind: Kind,
    text: &'v [u8],
    /// A suffix's place: below zero before the version itself.
    place: i8,
}

pub(crate) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let (mut left_rest, mut right_rest) = (left, right);
    let (mut left_kind, mut right_kind) = (None, None);
    loop {
        let (a, b) = (next(&mut left_rest, left_kind), next(&mut right_rest, right_kind));
        let order = match (a.kind, b.kind) {
            (Kind::Invalid, Kind::Invalid) | (Kind::End, Kind::End) => return Ordering::Equal,
            (one, other) if one == other => compare_pieces(&a, &b),
            _ => return compare_kinds(&a, &b),
        };
        if order.is_ne() {
            return order;
        }
        (left_kind, right_kind) = (Some(a.kind), Some(b.kind));
    }
}

fn compare_pieces(left: &Piece<'_>, right: &Piece<'_>) -> Ordering {
    match left.kind {
        Kind::Number => {
            let is_fraction = |text: &[u8]| text.starts_with(b"0") && text.len() > 1;
            if is_fraction(left.text) || is_fraction(right.text) {
                return left.text.cmp(right.text);
            }
            compare_numbers(left.text, right.text)
        }
        Kind::Suffix => left.place.cmp(&right.place),
        Kind::Letter | Kind::Hash => left.text.cmp(right.text),
        _ => compare_numbers(left.text, right.text),
    }
}

/// The versions are the same so far and go on differently.
fn compare_kinds(left: &Piece<'_>, right: &Piece<'_>) -> Ordering {
    let is_before = |piece: &Piece<'_>| piece.kind == Kind::Suffix && piece.place < 0;
    match (is_before(left), is_before(right)) {
        (true, _) => Ordering::Less,
        (_, true) => Ordering::Greater,
        _ => right.kind.cmp(&left.kind),
    }
}

/// Takes the next piece; `previous` is the one before it.
fn next<'v>(rest: &mut &'v [u8], previous: Option<Kind>) -> Piece<'v> {
    let piece = |kind, text| Piece { kind, text, place: 0 };
    let digits = |byte: u8| byte.is_ascii_digit();
    let after = previous.unwrap_or(Kind::First);
    match (previous, *rest) {
        (_, []) => piece(Kind::End, b""),
        (None, _) => piece_of(Kind::First, take(rest, digits)),
        (_, [b'.', tail @ ..]) if after <= Kind::Number => {
            *rest = tail;
            piece_of(Kind::Number, take(rest, digits))
        }
        (_, [letter, ..]) if letter.is_ascii_lowercase() && after <= Kind::Number => {
            let (text, tail) = rest.split_at_checked(1).unwrap_or((rest, b""));
            *rest = tail;
            piece(Kind::Letter, text)
        }
        (_, [digit, ..]) if digit.is_ascii_digit() && after == Kind::Suffix => {
            piece(Kind::SuffixNumber, take(rest, digits))
        }
        (_, [b'_', tail @ ..]) if after <= Kind::SuffixNumber => {
            *rest = tail;
            suffix(take(rest, |byte| byte.is_ascii_lowercase()))
        }
        (_, [b'~', tail @ ..]) if after < Kind::Hash => {
            *rest = tail;
            piece_of(Kind::Hash, take(rest, |byte| byte.is_ascii_hexdigit()))
        }
        (_, [b'-', b'r', tail @ ..]) if after < Kind::Revision => {
            *rest = tail;
            piece_of(Kind::Revision, take(rest, digits))
        }
        _ => piece(Kind::Invalid, b""),
    }
}

fn piece_of(kind: Kind, text: &[u8]) -> Piece<'_> {
    Piece {
        kind: if text.is_empty() { Kind::Invalid } else { kind },
        text,
        place: 0,
    }
}

fn suffix(text: &[u8]) -> Piece<'_> {
    let place = |list: &[&[u8]]| {
        list.iter()
            .position(|known| *known == text)
            .and_then(|at| i8::try_from(at).ok())
    };
    let before = place(&BEFORE).and_then(|at| at.checked_sub(4));
    match before.or(place(&AFTER)) {
        Some(place) => Piece {
            kind: Kind::Suffix,
            text,
            place,
        },
        None => piece_of(Kind::Invalid, b""),
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    /// Each version is older than the next one: numbers, letters, the order of suffixes, revisions.
    #[test]
    fn versions_in_their_order() {
        let ages = [
            "1.1",
            "1.2_alpha_pre3",
            "1.2_alpha",
            "1.2_alpha2",
            "1.2_alpha10",
            "1.2_beta",
            "1.2_pre",
            "1.2_pre20260101-r0",
            "1.2_rc1",
            "1.2_rc9-r4",
            "1.2_rc10",
            "1.2",
            "1.2-r1",
            "1.2-r9",
            "1.2-r10",
            "1.2_cvs",
            "1.2_svn1",
            "1.2_git20260101",
            "1.2_hg",
            "1.2_p1-r7",
            "1.2_p2-r0",
            "1.2a",
            "1.2b_rc1",
            "1.2b",
            "1.2.0",
            "1.2.1",
            "1.3",
            "1.10",
            "2",
            "10.0",
            "20260101",
        ];
        for (index, older) in ages.iter().enumerate() {
            let compare = |other: &str| compare(older.as_bytes(), other.as_bytes());
            assert_eq!(compare(older), Ordering::Equal, "{older}");
            for newer in &ages[index + 1..] {
                assert_eq!(compare(newer), Ordering::Less, "{older} {newer}");
            }
        }
    }

    /// A number with a zero before it is a fraction, but in the first place.
    #[test]
    fn zeros_before_numbers() {
        let pairs = "1.07 < 1.1\n1.07 < 1.08\n1.0 < 1.07\n010 > 9\n1.5-r018 < 1.5-r19\n1.02.07 < 1.02.1";
        for pair in pairs.lines() {
            let words: Vec<&str> = pair.split_whitespace().collect();
            let expected = match words[1] {
                "<" => Ordering::Less,
                ">" => Ordering::Greater,
                _ => Ordering::Equal,
            };
            assert_eq!(compare(words[0].as_bytes(), words[2].as_bytes()), expected, "{pair}");
            assert_eq!(
                compare(words[2].as_bytes(), words[0].as_bytes()),
                expected.reverse(),
                "{pair}"
            );
        }
    }
}
