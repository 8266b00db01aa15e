//! An inode's record: the core, and behind it the two forks (content and attributes).
//!
//! Source: `struct xfs_dinode` in the XFS Algorithms & Data Structures document.

use super::agi::NULL_AGINO;
use super::fields::{bytes_at, put, put_u8, put_u16, put_u32, put_u64, u8_at, u16_at, u32_at, u64_at};
use crate::checksum;
use imgctl_vfs::{FileKind, Timestamp};

const MAGIC: u16 = 0x494e;
const CRC: usize = 100;
const CORE_V3: usize = 176;
const CORE_V2: usize = 100;
/// Times with nanoseconds since this many seconds before 1970 (`bigtime`).
const BIGTIME_EPOCH: i64 = 1 << 31;
const BILLION: u64 = 1_000_000_000;

/// How a fork keeps what it has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ForkFormat {
    /// Nothing but a device number.
    Device,
    /// The bytes themselves.
    Local,
    /// A list of extents.
    Extents,
    /// The root of an extent tree.
    Tree,
}

impl ForkFormat {
    fn parse(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Device,
            1 => Self::Local,
            2 => Self::Extents,
            3 => Self::Tree,
            _ => return None,
        })
    }

    fn code(self) -> u8 {
        match self {
            Self::Device => 0,
            Self::Local => 1,
            Self::Extents => 2,
            Self::Tree => 3,
        }
    }
}

/// The flags that mean something to the engine.
pub(crate) mod flags {
    pub(crate) const REALTIME: u16 = 0x1;
    pub(crate) const IMMUTABLE: u16 = 0x8;
    pub(crate) const APPEND: u16 = 0x10;
    pub(crate) const NOATIME: u16 = 0x40;
    pub(crate) const NODUMP: u16 = 0x80;
    pub(crate) const PROJECT: u16 = 0x200;
    pub(crate) const REFLINK: u64 = 0x2;
    pub(crate) const BIGTIME: u64 = 0x8;
    pub(crate) const LARGE_COUNTS: u64 = 0x10;
    pub(crate) const METADATA: u64 = 0x20;
}

/// Which of an inode's times.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Time {
    Accessed = 32,
    Modified = 40,
    Changed = 48,
    Created = 144,
}

impl Time {
    fn place(self) -> usize {
        #[allow(clippy::as_conversions, reason = "the discriminant is the place")]
        let place = self as usize;
        place
    }
}

/// One inode's bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Inode {
    raw: Vec<u8>,
}

