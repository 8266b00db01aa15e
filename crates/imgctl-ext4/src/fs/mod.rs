//! The filesystem: opening it, and what all its operations share.

mod acl;
mod attributes;
mod commit;
mod load;
mod names;
mod probe;
mod read;
mod recover;
mod write;

pub use probe::{Summary, probe};
pub use recover::{Recovery, recover};

use crate::alloc::Space;
use crate::directory::Directory;
use crate::error::{Refusal, Result};
use crate::features::ReadOnlyCompatible;
use crate::node::Node;
use crate::volume::Volume;
use imgctl_block::BlockDevice;
use imgctl_vfs::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// The root directory's inode.
pub(crate) const ROOT_INODE: u32 = 2;

/// How a filesystem is opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ext4Options {
    /// What every change is stamped with.
    pub now: Timestamp,
    /// Refuse every change. Filesystems whose features forbid writing can be opened only so.
    pub read_only: bool,
}

/// An ext4 filesystem on a device.
#[derive(Debug)]
pub struct Ext4 {
    volume: Volume,
    space: Space,
    now: Timestamp,
    read_only: bool,
    /// Whether the superblock has to be written even if nothing else has.
    superblock_changed: bool,
    /// Inodes that were changed.
    nodes: BTreeMap<u32, Arc<Node>>,
    /// Directories that were changed.
    directories: BTreeMap<u32, Arc<Directory>>,
    /// Inodes that were removed and whose records have to be wiped.
    cleared: BTreeSet<u32>,
    cache: Mutex<load::Cache>,
}

impl Ext4 {
    /// Opens the filesystem that fills `device`.
    ///
    /// Fails with [`Error::Refused`](crate::Error::Refused) where features or an unreplayed journal forbid the access
    /// that `options` ask for; nothing is written then.
    pub fn open(device: Arc<dyn BlockDevice>, options: Ext4Options) -> Result<Self> {
        let fs = Self::open_any(device, options)?;
        let features = fs.volume.superblock.features;
        if features.needs_recovery() {
            return Err(Refusal::DirtyJournal.into());
        }
        let orphans = features.read_only.contains(ReadOnlyCompatible::ORPHAN_PRESENT);
        if orphans || fs.volume.superblock.last_orphan() != 0 {
            return Err(Refusal::Orphans.into());
        }
        if !options.read_only {
            if let Some(refusal) = features.refuse_writing() {
                return Err(refusal.into());
            }
            if !fs.volume.superblock.is_clean() {
                return Err(Refusal::NotClean.into());
            }
        }
        fs.directory(ROOT_INODE)?;
        Ok(fs)
    }

    /// Opens a filesystem in whatever state it is.
    fn open_any(device: Arc<dyn BlockDevice>, options: Ext4Options) -> Result<Self> {
        let (volume, groups) = Volume::open(device)?;
        let space = Space::new(&volume, groups);
        Ok(Self {
            volume,
            space,
            now: options.now,
            read_only: options.read_only,
            superblock_changed: false,
            nodes: BTreeMap::new(),
            directories: BTreeMap::new(),
            cleared: BTreeSet::new(),
            cache: Mutex::default(),
        })
    }

    /// The features by the names `mke2fs -O` knows.
    #[must_use]
    pub fn features(&self) -> Vec<String> {
        self.volume.superblock.features.names()
    }

    pub(crate) fn volume(&self) -> &Volume {
        &self.volume
    }

    pub(crate) fn space(&self) -> &Space {
        &self.space
    }
}
