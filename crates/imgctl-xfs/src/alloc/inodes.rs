//! Taking inodes and giving them back; making more of them.

use super::Space;
use super::blocks::{KEPT_BACK, Owner};
use super::group::Group;
use crate::error::{Error, Result, Structure};
use crate::format::record::{CHUNK_INODES, HOLE_INODES, InodeRecord, owner};
use crate::volume::Volume;

/// How many runs that are too crooked for a chunk are looked at before only those are that surely hold one.
const CROOKED_RUNS: usize = 256;

impl Group {
    /// A place for `length` blocks at a multiple of `align`.
    fn aligned_run(&self, length: u32, align: u32) -> Option<u32> {
        let fit = |(held, start): (u32, u32)| {
            let first = start.checked_next_multiple_of(align)?;
            (first.checked_add(length)? <= start + held).then_some(first)
        };
        let long_enough = self.free.by_length_from(length);
        let found = long_enough.take(CROOKED_RUNS).find_map(fit);
        found.or_else(|| self.free.by_length_from(length + align - 1).find_map(fit))
    }

    fn take_inode(&mut self) -> Option<u32> {
        let first = self.roomy.first().copied()?;
        let chunk = self.chunks.get_mut(&first)?;
        let bit = (chunk.free & !chunk.absent()).trailing_zeros();
        if bit >= CHUNK_INODES {
            return None;
        }
        chunk.free &= !(1 << bit);
        chunk.free_count -= 1;
        if chunk.free_count == 0 {
            self.roomy.remove(&first);
        }
        self.changes.inodes = true;
        Some(first + bit)
    }
}

impl Space {
    /// Takes a free inode, in the group of `near` where that is possible.
    pub(crate) fn allocate_inode(&mut self, volume: &Volume, near: u64) -> Result<u64> {
        let groups = volume.superblock.groups;
        let home = volume.split_inode(near).map_or(0, |(group, _)| group);
        let may_grow = self.may_have_more(volume);
        for index in 0..groups {
            let number = (home + index) % groups;
            if self.group(volume, number)?.roomy.is_empty() && !(may_grow && self.add_chunk(volume, number)?) {
                continue;
            }
            if let Some(within) = self.group(volume, number)?.take_inode() {
                self.more_free_inodes -= 1;
                return Ok(volume.inode_number(number, within));
            }
        }
        Err(Error::NoInodes)
    }

    /// Whether the share of the volume that inodes may take allows for one more chunk.
    fn may_have_more(&self, volume: &Volume) -> bool {
        let superblock = &volume.superblock;
        let percent = u64::from(superblock.max_inode_percent);
        let most = (superblock.blocks.saturating_mul(percent) / 100) << superblock.inodes_per_block_log;
        let (inodes, _) = self.inodes(volume);
        percent == 0 || inodes + u64::from(CHUNK_INODES) <= most
    }

    /// Gives an inode back.
    pub(crate) fn release_inode(&mut self, volume: &Volume, number: u64) -> Result<()> {
        let lost = || Error::corrupt(Structure::Inode(number), "the tree of inodes does not know it");
        let (group, within) = volume.split_inode(number).ok_or_else(lost)?;
        let group = self.group(volume, group)?;
        let (first, chunk) = group.chunks.range_mut(..=within).next_back().ok_or_else(lost)?;
        let first = *first;
        let bit = within - first;
        if bit >= CHUNK_INODES || chunk.free & (1 << bit) != 0 {
            return Err(lost());
        }
        chunk.free |= 1 << bit;
        chunk.free_count += 1;
        group.roomy.insert(first);
        group.changes.inodes = true;
        self.more_free_inodes += 1;
        Ok(())
    }

    /// Makes 64 inodes in a group, or as many as fit into a part of a chunk; `false` if there is no room.
    fn add_chunk(&mut self, volume: &Volume, number: u32) -> Result<bool> {
        let superblock = &volume.superblock;
        let align = if superblock.features.has_alignment() {
            superblock.inode_align.max(1)
        } else {
            1
        };
        let length = volume.chunk_blocks();
        let per_block = 1 << superblock.inodes_per_block_log;
        let group = self.group(volume, number)?;
        if group.room(volume, KEPT_BACK) < length {
            return Ok(false);
        }
        if let Some(start) = group.aligned_run(length, align) {
            let chunk = InodeRecord {
                first: start * per_block,
                holes: 0,
                count: 64,
                free_count: 64,
                free: u64::MAX,
            };
            return self.put_chunk(volume, number, (start, length), chunk);
        }
        let part = superblock.sparse_align;
        if !superblock.features.has_sparse_inodes() || part == 0 || part >= length || align < length {
            return Ok(false);
        }
        let Some(start) = group.aligned_run(part, part) else {
            return Ok(false);
        };
        let chunk_start = start / align * align;
        let count = part * per_block;
        let skipped = (start - chunk_start) * per_block;
        let fits_group = chunk_start >= align && chunk_start + length <= volume.group_blocks(number);
        if !fits_group || skipped + count > CHUNK_INODES {
            return Ok(false);
        }
        let bits = (1_u32 << (count / HOLE_INODES)) - 1;
        let holes = !((bits << (skipped / HOLE_INODES)) as u16);
        let chunk = InodeRecord {
            first: chunk_start * per_block,
            holes,
            count: count as u8,
            free_count: count as u8,
            free: u64::MAX,
        };
        self.put_chunk(volume, number, (start, part), chunk)
    }

    /// Enters new inodes, into the record of the rest of their chunk if there is one.
    fn put_chunk(&mut self, volume: &Volume, number: u32, run: (u32, u32), chunk: InodeRecord) -> Result<bool> {
        let group = self.group(volume, number)?;
        let (start, length) = run;
        let mut record = chunk;
        if let Some(held) = group.chunks.get(&chunk.first) {
            record = InodeRecord {
                first: chunk.first,
                holes: held.holes & chunk.holes,
                count: held.count + chunk.count,
                free_count: held.free_count + chunk.free_count,
                free: held.free,
            };
        }
        if !record.is_sound() {
            return Ok(false);
        }
        group.take(start, length)?;
        group.own(start, length, Owner::own(owner::INODES));
        group.chunks.insert(record.first, record);
        group.roomy.insert(record.first);
        group.changes.inodes = true;
        for block in start..start + length {
            self.fresh.insert(volume.block(number, block));
        }
        self.more_inodes += i64::from(chunk.count);
        self.more_free_inodes += i64::from(chunk.count);
        Ok(true)
    }
}
