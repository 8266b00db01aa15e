//! The records of a group's trees.
//!
//! Source: `xfs_alloc_rec`, `xfs_inobt_rec`, `xfs_rmap_rec` and `xfs_refcount_rec` in the XFS Algorithms & Data
//! Structures document.

use super::fields::{put_u8, put_u16, put_u32, put_u64, u8_at, u16_at, u32_at, u64_at};

/// Inodes in one record of the inode tree.
pub(crate) const CHUNK_INODES: u32 = 64;
/// Inodes that one bit of a sparse chunk's hole mask stands for.
pub(crate) const HOLE_INODES: u32 = 4;

/// A run of free blocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FreeRecord {
    pub(crate) start: u32,
    pub(crate) length: u32,
}

impl FreeRecord {
    pub(crate) const BYTES: usize = 8;

    pub(crate) fn parse(raw: &[u8]) -> Self {
        Self {
            start: u32_at(raw, 0),
            length: u32_at(raw, 4),
        }
    }

    pub(crate) fn encode(self) -> [u8; Self::BYTES] {
        let mut raw = [0; Self::BYTES];
        put_u32(&mut raw, 0, self.start);
        put_u32(&mut raw, 4, self.length);
        raw
    }
}

/// 64 inodes, of which some may have no place on the device (sparse).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct InodeRecord {
    pub(crate) first: u32,
    /// One bit for four inodes: set where there is nothing.
    pub(crate) holes: u16,
    /// How many inodes there are.
    pub(crate) count: u8,
    /// How many of them are free.
    pub(crate) free_count: u8,
    /// One bit for each inode: set where it is free or absent.
    pub(crate) free: u64,
}

impl InodeRecord {
    pub(crate) const BYTES: usize = 16;

    pub(crate) fn parse(raw: &[u8], sparse: bool) -> Self {
        let (holes, count, free_count) = if sparse {
            (u16_at(raw, 4), u8_at(raw, 6), u8_at(raw, 7))
        } else {
            (0, 64, u8::try_from(u32_at(raw, 4)).unwrap_or(u8::MAX))
        };
        Self {
            first: u32_at(raw, 0),
            holes,
            count,
            free_count,
            free: u64_at(raw, 8),
        }
    }

    pub(crate) fn encode(self, sparse: bool) -> [u8; Self::BYTES] {
        let mut raw = [0; Self::BYTES];
        put_u32(&mut raw, 0, self.first);
        if sparse {
            put_u16(&mut raw, 4, self.holes);
            put_u8(&mut raw, 6, self.count);
            put_u8(&mut raw, 7, self.free_count);
        } else {
            put_u32(&mut raw, 4, self.free_count.into());
        }
        put_u64(&mut raw, 8, self.free);
        raw
    }

    /// The bits of inodes that have no place on the device.
    pub(crate) fn absent(self) -> u64 {
        (0..16_u32)
            .filter(|bit| self.holes & (1_u16.checked_shl(*bit).unwrap_or(0)) != 0)
            .fold(0, |mask, bit| {
                mask | 0xf_u64.checked_shl(bit.saturating_mul(HOLE_INODES)).unwrap_or(0)
            })
    }

    /// Whether the counts and the bits agree.
    pub(crate) fn is_sound(self) -> bool {
        let absent = self.absent();
        let present = 64_u32.saturating_sub(absent.count_ones());
        u32::from(self.count) == present
            && self.free & absent == absent
            && u32::from(self.free_count) == (self.free & !absent).count_ones()
            && self.count > 0
    }
}

/// Who owns a run of blocks, and for what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RmapRecord {
    pub(crate) start: u32,
    pub(crate) length: u32,
    pub(crate) owner: u64,
    /// The block's offset in the file with the bits for attribute fork and tree block.
    pub(crate) offset: u64,
    pub(crate) unwritten: bool,
}

impl RmapRecord {
    pub(crate) const BYTES: usize = 24;
    pub(crate) const KEY_BYTES: usize = 20;
    /// The blocks belong to the attribute fork.
    pub(crate) const ATTRIBUTES: u64 = 1 << 63;
    /// The block is one of the fork's extent tree.
    pub(crate) const TREE_BLOCK: u64 = 1 << 62;
    const UNWRITTEN: u64 = 1 << 61;

