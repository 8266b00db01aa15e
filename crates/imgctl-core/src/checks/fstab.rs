//! `fstab: mounts_resolve`: every filesystem of fstab(5) is on the disk, every mount point in the tree.
//!
//! Entries with `nofail` or `noauto` may be missing. Network and virtual filesystems have no source to look for; a device
//! name counts where it is that of the first disk, as the guest will find it.

use super::{Fault, Found, Scene, Verdict};
use crate::disk::names_partition;
use crate::guest::{Fstab, FstabEntry, FstabSpec};
use imgctl_vfs::{FileKind, GuestPath};
use imgctl_volume::{Content, ContentKind, Partition};

pub(super) fn judge(scene: &Scene<'_>) -> Verdict {
    Verdict::new("/etc/fstab", "every mount resolves", found(scene))
}

fn found(scene: &Scene<'_>) -> Found {
    let mut faults = Vec::new();
    for entry in Fstab::read(scene.guest.tree())?.entries {
        let tolerated = ["nofail", "noauto"];
        if entry.options.iter().any(|option| tolerated.contains(&option.as_str())) {
            continue;
        }
        let mut told = source_fault(scene, &entry)?;
        told.extend(mount_point_fault(scene, &entry)?);
        faults.extend(told.into_iter().map(|fault| format!("line {}: {fault}", entry.line)));
    }
    Ok(faults)
}

fn source_fault(scene: &Scene<'_>, entry: &FstabEntry) -> Result<Vec<String>, Fault> {
    let is_bind = entry.options.iter().any(|option| option == "bind" || option == "rbind");
    let spec = &entry.spec;
    if let FstabSpec::Other(name) = spec {
        // The source of a bind mount and a swap file are paths of the guest; everything else is not on this disk.
        let is_path = name.starts_with(b"/") && (is_bind || entry.fs_type == "swap");
        let is_missing = is_path && !scene.guest.exists(&GuestPath::new(name)?)?;
        return Ok(is_missing.then(|| format!("{spec} is not there")).into_iter().collect());
    }
    let mut partitions = scene.partitions.iter();
    let partition = partitions.find(|(partition, content)| names_partition(spec, partition, content));
    Ok(match partition {
        None => vec![format!("{spec} is not on this disk")],
        Some((partition, content)) => type_fault(entry, partition, content).into_iter().collect(),
    })
}

/// That the filesystem is none of the named type, where that is certain.
fn type_fault(entry: &FstabEntry, partition: &Partition, content: &Content) -> Option<String> {
    let is_one = |name: &str| match name {
        "auto" | "none" => true,
        "ext2" | "ext3" | "ext4" => content.kind.is_ext(),
        "vfat" | "msdos" => content.kind == ContentKind::Fat,
        "xfs" => content.kind == ContentKind::Xfs,
        "btrfs" => content.kind == ContentKind::Btrfs,
        "swap" => content.kind == ContentKind::Swap,
        _ => true,
    };
    (!entry.fs_type.split(',').any(is_one)).then(|| {
        let number = crate::disk::describe(partition.number);
        format!("{} holds {}, not {}", number, content.kind, entry.fs_type)
    })
}

fn mount_point_fault(scene: &Scene<'_>, entry: &FstabEntry) -> Result<Option<String>, Fault> {
    let Some(path) = entry.mount_point.as_ref().filter(|_| entry.fs_type != "swap") else {
        return Ok(None);
    };
    Ok(match scene.guest.metadata(path)? {
        Some(metadata) if metadata.kind == FileKind::Directory => None,
        Some(metadata) => Some(format!("the mount point {path} is a {}", metadata.kind.name())),
        None => Some(format!("the mount point {path} is not there")),
    })
}
