//! The filesystem: opening and reading it.

use crate::format::boot::Geometry;
use crate::format::directory::{self, Fields, MAX_SLOTS, Record, SLOT_BYTES};
use crate::format::time::DosTime;
use crate::nodes::{Nodes, ROOT};
use crate::table::Table;
use crate::{Error, FatKind, Summary, check, probe};
use imgctl_block::{BlockDevice, BlockRead};
use imgctl_vfs::{
    Capabilities, DirEntry, ErrorKind, FileFlags, FileKind, Metadata, NodeId, ReadFs, Result, StatFs, Timestamp,
    check_name,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How to open a filesystem.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FatOptions {
    /// The time that everything written is stamped with.
    pub now: Timestamp,
    /// Refuse every change.
    pub read_only: bool,
}

/// A FAT12, FAT16 or FAT32 filesystem.
///
/// Directories and files are 0755 root:root, as the Linux kernel shows them by default; files that are marked read-only are
/// 0555. Asking for another owner or other permissions changes nothing: see
/// [`capabilities`](ReadFs::capabilities).
#[derive(Debug)]
pub struct Fat {
    pub(crate) device: Arc<dyn BlockDevice>,
    pub(crate) geometry: Geometry,
    pub(crate) table: Table,
    pub(crate) now: DosTime,
    pub(crate) read_only: bool,
    nodes: Mutex<Nodes>,
    /// Whether there is anything to commit.
    pub(crate) changed: bool,
    /// Whether a change failed halfway, so that a commit would leave a damaged filesystem.
    pub(crate) broken: bool,
    /// Directories whose entries changed.
    pub(crate) touched_directories: BTreeSet<NodeId>,
    /// Files whose content or length changed.
    pub(crate) touched_files: BTreeSet<NodeId>,
}

/// A directory's bytes, and where on the device they come from.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) bytes: Vec<u8>,
    /// Where each piece of `piece_bytes` begins.
    pieces: Vec<u64>,
    piece_bytes: usize,
}

impl Directory {
    /// Reads the directory that begins at `cluster`, or the root directory.
    pub(crate) fn read(
        device: &dyn BlockRead,
        geometry: &Geometry,
        table: &Table,
        cluster: Option<u32>,
    ) -> std::result::Result<Self, Error> {
        let first = match (cluster, geometry.kind) {
            (Some(cluster), _) => cluster,
            (None, FatKind::Fat32) => geometry.root_cluster,
            (None, _) => {
                let length = geometry.root_bytes as usize;
                return Ok(Self {
                    bytes: device.read_vec(geometry.root_at, length)?,
                    pieces: vec![geometry.root_at],
                    piece_bytes: length,
                });
            }
        };
        let piece_bytes = geometry.cluster_bytes() as usize;
        let (mut bytes, mut pieces) = (Vec::new(), Vec::new());
        let damaged = |reason: String| Error::Damaged {
            path: format!("the directory at cluster {first}"),
            reason,
        };
        for cluster in table.chain(first) {
            let cluster = cluster.map_err(|fault| damaged(fault.to_string()))?;
            if bytes.len() >= MAX_SLOTS * SLOT_BYTES {
                return Err(damaged("it is larger than 2 MiB".to_owned()));
            }
            let at = geometry.cluster_at(cluster);
            let start = bytes.len();
            bytes.resize(start + piece_bytes, 0);
            device.read_at(at, &mut bytes[start..])?;
            pieces.push(at);
        }
        Ok(Self {
            bytes,
            pieces,
            piece_bytes,
        })
    }

    pub(crate) fn slots(&self) -> usize {
        self.bytes.len() / SLOT_BYTES
    }

    /// Where a slot is on the device.
    pub(crate) fn position(&self, slot: usize) -> u64 {
        let offset = slot * SLOT_BYTES;
        let piece = self.pieces.get(offset / self.piece_bytes).copied().unwrap_or(0);
        piece + (offset % self.piece_bytes) as u64
    }
}

/// A directory and what it lists.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) directory: Directory,
    pub(crate) records: Vec<Record>,
}

impl Listing {
    /// The entry that answers to `name`.
    pub(crate) fn find(&self, name: &str) -> Option<&Record> {
        let folded = directory::fold(name);
        self.records.iter().find(|record| record.answers_to(&folded))
    }

    pub(crate) fn position(&self, record: &Record) -> u64 {
        self.directory.position(record.slot)
    }
}

