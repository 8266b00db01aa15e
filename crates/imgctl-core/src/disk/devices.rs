//! Several disks read together, as the drop-in tools do: every partition and filesystem, and any mounts of them.

use super::{Access, Disk, OpenedGuest, assemble, describe, engine, is_supported};
use crate::guest::Guest;
use crate::image::BaseImage;
use crate::{Error, ErrorKind, InputOptions, Result};
use imgctl_block::{BlockRead as _, Overlay};
use imgctl_vfs::{GuestPath, Mount, StatFs, Timestamp, Tree, WriteFs};
use imgctl_volume::{Content, ContentKind, Partition, PartitionKind, Scheme};
use std::path::PathBuf;

/// GPT types that never hold a filesystem of their own: Windows' dynamic disks (metadata and data), its reserved
/// partition, and its snapshots.
const NO_FILESYSTEM: [&str; 4] = [
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3",
    "af9b60a0-1431-4f62-bc68-3311714a69ad",
    "e3c9e316-0b5c-4db8-817d-f92df00215ae",
    "caddebf1-4400-4de8-b103-12117dcf3ccf",
];

/// A partition of one of several disks.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The disk, from 0.
    pub disk: usize,
    /// The partition's number; 0 stands for a disk without partitions.
    pub partition: u32,
}

/// What is known of a disk.
#[derive(Clone, Debug)]
pub struct DiskRecord {
    /// Its length in bytes.
    pub bytes: u64,
    /// Whether it has a partition table.
    pub is_partitioned: bool,
    /// Its partitions by number, or what it holds itself.
    pub volumes: Vec<VolumeRecord>,
}

/// What is known of a partition, or of a disk without a table.
#[derive(Clone, Debug)]
pub struct VolumeRecord {
    /// Where it is.
    pub place: Place,
    /// Its length in bytes.
    pub bytes: u64,
    /// The type byte, in a table of the MBR's kind.
    pub mbr_type: Option<u8>,
    /// What it holds, by blkid's name; `None` when nothing is known of it.
    pub content: Option<&'static str>,
    /// Whether it could be mounted: it is not swap, and no part of something larger.
    pub is_filesystem: bool,
    /// Whether a filesystem may be looked for in it: it is no member of a volume group or RAID, and not encrypted.
    pub is_plain: bool,
    /// The filesystem's label.
    pub label: Option<Vec<u8>>,
    /// The filesystem's UUID.
    pub uuid: Option<String>,
}

/// Disks that were opened together for reading.
#[derive(Debug)]
pub struct Disks {
    opened: Vec<(BaseImage, Disk)>,
}

impl Disks {
    /// Opens the images, in this order.
    pub fn open(images: &[(PathBuf, InputOptions)]) -> Result<Self> {
        let mut opened = Vec::with_capacity(images.len());
        for (path, options) in images {
            let base = BaseImage::open(path, options)?;
            let disk = Disk::open(Overlay::new(base.disk.device()), path)?;
            opened.push((base, disk));
        }
        Ok(Self { opened })
    }

    /// What is on them.
    #[must_use]
    pub fn records(&self) -> Vec<DiskRecord> {
        let disks = self.opened.iter().enumerate();
        let record = |(index, (_, disk)): (usize, &(BaseImage, Disk))| DiskRecord {
            bytes: disk.overlay.len_bytes(),
            is_partitioned: disk.layout.scheme != Scheme::Bare,
            volumes: disk
                .partitions()
                .map(|(partition, content)| volume(index, partition, content))
                .collect(),
        };
        disks.map(record).collect()
    }

    /// How full the filesystem at `place` is; fails where it cannot be read.
    pub fn usage(&self, place: Place) -> Result<StatFs> {
        self.filesystem(place)?.statfs().map_err(|source| {
            let what = format!("cannot read the filesystem of {}", describe(place.partition));
            Error::new(ErrorKind::Image, what).with_source(source)
        })
    }

