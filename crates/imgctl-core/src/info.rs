//! What an image is by its own tables, and whether they hold together.

use crate::image::{ImageFormat, LooseImage};
use crate::{Error, ErrorKind, InputOptions, Result};
use imgctl_block::BlockRead;
use imgctl_qcow2::{CheckReport, Summary};
use serde::Serialize;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What an image is. Names come from the image and are untrusted.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ImageInfo {
    /// As it was named.
    pub path: String,
    /// `qcow2` or `raw`.
    pub format: String,
    /// Whether the format was detected by content rather than given.
    pub format_detected: bool,
    /// The disk's length in bytes.
    pub virtual_bytes: u64,
    /// The file's length in bytes.
    pub file_bytes: u64,
    /// What the file occupies on the host, without its holes.
    pub stored_bytes: u64,
    /// `0.10` or `1.1`, and all that follows: of qcow2 only.
    pub compat: Option<String>,
    /// The cluster size.
    pub cluster_bytes: Option<u64>,
    /// The codec of compressed clusters.
    pub compression: Option<String>,
    /// The width of a refcount.
    pub refcount_bits: Option<u32>,
    /// The features in use, sorted.
    pub features: Vec<String>,
    /// The encryption's name.
    pub encryption: Option<String>,
    /// The file below an overlay. It was not opened.
    pub backing_file: Option<String>,
    /// Its format, where the image says so.
    pub backing_format: Option<String>,
    /// The file that has the data. It was not opened.
    pub data_file: Option<String>,
    /// The internal snapshots.
    pub snapshots: Vec<SnapshotInfo>,
    /// How many persistent bitmaps there are.
    pub bitmaps: u32,
    /// How the clusters are stored; `None` where that cannot be told.
    pub allocation: Option<AllocationInfo>,
    /// What could not be told, and why.
    pub notes: Vec<String>,
}

/// An internal snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotInfo {
    /// A short name that is unique.
    pub id: String,
    /// The name that somebody gave it.
    pub name: String,
    /// When it was made, in seconds since 1970.
    pub seconds: u32,
    /// The length of the machine's state.
    pub vm_state_bytes: u64,
    /// The disk's length at that time.
    pub virtual_bytes: Option<u64>,
}

/// How the clusters of the guest's disk are stored.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AllocationInfo {
    /// All of them.
    pub clusters: u64,
    /// Compressed ones.
    pub compressed: u64,
    /// Those stored as they are.
    pub plain: u64,
    /// Those marked as zeros.
    pub zero: u64,
    /// The rest: nothing is stored, nor marked.
    pub unallocated: u64,
    /// The bytes of the compressed clusters in the image, to within a sector for each.
    pub compressed_bytes: u64,
    /// How many times smaller the compressed clusters became.
    pub compression_ratio: Option<f64>,
}

/// Tells what the image at `path` is. No other file is opened, and no content is read.
pub fn info(path: &Path, options: &InputOptions, cancel: &AtomicBool) -> Result<ImageInfo> {
    let image = LooseImage::open(path, options)?;
    let mut info = ImageInfo {
        path: path.display().to_string(),
        format: image.format.to_string(),
        format_detected: image.format_detected,
        virtual_bytes: image.file.len_bytes(),
        file_bytes: image.file.len_bytes(),
        stored_bytes: stored_bytes(&image, path)?,
        compat: None,
        cluster_bytes: None,
        compression: None,
        refcount_bits: None,
        features: Vec::new(),
        encryption: None,
        backing_file: None,
        backing_format: None,
        data_file: None,
        snapshots: Vec::new(),
        bitmaps: 0,
        allocation: None,
        notes: Vec::new(),
    };
    if image.format == ImageFormat::Qcow2 {
        let summary = Summary::read(&*image.file).map_err(|source| unreadable(path, source))?;
        info.describe(summary);
        info.count(&image, cancel)?;
    }
    Ok(info)
}

