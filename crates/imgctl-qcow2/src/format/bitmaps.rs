//! The directory of persistent bitmaps, as far as its clusters have to be counted.

use super::bytes::{u16_at, u32_at, u64_at};

/// An entry without its extra data and name.
const FIXED_BYTES: u64 = 24;

/// Where a bitmap's table lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BitmapEntry {
    pub(crate) table_offset: u64,
    /// The entries of its table, 8 bytes each.
    pub(crate) table_entries: u32,
}

/// Parses all entries of a directory. `None` when one does not end within it.
pub(crate) fn parse_directory(bytes: &[u8]) -> Option<Vec<BitmapEntry>> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        entries.push(BitmapEntry {
            table_offset: u64_at(rest, 0)?,
            table_entries: u32_at(rest, 8)?,
        });
        let length = FIXED_BYTES
            .checked_add(u16_at(rest, 18)?.into())?
            .checked_add(u32_at(rest, 20)?.into())?
            .checked_next_multiple_of(8)?;
        rest = rest.get(usize::try_from(length).ok()?..)?;
    }
    Some(entries)
}

/// The cluster of a bitmap that a table entry names; `None` when all its bits are alike and nothing is stored.
pub(crate) fn data_offset(entry: u64) -> Option<u64> {
    let offset = entry & 0x00ff_ffff_ffff_fe00;
    (offset != 0).then_some(offset)
}
