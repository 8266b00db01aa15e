//! A block group's descriptor: 32 bytes, 64 with the `64bit` feature (kernel documentation, "Block Group Descriptors").

use super::checksum::Checksum;
use super::crc16::crc16;
use super::fields::{high_quarter, join, low_quarter, put_u16, u16_at, u32_at};
use super::superblock::Superblock;
use crate::error::{Error, Result, Structure};
use bitflags::bitflags;

const CHECKSUM: usize = 0x1e;

bitflags! {
    /// What of a group was never written.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub(crate) struct GroupFlags: u16 {
        const INODE_UNINIT = 1;
        const BLOCK_UNINIT = 2;
        const INODE_ZEROED = 4;
    }
}

/// A descriptor.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    raw: Vec<u8>,
    pub(crate) block_bitmap: u64,
    pub(crate) inode_bitmap: u64,
    pub(crate) inode_table: u64,
    pub(crate) free_blocks: u32,
    pub(crate) free_inodes: u32,
    pub(crate) used_directories: u32,
    /// Inodes at the table's end that were never used.
    pub(crate) unused_inodes: u32,
    pub(crate) flags: GroupFlags,
    pub(crate) block_bitmap_sum: u32,
    pub(crate) inode_bitmap_sum: u32,
}

impl Group {
    /// Reads the descriptor of group `number`.
    pub(crate) fn parse(raw: &[u8], number: u32, superblock: &Superblock) -> Result<Self> {
        if superblock.features.group_csum() && checksum_of(raw, number, superblock) != u16_at(raw, CHECKSUM) {
            return Err(Error::corrupt(Structure::Group(number), "its checksum does not match"));
        }
        let wide = raw.len() >= 64;
        let high32 = |offset| if wide { u32_at(raw, offset) } else { 0 };
        let high16 = |offset| if wide { u32::from(u16_at(raw, offset)) << 16 } else { 0 };
        let both16 = |low, high| u32::from(u16_at(raw, low)) | high16(high);
        let group = Self {
            block_bitmap: join(u32_at(raw, 0), high32(0x20)),
            inode_bitmap: join(u32_at(raw, 4), high32(0x24)),
            inode_table: join(u32_at(raw, 8), high32(0x28)),
            free_blocks: both16(0xc, 0x2c),
            free_inodes: both16(0xe, 0x2e),
            used_directories: both16(0x10, 0x30),
            flags: if superblock.features.group_csum() {
                GroupFlags::from_bits_retain(u16_at(raw, 0x12))
            } else {
                GroupFlags::empty()
            },
            unused_inodes: if superblock.features.group_csum() {
                both16(0x1c, 0x32)
            } else {
                0
            },
            block_bitmap_sum: both16(0x18, 0x38),
            inode_bitmap_sum: both16(0x1a, 0x3a),
            raw: raw.to_vec(),
        };
        if group.unused_inodes > superblock.inodes_per_group || group.free_inodes > superblock.inodes_per_group {
            return Err(Error::corrupt(
                Structure::Group(number),
                "it counts more inodes than a group has",
            ));
        }
        if group.free_blocks > superblock.blocks_per_group {
            return Err(Error::corrupt(
                Structure::Group(number),
                "it counts more free blocks than a group has",
            ));
        }
        Ok(group)
    }

    /// The bytes with the present values and checksum. The places of bitmaps and tables never change.
    pub(crate) fn encode(&mut self, number: u32, superblock: &Superblock) -> &[u8] {
        let raw = &mut self.raw;
        let wide = raw.len() >= 64;
        let mut halves = |low, high, value| {
            put_u16(raw, low, low_quarter(value));
            if wide {
                put_u16(raw, high, high_quarter(value));
            }
        };
        halves(0xc, 0x2c, self.free_blocks);
        halves(0xe, 0x2e, self.free_inodes);
        halves(0x10, 0x30, self.used_directories);
        if superblock.features.group_csum() {
            halves(0x1c, 0x32, self.unused_inodes);
            put_u16(raw, 0x12, self.flags.bits());
        }
        if superblock.features.metadata_csum() {
            let mut halves = |low, high, value| {
                put_u16(raw, low, low_quarter(value));
                if wide {
                    put_u16(raw, high, high_quarter(value));
                }
            };
            halves(0x18, 0x38, self.block_bitmap_sum);
            halves(0x1a, 0x3a, self.inode_bitmap_sum);
        }
        if superblock.features.group_csum() {
            let sum = checksum_of(raw, number, superblock);
            put_u16(raw, CHECKSUM, sum);
        }
        raw
    }

    /// A bitmap's sum in the form this descriptor can hold: without `64bit` only the lower half.
    pub(crate) fn bitmap_sum(&self, seed: u32, bitmap: &[u8]) -> u32 {
        let sum = Checksum::with_seed(seed).update(bitmap).value();
        if self.raw.len() >= 64 { sum } else { sum & 0xffff }
    }
}

fn checksum_of(raw: &[u8], number: u32, superblock: &Superblock) -> u16 {
    let number = number.to_le_bytes();
    let before = raw.get(..CHECKSUM).unwrap_or_default();
    let after = raw.get(0x20..).unwrap_or_default();
    if superblock.features.metadata_csum() {
        let sum = Checksum::with_seed(superblock.checksum_seed())
            .update(&number)
            .update(before)
            .update(&[0, 0])
            .update(after);
        return low_quarter(sum.value());
    }
    let sum = crc16(u16::MAX, &superblock.uuid());
    let sum = crc16(crc16(sum, &number), before);
    crc16(sum, if superblock.features.has_64bit() { after } else { &[] })
}
