//! The file allocation table, held in memory.
//!
//! Facts: an entry has 12, 16 or 32 bits (of which 28 count). 0 is free, the largest seven values but one end a chain, the
//! one before them marks a bad cluster. Entries 0 and 1 belong to no cluster; in entry 1 of FAT16 and FAT32 the highest
//! bit that counts says that the filesystem was unmounted.

use crate::format::boot::Geometry;
use crate::{Error, FatKind};
use imgctl_block::BlockRead;
use std::fmt;
use std::ops::Range;

/// How many bytes of a table are compared and written at once.
const PIECE_BYTES: usize = 64 << 10;

/// What an entry says of its cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Entry {
    Free,
    Bad,
    /// The last cluster of a file.
    End,
    /// The number of the file's next cluster, whatever it is.
    Next(u32),
}

/// The table in use.
pub(crate) struct Table {
    kind: FatKind,
    clusters: u32,
    /// The bytes of the entries that exist.
    bytes: Vec<u8>,
    /// One bit per cluster: whether it was in use at any time since the filesystem was opened.
    ever_used: Vec<u64>,
    /// Where to look first for a free cluster.
    pub(crate) next_free: Option<u32>,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("kind", &self.kind)
            .field("clusters", &self.clusters)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// Reads the table in use. Its size was bounded when the geometry was checked.
    pub(crate) fn read(device: &dyn BlockRead, geometry: &Geometry) -> Result<Self, Error> {
        let entries = u64::from(geometry.clusters) + 2;
        let length = (entries * geometry.kind.entry_bits()).div_ceil(8);
        let at = geometry.tables_at().first().copied().unwrap_or(geometry.table_at);
        let mut table = Self {
            kind: geometry.kind,
            clusters: geometry.clusters,
            bytes: device.read_vec(at, length as usize)?,
            ever_used: vec![0; (entries as usize).div_ceil(64)],
            next_free: None,
        };
        table.mark_used(0..geometry.clusters + 2);
        Ok(table)
    }

    fn numbers(&self) -> Range<u32> {
        2..self.clusters + 2
    }

    /// The entry of a cluster; what does not exist is bad.
    pub(crate) fn entry(&self, cluster: u32) -> Entry {
        if !self.numbers().contains(&cluster) {
            return Entry::Bad;
        }
        let at = cluster as usize;
        let byte = |index: usize| u32::from(self.bytes.get(index).copied().unwrap_or(0));
        let (value, bad) = match self.kind {
            FatKind::Fat12 => {
                let start = at + at / 2;
                let pair = byte(start) | byte(start + 1) << 8;
                (if at.is_multiple_of(2) { pair & 0xfff } else { pair >> 4 }, 0xff7)
            }
            FatKind::Fat16 => (byte(at * 2) | byte(at * 2 + 1) << 8, 0xfff7),
            FatKind::Fat32 => {
                let start = at * 4;
                let quad = byte(start) | byte(start + 1) << 8 | byte(start + 2) << 16 | byte(start + 3) << 24;
                (quad & 0x0fff_ffff, 0x0fff_fff7)
            }
        };
        match value {
            0 => Entry::Free,
            value if value == bad => Entry::Bad,
            value if value > bad => Entry::End,
            value => Entry::Next(value),
        }
    }

