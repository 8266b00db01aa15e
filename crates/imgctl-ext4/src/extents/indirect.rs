//! Block maps of ext2 and ext3: twelve direct blocks, then blocks of block numbers, up to three levels deep.

use super::{ExtentMap, Piece};
use crate::error::{Error, Result, Structure};
use crate::format::extent::Extent;
use crate::format::fields::u32_at;
use crate::format::inode::BLOCK_AREA;
use crate::volume::Volume;
use std::collections::BTreeSet;

const DIRECT: usize = 12;

struct Reader<'a> {
    volume: &'a Volume,
    inode: u32,
    map: ExtentMap,
    /// The blocks that hold block numbers; none may be named twice.
    blocks: BTreeSet<u64>,
}

/// Reads a block map into extents; also returns the blocks that the map itself takes.
pub(crate) fn read_block_map(volume: &Volume, inode: u32, area: &[u8; BLOCK_AREA]) -> Result<(ExtentMap, Vec<u64>)> {
    let mut reader = Reader {
        volume,
        inode,
        map: ExtentMap::default(),
        blocks: BTreeSet::new(),
    };
    let mut logical = 0;
    for (index, level) in (0..DIRECT)
        .map(|index| (index, 0))
        .chain([(DIRECT, 1), (DIRECT + 1, 2), (DIRECT + 2, 3)])
    {
        logical = reader.read_entry(u32_at(area, index * 4).into(), level, logical)?;
    }
    Ok((reader.map, reader.blocks.into_iter().collect()))
}

impl Reader<'_> {
    /// Reads what one block number leads to, which begins at the file's block `logical`; returns where it ends.
    fn read_entry(&mut self, block: u64, level: u32, logical: u64) -> Result<u64> {
        let per_block = self.volume.block_bytes() / 4;
        let covered = per_block.saturating_pow(level);
        let end = logical.saturating_add(covered);
        if block == 0 {
            return Ok(end);
        }
        let structure = Structure::Inode(self.inode);
        self.volume.check_data_blocks(block, 1, structure)?;
        if level == 0 {
            let logical = u32::try_from(logical).map_err(|_| Error::corrupt(structure, "its block map is too long"))?;
            self.map.insert(Extent {
                logical,
                length: 1,
                physical: block,
                unwritten: false,
            });
            return Ok(end);
        }
        if !self.blocks.insert(block) {
            return Err(Error::corrupt(
                structure,
                format!("block {block} is named twice in its block map"),
            ));
        }
        let raw = self.volume.read_block(block, "a block map")?;
        let mut at = logical;
        for entry in raw.chunks_exact(4) {
            at = self.read_entry(u32_at(entry, 0).into(), level - 1, at)?;
        }
        Ok(end)
    }
}

/// The regions of a block map: where each begins, and how many levels of blocks it has.
fn regions(per_block: u64) -> [(u64, u32); 3] {
    let first = DIRECT as u64;
    let second = first + per_block;
    [(first, 1), (second, 2), (second + per_block.pow(2), 3)]
}

/// The most blocks a file with a block map can have.
pub(crate) fn block_map_limit(block_bytes: u64) -> u64 {
    let per_block = block_bytes / 4;
    DIRECT as u64 + per_block + per_block.pow(2) + per_block.pow(3)
}

/// How many blocks the block map of `map` takes besides the inode.
pub(crate) fn block_map_block_count(map: &ExtentMap, block_bytes: u64) -> usize {
    let per_block = block_bytes / 4;
    let mut total = 0;
    for (base, levels) in regions(per_block) {
        let end = base + per_block.pow(levels);
        for level in 1..=levels {
            // Each block of this level stands for a window of the file; extents come in order.
            let window = per_block.pow(level);
            let mut next = 0;
            for extent in map.iter() {
                let start = u64::from(extent.logical).max(base);
                let stop = (u64::from(extent.logical) + u64::from(extent.length)).min(end);
                if start < stop {
                    let first = ((start - base) / window).max(next);
                    let behind = (stop - 1 - base) / window + 1;
                    total += behind.saturating_sub(first) as usize;
                    next = next.max(behind);
                }
            }
        }
    }
    total
}

/// Writes the block map of `map` into `blocks` (as many as [`block_map_block_count`] says); returns the inode's part.
pub(crate) fn write_block_map(volume: &Volume, map: &ExtentMap, blocks: &[u64]) -> Result<Vec<u8>> {
    let mut writer = Writer {
        volume,
        map,
        free: blocks.iter().copied(),
    };
    let mut area = Vec::with_capacity(BLOCK_AREA);
    for logical in 0..DIRECT as u64 {
        area.extend(writer.entry(0, logical)?.to_le_bytes());
    }
    for (base, levels) in regions(volume.block_bytes() / 4) {
        area.extend(writer.entry(levels, base)?.to_le_bytes());
    }
    Ok(area)
}

struct Writer<'a, F> {
    volume: &'a Volume,
    map: &'a ExtentMap,
    free: F,
}

impl<F: Iterator<Item = u64>> Writer<'_, F> {
    /// Writes everything below one block number and returns that number, 0 for a hole.
    fn entry(&mut self, level: u32, logical: u64) -> Result<u32> {
        let per_block = self.volume.block_bytes() / 4;
        let number = match (self.map.at(logical), level) {
            (Piece::Hole { length }, _) if length >= per_block.pow(level) => return Ok(0),
            (Piece::Blocks { physical, .. }, 0) => physical,
            _ => {
                // The caller has reserved the blocks; running out would be a fault of this engine's own counting.
                let block = self.free.next().ok_or(Error::NoBlocks)?;
                let covered = per_block.pow(level.saturating_sub(1));
                let mut raw = Vec::with_capacity(self.volume.block_len());
                for index in 0..per_block {
                    raw.extend(self.entry(level - 1, logical + index * covered)?.to_le_bytes());
                }
                self.volume.write_block(block, &raw, "a block map")?;
                block
            }
        };
        u32::try_from(number).map_err(|_| Error::NoBlocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(extents: &[(u32, u32)]) -> usize {
        let mut map = ExtentMap::default();
        for (logical, length) in extents {
            let physical = 100 + u64::from(*logical) * 2;
            map.insert(Extent {
                logical: *logical,
                length: *length,
                physical,
                unwritten: false,
            });
        }
        block_map_block_count(&map, 1024)
    }

    #[test]
    fn blocks_of_a_block_map_are_counted_once() {
        assert_eq!(count(&[(0, 12)]), 0);
        assert_eq!(count(&[(0, 13)]), 1);
        assert_eq!(count(&[(12, 1), (20, 1), (267, 1)]), 1);
        assert_eq!(count(&[(267, 2)]), 1 + 2);
        assert_eq!(count(&[(268, 1), (270, 1), (268 + 256, 1)]), 1 + 2);
        assert_eq!(count(&[(268 + 65536, 1)]), 3);
        assert_eq!(count(&[(268 + 65536 - 1, 2)]), 2 + 3);
    }
}
