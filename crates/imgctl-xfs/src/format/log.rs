//! Records of the log, as far as it takes to see whether everything in it has been done.
//!
//! Source: `xlog_rec_header` and `xlog_op_header` in the XFS Algorithms & Data Structures document.

use super::fields::{u8_at, u32_at, u64_at};

/// The unit of the log's addresses.
pub(crate) const SECTOR: usize = 512;
const MAGIC: u32 = 0xfeed_babe;
/// How many bytes one sector of header stands for.
const CYCLED: u32 = 32 << 10;
const UNMOUNT: u8 = 0x20;

/// The header of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RecordHeader {
    pub(crate) cycle: u32,
    pub(crate) version: u32,
    /// Bytes behind the header.
    pub(crate) length: u32,
    /// Cycle and sector of this record.
    pub(crate) lsn: u64,
    /// Cycle and sector of the oldest record that has to be replayed.
    pub(crate) tail_lsn: u64,
    pub(crate) operations: u32,
    /// The size of the buffers of the kernel that wrote it.
    pub(crate) buffer_bytes: u32,
}

impl RecordHeader {
    /// The header in a sector, if one is there.
    pub(crate) fn parse(sector: &[u8]) -> Option<Self> {
        (u32_at(sector, 0) == MAGIC).then(|| Self {
            cycle: u32_at(sector, 4),
            version: u32_at(sector, 8),
            length: u32_at(sector, 12),
            lsn: u64_at(sector, 16),
            tail_lsn: u64_at(sector, 24),
            operations: u32_at(sector, 40),
            buffer_bytes: u32_at(sector, 320),
        })
    }

    /// How many sectors the header has.
    pub(crate) fn header_sectors(&self) -> u64 {
        if self.version & 2 != 0 && self.buffer_bytes > CYCLED {
            self.buffer_bytes.div_ceil(CYCLED).into()
        } else {
            1
        }
    }

    /// How many sectors follow the header.
    pub(crate) fn data_sectors(&self) -> u64 {
        u64::from(self.length).div_ceil(512)
    }
}

/// The cycle a sector was written in.
pub(crate) fn cycle(sector: &[u8]) -> u32 {
    match u32_at(sector, 0) {
        MAGIC => u32_at(sector, 4),
        cycle => cycle,
    }
}

/// Whether a record's first sector of data begins with the operation that an unmount leaves.
pub(crate) fn is_unmount(sector: &[u8]) -> bool {
    u8_at(sector, 9) & UNMOUNT != 0
}
