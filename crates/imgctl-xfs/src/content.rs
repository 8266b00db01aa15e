//! Writing, cutting and growing the content of files.

use crate::error::{Error, Result};
use crate::extents::Piece;
use crate::format::extent::{Extent, OFFSET_END};
use crate::format::inode::flags;
use crate::layout::{Layouter, Which};
use imgctl_vfs::ErrorKind;

/// The largest file of the kernel, in bytes.
const MOST_BYTES: u64 = i64::MAX as u64;
/// How much of a shared block run is copied at once.
const COPY_BLOCKS: u64 = 256;

impl Layouter<'_> {
    /// Writes `data` at `offset`. If the space runs out, the file ends where the writing stopped.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        let end = self.check_end(offset, data.len() as u64)?;
        if end > self.node.inode.size() {
            self.clear_tail()?;
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
        if size < self.node.inode.size() {
            self.unmap(Which::Data, size.div_ceil(self.volume.block_bytes())..u64::MAX)?;
            self.node.inode.set_size(size);
            self.node.tail_is_zero = false;
            self.clear_tail()?;
        } else {
            self.clear_tail()?;
            self.node.inode.set_size(size);
        }
        self.fit_extents()
    }

    fn check_end(&self, offset: u64, length: u64) -> Result<u64> {
        let most = (OFFSET_END - 1)
            .saturating_mul(self.volume.block_bytes())
            .min(MOST_BYTES);
        let end = offset.checked_add(length).filter(|end| *end <= most);
        end.ok_or_else(|| Error::request(ErrorKind::LimitReached, "the file would be larger than XFS allows"))
    }

    /// Clears what lies behind the content's end: the rest of its last block, and blocks that were taken in advance.
    fn clear_tail(&mut self) -> Result<()> {
        if self.node.tail_is_zero {
            return Ok(());
        }
        let block_bytes = self.volume.block_bytes();
        let size = self.node.inode.size();
        self.unmap(Which::Data, size.div_ceil(block_bytes)..u64::MAX)?;
        let within = size % block_bytes;
        if within > 0
            && let Piece::Blocks { unwritten: false, .. } = self.node.data.map.at(size / block_bytes)
        {
            let zeros = vec![0; (block_bytes - within) as usize];
            self.write_piece(size, &zeros)?;
        }
        self.node.tail_is_zero = true;
        Ok(())
    }

    /// Writes the beginning of `data` as far as one run of blocks takes it.
    fn write_piece(&mut self, at: u64, data: &[u8]) -> Result<usize> {
        let block_bytes = self.volume.block_bytes();
        let (logical, within) = (at / block_bytes, at % block_bytes);
        let wanted = (within + data.len() as u64).div_ceil(block_bytes);
        let (physical, count, fresh) = match self.node.data.map.at(logical) {
            Piece::Blocks {
                physical,
                length,
                unwritten: true,
            } => (physical, length.min(wanted), true),
            Piece::Blocks { physical, length, .. } => {
                let (physical, length) = self.own_blocks(logical, physical, length.min(wanted))?;
                (physical, length, false)
            }
            Piece::Hole { length } => {
                let (physical, length) = self.fill_hole(logical, length.min(wanted))?;
                (physical, length, true)
            }
        };
        let room = usize::try_from(count * block_bytes - within).unwrap_or(usize::MAX);
        let part = data.get(..room).unwrap_or(data);
        let end = within + part.len() as u64;
        let start = self.volume.offset(physical);
        if fresh {
            self.write_zeros(start, start + within)?;
            self.write_zeros(start + end, start + end.next_multiple_of(block_bytes))?;
        }
        let failed = format!("write inode {}", self.node.number);
        let written = self.volume.device.write_at(start + within, part);
        written.map_err(Error::device(&failed))?;
        if matches!(self.node.data.map.at(logical), Piece::Blocks { unwritten: true, .. }) {
            self.mark_written(logical..logical + count)?;
            self.fit_extents()?;
        }
        Ok(part.len())
    }

    fn write_zeros(&self, from: u64, until: u64) -> Result<()> {
        if from >= until {
            return Ok(());
        }
        let zeros = vec![0; (until - from) as usize];
        let written = self.volume.device.write_at(from, &zeros);
        written.map_err(Error::device("clear a file's last block"))
    }

    /// Blocks for a hole.
    fn fill_hole(&mut self, logical: u64, wanted: u64) -> Result<(u64, u64)> {
        let (physical, length) = self.map_new(Which::Data, logical, wanted)?;
        if let Err(error) = self.fit_extents() {
            self.unmap(Which::Data, logical..logical + length)?;
            self.fit_extents()?;
            return Err(error);
        }
        Ok((physical, length))
    }

    /// Makes sure that blocks about to be overwritten are no other file's: shared ones are copied first.
    fn own_blocks(&mut self, logical: u64, physical: u64, length: u64) -> Result<(u64, u64)> {
        if self.node.inode.flags2() & flags::REFLINK == 0 {
            return Ok((physical, length));
        }
        let (sharers, alike) = self.space.sharers(self.volume, physical)?;
        let length = length.min(alike);
        if sharers <= 1 {
            return Ok((physical, length));
        }
        let length = length.min(COPY_BLOCKS);
        let owner = crate::alloc::Owner {
            number: self.node.number,
            offset: logical,
            unwritten: false,
        };
        let goal = self.node.data.map.block_after(logical).unwrap_or(physical);
        let (copy, length) = self.space.allocate(self.volume, goal, length, owner)?;
        let raw = self.volume.read_blocks(physical, length, "blocks that files share")?;
        self.volume.write_blocks(copy, &raw, "a copy of shared blocks")?;
        self.unmap(Which::Data, logical..logical + length)?;
        let extent = Extent {
            logical,
            physical: copy,
            length,
            unwritten: false,
        };
        self.node.data.map.insert(self.volume, extent);
        self.fit_extents()?;
        Ok((copy, length))
    }
}
