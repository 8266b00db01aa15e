//! The header of a group's inodes (sector 2 of each allocation group).
//!
//! Source: `struct xfs_agi` in the XFS Algorithms & Data Structures document.

use super::fields::{bytes_at, put_u32, u32_at};
use crate::checksum;

pub(crate) const MAGIC: u32 = 0x5841_4749;
/// "No inode" in the unlinked lists.
pub(crate) const NULL_AGINO: u32 = u32::MAX;
const CRC: usize = 312;
const UNLINKED: usize = 40;
const BUCKETS: usize = 64;

/// The header, with the bytes it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Agi {
    raw: Vec<u8>,
}

/// A field of the header, named by its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AgiField {
    Sequence = 8,
    Length = 12,
    Count = 16,
    Root = 20,
    Level = 24,
    FreeCount = 28,
    FreeRoot = 328,
    FreeLevel = 332,
    InodeBlocks = 336,
    FreeBlocks = 340,
}

impl AgiField {
    fn place(self) -> usize {
        #[allow(clippy::as_conversions, reason = "the discriminant is the place")]
        let place = self as usize;
        place
    }
}

impl Agi {
    /// Takes the header's sector. `uuid` is `None` on volumes without sums.
    pub(crate) fn parse(raw: Vec<u8>, uuid: Option<[u8; 16]>) -> Result<Self, &'static str> {
        if u32_at(&raw, 0) != MAGIC || u32_at(&raw, 4) != 1 {
            return Err("its magic number or version is wrong");
        }
        if let Some(uuid) = uuid {
            if !checksum::is_right(&raw, CRC) {
                return Err("its checksum is wrong");
            }
            if bytes_at::<16>(&raw, 296) != uuid {
                return Err("it belongs to another filesystem");
            }
        }
        Ok(Self { raw })
    }

    pub(crate) fn get(&self, field: AgiField) -> u32 {
        u32_at(&self.raw, field.place())
    }

    pub(crate) fn set(&mut self, field: AgiField, value: u32) {
        put_u32(&mut self.raw, field.place(), value);
    }

    /// The heads of the lists of inodes that were deleted while open.
    pub(crate) fn unlinked(&self) -> impl Iterator<Item = u32> {
        let lists = self.raw.get(UNLINKED..).unwrap_or_default();
        lists.chunks_exact(4).take(BUCKETS).map(|head| u32_at(head, 0))
    }

    /// The sector to be written.
    pub(crate) fn encode(&mut self) -> &[u8] {
        checksum::seal(&mut self.raw, CRC);
        &self.raw
    }
}
