//! The guest's root, found by what it holds, and everything its fstab mounts.

use super::engine::{self, Access};
use super::{Disk, describe, is_supported, may_be_root};
use crate::guest::{Fstab, FstabEntry, FstabSpec};
use crate::{Error, ErrorKind, Result};
use imgctl_vfs::{GuestPath, Mount, Timestamp, Tree, WriteFs};
use imgctl_volume::{Content, ContentKind, Partition, Scheme};

/// A guest's filesystems, mounted.
#[derive(Debug)]
pub(crate) struct Assembly {
    pub(crate) tree: Tree,
    /// Where what is mounted, in the order of the tree's mounts.
    pub(crate) mounts: Vec<MountPoint>,
    pub(crate) warnings: Vec<String>,
}

/// Which partition is mounted where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MountPoint {
    pub(crate) path: GuestPath,
    pub(crate) partition: Partition,
    pub(crate) kind: ContentKind,
}

/// Finds the root and mounts everything that its fstab names on this disk.
pub(crate) fn assemble(disk: &Disk, root: Option<u32>, now: Timestamp, access: Access) -> Result<Assembly> {
    // Opening one brings it to order.
    let interrupted = interrupted(disk)?;
    let (partition, content) = match root {
        Some(number) => partition_by_number(disk, number)?,
        None => find_root(disk)?,
    };
    let fs = open(disk, partition, content, now, access)?;
    let tree = Tree::new(describe(partition.number), fs);
    let mut assembly = Assembly {
        tree,
        mounts: vec![MountPoint {
            path: GuestPath::root(),
            partition: partition.clone(),
            kind: content.kind,
        }],
        warnings: disk.layout.warnings.iter().map(ToString::to_string).collect(),
    };
    for (path, entry) in assembly.fstab()? {
        assembly.mount(disk, path, &entry, now, access)?;
    }
    let mounted = |number: &u32| assembly.mounts.iter().any(|mount| mount.partition.number == *number);
    let warnings = interrupted.into_iter().filter(mounted).map(|number| {
        format!(
            "the filesystem of {} was not unmounted: its journal is replayed, as after a power cut",
            describe(number)
        )
    });
    assembly.warnings.extend(warnings.collect::<Vec<_>>());
    Ok(assembly)
}

/// The partitions whose filesystems were not unmounted.
fn interrupted(disk: &Disk) -> Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for (partition, content) in disk.partitions() {
        if engine::is_interrupted(content.kind, &disk.device(partition)?) {
            numbers.push(partition.number);
        }
    }
    Ok(numbers)
}

impl Assembly {
    /// The same mounts, opened anew for reading: what a fresh reader finds after everything was written. What the fstab
    /// says by now does not matter.
    pub(crate) fn reopen(disk: &Disk, mounts: &[MountPoint]) -> Result<Tree> {
        let mut tree: Option<Tree> = None;
        for mount in mounts {
            let label = describe(mount.partition.number);
            let opened = disk.device(&mount.partition).map(|device| {
                engine::open(mount.kind, device, Timestamp::default(), Access::ReadOnly).and_then(|fs| {
                    match &mut tree {
                        None => tree = Some(Tree::new(label, fs)),
                        Some(tree) => {
                            let path = mount.path.clone();
                            tree.graft(Mount { path, label, fs })?;
                        }
                    }
                    Ok(())
                })
            })?;
            opened.map_err(|source| {
                let what = format!("the filesystem of {} cannot be read back", mount.path);
                Error::new(ErrorKind::Verify, what).with_source(source)
            })?;
        }
        tree.ok_or_else(|| Error::new(ErrorKind::Verify, "nothing is mounted"))
    }

    /// The entries of the guest's fstab that mount a filesystem, parents before what is mounted below them.
    fn fstab(&self) -> Result<Vec<(GuestPath, FstabEntry)>> {
        let fstab = Fstab::read(&self.tree)
            .map_err(|source| Error::new(ErrorKind::Image, "cannot read the guest's /etc/fstab").with_source(source))?;
        let entries = fstab.entries.into_iter().filter(|entry| !is_elsewhere(entry));
        let mut mounts: Vec<_> = entries
            .filter_map(|entry| Some((entry.mount_point.clone()?, entry)))
            .collect();
        mounts.sort_by_key(|(path, _)| path.components().count());
        Ok(mounts)
    }

