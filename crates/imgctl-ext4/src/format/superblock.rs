//! The superblock: 1,024 bytes at offset 1,024 (kernel documentation, "ext4 Super Block").

use super::checksum::Checksum;
use super::fields::{bytes_at, high_half, join, low_half, put, put_u32, u8_at, u16_at, u32_at};
use crate::error::{Error, Result, Structure};
use crate::features::{Features, Incompatible, ReadOnlyCompatible};

/// Where the superblock begins on the device.
pub(crate) const OFFSET: u64 = 1024;
/// Its length.
pub(crate) const BYTES: usize = 1024;
const MAGIC: u16 = 0xef53;
const CHECKSUM: usize = 0x3fc;

/// mke2fs makes no smaller groups.
const LEAST_GROUP_BLOCKS: u32 = 256;

/// `s_state`: unmounted cleanly.
const STATE_VALID: u16 = 1;
/// `s_state`: the kernel found errors.
const STATE_ERROR: u16 = 2;
/// `s_flags`: directory hashes treat names as unsigned bytes.
const FLAG_UNSIGNED_HASH: u32 = 2;

/// A superblock whose numbers hold together.
#[derive(Clone, Debug)]
pub(crate) struct Superblock {
    raw: Vec<u8>,
    pub(crate) features: Features,
    pub(crate) block_bytes: u32,
    pub(crate) blocks: u64,
    pub(crate) first_data_block: u32,
    pub(crate) blocks_per_group: u32,
    /// Blocks per bit of a block bitmap: 1 without `bigalloc`.
    pub(crate) cluster_blocks: u32,
    pub(crate) inodes: u32,
    pub(crate) inodes_per_group: u32,
    pub(crate) inode_bytes: u16,
    pub(crate) first_inode: u32,
    pub(crate) descriptor_bytes: u16,
    pub(crate) groups: u32,
    pub(crate) free_blocks: u64,
    pub(crate) free_inodes: u32,
}

impl Superblock {
    /// Whether the bytes begin to look like a superblock.
    pub(crate) fn has_magic(raw: &[u8]) -> bool {
        u16_at(raw, 0x38) == MAGIC
    }

    /// Reads a superblock of a device of `device_bytes`, unless its features forbid that.
    pub(crate) fn parse(raw: &[u8], device_bytes: u64) -> Result<Self> {
        if raw.len() != BYTES || !Self::has_magic(raw) {
            return Err(Error::NotExt4);
        }
        match features_of(raw).refuse_reading() {
            Some(refusal) => Err(refusal.into()),
            None => Self::parse_any(raw, device_bytes),
        }
    }

    /// Reads a superblock whatever its features are.
    pub(crate) fn parse_any(raw: &[u8], device_bytes: u64) -> Result<Self> {
        if raw.len() != BYTES || !Self::has_magic(raw) {
            return Err(Error::NotExt4);
        }
        let features = features_of(raw);
        if features.metadata_csum() && Self::checksum_of(raw) != u32_at(raw, CHECKSUM) {
            return Err(damage("its checksum does not match"));
        }
        let block_log = u32_at(raw, 0x18);
        if block_log > 6 {
            return Err(damage("the block size is above 64 KiB"));
        }
        let block_bytes = 1024_u32
            .checked_shl(block_log)
            .ok_or_else(|| damage("the block size is above 64 KiB"))?;
        let high = |offset| if features.has_64bit() { u32_at(raw, offset) } else { 0 };
        let old = u32_at(raw, 0x4c) == 0;
        let mut superblock = Self {
            raw: raw.to_vec(),
            features,
            block_bytes,
            blocks: join(u32_at(raw, 4), high(0x150)),
            first_data_block: u32_at(raw, 0x14),
            blocks_per_group: u32_at(raw, 0x20),
            cluster_blocks: 1,
            inodes: u32_at(raw, 0),
            inodes_per_group: u32_at(raw, 0x28),
            inode_bytes: if old { 128 } else { u16_at(raw, 0x58) },
            first_inode: if old { 11 } else { u32_at(raw, 0x54) },
            descriptor_bytes: if features.has_64bit() { u16_at(raw, 0xfe) } else { 32 },
            groups: 0,
            free_blocks: join(u32_at(raw, 0xc), high(0x158)),
            free_inodes: u32_at(raw, 0x10),
        };
        superblock.check(block_log, device_bytes)?;
        Ok(superblock)
    }

