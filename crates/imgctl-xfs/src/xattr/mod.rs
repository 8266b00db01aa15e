//! Extended attributes: the names they have outside, and reading them from wherever the inode keeps them.

mod acl;
mod names;
mod store;

pub(crate) use acl::{ACCESS, is_minimal, permissions, set_permissions};
pub(crate) use names::{from_outside, inside_name, to_outside};
pub(crate) use store::{Layout, short_bytes, write_short};

use crate::error::{Error, Result, Structure};
use crate::format::attribute::{INCOMPLETE, LeafAttribute, NAMESPACE, Value, parse_leaf, parse_short};
use crate::format::da::{self, DaKind};
use crate::format::inode::ForkFormat;
use crate::format::remote::RemoteKind;
use crate::node::{Fork, Node, ReadError, damage_of, read_fork_blocks, read_remote};
use crate::volume::Volume;
use std::collections::{BTreeMap, BTreeSet};

/// The largest value.
pub(crate) const MOST_VALUE: usize = 64 << 10;
/// More blocks than attributes are read from.
const MOST_BLOCKS: u64 = 1 << 16;

/// An attribute's name space and name.
pub(crate) type Key = (u8, Vec<u8>);

/// Attributes with their values.
pub(crate) type Xattrs = BTreeMap<Key, Vec<u8>>;

/// Reads all attributes of a node.
pub(crate) fn read(volume: &Volume, node: &Node) -> Result<Xattrs> {
    match &node.xattrs {
        Some(xattrs) => Ok(xattrs.clone()),
        None => read_stored(volume, node),
    }
}

/// Reads the attributes as they lie on the device.
pub(crate) fn read_stored(volume: &Volume, node: &Node) -> Result<Xattrs> {
    let structure = Structure::Xattrs(node.number);
    let inode = &node.inode;
    if inode.fork_offset() == 0 {
        return Ok(Xattrs::new());
    }
    if inode.attribute_format() == Some(ForkFormat::Local) {
        let held = parse_short(inode.attribute_fork()).map_err(|problem| Error::corrupt(structure, problem))?;
        let mut found = Xattrs::new();
        for attribute in held {
            let key = (attribute.flags & NAMESPACE, attribute.name.to_vec());
            if attribute.flags & INCOMPLETE == 0 && found.insert(key, attribute.value.to_vec()).is_some() {
                return Err(Error::corrupt(structure, "it has an attribute twice"));
            }
        }
        return Ok(found);
    }
    if node.attributes.map.len() == 0 {
        return Ok(Xattrs::new());
    }
    let mut reader = Reader {
        volume,
        number: node.number,
        fork: &node.attributes,
        seen: BTreeSet::new(),
        found: Xattrs::new(),
        value_bytes: 0,
    };
    reader.read_all().map_err(damage_of(structure))?;
    Ok(reader.found)
}

struct Reader<'a> {
    volume: &'a Volume,
    number: u64,
    fork: &'a Fork,
    seen: BTreeSet<u32>,
    found: Xattrs,
    value_bytes: u64,
}

impl Reader<'_> {
    /// Reads the tree from its root, level by level.
    fn read_all(&mut self) -> std::result::Result<(), ReadError> {
        if self.fork.map.blocks() > MOST_BLOCKS {
            return Err("it is larger than attributes are".into());
        }
        let mut blocks = vec![0_u32];
        let mut level: Option<u16> = None;
        while !blocks.is_empty() {
            let mut children = Vec::new();
            let mut next_level = None;
            for (index, block) in blocks.iter().enumerate() {
                if !self.seen.insert(*block) {
                    return Err("a block is in its tree twice".into());
                }
                let (physical, raw) = read_fork_blocks(self.volume, self.fork, (*block).into(), 1)?;
                let header = da::parse(&raw, self.volume.place(physical, self.number))?;
                let left = index
                    .checked_sub(1)
                    .and_then(|before| blocks.get(before))
                    .copied()
                    .unwrap_or(0);
                let right = blocks.get(index + 1).copied().unwrap_or(0);
                if (header.previous, header.next) != (left, right) {
                    return Err("a block of its tree does not know its neighbours".into());
                }
                match (header.kind, level) {
                    (DaKind::Node, None) if header.second > 0 => {}
                    (DaKind::Node, Some(level)) if header.second == level && level > 0 => {}
                    (DaKind::Attributes, None | Some(0)) => {
                        self.take_leaf(&raw, header)?;
                        continue;
                    }
                    _ => return Err("a block of its tree is of the wrong kind".into()),
                }
                next_level = Some(header.second - 1);
                let pairs = da::pairs(&raw, self.volume.is_v5(), header.count);
                children.extend(
                    pairs
                        .ok_or("a node claims too many children")?
                        .iter()
                        .map(|(_, child)| *child),
                );
            }
            (blocks, level) = (children, next_level);
        }
        Ok(())
    }

    fn take_leaf(&mut self, raw: &[u8], header: da::DaHeader) -> std::result::Result<(), ReadError> {
        for attribute in parse_leaf(raw, header, self.volume.is_v5())? {
            if attribute.flags & INCOMPLETE != 0 {
                continue;
            }
            if da::name_hash(attribute.name) != attribute.hash
                && attribute.flags & crate::format::attribute::PARENT == 0
            {
                return Err("an attribute has the wrong hash".into());
            }
            let value = self.value(&attribute)?;
            let key = (attribute.flags & NAMESPACE, attribute.name.to_vec());
            if self.found.insert(key, value).is_some() {
                return Err("it has an attribute twice".into());
            }
        }
        Ok(())
    }

    fn value(&mut self, attribute: &LeafAttribute<'_>) -> std::result::Result<Vec<u8>, ReadError> {
        let (block, length) = match attribute.value {
            Value::Here(value) => return Ok(value.to_vec()),
            Value::Remote { block, length } => (block, length as usize),
        };
        self.value_bytes += length as u64;
        if length > MOST_VALUE || self.value_bytes > self.fork.map.blocks() * self.volume.block_bytes() {
            return Err("a value has an impossible length".into());
        }
        let kind = RemoteKind::Attribute;
        read_remote(self.volume, self.number, self.fork, kind, block.into(), length)
    }
}
