//! The master boot record and the chain of extended boot records.
//!
//! Facts: a record has its disk signature at 440, four entries of 16 bytes at 446 and 0x55 0xAA at 510. An entry is
//! status, CHS, type, CHS, first sector and number of sectors (little-endian u32). The first entry of an extended
//! record is a logical partition, relative to that record; its second is the next record, relative to the first one.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use crate::bytes::{array_at, u16_at, u32_at};
use crate::{Error, Partition, PartitionId, PartitionKind};
use imgctl_block::BlockRead;
use std::collections::BTreeSet;
use std::ops::Range;

pub(crate) const SECTOR_BYTES: u32 = 512;
const SECTOR: u64 = 512;
const ENTRIES_AT: usize = 446;
const ENTRY_BYTES: usize = 16;
/// More logical partitions than any system uses; the kernel stops at 256.
const MAX_LOGICAL: u32 = 256;

/// One sector with the signature and a plausible table.
#[derive(Debug)]
pub(crate) struct BootRecord {
    pub(crate) signature: u32,
    entries: [Entry; 4],
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    status: u8,
    kind: u8,
    first_sector: u32,
    sectors: u32,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) partitions: Vec<Partition>,
    /// The bytes of the records themselves.
    pub(crate) own_ranges: Vec<Range<u64>>,
}

impl Entry {
    fn parse(bytes: [u8; ENTRY_BYTES]) -> Option<Self> {
        Some(Self {
            status: *bytes.first()?,
            kind: *bytes.get(4)?,
            first_sector: u32_at(&bytes, 8)?,
            sectors: u32_at(&bytes, 12)?,
        })
    }

    fn is_used(&self) -> bool {
        self.kind != 0 && self.sectors != 0
    }

    fn is_extended(&self) -> bool {
        self.is_used() && matches!(self.kind, 0x05 | 0x0f | 0x85)
    }

    fn is_protective(&self) -> bool {
        self.kind == 0xee && self.sectors != 0
    }

    /// The entry's bytes on the disk, if it counts from `base`.
    fn range(&self, base: u64) -> Option<Range<u64>> {
        let start = u64::from(self.first_sector).checked_mul(SECTOR)?.checked_add(base)?;
        let end = u64::from(self.sectors).checked_mul(SECTOR)?.checked_add(start)?;
        Some(start..end)
    }

    fn partition(&self, number: u32, signature: u32, range: &Range<u64>) -> Partition {
        Partition {
            number,
            start: range.start,
            length: range.end.saturating_sub(range.start),
            kind: PartitionKind::Mbr(self.kind),
            id: Some(PartitionId::Mbr { signature, number }),
            name: None,
            attributes: 0,
            bootable: self.status == 0x80,
        }
    }
}

impl BootRecord {
    fn parse(sector: &[u8]) -> Option<Self> {
        if u16_at(sector, 510)? != 0xaa55 {
            return None;
        }
        let entry = |index: usize| {
            let offset = index.checked_mul(ENTRY_BYTES)?.checked_add(ENTRIES_AT)?;
            Entry::parse(array_at(sector, offset)?)
        };
        let entries = [entry(0)?, entry(1)?, entry(2)?, entry(3)?];
        // Boot code of some other sector that merely ends in the signature.
        if entries.iter().any(|entry| entry.status & 0x7f != 0) {
            return None;
        }
        Some(Self {
            signature: u32_at(sector, 440)?,
            entries,
        })
    }

    pub(crate) fn is_protective(&self) -> bool {
        self.entries.iter().any(Entry::is_protective)
    }

    pub(crate) fn is_hybrid(&self) -> bool {
        self.is_protective() && self.has_partitions()
    }

    /// Whether there is an entry beside the protective one.
    pub(crate) fn has_partitions(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.is_used() && !entry.is_protective())
    }
}

/// The record in the sector at `offset`, or `None` if there is no record there.
pub(crate) fn read_boot_record(device: &dyn BlockRead, offset: u64) -> Result<Option<BootRecord>, Error> {
    let mut sector = [0; 512];
    let fits = offset.checked_add(SECTOR).is_some_and(|end| end <= device.len_bytes());
    if !fits {
        return Ok(None);
    }
    device.read_at(offset, &mut sector)?;
    Ok(BootRecord::parse(&sector))
}

