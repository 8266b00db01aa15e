//! Block maps of ext2 and ext3: twelve direct blocks, then blocks of block numbers, up to three levels deep.

use super::ExtentMap;
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
