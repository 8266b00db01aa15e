//! How an image's clusters are stored, counted over all of its tables.

use crate::{Cluster, Error, ExternalFiles, Qcow2Image, Result};
use imgctl_block::{BlockRead, MemoryDevice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The guest's clusters by how they are stored. What is not counted here is not allocated.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Allocation {
    /// All clusters of the guest's disk.
    pub total_clusters: u64,
    /// Stored as they are, or (with subclusters) a part of them.
    pub plain_clusters: u64,
    /// Stored as compressed streams.
    pub compressed_clusters: u64,
    /// Marked as zeros.
    pub zero_clusters: u64,
    /// The bytes of the plain clusters.
    pub plain_bytes: u64,
    /// The bytes of the streams, to within a sector for each: images do not store the exact length.
    pub compressed_bytes: u64,
}

impl Qcow2Image {
    /// Opens the tables of the image in `file`, whatever other files its content needs: those read as nothing.
    pub(crate) fn open_tables(file: Arc<dyn BlockRead>) -> Result<Self> {
        let nothing: Arc<dyn BlockRead> = Arc::new(MemoryDevice::zeroed(0));
        Self::open_with(
            file,
            ExternalFiles {
                backing: Some(Arc::clone(&nothing)),
                data: Some(nothing),
            },
        )
    }
}

/// Counts the clusters of the image in `file`. Other files it may need are not opened; encrypted images are refused.
pub fn allocation(file: Arc<dyn BlockRead>, cancel: Option<&AtomicBool>) -> Result<Allocation> {
    let image = Qcow2Image::open_tables(file)?;
    let size = image.cluster_bytes();
    let mut found = Allocation {
        total_clusters: image.cluster_count(),
        ..Allocation::default()
    };
    let per_table = image.geometry().clusters_per_l2();
    let mut index = 0;
    while index < found.total_clusters {
        if index % per_table == 0 {
            if cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
                return Err(Error::Cancelled);
            }
            if image.l2_offset(index / per_table)?.is_none() {
                index += per_table;
                continue;
            }
        }
        match image.cluster(index)? {
            Cluster::Unallocated => {}
            Cluster::Zero => found.zero_clusters += 1,
            Cluster::Plain { .. } => {
                found.plain_clusters += 1;
                found.plain_bytes += size;
            }
            Cluster::Subclusters { allocated, .. } => {
                found.plain_clusters += u64::from(allocated != 0);
                found.zero_clusters += u64::from(allocated == 0);
                found.plain_bytes += u64::from(allocated.count_ones()) * image.geometry().subcluster_bytes();
            }
            Cluster::Compressed { host_offset, sectors } => {
                found.compressed_clusters += 1;
                found.compressed_bytes += Cluster::stream_bound(host_offset, sectors).min(size);
            }
        }
        index += 1;
    }
    Ok(found)
}
