//! Lays out a new image: header, refcount table, refcount blocks, L1, L2, then data in the guest's order.

use crate::format::address::{Geometry, SECTOR_BYTES};
use crate::format::extensions::Extensions;
use crate::format::header::{COMPATIBLE_LAZY_REFCOUNTS, Header, INCOMPATIBLE_COMPRESSION};
use crate::format::{refcount, tables};
use crate::{BackingFile, Codec, Error, Result};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt};

/// How many bytes are gathered before they are written.
const PENDING_BYTES: usize = 1 << 20;

/// What an image is to be.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) geometry: Geometry,
    pub(crate) virtual_bytes: u64,
    pub(crate) codec: Codec,
    /// 2 or 3.
    pub(crate) version: u32,
    pub(crate) lazy_refcounts: bool,
    pub(crate) backing: Option<BackingFile>,
}

/// The room set aside before the data, whose place depends on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reserve {
    /// The L1 entries that may get an L2 table, ascending.
    pub(crate) l1_indexes: Vec<u64>,
    /// The most guest clusters that may be placed.
    pub(crate) clusters: u64,
}

/// What is stored for a guest cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payload<'a> {
    /// The zero flag.
    Zero,
    /// A whole cluster as it is.
    Plain(&'a [u8]),
    /// The same, but the caller writes its bytes to the place that it is told.
    PlainLater,
    /// A compressed stream, shorter than a cluster.
    Stream(&'a [u8]),
}

/// What a finished image holds, to compare with what is read back.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) file_bytes: u64,
    /// Of every table entry that is not empty, in the guest's order.
    pub(crate) entries_digest: u64,
    /// Of every cluster of the file.
    pub(crate) refcounts: Vec<u16>,
}

/// An image being written to an empty file. Clusters are placed in the guest's order.
pub(crate) struct ImageWriter<'a> {
    file: &'a File,
    form: Form,
    places: Places,
    l1: Vec<u64>,
    /// The L2 table being filled: its L1 index, its place, its entries.
    table: Option<(u64, u64, Vec<u64>)>,
    reserved: std::vec::IntoIter<u64>,
    next_table: u64,
    refcounts: Vec<u16>,
    /// The next free byte for a stream; clusters behind it are used.
    stream_next: u64,
    /// The first cluster that nothing has used yet.
    end: u64,
    pending: Pending,
    digest: DefaultHasher,
}

/// Where the tables lie, in bytes.
#[derive(Clone, Copy, Debug)]
struct Places {
    refcount_table_clusters: u64,
    refcount_blocks: u64,
    block_count: u64,
    l1: u64,
    l1_entries: u64,
    l2: u64,
    data: u64,
    /// Where the data ends at the latest.
    data_limit: u64,
}

/// Bytes that follow each other in the file and are written together.
#[derive(Debug, Default)]
struct Pending {
    start: u64,
    bytes: Vec<u8>,
}

impl Places {
    fn new(form: &Form, reserve: &Reserve) -> Result<Self> {
        let geometry = form.geometry;
        let size = geometry.cluster_bytes();
        let l1_entries = geometry.l1_entries_for(form.virtual_bytes).max(1);
        let l1_clusters = geometry.clusters_for(l1_entries * 8);
        let fixed = 1 + l1_clusters + reserve.l1_indexes.len() as u64 + reserve.clusters;
        let (mut blocks, mut table) = (1, 1);
        loop {
            let total = fixed + blocks + table;
            let needed = total.div_ceil(refcount::counts_per_block(geometry));
            let needed_table = needed.div_ceil(refcount::blocks_per_table_cluster(geometry));
            if (needed, needed_table) == (blocks, table) {
                break;
            }
            (blocks, table) = (blocks.max(needed), table.max(needed_table));
        }
        let limit = |what, value, limit| {
            if value > limit {
                return Err(Error::Limit { what, value, limit });
            }
            Ok(())
        };
        // qemu refuses images past these; larger clusters stay below them.
        limit("the L1 size at this cluster size", l1_entries, 4 << 20)?;
        limit(
            "the refcount table's length at this cluster size",
            table * size,
            size.max(8 << 20),
        )?;
        let refcount_blocks = (1 + table) * size;
        let l1 = refcount_blocks + blocks * size;
        let l2 = l1 + l1_clusters * size;
        let data = l2 + reserve.l1_indexes.len() as u64 * size;
        Ok(Self {
            refcount_table_clusters: table,
            refcount_blocks,
            block_count: blocks,
            l1,
            l1_entries,
            l2,
            data,
            data_limit: data + reserve.clusters * size,
        })
    }
}

