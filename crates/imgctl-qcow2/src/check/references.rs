//! Every use of a host cluster by the image's structures.

use super::stored::StoredCounts;
use super::{CheckReport, Counts, User, WINDOW_CLUSTERS, check_cancelled};
use crate::format::address::{Geometry, SUBCLUSTERS};
use crate::format::bitmaps;
use crate::format::bytes::u64_table;
use crate::format::header::Header;
use crate::format::tables::{COMPRESSED, COPIED, OFFSET_MASK, parse_compressed};
use crate::reader::read_padded;
use crate::snapshots::{read_snapshots, snapshot_table_bytes};
use crate::{Cluster, Error, Result};
use imgctl_block::BlockRead;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

const L1_RESERVED: u64 = 0x7f00_0000_0000_01ff;
const L2_RESERVED: u64 = 0x3f00_0000_0000_01fe;
const ZERO_FLAG: u64 = 1;
/// qemu's limits.
const MAX_BITMAP_DIRECTORY_BYTES: u64 = 65535 * 2048;
const MAX_L1_ENTRIES: u64 = 4 << 20;
/// The most L1 entries and L2 tables that all snapshots together may have. Beyond, a check would take days.
const MAX_ENTRIES: u64 = 1 << 27;
const MAX_TABLES: u64 = 1 << 23;
/// How much of an L1 table is read at once.
const L1_PIECE_ENTRIES: u64 = 8192;

/// One pass over all structures.
pub(super) struct Walk<'a, 'r> {
    file: &'a dyn BlockRead,
    header: &'a Header,
    stored: &'a StoredCounts<'a>,
    cancel: Option<&'a AtomicBool>,
    /// In the first pass only: where findings go, and the windows that later passes have to look at.
    pub(super) visit: Option<(&'r mut CheckReport, &'r mut BTreeSet<u64>)>,
    entries: u64,
    tables: u64,
    /// Where the next cluster of the active disk would lie if nothing were fragmented.
    next_offset: u64,
}

impl<'a, 'r> Walk<'a, 'r> {
    pub(super) fn new(
        file: &'a dyn BlockRead,
        header: &'a Header,
        stored: &'a StoredCounts<'a>,
        cancel: Option<&'a AtomicBool>,
    ) -> Self {
        Self {
            file,
            header,
            stored,
            cancel,
            visit: None,
            entries: 0,
            tables: 0,
            next_offset: 0,
        }
    }

    pub(super) fn run(&mut self, counts: &mut Counts) -> Result<()> {
        let header = self.header;
        self.add(counts, 0, self.geometry().cluster_bytes(), User::Only);
        self.disk(counts, header.l1_offset, header.l1_entries.into(), true)?;
        self.snapshots(counts)?;
        if let Some(area) = header.extensions.encryption_header {
            self.add(counts, area.offset, area.bytes, User::Only);
        }
        self.bitmaps(counts)?;
        let table = u64::from(header.refcount_table_clusters) * self.geometry().cluster_bytes();
        self.add(counts, header.refcount_table_offset, table, User::Only);
        let blocks = self.stored;
        for (_, offset) in blocks.block_offsets() {
            self.add(counts, offset, self.geometry().cluster_bytes(), User::Only);
        }
        Ok(())
    }

    fn geometry(&self) -> Geometry {
        self.header.geometry
    }

    fn error(&mut self, message: impl std::fmt::Display) {
        if let Some((report, _)) = &mut self.visit {
            report.error(message);
        }
    }

    fn report(&mut self) -> Option<&mut CheckReport> {
        self.visit.as_mut().map(|(report, _)| &mut **report)
    }

    /// Counts one use of every cluster that `length` bytes from `offset` touch.
    fn add(&mut self, counts: &mut Counts, offset: u64, length: u64, user: User) {
        if length == 0 {
            return;
        }
        // The last cluster of a file may be cut; whatever lies further out is an error, not a use.
        let size = self.geometry().cluster_bytes();
        let end = offset.checked_add(length);
        let Some(end) = end.filter(|end| end.saturating_sub(self.file.len_bytes()) < size) else {
            return self.error(format_args!(
                "{length} bytes at {offset:#x} are used, but lie outside of the file"
            ));
        };
        for cluster in self.geometry().cluster_of(offset)..end.div_ceil(size) {
            if let Some((_, windows)) = &mut self.visit {
                windows.insert(cluster / WINDOW_CLUSTERS);
            }
            counts.add(cluster, user);
        }
    }

