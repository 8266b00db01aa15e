//! What a changed directory is written as: which blocks it needs, and what goes into each.

use super::{Blocks, Directory};
use crate::format::da::{self, DaHeader, DaKind, Place, name_hash, pair_room};
use crate::format::directory::{DataKind, FREE_OFFSET, LEAF_OFFSET, NO_BLOCK, encode_free, free_room};
use crate::format::fields::{put_u16, put_u32};

/// Which directory blocks a directory has, counted in directory blocks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Shape {
    /// The places of data blocks.
    pub(crate) data: Vec<u64>,
    /// How many index blocks lie from the index's start on.
    pub(crate) index: u64,
    /// How many blocks of free room.
    pub(crate) free: u64,
}

/// How the index is kept.
enum Form {
    /// In the only data block.
    Single,
    /// In one leaf, with the free room of the data blocks.
    Leaf,
    /// In a tree; how many blocks each level has, leaves first.
    Node(Vec<usize>),
}

impl Directory {
    /// Which blocks it needs; `None` in the form within the inode.
    pub(crate) fn shape(&self) -> Option<Shape> {
        let blocks = self.blocks.as_ref()?;
        let places = (0_u64..).zip(&blocks.data);
        let data: Vec<u64> = places
            .filter(|(_, block)| block.is_some())
            .map(|(place, _)| place)
            .collect();
        let (index, free) = self.index_blocks(blocks);
        Some(Shape { data, index, free })
    }

    /// How many index blocks and blocks of free room it needs.
    fn index_blocks(&self, blocks: &Blocks) -> (u64, u64) {
        match self.form(blocks) {
            Form::Single => (0, 0),
            Form::Leaf => (1, 0),
            Form::Node(levels) => {
                let free = blocks.data.len().div_ceil(free_room(self.params.block_bytes));
                (levels.iter().sum::<usize>() as u64, free as u64)
            }
        }
    }

    fn outline(&self) -> Option<(usize, usize, u64, u64)> {
        let blocks = self.blocks.as_ref()?;
        let (index, free) = self.index_blocks(blocks);
        Some((blocks.data.len(), blocks.present, index, free))
    }

    /// Whether it may need other blocks than it was given last.
    pub(crate) fn has_new_shape(&self) -> bool {
        self.fitted.is_none() || self.fitted != self.outline()
    }

    /// Forgets for which blocks there is room.
    pub(crate) fn forget_shape(&mut self) {
        self.fitted = None;
    }

    /// Notes that it was given the blocks it needs.
    pub(crate) fn keep_shape(&mut self) {
        self.fitted = self.outline();
    }

    /// How many data blocks its size counts, those given back among them.
    pub(crate) fn data_length(&self) -> u64 {
        self.blocks.as_ref().map_or(0, |blocks| blocks.data.len() as u64)
    }

    fn form(&self, blocks: &Blocks) -> Form {
        let entries = self.entries.len() + 2;
        let length = self.params.block_bytes;
        if let [Some(only)] = blocks.data.as_slice()
            && only.tail() >= entries * 8 + 8
        {
            return Form::Single;
        }
        if 64 + entries * 8 + blocks.data.len() * 2 + 4 <= length {
            return Form::Leaf;
        }
        let mut levels = vec![entries.div_ceil(pair_room(length))];
        while let Some(last) = levels.last().copied()
            && last > 1
        {
            levels.push(last.div_ceil(pair_room(length)));
        }
        Form::Node(levels)
    }

    /// The longest unused stretch of each data block; `None` for those given back.
    pub(crate) fn best(&self) -> impl Iterator<Item = Option<usize>> {
        let blocks = self.blocks.iter().flat_map(|blocks| &blocks.data);
        blocks.map(|block| block.as_ref().map(super::block::DataBlock::best))
    }

    /// Hashes and addresses of all entries, sorted.
    pub(crate) fn pairs(&self) -> Vec<(u32, u32)> {
        let params = self.params;
        let dot = super::block::data_address(params, 0, crate::format::directory::data_start(params.v5));
        let dots = [
            (name_hash(b"."), dot),
            (name_hash(b".."), super::block::dot_dot_address(params)),
        ];
        let entries = self.entries.iter().map(|(name, entry)| (name_hash(name), entry.at));
        let mut pairs: Vec<_> = dots.into_iter().chain(entries).collect();
        pairs.sort_unstable();
        pairs
    }

