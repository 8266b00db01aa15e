//! What an image holds, without changing it.

use crate::guest::OsRelease;
use crate::{InputOptions, Result};
use serde::Serialize;
use std::path::Path;

/// Everything [`inspect`] found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// The image as it was named.
    pub path: String,
    /// `qcow2` or `raw`.
    pub format: String,
    /// Details of the format: `version`, `cluster size`, `compression`, in the order to show them.
    pub format_details: Vec<(String, String)>,
    /// The file's length in bytes.
    pub file_bytes: u64,
    /// The disk's length in bytes.
    pub virtual_bytes: u64,
    /// `gpt`, `mbr` or `none`.
    pub partition_table: String,
    /// The partitions, by number.
    pub partitions: Vec<PartitionInspection>,
    /// The guest, where exactly one was found.
    pub guest: Option<GuestInspection>,
    /// Why there is no guest, and other things to know.
    pub notes: Vec<String>,
}

/// One partition.
#[derive(Clone, Debug, Serialize)]
pub struct PartitionInspection {
    /// Its number.
    pub number: u32,
    /// Where it begins, in bytes.
    pub start: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// What the table says it is for.
    pub kind: String,
    /// Its name in the table.
    pub name: Option<String>,
    /// PARTUUID.
    pub id: Option<String>,
    /// What it holds: `ext4`, `vfat`, `swap`, `unknown`…
    pub content: String,
    /// The filesystem's label.
    pub label: Option<String>,
    /// The filesystem's UUID.
    pub uuid: Option<String>,
    /// The filesystem's features.
    pub features: Vec<String>,
    /// Bytes that files can use, and how many are free.
    pub usage: Option<Usage>,
    /// Why more cannot be told.
    pub note: Option<String>,
}

/// How full a filesystem is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Usage {
    /// Bytes that files can use.
    pub bytes: u64,
    /// Of them, free.
    pub free_bytes: u64,
}

/// The guest inside.
#[derive(Clone, Debug, Serialize)]
pub struct GuestInspection {
    /// What os-release says.
    pub os: OsRelease,
    /// The root partition.
    pub root_partition: u32,
    /// Mount points, with partition and filesystem.
    pub mounts: Vec<crate::receipt::MountRecord>,
    /// Installed kernels, by the names below /boot and /lib/modules.
    pub kernels: Vec<String>,
    /// The package manager's database, and how many packages it lists.
    pub packages: Option<PackageCount>,
    /// /etc/hostname.
    pub hostname: Option<String>,
}

/// What a package database lists.
#[derive(Clone, Debug, Serialize)]
pub struct PackageCount {
    /// `dpkg`, `rpm`…
    pub database: String,
    /// Installed packages; `None` where the database cannot be read yet.
    pub installed: Option<u64>,
}

/// Looks at the image at `path`. Damage inside a partition is a note, not an error.
pub fn inspect(path: &Path, options: &InputOptions) -> Result<Inspection> {
    crate::disk::inspect_image(path, options)
}
