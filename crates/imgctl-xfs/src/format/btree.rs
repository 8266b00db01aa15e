//! A block of a B+tree: the group's trees with 32-bit pointers, the extent trees with 64-bit ones.
//!
//! Source: `struct xfs_btree_block` in the XFS Algorithms & Data Structures document.

use super::fields::{bytes_at, put, put_u16, put_u32, put_u64, u16_at, u32_at, u64_at};
use super::record::{FreeRecord, InodeRecord, RefcountRecord, RmapRecord};
use crate::checksum;

/// Which tree a block belongs to.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum TreeKind {
    /// Free space by block.
    FreeByBlock,
    /// Free space by length.
    FreeByLength,
    /// Owners of blocks.
    Owners,
    /// Inode chunks.
    Inodes,
    /// Inode chunks with free inodes.
    FreeInodes,
    /// Shared blocks.
    Refcounts,
    /// A file's extents.
    Extents,
}

impl TreeKind {
    /// The tree's name, as people who know XFS call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FreeByBlock => "tree of free space by block (bnobt)",
            Self::FreeByLength => "tree of free space by length (cntbt)",
            Self::Owners => "tree of block owners (rmapbt)",
            Self::Inodes => "tree of inodes (inobt)",
            Self::FreeInodes => "tree of free inodes (finobt)",
            Self::Refcounts => "tree of shared blocks (refcountbt)",
            Self::Extents => "extent tree (bmbt)",
        }
    }

    fn magic(self, v5: bool) -> u32 {
        let (new, old) = match self {
            Self::FreeByBlock => (b"AB3B", b"ABTB"),
            Self::FreeByLength => (b"AB3C", b"ABTC"),
            Self::Owners => (b"RMB3", b"RMB3"),
            Self::Inodes => (b"IAB3", b"IABT"),
            Self::FreeInodes => (b"FIB3", b"FIBT"),
            Self::Refcounts => (b"R3FC", b"R3FC"),
            Self::Extents => (b"BMA3", b"BMAP"),
        };
        u32::from_be_bytes(if v5 { *new } else { *old })
    }

    pub(crate) fn record_bytes(self) -> usize {
        match self {
            Self::FreeByBlock | Self::FreeByLength => FreeRecord::BYTES,
            Self::Owners => RmapRecord::BYTES,
            Self::Inodes | Self::FreeInodes => InodeRecord::BYTES,
            Self::Refcounts => RefcountRecord::BYTES,
            Self::Extents => 16,
        }
    }

    /// The length of all that a node holds for one child besides the pointer.
    pub(crate) fn key_bytes(self) -> usize {
        match self {
            Self::FreeByBlock | Self::FreeByLength | Self::Extents => 8,
            Self::Owners => RmapRecord::KEY_BYTES.saturating_mul(2),
            Self::Inodes | Self::FreeInodes | Self::Refcounts => 4,
        }
    }

    fn is_long(self) -> bool {
        self == Self::Extents
    }

    pub(crate) fn pointer_bytes(self) -> usize {
        if self.is_long() { 8 } else { 4 }
    }
}

/// What a block's bytes mean: the tree, the version and the block's length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TreeFormat {
    pub(crate) kind: TreeKind,
    pub(crate) v5: bool,
    pub(crate) block_bytes: usize,
}

impl TreeFormat {
    pub(crate) fn header_bytes(self) -> usize {
        match (self.kind.is_long(), self.v5) {
            (false, false) => 16,
            (false, true) => 56,
            (true, false) => 24,
            (true, true) => 72,
        }
    }

    fn room(self) -> usize {
        self.block_bytes.saturating_sub(self.header_bytes())
    }

    /// How many records a leaf holds.
    pub(crate) fn leaf_records(self) -> usize {
        self.room().checked_div(self.kind.record_bytes()).unwrap_or(0)
    }

    /// How many children a node holds.
    pub(crate) fn node_records(self) -> usize {
        let each = self.kind.key_bytes().saturating_add(self.kind.pointer_bytes());
        self.room().checked_div(each).unwrap_or(0)
    }

    fn crc_place(self) -> usize {
        if self.kind.is_long() { 64 } else { 52 }
    }

    /// Where a node's pointers begin.
    fn pointers_at(self) -> usize {
        let keys = self.node_records().saturating_mul(self.kind.key_bytes());
        self.header_bytes().saturating_add(keys)
    }
}

/// The header of a tree block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TreeHeader {
    pub(crate) level: u16,
    pub(crate) records: u16,
    /// The neighbours of the same level.
    pub(crate) left: Option<u64>,
    pub(crate) right: Option<u64>,
}

/// Where a block lies and whose it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockIdentity {
    /// The address in 512-byte sectors.
    pub(crate) address: u64,
    /// The group or the inode.
    pub(crate) owner: u64,
    pub(crate) uuid: [u8; 16],
}