impl Inode {
    /// Takes a record whose magic number, sum, number and UUID are right. `uuid` is `None` on volumes without sums.
    pub(crate) fn parse(raw: Vec<u8>, number: u64, uuid: Option<[u8; 16]>) -> Result<Self, &'static str> {
        if u16_at(&raw, 0) != MAGIC {
            return Err("its magic number is wrong");
        }
        let inode = Self { raw };
        let version = inode.version();
        match uuid {
            Some(uuid) => {
                if version != 3 {
                    return Err("its version is wrong");
                }
                if !checksum::is_right(&inode.raw, CRC) {
                    return Err("its checksum is wrong");
                }
                if u64_at(&inode.raw, 152) != number || bytes_at::<16>(&inode.raw, 160) != uuid {
                    return Err("it belongs elsewhere by its own word");
                }
            }
            None if version != 1 && version != 2 => return Err("its version is wrong"),
            None => {}
        }
        if inode.size() >> 63 != 0 {
            return Err("its size is negative");
        }
        if inode.data_start() >= inode.raw.len() || inode.fork_offset() >= inode.literal_bytes() {
            return Err("its forks do not fit into it");
        }
        Ok(inode)
    }

    /// A record of an inode that is free. The generation counts how often it was used.
    pub(crate) fn blank(length: usize, number: u64, uuid: [u8; 16], generation: u32) -> Self {
        let mut inode = Self { raw: vec![0; length] };
        put_u16(&mut inode.raw, 0, MAGIC);
        put_u8(&mut inode.raw, 4, 3);
        inode.set_format(ForkFormat::Extents);
        inode.set_attribute_format(ForkFormat::Extents);
        put_u32(&mut inode.raw, 92, generation);
        put_u32(&mut inode.raw, 96, NULL_AGINO);
        put_u64(&mut inode.raw, 152, number);
        put(&mut inode.raw, 160, &uuid);
        inode
    }

    /// The record to be written.
    pub(crate) fn encode(&mut self) -> &[u8] {
        checksum::seal(&mut self.raw, CRC);
        &self.raw
    }

    fn version(&self) -> u8 {
        u8_at(&self.raw, 4)
    }

    fn data_start(&self) -> usize {
        if self.version() == 3 { CORE_V3 } else { CORE_V2 }
    }

    /// How many bytes both forks have together.
    pub(crate) fn literal_bytes(&self) -> usize {
        self.raw.len().saturating_sub(self.data_start())
    }

    /// Where the attribute fork begins within the forks, in bytes; 0 when there is none.
    pub(crate) fn fork_offset(&self) -> usize {
        usize::from(u8_at(&self.raw, 82)).saturating_mul(8)
    }

    pub(crate) fn set_fork_offset(&mut self, bytes: usize) {
        let units = u8::try_from(bytes.checked_div(8).unwrap_or(0)).unwrap_or(u8::MAX);
        put_u8(&mut self.raw, 82, units);
    }

    /// The bytes of the data fork.
    pub(crate) fn data_fork(&self) -> &[u8] {
        let forks = self.raw.get(self.data_start()..).unwrap_or_default();
        match self.fork_offset() {
            0 => forks,
            offset => forks.get(..offset).unwrap_or_default(),
        }
    }

    /// The bytes of the attribute fork.
    pub(crate) fn attribute_fork(&self) -> &[u8] {
        let forks = self.raw.get(self.data_start()..).unwrap_or_default();
        match self.fork_offset() {
            0 => &[],
            offset => forks.get(offset..).unwrap_or_default(),
        }
    }

    /// Replaces both forks' bytes; what they do not fill is cleared. The fork offset has to be set before.
    pub(crate) fn set_forks(&mut self, data: &[u8], attributes: &[u8]) {
        let start = self.data_start();
        let offset = self.fork_offset();
        let forks = self.raw.get_mut(start..).unwrap_or_default();
        forks.fill(0);
        put(forks, 0, data);
        if offset > 0 {
            put(forks, offset, attributes);
        }
    }

    pub(crate) fn mode(&self) -> u16 {
        u16_at(&self.raw, 2)
    }

    pub(crate) fn set_mode(&mut self, mode: u16) {
        put_u16(&mut self.raw, 2, mode);
    }

    /// What the inode is by its mode; `None` for an unknown type. Devices lack their number here.
    pub(crate) fn kind(&self) -> Option<FileKind> {
        let device = u32_at(self.data_fork(), 0);
        let (major, minor) = (device >> 18, device & 0x3_ffff);
        Some(match self.mode() >> 12 {
            1 => FileKind::Fifo,
            2 => FileKind::CharDevice(major, minor),
            4 => FileKind::Directory,
            6 => FileKind::BlockDevice(major, minor),
            8 => FileKind::File,
            10 => FileKind::Symlink,
            12 => FileKind::Socket,
            _ => return None,
        })
    }

    pub(crate) fn format(&self) -> Option<ForkFormat> {
        ForkFormat::parse(u8_at(&self.raw, 5))
    }

    pub(crate) fn set_format(&mut self, format: ForkFormat) {
        put_u8(&mut self.raw, 5, format.code());
    }

    pub(crate) fn attribute_format(&self) -> Option<ForkFormat> {
        ForkFormat::parse(u8_at(&self.raw, 83))
    }

    pub(crate) fn set_attribute_format(&mut self, format: ForkFormat) {
        put_u8(&mut self.raw, 83, format.code());
    }

    pub(crate) fn uid(&self) -> u32 {
        u32_at(&self.raw, 8)
    }

    pub(crate) fn set_uid(&mut self, uid: u32) {
        put_u32(&mut self.raw, 8, uid);
    }

    pub(crate) fn gid(&self) -> u32 {
        u32_at(&self.raw, 12)
    }

    pub(crate) fn set_gid(&mut self, gid: u32) {
        put_u32(&mut self.raw, 12, gid);
    }

    pub(crate) fn links(&self) -> u32 {
        if self.version() == 1 {
            u16_at(&self.raw, 6).into()
        } else {
            u32_at(&self.raw, 16)
        }
    }

    pub(crate) fn set_links(&mut self, links: u32) {
        put_u32(&mut self.raw, 16, links);
    }

    /// The project id, in its two halves as they lie.
    pub(crate) fn project(&self) -> [u8; 4] {
        bytes_at(&self.raw, 20)
    }

    pub(crate) fn set_project(&mut self, project: [u8; 4]) {
        put(&mut self.raw, 20, &project);
    }

    pub(crate) fn size(&self) -> u64 {
        u64_at(&self.raw, 56)
    }

    pub(crate) fn set_size(&mut self, size: u64) {
        put_u64(&mut self.raw, 56, size);
    }

    /// All blocks of both forks, tree blocks among them.
    pub(crate) fn blocks(&self) -> u64 {
        u64_at(&self.raw, 64)
    }

    pub(crate) fn set_blocks(&mut self, blocks: u64) {
        put_u64(&mut self.raw, 64, blocks);
    }

    fn has_large_counts(&self) -> bool {
        self.version() == 3 && self.flags2() & flags::LARGE_COUNTS != 0
    }

    /// How many extents the data fork has.
    pub(crate) fn extents(&self) -> u64 {
        if self.has_large_counts() {
            u64_at(&self.raw, 24)
        } else {
            u32_at(&self.raw, 76).into()
        }
    }

    /// How many extents the attribute fork has.
    pub(crate) fn attribute_extents(&self) -> u32 {
        if self.has_large_counts() {
            u32_at(&self.raw, 76)
        } else {
            u16_at(&self.raw, 80).into()
        }
    }

    /// Stores both counts where this inode keeps them; `None` if they are too large.
    pub(crate) fn set_extent_counts(&mut self, data: usize, attributes: usize) -> Option<()> {
        if self.has_large_counts() {
            put_u64(&mut self.raw, 24, u64::try_from(data).ok()?);
            put_u32(&mut self.raw, 76, u32::try_from(attributes).ok()?);
            put_u16(&mut self.raw, 80, 0);
        } else {
            let data = u32::try_from(data).ok().filter(|count| *count < 1 << 31)?;
            let attributes = u16::try_from(attributes).ok().filter(|count| *count < 1 << 15)?;
            put_u32(&mut self.raw, 76, data);
            put_u16(&mut self.raw, 80, attributes);
        }
        Some(())
    }

    pub(crate) fn flags(&self) -> u16 {
        u16_at(&self.raw, 90)
    }

    pub(crate) fn set_flags(&mut self, flags: u16) {
        put_u16(&mut self.raw, 90, flags);
    }

    pub(crate) fn flags2(&self) -> u64 {
        if self.version() == 3 { u64_at(&self.raw, 120) } else { 0 }
    }

    pub(crate) fn set_flags2(&mut self, flags: u64) {
        put_u64(&mut self.raw, 120, flags);
    }

    pub(crate) fn generation(&self) -> u32 {
        u32_at(&self.raw, 92)
    }

    /// The next inode in a list of those deleted while open.
    pub(crate) fn next_unlinked(&self) -> u32 {
        u32_at(&self.raw, 96)
    }

    /// Counts one more change, as the kernel does for its users of file versions.
    pub(crate) fn count_change(&mut self) {
        let count = u64_at(&self.raw, 104).wrapping_add(1);
        put_u64(&mut self.raw, 104, count);
    }

    pub(crate) fn time(&self, time: Time) -> Option<Timestamp> {
        if time == Time::Created && self.version() != 3 {
            return None;
        }
        let place = time.place();
        if self.flags2() & flags::BIGTIME != 0 {
            let all = u64_at(&self.raw, place);
            let seconds = i64::try_from(all.checked_div(BILLION)?).ok()?;
            return Some(Timestamp {
                seconds: seconds.saturating_sub(BIGTIME_EPOCH),
                nanoseconds: u32::try_from(all.checked_rem(BILLION)?).ok()?,
            });
        }
        let seconds = i32::from_be_bytes(bytes_at(&self.raw, place));
        Some(Timestamp {
            seconds: seconds.into(),
            nanoseconds: u32_at(&self.raw, place.saturating_add(4)).min(999_999_999),
        })
    }

    /// Stores a time, at the end of what can be stored if it lies beyond.
    pub(crate) fn set_time(&mut self, time: Time, value: Timestamp) {
        let place = time.place();
        if self.flags2() & flags::BIGTIME != 0 {
            let most = u64::MAX.checked_div(BILLION).unwrap_or(0).saturating_sub(1);
            let seconds = u64::try_from(value.seconds.saturating_add(BIGTIME_EPOCH)).unwrap_or(0);
            let all = seconds.min(most).saturating_mul(BILLION);
            put_u64(&mut self.raw, place, all.saturating_add(value.nanoseconds.into()));
            return;
        }
        let seconds = value.seconds.clamp(i32::MIN.into(), i32::MAX.into());
        let seconds = i32::try_from(seconds).unwrap_or(0);
        put(&mut self.raw, place, &seconds.to_be_bytes());
        put_u32(&mut self.raw, place.saturating_add(4), value.nanoseconds);
    }

    /// Changes the inode to the times that reach beyond 2038.
    pub(crate) fn use_bigtime(&mut self) {
        if self.flags2() & flags::BIGTIME != 0 {
            return;
        }
        let times = [Time::Accessed, Time::Modified, Time::Changed, Time::Created];
        let values = times.map(|time| self.time(time).unwrap_or_default());
        self.set_flags2(self.flags2() | flags::BIGTIME);
        for (time, value) in times.into_iter().zip(values) {
            self.set_time(time, value);
        }
    }

    /// Whether the record is one of no file.
    pub(crate) fn is_free(&self) -> bool {
        self.mode() == 0
    }
}

