//! The GUID partition table, read through the `gpt` crate after its headers were found sound.
//!
//! Facts (UEFI specification, chapter 5): the primary header is in the second sector, the backup in the last one. It
//! holds "EFI PART", the revision, its own size and CRC-32 (over that size, the CRC field as zero), its own sector, the
//! other header's sector, the first and last usable sector, the disk GUID, and where, how many, how large and with which
//! CRC-32 the entries are.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use crate::bytes::{array_at, u32_at, u64_at};
use crate::{Error, Partition, PartitionId, PartitionKind, Warning};
use ::gpt::disk::LogicalBlockSize;
use imgctl_block::BlockRead;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use uuid::{Uuid, uuid};

/// The size of the header that the `gpt` crate knows; no other is in use.
const HEADER_BYTES: usize = 92;
const ENTRY_BYTES: u32 = 128;
/// 128 is usual; Linux itself cannot number more than 255.
const MAX_ENTRIES: u32 = 4096;
/// GPT attribute bit 2, "legacy BIOS bootable".
const BOOTABLE: u64 = 1 << 2;

/// A table whose entries were read; their ranges are not checked yet.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) disk_guid: Uuid,
    pub(crate) sector_bytes: u32,
    pub(crate) partitions: Vec<Partition>,
    /// The bytes of the headers and entry arrays themselves.
    pub(crate) own_ranges: Vec<Range<u64>>,
    pub(crate) warnings: Vec<Warning>,
}

/// A header whose checksum, position and entries hold.
#[derive(Debug)]
struct SoundHeader {
    /// Where the header is, in bytes.
    offset: u64,
    backup_sector: u64,
    entries: Range<u64>,
    entries_crc: u32,
    disk_guid: [u8; 16],
}

/// Finds a GPT. `expected` says that the MBR announces one: then damage is an error and not the absence of a table.
pub(crate) fn find(device: &dyn BlockRead, expected: bool) -> Result<Option<Table>, Error> {
    let mut damage = None;
    for sector_bytes in [LogicalBlockSize::Lb512, LogicalBlockSize::Lb4096] {
        let sector = sector_bytes.as_u64();
        let primary = read_header(device, sector, sector)?;
        let last = device
            .len_bytes()
            .checked_div(sector)
            .and_then(|sectors| sectors.checked_sub(1));
        let at_end = match last.and_then(|last| last.checked_mul(sector)) {
            Some(offset) if offset > sector => read_header(device, offset, sector)?,
            _ => Err(Fault::Missing),
        };
        match (primary, at_end) {
            (Ok(primary), at_end) => {
                return use_primary(device, sector_bytes, &primary, at_end).map(Some);
            }
            (Err(fault), Ok(backup)) => {
                let mut table = read_table(device, sector_bytes, &[&backup])?;
                let reason = fault.to_string();
                table.warnings.push(Warning::PrimaryHeaderDamaged { reason });
                return Ok(Some(table));
            }
            (Err(primary), Err(backup)) => {
                let seen = !matches!((&primary, &backup), (Fault::Missing, Fault::Missing));
                if damage.is_none() || seen {
                    damage = damage
                        .filter(|(earlier, _, _)| *earlier)
                        .or(Some((seen, primary, backup)));
                }
            }
        }
    }
    match damage {
        Some((_, primary, backup)) if expected => Err(Error::BothHeadersDamaged {
            primary: primary.to_string(),
            backup: backup.to_string(),
        }),
        _ => Ok(None),
    }
}

fn use_primary(
    device: &dyn BlockRead,
    sector_bytes: LogicalBlockSize,
    primary: &SoundHeader,
    at_end: Result<SoundHeader, Fault>,
) -> Result<Table, Error> {
    let sector = sector_bytes.as_u64();
    let (backup, warning) = match at_end {
        Ok(backup) => {
            let same = backup.entries_crc == primary.entries_crc && backup.disk_guid == primary.disk_guid;
            let warning = (!same).then_some(Warning::HeadersDiffer);
            (Some(backup), warning)
        }
        Err(fault) => {
            let elsewhere = match primary.backup_sector.checked_mul(sector) {
                Some(offset) if offset > sector => read_header(device, offset, sector)?.ok(),
                _ => None,
            };
            let warning = match &elsewhere {
                Some(found) => Warning::BackupNotAtEnd { offset: found.offset },
                None => Warning::BackupHeaderDamaged {
                    reason: fault.to_string(),
                },
            };
            (elsewhere, Some(warning))
        }
    };
    let mut headers = vec![primary];
    headers.extend(&backup);
    let mut table = read_table(device, sector_bytes, &headers)?;
    table.warnings.extend(warning);
    Ok(table)
}

