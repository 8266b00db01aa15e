//! The guest's disk inside a qcow2 image, as a device to read.

use crate::cache::Cache;
use crate::codec::Decoder;
use crate::format::address::Geometry;
use crate::format::bytes::u64_table;
use crate::format::header::{COMPATIBLE_LAZY_REFCOUNTS, Header};
use crate::format::tables::{Cluster, EntryRules};
use crate::{Codec, Error, Result, Summary};
use imgctl_block::{BlockRead, Extent, ExtentKind};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// How much memory the cached L2 tables may take, but for images with large clusters: there it is four tables.
const TABLE_CACHE_BYTES: u64 = 4 << 20;
/// The same for decompressed clusters.
const CLUSTER_CACHE_BYTES: u64 = 16 << 20;
/// How many table entries one [`BlockRead::extent_at`] looks at, at most.
const EXTENT_STEPS: u32 = 2048;

/// The files an image may need besides its own. They are opened by the caller, who knows what is allowed.
#[derive(Clone, Debug, Default)]
pub struct ExternalFiles {
    /// The guest-visible content of the backing file. It may be shorter than the overlay: zeros follow its end.
    pub backing: Option<Arc<dyn BlockRead>>,
    /// The bytes of the external data file.
    pub data: Option<Arc<dyn BlockRead>>,
}

/// An open qcow2 image.
///
/// Tables are read and checked when they are needed, so opening costs the header and the L1 table.
pub struct Qcow2Image {
    file: Arc<dyn BlockRead>,
    data: Arc<dyn BlockRead>,
    backing: Option<Arc<dyn BlockRead>>,
    header: Header,
    rules: EntryRules,
    l1: Vec<u64>,
    tables: Cache<L2Table>,
    clusters: Cache<Vec<u8>>,
    decoders: Mutex<Vec<Decoder>>,
}

/// An L2 table as it lies in the file: one word per entry, or two with subclusters.
struct L2Table(Vec<u64>);

/// A run of bytes within one guest cluster that are found in one way.
enum Piece {
    Zero,
    Backing,
    Plain { host_offset: u64 },
    Compressed { host_offset: u64, sectors: u32 },
}

impl Qcow2Image {
    /// Opens the image in `file`. An image that needs a backing file or a data file is refused by that file's name.
    pub fn open(file: Arc<dyn BlockRead>) -> Result<Self> {
        Self::open_with(file, ExternalFiles::default())
    }

    /// Opens the image in `file` together with the files it needs; those it does not need are ignored.
    pub fn open_with(file: Arc<dyn BlockRead>, external: ExternalFiles) -> Result<Self> {
        let header = Header::read(&*file)?;
        if let Some(method) = header.encryption() {
            return Err(Error::Encrypted { method });
        }
        let data = match header.data_file() {
            None => Arc::clone(&file),
            Some(name) => external.data.ok_or(Error::DataFile { name })?,
        };
        let backing = match &header.backing_file {
            None => None,
            Some(name) => Some(external.backing.ok_or_else(|| Error::BackingFile {
                name: name.clone(),
                format: header.extensions.backing_format.clone(),
            })?),
        };
        let l1 = read_l1(&*file, &header)?;
        let cluster_bytes = header.geometry.cluster_bytes();
        let rules = EntryRules {
            geometry: header.geometry,
            version: header.version,
            has_data_file: header.data_file().is_some(),
        };
        Ok(Self {
            file,
            data,
            backing,
            header,
            rules,
            l1,
            tables: Cache::new(TABLE_CACHE_BYTES, cluster_bytes),
            clusters: Cache::new(CLUSTER_CACHE_BYTES, cluster_bytes),
            decoders: Mutex::default(),
        })
    }

