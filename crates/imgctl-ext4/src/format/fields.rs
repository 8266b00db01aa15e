//! Little-endian fields at fixed offsets of a structure.
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
    u16::from_le_bytes(bytes_at(bytes, offset))
}

/// The 32-bit number at `offset`.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes_at(bytes, offset))
}

/// A number kept in two halves.
pub(crate) fn join(low: u32, high: u32) -> u64 {
    u64::from(low) | (u64::from(high) << 32)
}

/// The lower 32 bits.
pub(crate) fn low_half(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

/// The upper 32 bits.
pub(crate) fn high_half(value: u64) -> u32 {
    u32::try_from(value >> 32).unwrap_or(u32::MAX)
}

/// The lower 16 bits.
pub(crate) fn low_quarter(value: u32) -> u16 {
    u16::try_from(value & 0xffff).unwrap_or(u16::MAX)
}

/// The upper 16 bits.
pub(crate) fn high_quarter(value: u32) -> u16 {
    u16::try_from(value >> 16).unwrap_or(u16::MAX)
}

/// Writes `value` at `offset`.
pub(crate) fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(offset..).and_then(|rest| rest.get_mut(..value.len())) {
        place.copy_from_slice(value);
    }
}

/// Writes a 16-bit number at `offset`.
pub(crate) fn put_u16(bytes: &mut [u8], offset: usize, value: u16) {
    put(bytes, offset, &value.to_le_bytes());
}

/// Writes a 32-bit number at `offset`.
pub(crate) fn put_u32(bytes: &mut [u8], offset: usize, value: u32) {
    put(bytes, offset, &value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_outside_the_bytes_read_as_zero_and_are_not_written() {
        let mut bytes = [1, 2, 3, 4, 5];
        assert_eq!(u32_at(&bytes, 1), 0x0504_0302);
        assert_eq!(u32_at(&bytes, 2), 0);
        assert_eq!(u16_at(&bytes, usize::MAX), 0);
        put_u32(&mut bytes, 2, 9);
        put_u16(&mut bytes, 3, 0x0708);
        assert_eq!(bytes, [1, 2, 3, 8, 7]);
        assert_eq!(join(low_half(0x1_0000_0002), high_half(0x1_0000_0002)), 0x1_0000_0002);
        assert_eq!((low_quarter(0x0001_0002), high_quarter(0x0001_0002)), (2, 1));
    }
}
