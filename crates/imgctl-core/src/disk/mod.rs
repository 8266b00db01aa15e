//! From the bytes of a disk to the guest's filesystems.

mod assemble;
mod devices;
mod engine;
mod inspect;

pub(crate) use assemble::{Assembly, MountPoint, assemble, matches as names_partition};
pub use devices::{DiskRecord, Disks, Place, VolumeRecord};
pub(crate) use engine::{Access, open as open_filesystem};
pub(crate) use inspect::{inspect_image, mount_records};

use crate::guest::Guest;
use crate::image::BaseImage;
use crate::receipt::MountRecord;
use crate::{Error, ErrorKind, InputOptions, Result};
use imgctl_block::{Overlay, Slice};
use imgctl_vfs::{Timestamp, Tree};
use imgctl_volume::{Content, ContentKind, Layout, Partition, identify, read_layout};
use std::path::Path;
use std::sync::Arc;

/// A partition as a device of its own.
pub(crate) type PartitionDevice = Slice<Arc<Overlay>>;

/// A disk with its partitions, above which an overlay takes all writes.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) layout: Layout,
    /// What each partition of the layout holds, in its order.
    pub(crate) contents: Vec<Content>,
}

impl Disk {
    /// Reads the partition table and looks into every partition.
    pub(crate) fn open(overlay: Overlay, image: &Path) -> Result<Self> {
        let overlay = Arc::new(overlay);
        let layout = read_layout(&overlay).map_err(|source| {
            let what = format!("cannot find the partitions of {}", image.display());
            Error::new(ErrorKind::Image, what).with_source(source)
        })?;
        let mut contents = Vec::with_capacity(layout.partitions.len());
        for partition in &layout.partitions {
            let content = identify(&device(&overlay, partition)?).map_err(|source| {
                Error::new(ErrorKind::Image, format!("cannot read {}", describe(partition.number))).with_source(source)
            })?;
            contents.push(content);
        }
        Ok(Self {
            overlay,
            layout,
            contents,
        })
    }

    /// The same disk, with writes that are forgotten.
    pub(crate) fn aside(&self) -> Self {
        Self {
            overlay: Arc::new(Overlay::new(self.overlay.clone())),
            layout: self.layout.clone(),
            contents: self.contents.clone(),
        }
    }

    /// All partitions with what they hold.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = (&Partition, &Content)> {
        self.layout.partitions.iter().zip(&self.contents)
    }

    pub(crate) fn device(&self, partition: &Partition) -> Result<PartitionDevice> {
        device(&self.overlay, partition)
    }

    /// The run's reference time where the caller gave none: the newest time that an ext4 or XFS filesystem of this disk
    /// records of itself (superblock: last mount, last write, last check, creation).
    pub(crate) fn recorded_time(&self) -> Result<Timestamp> {
        let mut newest = Timestamp::default();
        for (partition, content) in self.partitions() {
            let device = self.device(partition)?;
            let recorded = match content.kind {
                kind if kind.is_ext() => imgctl_ext4::probe(&device).map(|summary| summary.newest_time),
                ContentKind::Xfs => imgctl_xfs::probe(&device).map(|summary| summary.newest_time),
                _ => None,
            };
            newest = newest.max(recorded.unwrap_or_default());
        }
        Ok(newest)
    }
}

fn device(overlay: &Arc<Overlay>, partition: &Partition) -> Result<PartitionDevice> {
    Slice::new(overlay.clone(), partition.start, partition.length).map_err(|source| {
        Error::new(
            ErrorKind::Image,
            format!("{} lies outside the disk", describe(partition.number)),
        )
        .with_source(source)
    })
}

/// How a partition is called in messages.
pub(crate) fn describe(number: u32) -> String {
    match number {
        0 => "the unpartitioned disk".to_owned(),
        number => format!("partition {number}"),
    }
}

/// Whether a filesystem of this kind can hold an operating system.
pub(crate) fn may_be_root(kind: ContentKind) -> bool {
    kind.is_ext() || kind == ContentKind::Xfs
}

/// Whether a filesystem of this kind can be mounted into a guest.
pub(crate) fn is_supported(kind: ContentKind) -> bool {
    may_be_root(kind) || kind == ContentKind::Fat
}

/// A guest opened for reading.
#[derive(Debug)]
pub struct OpenedGuest {
    pub(crate) guest: Guest,
    mounts: Vec<MountPoint>,
    warnings: Vec<String>,
    // They hold qemu's locks for as long as the guest is read.
    _bases: Vec<BaseImage>,
}

impl OpenedGuest {
    /// Its files.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        self.guest.tree()
    }

    /// Which partition is mounted where, the root first.
    #[must_use]
    pub fn mounts(&self) -> Vec<MountRecord> {
        mount_records(&self.mounts)
    }

    /// What people should know of the image.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// Opens the guest in the image at `path` for reading.
pub fn open_guest(path: &Path, options: &InputOptions) -> Result<OpenedGuest> {
    let base = BaseImage::open(path, options)?;
    let disk = Disk::open(Overlay::new(base.disk.device()), path)?;
    let assembly = assemble(&disk, options.root, Timestamp::default(), engine::Access::ReadOnly)?;
    let guest = Guest::new(assembly.tree, Timestamp::default());
    Ok(OpenedGuest {
        guest,
        mounts: assembly.mounts,
        warnings: assembly.warnings,
        _bases: vec![base],
    })
}