    /// The L1 table of a disk, and everything below it. `active` is the disk that the guest sees.
    fn disk(&mut self, counts: &mut Counts, l1_offset: u64, entries: u64, active: bool) -> Result<()> {
        self.add(counts, l1_offset, entries * 8, User::Only);
        self.entries += entries;
        self.check_limit("the number of L1 entries in all snapshots", self.entries, MAX_ENTRIES)?;
        let mut first = 0;
        while first < entries {
            let count = (entries - first).min(L1_PIECE_ENTRIES);
            let at = l1_offset.saturating_add(first * 8);
            // A table that the file does not hold reads as zeros: it was reported above.
            if at >= self.file.len_bytes() {
                break;
            }
            let piece = u64_table(&read_padded(self.file, at, (count * 8) as usize)?);
            for (index, entry) in (first..).zip(piece) {
                if entry != 0 {
                    check_cancelled(self.cancel)?;
                    self.l1_entry(counts, index, entry, active)?;
                }
            }
            first += count;
        }
        Ok(())
    }

    fn check_limit(&self, what: &'static str, value: u64, limit: u64) -> Result<()> {
        if value > limit {
            return Err(Error::Limit { what, value, limit });
        }
        Ok(())
    }

    fn l1_entry(&mut self, counts: &mut Counts, index: u64, entry: u64, active: bool) -> Result<()> {
        let offset = entry & OFFSET_MASK;
        if entry & L1_RESERVED != 0 {
            self.error(format_args!("L1 entry {index} ({entry:#x}) has reserved bits set"));
        }
        if offset == 0 {
            return Ok(());
        }
        let size = self.geometry().cluster_bytes();
        if !self.geometry().is_aligned(offset) {
            self.error(format_args!(
                "the L2 table of L1 entry {index} at {offset:#x} is not at a cluster boundary"
            ));
            return Ok(());
        }
        self.add(counts, offset, size, User::Table);
        if active && self.visit.is_some() {
            self.copied_flag(entry, offset, format_args!("L1 entry {index}"))?;
        }
        self.tables += 1;
        self.check_limit("the number of L2 tables in all snapshots", self.tables, MAX_TABLES)?;
        if offset >= self.file.len_bytes() {
            return Ok(());
        }
        let table = u64_table(&read_padded(self.file, offset, size as usize)?);
        let words = if self.geometry().extended_l2() { 2 } else { 1 };
        let guest = index * self.geometry().clusters_per_l2();
        for (guest, words) in (guest..).zip(table.chunks_exact(words)) {
            let (entry, bitmap) = (words[0], words.get(1).copied().unwrap_or(0));
            if entry != 0 || bitmap != 0 {
                self.l2_entry(counts, guest.saturating_mul(size), entry, bitmap, active)?;
            }
        }
        Ok(())
    }

    fn l2_entry(&mut self, counts: &mut Counts, guest: u64, entry: u64, bitmap: u64, active: bool) -> Result<()> {
        if entry & COMPRESSED != 0 {
            self.compressed(counts, guest, entry, active);
            return Ok(());
        }
        let extended = self.geometry().extended_l2();
        let reserved = if extended { L2_RESERVED | ZERO_FLAG } else { L2_RESERVED };
        if entry & reserved != 0 {
            self.error(format_args!(
                "the L2 entry of the cluster at guest {guest:#x} ({entry:#x}) has reserved bits set"
            ));
        }
        if extended && (bitmap >> SUBCLUSTERS) & bitmap & u64::from(u32::MAX) != 0 {
            self.error(format_args!(
                "the L2 entry of the cluster at guest {guest:#x} calls a subcluster both allocated and zero"
            ));
        }
        let offset = entry & OFFSET_MASK;
        let in_data_file = self.header.data_file().is_some();
        if offset == 0 && !(in_data_file && entry & COPIED != 0) {
            return Ok(());
        }
        if !self.geometry().is_aligned(offset) {
            self.error(format_args!(
                "the cluster at guest {guest:#x} lies at {offset:#x}, which is no cluster boundary"
            ));
            return Ok(());
        }
        let size = self.geometry().cluster_bytes();
        if active {
            let next = self.next_offset;
            self.next_offset = offset.saturating_add(size);
            if let Some(report) = self.report() {
                report.allocated_clusters += 1;
                report.fragmented_clusters += u64::from(next != 0 && next != offset);
            }
        }
        if in_data_file {
            return Ok(());
        }
        self.add(counts, offset, size, User::Data);
        if active && self.visit.is_some() {
            self.copied_flag(entry, offset, format_args!("the cluster at guest {guest:#x}"))?;
        }
        Ok(())
    }

