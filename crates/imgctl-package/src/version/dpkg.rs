//! dpkg's order of versions: deb-version(7).
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use super::{compare_numbers, split_epoch, split_release, take};
use std::cmp::Ordering;

/// `[epoch:]upstream[-revision]`; a missing epoch or revision counts as 0.
pub(crate) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let ((left_epoch, left), (right_epoch, right)) = (split_epoch(left), split_epoch(right));
    let ((left, left_revision), (right, right_revision)) = (split_release(left), split_release(right));
    compare_numbers(left_epoch, right_epoch)
        .then_with(|| compare_part(left, right))
        .then_with(|| compare_part(left_revision.unwrap_or_default(), right_revision.unwrap_or_default()))
}

/// Runs of other bytes and runs of digits in turn; `~` sorts before the end, letters before everything else.
fn compare_part(left: &[u8], right: &[u8]) -> Ordering {
    let (mut left, mut right) = (left, right);
    while !left.is_empty() || !right.is_empty() {
        let is_other = |byte: u8| !byte.is_ascii_digit();
        let order = compare_others(take(&mut left, is_other), take(&mut right, is_other));
        let digits = |version: &mut &'_ [u8]| take(version, |byte| byte.is_ascii_digit()).to_vec();
        let order = order.then_with(|| compare_numbers(&digits(&mut left), &digits(&mut right)));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_others(left: &[u8], right: &[u8]) -> Ordering {
    let length = left.len().max(right.len());
    let weights = |bytes: &[u8]| -> Vec<u16> { (0..length).map(|at| weight(bytes.get(at).copied())).collect() };
    weights(left).cmp(&weights(right))
}

fn weight(byte: Option<u8>) -> u16 {
    match byte {
        Some(b'~') => 0,
        None => 1,
        Some(byte) if byte.is_ascii_alphabetic() => u16::from(byte).saturating_add(2),
        Some(byte) => u16::from(byte).saturating_add(512),
    }
}