/// All primary and logical partitions.
pub(crate) fn read_partitions(device: &dyn BlockRead, record: &BootRecord) -> Result<Table, Error> {
    let mut table = Table {
        partitions: Vec::new(),
        own_ranges: Vec::new(),
    };
    table.own_ranges.push(0..SECTOR);
    let mut extended = Vec::new();
    for (number, entry) in (1..).zip(&record.entries) {
        if !entry.is_used() {
            continue;
        }
        let range = entry.range(0).ok_or(Error::ImpossibleRange { number })?;
        if entry.is_extended() {
            extended.push((number, range));
        } else {
            table.partitions.push(entry.partition(number, record.signature, &range));
        }
    }
    for (number, range) in extended {
        check_extended(device, number, &range, &table.partitions)?;
        read_chain(device, record.signature, &range, &mut table)?;
    }
    Ok(table)
}

fn check_extended(
    device: &dyn BlockRead,
    number: u32,
    range: &Range<u64>,
    primaries: &[Partition],
) -> Result<(), Error> {
    if range.end > device.len_bytes() {
        return Err(Error::OutsideDisk {
            number,
            start: range.start,
            end: range.end,
            device_bytes: device.len_bytes(),
        });
    }
    let overlapped = primaries.iter().find(|primary| {
        primary.number < 5 && primary.start < range.end && range.start < primary.start.saturating_add(primary.length)
    });
    match overlapped {
        Some(primary) => Err(Error::Overlap {
            first: primary.number.min(number),
            second: primary.number.max(number),
        }),
        None => Ok(()),
    }
}

/// Follows the records of one extended partition.
fn read_chain(device: &dyn BlockRead, signature: u32, extended: &Range<u64>, table: &mut Table) -> Result<(), Error> {
    let mut number = table
        .partitions
        .iter()
        .map(|partition| partition.number.saturating_add(1))
        .fold(5, u32::max);
    let mut offset = extended.start;
    let mut seen = BTreeSet::new();
    loop {
        let bad = |reason| Error::BadChain { offset, reason };
        if !seen.insert(offset) {
            return Err(bad("the chain leads back to this record"));
        }
        if number >= MAX_LOGICAL {
            return Err(bad("too many logical partitions"));
        }
        let record = read_boot_record(device, offset)?.ok_or(bad("no boot record here"))?;
        table.own_ranges.push(offset..offset.saturating_add(SECTOR));
        let mut next = None;
        for entry in &record.entries {
            if entry.is_extended() {
                let range = entry
                    .range(extended.start)
                    .ok_or(bad("the next record is out of range"))?;
                next = next.or(Some(range.start));
            } else if entry.is_used() {
                let range = entry.range(offset).ok_or(Error::ImpossibleRange { number })?;
                if range.end > extended.end {
                    return Err(bad("a logical partition leaves the extended one"));
                }
                table.partitions.push(entry.partition(number, signature, &range));
                number = number.saturating_add(1);
            }
        }
        match next {
            Some(start) if extended.contains(&start) => offset = start,
            Some(_) => return Err(bad("the next record is outside the extended partition")),
            None => return Ok(()),
        }
    }
}

/// The names of the types that are met on virtual machines' disks.
pub(crate) fn type_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0x01 => "FAT12",
        0x04 | 0x06 | 0x0e => "FAT16",
        0x05 | 0x0f | 0x85 => "extended",
        0x07 => "NTFS or exFAT",
        0x0b | 0x0c => "FAT32",
        0x27 => "Windows recovery",
        0x82 => "Linux swap",
        0x83 => "Linux",
        0x8e => "Linux LVM",
        0xa5 => "FreeBSD",
        0xa6 => "OpenBSD",
        0xa9 => "NetBSD",
        0xee => "GPT protective",
        0xef => "EFI system",
        0xfd => "Linux RAID",
        _ => return None,
    })
}