    /// Exactly these filesystems as a tree, whatever operating system is or is not there. The first is the root.
    pub fn mount(&self, mounts: &[(Place, GuestPath)]) -> Result<Tree> {
        let Some(((root, _), others)) = mounts.split_first().filter(|((_, path), _)| path.is_root()) else {
            return Err(Error::new(ErrorKind::Usage, "nothing is mounted at /")
                .with_hint("mount the root first: -m /dev/sda1 -m /dev/sda2:/boot"));
        };
        let mut tree = Tree::new(describe(root.partition), self.filesystem(*root)?);
        for (place, path) in others {
            let label = describe(place.partition);
            let fs = self.filesystem(*place)?;
            let path = path.clone();
            let what = format!("cannot mount {label} at {path}");
            tree.graft(Mount { path, label, fs })
                .map_err(|source| Error::new(ErrorKind::Image, what).with_source(source))?;
        }
        Ok(tree)
    }

    /// The guest on one of the disks, and which disk that is.
    pub fn guest(self) -> Result<(usize, OpenedGuest)> {
        let mut found = None;
        let mut failure = None;
        for (index, (_, disk)) in self.opened.iter().enumerate() {
            match assemble(disk, None, Timestamp::default(), Access::ReadOnly) {
                Ok(_) if found.is_some() => {
                    return Err(Error::new(ErrorKind::Image, "several disks hold an operating system")
                        .with_hint("name the disks of one guest only"));
                }
                Ok(assembly) => found = Some((index, assembly)),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let Some((index, assembly)) = found else {
            return Err(failure.unwrap_or_else(|| Error::new(ErrorKind::Usage, "no disk is named")));
        };
        let opened = OpenedGuest {
            guest: Guest::new(assembly.tree, Timestamp::default()),
            mounts: assembly.mounts,
            warnings: assembly.warnings,
            _bases: self.opened.into_iter().map(|(base, _)| base).collect(),
        };
        Ok((index, opened))
    }

    fn filesystem(&self, place: Place) -> Result<Box<dyn WriteFs>> {
        let disk = self.opened.get(place.disk).map(|(_, disk)| disk);
        let found = disk.and_then(|disk| {
            let mut partitions = disk.partitions();
            let (partition, content) = partitions.find(|(partition, _)| partition.number == place.partition)?;
            Some((disk, partition, content))
        });
        let Some((disk, partition, content)) = found else {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("disk {} has no partition {}", place.disk + 1, place.partition),
            ));
        };
        if !is_supported(content.kind) {
            return Err(super::assemble::unsupported(partition, content.kind));
        }
        engine::open(
            content.kind,
            disk.device(partition)?,
            Timestamp::default(),
            Access::ReadOnly,
        )
        .map_err(|source| {
            let what = format!(
                "cannot open the {} filesystem of {}",
                content.kind,
                describe(partition.number)
            );
            Error::new(ErrorKind::Image, what).with_source(source)
        })
    }
}

fn volume(disk: usize, partition: &Partition, content: &Content) -> VolumeRecord {
    let is_part = matches!(
        content.kind,
        ContentKind::Lvm2 | ContentKind::MdRaid | ContentKind::Luks
    );
    let is_known = !matches!(content.kind, ContentKind::Empty | ContentKind::Unknown);
    let never = match partition.kind {
        PartitionKind::Gpt(guid) => NO_FILESYSTEM.contains(&guid.to_string().as_str()),
        PartitionKind::Mbr(_) | PartitionKind::Whole => false,
    };
    VolumeRecord {
        place: Place {
            disk,
            partition: partition.number,
        },
        bytes: partition.length,
        mbr_type: match partition.kind {
            PartitionKind::Mbr(byte) => Some(byte),
            PartitionKind::Gpt(_) | PartitionKind::Whole => None,
        },
        content: is_known.then(|| content.kind.name()),
        is_filesystem: is_known && !is_part && content.kind != ContentKind::Swap,
        is_plain: !is_part && !never,
        label: content.label.clone(),
        uuid: content.uuid.clone(),
    }
}
