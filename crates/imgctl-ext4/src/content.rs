//! Changing a node's content: its blocks, its extents and the tree over them.

use crate::alloc::Space;
use crate::error::{Error, Result, Structure};
use crate::extents::{Piece, block_map_block_count, block_map_limit, tree_block_count};
use crate::format::extent::Extent;
use crate::format::inode::InodeFlags;
use crate::node::{Node, Storage};
use crate::volume::Volume;
use imgctl_vfs::ErrorKind;
use std::ops::Range;

/// Blocks that one file can have: the last number is the kernel's mark for "none".
const MOST_BLOCKS: u64 = u32::MAX as u64;

/// A node with what its content is stored in.
#[derive(Debug)]
pub(crate) struct Content<'a> {
    pub(crate) volume: &'a Volume,
    pub(crate) space: &'a mut Space,
    pub(crate) node: &'a mut Node,
}

impl Content<'_> {
    /// Writes `data` at `offset`. If the space runs out, the file ends where the writing stopped.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        let end = self.check_end(offset, data.len() as u64)?;
        self.use_extents()?;
        if end > self.node.inode.size() {
            self.zero_tail()?;
        }
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let count = self.write_piece(at, rest)?;
            at += count as u64;
            rest = rest.get(count..).unwrap_or_default();
            if at > self.node.inode.size() {
                self.node.inode.set_size(at);
            }
        }
        Ok(())
    }

    /// Cuts or grows the content.
    pub(crate) fn set_len(&mut self, size: u64) -> Result<()> {
        self.check_end(size, 0)?;
        self.use_extents()?;
        let before = self.node.inode.size();
        if size < before {
            let first = size.div_ceil(self.volume.block_bytes());
            self.release_from(first)?;
            self.node.inode.set_size(size);
            self.node.tail_is_zero = false;
            self.zero_tail()
        } else {
            self.zero_tail()?;
            self.node.inode.set_size(size);
            Ok(())
        }
    }

    /// Gives all blocks back, those of the tree too.
    pub(crate) fn release(&mut self) -> Result<()> {
        for run in self.node.map.remove(0..u64::MAX) {
            self.space.free_block_run(self.volume, run)?;
        }
        for block in std::mem::take(&mut self.node.tree_blocks) {
            self.space.free_block_run(self.volume, block..block + 1)?;
        }
        Ok(())
    }

    /// Gives a directory blocks up to `count`; what they hold is written later.
    pub(crate) fn extend_to(&mut self, count: u64) -> Result<()> {
        self.use_extents()?;
        while self.node.map.end() < count {
            let at = self.node.map.end();
            self.allocate(at, count - at)?;
        }
        self.node.inode.set_size(count * self.volume.block_bytes());
        Ok(())
    }

    /// Takes the blocks behind the first `count` away again.
    pub(crate) fn release_from(&mut self, count: u64) -> Result<()> {
        let removed = self.node.map.remove(count..u64::MAX);
        if removed.is_empty() {
            return Ok(());
        }
        for run in removed {
            self.space.free_block_run(self.volume, run)?;
        }
        self.fit_tree()
    }

    fn check_end(&self, offset: u64, length: u64) -> Result<u64> {
        let block_bytes = self.volume.block_bytes();
        let most = match self.volume.superblock.features.extents() {
            true => MOST_BLOCKS * block_bytes,
            false => MOST_BLOCKS.min(block_map_limit(block_bytes)) * block_bytes,
        };
        let end = offset.checked_add(length).filter(|end| *end <= most);
        end.ok_or_else(|| Error::request(ErrorKind::LimitReached, "the file would be larger than ext4 allows"))
    }

    /// Writes the beginning of `data` as far as one run of blocks takes it.
    fn write_piece(&mut self, at: u64, data: &[u8]) -> Result<usize> {
        let block_bytes = self.volume.block_bytes();
        let (logical, within) = (at / block_bytes, at % block_bytes);
        let wanted = (within + data.len() as u64).div_ceil(block_bytes);
        let (physical, count, fresh) = match self.node.map.at(logical) {
            Piece::Blocks {
                physical,
                length,
                unwritten,
            } => (physical, length.min(wanted), unwritten),
            Piece::Hole { length } => {
                let run = self.allocate(logical, length.min(wanted))?;
                (run.start, run.end - run.start, true)
            }
        };
        let room = usize::try_from(count * block_bytes - within).unwrap_or(usize::MAX);
        let part = data.get(..room).unwrap_or(data);
        let end = within + part.len() as u64;
        let start = physical * block_bytes;
        let failed = format!("write inode {}", self.node.number);
        if fresh {
            self.write_zeros(start..start + within)?;
            self.write_zeros(start + end..start + end.next_multiple_of(block_bytes))?;
        }
        self.volume
            .device
            .write_at(start + within, part)
            .map_err(Error::device(&failed))?;
        if fresh {
            self.mark_written(logical..logical + count)?;
        }
        Ok(part.len())
    }

    /// Zeros within a block.
    fn write_zeros(&self, range: Range<u64>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let zeros = vec![0; (range.end - range.start) as usize];
        self.volume
            .device
            .write_at(range.start, &zeros)
            .map_err(Error::device("clear a file's last block"))
    }

    /// Clears what lies behind the content's end in its last block.
    fn zero_tail(&mut self) -> Result<()> {
        let block_bytes = self.volume.block_bytes();
        let size = self.node.inode.size();
        if !self.node.tail_is_zero && !size.is_multiple_of(block_bytes) {
            let piece = self.node.map.at(size / block_bytes);
            if let Piece::Blocks {
                physical,
                unwritten: false,
                ..
            } = piece
            {
                let start = physical * block_bytes;
                self.write_zeros(start + size % block_bytes..start + block_bytes)?;
            }
        }
        self.node.tail_is_zero = true;
        Ok(())
    }

    fn mark_written(&mut self, range: Range<u64>) -> Result<()> {
        let unwritten = matches!(self.node.map.at(range.start), Piece::Blocks { unwritten: true, .. });
        if !unwritten {
            return Ok(());
        }
        // Splitting an extent makes up to two more of it; the tree must have room for them beforehand.
        self.reserve_tree(self.tree_blocks_for(2))?;
        self.node.map.mark_written(range);
        self.fit_tree()
    }

    /// Takes up to `want` blocks for the hole at `logical`.
    fn allocate(&mut self, logical: u64, want: u64) -> Result<Range<u64>> {
        let volume = self.volume;
        let goal = self.node.map.block_after(logical).unwrap_or_else(|| self.home());
        let run = self.space.allocate_blocks(volume, goal, want)?;
        let length = run.end - run.start;
        let structure = Structure::Inode(self.node.number);
        let (Ok(first), Ok(count)) = (u32::try_from(logical), u32::try_from(length)) else {
            return Err(Error::corrupt(structure, "its blocks go beyond what ext4 can count"));
        };
        self.node.map.insert(Extent {
            logical: first,
            length: count,
            physical: run.start,
            unwritten: false,
        });
        let fitted = self.fit_tree();
        if fitted.is_err() {
            self.node.map.remove(logical..logical + length);
            self.space.free_block_run(volume, run.clone())?;
            self.fit_tree()?;
        }
        fitted.map(|()| run)
    }

    /// Where the node's group begins.
    fn home(&self) -> u64 {
        self.volume
            .group_blocks(self.volume.group_of_inode(self.node.number))
            .start
    }

    /// Gives the tree as many blocks as it needs.
    fn fit_tree(&mut self) -> Result<()> {
        self.node.map_changed = true;
        let needed = self.tree_blocks_for(0);
        self.reserve_tree(needed)?;
        while self.node.tree_blocks.len() > needed
            && let Some(block) = self.node.tree_blocks.pop()
        {
            self.space.free_block_run(self.volume, block..block + 1)?;
        }
        self.node.update_stored_blocks(self.volume)
    }

    /// How many blocks the tree would need with `more` extents.
    fn tree_blocks_for(&self, more: usize) -> usize {
        match self.node.storage {
            Storage::BlockMap => block_map_block_count(&self.node.map, self.volume.block_bytes()),
            _ => tree_block_count(self.node.map.len() + more, self.volume.block_len()),
        }
    }

    fn reserve_tree(&mut self, needed: usize) -> Result<()> {
        while self.node.tree_blocks.len() < needed {
            let want = (needed - self.node.tree_blocks.len()) as u64;
            let goal = self.home();
            let run = self.space.allocate_blocks(self.volume, goal, want)?;
            self.node.tree_blocks.extend(run);
        }
        Ok(())
    }

    /// Turns a block map into extents where the filesystem has them, so that it can be changed.
    fn use_extents(&mut self) -> Result<()> {
        match self.node.storage {
            Storage::Extents => return Ok(()),
            Storage::InInode => {
                let structure = Structure::Inode(self.node.number);
                return Err(Error::corrupt(structure, "it has no blocks to change"));
            }
            Storage::BlockMap if !self.volume.superblock.features.extents() => return Ok(()),
            Storage::BlockMap => {}
        }
        let old = std::mem::take(&mut self.node.tree_blocks);
        let needed = tree_block_count(self.node.map.len(), self.volume.block_len());
        if let Err(error) = self.reserve_tree(needed) {
            let taken = std::mem::replace(&mut self.node.tree_blocks, old);
            for block in taken {
                self.space.free_block_run(self.volume, block..block + 1)?;
            }
            return Err(error);
        }
        for block in old {
            self.space.free_block_run(self.volume, block..block + 1)?;
        }
        self.node.storage = Storage::Extents;
        let flags = self.node.inode.flags() | InodeFlags::EXTENTS;
        self.node.inode.set_flags(flags);
        self.fit_tree()
    }
}
