//! Reading all records of a tree, level by level, each block checked against its neighbours.

use super::build::format_of;
use crate::error::{Error, Result, Structure};
use crate::format::btree::{
    BlockIdentity, TreeFormat, TreeHeader, TreeKind, leaf_records, node_keys, node_pointers, parse_header, record_keys,
};
use crate::volume::Volume;
use std::collections::BTreeSet;

/// More levels than any tree has.
const MOST_LEVELS: u16 = 12;

/// Where a tree begins and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct TreeRoot {
    pub(crate) kind: TreeKind,
    /// The group or the inode.
    pub(crate) owner: u64,
    /// The group whose blocks the pointers count; `None` where they count the filesystem's.
    pub(crate) group: Option<u32>,
    /// The blocks of the topmost level on the device.
    pub(crate) top: Vec<u64>,
    /// What that level is, counted from the leaves.
    pub(crate) level: u16,
    /// For messages.
    pub(crate) structure: Structure,
}

/// What a tree holds.
#[derive(Debug, Default)]
pub(crate) struct ReadTree {
    /// All records, one after the other.
    pub(crate) records: Vec<u8>,
    /// All blocks, by filesystem number.
    pub(crate) blocks: Vec<u64>,
}

/// Reads a tree. `strict` also compares the keys in nodes with what lies below them.
pub(crate) fn read_tree(volume: &Volume, root: &TreeRoot, strict: bool) -> Result<ReadTree> {
    let mut walk = Walk {
        volume,
        root,
        format: format_of(volume, root.kind),
        seen: BTreeSet::new(),
        found: ReadTree::default(),
    };
    if root.level > MOST_LEVELS {
        return Err(walk.damage("it has too many levels"));
    }
    let mut level = root.level;
    let mut blocks = root.top.clone();
    let mut keys: Option<Vec<Vec<u8>>> = None;
    loop {
        let next = walk.read_level(&blocks, level, keys.as_deref().filter(|_| strict))?;
        if level == 0 {
            return Ok(walk.found);
        }
        level -= 1;
        (blocks, keys) = (next.children, Some(next.keys));
    }
}

struct Walk<'a> {
    volume: &'a Volume,
    root: &'a TreeRoot,
    format: TreeFormat,
    seen: BTreeSet<u64>,
    found: ReadTree,
}

#[derive(Default)]
struct Level {
    children: Vec<u64>,
    keys: Vec<Vec<u8>>,
}

impl Walk<'_> {
    fn damage(&self, problem: &str) -> Error {
        Error::corrupt(self.root.structure, problem)
    }

    /// A pointer of this tree as a filesystem block.
    fn block(&self, pointer: u64) -> Result<u64> {
        let block = match self.root.group {
            Some(group) => {
                let within = u32::try_from(pointer).unwrap_or(u32::MAX);
                if within >= self.volume.group_blocks(group) {
                    return Err(self.damage("it points outside its group"));
                }
                self.volume.block(group, within)
            }
            None => pointer,
        };
        self.volume.check_blocks(block, 1, self.root.structure)?;
        Ok(block)
    }

    fn read_level(&mut self, pointers: &[u64], level: u16, keys: Option<&[Vec<u8>]>) -> Result<Level> {
        let mut next = Level::default();
        for (index, pointer) in pointers.iter().enumerate() {
            let block = self.block(*pointer)?;
            if !self.seen.insert(block) {
                return Err(self.damage("it has a block twice"));
            }
            let raw = self.volume.read_blocks(block, 1, self.root.kind.name())?;
            let identity = BlockIdentity {
                address: self.volume.address(block),
                owner: self.root.owner,
                uuid: self.volume.superblock.meta_uuid,
            };
            let header = parse_header(&raw, self.format, identity).map_err(|problem| self.damage(problem))?;
            let left = index.checked_sub(1).and_then(|before| pointers.get(before)).copied();
            let right = pointers.get(index + 1).copied();
            if header.level != level {
                return Err(self.damage("a block has the wrong level"));
            }
            if header.left != left || header.right != right {
                return Err(self.damage("a block does not know its neighbours"));
            }
            if header.records == 0 && (level > 0 || pointers.len() > 1) {
                return Err(self.damage("a block has no records"));
            }
            if let Some(key) = keys.and_then(|keys| keys.get(index)) {
                self.check_key(key, &raw, header)?;
            }
            self.found.blocks.push(block);
            if level == 0 {
                self.found.records.extend(leaf_records(&raw, self.format, header));
            } else {
                next.children.extend(node_pointers(&raw, self.format, header));
                let held = node_keys(&raw, self.format, header);
                let held = held.chunks_exact(self.format.kind.key_bytes());
                next.keys.extend(held.map(<[u8]>::to_vec));
            }
        }
        Ok(next)
    }

    /// Compares the key of a block in its parent with the block.
    fn check_key(&self, key: &[u8], raw: &[u8], header: TreeHeader) -> Result<()> {
        let kind = self.format.kind;
        let (mut lowest, mut highest): (Option<Vec<u8>>, Vec<u8>) = (None, Vec::new());
        if header.level == 0 {
            let records = leaf_records(raw, self.format, header);
            for record in records.chunks_exact(kind.record_bytes()) {
                let (low, high) = record_keys(kind, record);
                lowest.get_or_insert(low);
                highest = highest.max(high);
            }
        } else {
            for held in node_keys(raw, self.format, header).chunks_exact(kind.key_bytes()) {
                let (low, high) = split_key(kind, held);
                lowest.get_or_insert(low.to_vec());
                highest = highest.max(high.to_vec());
            }
        }
        let (low, high) = split_key(kind, key);
        if lowest.as_deref() != Some(low) || highest != high {
            return Err(self.damage("a node's key is not that of the block below it"));
        }
        Ok(())
    }
}

/// The lowest and the highest key that a node holds for a child.
fn split_key(kind: TreeKind, key: &[u8]) -> (&[u8], &[u8]) {
    match kind {
        TreeKind::Owners => key.split_at(key.len() / 2),
        _ => (key, &[]),
    }
}
