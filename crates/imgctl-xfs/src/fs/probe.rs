//! What can be told of a filesystem without opening it.

use crate::format::inode::{Inode, Time};
use crate::format::superblock::Superblock;
use crate::journal;
use crate::volume::{offset, read_superblock};
use imgctl_block::BlockRead;
use imgctl_vfs::Timestamp;

/// What a superblock says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Summary {
    /// The filesystem's UUID.
    pub uuid: [u8; 16],
    /// The volume label, up to 12 bytes.
    pub label: Vec<u8>,
    /// The features by the names `mkfs.xfs` knows, sorted.
    pub features: Vec<String>,
    /// The block size.
    pub block_bytes: u32,
    /// The filesystem's length in bytes; the device may be longer.
    pub length: u64,
    /// The newest of the root directory's times: the superblock has none.
    pub newest_time: Timestamp,
    /// Whether the log has to be replayed.
    pub needs_recovery: bool,
}

/// Reads the superblock of an XFS filesystem on `device`; `None` if there is none that makes sense.
#[must_use]
pub fn probe(device: &dyn BlockRead) -> Option<Summary> {
    let superblock = read_superblock(device).ok()?;
    Some(Summary {
        uuid: superblock.uuid,
        label: superblock.label(),
        features: superblock.features.names(),
        block_bytes: superblock.block_bytes,
        length: superblock.blocks * u64::from(superblock.block_bytes),
        newest_time: newest_time(device, &superblock).unwrap_or_default(),
        needs_recovery: !journal::is_clean(device, &superblock).unwrap_or(false),
    })
}

fn newest_time(device: &dyn BlockRead, superblock: &Superblock) -> Option<Timestamp> {
    let number = superblock.root_inode;
    let log = superblock.inodes_per_block_log;
    let within = (number & ((1 << log) - 1)) * u64::from(superblock.inode_bytes);
    let at = offset(superblock, number >> log).checked_add(within)?;
    let raw = device.read_vec(at, superblock.inode_bytes.into()).ok()?;
    let uuid = superblock.features.is_v5().then_some(superblock.meta_uuid);
    let inode = Inode::parse(raw, number, uuid).ok()?;
    let times = [Time::Accessed, Time::Modified, Time::Changed];
    times.into_iter().filter_map(|time| inode.time(time)).max()
}
