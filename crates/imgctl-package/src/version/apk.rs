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

    #[test]
    fn published_pairs() {
        let pairs = "2.34 > 0.1.0_alpha\n0.1.0_alpha = 0.1.0_alpha\n0.1.0_alpha < 0.1.3_alpha\n0.1.0_alpha2 > 0.1.0_alpha\n\
            0.1.0_alpha < 2.2.39-r1\n1.0.4-r3 < 1.0.4-r4\n1.0.4-r4 < 1.6\n1.1 > 1.1_alpha1\n1.2.1 > 1.2\n1.2 < 1.3_alpha\n\
            1.3_alpha < 1.3_alpha2\n0.8_beta4 < 4.8-r1\n2.3.0b-r1 < 2.3.0b-r2\n0.12.3 > 0.12\n0.13_beta5 > 0.9.12\n\
            3.1_p16 < 3.1_p17\n1.06-r6 < 006\n006 > 1.0.0\n1.2.2-r1 > 1.2.2\n2.01.01_alpha10 > 0.94\n1.39 > 1.00_beta2\n\
            1.02 < 1.03-r1\n4.2.52_p2-r1 < 4.2.52_p4-r2\n1.02.07 < 1.02.10-r1\n1.05-r18 < 1.05-r19\n20050405 > 1.8\n\
            2.5.1-r8 < 2.5.1a-r1\n021109-r3 < 20060512\n3.9_pre20060124 > 0.01\n1.1.7 < 6b-r7\n0.10.0 < 0.10.1_rc1\n\
            02.08.01b < 4.77\n1.6d > 1.2.07.8\n1.2.12.04 < 1.2.12.05\n1.07-r1 < 1.07.5\n4.5_p1-r1 > 4.5_p1\n\
            0.9.8c-r1 < 0.9.8d\n2.2.3-r2 < 013\n013 < 014-r1\n2.4.3-r16 < 2.4.4-r4\n1.8.5 < 1.8.5_p2\n0.98 < 1.00\n\
            2.9.11_pre20051101-r3 > 2.9.11_pre20051101\n1.6.8_p12-r1 > 1.6.8_p9-r2\n0.9.28-r2 < 0.9.28.1\n087-r1 < 103\n\
            2.12r-r4 < 2.12r-r5\n1.3-r0 < 1.3.1-r0\n1.3_pre1-r1 < 1.3.2\n1.0_p10-r0 > 1.0_p9-r0\n\
            0.1.0_alpha_pre2 < 0.1.0_alpha\n1.0.0_pre20191002222144-r0 < 1.0.0_pre20210530193627-r0";
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
