//! Taking and giving back blocks.

use super::{Bitmap, Space, load_block_bitmap};
use crate::error::{Error, Result, Structure};
use crate::format::group::GroupFlags;
use crate::volume::Volume;
use std::ops::Range;

/// A freed run shorter than this does not draw a long file to it.
const WORTH_REUSING: u64 = 16;

impl Space {
    /// Takes up to `want` adjoining blocks, at least one: those from `goal` on if `goal` is free (where a file goes on),
    /// else freed ones, else the first long enough run from the goal's group on, else the longest there is.
    pub(crate) fn allocate_blocks(&mut self, volume: &Volume, goal: u64, want: u64) -> Result<Range<u64>> {
        if self.free_blocks == 0 || want == 0 {
            return Err(Error::NoBlocks);
        }
        let goal_group = volume.group_of_block(goal);
        if let Some(run) = self.free_run_at(volume, goal_group, goal)? {
            return self.take(volume, run.start..run.end.min(run.start + want));
        }
        if let Some(run) = self.freed.best_fit(want, want.min(WORTH_REUSING)) {
            let end = run.end.min(run.start + want);
            // A run of freed blocks may go over a group's end; one allocation does not.
            let group_end = volume.group_blocks(volume.group_of_block(run.start)).end;
            return self.take(volume, run.start..end.min(group_end));
        }
        let run = self.search_groups(volume, goal_group, want)?;
        self.take(volume, run)
    }

    /// Gives blocks back.
    pub(crate) fn free_block_run(&mut self, volume: &Volume, run: Range<u64>) -> Result<()> {
        let mut at = run.start;
        while at < run.end {
            let number = volume.group_of_block(at);
            let blocks = volume.group_blocks(number);
            let end = run.end.min(blocks.end);
            let bits = (at - blocks.start) as u32..(end - blocks.start) as u32;
            let bitmap = self.load_blocks(volume, number)?;
            if bits.clone().any(|bit| !bitmap.is_used(bit)) {
                let structure = Structure::BlockBitmap(number);
                return Err(Error::corrupt(
                    structure,
                    format!("block {at} is in use but marked as free"),
                ));
            }
            bitmap.set(bits.clone(), false);
            if let Some(space) = self.groups.get_mut(number as usize) {
                space.group.free_blocks += bits.end - bits.start;
                space.blocks_changed = true;
                space.longest_run = u32::MAX;
            }
            self.free_blocks += end - at;
            self.freed.insert(at..end);
            at = end;
        }
        Ok(())
    }

    /// The group's block bitmap, brought into memory and checked against its descriptor.
    fn load_blocks(&mut self, volume: &Volume, number: u32) -> Result<&mut Bitmap> {
        let structure = Structure::BlockBitmap(number);
        let space = self
            .groups
            .get_mut(number as usize)
            .ok_or_else(|| Error::corrupt(structure, "there is no such group"))?;
        if space.blocks.is_none() {
            let bitmap = load_block_bitmap(volume, number, &space.group)?;
            if bitmap.free_count() != space.group.free_blocks {
                let problem = format!(
                    "it has {} free blocks, its group's descriptor says {}",
                    bitmap.free_count(),
                    space.group.free_blocks
                );
                return Err(Error::corrupt(structure, problem));
            }
            space.blocks = Some(bitmap);
        }
        space
            .blocks
            .as_mut()
            .ok_or_else(|| Error::corrupt(structure, "it is missing"))
    }

    /// Makes the bitmap of a group that was never used part of the filesystem.
    pub(super) fn initialise_blocks(&mut self, volume: &Volume, number: u32) -> Result<()> {
        self.load_blocks(volume, number)?;
        if let Some(space) = self.groups.get_mut(number as usize)
            && space.group.flags.contains(GroupFlags::BLOCK_UNINIT)
        {
            space.group.flags.remove(GroupFlags::BLOCK_UNINIT);
            space.blocks_changed = true;
        }
        Ok(())
    }

    fn take(&mut self, volume: &Volume, run: Range<u64>) -> Result<Range<u64>> {
        let number = volume.group_of_block(run.start);
        self.initialise_blocks(volume, number)?;
        let start = volume.group_blocks(number).start;
        let bits = (run.start - start) as u32..(run.end - start) as u32;
        if let Some(space) = self.groups.get_mut(number as usize)
            && let Some(bitmap) = &mut space.blocks
        {
            space.group.free_blocks -= bits.end - bits.start;
            space.blocks_changed = true;
            bitmap.set(bits, true);
        }
        self.free_blocks -= run.end - run.start;
        self.freed.remove(run.clone());
        Ok(run)
    }

    fn free_run_at(&mut self, volume: &Volume, number: u32, goal: u64) -> Result<Option<Range<u64>>> {
        let blocks = volume.group_blocks(number);
        if !blocks.contains(&goal) {
            return Ok(None);
        }
        let bit = (goal - blocks.start) as u32;
        let bitmap = self.load_blocks(volume, number)?;
        if bitmap.is_used(bit) {
            return Ok(None);
        }
        let end = blocks.start + u64::from(bitmap.free_until(bit));
        Ok(Some(goal..end))
    }

    /// The first run of `want` blocks in the groups from `goal_group` on, or else the longest of all.
    fn search_groups(&mut self, volume: &Volume, goal_group: u32, want: u64) -> Result<Range<u64>> {
        let count = u64::from(volume.superblock.groups);
        let want = u32::try_from(want).unwrap_or(u32::MAX);
        let numbers = (0..count).map(|step| ((u64::from(goal_group) + step) % count) as u32);
        for number in numbers.clone() {
            if self.longest_run(number) >= want
                && let Some(run) = self.search_group(volume, number, want)?
            {
                return Ok(absolute(volume, number, run, want));
            }
        }
        // Every group is known by now to have less, and how much.
        let mut best = (0, goal_group);
        for number in numbers {
            if self.longest_run(number) > best.0 {
                best = (self.longest_run(number), number);
            }
        }
        let (length, number) = best;
        let run = self
            .search_group(volume, number, length.max(1))?
            .ok_or(Error::NoBlocks)?;
        Ok(absolute(volume, number, run, want))
    }

    /// How long a free run in the group may be, as far as is known.
    fn longest_run(&self, number: u32) -> u32 {
        self.groups
            .get(number as usize)
            .map_or(0, |space| space.longest_run.min(space.group.free_blocks))
    }

    /// The first run of `want` blocks in a group. If there is none, the length of its longest is remembered.
    fn search_group(&mut self, volume: &Volume, number: u32, want: u32) -> Result<Option<Range<u32>>> {
        let bitmap = self.load_blocks(volume, number)?;
        let mut longest = 0;
        for run in bitmap.free_runs(0) {
            if run.end - run.start >= want {
                return Ok(Some(run));
            }
            longest = longest.max(run.end - run.start);
        }
        if let Some(space) = self.groups.get_mut(number as usize) {
            space.longest_run = longest;
        }
        Ok(None)
    }
}

/// The first `want` blocks of a run within a group, by their numbers on the device.
fn absolute(volume: &Volume, number: u32, run: Range<u32>, want: u32) -> Range<u64> {
    let start = volume.group_blocks(number).start;
    let end = run.end.min(run.start.saturating_add(want));
    start + u64::from(run.start)..start + u64::from(end)
}
