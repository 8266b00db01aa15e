//! The view of a filesystem that the `fatfs` crate is given.
//!
//! The crate takes what it reads from a boot sector for granted, refuses FAT32 with fewer than 65525 clusters, writes every
//! copy of the table at once, and keeps a dirty flag. So it sees a canonical filesystem: a boot sector (and for FAT32 an
//! information sector) made up here, one table, which is the one in memory, and the image's own root directory and
//! clusters. The view is for one operation; what the crate writes into its first sectors is dropped with it.

use crate::FatKind;
use crate::format::boot::Geometry;
use crate::format::codepage;
use crate::format::time::DosTime;
use crate::table::Table;
use imgctl_block::BlockDevice;
use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// What the crate takes for the least number of clusters of a FAT32.
const FATFS_FAT32_CLUSTERS: u32 = 65_525;
/// Where the information sector holds the next free cluster.
const NEXT_FREE_AT: usize = 492;
const CACHE_BYTES: usize = 4096;

thread_local! {
    /// The crate takes its clock as a static; this makes it the reference time of the filesystem at work.
    static NOW: Cell<DosTime> = const { Cell::new(DosTime { date: 0, time: 0, hundredths: 0 }) };
}

#[derive(Debug)]
struct ReferenceTime;

impl fatfs::TimeProvider for ReferenceTime {
    fn get_current_date(&self) -> fatfs::Date {
        NOW.get().to_fatfs().date
    }

    fn get_current_date_time(&self) -> fatfs::DateTime {
        NOW.get().to_fatfs()
    }
}

#[derive(Debug)]
struct CodePage437;

impl fatfs::OemCpConverter for CodePage437 {
    fn decode(&self, oem_char: u8) -> char {
        codepage::decode(oem_char)
    }

    fn encode(&self, uni_char: char) -> Option<u8> {
        codepage::encode(uni_char)
    }
}

static REFERENCE_TIME: ReferenceTime = ReferenceTime;
static CODE_PAGE: CodePage437 = CodePage437;

pub(crate) type View<'a> = fatfs::FileSystem<Storage<'a>>;

/// Where the parts are in the view.
#[derive(Clone, Copy, Debug)]
struct Places {
    table_at: u64,
    root_at: u64,
    data_at: u64,
    end: u64,
}

/// The view as a stream of bytes.
#[derive(Debug)]
pub(crate) struct Storage<'a> {
    device: &'a dyn BlockDevice,
    geometry: &'a Geometry,
    table: &'a mut Table,
    /// The first error of the device: the crate drops those that happen when it closes a file.
    fault: &'a mut Option<imgctl_block::Error>,
    /// The boot sector and the information sector.
    head: Vec<u8>,
    places: Places,
    position: u64,
    /// A piece of the device that was just read: the crate reads directories a few bytes at a time.
    cache: Option<(u64, Vec<u8>)>,
}

/// Runs `operation` on a view of the filesystem.
pub(crate) fn with_view<R>(
    device: &dyn BlockDevice,
    geometry: &Geometry,
    table: &mut Table,
    now: DosTime,
    operation: impl FnOnce(&View<'_>) -> io::Result<R>,
) -> Result<R, Failure> {
    NOW.set(now);
    let mut fault = None;
    let outcome = run(device, geometry, table, &mut fault, operation);
    match (fault, outcome) {
        (Some(fault), _) => Err(Failure::Device(fault)),
        (None, Err(source)) => Err(Failure::Crate(source)),
        (None, Ok(result)) => Ok(result),
    }
}

/// Why an operation on the view failed.
#[derive(Debug)]
pub(crate) enum Failure {
    Device(imgctl_block::Error),
    Crate(io::Error),
}

fn run<R>(
    device: &dyn BlockDevice,
    geometry: &Geometry,
    table: &mut Table,
    fault: &mut Option<imgctl_block::Error>,
    operation: impl FnOnce(&View<'_>) -> io::Result<R>,
) -> io::Result<R> {
    let storage = Storage::new(device, geometry, table, fault);
    let options = fatfs::FsOptions::new()
        .time_provider(&REFERENCE_TIME)
        .oem_cp_converter(&CODE_PAGE);
    let view = fatfs::FileSystem::new(storage, options)?;
    let result = operation(&view)?;
    view.unmount()?;
    Ok(result)
}

impl<'a> Storage<'a> {
    fn new(
        device: &'a dyn BlockDevice,
        geometry: &'a Geometry,
        table: &'a mut Table,
        fault: &'a mut Option<imgctl_block::Error>,
    ) -> Self {
        let (head, places) = make_head(geometry, table.next_free);
        Self {
            device,
            geometry,
            table,
            fault,
            head,
            places,
            position: 0,
            cache: None,
        }
    }

    /// Where the bytes at the current position come from, and where that part ends.
    fn part(&self) -> (Part, u64) {
        let (at, places) = (self.position, &self.places);
        if at < places.table_at {
            (Part::Head(at), places.table_at)
        } else if at < places.root_at {
            (Part::Table(at - places.table_at), places.root_at)
        } else if at < places.data_at {
            let offset = self.geometry.root_at + (at - places.root_at);
            (Part::Device(offset), places.data_at)
        } else {
            let offset = self.geometry.data_at + (at - places.data_at);
            (Part::Device(offset), places.end)
        }
    }

    /// How many of `wanted` bytes the current part still has.
    fn clip(&self, end: u64, wanted: usize) -> usize {
        let rest = end.saturating_sub(self.position);
        usize::try_from(rest).unwrap_or(usize::MAX).min(wanted)
    }

    fn keep(&mut self, error: imgctl_block::Error) -> io::Error {
        let message = error.to_string();
        self.fault.get_or_insert(error);
        io::Error::other(message)
    }

    fn read_device(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), imgctl_block::Error> {
        if buf.len() >= CACHE_BYTES {
            return self.device.read_at(offset, buf);
        }
        let cached = |cache: &Option<(u64, Vec<u8>)>| -> Option<usize> {
            let (at, bytes) = cache.as_ref()?;
            let start = usize::try_from(offset.checked_sub(*at)?).ok()?;
            (start.checked_add(buf.len())? <= bytes.len()).then_some(start)
        };
        if cached(&self.cache).is_none() {
            let rest = self.device.len_bytes().saturating_sub(offset);
            let length = CACHE_BYTES.min(usize::try_from(rest).unwrap_or(CACHE_BYTES));
            self.cache = Some((offset, self.device.read_vec(offset, length.max(buf.len()))?));
        }
        if let (Some(start), Some((_, bytes))) = (cached(&self.cache), &self.cache) {
            buf.copy_from_slice(&bytes[start..start + buf.len()]);
        }
        Ok(())
    }

    fn write_device(&mut self, offset: u64, data: &[u8]) -> Result<(), imgctl_block::Error> {
        self.cache = None;
        // A gap in a file, or a new directory's cluster: zeros need not be stored.
        if data.len() >= 512 && data.iter().all(|byte| *byte == 0) {
            return self.device.discard(offset, data.len() as u64);
        }
        self.device.write_at(offset, data)
    }
}

#[derive(Debug)]
enum Part {
    Head(u64),
    Table(u64),
    Device(u64),
}

impl Read for Storage<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (part, end) = self.part();
        let length = self.clip(end, buf.len());
        let buf = &mut buf[..length];
        match part {
            Part::Head(at) => buf.copy_from_slice(&self.head[at as usize..at as usize + length]),
            Part::Table(at) => self.table.read_bytes(at, buf),
            Part::Device(offset) => {
                if let Err(error) = self.read_device(offset, buf) {
                    return Err(self.keep(error));
                }
            }
        }
        self.position += length as u64;
        Ok(length)
    }
}

