//! What a partition holds, told by magic numbers.
//!
//! Facts: the magics, labels and UUIDs are where the formats' own headers put them (ext4 documentation, xfs_sb_t,
//! btrfs_super_block, LUKS and LVM2 on-disk formats, mdp_super_t, mkswap, ECMA-119); the textual form of a UUID is blkid's.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use crate::Error;
use crate::bytes::{array_at, u16_at, u32_at, u64_at};
use imgctl_block::{BlockRead, ExtentKind};
use std::fmt;
use uuid::Uuid;

/// Everything but RAID superblocks at the end is found within this many bytes.
const PREFIX_BYTES: usize = 128 << 10;
/// A partition whose first bytes are all zeros counts as empty.
const EMPTY_BYTES: u64 = 1 << 20;

/// Recognises one format in a device's first bytes.
type Reader = fn(&[u8]) -> Option<Content>;

/// What kind of content it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ContentKind {
    /// ext2: no journal.
    Ext2,
    /// ext3: a journal and none of ext4's features.
    Ext3,
    /// ext4.
    Ext4,
    /// FAT12, FAT16 or FAT32.
    Fat,
    /// XFS.
    Xfs,
    /// Btrfs.
    Btrfs,
    /// A LUKS container, version 1 or 2.
    Luks,
    /// An LVM2 physical volume.
    Lvm2,
    /// A member of a Linux software RAID.
    MdRaid,
    /// Linux swap space.
    Swap,
    /// A CD filesystem.
    Iso9660,
    /// Squashfs.
    Squashfs,
    /// NTFS.
    Ntfs,
    /// Nothing: zeros.
    Empty,
    /// Something else.
    Unknown,
}

/// What a partition holds, with what `LABEL=` and `UUID=` in an fstab refer to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Content {
    /// The kind.
    pub kind: ContentKind,
    /// The label, where there is one: bytes, for nobody checks their encoding.
    pub label: Option<Vec<u8>>,
    /// The UUID as blkid prints it: lower case for real UUIDs, `XXXX-XXXX` for FAT.
    pub uuid: Option<String>,
}

impl ContentKind {
    /// The name that blkid and fstab use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext2 => "ext2",
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
            Self::Fat => "vfat",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Luks => "crypto_LUKS",
            Self::Lvm2 => "LVM2_member",
            Self::MdRaid => "linux_raid_member",
            Self::Swap => "swap",
            Self::Iso9660 => "iso9660",
            Self::Squashfs => "squashfs",
            Self::Ntfs => "ntfs",
            Self::Empty => "empty",
            Self::Unknown => "unknown",
        }
    }

    /// Whether this is ext2, ext3 or ext4.
    #[must_use]
    pub fn is_ext(self) -> bool {
        matches!(self, Self::Ext2 | Self::Ext3 | Self::Ext4)
    }
}

impl fmt::Display for ContentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Content {
    fn new(kind: ContentKind) -> Self {
        Self {
            kind,
            label: None,
            uuid: None,
        }
    }

    /// Whether something was recognised.
    pub(crate) fn is_known(&self) -> bool {
        !matches!(self.kind, ContentKind::Empty | ContentKind::Unknown)
    }

    fn with_label(mut self, label: Option<Vec<u8>>) -> Self {
        self.label = label.filter(|label| !label.is_empty());
        self
    }

    fn with_uuid(mut self, bytes: Option<[u8; 16]>) -> Self {
        self.uuid = bytes
            .filter(|bytes| *bytes != [0; 16])
            .map(|bytes| Uuid::from_bytes(bytes).to_string());
        self
    }
}

/// Tells what `device`, a partition or a bare disk, holds.
///
/// RAID members come first: a mirror's member also looks like the filesystem that is mirrored.
pub fn identify(device: &dyn BlockRead) -> Result<Content, Error> {
    let length = usize::try_from(device.len_bytes()).unwrap_or(usize::MAX);
    let prefix = device.read_vec(0, length.min(PREFIX_BYTES))?;
    if let Some(content) = md_raid(device, &prefix)? {
        return Ok(content);
    }
    let readers: [Reader; 9] = [luks, lvm2, xfs, btrfs, ext, squashfs, ntfs, swap, iso9660];
    if let Some(content) = readers.iter().find_map(|reader| reader(&prefix)) {
        return Ok(content);
    }
    if let Some(fat) = FatParameters::parse(&prefix).filter(|fat| fat.fits(device)) {
        return fat.content(device);
    }
    let kind = if is_empty(device)? {
        ContentKind::Empty
    } else {
        ContentKind::Unknown
    };
    Ok(Content::new(kind))
}