/// Why a header cannot be used.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("no GPT signature")]
    Missing,
    #[error("unsupported header size {0}")]
    HeaderSize(u32),
    #[error("wrong header checksum")]
    HeaderChecksum,
    #[error("it names sector {0} as its own")]
    OwnSector(u64),
    #[error("unsupported entry size {0}")]
    EntrySize(u32),
    #[error("{0} entries")]
    EntryCount(u32),
    #[error("its entries lie outside the disk")]
    EntriesOutside,
    #[error("wrong checksum of the entries")]
    EntriesChecksum,
}

/// Reads and checks the header at `offset`. The outer error is the device's.
fn read_header(device: &dyn BlockRead, offset: u64, sector: u64) -> Result<Result<SoundHeader, Fault>, Error> {
    let mut bytes = [0; HEADER_BYTES];
    let fits = u64::try_from(HEADER_BYTES)
        .ok()
        .and_then(|length| offset.checked_add(length))
        .is_some_and(|end| end <= device.len_bytes());
    if !fits {
        return Ok(Err(Fault::Missing));
    }
    device.read_at(offset, &mut bytes)?;
    let header = match parse_header(&bytes, offset, sector) {
        Ok(header) => header,
        Err(fault) => return Ok(Err(fault)),
    };
    let length = header.entries.end.saturating_sub(header.entries.start);
    if header.entries.end > device.len_bytes() {
        return Ok(Err(Fault::EntriesOutside));
    }
    let Ok(length) = usize::try_from(length) else {
        return Ok(Err(Fault::EntriesOutside));
    };
    let entries = device.read_vec(header.entries.start, length)?;
    if crc32fast::hash(&entries) != header.entries_crc {
        return Ok(Err(Fault::EntriesChecksum));
    }
    Ok(Ok(header))
}

fn parse_header(bytes: &[u8; HEADER_BYTES], offset: u64, sector: u64) -> Result<SoundHeader, Fault> {
    let short = Fault::Missing;
    if !bytes.starts_with(b"EFI PART") {
        return Err(Fault::Missing);
    }
    let number = |at| u32_at(bytes, at).ok_or(Fault::Missing);
    let long = |at| u64_at(bytes, at).ok_or(Fault::Missing);
    let size = number(12)?;
    if usize::try_from(size) != Ok(HEADER_BYTES) {
        return Err(Fault::HeaderSize(size));
    }
    let mut unsigned = *bytes;
    unsigned.get_mut(16..20).ok_or(short)?.fill(0);
    if crc32fast::hash(&unsigned) != number(16)? {
        return Err(Fault::HeaderChecksum);
    }
    let own_sector = long(24)?;
    if own_sector.checked_mul(sector) != Some(offset) {
        return Err(Fault::OwnSector(own_sector));
    }
    let entry_bytes = number(84)?;
    if entry_bytes != ENTRY_BYTES {
        return Err(Fault::EntrySize(entry_bytes));
    }
    let count = number(80)?;
    if count > MAX_ENTRIES {
        return Err(Fault::EntryCount(count));
    }
    let start = long(72)?.checked_mul(sector);
    let length = u64::from(count).checked_mul(u64::from(ENTRY_BYTES));
    let range = start
        .zip(length)
        .and_then(|(start, length)| Some(start..start.checked_add(length)?));
    Ok(SoundHeader {
        offset,
        backup_sector: long(32)?,
        entries: range.ok_or(Fault::EntriesOutside)?,
        entries_crc: number(88)?,
        disk_guid: array_at(bytes, 56).ok_or(Fault::Missing)?,
    })
}

/// Reads the entries of the first of `headers`.
fn read_table(
    device: &dyn BlockRead,
    sector_bytes: LogicalBlockSize,
    headers: &[&SoundHeader],
) -> Result<Table, Error> {
    let sector = sector_bytes.as_u64();
    let bad = |reason: String| Error::BadEntries { reason };
    let Some(first) = headers.first() else {
        return Err(bad("no header".to_owned()));
    };
    let mut view = HeaderView {
        device,
        header: first.offset,
        sector,
        position: 0,
    };
    let header = ::gpt::header::read_header_from_arbitrary_device(&mut view, sector_bytes)
        .map_err(|error| bad(error.to_string()))?;
    let entries = ::gpt::partition::file_read_partitions(&mut view, &header, sector_bytes)
        .map_err(|error| bad(error.to_string()))?;
    let mut partitions = Vec::new();
    for (number, entry) in entries {
        if !entry.is_used() {
            continue;
        }
        let start = entry.bytes_start(sector_bytes);
        let length = entry.bytes_len(sector_bytes);
        let (Ok(start), Ok(length)) = (start, length) else {
            return Err(Error::ImpossibleRange { number });
        };
        partitions.push(Partition {
            number,
            start,
            length,
            kind: PartitionKind::Gpt(entry.part_type_guid.guid),
            id: Some(PartitionId::Guid(entry.part_guid)),
            name: Some(entry.name).filter(|name| !name.is_empty()),
            attributes: entry.flags,
            bootable: entry.flags & BOOTABLE != 0,
        });
    }
    let mut own_ranges = Vec::new();
    own_ranges.push(0..sector.saturating_mul(2));
    for header in headers {
        own_ranges.push(header.offset..header.offset.saturating_add(sector));
        own_ranges.push(header.entries.clone());
    }
    Ok(Table {
        disk_guid: header.disk_guid,
        sector_bytes: u32::try_from(sector).unwrap_or(u32::MAX),
        partitions,
        own_ranges,
        warnings: Vec::new(),
    })
}