    fn mount(
        &mut self,
        disk: &Disk,
        path: GuestPath,
        entry: &FstabEntry,
        now: Timestamp,
        access: Access,
    ) -> Result<()> {
        let found = disk
            .partitions()
            .find(|(partition, content)| matches(&entry.spec, partition, content));
        let Some((partition, content)) = found else {
            self.warnings.push(format!(
                "the guest's fstab mounts {} at {path}, which is not on this disk",
                entry.spec
            ));
            return Ok(());
        };
        if path.is_root() {
            return self.check_root(entry, partition);
        }
        if self.mounts.iter().any(|mount| mount.path == path) {
            return Ok(());
        }
        let fs = open(disk, partition, content, now, access)?;
        let mount = Mount {
            path: path.clone(),
            label: describe(partition.number),
            fs,
        };
        match self.tree.graft(mount) {
            Ok(index) => self.mounts.push(MountPoint {
                path: self.tree.mount(index).path.clone(),
                partition: partition.clone(),
                kind: content.kind,
            }),
            Err(source) if source.kind() == imgctl_vfs::ErrorKind::NotFound => self.warnings.push(format!(
                "{} is not mounted: the guest has no folder {path}",
                describe(partition.number)
            )),
            Err(source) => {
                return Err(Error::new(
                    ErrorKind::Image,
                    format!("cannot mount {} at {path}", describe(partition.number)),
                )
                .with_source(source));
            }
        }
        Ok(())
    }

    fn check_root(&mut self, entry: &FstabEntry, partition: &Partition) -> Result<()> {
        let root = self.mounts[0].partition.number;
        if partition.number != root {
            self.warnings.push(format!(
                "the guest's fstab names {} as its root ({}), but it lies on {}",
                describe(partition.number),
                entry.spec,
                describe(root)
            ));
        }
        Ok(())
    }
}

fn open(
    disk: &Disk,
    partition: &Partition,
    content: &Content,
    now: Timestamp,
    access: Access,
) -> Result<Box<dyn WriteFs>> {
    if !is_supported(content.kind) {
        return Err(unsupported(partition, content.kind));
    }
    engine::open(content.kind, disk.device(partition)?, now, access).map_err(|source| {
        Error::new(
            ErrorKind::Image,
            format!(
                "cannot open the {} filesystem of {}",
                content.kind,
                describe(partition.number)
            ),
        )
        .with_source(source)
    })
}

pub(super) fn unsupported(partition: &Partition, kind: ContentKind) -> Error {
    let what = match kind {
        ContentKind::Luks => "an encrypted (LUKS) volume".to_owned(),
        ContentKind::Lvm2 => "an LVM2 physical volume".to_owned(),
        ContentKind::MdRaid => "a member of a software RAID".to_owned(),
        ContentKind::Empty => "nothing but zeros".to_owned(),
        ContentKind::Unknown => "nothing that imgctl knows".to_owned(),
        kind => format!("a filesystem of the kind {kind}"),
    };
    Error::new(
        ErrorKind::Image,
        format!("{} holds {what}, which is not supported", describe(partition.number)),
    )
    .with_hint("imgctl reads and writes ext4, XFS and FAT filesystems on GPT, MBR and unpartitioned disks")
}

fn partition_by_number(disk: &Disk, number: u32) -> Result<(&Partition, &Content)> {
    disk.partitions()
        .find(|(partition, _)| partition.number == number)
        .ok_or_else(|| Error::new(ErrorKind::Usage, format!("there is no partition {number}")).with_hint(list(disk)))
}