impl<'a> ImageWriter<'a> {
    /// Begins an image in `file`, which must be empty.
    pub(crate) fn create(file: &'a File, form: Form, reserve: Reserve) -> Result<Self> {
        let places = Places::new(&form, &reserve)?;
        let header = encode_header(&form, &places)?;
        let mut writer = Self {
            file,
            l1: vec![0; places.l1_entries as usize],
            table: None,
            reserved: reserve.l1_indexes.into_iter(),
            next_table: places.l2,
            refcounts: Vec::new(),
            stream_next: places.data,
            end: places.data,
            pending: Pending::default(),
            digest: DefaultHasher::new(),
            form,
            places,
        };
        writer.write(0, &header)?;
        let size = writer.cluster_bytes();
        let before_blocks = writer.places.refcount_blocks;
        writer.count(0, before_blocks);
        writer.count(writer.places.l1, writer.places.l2 - writer.places.l1);
        writer.refcounts.resize((writer.places.data / size) as usize, 0);
        Ok(writer)
    }

    /// Stores `payload` for the guest cluster `guest`, which follows all placed before. Returns where its bytes went.
    pub(crate) fn place(&mut self, guest: u64, payload: Payload<'_>) -> Result<u64> {
        let (entry, host_offset) = match payload {
            Payload::Zero => (tables::encode_zero(), 0),
            Payload::Plain(bytes) => {
                let host_offset = self.end;
                self.end += self.cluster_bytes();
                self.put(host_offset, bytes)?;
                (tables::encode_plain(host_offset), host_offset)
            }
            Payload::PlainLater => {
                let host_offset = self.end;
                self.end += self.cluster_bytes();
                self.count(host_offset, self.cluster_bytes());
                (tables::encode_plain(host_offset), host_offset)
            }
            Payload::Stream(bytes) => {
                let host_offset = self.room_for_stream(bytes.len() as u64);
                self.put(host_offset, bytes)?;
                let bits = self.form.geometry.cluster_bits();
                let entry = tables::encode_compressed(host_offset, bytes.len() as u64, bits);
                let entry = entry.ok_or(Error::Limit {
                    what: "the offset of a compressed cluster",
                    value: host_offset,
                    limit: 1 << (70 - bits),
                })?;
                (entry, host_offset)
            }
        };
        if self.end > self.places.data_limit {
            return Err(self.source_changed(guest));
        }
        self.set_entry(guest, entry)?;
        Ok(host_offset)
    }

    /// Hands everything placed so far to the file.
    pub(crate) fn flush(&mut self) -> Result<()> {
        write_all(self.file, &self.pending.bytes, self.pending.start)?;
        self.pending.bytes.clear();
        Ok(())
    }

    /// Writes the tables. The file is a whole number of sectors long then.
    pub(crate) fn finish(mut self) -> Result<Written> {
        self.flush()?;
        self.finish_table()?;
        let size = self.cluster_bytes();
        let clusters = (self.end / size) as usize;
        self.refcounts.resize(clusters, 0);
        let per_block = refcount::counts_per_block(self.form.geometry);
        let used_blocks = (clusters as u64).div_ceil(per_block).min(self.places.block_count);
        self.count(self.places.refcount_blocks, used_blocks * size);
        for (number, counts) in self.refcounts.chunks(per_block as usize).enumerate() {
            let offset = self.places.refcount_blocks + number as u64 * size;
            write_all(self.file, &refcount::encode_counts(counts), offset)?;
        }
        let blocks: Vec<u8> = (0..used_blocks)
            .flat_map(|number| (self.places.refcount_blocks + number * size).to_be_bytes())
            .collect();
        write_all(self.file, &blocks, size)?;
        let l1: Vec<u8> = self.l1.iter().flat_map(|entry| entry.to_be_bytes()).collect();
        write_all(self.file, &l1, self.places.l1)?;
        let stream_end = self.stream_next.next_multiple_of(SECTOR_BYTES);
        let ends_in_stream = self.stream_next.next_multiple_of(size) == self.end;
        let file_bytes = if ends_in_stream { stream_end } else { self.end };
        set_length(self.file, file_bytes)?;
        Ok(Written {
            file_bytes,
            entries_digest: self.digest.finish(),
            refcounts: self.refcounts,
        })
    }

    fn cluster_bytes(&self) -> u64 {
        self.form.geometry.cluster_bytes()
    }

    /// The place of a stream of `length` bytes: behind the previous stream where it may lie there.
    ///
    /// Plain clusters leave that place where it was, so the gap before a plain cluster is filled by later streams.
    fn room_for_stream(&mut self, length: u64) -> u64 {
        let size = self.cluster_bytes();
        let cluster_end = self.stream_next.next_multiple_of(size);
        let room = cluster_end - self.stream_next;
        let countable = |offset: u64| {
            let count = self.refcounts.get((offset / size) as usize);
            count.copied().unwrap_or(0) < u16::MAX
        };
        // Into the next cluster only when that is the file's next one.
        let fits = room > 0 && (length <= room || cluster_end == self.end);
        let start = if fits && countable(self.stream_next) {
            self.stream_next
        } else {
            self.end
        };
        self.stream_next = start + length;
        self.end = self.end.max(self.stream_next.next_multiple_of(size));
        start
    }

