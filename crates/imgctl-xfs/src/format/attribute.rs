//! Extended attributes: the form within an inode, and leaves.
//!
//! Source: `xfs_attr_sf_hdr` and `xfs_attr3_leafblock` in the XFS Algorithms & Data Structures document.

use super::da::{self, DaHeader, DaKind, Place};
use super::fields::{put, put_u8, put_u16, put_u32, u8_at, u16_at, u32_at};

/// The value lies beside the name.
pub(crate) const LOCAL: u8 = 0x1;
/// `trusted.`
pub(crate) const ROOT: u8 = 0x2;
/// `security.`
pub(crate) const SECURE: u8 = 0x4;
/// A name in a directory, kept with the file (`parent`).
pub(crate) const PARENT: u8 = 0x8;
/// Part of a change that was not finished.
pub(crate) const INCOMPLETE: u8 = 0x80;
/// The bits that tell the name space.
pub(crate) const NAMESPACE: u8 = ROOT | SECURE | PARENT;

/// The header of the form within an inode.
pub(crate) const SHORT_HEADER: usize = 4;
const LEAF_HEADER: usize = 80;
const ENTRY: usize = 8;

/// An attribute of the form within an inode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ShortAttribute<'a> {
    pub(crate) flags: u8,
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// Reads the form within an inode.
pub(crate) fn parse_short(raw: &[u8]) -> Result<Vec<ShortAttribute<'_>>, &'static str> {
    let total = usize::from(u16_at(raw, 0));
    let raw = raw.get(..total).filter(|raw| raw.len() >= SHORT_HEADER);
    let raw = raw.ok_or("the attributes in the inode have an impossible length")?;
    let mut at = SHORT_HEADER;
    let mut found = Vec::new();
    for _ in 0..u8_at(raw, 2) {
        let name_at = at.saturating_add(3);
        let value_at = name_at.saturating_add(u8_at(raw, at).into());
        let end = value_at.saturating_add(u8_at(raw, at.saturating_add(1)).into());
        let (Some(name), Some(value)) = (raw.get(name_at..value_at), raw.get(value_at..end)) else {
            return Err("an attribute in the inode reaches beyond its end");
        };
        found.push(ShortAttribute {
            flags: u8_at(raw, at.saturating_add(2)),
            name,
            value,
        });
        at = end;
    }
    Ok(found)
}

/// Writes the form within an inode.
pub(crate) fn encode_short<'a>(attributes: impl Iterator<Item = ShortAttribute<'a>>) -> Vec<u8> {
    let mut raw = vec![0; SHORT_HEADER];
    let mut count = 0_u8;
    let short = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    for attribute in attributes {
        raw.extend([
            short(attribute.name.len()),
            short(attribute.value.len()),
            attribute.flags,
        ]);
        raw.extend_from_slice(attribute.name);
        raw.extend_from_slice(attribute.value);
        count = count.saturating_add(1);
    }
    let total = u16::try_from(raw.len()).unwrap_or(u16::MAX);
    put_u16(&mut raw, 0, total);
    put_u8(&mut raw, 2, count);
    raw
}

/// Where a leaf keeps an attribute's value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Value<'a> {
    Here(&'a [u8]),
    /// In blocks of its own.
    Remote {
        block: u32,
        length: u32,
    },
}

/// An attribute of a leaf.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct LeafAttribute<'a> {
    pub(crate) hash: u32,
    pub(crate) flags: u8,
    pub(crate) name: &'a [u8],
    pub(crate) value: Value<'a>,
}

/// Reads a leaf's attributes. The common header was checked before.
pub(crate) fn parse_leaf(raw: &[u8], header: DaHeader, v5: bool) -> Result<Vec<LeafAttribute<'_>>, &'static str> {
    let start = if v5 { LEAF_HEADER } else { 32 };
    let length = usize::from(header.count).saturating_mul(ENTRY);
    let entries = raw.get(start..).and_then(|area| area.get(..length));
    let entries = entries.ok_or("an attribute leaf claims more entries than it has room for")?;
    entries
        .chunks_exact(ENTRY)
        .map(|entry| parse_entry(raw, entry))
        .collect()
}

fn parse_entry<'a>(raw: &'a [u8], entry: &[u8]) -> Result<LeafAttribute<'a>, &'static str> {
    let flags = u8_at(entry, 6);
    let at = usize::from(u16_at(entry, 4));
    let held = raw.get(at..).unwrap_or_default();
    let outside = "an attribute reaches beyond its leaf";
    let (name, value) = if flags & LOCAL != 0 {
        let name_end = usize::from(u8_at(held, 2)).saturating_add(3);
        let end = name_end.saturating_add(u16_at(held, 0).into());
        let value = held.get(name_end..end).ok_or(outside)?;
        (held.get(3..name_end).ok_or(outside)?, Value::Here(value))
    } else {
        let name_end = usize::from(u8_at(held, 8)).saturating_add(9);
        let value = Value::Remote {
            block: u32_at(held, 0),
            length: u32_at(held, 4),
        };
        (held.get(9..name_end).ok_or(outside)?, value)
    };
    Ok(LeafAttribute {
        hash: u32_at(entry, 0),
        flags,
        name,
        value,
    })
}

