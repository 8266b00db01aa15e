//! What a byte of a disk belongs to.
//!
//! No engine tells which file has a block. So the disk is read through a device with a tripwire at the byte in question:
//! the file whose reading trips it is the one.

use super::Difference;
use crate::disk::{Access, Disk, describe, is_supported, open_filesystem};
use imgctl_block::{BlockRead, Extent, Overlay};
use imgctl_vfs::{FileKind, Found, Timestamp, Tree};
use imgctl_volume::{ContentKind, Partition};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const READ_BYTES: u64 = 1 << 20;

/// Tells what lies at `offset`, which is where the disks differ. The first one's structures are believed; where it ends
/// before, the other's.
pub(super) fn locate(one: Arc<dyn BlockRead>, other: Arc<dyn BlockRead>, offset: u64) -> Difference {
    let disk = if offset < one.len_bytes() { one } else { other };
    let mut difference = Difference {
        offset,
        partition: None,
        partition_offset: None,
        place: None,
        path: None,
    };
    let wire = Arc::new(Tripwire {
        disk,
        offset,
        tripped: AtomicBool::new(false),
    });
    // A disk that cannot be understood still has its offset.
    let Ok(disk) = Disk::open(Overlay::new(wire.clone()), Path::new("the image")) else {
        return difference;
    };
    let found = disk
        .partitions()
        .find(|(partition, _)| (partition.start..partition.start + partition.length).contains(&offset));
    let Some((partition, content)) = found else {
        difference.place = Some("outside of all partitions (partition table, boot loader, or a gap)".to_owned());
        return difference;
    };
    difference.partition = Some(partition.number);
    difference.partition_offset = Some(offset - partition.start);
    if is_supported(content.kind) {
        let (place, path) = in_filesystem(&disk, partition, content.kind, &wire, offset - partition.start);
        difference.place = place;
        difference.path = path;
    } else {
        difference.place = match content.kind {
            ContentKind::Unknown | ContentKind::Empty => None,
            kind => Some(format!("in {kind}")),
        };
    }
    difference
}

fn in_filesystem(
    disk: &Disk,
    partition: &Partition,
    kind: ContentKind,
    wire: &Tripwire,
    within: u64,
) -> (Option<String>, Option<String>) {
    let Ok(device) = disk.device(partition) else {
        return (None, None);
    };
    let Ok(fs) = open_filesystem(kind, device, Timestamp::default(), Access::ReadOnly) else {
        return (Some(format!("in {kind}, which cannot be read")), None);
    };
    let free = fs.free_ranges().unwrap_or_default();
    if free.iter().any(|range| range.contains(&within)) {
        return (Some(format!("free space of {kind}")), None);
    }
    let tree = Tree::new(describe(partition.number), fs);
    match owner(&tree, wire, partition.length) {
        Some((path, FileKind::Directory)) => (Some("directory".to_owned()), Some(path)),
        Some((path, _)) => (Some("file".to_owned()), Some(path)),
        None => (Some(format!("metadata of {kind}")), None),
    }
}

/// The first file or directory, in the order of the tree, that lies on the wire.
fn owner(tree: &Tree, wire: &Tripwire, partition_bytes: u64) -> Option<(String, FileKind)> {
    let mut buffer = vec![0; READ_BYTES as usize];
    let mut pending = vec![tree.root()];
    let mut seen = BTreeSet::new();
    while let Some(Found { path, node }) = pending.pop() {
        let Ok(metadata) = tree.metadata(node) else {
            continue;
        };
        // Several names for one file, or a loop of directories.
        if !seen.insert(node) {
            continue;
        }
        wire.reset();
        match metadata.kind {
            FileKind::Directory => {
                let entries = tree.read_dir(node).unwrap_or_default();
                pending.extend(entries.into_iter().rev().map(|(name, node)| Found {
                    path: path.join(&name),
                    node,
                }));
            }
            // A longer file has holes longer than the disk: reading it all would take too long.
            FileKind::File if metadata.size <= partition_bytes => {
                let mut offset = 0;
                while offset < metadata.size && !wire.is_tripped() {
                    match tree.fs(node).read_at(node.node, offset, &mut buffer) {
                        Ok(count @ 1..) => offset += count as u64,
                        _ => break,
                    }
                }
            }
            _ => {}
        }
        if wire.is_tripped() {
            return Some((path.to_string(), metadata.kind));
        }
    }
    None
}

/// A disk that notices when one of its bytes is read.
#[derive(Debug)]
struct Tripwire {
    disk: Arc<dyn BlockRead>,
    offset: u64,
    tripped: AtomicBool,
}

impl Tripwire {
    fn reset(&self) {
        self.tripped.store(false, Ordering::Relaxed);
    }

    fn is_tripped(&self) -> bool {
        self.tripped.load(Ordering::Relaxed)
    }
}

impl BlockRead for Tripwire {
    fn len_bytes(&self) -> u64 {
        self.disk.len_bytes()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> imgctl_block::Result<()> {
        if self.offset >= offset && self.offset - offset < buf.len() as u64 {
            self.tripped.store(true, Ordering::Relaxed);
        }
        self.disk.read_at(offset, buf)
    }

    fn extent_at(&self, offset: u64) -> imgctl_block::Result<Extent> {
        self.disk.extent_at(offset)
    }
}