    /// What the header says.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::of(&self.header, self.file.len_bytes())
    }

    /// The cluster size.
    #[must_use]
    pub fn cluster_bytes(&self) -> u64 {
        self.header.geometry.cluster_bytes()
    }

    /// The number of guest clusters; the last one may pass the disk's end.
    #[must_use]
    pub fn cluster_count(&self) -> u64 {
        self.header.geometry.clusters_for(self.header.virtual_bytes)
    }

    /// The codec of compressed clusters.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.header.codec
    }

    /// The bytes of the image file.
    pub fn file(&self) -> &Arc<dyn BlockRead> {
        &self.file
    }

    /// What lies below an overlay, as given when it was opened.
    #[must_use]
    pub fn backing(&self) -> Option<&Arc<dyn BlockRead>> {
        self.backing.as_ref()
    }

    /// Where the guest cluster `index` is stored. One past the disk's end is [`Cluster::Unallocated`].
    pub fn cluster(&self, index: u64) -> Result<Cluster> {
        let geometry = self.geometry();
        // A table may still hold entries of what the disk had before it was made smaller.
        if index >= self.cluster_count() {
            return Ok(Cluster::Unallocated);
        }
        let Some(table) = self.table(geometry.l1_index(index))? else {
            return Ok(Cluster::Unallocated);
        };
        self.entry(&table, index)
    }

    /// The exact bytes of a compressed cluster's stream, without what may lie behind its end; `None` when the cluster
    /// is not compressed, or when its stream has no end within its bounds (qemu reads it all the same).
    pub fn compressed_bytes(&self, index: u64) -> Result<Option<Vec<u8>>> {
        let Cluster::Compressed { host_offset, sectors } = self.cluster(index)? else {
            return Ok(None);
        };
        let mut bytes = self.stream_area(host_offset, sectors, index)?;
        let mut cluster = vec![0; self.cluster_bytes() as usize];
        let end = self.decode(&bytes, &mut cluster, index)?;
        Ok(end.map(|length| {
            bytes.truncate(length);
            bytes
        }))
    }

    /// Where a plain cluster begins in the file.
    pub(crate) fn plain_place(&self, index: u64) -> Result<u64> {
        match self.cluster(index)? {
            Cluster::Plain { host_offset } if host_offset < self.file.len_bytes() => Ok(host_offset),
            Cluster::Plain { .. } => Err(self.truncated(index)),
            _ => Err(Error::SourceChanged {
                guest_offset: index * self.cluster_bytes(),
            }),
        }
    }

    /// Calls `visit` with the guest cluster and the first word of every L2 entry that is not empty, in order.
    pub(crate) fn for_each_entry(&self, mut visit: impl FnMut(u64, u64)) -> Result<()> {
        let geometry = self.geometry();
        let words = if geometry.extended_l2() { 2 } else { 1 };
        for l1_index in 0..self.l1.len() as u64 {
            let Some(table) = self.table(l1_index)? else {
                continue;
            };
            let first = l1_index * geometry.clusters_per_l2();
            for (guest, entry) in (first..).zip(table.0.iter().step_by(words)) {
                if *entry != 0 {
                    visit(guest, *entry);
                }
            }
        }
        Ok(())
    }

    /// Where the first `count` refcount blocks lie; 0 for one that is not there.
    pub(crate) fn refcount_blocks(&self, count: usize) -> Result<Vec<u64>> {
        let room = u64::from(self.header.refcount_table_clusters) * self.cluster_bytes();
        let length = (count * 8).min(room as usize);
        let bytes = self.file.read_vec(self.header.refcount_table_offset, length)?;
        Ok(u64_table(&bytes))
    }

    /// Whether the image lets refcounts be written late.
    pub(crate) fn has_lazy_refcounts(&self) -> bool {
        self.header.compatible & COMPATIBLE_LAZY_REFCOUNTS != 0
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.header.geometry
    }

    /// The L1 entry's words as they lie in the file.
    pub(crate) fn l2_offset(&self, l1_index: u64) -> Result<Option<u64>> {
        let entry = usize::try_from(l1_index).ok().and_then(|index| self.l1.get(index));
        entry.map_or(Ok(None), |entry| self.rules.parse_l1(*entry, l1_index))
    }

    fn table(&self, l1_index: u64) -> Result<Option<Arc<L2Table>>> {
        let Some(offset) = self.l2_offset(l1_index)? else {
            return Ok(None);
        };
        if let Some(table) = self.tables.get(l1_index) {
            return Ok(Some(table));
        }
        let length = self.cluster_bytes() as usize;
        let bytes = self.file.read_vec(offset, length).map_err(|error| match error {
            imgctl_block::Error::OutOfBounds { .. } => Error::Damaged {
                structure: "L2 table",
                offset,
                problem: "the file ends before it does; is the image complete?",
            },
            other => other.into(),
        })?;
        let table = Arc::new(L2Table(u64_table(&bytes)));
        self.tables.put(l1_index, &table);
        Ok(Some(table))
    }

    fn entry(&self, table: &L2Table, index: u64) -> Result<Cluster> {
        let geometry = self.geometry();
        let at = geometry.l2_index(index) as usize;
        let (entry, bitmap) = if geometry.extended_l2() {
            (table.0[2 * at], table.0[2 * at + 1])
        } else {
            (table.0[at], 0)
        };
        let guest_offset = index * geometry.cluster_bytes();
        self.rules.parse_l2(entry, bitmap, guest_offset)
    }

    /// The bytes a compressed cluster's stream may occupy: up to its last sector's end, or the file's.
    fn stream_area(&self, host_offset: u64, sectors: u32, index: u64) -> Result<Vec<u8>> {
        let bound = Cluster::stream_bound(host_offset, sectors);
        let available = self.file.len_bytes().saturating_sub(host_offset);
        if available == 0 {
            return Err(self.truncated(index));
        }
        Ok(self.file.read_vec(host_offset, bound.min(available) as usize)?)
    }

    /// Decompresses the stream at the start of `bytes` into `cluster`. Returns the stream's length if it ends.
    pub(crate) fn decode(&self, bytes: &[u8], cluster: &mut [u8], index: u64) -> Result<Option<usize>> {
        let mut decoder = self.lock_decoders().pop().unwrap_or_else(|| Decoder::new(self.codec()));
        let decoded = decoder.decode(bytes, cluster);
        self.lock_decoders().push(decoder);
        decoded.map_err(|_| Error::BadStream {
            guest_offset: index * self.cluster_bytes(),
            codec: self.codec(),
        })
    }

    fn lock_decoders(&self) -> std::sync::MutexGuard<'_, Vec<Decoder>> {
        self.decoders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn truncated(&self, index: u64) -> Error {
        Error::Damaged {
            structure: "cluster of the guest",
            offset: index * self.cluster_bytes(),
            problem: "the file ends before it does; is the image complete?",
        }
    }

    /// What lies at `within` a cluster, and how many bytes from there are found in the same way.
    fn piece(&self, cluster: Cluster, within: u64) -> (Piece, u64) {
        let rest = self.cluster_bytes() - within;
        match cluster {
            Cluster::Unallocated => (self.unallocated(), rest),
            Cluster::Zero => (Piece::Zero, rest),
            Cluster::Plain { host_offset } => (
                Piece::Plain {
                    host_offset: host_offset + within,
                },
                rest,
            ),
            Cluster::Compressed { host_offset, sectors } => (Piece::Compressed { host_offset, sectors }, rest),
            Cluster::Subclusters {
                host_offset,
                allocated,
                zero,
            } => {
                let size = self.geometry().subcluster_bytes();
                let first = within / size;
                let kind = |number: u64| (allocated >> number & 1, zero >> number & 1);
                let mut end = first + 1;
                while end * size < self.cluster_bytes() && kind(end) == kind(first) {
                    end += 1;
                }
                let piece = match kind(first) {
                    (0, 0) => self.unallocated(),
                    (0, _) => Piece::Zero,
                    _ => Piece::Plain {
                        host_offset: host_offset + within,
                    },
                };
                (piece, end * size - within)
            }
        }
    }

    fn unallocated(&self) -> Piece {
        if self.backing.is_some() {
            Piece::Backing
        } else {
            Piece::Zero
        }
    }

    /// Fills `buf` from `within` the cluster `index`, of which all of `buf` is one piece.
    fn read_piece(&self, piece: &Piece, index: u64, within: u64, buf: &mut [u8]) -> Result<()> {
        match piece {
            Piece::Zero => buf.fill(0),
            Piece::Backing => self.read_backing(index * self.cluster_bytes() + within, buf)?,
            Piece::Plain { host_offset } => self.read_plain(*host_offset, buf, index)?,
            Piece::Compressed { host_offset, sectors } => {
                self.read_compressed(*host_offset, *sectors, index, within, buf)?
            }
        }
        Ok(())
    }

    fn read_plain(&self, host_offset: u64, buf: &mut [u8], index: u64) -> Result<()> {
        // The last cluster of a file may be cut where the guest's disk ended; qemu reads zeros there. A cluster that
        // begins outside means that the file itself was cut.
        let available = self.data.len_bytes().saturating_sub(host_offset);
        if available == 0 && host_offset & (self.cluster_bytes() - 1) == 0 {
            return Err(self.truncated(index));
        }
        let length = available.min(buf.len() as u64) as usize;
        let (stored, beyond) = buf.split_at_mut(length);
        if !stored.is_empty() {
            self.data.read_at(host_offset, stored)?;
        }
        beyond.fill(0);
        Ok(())
    }

    fn read_backing(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let Some(backing) = &self.backing else {
            buf.fill(0);
            return Ok(());
        };
        let available = backing.len_bytes().saturating_sub(offset);
        let length = available.min(buf.len() as u64) as usize;
        let (stored, beyond) = buf.split_at_mut(length);
        if !stored.is_empty() {
            backing.read_at(offset, stored)?;
        }
        beyond.fill(0);
        Ok(())
    }

    fn read_compressed(&self, host_offset: u64, sectors: u32, index: u64, within: u64, buf: &mut [u8]) -> Result<()> {
        // A whole cluster goes straight to its reader and leaves the cache to those who read bit by bit.
        if buf.len() as u64 == self.cluster_bytes() {
            let bytes = self.stream_area(host_offset, sectors, index)?;
            self.decode(&bytes, buf, index)?;
            return Ok(());
        }
        let cluster = match self.clusters.get(index) {
            Some(cluster) => cluster,
            None => {
                let bytes = self.stream_area(host_offset, sectors, index)?;
                let mut cluster = vec![0; self.cluster_bytes() as usize];
                self.decode(&bytes, &mut cluster, index)?;
                let cluster = Arc::new(cluster);
                self.clusters.put(index, &cluster);
                cluster
            }
        };
        let start = within as usize;
        buf.copy_from_slice(&cluster[start..start + buf.len()]);
        Ok(())
    }

    /// Whether `length` bytes from `within` the cluster `index` are a hole, and how far that holds.
    fn piece_extent(&self, piece: &Piece, offset: u64, length: u64) -> imgctl_block::Result<Extent> {
        let kind = match piece {
            Piece::Zero => ExtentKind::Hole,
            Piece::Plain { .. } | Piece::Compressed { .. } => ExtentKind::Data,
            Piece::Backing => match &self.backing {
                Some(backing) if offset < backing.len_bytes() => {
                    return Ok(backing.extent_at(offset)?.capped(length));
                }
                _ => ExtentKind::Hole,
            },
        };
        Ok(Extent { kind, length })
    }

    /// The extent from `offset` to the end of its L2 table at most, and the steps it took.
    fn extent_in_table(&self, offset: u64, steps: &mut u32) -> imgctl_block::Result<Extent> {
        let geometry = self.geometry();
        let index = geometry.cluster_of(offset);
        let l1_index = geometry.l1_index(index);
        let table = self.table(l1_index).map_err(|error| error.at_guest_offset(offset))?;
        let end = (l1_index + 1)
            .saturating_mul(geometry.clusters_per_l2())
            .saturating_mul(geometry.cluster_bytes())
            .min(self.header.virtual_bytes);
        let Some(table) = table else {
            *steps += 1;
            return self.piece_extent(&self.unallocated(), offset, end - offset);
        };
        let mut found: Option<Extent> = None;
        let mut position = offset;
        while position < end && *steps < EXTENT_STEPS {
            *steps += 1;
            let index = geometry.cluster_of(position);
            let next = self
                .entry(&table, index)
                .map_err(|error| error.at_guest_offset(position));
            let cluster = match (next, &found) {
                (Ok(cluster), _) => cluster,
                // What was found so far stands; the damage is reported to whoever asks there.
                (Err(_), Some(_)) => break,
                (Err(error), None) => return Err(error),
            };
            let (piece, length) = self.piece(cluster, geometry.within_cluster(position));
            let mut length = length.min(end - position);
            if matches!(piece, Piece::Backing) {
                // The backing file is asked once for all that is its own: each answer looks at many of its entries.
                while position + length < end && *steps < EXTENT_STEPS {
                    let next = self.entry(&table, geometry.cluster_of(position + length));
                    let (Ok(next), within) = (next, geometry.within_cluster(position + length)) else {
                        break;
                    };
                    let (Piece::Backing, more) = self.piece(next, within) else {
                        break;
                    };
                    *steps += 1;
                    length = (length + more).min(end - position);
                }
            }
            let extent = self.piece_extent(&piece, position, length)?;
            match &mut found {
                None => found = Some(extent),
                Some(run) if run.kind == extent.kind => run.length += extent.length,
                Some(_) => break,
            }
            position += extent.length;
            if extent.length < length {
                break;
            }
        }
        Ok(found.unwrap_or(Extent {
            kind: ExtentKind::Data,
            length: 1,
        }))
    }
}

