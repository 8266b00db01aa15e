//! The extents of a fork, sorted by their place in the file.

use crate::error::{Error, Result, Structure};
use crate::format::extent::{Extent, MOST_BLOCKS, OFFSET_END};
use crate::volume::Volume;
use std::collections::BTreeMap;
use std::ops::Range;

/// What a file block stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Piece {
    /// Nothing; zeros as long as told.
    Hole { length: u64 },
    /// Blocks from there on.
    Blocks {
        physical: u64,
        length: u64,
        unwritten: bool,
    },
}

impl Piece {
    pub(crate) fn length(self) -> u64 {
        match self {
            Self::Hole { length } | Self::Blocks { length, .. } => length,
        }
    }
}

/// All extents of a fork: none overlap, neighbours are merged where one record can hold them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ExtentMap {
    /// By first file block.
    extents: BTreeMap<u64, Extent>,
    blocks: u64,
}

impl ExtentMap {
    /// Takes records as they lie on the device.
    pub(crate) fn parse(volume: &Volume, records: &[u8], structure: Structure) -> Result<Self> {
        let mut map = Self::default();
        for record in records.chunks_exact(Extent::BYTES) {
            let extent = Extent::parse(record);
            volume.check_blocks(extent.physical, extent.length, structure)?;
            if extent.logical < map.end() || extent.end() > OFFSET_END {
                return Err(Error::corrupt(structure, "its extents are out of order"));
            }
            map.blocks += extent.length;
            map.extents.insert(extent.logical, extent);
        }
        Ok(map)
    }

    /// All records, one after the other.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.extents.values().flat_map(|extent| extent.encode()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.extents.len()
    }

    /// How many blocks all extents have.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Extent> {
        self.extents.values()
    }

    /// The first file block behind all extents.
    pub(crate) fn end(&self) -> u64 {
        self.extents.last_key_value().map_or(0, |(_, extent)| extent.end())
    }

    /// What lies at a file block, and how far.
    pub(crate) fn at(&self, logical: u64) -> Piece {
        if let Some((_, extent)) = self.extents.range(..=logical).next_back()
            && extent.end() > logical
        {
            let skipped = logical - extent.logical;
            return Piece::Blocks {
                physical: extent.physical + skipped,
                length: extent.length - skipped,
                unwritten: extent.unwritten,
            };
        }
        let next = self.extents.range(logical..).next();
        let end = next.map_or(u64::MAX, |(start, _)| *start);
        Piece::Hole { length: end - logical }
    }

    /// The block behind the one that lies before a file block, where a file would best go on.
    pub(crate) fn block_after(&self, logical: u64) -> Option<u64> {
        let (_, extent) = self.extents.range(..logical).next_back()?;
        Some(extent.physical + extent.length)
    }

    /// Adds an extent where a hole is; merges it with its neighbours as far as records allow.
    pub(crate) fn insert(&mut self, volume: &Volume, extent: Extent) {
        self.blocks += extent.length;
        let mut new = extent;
        if let Some((_, left)) = self.extents.range(..new.logical).next_back()
            && joins(volume, *left, new)
        {
            let left = *left;
            self.extents.remove(&left.logical);
            new = Extent {
                length: left.length + new.length,
                ..left
            };
        }
        if let Some(right) = self.extents.get(&new.end())
            && joins(volume, new, *right)
        {
            let right = *right;
            self.extents.remove(&right.logical);
            new.length += right.length;
        }
        self.extents.insert(new.logical, new);
    }

    /// Takes a range of file blocks out and returns what was there.
    pub(crate) fn remove(&mut self, range: Range<u64>) -> Vec<Extent> {
        let mut removed = Vec::new();
        let before = self.extents.range(..range.start).next_back();
        let first = before
            .filter(|(_, extent)| extent.end() > range.start)
            .map(|(start, _)| *start);
        let within = self.extents.range(range.start..range.end).map(|(start, _)| *start);
        let touched: Vec<u64> = first.into_iter().chain(within).collect();
        for start in touched {
            let Some(extent) = self.extents.remove(&start) else {
                continue;
            };
            let cut = |from: u64, until: u64| Extent {
                logical: from,
                physical: extent.physical + (from - extent.logical),
                length: until - from,
                unwritten: extent.unwritten,
            };
            if extent.logical < range.start {
                self.extents.insert(extent.logical, cut(extent.logical, range.start));
            }
            if extent.end() > range.end {
                self.extents.insert(range.end, cut(range.end, extent.end()));
            }
            let middle = cut(extent.logical.max(range.start), extent.end().min(range.end));
            self.blocks -= middle.length;
            removed.push(middle);
        }
        removed
    }
}

/// Whether one record can hold both.
fn joins(volume: &Volume, left: Extent, right: Extent) -> bool {
    left.end() == right.logical
        && left.physical + left.length == right.physical
        && left.unwritten == right.unwritten
        && left.length + right.length <= MOST_BLOCKS
        && volume.split(left.physical).0 == volume.split(right.physical).0
}

impl ExtentMap {
    /// Whether two extents have a block in common.
    pub(crate) fn overlaps_itself(&self) -> bool {
        let mut runs: Vec<(u64, u64)> = self
            .extents
            .values()
            .map(|extent| (extent.physical, extent.length))
            .collect();
        runs.sort_unstable();
        let mut pairs = runs.windows(2);
        pairs.any(|pair| matches!(pair, [(start, length), (next, _)] if start + length > *next))
    }
}
