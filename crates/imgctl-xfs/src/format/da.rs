//! What blocks of directory indexes and attribute stores have in common: their header, inner nodes, and the name hash.
//!
//! Source: `xfs_da3_blkinfo` and `xfs_da3_intnode` in the XFS Algorithms & Data Structures document.

use super::fields::{bytes_at, put, put_u16, put_u32, put_u64, u16_at, u32_at, u64_at};
use crate::checksum;

const CRC: usize = 12;

/// What a block is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DaKind {
    /// An inner node.
    Node,
    /// The one leaf of a directory, with the free room of its data blocks.
    SingleLeaf,
    /// One leaf of several of a directory.
    Leaf,
    /// Attributes.
    Attributes,
}

impl DaKind {
    fn magic(self, v5: bool) -> u16 {
        match (self, v5) {
            (Self::Node, true) => 0x3ebe,
            (Self::Node, false) => 0xfebe,
            (Self::SingleLeaf, true) => 0x3df1,
            (Self::SingleLeaf, false) => 0xd2f1,
            (Self::Leaf, true) => 0x3dff,
            (Self::Leaf, false) => 0xd2ff,
            (Self::Attributes, true) => 0x3bee,
            (Self::Attributes, false) => 0xfbee,
        }
    }

    /// What a block with this magic number is.
    pub(crate) fn of(raw: &[u8], v5: bool) -> Option<Self> {
        let magic = u16_at(raw, 8);
        let kinds = [Self::Node, Self::SingleLeaf, Self::Leaf, Self::Attributes];
        kinds.into_iter().find(|kind| kind.magic(v5) == magic)
    }
}

/// Where a block lies and whose it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The address in 512-byte sectors.
    pub(crate) address: u64,
    /// The inode.
    pub(crate) owner: u64,
    pub(crate) uuid: [u8; 16],
    pub(crate) v5: bool,
}

/// The common part of the header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct DaHeader {
    pub(crate) kind: DaKind,
    /// The neighbours of the same level, by logical block; 0 for none.
    pub(crate) next: u32,
    pub(crate) previous: u32,
    /// How many entries.
    pub(crate) count: u16,
    /// A node's level; a directory leaf's number of removed entries.
    pub(crate) second: u16,
}

/// Where a block's entries begin (for attributes: behind a longer header of their own).
pub(crate) fn entries_at(v5: bool) -> usize {
    if v5 { 64 } else { 16 }
}

/// Reads and checks a block's header.
pub(crate) fn parse(raw: &[u8], place: Place) -> Result<DaHeader, &'static str> {
    let Some(kind) = DaKind::of(raw, place.v5) else {
        return Err("an index block has an unknown magic number");
    };
    if place.v5 {
        if !checksum::is_right(raw, CRC) {
            return Err("an index block has the wrong checksum");
        }
        let elsewhere =
            u64_at(raw, 16) != place.address || bytes_at::<16>(raw, 32) != place.uuid || u64_at(raw, 48) != place.owner;
        if elsewhere {
            return Err("an index block belongs elsewhere by its own word");
        }
    }
    let at = if place.v5 { 56 } else { 12 };
    Ok(DaHeader {
        kind,
        next: u32_at(raw, 0),
        previous: u32_at(raw, 4),
        count: u16_at(raw, at),
        second: u16_at(raw, at.saturating_add(2)),
    })
}

/// A block of version 5 with this header, to be filled and then sealed.
pub(crate) fn encode(length: usize, header: DaHeader, place: Place) -> Vec<u8> {
    let mut raw = vec![0; length];
    put_u32(&mut raw, 0, header.next);
    put_u32(&mut raw, 4, header.previous);
    put_u16(&mut raw, 8, header.kind.magic(true));
    put_u64(&mut raw, 16, place.address);
    put(&mut raw, 32, &place.uuid);
    put_u64(&mut raw, 48, place.owner);
    put_u16(&mut raw, 56, header.count);
    put_u16(&mut raw, 58, header.second);
    raw
}

/// Puts the block's sum in place.
pub(crate) fn seal(raw: &mut [u8]) {
    checksum::seal(raw, CRC);
}

/// Pairs of hash and number at the entries' place: a node's children, or a directory leaf's entries.
pub(crate) fn pairs(raw: &[u8], v5: bool, count: u16) -> Option<Vec<(u32, u32)>> {
    let area = raw.get(entries_at(v5)..)?;
    let area = area.get(..usize::from(count).saturating_mul(8))?;
    Some(
        area.chunks_exact(8)
            .map(|pair| (u32_at(pair, 0), u32_at(pair, 4)))
            .collect(),
    )
}

/// Puts pairs at the entries' place.
pub(crate) fn put_pairs(raw: &mut [u8], pairs: &[(u32, u32)]) {
    let mut at = entries_at(true);
    for (hash, number) in pairs {
        put_u32(raw, at, *hash);
        put_u32(raw, at.saturating_add(4), *number);
        at = at.saturating_add(8);
    }
}

/// How many pairs a block of this length holds.
pub(crate) fn pair_room(length: usize) -> usize {
    length.saturating_sub(entries_at(true)).checked_div(8).unwrap_or(0)
}

/// The hash by which names are found (`xfs_da_hashname`).
pub(crate) fn name_hash(name: &[u8]) -> u32 {
    let mut hash: u32 = 0;
    let mut chunks = name.chunks_exact(4);
    for chunk in &mut chunks {
        let [a, b, c, d] = bytes_at::<4>(chunk, 0).map(u32::from);
        hash = (a << 21) ^ (b << 14) ^ (c << 7) ^ d ^ hash.rotate_left(28);
    }
    match *chunks.remainder() {
        [a, b, c] => {
            let [a, b, c] = [a, b, c].map(u32::from);
            (a << 14) ^ (b << 7) ^ c ^ hash.rotate_left(21)
        }
        [a, b] => (u32::from(a) << 7) ^ u32::from(b) ^ hash.rotate_left(14),
        [a] => u32::from(a) ^ hash.rotate_left(7),
        _ => hash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those of `xfs_io -c "..."`'s and the kernel's directories: `.` and `..` are in every block.
    #[test]
    fn the_hashes_of_dot_and_dot_dot() {
        assert_eq!(name_hash(b"."), 0x2e);
        assert_eq!(name_hash(b".."), 0x172e);
        assert_eq!(name_hash(b""), 0);
    }

    #[test]
    fn a_block_comes_back_with_its_header_and_pairs() {
        let place = Place {
            address: 99,
            owner: 131,
            uuid: [3; 16],
            v5: true,
        };
        let header = DaHeader {
            kind: DaKind::Node,
            next: 1,
            previous: 2,
            count: 2,
            second: 1,
        };
        let mut raw = encode(4096, header, place);
        put_pairs(&mut raw, &[(5, 6), (7, 8)]);
        seal(&mut raw);
        assert_eq!(parse(&raw, place), Ok(header));
        assert_eq!(pairs(&raw, true, 2), Some(vec![(5, 6), (7, 8)]));
        assert!(parse(&raw, Place { owner: 132, ..place }).is_err());
    }
}
