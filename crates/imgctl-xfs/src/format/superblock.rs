//! The superblock: the first sector of every allocation group, of which the first one counts.
//!
//! Source: `struct xfs_dsb` in the XFS Algorithms & Data Structures document.

use super::fields::{bytes_at, put_u16, put_u64, u8_at, u16_at, u32_at, u64_at};
use crate::checksum;
use crate::features::{ATTRIBUTES, Features};

/// The least that has to be read to know the sector size.
pub(crate) const BYTES: usize = 512;
const MAGIC: u32 = 0x5846_5342;
const CRC: usize = 224;

/// The checked superblock, with the sector it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Superblock {
    raw: Vec<u8>,
    pub(crate) features: Features,
    pub(crate) block_bytes: u32,
    pub(crate) block_log: u32,
    /// All blocks of the data section.
    pub(crate) blocks: u64,
    pub(crate) realtime_blocks: u64,
    /// What metadata carries: the UUID, or the one from before it was changed.
    pub(crate) meta_uuid: [u8; 16],
    pub(crate) uuid: [u8; 16],
    /// The log's first block; 0 when it is on another device.
    pub(crate) log_start: u64,
    pub(crate) log_blocks: u32,
    pub(crate) root_inode: u64,
    pub(crate) group_blocks: u32,
    pub(crate) groups: u32,
    pub(crate) sector_bytes: u32,
    pub(crate) inode_bytes: u16,
    pub(crate) inodes_per_block_log: u32,
    pub(crate) group_block_log: u32,
    pub(crate) max_inode_percent: u8,
    /// Blocks that a chunk of inodes is aligned to.
    pub(crate) inode_align: u32,
    /// Blocks that a part of a sparse chunk is aligned to.
    pub(crate) sparse_align: u32,
    pub(crate) directory_block_log: u32,
    pub(crate) quota_flags: u16,
    pub(crate) inodes: u64,
    pub(crate) free_inodes: u64,
    pub(crate) free_blocks: u64,
}

/// Why a superblock was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SuperblockError {
    /// There is none.
    NoMagic,
    /// It contradicts itself or the device.
    Damaged(&'static str),
}

impl Superblock {
    /// The sector size that the beginning of a superblock tells.
    pub(crate) fn sector_bytes_of(raw: &[u8]) -> Option<usize> {
        let bytes = u16_at(raw, 102);
        (u32_at(raw, 0) == MAGIC && bytes.is_power_of_two() && bytes >= 512).then(|| bytes.into())
    }

    /// Takes a whole sector. Whether the features are known is for the caller to ask.
    pub(crate) fn parse(raw: Vec<u8>, device_bytes: u64) -> Result<Self, SuperblockError> {
        use SuperblockError::Damaged;
        if u32_at(&raw, 0) != MAGIC {
            return Err(SuperblockError::NoMagic);
        }
        let features = Features::from_words(
            u16_at(&raw, 100),
            u32_at(&raw, 200),
            u32_at(&raw, 216),
            u32_at(&raw, 212),
            u32_at(&raw, 220),
        );
        if features.is_v5() && !checksum::is_right(&raw, CRC) {
            return Err(Damaged("its checksum is wrong"));
        }
        let uuid = bytes_at(&raw, 32);
        let meta_uuid = if features.has_meta_uuid() {
            bytes_at(&raw, 248)
        } else {
            uuid
        };
        let superblock = Self {
            features,
            block_bytes: u32_at(&raw, 4),
            block_log: u8_at(&raw, 120).into(),
            blocks: u64_at(&raw, 8),
            realtime_blocks: u64_at(&raw, 16),
            meta_uuid,
            uuid,
            log_start: u64_at(&raw, 48),
            log_blocks: u32_at(&raw, 96),
            root_inode: u64_at(&raw, 56),
            group_blocks: u32_at(&raw, 84),
            groups: u32_at(&raw, 88),
            sector_bytes: u16_at(&raw, 102).into(),
            inode_bytes: u16_at(&raw, 104),
            inodes_per_block_log: u8_at(&raw, 123).into(),
            group_block_log: u8_at(&raw, 124).into(),
            max_inode_percent: u8_at(&raw, 127),
            inode_align: u32_at(&raw, 180),
            sparse_align: u32_at(&raw, 228),
            directory_block_log: u8_at(&raw, 192).into(),
            quota_flags: u16_at(&raw, 176),
            inodes: u64_at(&raw, 128),
            free_inodes: u64_at(&raw, 136),
            free_blocks: u64_at(&raw, 144),
            raw,
        };
        superblock.check(device_bytes).map_err(Damaged)?;
        Ok(superblock)
    }

