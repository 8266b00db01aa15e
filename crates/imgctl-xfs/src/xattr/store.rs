//! Where changed attributes go: into the inode, or into leaves with a tree above them and values behind them.

use super::Xattrs;
use crate::format::attribute::{
    LeafAttribute, SHORT_HEADER, ShortAttribute, Value, encode_leaf, encode_short, is_local, leaf_cost, leaf_room,
};
use crate::format::da::{self, DaHeader, DaKind, Place, name_hash, pair_room};
use crate::format::remote::{self, HEADER, RemoteKind};

/// The length of the form within the inode; `None` if an attribute does not fit into it.
pub(crate) fn short_bytes(xattrs: &Xattrs) -> Option<usize> {
    let fits = xattrs.len() < 256 && xattrs.values().all(|value| value.len() < 256);
    let each = xattrs.iter().map(|((_, name), value)| 3 + name.len() + value.len());
    fits.then(|| SHORT_HEADER + each.sum::<usize>())
}

/// The form within the inode.
pub(crate) fn write_short(xattrs: &Xattrs) -> Vec<u8> {
    encode_short(xattrs.iter().map(|((space, name), value)| ShortAttribute {
        flags: *space,
        name,
        value,
    }))
}

/// The blocks that attributes take: the root first, then the leaves, the nodes between, and the values.
#[derive(Debug)]
pub(crate) struct Layout<'a> {
    block_bytes: usize,
    /// The attributes of each leaf, with the first block of those values that lie outside.
    leaves: Vec<Vec<LeafAttribute<'a>>>,
    /// How many blocks each level has, leaves first.
    levels: Vec<usize>,
    /// Values that lie outside: the first block, and the bytes.
    values: Vec<(u64, &'a [u8])>,
    /// How many blocks there are.
    pub(crate) blocks: u64,
}

impl<'a> Layout<'a> {
    /// Lays out attributes; what does not fit into a leaf beside others goes outside.
    pub(crate) fn new(xattrs: &'a Xattrs, block_bytes: usize) -> Self {
        let mut all: Vec<_> = xattrs
            .iter()
            .map(|((space, name), value)| {
                let local = is_local(name.len(), value.len(), block_bytes);
                let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
                let held = if local {
                    Value::Here(value)
                } else {
                    Value::Remote { block: 0, length }
                };
                let attribute = LeafAttribute {
                    hash: name_hash(name),
                    flags: *space,
                    name,
                    value: held,
                };
                (attribute, value.as_slice())
            })
            .collect();
        all.sort_by_key(|(attribute, _)| attribute.hash);
        let mut leaves: Vec<Vec<(LeafAttribute<'a>, &'a [u8])>> = Vec::new();
        let mut used = usize::MAX;
        for (attribute, value) in all {
            let here = matches!(attribute.value, Value::Here(_)).then_some(value.len());
            let cost = leaf_cost(attribute.name.len(), here);
            if used.saturating_add(cost) > leaf_room(block_bytes) {
                leaves.push(Vec::new());
                used = 0;
            }
            used += cost;
            if let Some(leaf) = leaves.last_mut() {
                leaf.push((attribute, value));
            }
        }
        let mut levels = vec![leaves.len()];
        while let Some(last) = levels.last().copied()
            && last > 1
        {
            levels.push(last.div_ceil(pair_room(block_bytes)));
        }
        let mut layout = Self {
            block_bytes,
            leaves: Vec::new(),
            blocks: levels.iter().sum::<usize>() as u64,
            levels,
            values: Vec::new(),
        };
        layout.place_values(leaves);
        layout
    }

    fn place_values(&mut self, leaves: Vec<Vec<(LeafAttribute<'a>, &'a [u8])>>) {
        for leaf in leaves {
            let mut placed = Vec::with_capacity(leaf.len());
            for (mut attribute, value) in leaf {
                if let Value::Remote { block, .. } = &mut attribute.value {
                    *block = u32::try_from(self.blocks).unwrap_or(u32::MAX);
                    self.values.push((self.blocks, value));
                    self.blocks += remote::block_count(value.len(), self.block_bytes, true) as u64;
                }
                placed.push(attribute);
            }
            self.leaves.push(placed);
        }
    }

    /// All blocks to be written, by logical block. `place` tells where one lies on the device.
    pub(crate) fn encode(&self, place: &mut dyn FnMut(u64) -> Option<Place>) -> Option<Vec<(u64, Vec<u8>)>> {
        let mut written = Vec::new();
        let mut next_free = 1;
        let mut below: Vec<(u32, u32)> = Vec::new();
        for (level, count) in self.levels.iter().enumerate() {
            let start = if *count == 1 { 0 } else { next_free };
            if start > 0 {
                next_free += count;
            }
            let mut parents = Vec::with_capacity(*count);
            let mut taken = 0;
            for index in 0..*count {
                let number = |index: usize| u32::try_from(start + index).ok();
                let at = number(index)?;
                let next = if index + 1 < *count { number(index + 1)? } else { 0 };
                let previous = if index > 0 { number(index - 1)? } else { 0 };
                let home = place(at.into())?;
                let (raw, last) = if level == 0 {
                    let leaf = self.leaves.get(index)?;
                    let raw = encode_leaf(self.block_bytes, leaf, (previous, next), home);
                    (raw, leaf.last()?.hash)
                } else {
                    let until = below.len() * (index + 1) / count;
                    let part = below.get(taken..until)?;
                    taken = until;
                    let header = DaHeader {
                        kind: DaKind::Node,
                        next,
                        previous,
                        count: u16::try_from(part.len()).ok()?,
                        second: u16::try_from(level).ok()?,
                    };
                    let mut raw = da::encode(self.block_bytes, header, home);
                    da::put_pairs(&mut raw, part);
                    da::seal(&mut raw);
                    (raw, part.last()?.0)
                };
                parents.push((last, at));
                written.push((at.into(), raw));
            }
            below = parents;
        }
        self.encode_values(place, &mut written)?;
        Some(written)
    }

    fn encode_values(
        &self,
        place: &mut dyn FnMut(u64) -> Option<Place>,
        written: &mut Vec<(u64, Vec<u8>)>,
    ) -> Option<()> {
        let room = self.block_bytes - HEADER;
        for (first, value) in &self.values {
            for (index, part) in value.chunks(room).enumerate() {
                let at = first + index as u64;
                let raw = remote::encode(self.block_bytes, RemoteKind::Attribute, place(at)?, index * room, part);
                written.push((at, raw));
            }
        }
        Some(())
    }
}
