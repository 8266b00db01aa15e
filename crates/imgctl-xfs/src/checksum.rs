//! CRC-32C over whole structures, stored little-endian in a format that is otherwise big-endian.

use crate::format::fields::put;

const FIELD: usize = 4;

fn sum(bytes: &[u8], field: usize) -> u32 {
    let (before, rest) = bytes.split_at(field.min(bytes.len()));
    let after = rest.get(FIELD..).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(before), &[0; FIELD]), after)
}

/// Whether the sum at `field` is that of the bytes around it.
pub(crate) fn is_right(bytes: &[u8], field: usize) -> bool {
    let stored = bytes.get(field..).and_then(|rest| rest.first_chunk::<FIELD>());
    stored.is_some_and(|stored| u32::from_le_bytes(*stored) == sum(bytes, field))
}

/// Puts the sum at `field`.
pub(crate) fn seal(bytes: &mut [u8], field: usize) {
    let sum = sum(bytes, field);
    put(bytes, field, &sum.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_structure_is_right_until_a_byte_changes() {
        let mut bytes = vec![7; 64];
        assert!(!is_right(&bytes, 12));
        seal(&mut bytes, 12);
        assert!(is_right(&bytes, 12));
        bytes[63] ^= 1;
        assert!(!is_right(&bytes, 12) && !is_right(&bytes, 62));
    }
}
