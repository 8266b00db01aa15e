//! Which blocks and inodes are in use: the groups' descriptors and bitmaps.

mod bitmap;
mod blocks;
mod inodes;
mod ranges;

pub(crate) use bitmap::Bitmap;

use crate::error::{Error, Result, Structure};
use crate::format::group::{Group, GroupFlags};
use crate::volume::Volume;
use ranges::RunSet;
use std::ops::Range;

/// A group with what of it is in memory.
#[derive(Debug)]
struct GroupSpace {
    group: Group,
    blocks: Option<Bitmap>,
    inodes: Option<Bitmap>,
    blocks_changed: bool,
    inodes_changed: bool,
    /// No free run is longer than this.
    longest_run: u32,
    /// No inode below this one is free.
    first_free_inode: u32,
    /// The inode table up to here (exclusive, an index) held inodes when the filesystem was opened.
    table_end: u32,
}

/// All groups.
#[derive(Debug)]
pub(crate) struct Space {
    groups: Vec<GroupSpace>,
    free_blocks: u64,
    free_inodes: u64,
    /// What was freed since the filesystem was opened and is still free.
    freed: RunSet,
}

impl Space {
    pub(crate) fn new(volume: &Volume, groups: Vec<Group>) -> Self {
        let per_group = volume.superblock.inodes_per_group;
        let free_blocks = groups.iter().map(|group| u64::from(group.free_blocks)).sum();
        let free_inodes = groups.iter().map(|group| u64::from(group.free_inodes)).sum();
        let groups = groups.into_iter().map(|group| GroupSpace {
            table_end: if group.flags.contains(GroupFlags::INODE_UNINIT) {
                0
            } else {
                per_group.saturating_sub(group.unused_inodes)
            },
            group,
            blocks: None,
            inodes: None,
            blocks_changed: false,
            inodes_changed: false,
            longest_run: u32::MAX,
            first_free_inode: 0,
        });
        Self {
            groups: groups.collect(),
            free_blocks,
            free_inodes,
            freed: RunSet::default(),
        }
    }

    pub(crate) fn free_blocks(&self) -> u64 {
        self.free_blocks
    }

    pub(crate) fn free_inodes(&self) -> u64 {
        self.free_inodes
    }

    /// How many leading inodes of a group's table have been used; what lies behind was perhaps never written.
    pub(crate) fn used_table(&self, group: u32) -> u32 {
        self.groups.get(group as usize).map_or(0, |space| space.table_end)
    }

    /// How many leading inodes of a group's table are in use by now.
    pub(crate) fn table_end(&self, volume: &Volume, group: u32) -> u32 {
        let per_group = volume.superblock.inodes_per_group;
        self.groups.get(group as usize).map_or(0, |space| {
            if space.group.flags.contains(GroupFlags::INODE_UNINIT) {
                0
            } else {
                per_group.saturating_sub(space.group.unused_inodes)
            }
        })
    }

    /// Whether any bitmap has changed.
    pub(crate) fn is_changed(&self) -> bool {
        self.groups
            .iter()
            .any(|space| space.blocks_changed || space.inodes_changed)
    }

    pub(crate) fn descriptor(&self, group: u32) -> Option<&Group> {
        self.groups.get(group as usize).map(|space| &space.group)
    }