impl ImageInfo {
    fn describe(&mut self, summary: Summary) {
        let (backing_file, backing_format) = match summary.backing_file {
            Some(backing) => (Some(backing.name), backing.format),
            None => (None, None),
        };
        self.virtual_bytes = summary.virtual_bytes;
        self.compat = Some(if summary.version == 2 { "0.10" } else { "1.1" }.to_owned());
        self.cluster_bytes = Some(summary.cluster_bytes);
        self.compression = Some(summary.codec.to_string());
        self.refcount_bits = Some(summary.refcount_bits);
        self.features = summary.features;
        self.encryption = summary.encryption;
        self.backing_file = backing_file;
        self.backing_format = backing_format;
        self.data_file = summary.data_file;
        self.bitmaps = summary.bitmaps;
    }

    /// What lies behind the header. Damage there is no reason to tell nothing.
    fn count(&mut self, image: &LooseImage, cancel: &AtomicBool) -> Result<()> {
        match imgctl_qcow2::snapshots(&*image.file) {
            Ok(snapshots) => {
                let snapshots = snapshots.into_iter().map(|snapshot| SnapshotInfo {
                    id: snapshot.id,
                    name: snapshot.name,
                    seconds: snapshot.seconds,
                    vm_state_bytes: snapshot.vm_state_bytes,
                    virtual_bytes: snapshot.virtual_bytes,
                });
                self.snapshots = snapshots.collect();
            }
            Err(error) => self.notes.push(format!("the snapshots cannot be listed: {error}")),
        }
        let file: Arc<dyn BlockRead> = image.file.clone();
        match imgctl_qcow2::allocation(file, Some(cancel)) {
            Ok(found) => self.allocation = Some(AllocationInfo::of(&found, self.cluster_bytes.unwrap_or(0))),
            Err(imgctl_qcow2::Error::Cancelled) => return Err(crate::stages::cancelled()),
            Err(error) => self.notes.push(format!("the clusters cannot be counted: {error}")),
        }
        Ok(())
    }
}

impl AllocationInfo {
    fn of(found: &imgctl_qcow2::Allocation, cluster_bytes: u64) -> Self {
        let stored = found.compressed_clusters + found.plain_clusters + found.zero_clusters;
        let whole = found.compressed_clusters * cluster_bytes;
        Self {
            clusters: found.total_clusters,
            compressed: found.compressed_clusters,
            plain: found.plain_clusters,
            zero: found.zero_clusters,
            unallocated: found.total_clusters - stored,
            compressed_bytes: found.compressed_bytes,
            // Two digits are more than the sectors' slack allows.
            compression_ratio: (found.compressed_bytes > 0)
                .then(|| (whole as f64 / found.compressed_bytes as f64 * 100.0).round() / 100.0),
        }
    }
}

/// Checks the tables and refcounts of the qcow2 image at `path`; `None` for raw images, which have none.
pub fn check(path: &Path, options: &InputOptions, cancel: &AtomicBool) -> Result<Option<CheckReport>> {
    let image = LooseImage::open(path, options)?;
    if image.format == ImageFormat::Raw {
        return Ok(None);
    }
    match imgctl_qcow2::check(&*image.file, Some(cancel)) {
        Ok(report) => Ok(Some(report)),
        Err(imgctl_qcow2::Error::Cancelled) => Err(crate::stages::cancelled()),
        Err(source) => Err(unreadable(path, source)),
    }
}

fn stored_bytes(image: &LooseImage, path: &Path) -> Result<u64> {
    let metadata = image.file.file().metadata().map_err(|source| {
        Error::new(ErrorKind::Other, format!("cannot examine {}", path.display())).with_source(source)
    })?;
    Ok(metadata.blocks() * 512)
}

fn unreadable(path: &Path, source: imgctl_qcow2::Error) -> Error {
    Error::new(
        ErrorKind::Image,
        format!("cannot read the qcow2 image {}", path.display()),
    )
    .with_source(source)
}
