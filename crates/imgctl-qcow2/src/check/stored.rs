//! The refcounts as the image stores them, of any width.

use super::CheckReport;
use crate::cache::Cache;
use crate::format::bytes::u64_table;
use crate::format::header::Header;
use crate::reader::read_padded;
use crate::{Error, Result};
use imgctl_block::BlockRead;
use std::sync::Arc;

const CACHE_BYTES: u64 = 4 << 20;
/// The bits of a refcount table entry that must be clear.
const RESERVED: u64 = 0x1ff;

/// Reads refcounts, a block at a time.
pub(super) struct StoredCounts<'a> {
    file: &'a dyn BlockRead,
    cluster_bytes: u64,
    order: u32,
    /// Where each block lies; 0 for none.
    table: Vec<u64>,
    blocks: Cache<Vec<u8>>,
}

impl<'a> StoredCounts<'a> {
    pub(super) fn open(file: &'a dyn BlockRead, header: &Header, report: &mut CheckReport) -> Result<Self> {
        let cluster_bytes = header.geometry.cluster_bytes();
        let length = u64::from(header.refcount_table_clusters) * cluster_bytes;
        if header.refcount_table_offset >= file.len_bytes() {
            return Err(Error::Damaged {
                structure: "refcount table",
                offset: header.refcount_table_offset,
                problem: "the file ends before it does; is the image complete?",
            });
        }
        let table = read_padded(file, header.refcount_table_offset, length as usize)?;
        let mut table = u64_table(&table);
        for (number, entry) in table.iter_mut().enumerate() {
            let offset = *entry & !RESERVED;
            if *entry & RESERVED != 0 {
                report.error(format_args!("refcount table entry {number} has reserved bits set"));
                report.unreadable += 1;
                *entry = 0;
            } else if !header.geometry.is_aligned(offset) {
                report.error(format_args!(
                    "refcount block {number} at {offset:#x} is not at a cluster boundary"
                ));
                report.unreadable += 1;
                *entry = 0;
            } else if offset >= file.len_bytes() {
                report.error(format_args!(
                    "refcount block {number} at {offset:#x} is outside of the file"
                ));
                *entry = 0;
            }
        }
        Ok(Self {
            file,
            cluster_bytes,
            order: header.refcount_order,
            table,
            blocks: Cache::new(CACHE_BYTES, cluster_bytes),
        })
    }

    /// The first cluster that each block that is there counts.
    pub(super) fn blocks(&self) -> impl Iterator<Item = u64> {
        let table = self.table.iter().enumerate();
        table
            .filter(|(_, offset)| **offset != 0)
            .map(|(number, _)| (number as u64).saturating_mul(self.counts_per_block()))
    }

    /// The offsets of the blocks that are there.
    pub(super) fn block_offsets(&self) -> impl Iterator<Item = (usize, u64)> {
        let table = self.table.iter().copied().enumerate();
        table.filter(|(_, offset)| *offset != 0)
    }

    pub(super) fn counts_per_block(&self) -> u64 {
        (self.cluster_bytes * 8) >> self.order
    }

    /// The refcount of a cluster; 0 where nothing is stored.
    pub(super) fn get(&self, cluster: u64) -> Result<u64> {
        let number = cluster / self.counts_per_block();
        let offset = usize::try_from(number).ok().and_then(|number| self.table.get(number));
        let Some(offset) = offset.copied().filter(|offset| *offset != 0) else {
            return Ok(0);
        };
        let block = match self.blocks.get(number) {
            Some(block) => block,
            None => {
                let block = Arc::new(read_padded(self.file, offset, self.cluster_bytes as usize)?);
                self.blocks.put(number, &block);
                block
            }
        };
        Ok(count_at(&block, cluster % self.counts_per_block(), self.order))
    }
}

/// Counts narrower than a byte begin at its lowest bit.
fn count_at(block: &[u8], index: u64, order: u32) -> u64 {
    let index = index as usize;
    if order < 3 {
        let bits = 1_usize << order;
        let per_byte = 8 / bits;
        let byte = block.get(index / per_byte).copied().unwrap_or(0);
        return u64::from(byte >> (index % per_byte * bits)) & ((1 << bits) - 1);
    }
    let bytes = 1_usize << (order - 3);
    let field = block.get(index * bytes..(index + 1) * bytes).unwrap_or_default();
    field.iter().fold(0, |count, byte| count << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_every_width() {
        let block = [0b1001_0010, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde];
        let get = |index, order| count_at(&block, index, order);
        assert_eq!([get(0, 0), get(1, 0), get(4, 0), get(7, 0)], [0, 1, 1, 1]);
        assert_eq!([get(0, 1), get(1, 1), get(3, 1)], [2, 0, 2]);
        assert_eq!([get(0, 2), get(1, 2), get(2, 2), get(3, 2)], [2, 9, 2, 1]);
        assert_eq!(get(1, 3), 0x12);
        assert_eq!(get(1, 4), 0x3456);
        assert_eq!(get(1, 5), 0x789a_bcde);
        assert_eq!(get(0, 6), 0x9212_3456_789a_bcde);
        assert_eq!(get(1, 6), 0);
    }
}