pub(crate) fn error(kind: ErrorKind, context: impl Into<String>) -> imgctl_vfs::Error {
    imgctl_vfs::Error::new(kind, context)
}

pub(crate) fn device_error(source: imgctl_block::Error) -> imgctl_vfs::Error {
    Error::Device(source).into()
}

impl Fat {
    /// Opens the filesystem on `device` and checks all its directories and chains.
    ///
    /// A filesystem that was not unmounted is opened: its structures were just found to be sound.
    pub fn open(device: Arc<dyn BlockDevice>, options: FatOptions) -> std::result::Result<Self, Error> {
        let geometry = probe::read_geometry(&device)?;
        let mut table = Table::read(&device, &geometry)?;
        check::check(&device, &geometry, &table)?;
        table.next_free = crate::commit::next_free_hint(&device, &geometry)?;
        Ok(Self {
            device,
            geometry,
            table,
            now: DosTime::from_timestamp(options.now),
            read_only: options.read_only,
            nodes: Mutex::new(Nodes::new()),
            changed: false,
            broken: false,
            touched_directories: BTreeSet::new(),
            touched_files: BTreeSet::new(),
        })
    }

    /// The filesystem's kind, label and serial number.
    #[must_use]
    pub fn summary(&self) -> Summary {
        probe::probe(&self.device).unwrap_or(Summary {
            kind: self.geometry.kind,
            label: None,
            serial: self.geometry.serial,
        })
    }

