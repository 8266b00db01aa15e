//! The running CRC-32C of ext4's `metadata_csum`: no final inversion, and every chain starts from a seed.

/// A CRC-32C under way. Copy it to begin several sums from the same seed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Checksum(u32);

impl Checksum {
    /// The start of a chain without a seed of its own, such as the superblock's.
    pub(crate) fn new() -> Self {
        Self(u32::MAX)
    }

    /// Goes on from `seed`.
    pub(crate) fn with_seed(seed: u32) -> Self {
        Self(seed)
    }

    /// The sum after `bytes` as well.
    #[must_use]
    pub(crate) fn update(self, bytes: &[u8]) -> Self {
        // The crate inverts before and after; ext4 does neither.
        Self(!crc32c::crc32c_append(!self.0, bytes))
    }

    /// The sum so far.
    pub(crate) fn value(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_that_of_crc32c_without_the_final_inversion() {
        assert_eq!(Checksum::new().update(b"123456789").value(), !0xe306_9283);
        assert_eq!(
            Checksum::new().update(b"1234").update(b"56789"),
            Checksum::new().update(b"123456789")
        );
        assert_eq!(Checksum::with_seed(7).update(b"").value(), 7);
    }
}