/// Whether the first sector belongs to a FAT or NTFS filesystem, although it is signed like a master boot record.
pub(crate) fn is_boot_sector(device: &dyn BlockRead) -> Result<bool, Error> {
    let mut sector = [0; 512];
    if device.len_bytes() < 512 {
        return Ok(false);
    }
    device.read_at(0, &mut sector)?;
    if ntfs(&sector).is_some() || array_at(&sector, 3) == Some(*b"EXFAT   ") {
        return Ok(true);
    }
    let Some(fat) = FatParameters::parse(&sector).filter(|fat| fat.fits(device)) else {
        return Ok(false);
    };
    // Parameters may be left over from before the disk was partitioned; then no table begins where they say.
    let mut start = [0; 2];
    device.read_at(fat.table_at, &mut start)?;
    Ok(start == [fat.media, 0xff])
}

fn is_empty(device: &dyn BlockRead) -> Result<bool, Error> {
    let end = device.len_bytes().min(EMPTY_BYTES);
    let mut offset: u64 = 0;
    let mut chunk = vec![0; 64 << 10];
    while offset < end {
        let extent = device.extent_at(offset)?;
        let rest = end.saturating_sub(offset);
        let length = match extent.kind {
            ExtentKind::Hole => extent.length.max(1),
            ExtentKind::Data => {
                let most = usize::try_from(rest.min(extent.length)).unwrap_or(usize::MAX);
                let size = most.clamp(1, chunk.len());
                let part = chunk.get_mut(..size).unwrap_or_default();
                device.read_at(offset, part)?;
                if part.iter().any(|byte| *byte != 0) {
                    return Ok(false);
                }
                u64::try_from(size).unwrap_or(u64::MAX)
            }
        };
        offset = offset.saturating_add(length);
    }
    Ok(true)
}

/// The bytes of a field up to its first NUL.
fn text(bytes: &[u8], offset: usize, length: usize) -> Option<Vec<u8>> {
    let field = bytes.get(offset..offset.checked_add(length)?)?;
    field.split(|byte| *byte == 0).next().map(<[u8]>::to_vec)
}

/// The bytes of a field that is padded with spaces.
fn padded_text(field: &[u8]) -> Vec<u8> {
    field.trim_ascii_end().to_vec()
}

fn ext(bytes: &[u8]) -> Option<Content> {
    const AT: usize = 1024;
    let superblock = bytes.get(AT..)?;
    if u16_at(superblock, 0x38)? != 0xef53 {
        return None;
    }
    let compatible = u32_at(superblock, 0x5c)?;
    let incompatible = u32_at(superblock, 0x60)?;
    let read_only = u32_at(superblock, 0x64)?;
    // ext3 knows file types, a journal to recover, a journal device and meta groups; large files and sparse supers.
    let kind = if incompatible & !0x001e != 0 || read_only & !0x0007 != 0 {
        ContentKind::Ext4
    } else if compatible & 0x0004 != 0 {
        ContentKind::Ext3
    } else {
        ContentKind::Ext2
    };
    Some(
        Content::new(kind)
            .with_uuid(array_at(superblock, 0x68))
            .with_label(text(superblock, 0x78, 16)),
    )
}

fn xfs(bytes: &[u8]) -> Option<Content> {
    bytes.starts_with(b"XFSB").then(|| {
        Content::new(ContentKind::Xfs)
            .with_uuid(array_at(bytes, 32))
            .with_label(text(bytes, 108, 12))
    })
}

fn btrfs(bytes: &[u8]) -> Option<Content> {
    const AT: usize = 64 << 10;
    let superblock = bytes.get(AT..)?;
    (array_at(superblock, 0x40)? == *b"_BHRfS_M").then(|| {
        Content::new(ContentKind::Btrfs)
            .with_uuid(array_at(superblock, 0x20))
            .with_label(text(superblock, 0x12b, 256))
    })
}

fn luks(bytes: &[u8]) -> Option<Content> {
    if !bytes.starts_with(b"LUKS\xba\xbe") {
        return None;
    }
    // The version is big-endian; only version 2 has a label.
    let label = match array_at(bytes, 6)? {
        [0, 2] => text(bytes, 24, 48),
        _ => None,
    };
    let mut content = Content::new(ContentKind::Luks).with_label(label);
    content.uuid = text(bytes, 168, 40)
        .and_then(|uuid| String::from_utf8(uuid).ok())
        .and_then(|uuid| Uuid::parse_str(&uuid).ok())
        .map(|uuid| uuid.to_string());
    Some(content)
}