impl fmt::Debug for Qcow2Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Qcow2Image")
            .field("file", &self.file)
            .field("header", &self.header)
            .field("backing", &self.backing)
            .finish_non_exhaustive()
    }
}

impl BlockRead for Qcow2Image {
    fn len_bytes(&self) -> u64 {
        self.header.virtual_bytes
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> imgctl_block::Result<()> {
        check_range(self.len_bytes(), offset, buf.len() as u64)?;
        let geometry = self.geometry();
        let mut done = 0;
        while done < buf.len() {
            let position = offset + done as u64;
            let index = geometry.cluster_of(position);
            let within = geometry.within_cluster(position);
            let damaged = |error: Error| error.at_guest_offset(position);
            let (piece, length) = self.piece(self.cluster(index).map_err(damaged)?, within);
            let length = length.min((buf.len() - done) as u64) as usize;
            let part = &mut buf[done..done + length];
            self.read_piece(&piece, index, within, part).map_err(damaged)?;
            done += length;
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> imgctl_block::Result<Extent> {
        check_range(self.len_bytes(), offset, 1)?;
        let mut steps = 0;
        let mut run = self.extent_in_table(offset, &mut steps)?;
        while steps < EXTENT_STEPS && offset + run.length < self.len_bytes() {
            let next = self.extent_in_table(offset + run.length, &mut steps);
            match next {
                Ok(next) if next.kind == run.kind => run.length += next.length,
                _ => break,
            }
        }
        Ok(run)
    }
}

fn check_range(device_bytes: u64, offset: u64, length: u64) -> imgctl_block::Result<()> {
    match offset.checked_add(length) {
        Some(end) if end <= device_bytes => Ok(()),
        _ => Err(imgctl_block::Error::OutOfBounds {
            offset,
            length,
            device_bytes,
        }),
    }
}

/// Reads `length` bytes, of which those past the file's end are zeros, as qemu reads tables.
pub(crate) fn read_padded(file: &dyn BlockRead, offset: u64, length: usize) -> Result<Vec<u8>> {
    let available = file.len_bytes().saturating_sub(offset).min(length as u64) as usize;
    let mut bytes = match available {
        0 => Vec::new(),
        available => file.read_vec(offset, available)?,
    };
    bytes.resize(length, 0);
    Ok(bytes)
}

fn read_l1(file: &dyn BlockRead, header: &Header) -> Result<Vec<u64>> {
    // The table may be longer than the disk needs, after it was made smaller.
    let entries = header.geometry.l1_entries_for(header.virtual_bytes);
    let entries = entries.min(header.l1_entries.into());
    let bytes = file
        .read_vec(header.l1_offset, (entries * 8) as usize)
        .map_err(|error| match error {
            imgctl_block::Error::OutOfBounds { .. } => Error::Damaged {
                structure: "L1 table",
                offset: header.l1_offset,
                problem: "the file ends before it does; is the image complete?",
            },
            other => other.into(),
        })?;
    Ok(u64_table(&bytes))
}
