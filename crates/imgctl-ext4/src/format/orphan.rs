//! Blocks of the orphan file: inode numbers, then a magic number and a checksum (kernel documentation, "Orphan file").

use super::checksum::Checksum;
use super::fields::{put_u32, u32_at};

const MAGIC: u32 = 0x0b10_ca04;
const TAIL: usize = 8;

/// A block of the orphan file.
#[derive(Clone, Debug)]
pub(crate) struct OrphanBlock {
    raw: Vec<u8>,
}

impl OrphanBlock {
    /// Takes the block that lies at `place`. `seed` is the orphan file's, if there are checksums.
    pub(crate) fn parse(raw: Vec<u8>, place: u64, seed: Option<Checksum>) -> Result<Self, &'static str> {
        let block = Self { raw };
        if u32_at(&block.raw, block.entries()) != MAGIC {
            return Err("a block of the orphan file has no magic number");
        }
        let stored = u32_at(&block.raw, block.entries().saturating_add(4));
        if seed.is_some_and(|seed| block.checksum(place, seed) != stored) {
            return Err("the checksum of a block of the orphan file does not match");
        }
        Ok(block)
    }

    /// The inodes it names.
    pub(crate) fn inodes(&self) -> Vec<u32> {
        let entries = self.raw.get(..self.entries()).unwrap_or_default().chunks_exact(4);
        entries
            .map(|entry| u32_at(entry, 0))
            .filter(|inode| *inode != 0)
            .collect()
    }

    /// The block without any inodes.
    pub(crate) fn encode_empty(&mut self, place: u64, seed: Option<Checksum>) -> &[u8] {
        let entries = self.entries();
        if let Some(numbers) = self.raw.get_mut(..entries) {
            numbers.fill(0);
        }
        if let Some(seed) = seed {
            let sum = self.checksum(place, seed);
            put_u32(&mut self.raw, entries.saturating_add(4), sum);
        }
        &self.raw
    }

    fn entries(&self) -> usize {
        self.raw.len().saturating_sub(TAIL)
    }

    fn checksum(&self, place: u64, seed: Checksum) -> u32 {
        let entries = self.raw.get(..self.entries()).unwrap_or_default();
        seed.update(&place.to_le_bytes()).update(entries).value()
    }
}
