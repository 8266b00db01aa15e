//! Taking blocks and giving them back, with their owners.

use super::Space;
use super::group::Group;
use crate::error::{Error, Result, Structure};
use crate::format::btree::{TreeFormat, TreeKind};
use crate::format::record::{CHUNK_INODES, RmapRecord};
use crate::tree::{blocks_for, format_of};
use crate::volume::Volume;

/// Blocks of each group that are left for the kernel to move in, besides what it reserves.
pub(super) const KEPT_BACK: usize = 32;
/// Records that a tree can grow by before room for it is looked for again.
const SLACK: usize = 32;
/// How many runs behind the goal are looked at.
const NEAR_RUNS: usize = 64;

/// Who owns blocks, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    /// An inode, or one of the filesystem's own.
    pub(crate) number: u64,
    /// The file's block, with the marks for the attribute fork and for tree blocks.
    pub(crate) offset: u64,
    pub(crate) unwritten: bool,
}

impl Owner {
    /// One of the filesystem's own.
    pub(crate) fn own(number: u64) -> Self {
        Self {
            number,
            offset: 0,
            unwritten: false,
        }
    }

    fn record(self, start: u32, length: u32) -> RmapRecord {
        RmapRecord {
            start,
            length,
            owner: self.number,
            offset: self.offset,
            unwritten: self.unwritten,
        }
    }
}

/// The most blocks a tree of `records` records takes, its blocks as empty as they may be.
fn most_blocks(format: TreeFormat, records: u64) -> u64 {
    let (mut total, mut level) = (0, records);
    let mut least = (format.leaf_records() / 2).max(1) as u64;
    loop {
        level = level.div_ceil(least).max(1);
        total += level;
        if level == 1 {
            return total;
        }
        least = (format.node_records() / 2).max(2) as u64;
    }
}

/// The blocks that the kernel reserves in a group for the growth of its trees, those in use among them
/// (`xfs_ag_resv_init`). A volume that has less than that free makes it stop in the middle of removing files.
fn reserved_blocks(volume: &Volume, number: u32) -> Vec<(TreeKind, u64)> {
    let superblock = &volume.superblock;
    let features = superblock.features;
    let mut blocks = u64::from(volume.group_blocks(number));
    if volume.split(superblock.log_start).0 == number {
        blocks = blocks.saturating_sub(superblock.log_blocks.into());
    }
    let mut reserved = Vec::new();
    if features.has_free_inode_tree() {
        let chunks = (blocks << superblock.inodes_per_block_log) / u64::from(CHUNK_INODES);
        let most = most_blocks(format_of(volume, TreeKind::FreeInodes), chunks);
        reserved.push((TreeKind::FreeInodes, most));
    }
    if features.has_shared_blocks() {
        let most = most_blocks(format_of(volume, TreeKind::Refcounts), blocks);
        reserved.push((TreeKind::Refcounts, most));
    }
    if features.has_owner_tree() {
        let most = most_blocks(format_of(volume, TreeKind::Owners), blocks);
        reserved.push((TreeKind::Owners, most.max(blocks / 100)));
    }
    reserved
}

/// How many blocks of all groups together the kernel reserves.
pub(crate) fn all_reserved_blocks(volume: &Volume) -> u64 {
    let groups = u64::from(volume.superblock.groups);
    let each: u64 = reserved_blocks(volume, 0).iter().map(|(_, most)| most).sum();
    (each + KEPT_BACK as u64) * groups
}

impl Group {
    /// How many blocks files can have of this group: its trees may need some, and `kept_back` stay free.
    pub(super) fn room(&self, volume: &Volume, kept_back: usize) -> u32 {
        let records = [
            (TreeKind::FreeByBlock, self.free.len()),
            (TreeKind::FreeByLength, self.free.len()),
            (TreeKind::Owners, self.owners.as_ref().map_or(0, super::Owners::len)),
            (TreeKind::Inodes, self.chunks.len()),
            (TreeKind::FreeInodes, self.chunks.len()),
            (TreeKind::Refcounts, self.shared.as_ref().map_or(0, super::Shared::len)),
        ];
        let mut needed = 0;
        for (kind, records) in records {
            if let Some(blocks) = self.trees.get(&kind) {
                let grown = blocks_for(format_of(volume, kind), records + SLACK, 1);
                needed += grown.saturating_sub(blocks.len());
            }
        }
        let mut reserved = kept_back as u64;
        for (kind, most) in reserved_blocks(volume, self.number) {
            let used = self.trees.get(&kind).map_or(0, Vec::len) as u64;
            // The kernel counts blocks of the tree of owners as free, and so reserves them a second time.
            reserved += if kind == TreeKind::Owners {
                most
            } else {
                most.saturating_sub(used)
            };
        }
        let kept = u32::try_from(reserved + needed as u64).unwrap_or(u32::MAX);
        self.free.total().saturating_sub(kept)
    }