    /// Checks everything that later arithmetic relies on.
    fn check(&self, device_bytes: u64) -> Result<(), &'static str> {
        let power = |log: u32| 1_u64.checked_shl(log).unwrap_or(0);
        let inode_log = self.block_log.checked_sub(self.inodes_per_block_log);
        let sizes = (9..=16).contains(&self.block_log)
            && power(self.block_log) == self.block_bytes.into()
            && self.sector_bytes.is_power_of_two()
            && (512..=32768).contains(&self.sector_bytes)
            && self.sector_bytes <= self.block_bytes.max(4096)
            && (256..=2048).contains(&self.inode_bytes)
            && inode_log.is_some_and(|log| power(log) == u64::from(self.inode_bytes))
            && self.directory_block_log.saturating_add(self.block_log) <= 16;
        if !sizes {
            return Err("its sizes of sector, block, inode or directory block do not fit together");
        }
        let groups = self.groups >= 1
            && self.group_blocks >= 64
            && self.group_block_log <= 31
            && u64::from(self.group_blocks) <= power(self.group_block_log)
            && u64::from(self.group_blocks) > power(self.group_block_log) >> 1
            && self.group_block_log.saturating_add(self.inodes_per_block_log) <= 32;
        let whole = u64::from(self.groups).saturating_mul(self.group_blocks.into());
        let without_last = whole.saturating_sub(self.group_blocks.into());
        if !groups || self.blocks > whole || self.blocks <= without_last {
            return Err("its allocation groups do not fit its number of blocks");
        }
        let headers = u64::from(self.sector_bytes).saturating_mul(4);
        let last_group = self.blocks.saturating_sub(without_last);
        if last_group.saturating_mul(self.block_bytes.into()) <= headers.saturating_mul(2) {
            return Err("its last allocation group is too small");
        }
        if self.blocks.saturating_mul(self.block_bytes.into()) > device_bytes {
            return Err("it is larger than the device; the image may have been cut short");
        }
        if u8_at(&self.raw, 126) != 0 {
            return Err("it was being made and is not finished");
        }
        if self.max_inode_percent > 100 {
            return Err("its share of inodes is more than all");
        }
        Ok(())
    }

    /// The volume label, up to 12 bytes.
    pub(crate) fn label(&self) -> Vec<u8> {
        let label = bytes_at::<12>(&self.raw, 108);
        label.iter().copied().take_while(|byte| *byte != 0).collect()
    }

    /// Inodes that belong to the filesystem itself: bitmap and summary of the realtime section, and quotas.
    pub(crate) fn own_inodes(&self) -> Vec<u64> {
        let places = [64, 72, 160, 168, 232].map(|place| u64_at(&self.raw, place));
        let real = places.into_iter().filter(|number| *number != 0 && *number != u64::MAX);
        real.collect()
    }

    /// Notes that some file has attributes.
    pub(crate) fn set_has_attributes(&mut self) {
        self.features.version |= ATTRIBUTES;
    }

    /// The sector to be written, with the counters as they stand.
    pub(crate) fn encode(&mut self) -> &[u8] {
        put_u16(&mut self.raw, 100, self.features.version);
        put_u64(&mut self.raw, 128, self.inodes);
        put_u64(&mut self.raw, 136, self.free_inodes);
        put_u64(&mut self.raw, 144, self.free_blocks);
        checksum::seal(&mut self.raw, CRC);
        &self.raw
    }
}
