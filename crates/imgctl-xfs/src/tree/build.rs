//! Building a tree anew: records spread evenly over given blocks, neighbours linked, keys drawn up.

use crate::error::{Error, Result, Structure};
use crate::format::btree::{
    BlockIdentity, TreeFormat, TreeHeader, TreeKind, encode_header, put_leaf, put_node, record_keys, seal,
};
use crate::volume::Volume;

/// How the blocks of a kind of tree are laid out on this volume.
pub(crate) fn format_of(volume: &Volume, kind: TreeKind) -> TreeFormat {
    TreeFormat {
        kind,
        v5: volume.is_v5(),
        block_bytes: volume.block_len(),
    }
}

/// How many blocks each level has, leaves first, for `records` records; the top level has at most `top` of them.
fn levels_for(format: TreeFormat, records: usize, top: usize) -> Vec<usize> {
    let mut levels = vec![records.div_ceil(format.leaf_records().max(1)).max(1)];
    while let Some(last) = levels.last().copied()
        && last > top.max(1)
    {
        levels.push(last.div_ceil(format.node_records().max(2)));
    }
    levels
}

/// How many blocks a tree of `records` records takes whose topmost level has at most `top` blocks.
pub(crate) fn blocks_for(format: TreeFormat, records: usize, top: usize) -> usize {
    levels_for(format, records, top).iter().sum()
}

/// A tree to be written.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    pub(crate) format: TreeFormat,
    pub(crate) owner: u64,
    /// The group whose blocks the pointers count; `None` where they count the filesystem's.
    pub(crate) group: Option<u32>,
    /// All records in order, one after the other.
    pub(crate) records: &'a [u8],
    /// As many blocks as [`blocks_for`] says, by filesystem number.
    pub(crate) blocks: &'a [u64],
    /// The most blocks the topmost level may have.
    pub(crate) top: usize,
    pub(crate) structure: Structure,
}

/// What points to a block: its lowest and highest key, and its number.
struct Child {
    low: Vec<u8>,
    high: Vec<u8>,
    pointer: u64,
}

/// The topmost level of a written tree.
#[derive(Debug)]
pub(crate) struct BuiltTree {
    /// What it is, counted from the leaves.
    pub(crate) level: u16,
    /// The lowest key and the pointer of each of its blocks.
    pub(crate) top: Vec<(Vec<u8>, u64)>,
}

/// Writes the tree's blocks.
pub(crate) fn build(volume: &Volume, tree: &Tree<'_>) -> Result<BuiltTree> {
    let kind = tree.format.kind;
    let record_bytes = kind.record_bytes();
    let levels = levels_for(tree.format, tree.records.len() / record_bytes, tree.top);
    if levels.iter().sum::<usize>() != tree.blocks.len() {
        return Err(Error::corrupt(tree.structure, "its blocks are not as many as it needs"));
    }
    let mut blocks = tree.blocks;
    let mut children: Vec<Child> = Vec::new();
    for (level, count) in levels.iter().enumerate() {
        let (here, rest) = blocks.split_at((*count).min(blocks.len()));
        blocks = rest;
        let pointers: Vec<u64> = here.iter().map(|block| pointer(volume, tree, *block)).collect();
        let held = if level == 0 {
            tree.records.len() / record_bytes
        } else {
            children.len()
        };
        let mut parents = Vec::with_capacity(*count);
        let mut taken = 0;
        for index in 0..*count {
            let until = held * (index + 1) / count;
            let header = TreeHeader {
                level: u16::try_from(level).unwrap_or(u16::MAX),
                records: u16::try_from(until - taken).unwrap_or(u16::MAX),
                left: index.checked_sub(1).and_then(|before| pointers.get(before)).copied(),
                right: pointers.get(index + 1).copied(),
            };
            let block = here.get(index).copied().unwrap_or(0);
            let identity = BlockIdentity {
                address: volume.address(block),
                owner: tree.owner,
                uuid: volume.superblock.meta_uuid,
            };
            let mut raw = encode_header(tree.format, header, identity);
            let (low, high) = if level == 0 {
                let part = tree
                    .records
                    .get(taken * record_bytes..until * record_bytes)
                    .unwrap_or_default();
                put_leaf(&mut raw, tree.format, part);
                leaf_keys(kind, part)
            } else {
                fill_node(&mut raw, tree.format, children.get(taken..until).unwrap_or_default())
            };
            seal(&mut raw, tree.format);
            volume.write_blocks(block, &raw, kind.name())?;
            let pointer = pointers.get(index).copied().unwrap_or(0);
            parents.push(Child { low, high, pointer });
            taken = until;
        }
        children = parents;
    }
    Ok(BuiltTree {
        level: u16::try_from(levels.len() - 1).unwrap_or(u16::MAX),
        top: children.into_iter().map(|child| (child.low, child.pointer)).collect(),
    })
}

/// The root and the number of levels, as a group's headers tell them.
pub(crate) fn short_root(built: &BuiltTree) -> (u32, u32) {
    let root = built.top.first().map_or(0, |(_, pointer)| *pointer);
    (u32::try_from(root).unwrap_or(u32::MAX), u32::from(built.level) + 1)
}

fn pointer(volume: &Volume, tree: &Tree<'_>, block: u64) -> u64 {
    match tree.group {
        Some(_) => volume.split(block).1.into(),
        None => block,
    }
}

fn leaf_keys(kind: TreeKind, records: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut records = records.chunks_exact(kind.record_bytes());
    let Some(first) = records.next() else {
        return (vec![0; kind.key_bytes()], Vec::new());
    };
    let (low, mut high) = record_keys(kind, first);
    if kind == TreeKind::Owners {
        for record in records {
            high = high.max(record_keys(kind, record).1);
        }
    }
    (low, high)
}

fn fill_node(raw: &mut [u8], format: TreeFormat, children: &[Child]) -> (Vec<u8>, Vec<u8>) {
    let mut keys = Vec::new();
    let mut highest = Vec::new();
    for child in children {
        keys.extend_from_slice(&child.low);
        keys.extend_from_slice(&child.high);
        if child.high > highest {
            highest.clone_from(&child.high);
        }
    }
    let pointers: Vec<u64> = children.iter().map(|child| child.pointer).collect();
    put_node(raw, format, &keys, &pointers);
    let low = children.first().map(|child| child.low.clone()).unwrap_or_default();
    (low, highest)
}
