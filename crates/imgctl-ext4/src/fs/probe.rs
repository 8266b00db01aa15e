//! What can be told of a filesystem from its superblock alone.

use crate::features::ReadOnlyCompatible;
use crate::format::superblock::{self, Superblock};
use imgctl_block::BlockRead;
use imgctl_vfs::Timestamp;

/// What a superblock says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Summary {
    /// The filesystem's UUID.
    pub uuid: [u8; 16],
    /// The volume label, up to 16 bytes.
    pub label: Vec<u8>,
    /// The features by the names `mke2fs -O` knows, sorted.
    pub features: Vec<String>,
    /// The block size.
    pub block_bytes: u32,
    /// The filesystem's length in bytes; the device may be longer.
    pub length: u64,
    /// The newest of the times of write, mount, creation and check.
    pub newest_time: Timestamp,
    /// Whether the journal has to be replayed.
    pub needs_recovery: bool,
    /// Whether files wait for their removal.
    pub has_orphans: bool,
    /// Whether it was unmounted cleanly and is without known errors.
    pub is_clean: bool,
}

/// Reads the superblock of an ext2, ext3 or ext4 filesystem on `device`; `None` if there is none that makes sense.
///
/// A filesystem with features that forbid reading it gives `None` only where its geometry cannot be told.
#[must_use]
pub fn probe(device: &dyn BlockRead) -> Option<Summary> {
    let raw = device.read_vec(superblock::OFFSET, superblock::BYTES).ok()?;
    if !Superblock::has_magic(&raw) {
        return None;
    }
    let superblock = Superblock::parse_any(&raw, device.len_bytes()).ok()?;
    let features = superblock.features;
    let orphans = features.read_only.contains(ReadOnlyCompatible::ORPHAN_PRESENT);
    Some(Summary {
        uuid: superblock.uuid(),
        label: superblock.label(),
        features: features.names(),
        block_bytes: superblock.block_bytes,
        length: superblock.blocks * u64::from(superblock.block_bytes),
        newest_time: Timestamp::from_seconds(superblock.newest_time() as i64),
        needs_recovery: features.needs_recovery(),
        has_orphans: orphans || superblock.last_orphan() != 0,
        is_clean: superblock.is_clean(),
    })
}
