//! Everything that can be told of an image without changing it.

use super::{Access, Assembly, Disk, MountPoint, assemble, engine, is_supported};
use crate::guest::OsRelease;
use crate::image::{BaseDisk, BaseImage};
use crate::inspect::{GuestInspection, Inspection, PackageCount, PartitionInspection, Usage};
use crate::receipt::MountRecord;
use crate::{InputOptions, Result};
use imgctl_block::{BlockRead, Overlay};
use imgctl_package::{Database, Package, PackageState};
use imgctl_vfs::{EscapedBytes, GuestPath, Timestamp, Tree};
use imgctl_volume::{Content, ContentKind, Partition};
use std::collections::BTreeSet;
use std::path::Path;

const MAX_TEXT_BYTES: u64 = 64 << 10;

/// Looks at the image at `path`. What cannot be read inside becomes a note.
pub(crate) fn inspect_image(path: &Path, options: &InputOptions) -> Result<Inspection> {
    let base = BaseImage::open(path, options)?;
    let disk = Disk::open(Overlay::new(base.disk.device()), path)?;
    let mut notes: Vec<String> = disk.layout.warnings.iter().map(ToString::to_string).collect();
    let guest = match assemble(&disk, options.root, Timestamp::default(), Access::ReadOnly) {
        Ok(assembly) => {
            let known = disk.layout.warnings.len();
            notes.extend(assembly.warnings.iter().skip(known).cloned());
            Some(inspect_guest(&assembly))
        }
        Err(error) => {
            notes.push(chain(&error));
            None
        }
    };
    Ok(Inspection {
        path: path.display().to_string(),
        format: base.format().to_string(),
        format_details: format_details(&base.disk),
        file_bytes: base.file_bytes(),
        virtual_bytes: disk.overlay.len_bytes(),
        partition_table: disk.layout.scheme.name().to_owned(),
        partitions: disk
            .partitions()
            .map(|(partition, content)| inspect_partition(&disk, partition, content))
            .collect(),
        guest,
        notes,
    })
}

fn format_details(disk: &BaseDisk) -> Vec<(String, String)> {
    let Some(image) = disk.qcow2() else {
        return Vec::new();
    };
    let summary = image.summary();
    let mut details = vec![
        ("version".to_owned(), summary.version.to_string()),
        ("cluster size".to_owned(), summary.cluster_bytes.to_string()),
        ("compression".to_owned(), summary.codec.to_string()),
        ("refcount bits".to_owned(), summary.refcount_bits.to_string()),
    ];
    if !summary.features.is_empty() {
        details.push(("features".to_owned(), summary.features.join(", ")));
    }
    if summary.snapshots > 0 {
        details.push(("internal snapshots".to_owned(), summary.snapshots.to_string()));
    }
    details
}

fn inspect_partition(disk: &Disk, partition: &Partition, content: &Content) -> PartitionInspection {
    let mut inspection = PartitionInspection {
        number: partition.number,
        start: partition.start,
        bytes: partition.length,
        kind: partition.kind.to_string(),
        name: partition.name.clone(),
        id: partition.id.map(|id| id.to_string()),
        content: content.kind.to_string(),
        label: content.label.as_ref().map(|label| EscapedBytes(label).to_string()),
        uuid: content.uuid.clone(),
        features: Vec::new(),
        usage: None,
        note: None,
    };
    let Ok(device) = disk.device(partition) else {
        return inspection;
    };
    inspection.features = match content.kind {
        kind if kind.is_ext() => imgctl_ext4::probe(&device).map(|summary| summary.features),
        ContentKind::Xfs => imgctl_xfs::probe(&device).map(|summary| summary.features),
        _ => None,
    }
    .unwrap_or_default();
    if is_supported(content.kind) {
        let usage =
            engine::open(content.kind, device, Timestamp::default(), Access::ReadOnly).and_then(|fs| fs.statfs());
        match usage {
            Ok(usage) => {
                let block = u64::from(usage.block_bytes);
                inspection.usage = Some(Usage {
                    bytes: usage.blocks.saturating_mul(block),
                    free_bytes: usage.free_blocks.saturating_mul(block),
                });
            }
            Err(error) => inspection.note = Some(chain(&error)),
        }
    }
    inspection
}

fn inspect_guest(assembly: &Assembly) -> GuestInspection {
    let tree = &assembly.tree;
    GuestInspection {
        os: OsRelease::read(tree).ok().flatten().unwrap_or_default(),
        root_partition: assembly.mounts[0].partition.number,
        mounts: mount_records(&assembly.mounts),
        kernels: kernels(tree),
        packages: packages(tree),
        hostname: text(tree, "/etc/hostname")
            .map(|text| text.trim().to_owned())
            .filter(|name| !name.is_empty()),
    }
}

/// The mounts as receipts and inspections show them.
pub(crate) fn mount_records(mounts: &[MountPoint]) -> Vec<MountRecord> {
    let records = mounts.iter().map(|mount| MountRecord {
        path: mount.path.to_string(),
        partition: mount.partition.number,
        filesystem: mount.kind.to_string(),
    });
    records.collect()
}

/// The versions of kernels that have an image in /boot or modules in /lib/modules.
fn kernels(tree: &Tree) -> Vec<String> {
    let images = names(tree, "/boot")
        .into_iter()
        .filter_map(|name| name.strip_prefix("vmlinuz-").map(str::to_owned));
    let modules = names(tree, "/lib/modules");
    images.chain(modules).collect::<BTreeSet<_>>().into_iter().collect()
}

fn names(tree: &Tree, folder: &str) -> Vec<String> {
    let listed = || -> imgctl_vfs::Result<Vec<String>> {
        let Some(found) = tree.find(&GuestPath::new(folder)?)? else {
            return Ok(Vec::new());
        };
        let entries = tree.read_dir(found.node)?;
        Ok(entries
            .into_iter()
            .map(|(name, _)| EscapedBytes(&name).to_string())
            .collect())
    };
    listed().unwrap_or_default()
}

/// What the package manager lists as installed; of a database that cannot be read, only whose it is.
fn packages(tree: &Tree) -> Option<PackageCount> {
    match Database::read(tree) {
        Ok(database) => {
            let database = database?;
            let is_installed = |package: &&Package| package.state == PackageState::Installed;
            Some(PackageCount {
                database: database.manager.to_string(),
                installed: Some(database.packages.iter().filter(is_installed).count() as u64),
            })
        }
        Err(_) => {
            let databases = [
                ("dpkg", "/var/lib/dpkg/status"),
                ("apk", "/lib/apk/db/installed"),
                ("rpm", "/"),
            ];
            let is_there = |path: &str| GuestPath::new(path).is_ok_and(|path| matches!(tree.find(&path), Ok(Some(_))));
            let (database, _) = databases.iter().find(|(_, path)| is_there(path))?;
            Some(PackageCount {
                database: (*database).to_owned(),
                installed: None,
            })
        }
    }
}

fn text(tree: &Tree, path: &str) -> Option<String> {
    let content = content(tree, path, MAX_TEXT_BYTES)?;
    Some(EscapedBytes(content.trim_ascii()).to_string())
}

fn content(tree: &Tree, path: &str, limit_bytes: u64) -> Option<Vec<u8>> {
    let found = tree.find(&GuestPath::new(path).ok()?).ok()??;
    tree.read_file(found.node, limit_bytes).ok()
}

/// An error with its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
