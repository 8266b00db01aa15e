//! The write-ahead log: pages that were committed and not yet copied into the database.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use super::u32_at;

/// How long the file's header is.
pub(in crate::sqlite) const HEADER_BYTES: usize = 32;
/// How long a frame's header is.
pub(in crate::sqlite) const FRAME_HEADER_BYTES: usize = 24;

const VERSION: u32 = 3_007_000;

/// The header of the log, and the checksum as far as frames were read.
#[derive(Clone, Copy, Debug)]
pub(in crate::sqlite) struct Wal {
    is_big_endian: bool,
    salts: [Option<u32>; 2],
    checksum: (u32, u32),
}

/// A frame whose checksum holds.
#[derive(Clone, Copy, Debug)]
pub(in crate::sqlite) struct Frame {
    pub(in crate::sqlite) page: u32,
    /// Of the last frame of a transaction: how many pages the database has after it.
    pub(in crate::sqlite) pages_after_commit: Option<u32>,
}

impl Wal {
    /// Reads the header; `None` when there is no valid one, so that the log holds nothing.
    pub(in crate::sqlite) fn parse(header: &[u8], page_bytes: usize) -> Option<Self> {
        let is_big_endian = match u32_at(header, 0)? {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => return None,
        };
        if u32_at(header, 4)? != VERSION || usize::try_from(u32_at(header, 8)?).ok()? != page_bytes {
            return None;
        }
        let mut wal = Self {
            is_big_endian,
            salts: [u32_at(header, 16), u32_at(header, 20)],
            checksum: (0, 0),
        };
        wal.checksum = wal.add(header.get(..24)?)?;
        (wal.checksum == (u32_at(header, 24)?, u32_at(header, 28)?)).then_some(wal)
    }

    /// Reads the next frame; `None` ends the log.
    pub(in crate::sqlite) fn frame(&mut self, header: &[u8], page: &[u8]) -> Option<Frame> {
        if [u32_at(header, 8), u32_at(header, 12)] != self.salts {
            return None;
        }
        self.checksum = self.add(header.get(..8)?)?;
        self.checksum = self.add(page)?;
        let is_valid = self.checksum == (u32_at(header, 16)?, u32_at(header, 20)?);
        let number = u32_at(header, 0)?;
        (is_valid && number > 0).then_some(Frame {
            page: number,
            pages_after_commit: u32_at(header, 4).filter(|pages| *pages > 0),
        })
    }

    /// The checksum after further bytes, a multiple of eight.
    fn add(&self, bytes: &[u8]) -> Option<(u32, u32)> {
        let (mut first, mut second) = self.checksum;
        let (pairs, []) = bytes.as_chunks::<8>() else {
            return None;
        };
        for [a, b, c, d, e, f, g, h] in pairs.iter().copied() {
            let (one, other) = match self.is_big_endian {
                true => (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])),
                false => (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])),
            };
            first = first.wrapping_add(one).wrapping_add(second);
            second = second.wrapping_add(other).wrapping_add(first);
        }
        Some((first, second))
    }
}
