//! One mapping of file blocks to filesystem blocks, as it lies in inodes and extent trees.
//!
//! Source: `xfs_bmbt_rec` in the XFS Algorithms & Data Structures document: from the highest bit on, 1 bit for
//! "unwritten", 54 for the offset in the file, 52 for the first block, 21 for the length.

use super::fields::{put_u64, u64_at};

/// The longest run that one record can hold.
pub(crate) const MOST_BLOCKS: u64 = (1 << 21) - 1;
/// File offsets in blocks lie below this.
pub(crate) const OFFSET_END: u64 = 1 << 54;
const BLOCK_END: u64 = 1 << 52;

/// A run of blocks of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Extent {
    /// Where in the file, in blocks.
    pub(crate) logical: u64,
    /// The first filesystem block.
    pub(crate) physical: u64,
    /// How many blocks.
    pub(crate) length: u64,
    /// Allocated, but reads as zeros.
    pub(crate) unwritten: bool,
}

impl Extent {
    pub(crate) const BYTES: usize = 16;

    pub(crate) fn parse(raw: &[u8]) -> Self {
        let (high, low) = (u64_at(raw, 0), u64_at(raw, 8));
        Self {
            logical: (high >> 9) & OFFSET_END.saturating_sub(1),
            physical: ((high << 43) & BLOCK_END.saturating_sub(1)) | (low >> 21),
            length: low & MOST_BLOCKS,
            unwritten: high >> 63 != 0,
        }
    }

    pub(crate) fn encode(self) -> [u8; Self::BYTES] {
        let mut raw = [0; Self::BYTES];
        let flag = if self.unwritten { 1 << 63 } else { 0 };
        put_u64(&mut raw, 0, flag | (self.logical << 9) | (self.physical >> 43));
        put_u64(&mut raw, 8, (self.physical << 21) | self.length);
        raw
    }

    /// The first block of the file behind it.
    pub(crate) fn end(self) -> u64 {
        self.logical.saturating_add(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_keeps_to_its_bits() {
        let extent = Extent {
            logical: OFFSET_END - 1,
            physical: 0x000a_5555_5555_5555,
            length: MOST_BLOCKS,
            unwritten: false,
        };
        assert_eq!(Extent::parse(&extent.encode()), extent);
        let other = Extent {
            logical: 5,
            physical: BLOCK_END - 1,
            length: 1,
            unwritten: true,
        };
        assert_eq!(Extent::parse(&other.encode()), other);
    }
}