    /// A run of `wanted` free blocks, near `goal` where that is possible.
    fn choose(&self, goal: Option<u32>, wanted: u32) -> Option<u32> {
        if let Some(goal) = goal
            && let Some((start, length)) = self.free.run_at(goal)
            && start + length - goal >= wanted
        {
            return Some(goal);
        }
        if let Some((start, _)) = self.freed.best_fit(wanted) {
            return Some(start);
        }
        let near = self.free.runs_from(goal.unwrap_or(0)).take(NEAR_RUNS);
        let mut near = near.filter(|(_, length)| *length >= wanted);
        near.next()
            .or_else(|| self.free.best_fit(wanted))
            .map(|(start, _)| start)
    }

    pub(super) fn own(&mut self, start: u32, length: u32, owner: Owner) {
        if let Some(owners) = &mut self.owners {
            owners.add(owner.record(start, length));
            self.changes.owners = true;
        }
    }

    pub(super) fn disown(&mut self, start: u32, length: u32, owner: Owner) -> Result<()> {
        if let Some(owners) = &mut self.owners {
            self.changes.owners = true;
            if !owners.remove(owner.record(start, length)) {
                let structure = Structure::Tree {
                    name: TreeKind::Owners.name(),
                    group: self.number,
                };
                let problem = format!("it does not know that block {start} belongs to {}", owner.number);
                return Err(Error::corrupt(structure, problem));
            }
        }
        Ok(())
    }

    /// Takes free blocks.
    pub(super) fn take(&mut self, start: u32, length: u32) -> Result<()> {
        self.changes.free = true;
        self.freed.exclude(start, length);
        if self.free.take(start, length) {
            return Ok(());
        }
        Err(Error::corrupt(
            Structure::Agf(self.number),
            "its free blocks are not what they were",
        ))
    }

    /// Makes blocks free.
    pub(super) fn give(&mut self, start: u32, length: u32) -> Result<()> {
        self.changes.free = true;
        if self.free.add(start, length) {
            self.freed.add(start, length);
            return Ok(());
        }
        let problem = format!("block {start} is in use and free at once");
        Err(Error::corrupt(Structure::Agf(self.number), problem))
    }
}

impl Space {
    /// Takes up to `wanted` blocks in one run near `goal`: the first one and how many.
    pub(crate) fn allocate(&mut self, volume: &Volume, goal: u64, wanted: u64, owner: Owner) -> Result<(u64, u64)> {
        let groups = volume.superblock.groups;
        let (first, within) = volume.split(goal);
        let first = first.min(groups - 1);
        let wanted = u32::try_from(wanted)
            .unwrap_or(u32::MAX)
            .min(crate::format::extent::MOST_BLOCKS as u32);
        // A file's tree may have a part of what is kept back: it often has to grow for blocks that are there already.
        let kept_back = if owner.offset & RmapRecord::TREE_BLOCK == 0 {
            KEPT_BACK
        } else {
            KEPT_BACK / 4
        };
        let mut longest: Option<(u32, u32)> = None;
        for index in 0..groups {
            let number = (first + index) % groups;
            let group = self.group(volume, number)?;
            let room = group.room(volume, kept_back);
            if room >= wanted
                && let Some(start) = group.choose((index == 0).then_some(within), wanted)
            {
                return self.grant(volume, number, start, wanted, owner);
            }
            let most = group.free.longest().min(room);
            if most > longest.map_or(0, |(length, _)| length) {
                longest = Some((most, number));
            }
        }
        let Some((length, number)) = longest else {
            return Err(Error::NoBlocks);
        };
        let length = length.min(wanted);
        let start = self
            .group(volume, number)?
            .choose(None, length)
            .ok_or(Error::NoBlocks)?;
        self.grant(volume, number, start, length, owner)
    }

    fn grant(&mut self, volume: &Volume, number: u32, start: u32, length: u32, owner: Owner) -> Result<(u64, u64)> {
        let group = self.group(volume, number)?;
        group.take(start, length)?;
        group.own(start, length, owner);
        Ok((volume.block(number, start), length.into()))
    }

    /// Gives a file's blocks back. Those that others share stay theirs.
    pub(crate) fn release(&mut self, volume: &Volume, block: u64, length: u64, owner: Owner) -> Result<()> {
        let (number, start) = volume.split(block);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let group = self.group(volume, number)?;
        group.disown(start, length, owner)?;
        let freed = match &mut group.shared {
            Some(shared) => {
                let freed = shared.release(start, length);
                group.changes.shared |= freed != [(start, length)];
                freed
            }
            None => vec![(start, length)],
        };
        freed
            .into_iter()
            .try_for_each(|(start, length)| group.give(start, length))
    }

    /// How many files share a block, and how many blocks from there on are alike.
    pub(crate) fn sharers(&mut self, volume: &Volume, block: u64) -> Result<(u32, u64)> {
        let (number, start) = volume.split(block);
        let group = self.group(volume, number)?;
        Ok(match &group.shared {
            Some(shared) => {
                let (count, alike) = shared.count_at(start);
                (count, alike.into())
            }
            None => (1, u64::MAX),
        })
    }

    /// Notes that a file's blocks have been written.
    pub(crate) fn mark_written(&mut self, volume: &Volume, block: u64, length: u64, owner: Owner) -> Result<()> {
        let (number, start) = volume.split(block);
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let group = self.group(volume, number)?;
        let before = Owner {
            unwritten: true,
            ..owner
        };
        group.disown(start, length, before)?;
        group.own(start, length, owner);
        Ok(())
    }
}