fn lvm2(bytes: &[u8]) -> Option<Content> {
    let sector = bytes
        .chunks_exact(512)
        .take(4)
        .find(|sector| sector.starts_with(b"LABELONE") && array_at(sector, 24) == Some(*b"LVM2 001"))?;
    let header = usize::try_from(u32_at(sector, 20)?).ok()?;
    let mut content = Content::new(ContentKind::Lvm2);
    content.uuid = array_at::<32>(sector, header)
        .filter(|id| id.iter().all(u8::is_ascii_alphanumeric))
        .map(|id| {
            let mut uuid = String::with_capacity(38);
            for (index, byte) in id.iter().enumerate() {
                if matches!(index, 6 | 10 | 14 | 18 | 22 | 26) {
                    uuid.push('-');
                }
                uuid.push(char::from(*byte));
            }
            uuid
        });
    Some(content)
}

fn swap(bytes: &[u8]) -> Option<Content> {
    let signed = [4096, 8192, 16384, 65536].iter().any(|page: &usize| {
        let at = page.saturating_sub(10);
        matches!(array_at(bytes, at), Some(magic) if magic == *b"SWAPSPACE2" || magic == *b"SWAP-SPACE")
    });
    signed.then(|| {
        Content::new(ContentKind::Swap)
            .with_uuid(array_at(bytes, 1036))
            .with_label(text(bytes, 1052, 16))
    })
}

fn squashfs(bytes: &[u8]) -> Option<Content> {
    bytes.starts_with(b"hsqs").then(|| Content::new(ContentKind::Squashfs))
}

fn ntfs(bytes: &[u8]) -> Option<Content> {
    if array_at(bytes, 3)? != *b"NTFS    " {
        return None;
    }
    let mut content = Content::new(ContentKind::Ntfs);
    content.uuid = u64_at(bytes, 72).map(|serial| format!("{serial:016X}"));
    Some(content)
}

fn iso9660(bytes: &[u8]) -> Option<Content> {
    const AT: usize = 32 << 10;
    let descriptor = bytes.get(AT..)?;
    if array_at(descriptor, 1)? != *b"CD001" {
        return None;
    }
    let label = descriptor.get(40..72).map(padded_text);
    let mut content = Content::new(ContentKind::Iso9660).with_label(label);
    // blkid makes the UUID from the time of modification, digit by digit.
    content.uuid = array_at::<16>(descriptor, 830)
        .filter(|date| date.iter().all(u8::is_ascii_digit) && *date != [b'0'; 16])
        .map(|date| {
            let mut uuid = String::with_capacity(22);
            for (index, byte) in date.iter().enumerate() {
                if matches!(index, 4 | 6 | 8 | 10 | 12 | 14) {
                    uuid.push('-');
                }
                uuid.push(char::from(*byte));
            }
            uuid
        });
    Some(content)
}

fn md_raid(device: &dyn BlockRead, prefix: &[u8]) -> Result<Option<Content>, Error> {
    const MAGIC: u32 = 0xa92b_4efc;
    let version_1 = |superblock: &[u8], sector: u64| {
        let sound =
            u32_at(superblock, 0)? == MAGIC && u32_at(superblock, 4)? == 1 && u64_at(superblock, 144)? == sector;
        sound.then(|| {
            Content::new(ContentKind::MdRaid)
                .with_uuid(array_at(superblock, 16))
                .with_label(text(superblock, 32, 32))
        })
    };
    for (at, sector) in [(0, 0), (4096, 8)] {
        let found = prefix.get(at..).and_then(|superblock| version_1(superblock, sector));
        if found.is_some() {
            return Ok(found);
        }
    }
    let mut superblock = [0; 256];
    // Version 1.0: at least 8 KiB before the end, on a 4 KiB boundary.
    let sector = (device.len_bytes() >> 9).saturating_sub(16) & !7;
    if read_within(device, sector << 9, &mut superblock)? {
        let found = version_1(&superblock, sector);
        if found.is_some() {
            return Ok(found);
        }
    }
    // Version 0.90: the last whole 64 KiB.
    let offset = (device.len_bytes() & !0xffff).saturating_sub(0x1_0000);
    if read_within(device, offset, &mut superblock)? {
        let found = u32_at(&superblock, 0) == Some(MAGIC)
            && u32_at(&superblock, 4) == Some(0)
            && u32_at(&superblock, 8) == Some(90);
        if found {
            return Ok(Some(Content::new(ContentKind::MdRaid)));
        }
    }
    Ok(None)
}

