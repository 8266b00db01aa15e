//! rpm's order of versions: rpm-version(7), with `~` (before the end) and `^` (after it).
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use super::{compare_numbers, compare_whole, take};
use std::cmp::Ordering;

/// `[epoch:]version[-release]`; a missing epoch counts as 0, and releases are compared only where both are there.
pub(crate) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    compare_whole(left, right, compare_part)
}

/// Runs of digits and runs of letters; everything else only separates.
pub(crate) fn compare_part(left: &[u8], right: &[u8]) -> Ordering {
    let (mut left, mut right) = (left, right);
    loop {
        let is_separator = |byte: u8| !byte.is_ascii_alphanumeric() && byte != b'~' && byte != b'^';
        take(&mut left, is_separator);
        take(&mut right, is_separator);
        match (left.first(), right.first()) {
            (Some(b'~'), Some(b'~')) => {
                skip(&mut left, &mut right);
                continue;
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (Some(b'^'), Some(b'^')) => {
                skip(&mut left, &mut right);
                continue;
            }
            // More than the bare version, but less than any further part.
            (Some(_), None) => return Ordering::Greater,
            (None, Some(_)) => return Ordering::Less,
            (Some(b'^'), Some(_)) => return Ordering::Less,
            (Some(_), Some(b'^')) => return Ordering::Greater,
            (None, None) => return Ordering::Equal,
            (Some(_), Some(_)) => {}
        }
        let order = compare_run(&mut left, &mut right);
        if order.is_ne() {
            return order;
        }
    }
}

/// A run of digits is newer than a run of letters.
fn compare_run(left: &mut &[u8], right: &mut &[u8]) -> Ordering {
    let is_number = |version: &[u8]| version.first().is_some_and(u8::is_ascii_digit);
    match (is_number(left), is_number(right)) {
        (true, true) => {
            let digits = |byte: u8| byte.is_ascii_digit();
            compare_numbers(take(left, digits), take(right, digits))
        }
        (false, false) => {
            let letters = |byte: u8| byte.is_ascii_alphabetic();
            take(left, letters).cmp(take(right, letters))
        }
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
    }
}

fn skip(left: &mut &[u8], right: &mut &[u8]) {
    *left = left.get(1..).unwrap_or_default();
    *right = right.get(1..).unwrap_or_default();
}