    /// Counts a use of each cluster of a range.
    fn count(&mut self, start: u64, length: u64) {
        let size = self.cluster_bytes();
        let (first, end) = ((start / size) as usize, (start + length).div_ceil(size) as usize);
        if self.refcounts.len() < end {
            self.refcounts.resize(end, 0);
        }
        for count in &mut self.refcounts[first..end] {
            *count += 1;
        }
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.count(offset, bytes.len() as u64);
        self.write(offset, bytes)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let follows = self.pending.start + self.pending.bytes.len() as u64 == offset;
        if !follows || self.pending.bytes.len() >= PENDING_BYTES {
            self.flush()?;
            self.pending.start = offset;
        }
        self.pending.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn set_entry(&mut self, guest: u64, entry: u64) -> Result<()> {
        (guest, entry).hash(&mut self.digest);
        let geometry = self.form.geometry;
        let l1_index = geometry.l1_index(guest);
        let at = geometry.l2_index(guest) as usize;
        if let Some((current, _, entries)) = &mut self.table
            && *current == l1_index
        {
            entries[at] = entry;
            return Ok(());
        }
        self.finish_table()?;
        for reserved in self.reserved.by_ref() {
            let place = self.next_table;
            self.next_table += geometry.cluster_bytes();
            if reserved == l1_index {
                let mut entries = vec![0; geometry.clusters_per_l2() as usize];
                entries[at] = entry;
                self.table = Some((l1_index, place, entries));
                return Ok(());
            }
        }
        // Nothing was reserved: the source has data now where it said it had none.
        Err(self.source_changed(guest))
    }

    fn source_changed(&self, guest: u64) -> Error {
        Error::SourceChanged {
            guest_offset: guest * self.cluster_bytes(),
        }
    }

    fn finish_table(&mut self) -> Result<()> {
        let Some((l1_index, place, entries)) = self.table.take() else {
            return Ok(());
        };
        let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.to_be_bytes()).collect();
        write_all(self.file, &bytes, place)?;
        self.l1[l1_index as usize] = tables::encode_l1(place);
        self.count(place, bytes.len() as u64);
        Ok(())
    }
}

fn encode_header(form: &Form, places: &Places) -> Result<Vec<u8>> {
    let size = form.geometry.cluster_bytes();
    let incompatible = match form.codec {
        Codec::Zlib => 0,
        Codec::Zstd => INCOMPATIBLE_COMPRESSION,
    };
    let header = Header {
        version: form.version,
        geometry: form.geometry,
        virtual_bytes: form.virtual_bytes,
        crypt_method: 0,
        l1_entries: places.l1_entries as u32,
        l1_offset: places.l1,
        refcount_table_offset: size,
        refcount_table_clusters: places.refcount_table_clusters as u32,
        snapshots: 0,
        snapshots_offset: 0,
        incompatible,
        compatible: match form.lazy_refcounts {
            true => COMPATIBLE_LAZY_REFCOUNTS,
            false => 0,
        },
        autoclear: 0,
        refcount_order: refcount::WRITTEN_ORDER,
        codec: form.codec,
        backing_file: form.backing.as_ref().map(|backing| backing.name.clone()),
        extensions: Extensions {
            backing_format: form.backing.as_ref().and_then(|backing| backing.format.clone()),
            ..Extensions::default()
        },
    };
    let bytes = header.encode();
    let name_bytes = form.backing.as_ref().map_or(0, |backing| backing.name.len());
    if bytes.len() as u64 > size || name_bytes > 1023 {
        return Err(Error::InvalidOption {
            what: "a backing file name",
            value: format!("{name_bytes} bytes"),
            remedy: "at most 1023 bytes fit, and fewer in clusters below 2 KiB",
        });
    }
    Ok(bytes)
}

/// Sets the length of a file; a block device has the length it has.
pub(crate) fn set_length(file: &File, bytes: u64) -> Result<()> {
    let failed = |source| Error::Output {
        action: "set the length of",
        offset: bytes,
        source,
    };
    if is_block_device(file).map_err(failed)? {
        return Ok(());
    }
    file.set_len(bytes).map_err(failed)
}

pub(crate) fn is_block_device(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.file_type().is_block_device())
}

fn write_all(file: &File, bytes: &[u8], offset: u64) -> Result<()> {
    file.write_all_at(bytes, offset).map_err(|source| Error::Output {
        action: "write",
        offset,
        source,
    })
}