    fn compressed(&mut self, counts: &mut Counts, guest: u64, entry: u64, active: bool) {
        if self.header.data_file().is_some() {
            return self.error(format_args!(
                "the cluster at guest {guest:#x} is compressed, in an image with a data file"
            ));
        }
        if entry & COPIED != 0 {
            self.error(format_args!(
                "the compressed cluster at guest {guest:#x} has the flag `copied`, which it must not have"
            ));
        }
        if let Cluster::Compressed { host_offset, sectors } = parse_compressed(entry, self.geometry().cluster_bits()) {
            let bound = Cluster::stream_bound(host_offset, sectors);
            self.add(counts, host_offset, bound, User::Data);
        }
        if active && let Some(report) = self.report() {
            report.allocated_clusters += 1;
            report.compressed_clusters += 1;
            report.fragmented_clusters += 1;
        }
    }

    /// The flag says whether the refcount is exactly one; writers trust it.
    fn copied_flag(&mut self, entry: u64, offset: u64, what: std::fmt::Arguments<'_>) -> Result<()> {
        let count = self.stored.get(self.geometry().cluster_of(offset))?;
        let copied = entry & COPIED != 0;
        if copied != (count == 1) {
            let which = if copied { "has" } else { "lacks" };
            self.error(format_args!(
                "{what} {which} the flag `copied`, its refcount is {count}"
            ));
        }
        Ok(())
    }

    fn snapshots(&mut self, counts: &mut Counts) -> Result<()> {
        let header = self.header;
        let snapshots = match read_snapshots(self.file, header) {
            Ok(snapshots) => snapshots,
            Err(error @ Error::Damaged { .. }) => {
                self.error(error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for snapshot in &snapshots {
            let (offset, entries) = (snapshot.l1_offset, u64::from(snapshot.l1_entries));
            if !self.geometry().is_aligned(offset) || entries > MAX_L1_ENTRIES {
                self.error(format_args!("the L1 table of snapshot {:?} is damaged", snapshot.id));
                continue;
            }
            self.disk(counts, offset, entries, false)?;
        }
        let bytes = snapshot_table_bytes(self.file, header)?;
        self.add(counts, header.snapshots_offset, bytes, User::Only);
        Ok(())
    }

    fn bitmaps(&mut self, counts: &mut Counts) -> Result<()> {
        let extensions = &self.header.extensions;
        let Some(directory) = extensions.bitmap_directory.filter(|_| extensions.bitmaps > 0) else {
            return Ok(());
        };
        self.add(counts, directory.offset, directory.bytes, User::Only);
        let inside = directory.offset.checked_add(directory.bytes);
        let fits = inside.is_some_and(|end| end <= self.file.len_bytes());
        if !fits || directory.bytes > MAX_BITMAP_DIRECTORY_BYTES {
            self.error("the directory of bitmaps is damaged");
            return Ok(());
        }
        let bytes = self.file.read_vec(directory.offset, directory.bytes as usize)?;
        let Some(entries) = bitmaps::parse_directory(&bytes) else {
            self.error("the directory of bitmaps is damaged");
            return Ok(());
        };
        for entry in entries {
            let length = u64::from(entry.table_entries) * 8;
            self.add(counts, entry.table_offset, length, User::Only);
            let end = entry.table_offset.checked_add(length);
            if end.is_none_or(|end| end > self.file.len_bytes().saturating_add(self.geometry().cluster_bytes())) {
                continue;
            }
            check_cancelled(self.cancel)?;
            let table = u64_table(&read_padded(self.file, entry.table_offset, length as usize)?);
            for offset in table.into_iter().filter_map(bitmaps::data_offset) {
                self.add(counts, offset, self.geometry().cluster_bytes(), User::Only);
            }
        }
        Ok(())
    }
}
