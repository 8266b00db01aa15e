//! The right engine for what a partition holds.

use super::PartitionDevice;
use imgctl_ext4::{Ext4, Ext4Options};
use imgctl_fat::{Fat, FatOptions};
use imgctl_vfs::{ErrorKind, Result, Timestamp, WriteFs};
use imgctl_volume::ContentKind;
use std::sync::Arc;

/// What a filesystem is opened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// Features that only matter to writers are no obstacle.
    ReadOnly,
    /// What cannot be written safely is refused at once.
    Write,
}

/// Opens the filesystem on `device`. Every change is stamped with `now`.
pub(crate) fn open(
    kind: ContentKind,
    device: PartitionDevice,
    now: Timestamp,
    access: Access,
) -> Result<Box<dyn WriteFs>> {
    let read_only = access == Access::ReadOnly;
    let device = Arc::new(device);
    match kind {
        kind if kind.is_ext() => {
            let fs = Ext4::open(device, Ext4Options { now, read_only })?;
            Ok(Box::new(fs))
        }
        ContentKind::Fat => {
            let fs = Fat::open(device, FatOptions { now, read_only })?;
            Ok(Box::new(fs))
        }
        other => Err(imgctl_vfs::Error::new(
            ErrorKind::Unsupported,
            format!("{other} filesystems are not supported"),
        )),
    }
}