    /// All free blocks by the bitmaps, as sorted, merged runs.
    pub(crate) fn free_runs(&self, volume: &Volume) -> Result<Vec<Range<u64>>> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        let cluster = u64::from(volume.superblock.cluster_blocks);
        for (number, space) in (0..).zip(&self.groups) {
            let loaded;
            let bitmap = match &space.blocks {
                Some(bitmap) => bitmap,
                None => {
                    loaded = load_block_bitmap(volume, number, &space.group)?;
                    &loaded
                }
            };
            let blocks = volume.group_blocks(number);
            for run in bitmap.free_runs(0) {
                let start = blocks.start + u64::from(run.start) * cluster;
                let end = (blocks.start + u64::from(run.end) * cluster).min(blocks.end);
                match runs.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ => runs.push(start..end),
                }
            }
        }
        Ok(runs)
    }

    /// Fails unless each bitmap has as many free bits as its descriptor says.
    pub(crate) fn check_counts(&self, volume: &Volume) -> Result<()> {
        for (number, space) in (0..).zip(&self.groups) {
            let blocks = load_block_bitmap(volume, number, &space.group)?.free_count();
            if blocks != space.group.free_blocks {
                return Err(Error::corrupt(
                    Structure::BlockBitmap(number),
                    "its descriptor counts otherwise",
                ));
            }
            let inodes = load_inode_bitmap(volume, number, &space.group)?.free_count();
            if inodes != space.group.free_inodes {
                return Err(Error::corrupt(
                    Structure::InodeBitmap(number),
                    "its descriptor counts otherwise",
                ));
            }
        }
        Ok(())
    }

    /// The first of `inodes`, which are in order, that is marked as free.
    pub(crate) fn first_free_of(&self, volume: &Volume, inodes: impl Iterator<Item = u32>) -> Result<Option<u32>> {
        let mut loaded: Option<(u32, Bitmap)> = None;
        for inode in inodes {
            let number = volume.group_of_inode(inode);
            let index = inode.saturating_sub(1) % volume.superblock.inodes_per_group;
            let Some(space) = self.groups.get(number as usize) else {
                return Ok(Some(inode));
            };
            let bitmap = match (&space.inodes, &mut loaded) {
                (Some(bitmap), _) => bitmap,
                (None, Some((group, bitmap))) if *group == number => bitmap,
                (None, slot) => {
                    &slot
                        .insert((number, load_inode_bitmap(volume, number, &space.group)?))
                        .1
                }
            };
            if !bitmap.is_used(index) {
                return Ok(Some(inode));
            }
        }
        Ok(None)
    }

    /// The descriptor, changed bitmaps and counts of one group, written.
    fn write_group(&mut self, volume: &Volume, number: u32) -> Result<()> {
        let Some(space) = self.groups.get_mut(number as usize) else {
            return Ok(());
        };
        if !space.blocks_changed && !space.inodes_changed {
            return Ok(());
        }
        let length = volume.block_len();
        let superblock = &volume.superblock;
        if let Some(bitmap) = space.blocks.as_ref().filter(|_| space.blocks_changed) {
            let bytes = bitmap.to_bytes(length);
            volume.write_block(space.group.block_bitmap, &bytes, "a block bitmap")?;
            if let Some(seed) = volume.seed {
                let covered = (superblock.blocks_per_group / 8) as usize;
                space.group.block_bitmap_sum = space.group.bitmap_sum(seed, &bytes[..covered.min(length)]);
            }
        }
        if let Some(bitmap) = space.inodes.as_ref().filter(|_| space.inodes_changed) {
            let bytes = bitmap.to_bytes(length);
            volume.write_block(space.group.inode_bitmap, &bytes, "an inode bitmap")?;
            if let Some(seed) = volume.seed {
                let covered = (superblock.inodes_per_group / 8) as usize;
                space.group.inode_bitmap_sum = space.group.bitmap_sum(seed, &bytes[..covered.min(length)]);
            }
        }
        let raw = space.group.encode(number, superblock);
        volume
            .device
            .write_at(volume.descriptor_offset(number), raw)
            .map_err(Error::device("write a group descriptor"))
    }

    /// Writes every changed bitmap and descriptor.
    pub(crate) fn write(&mut self, volume: &Volume) -> Result<()> {
        (0..volume.superblock.groups).try_for_each(|number| self.write_group(volume, number))
    }

    /// Discards what was freed and is still free.
    pub(crate) fn discard_freed(&self, volume: &Volume) -> Result<()> {
        self.freed.iter().try_for_each(|run| discard_run(volume, run))
    }
}

/// Makes blocks read as zeros, without touching those that do already.
pub(crate) fn discard_run(volume: &Volume, run: Range<u64>) -> Result<()> {
    let end = run.end * volume.block_bytes();
    let mut at = run.start * volume.block_bytes();
    while at < end {
        let extent = volume
            .device
            .extent_at(at)
            .map_err(Error::device("look at a freed block"))?;
        let length = extent.length.clamp(1, end - at);
        if extent.kind == imgctl_block::ExtentKind::Data {
            volume
                .device
                .discard(at, length)
                .map_err(Error::device("discard a freed block"))?;
        }
        at += length;
    }
    Ok(())
}

/// Reads a group's block bitmap, or makes the one that the group would have had written.
fn load_block_bitmap(volume: &Volume, number: u32, group: &Group) -> Result<Bitmap> {
    let superblock = &volume.superblock;
    let cluster = superblock.cluster_blocks;
    let blocks = volume.group_blocks(number);
    let count = u32::try_from((blocks.end - blocks.start).div_ceil(cluster.into())).unwrap_or(u32::MAX);
    let mut bitmap = if group.flags.contains(GroupFlags::BLOCK_UNINIT) {
        Bitmap::free(count)
    } else {
        let bytes = volume.read_block(group.block_bitmap, "a block bitmap")?;
        let covered = (superblock.blocks_per_group / cluster / 8) as usize;
        if let Some(seed) = volume.seed
            && group.bitmap_sum(seed, &bytes[..covered.min(bytes.len())]) != group.block_bitmap_sum
        {
            let structure = Structure::BlockBitmap(number);
            return Err(Error::corrupt(structure, "its checksum does not match"));
        }
        Bitmap::from_bytes(&bytes, count)
    };
    // A damaged bitmap must never lead to the filesystem's own structures being handed out.
    for range in volume.system_blocks_in(number) {
        let first = ((range.start - blocks.start) / u64::from(cluster)) as u32;
        let last = ((range.end - 1 - blocks.start) / u64::from(cluster)) as u32;
        bitmap.set(first..last + 1, true);
    }
    Ok(bitmap)
}

/// Reads a group's inode bitmap; a group that never had inodes has none in use.
fn load_inode_bitmap(volume: &Volume, number: u32, group: &Group) -> Result<Bitmap> {
    let count = volume.superblock.inodes_per_group;
    if group.flags.contains(GroupFlags::INODE_UNINIT) {
        return Ok(Bitmap::free(count));
    }
    let bytes = volume.read_block(group.inode_bitmap, "an inode bitmap")?;
    let covered = (count / 8) as usize;
    if let Some(seed) = volume.seed
        && group.bitmap_sum(seed, &bytes[..covered.min(bytes.len())]) != group.inode_bitmap_sum
    {
        let structure = Structure::InodeBitmap(number);
        return Err(Error::corrupt(structure, "its checksum does not match"));
    }
    Ok(Bitmap::from_bytes(&bytes, count))
}
