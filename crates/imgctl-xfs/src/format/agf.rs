//! The header of a group's free space (sector 1 of each allocation group).
//!
//! Source: `struct xfs_agf` in the XFS Algorithms & Data Structures document.

use super::fields::{bytes_at, put_u32, u32_at};
use crate::checksum;

pub(crate) const MAGIC: u32 = 0x5841_4746;
const CRC: usize = 216;

/// The header, with the bytes it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Agf {
    raw: Vec<u8>,
}

/// A field of the header, named by its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AgfField {
    Sequence = 8,
    Length = 12,
    BnoRoot = 16,
    CntRoot = 20,
    RmapRoot = 24,
    BnoLevel = 28,
    CntLevel = 32,
    RmapLevel = 36,
    ListFirst = 40,
    ListLast = 44,
    ListCount = 48,
    FreeBlocks = 52,
    Longest = 56,
    TreeBlocks = 60,
    RmapBlocks = 80,
    RefcountBlocks = 84,
    RefcountRoot = 88,
    RefcountLevel = 92,
}

impl AgfField {
    fn place(self) -> usize {
        #[allow(clippy::as_conversions, reason = "the discriminant is the place")]
        let place = self as usize;
        place
    }
}

impl Agf {
    /// Takes the header's sector. `uuid` is `None` on volumes without sums.
    pub(crate) fn parse(raw: Vec<u8>, uuid: Option<[u8; 16]>) -> Result<Self, &'static str> {
        if u32_at(&raw, 0) != MAGIC || u32_at(&raw, 4) != 1 {
            return Err("its magic number or version is wrong");
        }
        if let Some(uuid) = uuid {
            if !checksum::is_right(&raw, CRC) {
                return Err("its checksum is wrong");
            }
            if bytes_at::<16>(&raw, 64) != uuid {
                return Err("it belongs to another filesystem");
            }
        }
        Ok(Self { raw })
    }

    pub(crate) fn get(&self, field: AgfField) -> u32 {
        u32_at(&self.raw, field.place())
    }

    pub(crate) fn set(&mut self, field: AgfField, value: u32) {
        put_u32(&mut self.raw, field.place(), value);
    }

    /// The sector to be written.
    pub(crate) fn encode(&mut self) -> &[u8] {
        checksum::seal(&mut self.raw, CRC);
        &self.raw
    }
}