/// A device as the `gpt` crate wants it, with the chosen header shown where the crate looks for the primary one.
struct HeaderView<'a> {
    device: &'a dyn BlockRead,
    header: u64,
    sector: u64,
    position: u64,
}

impl Read for HeaderView<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let shown = self.sector..self.sector.saturating_mul(2);
        let (offset, end) = if shown.contains(&self.position) {
            let within = self.position.saturating_sub(self.sector);
            let end = self.header.saturating_add(self.sector);
            (self.header.saturating_add(within), end)
        } else {
            (self.position, self.device.len_bytes())
        };
        let rest = end.min(self.device.len_bytes()).saturating_sub(offset);
        let length = usize::try_from(rest).unwrap_or(usize::MAX).min(buf.len());
        let part = buf.get_mut(..length).unwrap_or_default();
        self.device.read_at(offset, part).map_err(io::Error::other)?;
        let read = u64::try_from(length).unwrap_or(0);
        self.position = self.position.saturating_add(read);
        Ok(length)
    }
}

impl Seek for HeaderView<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.device.len_bytes().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Type GUIDs met on virtual machines' disks (UEFI specification, Discoverable Partitions Specification, Microsoft).
const TYPES: &[(Uuid, &str)] = &[
    (uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"), "EFI system"),
    (uuid!("21686148-6449-6e6f-744e-656564454649"), "BIOS boot"),
    (uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4"), "Linux filesystem"),
    (uuid!("4f68bce3-e8cd-4db1-96e7-fbcaf984b709"), "Linux root (x86-64)"),
    (uuid!("b921b045-1df0-41c3-af44-4c6f280d3fae"), "Linux root (ARM 64)"),
    (uuid!("44479540-f297-41b2-9af7-d131d5f0458a"), "Linux root (x86)"),
    (uuid!("69dad710-2ce4-4e3c-b16c-21a1d49abed3"), "Linux root (ARM)"),
    (uuid!("72ec70a6-cf74-40e6-bd49-4bda08e8f224"), "Linux root (RISC-V 64)"),
    (
        uuid!("c31c45e6-3f39-412e-80fb-4809c4980599"),
        "Linux root (POWER 64 LE)",
    ),
    (uuid!("5eead9a9-fe09-4a1e-a1d7-520d00531306"), "Linux root (s390x)"),
    (uuid!("8484680c-9521-48c6-9c11-b0720656f69e"), "Linux /usr (x86-64)"),
    (uuid!("bc13c2ff-59e6-4262-a352-b275fd6f7172"), "Linux extended boot"),
    (uuid!("933ac7e1-2eb4-4f13-b844-0e14e2aef915"), "Linux home"),
    (uuid!("3b8f8425-20e0-4f3b-907f-1a25a76f98e8"), "Linux server data"),
    (uuid!("4d21b016-b534-45c2-a9fb-5c16e091fd2d"), "Linux variable data"),
    (uuid!("7ec6f557-3bc5-4aca-b293-16ef5df639d1"), "Linux temporary data"),
    (uuid!("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"), "Linux swap"),
    (uuid!("e6d6d379-f507-44c2-a23c-238f2a3df928"), "Linux LVM"),
    (uuid!("a19d880f-05fc-4d3b-a006-743f0f84911e"), "Linux RAID"),
    (uuid!("ca7d7ccb-63ed-4c53-861c-1742536059cc"), "Linux LUKS"),
    (uuid!("8da63339-0007-60c0-c436-083ac8230908"), "Linux reserved"),
    (uuid!("9e1a2d38-c612-4316-aa26-8b49521e5a8b"), "PowerPC PReP boot"),
    (uuid!("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"), "Microsoft basic data"),
    (uuid!("e3c9e316-0b5c-4db8-817d-f92df00215ae"), "Microsoft reserved"),
    (uuid!("de94bba4-06d1-4d40-a16a-bfd50179d6ac"), "Windows recovery"),
    (uuid!("516e7cb4-6ecf-11d6-8ff8-00022d09712b"), "FreeBSD"),
];

pub(crate) fn type_name(guid: &Uuid) -> Option<&'static str> {
    TYPES.iter().find(|(known, _)| known == guid).map(|(_, name)| *name)
}