/// Reads and checks a block's header.
pub(crate) fn parse_header(
    raw: &[u8],
    format: TreeFormat,
    identity: BlockIdentity,
) -> Result<TreeHeader, &'static str> {
    let long = format.kind.is_long();
    if raw.len() != format.block_bytes || u32_at(raw, 0) != format.kind.magic(format.v5) {
        return Err("a block has the wrong magic number");
    }
    if format.v5 {
        if !checksum::is_right(raw, format.crc_place()) {
            return Err("a block has the wrong checksum");
        }
        let (address, uuid, owner) = if long {
            (u64_at(raw, 24), bytes_at::<16>(raw, 40), u64_at(raw, 56))
        } else {
            (u64_at(raw, 16), bytes_at::<16>(raw, 32), u32_at(raw, 48).into())
        };
        if address != identity.address || uuid != identity.uuid || owner != identity.owner {
            return Err("a block belongs elsewhere by its own word");
        }
    }
    let (left, right) = if long {
        (u64_at(raw, 8), u64_at(raw, 16))
    } else {
        let widened = [u32_at(raw, 8), u32_at(raw, 12)].map(|sibling| match sibling {
            u32::MAX => u64::MAX,
            block => block.into(),
        });
        let [left, right] = widened;
        (left, right)
    };
    let header = TreeHeader {
        level: u16_at(raw, 4),
        records: u16_at(raw, 6),
        left: (left != u64::MAX).then_some(left),
        right: (right != u64::MAX).then_some(right),
    };
    let most = if header.level == 0 {
        format.leaf_records()
    } else {
        format.node_records()
    };
    if usize::from(header.records) > most {
        return Err("a block claims more records than it has room for");
    }
    Ok(header)
}

/// The records of a leaf, one slice after the other.
pub(crate) fn leaf_records(raw: &[u8], format: TreeFormat, header: TreeHeader) -> &[u8] {
    let length = usize::from(header.records).saturating_mul(format.kind.record_bytes());
    let area = raw.get(format.header_bytes()..).unwrap_or_default();
    area.get(..length).unwrap_or_default()
}

/// The keys of a node, one slice after the other.
pub(crate) fn node_keys(raw: &[u8], format: TreeFormat, header: TreeHeader) -> &[u8] {
    let length = usize::from(header.records).saturating_mul(format.kind.key_bytes());
    let area = raw.get(format.header_bytes()..).unwrap_or_default();
    area.get(..length).unwrap_or_default()
}

/// The children of a node.
pub(crate) fn node_pointers(raw: &[u8], format: TreeFormat, header: TreeHeader) -> Vec<u64> {
    let width = format.kind.pointer_bytes();
    let area = raw.get(format.pointers_at()..).unwrap_or_default();
    let children = area.chunks_exact(width).take(header.records.into());
    children
        .map(|raw| {
            if width == 8 {
                u64_at(raw, 0)
            } else {
                u32_at(raw, 0).into()
            }
        })
        .collect()
}

/// A block with its header, to be filled by [`put_leaf`] or [`put_node`] and then sealed.
pub(crate) fn encode_header(format: TreeFormat, header: TreeHeader, identity: BlockIdentity) -> Vec<u8> {
    let mut raw = vec![0; format.block_bytes];
    put_u32(&mut raw, 0, format.kind.magic(format.v5));
    put_u16(&mut raw, 4, header.level);
    put_u16(&mut raw, 6, header.records);
    let narrow = |sibling: Option<u64>| sibling.and_then(|block| u32::try_from(block).ok()).unwrap_or(u32::MAX);
    if format.kind.is_long() {
        put_u64(&mut raw, 8, header.left.unwrap_or(u64::MAX));
        put_u64(&mut raw, 16, header.right.unwrap_or(u64::MAX));
        put_u64(&mut raw, 24, identity.address);
        put(&mut raw, 40, &identity.uuid);
        put_u64(&mut raw, 56, identity.owner);
    } else {
        put_u32(&mut raw, 8, narrow(header.left));
        put_u32(&mut raw, 12, narrow(header.right));
        put_u64(&mut raw, 16, identity.address);
        put(&mut raw, 32, &identity.uuid);
        put_u32(&mut raw, 48, u32::try_from(identity.owner).unwrap_or(u32::MAX));
    }
    raw
}

/// Puts the records of a leaf in place.
pub(crate) fn put_leaf(raw: &mut [u8], format: TreeFormat, records: &[u8]) {
    put(raw, format.header_bytes(), records);
}

/// Puts the keys and children of a node in place.
pub(crate) fn put_node(raw: &mut [u8], format: TreeFormat, keys: &[u8], children: &[u64]) {
    put(raw, format.header_bytes(), keys);
    let mut at = format.pointers_at();
    for child in children {
        if format.kind.is_long() {
            put_u64(raw, at, *child);
        } else {
            put_u32(raw, at, u32::try_from(*child).unwrap_or(u32::MAX));
        }
        at = at.saturating_add(format.kind.pointer_bytes());
    }
}

/// Puts the block's sum in place.
pub(crate) fn seal(raw: &mut [u8], format: TreeFormat) {
    checksum::seal(raw, format.crc_place());
}

/// The lowest and the highest key of a record, as nodes hold them (one after the other where a node holds both).
pub(crate) fn record_keys(kind: TreeKind, record: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let first = |length: usize| record.get(..length).unwrap_or_default().to_vec();
    match kind {
        TreeKind::FreeByBlock | TreeKind::FreeByLength => (first(8), Vec::new()),
        TreeKind::Inodes | TreeKind::FreeInodes | TreeKind::Refcounts => (first(4), Vec::new()),
        TreeKind::Extents => {
            let extent = super::extent::Extent::parse(record);
            (extent.logical.to_be_bytes().to_vec(), Vec::new())
        }
        TreeKind::Owners => {
            let rmap = RmapRecord::parse(record);
            (owner_key(rmap.low_key()), owner_key(rmap.high_key()))
        }
    }
}

fn owner_key((block, owner, offset): (u32, u64, u64)) -> Vec<u8> {
    let mut key = Vec::with_capacity(RmapRecord::KEY_BYTES);
    key.extend(block.to_be_bytes());
    key.extend(owner.to_be_bytes());
    key.extend(offset.to_be_bytes());
    key
}
