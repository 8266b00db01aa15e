//! Internal snapshots: listed, never read.

use crate::format::header::Header;
use crate::format::snapshots::{FIXED_BYTES, SnapshotEntry};
use crate::{Error, Result};
use imgctl_block::BlockRead;

/// qemu's limit for the whole table.
const MAX_TABLE_BYTES: u64 = 1024 * 65536;

/// An internal snapshot. Its names come from the image and are untrusted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// A short name that is unique, mostly a number.
    pub id: String,
    /// The name that somebody gave it.
    pub name: String,
    /// When it was made, in seconds since 1970.
    pub seconds: u32,
    /// The length of the machine's state, 0 for a snapshot of the disk alone.
    pub vm_state_bytes: u64,
    /// The disk's length at that time, where that is stored.
    pub virtual_bytes: Option<u64>,
}

/// The internal snapshots of the image in `file`, in the order of its table.
pub fn snapshots(file: &dyn BlockRead) -> Result<Vec<Snapshot>> {
    let header = Header::read(file)?;
    let entries = read_snapshots(file, &header)?.into_iter();
    let snapshots = entries.map(|entry| Snapshot {
        id: entry.id,
        name: entry.name,
        seconds: entry.seconds,
        vm_state_bytes: entry.vm_state_bytes,
        virtual_bytes: entry.virtual_bytes,
    });
    Ok(snapshots.collect())
}

/// The entries of the snapshot table.
pub(crate) fn read_snapshots(file: &dyn BlockRead, header: &Header) -> Result<Vec<SnapshotEntry>> {
    let mut entries = Vec::new();
    for_each_entry(file, header, |offset, length| {
        let bytes = file.read_vec(offset, length as usize)?;
        entries.push(SnapshotEntry::parse(&bytes).ok_or_else(|| damaged(offset))?);
        Ok(())
    })?;
    Ok(entries)
}

/// The length of the snapshot table.
pub(crate) fn snapshot_table_bytes(file: &dyn BlockRead, header: &Header) -> Result<u64> {
    for_each_entry(file, header, |_, _| Ok(()))
}

/// Calls `visit` with the place and length of every entry; returns the length of all, the last without its padding.
fn for_each_entry(file: &dyn BlockRead, header: &Header, mut visit: impl FnMut(u64, u64) -> Result<()>) -> Result<u64> {
    let start = header.snapshots_offset;
    let mut offset = start;
    for _ in 0..header.snapshots {
        let inside = |length: u64| offset.checked_add(length).is_some_and(|end| end <= file.len_bytes());
        if !inside(FIXED_BYTES) || offset - start > MAX_TABLE_BYTES {
            return Err(damaged(offset));
        }
        let fixed = file.read_vec(offset, FIXED_BYTES as usize)?;
        let length = SnapshotEntry::entry_bytes(&fixed, offset)?;
        // The file may end where the last entry does, before its padding.
        let padding = (0..8).find(|padding| inside(length - padding));
        let stored = length - padding.ok_or_else(|| damaged(offset))?;
        visit(offset, stored)?;
        offset += length;
    }
    Ok(offset - start)
}

fn damaged(offset: u64) -> Error {
    Error::Damaged {
        structure: "snapshot table entry",
        offset,
        problem: "the file or the table ends within it",
    }
}
