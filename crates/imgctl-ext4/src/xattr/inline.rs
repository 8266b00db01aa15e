//! The attributes in an inode, behind its extra fields.

use super::entry::{self, END, Stored};
use super::{MAGIC, XattrDamage, Xattrs};

/// The magic before the entries. Offsets of values count from behind it.
const HEADER: usize = 4;

/// The bytes that entries and values may take of the `room` in an inode.
pub(super) fn capacity(room: usize) -> usize {
    room.saturating_sub(HEADER).saturating_sub(END) & !3
}

/// Reads the attributes from `region`, the inode's bytes after `i_extra_isize`; none if it does not begin with the
/// magic.
pub(crate) fn decode_inline(region: &[u8]) -> Result<Xattrs, XattrDamage> {
    match region.split_first_chunk::<HEADER>() {
        Some((magic, area)) if u32::from_le_bytes(*magic) == MAGIC => entry::decode(area, 0),
        _ => Ok(Xattrs::new()),
    }
}

/// The whole region of `room` bytes. `None` if the entries do not fit.
pub(super) fn encode(entries: &[Stored], room: usize) -> Option<Vec<u8>> {
    let mut region = vec![0; room];
    if entries.is_empty() {
        return Some(region);
    }
    let (magic, area) = region.split_first_chunk_mut::<HEADER>()?;
    *magic = MAGIC.to_le_bytes();
    // The kernel leaves the hash of these entries at 0.
    entry::encode(area, 0, entries, false).then_some(region)
}
