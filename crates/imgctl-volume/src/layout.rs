//! What a disk's partition table says, whatever its kind.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use crate::{Error, gpt, identify, mbr};
use imgctl_block::BlockRead;
use std::fmt;
use std::ops::Range;
use uuid::Uuid;

/// What kind of table a disk has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// A GUID partition table.
    Gpt,
    /// A master boot record, with or without logical partitions.
    Mbr,
    /// No table: the disk is one filesystem, or nothing that is known.
    Bare,
}

/// How the disk itself is named; displayed as blkid's PTUUID.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DiskId {
    /// The disk GUID of a GPT.
    Guid(Uuid),
    /// The disk signature of an MBR.
    Signature(u32),
}

/// How a partition is named uniquely; displayed as blkid's PARTUUID.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PartitionId {
    /// The unique GUID of a GPT partition.
    Guid(Uuid),
    /// The disk signature and the partition's number, for MBR partitions.
    Mbr {
        /// The disk's signature.
        signature: u32,
        /// The partition's number.
        number: u32,
    },
}

/// What a partition is meant for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PartitionKind {
    /// A GPT type GUID.
    Gpt(Uuid),
    /// An MBR type byte.
    Mbr(u8),
    /// The whole of a disk without a table.
    Whole,
}

/// One partition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Partition {
    /// Its number as Linux counts: GPT slot or MBR primary from 1, logical from 5; 0 for a disk without a table.
    pub number: u32,
    /// Its first byte on the disk.
    pub start: u64,
    /// Its length in bytes.
    pub length: u64,
    /// What it is meant for.
    pub kind: PartitionKind,
    /// Its PARTUUID, where the table has one.
    pub id: Option<PartitionId>,
    /// Its PARTLABEL (GPT only), where set.
    pub name: Option<String>,
    /// The GPT attribute bits; 0 otherwise.
    pub attributes: u64,
    /// Whether it is marked bootable: the MBR's active flag, or GPT's legacy BIOS bit.
    pub bootable: bool,
}

/// All partitions of a disk.
///
/// An extended MBR partition holds partitions, not data, and is not listed; its logical partitions are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layout {
    /// The kind of table.
    pub scheme: Scheme,
    /// The disk's own id, where the table has one.
    pub disk_id: Option<DiskId>,
    /// The unit the table counts in, in bytes.
    pub sector_bytes: u32,
    /// The partitions, by number.
    pub partitions: Vec<Partition>,
    /// What is wrong with the table without making it unusable.
    pub warnings: Vec<Warning>,
}

/// A fault of a table that can be used nevertheless.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The first GPT header is damaged; the backup was used.
    PrimaryHeaderDamaged {
        /// What is wrong with it.
        reason: String,
    },
    /// The GPT header at the end of the disk is damaged; the primary was used.
    BackupHeaderDamaged {
        /// What is wrong with it.
        reason: String,
    },
    /// The backup header is not in the last sector: the disk was grown after it was partitioned.
    BackupNotAtEnd {
        /// Where it is, in bytes.
        offset: u64,
    },
    /// The two GPT headers hold, but do not describe the same table; the primary was used.
    HeadersDiffer,
    /// A GPT without a protective MBR, which a kernel would not see.
    ProtectiveMbrMissing,
    /// The MBR holds partitions beside the protective one; they were ignored.
    HybridMbr,
    /// A GPT header was found behind an MBR that does not mention it; the MBR was used, as a kernel does.
    StaleGpt,
}

impl Layout {
    /// The partition of that number.
    #[must_use]
    pub fn partition(&self, number: u32) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.number == number)
    }
}

impl Scheme {
    /// `gpt`, `mbr` or `bare`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpt => "gpt",
            Self::Mbr => "mbr",
            Self::Bare => "bare",
        }
    }
}

impl PartitionKind {
    /// The name of a well-known type.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self::Gpt(guid) => gpt::type_name(guid),
            Self::Mbr(byte) => mbr::type_name(*byte),
            Self::Whole => Some("whole disk"),
        }
    }
}

impl fmt::Display for DiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guid(guid) => write!(f, "{guid}"),
            Self::Signature(signature) => write!(f, "{signature:08x}"),
        }
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guid(guid) => write!(f, "{guid}"),
            Self::Mbr { signature, number } => write!(f, "{signature:08x}-{number:02x}"),
        }
    }
}

