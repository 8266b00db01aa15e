//! The device with its geometry: blocks and inodes by number, and where each group's own structures lie.

use crate::error::{Error, Result, Structure};
use crate::format::da::Place;
use crate::format::superblock::{self, Superblock, SuperblockError};
use imgctl_block::{BlockDevice, BlockRead};
use std::sync::Arc;

/// Sectors, the unit of the addresses that blocks carry.
const ADDRESS_BYTES: u64 = 512;

/// A filesystem's device and the unchanging facts about it.
///
/// A filesystem block number joins a group's number and a block within it; numbers are not contiguous across groups.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) device: Arc<dyn BlockDevice>,
    pub(crate) superblock: Superblock,
}

/// Reads the first superblock of a device.
pub(crate) fn read_superblock(device: &dyn BlockRead) -> Result<Superblock> {
    let failed = "read the XFS superblock";
    if device.len_bytes() < superblock::BYTES as u64 {
        return Err(Error::NotXfs);
    }
    let start = device.read_vec(0, superblock::BYTES).map_err(Error::device(failed))?;
    let length = Superblock::sector_bytes_of(&start).ok_or(Error::NotXfs)?;
    let raw = device.read_vec(0, length).map_err(Error::device(failed))?;
    Superblock::parse(raw, device.len_bytes()).map_err(|error| match error {
        SuperblockError::NoMagic => Error::NotXfs,
        SuperblockError::Damaged(problem) => Error::corrupt(Structure::Superblock, problem),
    })
}

/// The group of a filesystem block number and the block within it.
pub(crate) fn split(superblock: &Superblock, block: u64) -> (u32, u32) {
    let log = superblock.group_block_log;
    let group = u32::try_from(block >> log).unwrap_or(u32::MAX);
    (group, (block & ((1 << log) - 1)) as u32)
}

/// Where a block lies on the device, in bytes.
pub(crate) fn offset(superblock: &Superblock, block: u64) -> u64 {
    let (group, within) = split(superblock, block);
    let linear = u64::from(group).saturating_mul(superblock.group_blocks.into()) + u64::from(within);
    linear.saturating_mul(superblock.block_bytes.into())
}

impl Volume {
    pub(crate) fn open(device: Arc<dyn BlockDevice>) -> Result<Self> {
        let superblock = read_superblock(&*device)?;
        Ok(Self { device, superblock })
    }

    pub(crate) fn is_v5(&self) -> bool {
        self.superblock.features.is_v5()
    }

    /// What metadata has to carry; `None` on volumes without sums.
    pub(crate) fn meta_uuid(&self) -> Option<[u8; 16]> {
        self.is_v5().then_some(self.superblock.meta_uuid)
    }

    pub(crate) fn block_bytes(&self) -> u64 {
        self.superblock.block_bytes.into()
    }

    /// The block size as a length of memory.
    pub(crate) fn block_len(&self) -> usize {
        self.superblock.block_bytes as usize
    }

    /// How many filesystem blocks a directory block has.
    pub(crate) fn directory_blocks(&self) -> u64 {
        1 << self.superblock.directory_block_log
    }

    /// A directory block as a length of memory.
    pub(crate) fn directory_len(&self) -> usize {
        self.block_len() << self.superblock.directory_block_log
    }

    /// The filesystem block number of a group's block.
    pub(crate) fn block(&self, group: u32, block: u32) -> u64 {
        u64::from(group) << self.superblock.group_block_log | u64::from(block)
    }

    /// The group and the block within it.
    pub(crate) fn split(&self, block: u64) -> (u32, u32) {
        split(&self.superblock, block)
    }

    /// How many blocks a group has.
    pub(crate) fn group_blocks(&self, group: u32) -> u32 {
        let superblock = &self.superblock;
        if group.saturating_add(1) < superblock.groups {
            return superblock.group_blocks;
        }
        let before = u64::from(superblock.groups - 1) * u64::from(superblock.group_blocks);
        u32::try_from(superblock.blocks - before).unwrap_or(superblock.group_blocks)
    }

