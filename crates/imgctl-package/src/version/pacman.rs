//! pacman's order of versions: vercmp(8).
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use super::{compare_numbers, compare_whole, take};
use std::cmp::Ordering;

/// `[epoch:]version[-release]`; releases are compared only where both are there.
pub(crate) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    compare_whole(left, right, compare_part)
}

/// As rpm did before it knew `~` and `^`, but that letters at the end make a version older: 1.0beta < 1.0.
fn compare_part(left: &[u8], right: &[u8]) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    let (mut left, mut right) = (left, right);
    let is_separator = |byte: u8| !byte.is_ascii_alphanumeric();
    while !left.is_empty() && !right.is_empty() {
        let separators = (
            take(&mut left, is_separator).len(),
            take(&mut right, is_separator).len(),
        );
        if left.is_empty() || right.is_empty() {
            break;
        }
        if separators.0 != separators.1 {
            return separators.0.cmp(&separators.1);
        }
        let is_number = |version: &[u8]| version.first().is_some_and(u8::is_ascii_digit);
        let digits = |byte: u8| byte.is_ascii_digit();
        let letters = |byte: u8| byte.is_ascii_alphabetic();
        let order = match (is_number(left), is_number(right)) {
            (true, true) => compare_numbers(take(&mut left, digits), take(&mut right, digits)),
            (false, false) => take(&mut left, letters).cmp(take(&mut right, letters)),
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
        };
        if order.is_ne() {
            return order;
        }
    }
    match (left.first(), right.first()) {
        (None, None) => Ordering::Equal,
        (None, Some(rest)) if rest.is_ascii_alphabetic() => Ordering::Greater,
        (Some(rest), _) if rest.is_ascii_alphabetic() => Ordering::Less,
        (None, _) => Ordering::Less,
        (Some(_), _) => Ordering::Greater,
    }
}
