//! A group's list of blocks kept for its free-space trees (sector 3 of each allocation group).
//!
//! Source: `struct xfs_agfl` in the XFS Algorithms & Data Structures document.

use super::fields::{bytes_at, put_u32, u32_at};
use crate::checksum;

const MAGIC: u32 = 0x5841_464c;
const CRC: usize = 32;
const HEADER: usize = 36;
const ENTRY: usize = 4;

/// The list: a ring, of which the header of the free space says what part is in use.
#[derive(Clone, Debug)]
pub(crate) struct Agfl {
    raw: Vec<u8>,
    header: usize,
}

impl Agfl {
    /// Takes the list's sector. `uuid` is `None` on volumes without sums, where the list has no header.
    pub(crate) fn parse(raw: Vec<u8>, uuid: Option<[u8; 16]>) -> Result<Self, &'static str> {
        let Some(uuid) = uuid else {
            return Ok(Self { raw, header: 0 });
        };
        if u32_at(&raw, 0) != MAGIC {
            return Err("its magic number is wrong");
        }
        if !checksum::is_right(&raw, CRC) {
            return Err("its checksum is wrong");
        }
        if bytes_at::<16>(&raw, 8) != uuid {
            return Err("it belongs to another filesystem");
        }
        Ok(Self { raw, header: HEADER })
    }

    /// How many entries the ring has.
    pub(crate) fn size(&self) -> u32 {
        let bytes = self.raw.len().saturating_sub(self.header);
        u32::try_from(bytes.checked_div(ENTRY).unwrap_or(0)).unwrap_or(0)
    }

    fn place(&self, index: u32) -> usize {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        index.saturating_mul(ENTRY).saturating_add(self.header)
    }

    pub(crate) fn get(&self, index: u32) -> u32 {
        u32_at(&self.raw, self.place(index))
    }

    pub(crate) fn set(&mut self, index: u32, block: u32) {
        let place = self.place(index);
        put_u32(&mut self.raw, place, block);
    }

    /// The sector to be written.
    pub(crate) fn encode(&mut self) -> &[u8] {
        if self.header > 0 {
            checksum::seal(&mut self.raw, CRC);
        }
        &self.raw
    }
}