    /// Checks the geometry and fills in what follows from it.
    fn check(&mut self, block_log: u32, device_bytes: u64) -> Result<()> {
        if self.features.read_only.contains(ReadOnlyCompatible::BIGALLOC) {
            let shift = u32_at(&self.raw, 0x1c).checked_sub(block_log);
            self.cluster_blocks = shift
                .filter(|shift| *shift <= 16)
                .and_then(|shift| 1_u32.checked_shl(shift))
                .ok_or_else(|| damage("the cluster size is impossible"))?;
        }
        let bitmap_bits = self.block_bytes.saturating_mul(8);
        let clusters = self.blocks_per_group.checked_div(self.cluster_blocks).unwrap_or(0);
        let whole = clusters.checked_mul(self.cluster_blocks) == Some(self.blocks_per_group);
        if !whole || clusters > bitmap_bits || !clusters.is_multiple_of(8) || self.blocks_per_group < LEAST_GROUP_BLOCKS
        {
            return Err(damage("the number of blocks per group is impossible"));
        }
        if !self.inode_bytes.is_power_of_two()
            || self.inode_bytes < 128
            || u32::from(self.inode_bytes) > self.block_bytes
        {
            return Err(damage("the inode size is impossible"));
        }
        if self.inodes_per_group == 0 || self.inodes_per_group > bitmap_bits || !self.inodes_per_group.is_multiple_of(8)
        {
            return Err(damage("the number of inodes per group is impossible"));
        }
        if !self.descriptor_bytes.is_power_of_two()
            || !(32..=1024).contains(&self.descriptor_bytes)
            || (self.features.has_64bit() && self.descriptor_bytes < 64)
        {
            return Err(damage("the size of group descriptors is impossible"));
        }
        if self.first_data_block != u32::from(block_log == 0 && self.cluster_blocks == 1) {
            return Err(damage("the first data block is impossible"));
        }
        let bytes = self.blocks.checked_mul(u64::from(self.block_bytes));
        if bytes.is_none_or(|bytes| bytes > device_bytes) {
            return Err(damage("the filesystem is larger than its device"));
        }
        let data_blocks = self.blocks.saturating_sub(u64::from(self.first_data_block));
        let groups = u32::try_from(data_blocks.div_ceil(u64::from(self.blocks_per_group)));
        self.groups = groups.map_err(|_| damage("there are too many block groups"))?;
        if self.groups == 0 || self.groups.checked_mul(self.inodes_per_group) != Some(self.inodes) {
            return Err(damage("the number of inodes does not fit the number of groups"));
        }
        if self.first_inode < 11 || self.first_inode > self.inodes {
            return Err(damage("the first inode is impossible"));
        }
        Ok(())
    }

    fn checksum_of(raw: &[u8]) -> u32 {
        Checksum::new().update(raw.get(..CHECKSUM).unwrap_or_default()).value()
    }

    /// The bytes with the present counts, write time and checksum.
    pub(crate) fn encode(&mut self, written_seconds: u64) -> &[u8] {
        let raw = &mut self.raw;
        put_u32(raw, 0x5c, self.features.compatible.bits());
        put_u32(raw, 0x60, self.features.incompatible.bits());
        put_u32(raw, 0x64, self.features.read_only.bits());
        put_u32(raw, 0xc, low_half(self.free_blocks));
        if self.features.has_64bit() {
            put_u32(raw, 0x158, high_half(self.free_blocks));
        }
        put_u32(raw, 0x10, self.free_inodes);
        put_u32(raw, 0x30, low_half(written_seconds));
        let high = u8::try_from(high_half(written_seconds) & 0xff).unwrap_or(0);
        put(raw, 0x274, &[high]);
        if self.features.metadata_csum() {
            let sum = Self::checksum_of(raw);
            put_u32(raw, CHECKSUM, sum);
        }
        raw
    }