    pub(crate) fn nodes(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a node's entry says, or `None` for the root, which has no entry.
    pub(crate) fn fields(&self, node: NodeId) -> Result<Option<Fields>> {
        if node == ROOT {
            return Ok(None);
        }
        let position = self.entry_position(node)?;
        let mut slot = [0; SLOT_BYTES];
        self.device.read_at(position, &mut slot).map_err(device_error)?;
        let wide = self.geometry.kind == FatKind::Fat32;
        Ok(Fields::parse(&slot, wide))
    }

    pub(crate) fn entry_position(&self, node: NodeId) -> Result<u64> {
        let position = self.nodes().get(node).map(|known| known.position);
        position.ok_or_else(|| error(ErrorKind::NotFound, format!("there is no node {}", node.0)))
    }

    /// The first cluster of a directory, or `None` for the root.
    pub(crate) fn directory_cluster(&self, node: NodeId) -> Result<Option<u32>> {
        match self.fields(node)? {
            Some(fields) if fields.is_directory() => Ok(Some(fields.cluster)),
            Some(_) => Err(error(ErrorKind::NotADirectory, "not a directory")),
            None => Ok(None),
        }
    }

    pub(crate) fn listing(&self, node: NodeId) -> Result<Listing> {
        let cluster = self.directory_cluster(node)?;
        let directory = Directory::read(&self.device, &self.geometry, &self.table, cluster)?;
        let records = directory::records(&directory.bytes, self.geometry.kind == FatKind::Fat32);
        Ok(Listing { directory, records })
    }

    /// What the entry of a regular file says.
    pub(crate) fn file_fields(&self, node: NodeId) -> Result<Fields> {
        match self.fields(node)? {
            Some(fields) if !fields.is_directory() => Ok(fields),
            _ => Err(error(ErrorKind::IsADirectory, "a directory has no content")),
        }
    }

    /// The bytes of the device behind runs of clusters.
    pub(crate) fn byte_ranges(&self, runs: Vec<Range<u32>>) -> Vec<Range<u64>> {
        let at = |cluster| self.geometry.cluster_at(cluster);
        runs.into_iter().map(|run| at(run.start)..at(run.end)).collect()
    }

    /// Reads `buf` from the clusters of a chain; the caller has seen to it that the chain is long enough.
    fn read_chain(&self, first: u32, offset: u64, buf: &mut [u8]) -> Result<()> {
        let cluster_bytes = u64::from(self.geometry.cluster_bytes());
        let mut chain = self.table.chain(first);
        let mut within = offset % cluster_bytes;
        let mut next = chain.nth((offset / cluster_bytes) as usize);
        let mut done = 0;
        while done < buf.len() {
            let cluster = match next.take() {
                Some(Ok(cluster)) => cluster,
                Some(Err(fault)) => return Err(error(ErrorKind::Corrupt, fault.to_string())),
                None => {
                    return Err(error(
                        ErrorKind::Corrupt,
                        "a file has fewer clusters than its size needs",
                    ));
                }
            };
            // Neighbouring clusters are read at once.
            let mut length = cluster_bytes - within;
            let mut last = cluster;
            loop {
                next = chain.next();
                if length >= (buf.len() - done) as u64 || next != Some(Ok(last + 1)) {
                    break;
                }
                last += 1;
                length += cluster_bytes;
            }
            let length = (length as usize).min(buf.len() - done);
            let at = self.geometry.cluster_at(cluster) + within;
            self.device
                .read_at(at, &mut buf[done..done + length])
                .map_err(device_error)?;
            done += length;
            within = 0;
        }
        Ok(())
    }

    fn directory_metadata(&self, node: NodeId, fields: Option<Fields>) -> Result<Metadata> {
        let listing = self.listing(node)?;
        let subdirectories = listing.records.iter().filter(|record| record.fields.is_directory());
        let links = 2 + subdirectories.count() as u32;
        let size = listing.directory.bytes.len() as u64;
        Ok(metadata(FileKind::Directory, size, links, fields))
    }
}

fn metadata(kind: FileKind, size: u64, links: u32, fields: Option<Fields>) -> Metadata {
    let time = |choose: fn(&Fields) -> DosTime| {
        fields
            .as_ref()
            .map_or(Timestamp::default(), |fields| choose(fields).to_timestamp())
    };
    let modified = time(|fields| fields.modified);
    let read_only = kind == FileKind::File && fields.is_some_and(|fields| fields.is_read_only());
    Metadata {
        kind,
        mode: if read_only { 0o555 } else { 0o755 },
        uid: 0,
        gid: 0,
        size,
        links,
        accessed: time(|fields| fields.accessed),
        modified,
        changed: modified,
        created: fields.map(|fields| fields.created.to_timestamp()),
        flags: FileFlags::default(),
    }
}

impl ReadFs for Fat {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            owners: false,
            special_files: false,
            hard_links: false,
            xattrs: false,
        }
    }

    fn root(&self) -> NodeId {
        ROOT
    }

    /// Case does not matter, and a short name (`LONGFI~1.TXT`) is found as well. A name that is not UTF-8 is not there.
    fn lookup(&self, directory: NodeId, name: &[u8]) -> Result<Option<NodeId>> {
        check_name(name)?;
        let listing = self.listing(directory)?;
        let Ok(name) = str::from_utf8(name) else {
            return Ok(None);
        };
        Ok(listing
            .find(name)
            .map(|record| self.nodes().intern(directory, record, listing.position(record))))
    }

    fn metadata(&self, node: NodeId) -> Result<Metadata> {
        match self.fields(node)? {
            Some(fields) if !fields.is_directory() => {
                Ok(metadata(FileKind::File, u64::from(fields.size), 1, Some(fields)))
            }
            fields => self.directory_metadata(node, fields),
        }
    }

    fn read_dir(&self, directory: NodeId) -> Result<Vec<DirEntry>> {
        let listing = self.listing(directory)?;
        let mut nodes = self.nodes();
        let mut entries: Vec<DirEntry> = listing
            .records
            .iter()
            .map(|record| DirEntry {
                name: record.name.clone().into_bytes(),
                node: nodes.intern(directory, record, listing.position(record)),
            })
            .collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    fn read_at(&self, node: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let fields = self.file_fields(node)?;
        let rest = u64::from(fields.size).saturating_sub(offset);
        let length = usize::try_from(rest).unwrap_or(usize::MAX).min(buf.len());
        if length > 0 {
            self.read_chain(fields.cluster, offset, &mut buf[..length])?;
        }
        Ok(length)
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        self.fields(node)?;
        Err(error(ErrorKind::InvalidInput, "not a symbolic link"))
    }

    fn xattrs(&self, node: NodeId) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        self.fields(node)?;
        Ok(BTreeMap::new())
    }

    fn sectors(&self, node: NodeId) -> Result<u64> {
        let cluster_bytes = u64::from(self.geometry.cluster_bytes());
        let clusters = self.metadata(node)?.size.div_ceil(cluster_bytes);
        Ok(clusters.saturating_mul(cluster_bytes / 512))
    }

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs {
            block_bytes: self.geometry.cluster_bytes(),
            blocks: u64::from(self.geometry.clusters),
            free_blocks: u64::from(self.table.free_clusters()),
            available_blocks: u64::from(self.table.free_clusters()),
            nodes: 0,
            free_nodes: 0,
        })
    }

    fn free_ranges(&self) -> Result<Vec<Range<u64>>> {
        Ok(self.byte_ranges(self.table.free_runs(false)))
    }
}
