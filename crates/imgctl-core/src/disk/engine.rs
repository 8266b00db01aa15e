//! The right engine for what a partition holds.

use super::PartitionDevice;
use imgctl_ext4::{Ext4, Ext4Options};
use imgctl_fat::{Fat, FatOptions};
use imgctl_vfs::{ErrorKind, Result, Timestamp, WriteFs};
use imgctl_volume::ContentKind;
use imgctl_xfs::{Xfs, XfsOptions};
use std::sync::Arc;

/// What a filesystem is opened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// Features that only matter to writers are no obstacle.
    ReadOnly,
    /// What cannot be written safely is refused at once.
    Write,
}

/// Opens the filesystem on `device`, as a kernel would mount it: one that was not unmounted is brought to order first, on
/// the overlay alone. Every change is stamped with `now`.
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
            if is_interrupted(kind, &device) {
                imgctl_ext4::recover(device.clone(), now)?;
            }
            let fs = Ext4::open(device, Ext4Options { now, read_only })?;
            Ok(Box::new(fs))
        }
        ContentKind::Fat => {
            let fs = Fat::open(device, FatOptions { now, read_only })?;
            Ok(Box::new(fs))
        }
        ContentKind::Xfs => {
            let fs = Xfs::open(device, XfsOptions { now, read_only })?;
            Ok(Box::new(fs))
        }
        other => Err(imgctl_vfs::Error::new(
            ErrorKind::Unsupported,
            format!("{other} filesystems are not supported"),
        )),
    }
}

/// Whether the filesystem was not unmounted, so that its journal holds what is not in its place yet.
pub(super) fn is_interrupted(kind: ContentKind, device: &PartitionDevice) -> bool {
    kind.is_ext() && imgctl_ext4::probe(device).is_some_and(|summary| summary.needs_recovery)
}