    /// The seed of all metadata checksums.
    pub(crate) fn checksum_seed(&self) -> u32 {
        if self.features.incompatible.contains(Incompatible::METADATA_CSUM_SEED) {
            u32_at(&self.raw, 0x270)
        } else {
            Checksum::new().update(&self.uuid()).value()
        }
    }

    pub(crate) fn uuid(&self) -> [u8; 16] {
        bytes_at(&self.raw, 0x68)
    }

    /// The volume label up to its first NUL.
    pub(crate) fn label(&self) -> Vec<u8> {
        let label: [u8; 16] = bytes_at(&self.raw, 0x78);
        label.iter().copied().take_while(|byte| *byte != 0).collect()
    }

    pub(crate) fn hash_seed(&self) -> [u32; 4] {
        [0xec, 0xf0, 0xf4, 0xf8].map(|offset| u32_at(&self.raw, offset))
    }

    pub(crate) fn hash_version(&self) -> u8 {
        u8_at(&self.raw, 0xfc)
    }

    pub(crate) fn unsigned_hash(&self) -> bool {
        u32_at(&self.raw, 0x160) & FLAG_UNSIGNED_HASH != 0
    }

    pub(crate) fn reserved_descriptor_blocks(&self) -> u16 {
        u16_at(&self.raw, 0xce)
    }

    pub(crate) fn first_meta_group(&self) -> u32 {
        u32_at(&self.raw, 0x104)
    }

    /// The two groups with backups under `sparse_super2`.
    pub(crate) fn backup_groups(&self) -> [u32; 2] {
        [u32_at(&self.raw, 0x24c), u32_at(&self.raw, 0x250)]
    }

    /// The journal's inode; 0 if the journal is on another device.
    pub(crate) fn journal_inode(&self) -> u32 {
        u32_at(&self.raw, 0xe0)
    }

    pub(crate) fn orphan_file_inode(&self) -> u32 {
        u32_at(&self.raw, 0x280)
    }

    pub(crate) fn clear_last_orphan(&mut self) {
        put_u32(&mut self.raw, 0xe8, 0);
    }

    pub(crate) fn last_orphan(&self) -> u32 {
        u32_at(&self.raw, 0xe8)
    }

    /// The extra inode bytes that new inodes declare.
    pub(crate) fn want_extra_bytes(&self) -> u16 {
        u16_at(&self.raw, 0x15e)
    }

    pub(crate) fn state(&self) -> u16 {
        u16_at(&self.raw, 0x3a)
    }

    /// Whether the filesystem was unmounted cleanly and is without known errors.
    pub(crate) fn is_clean(&self) -> bool {
        self.state() & STATE_VALID != 0 && self.state() & STATE_ERROR == 0
    }

    /// The newest of the times of write, mount, creation and check, in seconds.
    pub(crate) fn newest_time(&self) -> u64 {
        [(0x30, 0x274), (0x2c, 0x275), (0x108, 0x276), (0x40, 0x277)]
            .map(|(low, high)| join(u32_at(&self.raw, low), u32::from(u8_at(&self.raw, high))))
            .into_iter()
            .fold(0, u64::max)
    }

    /// The blocks that only root may take.
    pub(crate) fn reserved_blocks(&self) -> u64 {
        let high = match self.features.incompatible.contains(Incompatible::BIT64) {
            true => u32_at(&self.raw, 0x154),
            false => 0,
        };
        join(u32_at(&self.raw, 0x8), high)
    }

    /// How many clusters the filesystem's own structures and its journal take, where the superblock says so.
    pub(crate) fn overhead_blocks(&self) -> u32 {
        u32_at(&self.raw, 0x248)
    }

    /// Marks a feature that the kernel sets at its first use.
    pub(crate) fn set_large_file(&mut self) {
        self.features.read_only |= ReadOnlyCompatible::LARGE_FILE;
    }
}

fn features_of(raw: &[u8]) -> Features {
    Features::from_words(u32_at(raw, 0x5c), u32_at(raw, 0x60), u32_at(raw, 0x64))
}

fn damage(problem: &str) -> Error {
    Error::corrupt(Structure::Superblock, problem)
}
