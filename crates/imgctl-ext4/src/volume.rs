//! The device with its geometry: blocks by number, and where each group's own structures lie.

use crate::error::{Error, Result, Structure};
use crate::features::{Compatible, Incompatible, ReadOnlyCompatible};
use crate::format::group::Group;
use crate::format::superblock::{self, Superblock};
use imgctl_block::BlockDevice;
use std::ops::Range;
use std::sync::Arc;

/// A filesystem's device and the unchanging facts about it.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) device: Arc<dyn BlockDevice>,
    pub(crate) superblock: Superblock,
    /// What metadata checksums start from; `None` without `metadata_csum`.
    pub(crate) seed: Option<u32>,
    /// Every block that belongs to the superblocks, descriptors, bitmaps and inode tables: sorted, merged.
    system: Vec<Range<u64>>,
}

impl Volume {
    /// Reads the superblock and all descriptors.
    pub(crate) fn open(device: Arc<dyn BlockDevice>) -> Result<(Self, Vec<Group>)> {
        if device.len_bytes() < superblock::OFFSET + superblock::BYTES as u64 {
            return Err(Error::NotExt4);
        }
        let raw = device
            .read_vec(superblock::OFFSET, superblock::BYTES)
            .map_err(Error::device("read the ext4 superblock"))?;
        let superblock = Superblock::parse(&raw, device.len_bytes())?;
        let mut volume = Self {
            seed: superblock.features.metadata_csum().then(|| superblock.checksum_seed()),
            device,
            superblock,
            system: Vec::new(),
        };
        let groups = volume.read_descriptors()?;
        volume.system = volume.system_ranges(&groups);
        Ok((volume, groups))
    }

    pub(crate) fn block_bytes(&self) -> u64 {
        self.superblock.block_bytes.into()
    }

    /// The block size as a length of memory.
    pub(crate) fn block_len(&self) -> usize {
        self.superblock.block_bytes as usize
    }

    /// Fails unless a file may own the blocks: within the device, and none of the filesystem's own.
    pub(crate) fn check_data_blocks(&self, first: u64, count: u64, owner: Structure) -> Result<()> {
        let end = first.checked_add(count).filter(|end| *end <= self.superblock.blocks);
        let Some(end) = end.filter(|_| first >= u64::from(self.superblock.first_data_block) && first > 0) else {
            return Err(Error::corrupt(
                owner,
                format!("block {first} (and {count} from there) lies outside the filesystem"),
            ));
        };
        let after = self.system.partition_point(|range| range.end <= first);
        match self.system.get(after) {
            Some(range) if range.start < end => Err(Error::corrupt(
                owner,
                format!("block {first} (and {count} from there) overlaps the filesystem's own structures"),
            )),
            _ => Ok(()),
        }
    }

    /// The bytes of one block.
    pub(crate) fn read_block(&self, block: u64, what: &str) -> Result<Vec<u8>> {
        self.read_blocks(block, 1, what)
    }

    /// The bytes of several blocks.
    pub(crate) fn read_blocks(&self, block: u64, count: usize, what: &str) -> Result<Vec<u8>> {
        let length = count.saturating_mul(self.block_len());
        self.device
            .read_vec(block.saturating_mul(self.block_bytes()), length)
            .map_err(Error::device(&format!("read {what}")))
    }

    /// Writes whole blocks.
    pub(crate) fn write_block(&self, block: u64, bytes: &[u8], what: &str) -> Result<()> {
        self.device
            .write_at(block.saturating_mul(self.block_bytes()), bytes)
            .map_err(Error::device(&format!("write {what}")))
    }

    /// The blocks of a group.
    pub(crate) fn group_blocks(&self, group: u32) -> Range<u64> {
        let per_group = u64::from(self.superblock.blocks_per_group);
        let start = u64::from(self.superblock.first_data_block) + u64::from(group) * per_group;
        start..(start + per_group).min(self.superblock.blocks)
    }

    /// The group a block lies in.
    pub(crate) fn group_of_block(&self, block: u64) -> u32 {
        let index =
            block.saturating_sub(self.superblock.first_data_block.into()) / u64::from(self.superblock.blocks_per_group);
        u32::try_from(index).unwrap_or(u32::MAX).min(self.superblock.groups - 1)
    }

    /// The group an inode lies in.
    pub(crate) fn group_of_inode(&self, inode: u32) -> u32 {
        inode.saturating_sub(1) / self.superblock.inodes_per_group
    }

    /// How many blocks a group's inode table takes.
    pub(crate) fn inode_table_blocks(&self) -> u64 {
        let bytes = u64::from(self.superblock.inodes_per_group) * u64::from(self.superblock.inode_bytes);
        bytes.div_ceil(self.block_bytes())
    }

    /// The parts of a group that hold filesystem structures: sorted, merged, within the group.
    pub(crate) fn system_blocks_in(&self, group: u32) -> impl Iterator<Item = Range<u64>> {
        let blocks = self.group_blocks(group);
        let first = self.system.partition_point(|range| range.end <= blocks.start);
        self.system[first..]
            .iter()
            .map(move |range| range.start.max(blocks.start)..range.end.min(blocks.end))
            .take_while(|range| range.start < range.end)
    }