    pub(crate) fn parse(raw: &[u8]) -> Self {
        let offset = u64_at(raw, 16);
        Self {
            start: u32_at(raw, 0),
            length: u32_at(raw, 4),
            owner: u64_at(raw, 8),
            offset: offset & !Self::UNWRITTEN,
            unwritten: offset & Self::UNWRITTEN != 0,
        }
    }

    pub(crate) fn encode(self) -> [u8; Self::BYTES] {
        let mut raw = [0; Self::BYTES];
        put_u32(&mut raw, 0, self.start);
        put_u32(&mut raw, 4, self.length);
        put_u64(&mut raw, 8, self.owner);
        let unwritten = if self.unwritten { Self::UNWRITTEN } else { 0 };
        put_u64(&mut raw, 16, self.offset | unwritten);
        raw
    }

    /// Whether the offset counts blocks (not for the filesystem's own structures and tree blocks).
    pub(crate) fn has_offset(owner: u64, offset: u64) -> bool {
        owner >> 63 == 0 && offset & Self::TREE_BLOCK == 0
    }

    /// The lowest key of the record: block, owner, offset.
    pub(crate) fn low_key(self) -> (u32, u64, u64) {
        (self.start, self.owner, self.offset)
    }

    /// The highest key of the record.
    pub(crate) fn high_key(self) -> (u32, u64, u64) {
        let last = self.length.saturating_sub(1);
        let offset = if Self::has_offset(self.owner, self.offset) {
            self.offset.saturating_add(last.into())
        } else {
            self.offset
        };
        (self.start.saturating_add(last), self.owner, offset)
    }
}

/// Owners that are not inodes.
pub(crate) mod owner {
    /// The group's headers.
    pub(crate) const FILESYSTEM: u64 = u64::MAX - 2;
    /// The log.
    pub(crate) const LOG: u64 = u64::MAX - 3;
    /// The trees of free space and owners, and the list of blocks kept for them.
    pub(crate) const GROUP: u64 = u64::MAX - 4;
    /// The inode trees.
    pub(crate) const INODE_TREES: u64 = u64::MAX - 5;
    /// Inodes.
    pub(crate) const INODES: u64 = u64::MAX - 6;
    /// The tree of shared blocks.
    pub(crate) const REFCOUNTS: u64 = u64::MAX - 7;
    /// Blocks set aside for copies of shared ones.
    pub(crate) const COPIES: u64 = u64::MAX - 8;
}

/// A run of blocks that several files share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RefcountRecord {
    /// The first block; the highest bit marks blocks set aside for copies.
    pub(crate) start: u32,
    pub(crate) length: u32,
    pub(crate) count: u32,
}

impl RefcountRecord {
    pub(crate) const BYTES: usize = 12;
    /// Marks blocks set aside for copies, which belong to no file.
    pub(crate) const COPIES: u32 = 1 << 31;

    pub(crate) fn parse(raw: &[u8]) -> Self {
        Self {
            start: u32_at(raw, 0),
            length: u32_at(raw, 4),
            count: u32_at(raw, 8),
        }
    }

    pub(crate) fn encode(self) -> [u8; Self::BYTES] {
        let mut raw = [0; Self::BYTES];
        put_u32(&mut raw, 0, self.start);
        put_u32(&mut raw, 4, self.length);
        put_u32(&mut raw, 8, self.count);
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_the_way_there_and_back() {
        let inodes = InodeRecord {
            first: 128,
            holes: 0xff00,
            count: 32,
            free_count: 2,
            free: 0xffff_ffff_0000_0003,
        };
        assert_eq!(InodeRecord::parse(&inodes.encode(true), true), inodes);
        assert!(inodes.is_sound());
        assert!(
            !InodeRecord {
                free_count: 3,
                ..inodes
            }
            .is_sound()
        );
        assert!(!InodeRecord { free: 3, ..inodes }.is_sound());
        let rmap = RmapRecord {
            start: 7,
            length: 3,
            owner: 131,
            offset: RmapRecord::ATTRIBUTES | 5,
            unwritten: true,
        };
        assert_eq!(RmapRecord::parse(&rmap.encode()), rmap);
        assert_eq!(rmap.high_key(), (9, 131, RmapRecord::ATTRIBUTES | 7));
        let group = RmapRecord {
            owner: owner::GROUP,
            offset: 0,
            unwritten: false,
            ..rmap
        };
        assert_eq!(group.high_key(), (9, owner::GROUP, 0));
    }
}
