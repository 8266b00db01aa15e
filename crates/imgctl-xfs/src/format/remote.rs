//! The header of blocks that hold a long symbolic link or a large attribute value.
//!
//! Source: `xfs_dsymlink_hdr` and `xfs_attr3_rmt_hdr` in the XFS Algorithms & Data Structures document.

use super::da::Place;
use super::fields::{bytes_at, put, put_u32, put_u64, u32_at, u64_at};
use crate::checksum;

/// The header's length.
pub(crate) const HEADER: usize = 56;
const CRC: usize = 12;

/// What the block holds a part of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RemoteKind {
    Symlink,
    Attribute,
}

impl RemoteKind {
    fn magic(self) -> u32 {
        u32::from_be_bytes(*match self {
            Self::Symlink => b"XSLM",
            Self::Attribute => b"XARM",
        })
    }
}

/// How many blocks a value of this many bytes takes.
pub(crate) fn block_count(bytes: usize, block_bytes: usize, v5: bool) -> usize {
    let room = if v5 {
        block_bytes.saturating_sub(HEADER)
    } else {
        block_bytes
    };
    bytes.div_ceil(room.max(1))
}

/// The part of a value that a block holds, which has to begin at `offset` of it.
pub(crate) fn parse(raw: &[u8], kind: RemoteKind, place: Place, offset: usize) -> Result<&[u8], &'static str> {
    if !place.v5 {
        return Ok(raw);
    }
    if u32_at(raw, 0) != kind.magic() || !checksum::is_right(raw, CRC) {
        return Err("a block of its value has the wrong magic number or checksum");
    }
    let elsewhere = bytes_at::<16>(raw, 16) != place.uuid
        || u64_at(raw, 32) != place.owner
        || u64_at(raw, 40) != place.address
        || usize::try_from(u32_at(raw, 4)) != Ok(offset);
    if elsewhere {
        return Err("a block of its value belongs elsewhere by its own word");
    }
    let length = usize::try_from(u32_at(raw, 8)).unwrap_or(usize::MAX);
    let held = raw.get(HEADER..).and_then(|held| held.get(..length));
    held.ok_or("a block claims more of a value than it has room for")
}

/// A version 5 block with a part of a value.
pub(crate) fn encode(length: usize, kind: RemoteKind, place: Place, offset: usize, part: &[u8]) -> Vec<u8> {
    let mut raw = vec![0; length];
    put_u32(&mut raw, 0, kind.magic());
    put_u32(&mut raw, 4, u32::try_from(offset).unwrap_or(0));
    put_u32(&mut raw, 8, u32::try_from(part.len()).unwrap_or(0));
    put(&mut raw, 16, &place.uuid);
    put_u64(&mut raw, 32, place.owner);
    put_u64(&mut raw, 40, place.address);
    // Values of attributes never go through the log, which their sequence number has to say.
    let lsn = if kind == RemoteKind::Attribute { u64::MAX } else { 0 };
    put_u64(&mut raw, 48, lsn);
    put(&mut raw, HEADER, part);
    checksum::seal(&mut raw, CRC);
    raw
}
