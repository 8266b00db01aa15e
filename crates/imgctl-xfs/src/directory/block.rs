//! One data block of a directory, with its unused stretches.

use super::DirectoryParams;
use crate::format::da::Place;
use crate::format::directory::{
    DataItem, DataKind, data_start, entry_bytes, finish_data, parse_item, put_entry, put_unused,
};
use crate::format::fields::u32_at;
use std::collections::BTreeMap;

/// A data block's bytes.
#[derive(Clone, Debug)]
pub(super) struct DataBlock {
    raw: Vec<u8>,
    /// Unused stretches: where, and how long.
    gaps: BTreeMap<usize, usize>,
    best: usize,
    pub(super) dirty: bool,
}

/// An entry of a block that was read.
#[derive(Debug)]
pub(super) struct FoundEntry {
    pub(super) at: usize,
    pub(super) inode: u64,
    pub(super) file_type: u8,
    pub(super) name: Vec<u8>,
}

/// The address that the index has for a place in a block.
pub(super) fn data_address(params: DirectoryParams, place: usize, at: usize) -> u32 {
    u32::try_from((place * params.block_bytes + at) / 8).unwrap_or(u32::MAX)
}

/// The block and the place within it.
pub(super) fn split_address(params: DirectoryParams, address: u32) -> (usize, usize) {
    let all = address as usize * 8;
    (all / params.block_bytes, all % params.block_bytes)
}

/// Where `..` lies.
pub(super) fn dot_dot_address(params: DirectoryParams) -> u32 {
    data_address(params, 0, data_start(params.v5) + entry_bytes(1, params.file_types))
}

impl DataBlock {
    /// A block without entries.
    pub(super) fn empty(params: DirectoryParams) -> Self {
        let start = data_start(params.v5);
        let mut block = Self {
            raw: vec![0; params.block_bytes],
            gaps: BTreeMap::new(),
            best: 0,
            dirty: true,
        };
        block.add_gap(start, params.block_bytes - start);
        block
    }

    /// The first block of a directory.
    pub(super) fn first(params: DirectoryParams, number: u64, parent: u64) -> Self {
        let mut block = Self::empty(params);
        block.insert(b".", number, 2);
        block.insert(b"..", parent, 2);
        block
    }

    /// Takes a block. Its header was checked before.
    pub(super) fn decode(
        params: DirectoryParams,
        raw: Vec<u8>,
        single: bool,
    ) -> Result<(Self, Vec<FoundEntry>), &'static str> {
        let length = raw.len();
        let end = if single { index_start(&raw)? } else { length };
        let mut block = Self {
            raw,
            gaps: BTreeMap::new(),
            best: 0,
            dirty: false,
        };
        let mut gaps: Vec<(usize, usize)> = Vec::new();
        let mut entries = Vec::new();
        let mut at = data_start(params.v5);
        while at < end {
            let item = parse_item(&block.raw, at, end, params.file_types)?;
            match item {
                DataItem::Entry(entry) => entries.push(FoundEntry {
                    at,
                    inode: entry.inode,
                    file_type: entry.file_type,
                    name: entry.name.to_vec(),
                }),
                DataItem::Unused { length } => gaps.push((at, length)),
            }
            at += item.length();
        }
        match gaps.last_mut() {
            Some((start, held)) if *start + *held == end => *held = length - *start,
            _ if end < length => gaps.push((end, length - end)),
            _ => {}
        }
        if end < length
            && let Some((at, held)) = gaps.last()
        {
            put_unused(&mut block.raw, *at, *held);
        }
        block.gaps = gaps.into_iter().collect();
        block.set_best();
        Ok((block, entries))
    }

    fn set_best(&mut self) {
        self.best = self.gaps.values().copied().max().unwrap_or(0);
    }

    /// The longest unused stretch.
    pub(super) fn best(&self) -> usize {
        self.best
    }

    /// How long the unused stretch at the block's end is.
    pub(super) fn tail(&self) -> usize {
        match self.gaps.last_key_value() {
            Some((at, length)) if at + length == self.raw.len() => *length,
            _ => 0,
        }
    }

    pub(super) fn is_empty(&self, params: DirectoryParams) -> bool {
        self.best == params.block_bytes - data_start(params.v5)
    }

    fn add_gap(&mut self, at: usize, length: usize) {
        let (mut at, mut length) = (at, length);
        if let Some((before, held)) = self.gaps.range(..at).next_back().map(|(at, length)| (*at, *length))
            && before + held == at
        {
            self.gaps.remove(&before);
            (at, length) = (before, held + length);
        }
        if let Some(held) = self.gaps.remove(&(at + length)) {
            length += held;
        }
        self.gaps.insert(at, length);
        put_unused(&mut self.raw, at, length);
        self.best = self.best.max(length);
    }

    /// Puts an entry into the first gap that takes it, and tells where.
    pub(super) fn insert(&mut self, name: &[u8], inode: u64, file_type: u8) -> usize {
        let wanted = entry_bytes(name.len(), true);
        let found = self.gaps.iter().find(|(_, length)| **length >= wanted);
        let Some((at, held)) = found.map(|(at, length)| (*at, *length)) else {
            return 0;
        };
        self.gaps.remove(&at);
        put_entry(&mut self.raw, at, inode, name, file_type);
        if held > wanted {
            self.gaps.insert(at + wanted, held - wanted);
            put_unused(&mut self.raw, at + wanted, held - wanted);
        }
        self.set_best();
        self.dirty = true;
        at
    }

    pub(super) fn remove(&mut self, at: usize, length: usize) {
        self.add_gap(at, length);
        self.dirty = true;
    }

    pub(super) fn rewrite(&mut self, at: usize, name: &[u8], inode: u64, file_type: u8) {
        put_entry(&mut self.raw, at, inode, name, file_type);
        self.dirty = true;
    }

    /// The block to be written. `index` goes to its end where it is a directory's only block.
    pub(super) fn encode(&self, kind: DataKind, index: &[u8], place: Place) -> Vec<u8> {
        let mut raw = self.raw.clone();
        let mut gaps = self.gaps.clone();
        if kind == DataKind::Single
            && let Some((at, held)) = gaps.pop_last()
        {
            let left = held.saturating_sub(index.len());
            if let Some(area) = raw.get_mut(at..) {
                area.fill(0);
            }
            if left > 0 {
                gaps.insert(at, left);
                put_unused(&mut raw, at, left);
            }
            crate::format::fields::put(&mut raw, at + left, index);
        }
        let mut longest: Vec<(usize, usize)> = gaps.into_iter().map(|(at, length)| (length, at)).collect();
        longest.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
        let short = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        let best = [0, 1, 2].map(|rank| {
            longest
                .get(rank)
                .map_or((0, 0), |(length, at)| (short(*at), short(*length)))
        });
        finish_data(&mut raw, kind, place, best);
        raw
    }
}

/// Where the index of a directory's only block begins.
fn index_start(raw: &[u8]) -> Result<usize, &'static str> {
    let tail = raw.len().saturating_sub(8);
    let count = u32_at(raw, tail) as usize;
    let start = count.checked_mul(8).and_then(|length| tail.checked_sub(length));
    start
        .filter(|start| *start >= 16)
        .ok_or("its index has an impossible length")
}