    /// How many blocks the filesystem's own structures take, the journal excepted.
    pub(crate) fn system_block_count(&self) -> u64 {
        self.system.iter().map(|range| range.end - range.start).sum()
    }

    /// The block that holds the first superblock.
    fn superblock_block(&self) -> u64 {
        superblock::OFFSET / self.block_bytes()
    }

    /// With 1 KiB blocks and `bigalloc` group 0 begins with a block that belongs to nothing.
    fn boot_block(&self) -> u64 {
        self.superblock_block() - u64::from(self.superblock.first_data_block)
    }

    fn descriptors_per_block(&self) -> u32 {
        self.superblock.block_bytes / u32::from(self.superblock.descriptor_bytes)
    }

    fn descriptor_blocks(&self) -> u32 {
        self.superblock.groups.div_ceil(self.descriptors_per_block())
    }

    /// The descriptor blocks that lie together behind the superblock; the others lie in their groups (`meta_bg`).
    fn gathered_descriptor_blocks(&self) -> u32 {
        let all = self.descriptor_blocks();
        if self.superblock.features.incompatible.contains(Incompatible::META_BG) {
            all.min(self.superblock.first_meta_group())
        } else {
            all
        }
    }

    /// Where the descriptor of a group lies on the device, in bytes.
    pub(crate) fn descriptor_offset(&self, group: u32) -> u64 {
        let per_block = self.descriptors_per_block();
        let index = group / per_block;
        let block = if index < self.gathered_descriptor_blocks() {
            self.superblock_block() + 1 + u64::from(index)
        } else {
            let first = index * per_block;
            let shift = if index == 0 { self.boot_block() } else { 0 };
            self.group_blocks(first).start + u64::from(self.has_backup(first)) + shift
        };
        block * self.block_bytes() + u64::from(group % per_block) * u64::from(self.superblock.descriptor_bytes)
    }

    fn read_descriptors(&self) -> Result<Vec<Group>> {
        let length = usize::from(self.superblock.descriptor_bytes);
        let mut groups = Vec::new();
        for number in 0..self.superblock.groups {
            let raw = self
                .device
                .read_vec(self.descriptor_offset(number), length)
                .map_err(Error::device("read the group descriptors"))?;
            let group = Group::parse(&raw, number, &self.superblock)?;
            self.check_group(number, &group)?;
            groups.push(group);
        }
        Ok(groups)
    }

    /// The runs of blocks that a descriptor names.
    fn named_by(&self, group: &Group) -> [Range<u64>; 3] {
        [
            (group.block_bitmap, 1),
            (group.inode_bitmap, 1),
            (group.inode_table, self.inode_table_blocks()),
        ]
        .map(|(start, count)| start..start.saturating_add(count))
    }

    fn check_group(&self, number: u32, group: &Group) -> Result<()> {
        let first = u64::from(self.superblock.first_data_block);
        for range in self.named_by(group) {
            if range.start <= first || range.end > self.superblock.blocks {
                let structure = Structure::Group(number);
                return Err(Error::corrupt(
                    structure,
                    "a bitmap or table lies outside the filesystem",
                ));
            }
        }
        Ok(())
    }

    /// Whether a group begins with a superblock.
    fn has_backup(&self, group: u32) -> bool {
        if group == 0 {
            return true;
        }
        let features = &self.superblock.features;
        if features.compatible.contains(Compatible::SPARSE_SUPER2) {
            return self.superblock.backup_groups().contains(&group);
        }
        if group == 1 || !features.read_only.contains(ReadOnlyCompatible::SPARSE_SUPER) {
            return true;
        }
        [3, 5, 7].into_iter().any(|base| {
            let mut power = base;
            while power < u64::from(group) {
                power *= base;
            }
            power == u64::from(group)
        })
    }

    /// How many blocks at a group's start hold a superblock, descriptors and their reserve.
    fn leading_blocks(&self, group: u32) -> u64 {
        let backup = u64::from(self.has_backup(group));
        let gathered = self.gathered_descriptor_blocks();
        let per_block = self.descriptors_per_block();
        if group / per_block < gathered || gathered == self.descriptor_blocks() {
            let reserved = u64::from(self.superblock.reserved_descriptor_blocks());
            return backup * (1 + u64::from(gathered) + reserved);
        }
        let place = group % per_block;
        backup + u64::from(place == 0 || place == 1 || place == per_block - 1)
    }

    fn system_ranges(&self, groups: &[Group]) -> Vec<Range<u64>> {
        let mut ranges = Vec::new();
        for (number, group) in (0_u32..).zip(groups) {
            let start = self.group_blocks(number).start;
            let boot = if number == 0 { self.boot_block() } else { 0 };
            ranges.push(start..start + boot + self.leading_blocks(number));
            ranges.extend(self.named_by(group));
        }
        ranges.sort_unstable_by_key(|range| range.start);
        let mut merged: Vec<Range<u64>> = Vec::new();
        for range in ranges.into_iter().filter(|range| !range.is_empty()) {
            match merged.last_mut() {
                Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        merged
    }
}