/// The bits of the mode that tell the type.
pub(crate) fn type_bits(kind: FileKind) -> u16 {
    match kind {
        FileKind::Fifo => 0o010_000,
        FileKind::CharDevice(..) => 0o020_000,
        FileKind::Directory => 0o040_000,
        FileKind::BlockDevice(..) => 0o060_000,
        FileKind::File => 0o100_000,
        FileKind::Symlink => 0o120_000,
        FileKind::Socket => 0o140_000,
    }
}

/// The type that a directory entry tells.
pub(crate) fn directory_type(kind: FileKind) -> u8 {
    match kind {
        FileKind::File => 1,
        FileKind::Directory => 2,
        FileKind::CharDevice(..) => 3,
        FileKind::BlockDevice(..) => 4,
        FileKind::Fifo => 5,
        FileKind::Socket => 6,
        FileKind::Symlink => 7,
    }
}

/// A device's number as the data fork holds it; `None` if it cannot.
pub(crate) fn device_number(kind: FileKind) -> Option<u32> {
    match kind {
        FileKind::CharDevice(major, minor) | FileKind::BlockDevice(major, minor) => {
            (major < 1 << 14 && minor < 1 << 18).then_some((major << 18) | minor)
        }
        _ => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_in_both_forms() {
        let mut inode = Inode::blank(512, 131, [7; 16], 3);
        let old = Timestamp {
            seconds: -5,
            nanoseconds: 9,
        };
        let new = Timestamp {
            seconds: 8_000_000_000,
            nanoseconds: 999_999_999,
        };
        inode.set_time(Time::Modified, old);
        assert_eq!(inode.time(Time::Modified), Some(old));
        inode.set_time(Time::Accessed, new);
        assert_eq!(
            inode.time(Time::Accessed).map(|time| time.seconds),
            Some(i32::MAX.into())
        );
        inode.use_bigtime();
        assert_eq!(inode.time(Time::Modified), Some(old));
        inode.set_time(Time::Accessed, new);
        assert_eq!(inode.time(Time::Accessed), Some(new));
    }

    #[test]
    fn a_blank_inode_is_taken_back_and_knows_its_place() {
        let mut inode = Inode::blank(512, 131, [7; 16], 3);
        inode.set_fork_offset(280);
        inode.set_forks(b"data", b"attributes");
        let raw = inode.encode().to_vec();
        let back = Inode::parse(raw.clone(), 131, Some([7; 16])).unwrap();
        assert!(back.is_free() && back.next_unlinked() == NULL_AGINO);
        assert!(back.data_fork().starts_with(b"data") && back.attribute_fork().starts_with(b"attributes"));
        assert_eq!((back.data_fork().len(), back.attribute_fork().len()), (280, 56));
        assert!(Inode::parse(raw, 132, Some([7; 16])).is_err());
    }

    #[test]
    fn extent_counts_live_where_the_flag_says() {
        let mut inode = Inode::blank(512, 131, [7; 16], 3);
        assert_eq!(inode.set_extent_counts(5, 40_000), None);
        inode.set_extent_counts(5, 6).unwrap();
        assert_eq!((inode.extents(), inode.attribute_extents()), (5, 6));
        inode.set_flags2(flags::LARGE_COUNTS);
        inode.set_extent_counts(1 << 33, 40_000).unwrap();
        assert_eq!((inode.extents(), inode.attribute_extents()), (1 << 33, 40_000));
    }
}
