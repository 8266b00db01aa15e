//! Versions, compared by the rules of each package manager.

pub(crate) mod apk;
pub(crate) mod dpkg;
pub(crate) mod pacman;
pub(crate) mod rpm;

use std::cmp::Ordering;

/// Compares `[epoch:]version[-release]`; a missing epoch counts as 0, and releases are compared only where both are there.
fn compare_whole(left: &[u8], right: &[u8], compare_part: fn(&[u8], &[u8]) -> Ordering) -> Ordering {
    let ((left_epoch, left), (right_epoch, right)) = (split_epoch(left), split_epoch(right));
    let ((left, left_release), (right, right_release)) = (split_release(left), split_release(right));
    let releases = || match (left_release, right_release) {
        (Some(left), Some(right)) => compare_part(left, right),
        _ => Ordering::Equal,
    };
    compare_numbers(left_epoch, right_epoch)
        .then_with(|| compare_part(left, right))
        .then_with(releases)
}

/// Splits off an epoch, `2:`; without one it is 0. Only digits are one.
fn split_epoch(version: &[u8]) -> (&[u8], &[u8]) {
    let digits = version.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match version.split_at_checked(digits) {
        Some((epoch, [b':', rest @ ..])) => (epoch, rest),
        _ => (b"", version),
    }
}

/// Splits at the last `-`.
fn split_release(version: &[u8]) -> (&[u8], Option<&[u8]>) {
    match version.iter().rposition(|byte| *byte == b'-') {
        Some(at) => (
            version.get(..at).unwrap_or_default(),
            version.get(at.saturating_add(1)..),
        ),
        None => (version, None),
    }
}

/// Compares runs of digits of any length as numbers.
fn compare_numbers(left: &[u8], right: &[u8]) -> Ordering {
    let (left, right) = (without_zeros(left), without_zeros(right));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

/// Takes the bytes off the front for which `is_wanted` holds.
fn take<'v>(version: &mut &'v [u8], is_wanted: impl Fn(u8) -> bool) -> &'v [u8] {
    let count = version.iter().take_while(|byte| is_wanted(**byte)).count();
    let (taken, rest) = version.split_at_checked(count).unwrap_or((version, b""));
    *version = rest;
    taken
}