    /// How many blocks at a group's start hold its headers.
    pub(crate) fn header_blocks(&self) -> u32 {
        let bytes = self.superblock.sector_bytes * 4;
        bytes.div_ceil(self.superblock.block_bytes)
    }

    /// Where a block lies on the device, in bytes.
    pub(crate) fn offset(&self, block: u64) -> u64 {
        offset(&self.superblock, block)
    }

    /// Where a header of a group lies on the device, in bytes.
    pub(crate) fn header_offset(&self, group: u32, sector: u32) -> u64 {
        self.offset(self.block(group, 0)) + u64::from(sector) * u64::from(self.superblock.sector_bytes)
    }

    /// The address that a block carries.
    pub(crate) fn address(&self, block: u64) -> u64 {
        self.offset(block) / ADDRESS_BYTES
    }

    /// What a block of an inode carries.
    pub(crate) fn place(&self, block: u64, owner: u64) -> Place {
        Place {
            address: self.address(block),
            owner,
            uuid: self.superblock.meta_uuid,
            v5: self.is_v5(),
        }
    }

    /// Whether the blocks lie within one group and behind its headers.
    pub(crate) fn is_inside(&self, block: u64, count: u64) -> bool {
        let (group, within) = self.split(block);
        group < self.superblock.groups
            && within >= self.header_blocks()
            && u64::from(within)
                .checked_add(count)
                .is_some_and(|end| end <= self.group_blocks(group).into())
    }

    /// Fails unless a file may own the blocks.
    pub(crate) fn check_blocks(&self, block: u64, count: u64, owner: Structure) -> Result<()> {
        if count > 0 && self.is_inside(block, count) {
            return Ok(());
        }
        let problem = format!("block {block} (and {count} from there) lies outside the filesystem");
        Err(Error::corrupt(owner, problem))
    }

    /// The bytes of several blocks.
    pub(crate) fn read_blocks(&self, block: u64, count: u64, what: &str) -> Result<Vec<u8>> {
        let length = usize::try_from(count.saturating_mul(self.block_bytes())).unwrap_or(usize::MAX);
        self.device
            .read_vec(self.offset(block), length)
            .map_err(Error::device(&format!("read {what}")))
    }

    /// Writes whole blocks.
    pub(crate) fn write_blocks(&self, block: u64, bytes: &[u8], what: &str) -> Result<()> {
        self.device
            .write_at(self.offset(block), bytes)
            .map_err(Error::device(&format!("write {what}")))
    }

    /// The bits of an inode number that tell the place within its group.
    fn inode_bits(&self) -> u32 {
        self.superblock.group_block_log + self.superblock.inodes_per_block_log
    }

    /// The number of a group's inode.
    pub(crate) fn inode_number(&self, group: u32, within: u32) -> u64 {
        u64::from(group) << self.inode_bits() | u64::from(within)
    }

    /// The group and the number within it; `None` if there can be no such inode.
    pub(crate) fn split_inode(&self, number: u64) -> Option<(u32, u32)> {
        let bits = self.inode_bits();
        let group = u32::try_from(number >> bits).ok()?;
        let within = u32::try_from(number & ((1 << bits) - 1)).ok()?;
        let block = within >> self.superblock.inodes_per_block_log;
        let inside =
            group < self.superblock.groups && block >= self.header_blocks() && block < self.group_blocks(group);
        inside.then_some((group, within))
    }

    /// The block an inode lies in and the byte within it; the number was checked.
    pub(crate) fn inode_place(&self, group: u32, within: u32) -> (u64, usize) {
        let log = self.superblock.inodes_per_block_log;
        let index = within & ((1 << log) - 1);
        let block = self.block(group, within >> log);
        (block, index as usize * usize::from(self.superblock.inode_bytes))
    }

    /// How many blocks 64 inodes take.
    pub(crate) fn chunk_blocks(&self) -> u32 {
        64_u32.div_ceil(1 << self.superblock.inodes_per_block_log)
    }
}