    /// The clusters of a chain from `first` on. An error where it leaves the filesystem or does not end.
    pub(crate) fn chain(&self, first: u32) -> Chain<'_> {
        Chain {
            table: self,
            next: (first != 0).then_some(first),
            left: self.clusters,
        }
    }

    pub(crate) fn free_clusters(&self) -> u32 {
        self.numbers()
            .filter(|cluster| self.entry(*cluster) == Entry::Free)
            .count() as u32
    }

    /// Runs of free clusters; `only_used` leaves out those that were free all the time.
    pub(crate) fn free_runs(&self, only_used: bool) -> Vec<Range<u32>> {
        let mut runs: Vec<Range<u32>> = Vec::new();
        for cluster in self.numbers() {
            if self.entry(cluster) != Entry::Free || only_used && !self.was_used(cluster) {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.end == cluster => run.end += 1,
                _ => runs.push(cluster..cluster + 1),
            }
        }
        runs
    }

    fn was_used(&self, cluster: u32) -> bool {
        let word = self.ever_used.get(cluster as usize / 64).copied().unwrap_or(0);
        word >> (cluster % 64) & 1 != 0
    }

    fn mark_used(&mut self, clusters: Range<u32>) {
        for cluster in clusters {
            if !self.numbers().contains(&cluster) || self.entry(cluster) == Entry::Free {
                continue;
            }
            if let Some(word) = self.ever_used.get_mut(cluster as usize / 64) {
                *word |= 1 << (cluster % 64);
            }
        }
    }

    /// Copies the table's bytes at `offset`; behind its end everything is marked bad, so that nobody allocates there.
    pub(crate) fn read_bytes(&self, offset: u64, buf: &mut [u8]) {
        const BAD32: [u8; 4] = 0x0fff_fff7_u32.to_le_bytes();
        for (at, byte) in (offset..).zip(buf) {
            let index = usize::try_from(at).ok();
            *byte = match index.and_then(|index| self.bytes.get(index)) {
                Some(known) => *known,
                None if self.kind == FatKind::Fat32 => BAD32[(at % 4) as usize],
                None => 0xff,
            };
        }
    }

    /// Changes the table's bytes at `offset`; what lies behind its end is dropped.
    pub(crate) fn write_bytes(&mut self, offset: u64, data: &[u8]) {
        let Ok(start) = usize::try_from(offset) else {
            return;
        };
        for (index, byte) in (start..).zip(data) {
            if let Some(known) = self.bytes.get_mut(index) {
                *known = *byte;
            }
        }
        // A byte more on either side covers entries of 12 bits.
        let bits = self.kind.entry_bits();
        let first = (offset.saturating_sub(1)) * 8 / bits;
        let last = (offset + data.len() as u64 + 1) * 8 / bits + 1;
        self.mark_used(first as u32..(last as u32).min(self.clusters + 2));
    }

    /// Sets the bit that says the filesystem was unmounted.
    pub(crate) fn mark_clean(&mut self) {
        let at = match self.kind {
            FatKind::Fat12 => return,
            FatKind::Fat16 => 3,
            FatKind::Fat32 => 7,
        };
        let bit = if self.kind == FatKind::Fat16 { 0x80 } else { 0x08 };
        if let Some(byte) = self.bytes.get_mut(at) {
            *byte |= bit;
        }
    }

    /// Brings every copy of the table on the device up to date, writing only the sectors that differ.
    pub(crate) fn write(
        &self,
        device: &dyn imgctl_block::BlockDevice,
        geometry: &Geometry,
    ) -> Result<(), imgctl_block::Error> {
        let sector = geometry.sector_bytes as usize;
        let mut old = vec![0; PIECE_BYTES];
        for table_at in geometry.tables_at() {
            for (number, piece) in self.bytes.chunks(PIECE_BYTES).enumerate() {
                let at = table_at + (number * PIECE_BYTES) as u64;
                let old = &mut old[..piece.len()];
                device.read_at(at, old)?;
                let sectors = piece.chunks(sector).zip(old.chunks(sector));
                for (index, (new, old)) in sectors.enumerate() {
                    if new != old {
                        device.write_at(at + (index * sector) as u64, new)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Walks along a chain; see [`Table::chain`].
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    table: &'a Table,
    next: Option<u32>,
    left: u32,
}

/// What is wrong with a chain of clusters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ChainFault {
    #[error("its chain leads to cluster {0}, which does not exist")]
    Outside(u32),
    #[error("its chain leads to cluster {0}, which is free")]
    Free(u32),
    #[error("its chain leads to cluster {0}, which is marked bad")]
    Bad(u32),
    #[error("its chain does not end")]
    Endless,
}

impl Iterator for Chain<'_> {
    type Item = Result<u32, ChainFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let cluster = self.next.take()?;
        if !self.table.numbers().contains(&cluster) {
            return Some(Err(ChainFault::Outside(cluster)));
        }
        let Some(left) = self.left.checked_sub(1) else {
            return Some(Err(ChainFault::Endless));
        };
        self.left = left;
        match self.table.entry(cluster) {
            Entry::Free => return Some(Err(ChainFault::Free(cluster))),
            Entry::Bad => return Some(Err(ChainFault::Bad(cluster))),
            Entry::End => {}
            Entry::Next(next) => self.next = Some(next),
        }
        Some(Ok(cluster))
    }
}
