//! The filesystem: opening it, and what all its operations share.

mod attributes;
mod commit;
mod load;
mod names;
mod probe;
mod read;
mod write;

pub use probe::{Summary, probe};

use crate::alloc::{Space, has_unlinked, read_headers};
use crate::directory::Directory;
use crate::error::{Refusal, Result};
use crate::journal;
use crate::node::Node;
use crate::volume::Volume;
use imgctl_block::BlockDevice;
use imgctl_vfs::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// How a filesystem is opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct XfsOptions {
    /// What every change is stamped with.
    pub now: Timestamp,
    /// Refuse every change. Filesystems whose features forbid writing can be opened only so.
    pub read_only: bool,
}

/// An XFS filesystem on a device.
#[derive(Debug)]
pub struct Xfs {
    volume: Volume,
    space: Space,
    now: Timestamp,
    read_only: bool,
    /// Inodes that were changed.
    nodes: BTreeMap<u64, Arc<Node>>,
    /// Directories that were changed.
    directories: BTreeMap<u64, Arc<Directory>>,
    /// Inodes that were removed, with how often each was used: their records have to be wiped.
    cleared: BTreeMap<u64, u32>,
    /// Unchanged inodes and directories, for reading.
    cache: Mutex<load::Cache>,
}

impl Xfs {
    /// Opens the filesystem on `device`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NotXfs`] without a superblock, `Refused` for what is sound but not supported (a log that has to be
    /// replayed, unknown features), `Corrupt` for damage.
    pub fn open(device: Arc<dyn BlockDevice>, options: XfsOptions) -> Result<Self> {
        let volume = Volume::open(device)?;
        let features = volume.superblock.features;
        if let Some(refusal) = features.refuse_reading() {
            return Err(refusal.into());
        }
        if !journal::is_clean(&*volume.device, &volume.superblock)? {
            return Err(Refusal::DirtyLog.into());
        }
        if !options.read_only {
            refuse_writing(&volume)?;
        }
        for group in 0..volume.superblock.groups {
            if has_unlinked(&read_headers(&volume, group)?.1) {
                return Err(Refusal::Unlinked.into());
            }
        }
        let fs = Self {
            volume,
            space: Space::default(),
            now: options.now,
            read_only: options.read_only,
            nodes: BTreeMap::new(),
            directories: BTreeMap::new(),
            cleared: BTreeMap::new(),
            cache: Mutex::default(),
        };
        fs.directory(fs.volume.superblock.root_inode)?;
        Ok(fs)
    }

    /// The features by the names `mkfs.xfs` knows.
    #[must_use]
    pub fn features(&self) -> Vec<String> {
        self.volume.superblock.features.names()
    }

    pub(crate) fn volume(&self) -> &Volume {
        &self.volume
    }
}

fn refuse_writing(volume: &Volume) -> Result<()> {
    if let Some(refusal) = volume.superblock.features.refuse_writing() {
        return Err(refusal.into());
    }
    if volume.superblock.realtime_blocks != 0 {
        return Err(Refusal::Realtime.into());
    }
    if volume.superblock.inodes_per_block_log > 6 {
        return Err(Refusal::Features("blocks of more than 64 inodes".to_owned()).into());
    }
    if volume.superblock.quota_flags != 0 {
        return Err(Refusal::Quota.into());
    }
    Ok(())
}
