//! What every block is used for, compared with what the trees of owners and of shared blocks say.

use super::use_of;
use crate::alloc::{Group, Owners, Shared};
use crate::error::{Error, Result, Structure};
use crate::format::btree::TreeKind;
use crate::format::record::{HOLE_INODES, RmapRecord, owner};
use crate::volume::Volume;
use std::collections::BTreeMap;

/// What a run of blocks is used for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Use {
    Free,
    /// One of the owners that are not inodes.
    Own(u64),
    /// A file's, with the offset in the form of the tree of owners.
    File {
        number: u64,
        offset: u64,
        unwritten: bool,
    },
}

/// Runs by group: start, end, use.
#[derive(Debug, Default)]
pub(super) struct BlockMap {
    groups: BTreeMap<u32, Vec<(u32, u32, Use)>>,
}

impl BlockMap {
    fn note(&mut self, group: u32, start: u32, length: u32, of: Use) {
        self.groups.entry(group).or_default().push((start, start + length, of));
    }

    /// Notes a run given by filesystem block.
    pub(super) fn note_run(&mut self, volume: &Volume, block: u64, length: u64, of: Use) {
        let (group, start) = volume.split(block);
        self.note(group, start, u32::try_from(length).unwrap_or(u32::MAX), of);
    }

    /// Notes everything of a group that belongs to no file.
    pub(super) fn note_group(&mut self, volume: &Volume, group: &Group) -> Result<()> {
        let number = group.number;
        self.note(number, 0, volume.header_blocks(), Use::Own(owner::FILESYSTEM));
        for (start, length) in group.free.runs() {
            self.note(number, start, length, Use::Free);
        }
        for (kind, blocks) in &group.trees {
            for block in blocks {
                self.note_run(volume, *block, 1, use_of(*kind));
            }
        }
        for block in group.kept_blocks()? {
            self.note(number, block, 1, Use::Own(owner::GROUP));
        }
        if let Some(shared) = &group.shared {
            for (start, length) in shared.copies() {
                self.note(number, start, length, Use::Own(owner::COPIES));
            }
        }
        let per_block = 1 << volume.superblock.inodes_per_block_log;
        for chunk in group.chunks.values() {
            let absent = chunk.absent();
            for part in (0..64).step_by(HOLE_INODES.max(per_block) as usize) {
                if absent & (1 << part) == 0 {
                    let block = (chunk.first + part) / per_block;
                    let length = (HOLE_INODES / per_block).max(1);
                    self.note(number, block, length, Use::Own(owner::INODES));
                }
            }
        }
        let superblock = &volume.superblock;
        if volume.split(superblock.log_start).0 == number {
            let length = superblock.log_blocks.into();
            self.note_run(volume, superblock.log_start, length, Use::Own(owner::LOG));
        }
        Ok(())
    }

    /// Compares what was noted with the groups' trees.
    pub(super) fn check(mut self, volume: &Volume, groups: &[Group]) -> Result<()> {
        for group in groups {
            let mut runs = self.groups.remove(&group.number).unwrap_or_default();
            runs.sort_unstable();
            check_coverage(volume, group, &runs)?;
            check_owners(group, &runs)?;
        }
        Ok(())
    }
}

/// Fails unless every block is used once, or as often as the tree of shared blocks says.
fn check_coverage(volume: &Volume, group: &Group, runs: &[(u32, u32, Use)]) -> Result<()> {
    let number = group.number;
    let damage = |problem: String| Err(Error::corrupt(Structure::Agf(number), problem));
    // Where the number of users changes, and by how much; only files may share.
    let mut steps: BTreeMap<u32, i64> = BTreeMap::new();
    for (start, end, _) in runs {
        *steps.entry(*start).or_default() += 1;
        *steps.entry(*end).or_default() -= 1;
    }
    let mut counted: Vec<(u32, u32, u32)> = Vec::new();
    let (mut at, mut users) = (0, 0_i64);
    for (next, change) in steps {
        if next > at && users == 0 {
            return damage(format!("block {at} of the group belongs to nothing and is not free"));
        }
        if next > at && users > 1 {
            let users = u32::try_from(users).unwrap_or(u32::MAX);
            match counted.last_mut() {
                Some((_, end, same)) if *end == at && *same == users => *end = next,
                _ => counted.push((at, next, users)),
            }
        }
        users += change;
        at = next;
    }
    if at != volume.group_blocks(number) {
        return damage(format!("block {at} of the group belongs to nothing and is not free"));
    }
    for pair in runs.windows(2) {
        if let [(_, end, one), (start, _, other)] = pair
            && start < end
            && !matches!((one, other), (Use::File { .. }, Use::File { .. }))
        {
            return damage(format!(
                "block {start} of the group is used twice: {one:?} and {other:?}"
            ));
        }
    }
    let told: Vec<_> = group.shared.iter().flat_map(Shared::shared_runs).collect();
    if told != counted {
        let structure = Structure::Tree {
            name: TreeKind::Refcounts.name(),
            group: number,
        };
        let first = told.iter().zip(&counted).find(|(one, other)| one != other);
        let problem = format!(
            "it says {} shared runs, but there are {}: {first:?}",
            told.len(),
            counted.len()
        );
        return Err(Error::corrupt(structure, problem));
    }
    Ok(())
}

/// Fails unless the tree of owners says what was found.
fn check_owners(group: &Group, runs: &[(u32, u32, Use)]) -> Result<()> {
    let Some(told) = &group.owners else {
        return Ok(());
    };
    let mut found = Owners::default();
    for (start, end, of) in runs {
        let (owner, offset, unwritten) = match of {
            Use::Free => continue,
            Use::Own(owner) => (*owner, 0, false),
            Use::File {
                number,
                offset,
                unwritten,
            } => (*number, *offset, *unwritten),
        };
        found.add(RmapRecord {
            start: *start,
            length: end - start,
            owner,
            offset,
            unwritten,
        });
    }
    let (told, found) = (told.records(), found.records());
    if told == found {
        return Ok(());
    }
    let differs = told.iter().zip(&found).find(|(one, other)| one != other);
    let structure = Structure::Tree {
        name: TreeKind::Owners.name(),
        group: group.number,
    };
    Err(Error::corrupt(
        structure,
        format!(
            "it has {} records, should have {}: {differs:?}",
            told.len(),
            found.len()
        ),
    ))
}