/// The one partition that looks like the root of an operating system.
fn find_root(disk: &Disk) -> Result<(&Partition, &Content)> {
    // Looking must change nothing, not even a filesystem that was not unmounted.
    let aside = disk.aside();
    let mut roots = Vec::new();
    let mut failure = None;
    for (partition, content) in disk.partitions().filter(|(_, content)| may_be_root(content.kind)) {
        match looks_like_root(&aside, partition, content) {
            Ok(true) => roots.push((partition, content)),
            Ok(false) => {}
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match (roots.as_slice(), failure) {
        ([root], _) => Ok(*root),
        // A root that cannot be read is a better answer than that there is none.
        ([], Some(error)) => Err(error),
        ([], None) => Err(no_root(disk)),
        (several, _) => {
            let numbers: Vec<_> = several
                .iter()
                .map(|(partition, _)| describe(partition.number))
                .collect();
            Err(Error::new(
                ErrorKind::Image,
                format!("several partitions hold an operating system: {}", numbers.join(", ")),
            )
            .with_hint("choose one with --root NUMBER"))
        }
    }
}

/// Whether an os-release file and an /etc folder are there.
fn looks_like_root(disk: &Disk, partition: &Partition, content: &Content) -> Result<bool> {
    let fs = open(disk, partition, content, Timestamp::default(), Access::ReadOnly)?;
    let tree = Tree::new(describe(partition.number), fs);
    let exists = |path: &str| -> imgctl_vfs::Result<bool> { Ok(tree.find(&GuestPath::new(path)?)?.is_some()) };
    let found = || Ok(exists("/etc")? && (exists("/etc/os-release")? || exists("/usr/lib/os-release")?));
    found().map_err(|source: imgctl_vfs::Error| {
        Error::new(
            ErrorKind::Image,
            format!("cannot look into {}", describe(partition.number)),
        )
        .with_source(source)
    })
}

fn no_root(disk: &Disk) -> Error {
    let suspects = [
        ContentKind::Luks,
        ContentKind::Lvm2,
        ContentKind::MdRaid,
        ContentKind::Btrfs,
    ];
    let suspect = disk.partitions().find(|(_, content)| suspects.contains(&content.kind));
    match suspect {
        Some((partition, content)) => unsupported(partition, content.kind),
        None => Error::new(ErrorKind::Image, "no operating system was found in the image").with_hint(format!(
            "a root has an /etc folder and an os-release file; {}",
            list(disk)
        )),
    }
}

/// What the image has, as a sentence.
fn list(disk: &Disk) -> String {
    if let (Scheme::Bare, [content]) = (disk.layout.scheme, disk.contents.as_slice()) {
        return format!(
            "the image has no partition table, and what it holds is: {}",
            content.kind
        );
    }
    let items: Vec<_> = disk
        .partitions()
        .map(|(partition, content)| format!("{} ({})", partition.number, content.kind))
        .collect();
    match items.is_empty() {
        true => "the image has no partitions".to_owned(),
        false => format!("the image has the partitions {}", items.join(", ")),
    }
}

/// Whether an entry mounts nothing of a disk: a network filesystem, memory, or a part of the tree a second time.
fn is_elsewhere(entry: &FstabEntry) -> bool {
    let is_bind = entry
        .options
        .iter()
        .any(|option| matches!(option.as_str(), "bind" | "rbind" | "_netdev"));
    is_bind || entry.fs_type == "swap" || matches!(entry.spec, FstabSpec::Other(_))
}

/// Whether an fstab's first field means this partition.
pub(crate) fn matches(spec: &FstabSpec, partition: &Partition, content: &Content) -> bool {
    match spec {
        FstabSpec::Uuid(uuid) => content
            .uuid
            .as_ref()
            .is_some_and(|found| found.eq_ignore_ascii_case(uuid)),
        FstabSpec::Label(label) => content.label.as_ref() == Some(label),
        FstabSpec::PartUuid(uuid) => partition
            .id
            .is_some_and(|found| found.to_string().eq_ignore_ascii_case(uuid)),
        FstabSpec::PartLabel(label) => partition.name.as_ref().is_some_and(|name| name.as_bytes() == label),
        FstabSpec::Device(path) => partition_number(path) == Some(partition.number),
        FstabSpec::Other(_) => false,
    }
}

/// The partition number in the name of the first disk's device: `/dev/sda1`, `/dev/vda15`, `/dev/nvme0n1p1`.
fn partition_number(path: &[u8]) -> Option<u32> {
    let name = std::str::from_utf8(path).ok()?.strip_prefix("/dev/")?;
    let disks = ["sda", "vda", "xvda", "hda", "nvme0n1p", "mmcblk0p"];
    let number = disks.iter().find_map(|disk| name.strip_prefix(disk))?;
    number.parse().ok()
}