/// The name of a well-known type, else the GUID or the byte in hexadecimal.
impl fmt::Display for PartitionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self) {
            (Some(name), _) => f.write_str(name),
            (None, Self::Gpt(guid)) => write!(f, "{guid}"),
            (None, Self::Mbr(byte)) => write!(f, "0x{byte:02x}"),
            (None, Self::Whole) => f.write_str("whole disk"),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrimaryHeaderDamaged { reason } => {
                write!(f, "the primary GPT header is damaged ({reason}); the backup was used")
            }
            Self::BackupHeaderDamaged { reason } => {
                write!(f, "the backup GPT header is damaged ({reason}); the primary was used")
            }
            Self::BackupNotAtEnd { offset } => {
                write!(
                    f,
                    "the backup GPT header is at byte {offset}, not at the end of the disk"
                )
            }
            Self::HeadersDiffer => f.write_str("the two GPT headers describe different tables; the primary was used"),
            Self::ProtectiveMbrMissing => f.write_str("the GPT has no protective MBR"),
            Self::HybridMbr => f.write_str("the MBR holds partitions beside the protective one; they were ignored"),
            Self::StaleGpt => f.write_str("a GPT header lies behind an MBR that does not mention it; the MBR was used"),
        }
    }
}

/// Reads a disk's partition table: GPT, MBR, or none at all.
///
/// A boot sector of a FAT or NTFS filesystem carries the MBR's signature too; it is told apart by its parameters.
pub fn read_layout(device: &dyn BlockRead) -> Result<Layout, Error> {
    let boot = mbr::read_boot_record(device, 0)?;
    let is_boot_sector = identify::is_boot_sector(device)?;
    let record = if is_boot_sector { None } else { boot };
    let protected = record.as_ref().is_some_and(mbr::BootRecord::is_protective);
    let has_partitions = record.as_ref().is_some_and(mbr::BootRecord::has_partitions);
    let mut stale = false;
    if !is_boot_sector {
        match gpt::find(device, protected)? {
            Some(_) if has_partitions && !protected => stale = true,
            Some(table) => return gpt_layout(device, table, record.as_ref()),
            None => {}
        }
    }
    match record {
        Some(record) if has_partitions => mbr_layout(device, &record, stale),
        // An empty table counts only where no filesystem is found: a boot loader's sector before one has it as well.
        Some(record) if !identify::identify(device)?.is_known() => mbr_layout(device, &record, stale),
        _ => Ok(bare_layout(device)),
    }
}

fn gpt_layout(device: &dyn BlockRead, table: gpt::Table, record: Option<&mbr::BootRecord>) -> Result<Layout, Error> {
    let mut warnings = table.warnings;
    match record {
        Some(record) if record.is_protective() => {
            if record.is_hybrid() {
                warnings.push(Warning::HybridMbr);
            }
        }
        _ => warnings.push(Warning::ProtectiveMbrMissing),
    }
    check_ranges(device, &table.partitions, &table.own_ranges)?;
    Ok(Layout {
        scheme: Scheme::Gpt,
        disk_id: Some(DiskId::Guid(table.disk_guid)),
        sector_bytes: table.sector_bytes,
        partitions: table.partitions,
        warnings,
    })
}

fn mbr_layout(device: &dyn BlockRead, record: &mbr::BootRecord, stale: bool) -> Result<Layout, Error> {
    let table = mbr::read_partitions(device, record)?;
    check_ranges(device, &table.partitions, &table.own_ranges)?;
    Ok(Layout {
        scheme: Scheme::Mbr,
        disk_id: Some(DiskId::Signature(record.signature)),
        sector_bytes: mbr::SECTOR_BYTES,
        partitions: table.partitions,
        warnings: if stale { vec![Warning::StaleGpt] } else { Vec::new() },
    })
}

fn bare_layout(device: &dyn BlockRead) -> Layout {
    Layout {
        scheme: Scheme::Bare,
        disk_id: None,
        sector_bytes: mbr::SECTOR_BYTES,
        partitions: vec![Partition {
            number: 0,
            start: 0,
            length: device.len_bytes(),
            kind: PartitionKind::Whole,
            id: None,
            name: None,
            attributes: 0,
            bootable: false,
        }],
        warnings: Vec::new(),
    }
}

/// Fails unless every partition lies within the device, apart from the others and from the table's `own_ranges`.
fn check_ranges(device: &dyn BlockRead, partitions: &[Partition], own_ranges: &[Range<u64>]) -> Result<(), Error> {
    let device_bytes = device.len_bytes();
    let mut ranges = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let number = partition.number;
        let end = partition
            .start
            .checked_add(partition.length)
            .ok_or(Error::ImpossibleRange { number })?;
        if end > device_bytes {
            return Err(Error::OutsideDisk {
                number,
                start: partition.start,
                end,
                device_bytes,
            });
        }
        if own_ranges
            .iter()
            .any(|own| partition.start < own.end && own.start < end)
        {
            return Err(Error::CoversTable { number });
        }
        ranges.push((partition.start, end, number));
    }
    ranges.sort_unstable();
    // Sorted by start, neighbours that do not overlap mean that none do.
    for ((_, end, first), (start, _, second)) in ranges.iter().zip(ranges.iter().skip(1)) {
        if start < end {
            return Err(Error::Overlap {
                first: *first.min(second),
                second: *first.max(second),
            });
        }
    }
    Ok(())
}