impl Write for Storage<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let (part, end) = self.part();
        let length = self.clip(end, data.len());
        let data = &data[..length];
        match part {
            Part::Head(at) => {
                let at = at as usize;
                self.head[at..at + length].copy_from_slice(data);
                let hint = self.head.get(self.geometry.sector_bytes as usize + NEXT_FREE_AT..);
                if let Some([a, b, c, d, ..]) = hint {
                    self.table.next_free = Some(u32::from_le_bytes([*a, *b, *c, *d]));
                }
            }
            Part::Table(at) => self.table.write_bytes(at, data),
            Part::Device(offset) => {
                if let Err(error) = self.write_device(offset, data) {
                    return Err(self.keep(error));
                }
            }
        }
        self.position += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Storage<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.places.end.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// The first sectors of the view and where its parts are.
fn make_head(geometry: &Geometry, next_free: Option<u32>) -> (Vec<u8>, Places) {
    let is_fat32 = geometry.kind == FatKind::Fat32;
    let sector = geometry.sector_bytes;
    let reserved = if is_fat32 { 2 } else { 1 };
    let clusters = match is_fat32 {
        true => geometry.clusters.max(FATFS_FAT32_CLUSTERS),
        false => geometry.clusters,
    };
    let table_bits = (u64::from(clusters) + 2) * geometry.kind.entry_bits();
    let table_sectors = table_bits.div_ceil(u64::from(sector) * 8) as u32;
    let root_sectors = (geometry.root_bytes / u64::from(sector)) as u32;
    let data_sectors = clusters * geometry.cluster_sectors;
    let total_sectors = reserved + table_sectors + root_sectors + data_sectors;

    let mut head = vec![0; (reserved * sector) as usize];
    let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0xeb, 0x58, 0x90]);
    put(11, &(sector as u16).to_le_bytes());
    put(13, &[geometry.cluster_sectors as u8]);
    put(14, &(reserved as u16).to_le_bytes());
    put(16, &[1]);
    put(17, &((geometry.root_bytes / 32) as u16).to_le_bytes());
    put(21, &[geometry.media]);
    put(32, &total_sectors.to_le_bytes());
    put(510, &[0x55, 0xaa]);
    if is_fat32 {
        put(36, &table_sectors.to_le_bytes());
        put(44, &geometry.root_cluster.to_le_bytes());
        put(48, &1_u16.to_le_bytes());
        let info = sector as usize;
        put(info, &0x4161_5252_u32.to_le_bytes());
        put(info + 484, &0x6141_7272_u32.to_le_bytes());
        put(info + 488, &u32::MAX.to_le_bytes());
        put(info + NEXT_FREE_AT, &next_free.unwrap_or(u32::MAX).to_le_bytes());
        put(info + 508, &0xaa55_0000_u32.to_le_bytes());
    } else {
        put(22, &(table_sectors as u16).to_le_bytes());
    }
    let unit = u64::from(sector);
    let table_at = u64::from(reserved) * unit;
    let root_at = table_at + u64::from(table_sectors) * unit;
    let data_at = root_at + u64::from(root_sectors) * unit;
    let places = Places {
        table_at,
        root_at,
        data_at,
        end: data_at + u64::from(data_sectors) * unit,
    };
    (head, places)
}
