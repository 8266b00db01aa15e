//! The space of the filesystem: its allocation groups, brought into memory when they are needed.

mod blocks;
mod commit;
mod free;
mod group;
mod inodes;
mod owners;
mod shared;

pub(crate) use blocks::{Owner, all_reserved_blocks};
pub(crate) use group::{Group, has_unlinked, read_free, read_headers};
pub(crate) use owners::Owners;
pub(crate) use shared::Shared;

use crate::error::Result;
use crate::format::agf::AgfField;
use crate::volume::Volume;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// All groups that were needed so far.
#[derive(Debug, Default)]
pub(crate) struct Space {
    groups: BTreeMap<u32, Group>,
    /// Blocks of inodes that were made in this run: nothing of what lies there counts.
    fresh: BTreeSet<u64>,
    /// How many more inodes there are than the superblock says, and how many more are free.
    more_inodes: i64,
    more_free_inodes: i64,
}

impl Space {
    /// The group, to be changed.
    fn group(&mut self, volume: &Volume, number: u32) -> Result<&mut Group> {
        match self.groups.entry(number) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(Group::read(volume, number, false)?)),
        }
    }

    /// The runs of free blocks of a group as (start, length).
    pub(crate) fn free_runs(&self, volume: &Volume, number: u32) -> Result<Vec<(u32, u32)>> {
        match self.groups.get(&number) {
            Some(group) => Ok(group.free.runs().collect()),
            None => Ok(read_free(volume, number)?.runs().collect()),
        }
    }

    /// How many blocks are free by now.
    pub(crate) fn free_blocks(&self, volume: &Volume) -> u64 {
        let groups = self.groups.values();
        let more = groups.map(|group| i64::from(group.free.total()) - i64::from(group.agf.get(AgfField::FreeBlocks)));
        volume.superblock.free_blocks.saturating_add_signed(more.sum())
    }

    /// How many inodes there are by now, and how many of them are free.
    pub(crate) fn inodes(&self, volume: &Volume) -> (u64, u64) {
        let superblock = &volume.superblock;
        (
            superblock.inodes.saturating_add_signed(self.more_inodes),
            superblock.free_inodes.saturating_add_signed(self.more_free_inodes),
        )
    }

    /// Whether the block holds inodes that were made in this run.
    pub(crate) fn is_fresh(&self, block: u64) -> bool {
        self.fresh.contains(&block)
    }

    /// The blocks that hold inodes that were made in this run.
    pub(crate) fn fresh(&self) -> impl Iterator<Item = u64> {
        self.fresh.iter().copied()
    }

    pub(crate) fn is_changed(&self) -> bool {
        self.groups.values().any(Group::is_changed)
    }
}