/// Fills `buf` if it lies within the device.
fn read_within(device: &dyn BlockRead, offset: u64, buf: &mut [u8]) -> Result<bool, Error> {
    let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
    let fits = offset.checked_add(length).is_some_and(|end| end <= device.len_bytes());
    if fits {
        device.read_at(offset, buf)?;
    }
    Ok(fits)
}

/// The parameters of a FAT boot sector that make sense together.
#[derive(Debug)]
struct FatParameters {
    media: u8,
    /// Where the first table begins, in bytes.
    table_at: u64,
    /// Where the root directory is looked for, in bytes, and how much of it.
    root_at: u64,
    root_bytes: u64,
    total_bytes: u64,
    serial: Option<u32>,
    label: Option<Vec<u8>>,
}

impl FatParameters {
    fn parse(sector: &[u8]) -> Option<Self> {
        let jump = *sector.first()?;
        let sector_bytes = u64::from(u16_at(sector, 11)?);
        let cluster_sectors = u64::from(*sector.get(13)?);
        let reserved = u64::from(u16_at(sector, 14)?);
        let tables = u64::from(*sector.get(16)?);
        let root_entries = u64::from(u16_at(sector, 17)?);
        let media = *sector.get(21)?;
        let plausible = u16_at(sector, 510)? == 0xaa55
            && matches!(jump, 0xeb | 0xe9)
            && matches!(sector_bytes, 512 | 1024 | 2048 | 4096)
            && cluster_sectors.is_power_of_two()
            && reserved > 0
            && matches!(tables, 1..=4)
            && (media == 0xf0 || media >= 0xf8);
        if !plausible {
            return None;
        }
        let is_fat32 = u16_at(sector, 22)? == 0;
        let table_sectors = match u16_at(sector, 22)? {
            0 => u64::from(u32_at(sector, 36)?),
            short => u64::from(short),
        };
        let total_sectors = match u16_at(sector, 19)? {
            0 => u64::from(u32_at(sector, 32)?),
            short => u64::from(short),
        };
        if table_sectors == 0 || total_sectors == 0 || is_fat32 != (root_entries == 0) {
            return None;
        }
        let tables_end = tables.checked_mul(table_sectors)?.checked_add(reserved)?;
        let (root_sector, root_bytes) = if is_fat32 {
            let cluster = u64::from(u32_at(sector, 44)?).checked_sub(2)?;
            let within = cluster.checked_mul(cluster_sectors)?;
            (
                tables_end.checked_add(within)?,
                cluster_sectors.checked_mul(sector_bytes)?,
            )
        } else {
            (tables_end, root_entries.checked_mul(32)?)
        };
        let extended: usize = if is_fat32 { 66 } else { 38 };
        let extended = sector.get(extended..).filter(|rest| rest.first() == Some(&0x29));
        Some(Self {
            media,
            table_at: reserved.checked_mul(sector_bytes)?,
            root_at: root_sector.checked_mul(sector_bytes)?,
            root_bytes,
            total_bytes: total_sectors.checked_mul(sector_bytes)?,
            serial: extended.and_then(|rest| u32_at(rest, 1)),
            label: extended
                .and_then(|rest| rest.get(5..16))
                .map(padded_text)
                .filter(|label| label != b"NO NAME"),
        })
    }

    fn fits(&self, device: &dyn BlockRead) -> bool {
        self.total_bytes <= device.len_bytes() && self.root_at < self.total_bytes
    }

    fn content(&self, device: &dyn BlockRead) -> Result<Content, Error> {
        let label = self.root_label(device)?.or_else(|| self.label.clone());
        let mut content = Content::new(ContentKind::Fat).with_label(label);
        content.uuid = self.serial.map(|serial| {
            let (high, low) = (serial >> 16, serial & 0xffff);
            format!("{high:04X}-{low:04X}")
        });
        Ok(content)
    }

    /// The label in the root directory, which counts more than the one in the boot sector.
    fn root_label(&self, device: &dyn BlockRead) -> Result<Option<Vec<u8>>, Error> {
        let end = self.root_at.saturating_add(self.root_bytes).min(device.len_bytes());
        let length = end.saturating_sub(self.root_at);
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(1 << 20);
        let entries = device.read_vec(self.root_at, length)?;
        let label = entries
            .chunks_exact(32)
            .take_while(|entry| entry.first() != Some(&0))
            .find(|entry| {
                let attributes = entry.get(11).copied().unwrap_or(0);
                entry.first() != Some(&0xe5) && attributes & 0x18 == 0x08 && attributes != 0x0f
            })
            .and_then(|entry| entry.get(..11))
            .map(padded_text);
        Ok(label.filter(|label| label != b"NO NAME"))
    }
}