/// How many bytes an attribute takes in a leaf besides its entry.
pub(crate) fn leaf_bytes(name: usize, value: Option<usize>) -> usize {
    let plain = match value {
        Some(value) => name.saturating_add(value).saturating_add(3),
        // The kernel counts two bytes of padding that its first compiler put there.
        None => name.saturating_add(11),
    };
    plain.saturating_add(3) & !3
}

/// How many bytes of a leaf attributes and their entries can take.
pub(crate) fn leaf_room(block_bytes: usize) -> usize {
    block_bytes.saturating_sub(LEAF_HEADER)
}

/// How many bytes an attribute takes in a leaf with its entry.
pub(crate) fn leaf_cost(name: usize, value: Option<usize>) -> usize {
    leaf_bytes(name, value).saturating_add(ENTRY)
}

/// Whether a value lies beside its name in a leaf: the whole must be less than three quarters of the block.
pub(crate) fn is_local(name: usize, value: usize, block_bytes: usize) -> bool {
    let limit = (block_bytes >> 1).saturating_add(block_bytes >> 2);
    leaf_bytes(name, Some(value)) < limit
}

/// Writes a version 5 leaf. The attributes are sorted by hash and fit.
pub(crate) fn encode_leaf(
    length: usize,
    attributes: &[LeafAttribute<'_>],
    neighbours: (u32, u32),
    place: Place,
) -> Vec<u8> {
    let header = DaHeader {
        kind: DaKind::Attributes,
        previous: neighbours.0,
        next: neighbours.1,
        count: u16::try_from(attributes.len()).unwrap_or(0),
        second: 0,
    };
    let mut raw = da::encode(length, header, place);
    let mut at = length;
    let mut entry_at = LEAF_HEADER;
    let mut used = 0_usize;
    for attribute in attributes {
        let value = match attribute.value {
            Value::Here(value) => Some(value.len()),
            Value::Remote { .. } => None,
        };
        let bytes = leaf_bytes(attribute.name.len(), value);
        at = at.saturating_sub(bytes);
        used = used.saturating_add(bytes);
        let name_length = u8::try_from(attribute.name.len()).unwrap_or(u8::MAX);
        match attribute.value {
            Value::Here(value) => {
                put_u16(&mut raw, at, u16::try_from(value.len()).unwrap_or(0));
                put_u8(&mut raw, at.saturating_add(2), name_length);
                put(&mut raw, at.saturating_add(3), attribute.name);
                let value_at = at.saturating_add(3).saturating_add(attribute.name.len());
                put(&mut raw, value_at, value);
            }
            Value::Remote { block, length } => {
                put_u32(&mut raw, at, block);
                put_u32(&mut raw, at.saturating_add(4), length);
                put_u8(&mut raw, at.saturating_add(8), name_length);
                put(&mut raw, at.saturating_add(9), attribute.name);
            }
        }
        let local = if value.is_some() { LOCAL } else { 0 };
        put_u32(&mut raw, entry_at, attribute.hash);
        put_u16(&mut raw, entry_at.saturating_add(4), u16::try_from(at).unwrap_or(0));
        put_u8(
            &mut raw,
            entry_at.saturating_add(6),
            attribute.flags & NAMESPACE | local,
        );
        entry_at = entry_at.saturating_add(ENTRY);
    }
    put_u16(&mut raw, 58, u16::try_from(used).unwrap_or(0));
    // A leaf of 64 KiB says 0 for its end.
    put_u16(&mut raw, 60, u16::try_from(at).unwrap_or(0));
    put_u16(&mut raw, 64, u16::try_from(entry_at).unwrap_or(0));
    put_u16(&mut raw, 66, u16::try_from(at.saturating_sub(entry_at)).unwrap_or(0));
    da::seal(&mut raw);
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_come_back() {
        let one = ShortAttribute {
            flags: SECURE,
            name: b"selinux",
            value: b"label\0",
        };
        let two = ShortAttribute {
            flags: 0,
            name: b"x",
            value: b"",
        };
        let raw = encode_short([one, two].into_iter());
        assert_eq!(parse_short(&raw), Ok(vec![one, two]));
        assert!(parse_short(raw.split_last().unwrap().1).is_err());

        let place = Place {
            address: 9,
            owner: 131,
            uuid: [1; 16],
            v5: true,
        };
        let leaf = [
            LeafAttribute {
                hash: 5,
                flags: ROOT | LOCAL,
                name: b"near",
                value: Value::Here(b"value"),
            },
            LeafAttribute {
                hash: 9,
                flags: 0,
                name: b"far",
                value: Value::Remote { block: 3, length: 9000 },
            },
        ];
        let raw = encode_leaf(1024, &leaf, (0, 0), place);
        let header = da::parse(&raw, place).unwrap();
        assert_eq!(parse_leaf(&raw, header, true), Ok(leaf.to_vec()));
    }
}