    /// The blocks to be written, by logical filesystem block. `place` tells where one lies on the device.
    pub(crate) fn encode_blocks(
        &self,
        block_log: u32,
        place: &mut dyn FnMut(u64) -> Option<Place>,
    ) -> Option<Vec<(u64, Vec<u8>)>> {
        let blocks = self.blocks.as_ref()?;
        let mut writer = Writer {
            directory: self,
            block_log,
            place,
            written: Vec::new(),
        };
        let pairs = self.pairs();
        let form = self.form(blocks);
        let single = matches!(form, Form::Single);
        let index = if single { single_index(&pairs) } else { Vec::new() };
        let kind = if single { DataKind::Single } else { DataKind::Data };
        for (position, block) in blocks.data.iter().enumerate() {
            if let Some(block) = block
                && (block.dirty || position == 0)
            {
                let at = writer.data_block(position);
                let place = (writer.place)(at)?;
                writer.written.push((at, block.encode(kind, &index, place)));
            }
        }
        let best: Vec<u16> = blocks
            .data
            .iter()
            .map(|block| {
                block
                    .as_ref()
                    .map_or(NO_BLOCK, |block| u16::try_from(block.best()).unwrap_or(NO_BLOCK))
            })
            .collect();
        match form {
            Form::Single => {}
            Form::Leaf => writer.single_leaf(&pairs, &best)?,
            Form::Node(levels) => {
                writer.nodes(&pairs, &levels)?;
                writer.free(&best)?;
            }
        }
        Some(writer.written)
    }
}

/// The index at the end of a directory's only block.
fn single_index(pairs: &[(u32, u32)]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(pairs.len() * 8 + 8);
    for (hash, address) in pairs {
        raw.extend(hash.to_be_bytes());
        raw.extend(address.to_be_bytes());
    }
    raw.extend(u32::try_from(pairs.len()).unwrap_or(0).to_be_bytes());
    raw.extend([0; 4]);
    raw
}

struct Writer<'a> {
    directory: &'a Directory,
    block_log: u32,
    place: &'a mut dyn FnMut(u64) -> Option<Place>,
    written: Vec<(u64, Vec<u8>)>,
}

impl Writer<'_> {
    fn length(&self) -> usize {
        self.directory.params.block_bytes
    }

    /// The logical filesystem block of the n-th directory block from a byte offset on.
    fn logical(&self, offset: u64, index: usize) -> u64 {
        (offset + (index * self.length()) as u64) >> self.block_log
    }

    fn data_block(&self, index: usize) -> u64 {
        self.logical(0, index)
    }

    fn index_block(&self, index: usize) -> u64 {
        self.logical(LEAF_OFFSET, index)
    }

    fn single_leaf(&mut self, pairs: &[(u32, u32)], best: &[u16]) -> Option<()> {
        let at = self.index_block(0);
        let header = DaHeader {
            kind: DaKind::SingleLeaf,
            next: 0,
            previous: 0,
            count: u16::try_from(pairs.len()).ok()?,
            second: 0,
        };
        let mut raw = da::encode(self.length(), header, (self.place)(at)?);
        da::put_pairs(&mut raw, pairs);
        let end = self.length() - 4;
        put_u32(&mut raw, end, u32::try_from(best.len()).ok()?);
        for (index, length) in best.iter().enumerate() {
            put_u16(&mut raw, end - (best.len() - index) * 2, *length);
        }
        da::seal(&mut raw);
        self.written.push((at, raw));
        Some(())
    }

    /// The tree: its root is the first index block, the others follow level by level.
    fn nodes(&mut self, pairs: &[(u32, u32)], levels: &[usize]) -> Option<()> {
        let mut held = pairs.to_vec();
        // Where each level begins: the root at 0, the leaves behind it, the nodes between behind those.
        let mut next_free = 1;
        for (level, count) in levels.iter().enumerate() {
            let start = if *count == 1 { 0 } else { next_free };
            if start > 0 {
                next_free += count;
            }
            let mut parents = Vec::with_capacity(*count);
            let mut taken = 0;
            for index in 0..*count {
                let until = held.len() * (index + 1) / count;
                let part = held.get(taken..until)?;
                let neighbour = |there: bool, index: usize| -> Option<u32> {
                    if there {
                        u32::try_from(self.index_block(start + index)).ok()
                    } else {
                        Some(0)
                    }
                };
                let header = DaHeader {
                    kind: if level == 0 { DaKind::Leaf } else { DaKind::Node },
                    next: neighbour(index + 1 < *count, index + 1)?,
                    previous: neighbour(index > 0, index.wrapping_sub(1))?,
                    count: u16::try_from(part.len()).ok()?,
                    second: u16::try_from(level).ok()?,
                };
                let at = self.index_block(start + index);
                let mut raw = da::encode(self.length(), header, (self.place)(at)?);
                da::put_pairs(&mut raw, part);
                da::seal(&mut raw);
                parents.push((part.last()?.0, u32::try_from(at).ok()?));
                self.written.push((at, raw));
                taken = until;
            }
            held = parents;
        }
        Some(())
    }

    fn free(&mut self, best: &[u16]) -> Option<()> {
        let room = free_room(self.length());
        for (index, part) in best.chunks(room).enumerate() {
            let at = self.logical(FREE_OFFSET, index);
            let place = (self.place)(at)?;
            let first = u32::try_from(index * room).ok()?;
            self.written.push((at, encode_free(self.length(), first, part, place)));
        }
        Some(())
    }
}
