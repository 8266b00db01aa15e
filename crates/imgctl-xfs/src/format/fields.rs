//! Big-endian fields at fixed offsets of a structure.
//!
//! A field that lies outside the bytes reads as zero and is not written: every structure has its length checked once,
//! where it is read from the device, so that this never happens to a sound one.

/// The `N` bytes at `offset`.
pub(crate) fn bytes_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .unwrap_or([0; N])
}

/// The byte at `offset`.
pub(crate) fn u8_at(bytes: &[u8], offset: usize) -> u8 {
    bytes.get(offset).copied().unwrap_or(0)
}

/// The 16-bit number at `offset`.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_be_bytes(bytes_at(bytes, offset))
}

/// The 32-bit number at `offset`.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(bytes_at(bytes, offset))
}

/// The 64-bit number at `offset`.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_be_bytes(bytes_at(bytes, offset))
}

/// Writes `value` at `offset`.
pub(crate) fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(offset..).and_then(|rest| rest.get_mut(..value.len())) {
        place.copy_from_slice(value);
    }
}

/// Writes a byte at `offset`.
pub(crate) fn put_u8(bytes: &mut [u8], offset: usize, value: u8) {
    put(bytes, offset, &[value]);
}

/// Writes a 16-bit number at `offset`.
pub(crate) fn put_u16(bytes: &mut [u8], offset: usize, value: u16) {
    put(bytes, offset, &value.to_be_bytes());
}

/// Writes a 32-bit number at `offset`.
pub(crate) fn put_u32(bytes: &mut [u8], offset: usize, value: u32) {
    put(bytes, offset, &value.to_be_bytes());
}

/// Writes a 64-bit number at `offset`.
pub(crate) fn put_u64(bytes: &mut [u8], offset: usize, value: u64) {
    put(bytes, offset, &value.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_outside_the_bytes_read_as_zero_and_are_not_written() {
        let mut bytes = [1, 2, 3, 4, 5];
        assert_eq!(u32_at(&bytes, 1), 0x0203_0405);
        assert_eq!((u32_at(&bytes, 2), u16_at(&bytes, usize::MAX)), (0, 0));
        put_u32(&mut bytes, 2, 9);
        put_u16(&mut bytes, 3, 0x0708);
        assert_eq!(bytes, [1, 2, 3, 7, 8]);
    }
}
