//! Nodes of an extent tree: the root in the inode's 60 bytes, all others a block each (kernel documentation,
//! "Extent Tree"). A block ends with the sum of everything before it.

use super::checksum::Checksum;
use super::fields::{bytes_at, high_half, join, low_half, low_quarter, put_u16, put_u32, u16_at, u32_at};

const MAGIC: u16 = 0xf30a;
const ENTRY: usize = 12;
/// The most blocks one extent covers.
pub(crate) const MAX_LENGTH: u32 = 32768;
/// The most blocks one unwritten extent covers.
pub(crate) const MAX_UNWRITTEN_LENGTH: u32 = MAX_LENGTH - 1;
/// The deepest tree.
pub(crate) const MAX_DEPTH: u16 = 5;
/// The entries of a root node.
pub(crate) const ROOT_ENTRIES: usize = 4;

/// A run of blocks of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Extent {
    /// The first block within the file.
    pub(crate) logical: u32,
    /// How many blocks.
    pub(crate) length: u32,
    /// The first block on the device.
    pub(crate) physical: u64,
    /// Whether the blocks are allocated but read as zeros.
    pub(crate) unwritten: bool,
}

/// A child of an index node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Child {
    /// The first block within the file that the child covers.
    pub(crate) logical: u32,
    /// The child's block on the device.
    pub(crate) block: u64,
}

/// What a node holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Entries {
    Leaf(Vec<Extent>),
    Index(Vec<Child>),
}

/// A node without its checksum.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TreeNode {
    /// How many levels lie below: 0 for a leaf.
    pub(crate) depth: u16,
    pub(crate) entries: Entries,
}

/// How many entries a node of `bytes` bytes has room for.
pub(crate) fn node_capacity(bytes: usize) -> usize {
    bytes.saturating_sub(ENTRY).checked_div(ENTRY).unwrap_or(0)
}

impl TreeNode {
    /// Reads a node. The message says what is wrong with it.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, &'static str> {
        if u16_at(raw, 0) != MAGIC {
            return Err("a node has no magic number");
        }
        let count = usize::from(u16_at(raw, 2));
        let capacity = usize::from(u16_at(raw, 4));
        let depth = u16_at(raw, 6);
        if capacity > node_capacity(raw.len()) || count > capacity {
            return Err("a node counts more entries than it has room for");
        }
        if depth > MAX_DEPTH {
            return Err("the tree is deeper than five levels");
        }
        let entries = raw.get(ENTRY..).unwrap_or_default().chunks_exact(ENTRY).take(count);
        let entries = if depth == 0 {
            Entries::Leaf(entries.map(parse_extent).collect::<Result<_, _>>()?)
        } else {
            Entries::Index(entries.map(parse_child).collect())
        };
        Ok(Self { depth, entries })
    }

    /// The node in `bytes` bytes, the checksum still zero.
    pub(crate) fn encode(&self, bytes: usize) -> Vec<u8> {
        let mut raw = vec![0; bytes];
        let count = match &self.entries {
            Entries::Leaf(extents) => extents.len(),
            Entries::Index(children) => children.len(),
        };
        put_u16(&mut raw, 0, MAGIC);
        put_u16(&mut raw, 2, u16::try_from(count).unwrap_or(u16::MAX));
        put_u16(&mut raw, 4, u16::try_from(node_capacity(bytes)).unwrap_or(u16::MAX));
        put_u16(&mut raw, 6, self.depth);
        let places = raw.get_mut(ENTRY..).unwrap_or_default().chunks_exact_mut(ENTRY);
        match &self.entries {
            Entries::Leaf(extents) => {
                for (place, extent) in places.zip(extents) {
                    let extra = if extent.unwritten { MAX_LENGTH } else { 0 };
                    put_u32(place, 0, extent.logical);
                    put_u16(place, 4, low_quarter(extent.length.saturating_add(extra)));
                    put_u16(place, 6, low_quarter(high_half(extent.physical)));
                    put_u32(place, 8, low_half(extent.physical));
                }
            }
            Entries::Index(children) => {
                for (place, child) in places.zip(children) {
                    put_u32(place, 0, child.logical);
                    put_u32(place, 4, low_half(child.block));
                    put_u16(place, 8, low_quarter(high_half(child.block)));
                }
            }
        }
        raw
    }
}

fn parse_extent(raw: &[u8]) -> Result<Extent, &'static str> {
    let stored = u32::from(u16_at(raw, 4));
    let unwritten = stored > MAX_LENGTH;
    let length = if unwritten {
        stored.saturating_sub(MAX_LENGTH)
    } else {
        stored
    };
    if length == 0 {
        return Err("an extent has no blocks");
    }
    Ok(Extent {
        logical: u32_at(raw, 0),
        length,
        physical: join(u32_at(raw, 8), u32::from(u16_at(raw, 6))),
        unwritten,
    })
}

fn parse_child(raw: &[u8]) -> Child {
    Child {
        logical: u32_at(raw, 0),
        block: join(u32_at(raw, 4), u32::from(u16_at(raw, 8))),
    }
}

/// Where the checksum of a node's block lies.
fn checksum_offset(raw: &[u8]) -> usize {
    usize::from(u16_at(raw, 4)).saturating_mul(ENTRY).saturating_add(ENTRY)
}

/// Whether a node's block carries its right checksum.
pub(crate) fn checksum_matches(raw: &[u8], seed: Checksum) -> bool {
    let offset = checksum_offset(raw);
    match raw.get(..offset) {
        Some(bytes) if raw.len() >= offset.saturating_add(4) => {
            seed.update(bytes).value() == u32::from_le_bytes(bytes_at(raw, offset))
        }
        _ => false,
    }
}

/// Fills in the checksum of a node's block.
pub(crate) fn put_checksum(raw: &mut [u8], seed: Checksum) {
    let offset = checksum_offset(raw);
    let sum = seed.update(raw.get(..offset).unwrap_or_default()).value();
    put_u32(raw, offset, sum);
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn nodes_survive_a_round_trip() {
        let extents = (0..4)
            .map(|index| Extent {
                logical: index * 40000,
                length: MAX_UNWRITTEN_LENGTH + u32::from(index % 2 == 0),
                physical: 0x1234_5678_9abc + u64::from(index),
                unwritten: index % 2 == 1,
            })
            .collect();
        let children = vec![Child {
            logical: 7,
            block: 0xffff_ffff_ffff,
        }];
        for node in [
            TreeNode {
                depth: 0,
                entries: Entries::Leaf(extents),
            },
            TreeNode {
                depth: 3,
                entries: Entries::Index(children),
            },
        ] {
            assert_eq!(TreeNode::parse(&node.encode(60)), Ok(node.clone()));
            let mut block = node.encode(1024);
            let seed = Checksum::with_seed(9);
            put_checksum(&mut block, seed);
            assert!(checksum_matches(&block, seed));
            block[13] ^= 1;
            assert!(!checksum_matches(&block, seed));
        }
        assert_eq!(node_capacity(60), ROOT_ENTRIES);
    }

    #[test]
    fn impossible_nodes_are_refused() {
        let mut raw = TreeNode {
            depth: 0,
            entries: Entries::Leaf(Vec::new()),
        }
        .encode(60);
        raw[2] = 5;
        assert!(TreeNode::parse(&raw).is_err());
        raw[2] = 1;
        assert_eq!(TreeNode::parse(&raw), Err("an extent has no blocks"));
        raw[6] = 6;
        assert!(TreeNode::parse(&raw).is_err());
        assert!(TreeNode::parse(&[]).is_err());
    }
}
