//! Extent trees: read whole into an [`ExtentMap`], written whole from one.

use super::ExtentMap;
use crate::error::{Error, Result, Structure};
use crate::format::checksum::Checksum;
use crate::format::extent::{
    Child, Entries, Extent, ROOT_ENTRIES, TreeNode, checksum_matches, node_capacity, put_checksum,
};
use crate::format::inode::BLOCK_AREA;
use crate::volume::Volume;
use std::ops::Range;

/// What a tree holds: the extents, and the blocks that the tree itself takes.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) map: ExtentMap,
    pub(crate) blocks: Vec<u64>,
}

struct Reader<'a> {
    volume: &'a Volume,
    inode: u32,
    seed: Option<Checksum>,
    tree: Tree,
}

/// Reads the tree whose root is `root`. `seed` is what the inode's checksums start from, if there are any.
pub(crate) fn read_tree(volume: &Volume, inode: u32, root: &[u8; BLOCK_AREA], seed: Option<Checksum>) -> Result<Tree> {
    let mut reader = Reader {
        volume,
        inode,
        seed,
        tree: Tree::default(),
    };
    let node = reader.parse(root, 0)?;
    reader.read_node(node, 0, 0..1 << 32)?;
    Ok(reader.tree)
}

impl Reader<'_> {
    fn damage(&self, block: u64, problem: &str) -> Error {
        Error::corrupt(
            Structure::ExtentTree {
                inode: self.inode,
                block,
            },
            problem,
        )
    }

    fn parse(&self, raw: &[u8], block: u64) -> Result<TreeNode> {
        TreeNode::parse(raw).map_err(|problem| self.damage(block, problem))
    }

    /// Reads a node and everything below. All of it must lie within `window`, which is how a block that two parents
    /// name, or one that names itself, is found out.
    fn read_node(&mut self, node: TreeNode, block: u64, window: Range<u64>) -> Result<()> {
        match node.entries {
            Entries::Leaf(extents) => extents
                .into_iter()
                .try_for_each(|extent| self.take_extent(extent, block, &window)),
            Entries::Index(children) => {
                let ends = children.iter().skip(1).map(|child| u64::from(child.logical));
                let ends: Vec<u64> = ends.chain([window.end]).collect();
                for (child, end) in children.iter().zip(ends) {
                    let start = u64::from(child.logical);
                    if start < window.start || start >= end || end > window.end {
                        return Err(self.damage(block, "an index is out of order"));
                    }
                    self.read_child(*child, node.depth, start..end)?;
                }
                Ok(())
            }
        }
    }

    fn read_child(&mut self, child: Child, depth: u16, window: Range<u64>) -> Result<()> {
        let structure = Structure::ExtentTree {
            inode: self.inode,
            block: child.block,
        };
        self.volume.check_data_blocks(child.block, 1, structure)?;
        let raw = self.volume.read_block(child.block, "an extent block")?;
        let node = self.parse(&raw, child.block)?;
        if self.seed.is_some_and(|seed| !checksum_matches(&raw, seed)) {
            return Err(self.damage(child.block, "its checksum does not match"));
        }
        if node.depth.checked_add(1) != Some(depth) {
            return Err(self.damage(child.block, "its depth does not fit its parent's"));
        }
        let empty = match &node.entries {
            Entries::Leaf(extents) => extents.is_empty(),
            Entries::Index(children) => children.is_empty(),
        };
        if empty {
            return Err(self.damage(child.block, "it is empty"));
        }
        self.tree.blocks.push(child.block);
        self.read_node(node, child.block, window)
    }

    fn take_extent(&mut self, extent: Extent, block: u64, window: &Range<u64>) -> Result<()> {
        let start = u64::from(extent.logical);
        let end = start + u64::from(extent.length);
        if start < window.start || end > window.end || start < self.tree.map.end() {
            return Err(self.damage(block, "an extent is out of order"));
        }
        let structure = Structure::ExtentTree {
            inode: self.inode,
            block,
        };
        self.volume
            .check_data_blocks(extent.physical, extent.length.into(), structure)?;
        self.tree.map.insert(extent);
        Ok(())
    }
}

/// How many blocks the tree of `extents` extents takes besides its root in the inode.
pub(crate) fn tree_block_count(extents: usize, block_len: usize) -> usize {
    let mut level = extents;
    let mut total = 0;
    while level > ROOT_ENTRIES {
        level = level.div_ceil(node_capacity(block_len));
        total += level;
    }
    total
}

/// Writes the tree of `map` into `blocks` (as many as [`tree_block_count`] says) and returns its root.
pub(crate) fn write_tree(volume: &Volume, map: &ExtentMap, blocks: &[u64], seed: Option<Checksum>) -> Result<Vec<u8>> {
    let capacity = node_capacity(volume.block_len());
    let mut free = blocks.iter().copied();
    let extents: Vec<Extent> = map.iter().collect();
    if extents.len() <= ROOT_ENTRIES {
        return Ok(TreeNode {
            depth: 0,
            entries: Entries::Leaf(extents),
        }
        .encode(BLOCK_AREA));
    }
    let mut write = |node: &TreeNode, first: u32| {
        let mut raw = node.encode(volume.block_len());
        if let Some(seed) = seed {
            put_checksum(&mut raw, seed);
        }
        // The caller has reserved the blocks; running out would be a fault of this engine's own counting.
        let block = free.next().ok_or(Error::NoBlocks)?;
        volume.write_block(block, &raw, "an extent block")?;
        Ok::<_, Error>(Child { logical: first, block })
    };
    let mut level = Vec::new();
    for chunk in extents.chunks(capacity) {
        let node = TreeNode {
            depth: 0,
            entries: Entries::Leaf(chunk.to_vec()),
        };
        level.push(write(&node, chunk.first().map_or(0, |extent| extent.logical))?);
    }
    let mut depth = 1;
    while level.len() > ROOT_ENTRIES {
        let mut above = Vec::new();
        for chunk in level.chunks(capacity) {
            let node = TreeNode {
                depth,
                entries: Entries::Index(chunk.to_vec()),
            };
            above.push(write(&node, chunk.first().map_or(0, |child| child.logical))?);
        }
        level = above;
        depth += 1;
    }
    Ok(TreeNode {
        depth,
        entries: Entries::Index(level),
    }
    .encode(BLOCK_AREA))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_tree_blocks_follows_the_levels() {
        for (extents, blocks) in [(0, 0), (4, 0), (5, 1), (340, 1), (341, 2), (1360, 4), (1361, 6)] {
            assert_eq!(tree_block_count(extents, 4096), blocks, "{extents} extents");
        }
    }
}
