//! The first 100 bytes of a database.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use super::{Parsed, u16_at, u32_at};

/// How long it is.
pub(in crate::sqlite) const HEADER_BYTES: usize = 100;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

#[derive(Clone, Copy, Debug)]
pub(in crate::sqlite) struct Header {
    pub(in crate::sqlite) page_bytes: usize,
    /// What of a page structures may use.
    pub(in crate::sqlite) usable_bytes: usize,
    /// How many pages the header counts, where its count is current.
    pub(in crate::sqlite) pages: Option<u32>,
}

impl Header {
    pub(in crate::sqlite) fn parse(bytes: &[u8]) -> Parsed<Self> {
        if !bytes.starts_with(MAGIC) {
            return Err("it is no SQLite database");
        }
        let short = "its header is too short";
        let page_bytes = match u16_at(bytes, 16).ok_or(short)? {
            1 => 65_536,
            other => usize::from(other),
        };
        if !page_bytes.is_power_of_two() || page_bytes < 512 {
            return Err("its page size is none");
        }
        let read_version = bytes.get(19).copied().ok_or(short)?;
        if !matches!(read_version, 1 | 2) {
            return Err("it is of a newer version of SQLite's format");
        }
        let reserved = bytes.get(20).copied().map(usize::from).ok_or(short)?;
        let usable_bytes = page_bytes.checked_sub(reserved).filter(|usable| *usable >= 480);
        let is_current = u32_at(bytes, 24) == u32_at(bytes, 92);
        // 0: an empty database that nothing was written to yet.
        if !matches!(u32_at(bytes, 56).ok_or(short)?, 0 | 1) {
            return Err("its text is not UTF-8");
        }
        Ok(Self {
            page_bytes,
            usable_bytes: usable_bytes.ok_or("its pages are nearly all reserved")?,
            pages: u32_at(bytes, 28).filter(|pages| is_current && *pages > 0),
        })
    }
}
