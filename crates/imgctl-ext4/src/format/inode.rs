//! Inodes: 128 bytes, and with larger records the extra fields and attributes behind them (kernel documentation,
//! "Index Nodes"). The record is kept whole, so that fields this engine does not know survive.

use super::checksum::Checksum;
use super::fields::{
    bytes_at, high_half, high_quarter, join, low_half, low_quarter, put, put_u16, put_u32, u16_at, u32_at,
};
use bitflags::bitflags;
use imgctl_vfs::{FileKind, Timestamp};

/// The part every inode has.
pub(crate) const BASE_BYTES: usize = 128;
/// The block map, extent root or link target within the inode.
pub(crate) const BLOCK_AREA: usize = 60;
const BLOCK_AREA_OFFSET: usize = 0x28;
const CHECKSUM_LOW: usize = 0x7c;
const CHECKSUM_HIGH: usize = 0x82;

bitflags! {
    /// `i_flags`.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub(crate) struct InodeFlags: u32 {
        const IMMUTABLE = 0x10;
        const APPEND = 0x20;
        const NODUMP = 0x40;
        const NOATIME = 0x80;
        const ENCRYPT = 0x800;
        const INDEX = 0x1000;
        const JOURNAL_DATA = 0x4000;
        const HUGE_FILE = 0x4_0000;
        const EXTENTS = 0x8_0000;
        const VERITY = 0x10_0000;
        const EA_INODE = 0x20_0000;
        const INLINE_DATA = 0x1000_0000;
        const CASEFOLD = 0x4000_0000;
    }
}

/// The four times of an inode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Time {
    Accessed,
    Changed,
    Modified,
    Created,
}

impl Time {
    /// Where the seconds and the extra bits lie.
    fn offsets(self) -> (usize, usize) {
        match self {
            Self::Accessed => (0x8, 0x8c),
            Self::Changed => (0xc, 0x84),
            Self::Modified => (0x10, 0x88),
            Self::Created => (0x90, 0x94),
        }
    }
}

/// An inode record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Inode {
    raw: Box<[u8]>,
}

impl Inode {
    /// Takes a record of at least 128 bytes.
    pub(crate) fn from_bytes(raw: &[u8]) -> Self {
        Self { raw: raw.into() }
    }

    /// An empty record of `bytes` that declares `extra` extra bytes (as far as there is room).
    pub(crate) fn new(bytes: usize, extra: u16) -> Self {
        let mut raw = vec![0; bytes].into_boxed_slice();
        if bytes > BASE_BYTES {
            let room = u16::try_from(bytes.saturating_sub(BASE_BYTES)).unwrap_or(u16::MAX);
            put_u16(&mut raw, 0x80, extra.min(room));
        }
        Self { raw }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.raw
    }

    pub(crate) fn mode(&self) -> u16 {
        u16_at(&self.raw, 0)
    }

    pub(crate) fn set_mode(&mut self, mode: u16) {
        put_u16(&mut self.raw, 0, mode);
    }

    pub(crate) fn uid(&self) -> u32 {
        u32::from(u16_at(&self.raw, 2)) | (u32::from(u16_at(&self.raw, 0x78)) << 16)
    }

    pub(crate) fn gid(&self) -> u32 {
        u32::from(u16_at(&self.raw, 0x18)) | (u32::from(u16_at(&self.raw, 0x7a)) << 16)
    }

    pub(crate) fn set_uid(&mut self, uid: u32) {
        put_u16(&mut self.raw, 2, low_quarter(uid));
        put_u16(&mut self.raw, 0x78, high_quarter(uid));
    }

    pub(crate) fn set_gid(&mut self, gid: u32) {
        put_u16(&mut self.raw, 0x18, low_quarter(gid));
        put_u16(&mut self.raw, 0x7a, high_quarter(gid));
    }

    pub(crate) fn size(&self) -> u64 {
        join(u32_at(&self.raw, 4), u32_at(&self.raw, 0x6c))
    }

    pub(crate) fn set_size(&mut self, size: u64) {
        put_u32(&mut self.raw, 4, low_half(size));
        put_u32(&mut self.raw, 0x6c, high_half(size));
    }

    /// When the inode was deleted, or the next inode in the list of orphans.
    pub(crate) fn deletion_time(&self) -> u32 {
        u32_at(&self.raw, 0x14)
    }

    pub(crate) fn set_deletion_time(&mut self, time: u32) {
        put_u32(&mut self.raw, 0x14, time);
    }

    pub(crate) fn links(&self) -> u16 {
        u16_at(&self.raw, 0x1a)
    }

    pub(crate) fn set_links(&mut self, links: u16) {
        put_u16(&mut self.raw, 0x1a, links);
    }

    /// The space the inode takes, in 512-byte sectors or, with [`InodeFlags::HUGE_FILE`], in blocks.
    pub(crate) fn stored_blocks(&self) -> u64 {
        join(u32_at(&self.raw, 0x1c), u32::from(u16_at(&self.raw, 0x74)))
    }

    pub(crate) fn set_stored_blocks(&mut self, blocks: u64) {
        put_u32(&mut self.raw, 0x1c, low_half(blocks));
        put_u16(&mut self.raw, 0x74, low_quarter(high_half(blocks)));
    }

    pub(crate) fn flags(&self) -> InodeFlags {
        InodeFlags::from_bits_retain(u32_at(&self.raw, 0x20))
    }

    pub(crate) fn set_flags(&mut self, flags: InodeFlags) {
        put_u32(&mut self.raw, 0x20, flags.bits());
    }

    pub(crate) fn generation(&self) -> u32 {
        u32_at(&self.raw, 0x64)
    }

    pub(crate) fn set_generation(&mut self, generation: u32) {
        put_u32(&mut self.raw, 0x64, generation);
    }

    /// The block with attributes, 0 for none.
    pub(crate) fn xattr_block(&self) -> u64 {
        join(u32_at(&self.raw, 0x68), u32::from(u16_at(&self.raw, 0x76)))
    }

    pub(crate) fn set_xattr_block(&mut self, block: u64) {
        put_u32(&mut self.raw, 0x68, low_half(block));
        put_u16(&mut self.raw, 0x76, low_quarter(high_half(block)));
    }

    /// The 60 bytes of block map, extent root, link target or device number.
    pub(crate) fn block_area(&self) -> [u8; BLOCK_AREA] {
        bytes_at(&self.raw, BLOCK_AREA_OFFSET)
    }

    pub(crate) fn set_block_area(&mut self, area: &[u8]) {
        put(&mut self.raw, BLOCK_AREA_OFFSET, &[0; BLOCK_AREA]);
        put(&mut self.raw, BLOCK_AREA_OFFSET, area.get(..BLOCK_AREA).unwrap_or(area));
    }

    /// How many of the bytes behind the first 128 hold fields; `None` if that cannot be.
    pub(crate) fn extra_bytes(&self) -> Option<usize> {
        if self.raw.len() <= BASE_BYTES {
            return Some(0);
        }
        let extra = usize::from(u16_at(&self.raw, 0x80));
        let fits = extra.saturating_add(BASE_BYTES) <= self.raw.len() && extra.is_multiple_of(4);
        fits.then_some(extra)
    }

    /// The room for attributes behind the fields.
    pub(crate) fn xattr_room(&self) -> &[u8] {
        let start = self.xattr_offset();
        self.raw.get(start..).unwrap_or_default()
    }

    /// Puts `bytes` into the room for attributes and clears the rest of it.
    pub(crate) fn set_xattr_room(&mut self, bytes: &[u8]) {
        let start = self.xattr_offset();
        if let Some(room) = self.raw.get_mut(start..) {
            room.fill(0);
        }
        put(&mut self.raw, start, bytes);
    }

    fn xattr_offset(&self) -> usize {
        match self.extra_bytes() {
            // Without declared fields there is no room for attributes either.
            None | Some(0) => self.raw.len(),
            Some(extra) => BASE_BYTES.saturating_add(extra),
        }
    }

    fn has_field(&self, offset: usize) -> bool {
        let fields = BASE_BYTES.saturating_add(self.extra_bytes().unwrap_or(0));
        offset.saturating_add(4) <= fields
    }

    /// A time; `None` for the creation time where the record has no room for it.
    pub(crate) fn time(&self, time: Time) -> Option<Timestamp> {
        let (low, extra) = time.offsets();
        if time == Time::Created && !self.has_field(low) {
            return None;
        }
        let seconds = i64::from(i32::from_le_bytes(bytes_at(&self.raw, low)));
        if !self.has_field(extra) {
            return Some(Timestamp::from_seconds(seconds));
        }
        let bits = u32_at(&self.raw, extra);
        Some(Timestamp {
            seconds: seconds.saturating_add(i64::from(bits & 3) << 32),
            nanoseconds: (bits >> 2).min(999_999_999),
        })
    }

    /// Sets a time, as near as the record can hold it.
    pub(crate) fn set_time(&mut self, time: Time, value: Timestamp) {
        let (low, extra) = time.offsets();
        if time == Time::Created && !self.has_field(low) {
            return;
        }
        let wide = self.has_field(extra);
        let most = if wide {
            i64::from(i32::MAX).saturating_add(3 << 32)
        } else {
            i64::from(i32::MAX)
        };
        let seconds = value.seconds.clamp(i64::from(i32::MIN), most);
        let bytes: [u8; 4] = bytes_at(&seconds.to_le_bytes(), 0);
        put(&mut self.raw, low, &bytes);
        if wide {
            let epochs = seconds.saturating_sub(i64::from(i32::from_le_bytes(bytes))) >> 32;
            let epoch = u32::try_from(epochs & 3).unwrap_or(0);
            let nanoseconds = value.nanoseconds.min(999_999_999);
            put_u32(&mut self.raw, extra, (nanoseconds << 2) | epoch);
        }
    }

    /// The device numbers of a device node.
    fn device(&self) -> (u32, u32) {
        let area = self.block_area();
        match u32_at(&area, 0) {
            0 => {
                let new = u32_at(&area, 4);
                ((new >> 8) & 0xfff, (new & 0xff) | ((new >> 12) & 0xf_ff00))
            }
            old => ((old >> 8) & 0xff, old & 0xff),
        }
    }

    /// What the inode is; `None` if its type is none of the seven.
    pub(crate) fn kind(&self) -> Option<FileKind> {
        let (major, minor) = self.device();
        Some(match self.mode() >> 12 {
            0x1 => FileKind::Fifo,
            0x2 => FileKind::CharDevice(major, minor),
            0x4 => FileKind::Directory,
            0x6 => FileKind::BlockDevice(major, minor),
            0x8 => FileKind::File,
            0xa => FileKind::Symlink,
            0xc => FileKind::Socket,
            _ => return None,
        })
    }

    /// Makes the inode a node of `kind` with permission bits `mode`.
    pub(crate) fn set_kind(&mut self, kind: FileKind, mode: u16) {
        self.set_mode((mode & 0o7777) | (type_bits(kind) << 12));
        if let FileKind::CharDevice(major, minor) | FileKind::BlockDevice(major, minor) = kind {
            let mut area = [0; 8];
            if major < 256 && minor < 256 {
                put_u32(&mut area, 0, (major << 8) | minor);
            } else {
                put_u32(&mut area, 4, (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12));
            }
            self.set_block_area(&area);
        }
    }

    /// Whether the record is all zeros, as a never used one is.
    pub(crate) fn is_blank(&self) -> bool {
        self.raw.iter().all(|byte| *byte == 0)
    }

    /// Whether the checksum matches; `seed` is the filesystem's.
    pub(crate) fn checksum_matches(&self, seed: u32, number: u32) -> bool {
        let sum = self.checksum(seed, number);
        u16_at(&self.raw, CHECKSUM_LOW) == low_quarter(sum)
            && (!self.has_high_checksum() || u16_at(&self.raw, CHECKSUM_HIGH) == high_quarter(sum))
    }

    /// Fills in the checksum; `seed` is the filesystem's.
    pub(crate) fn put_checksum(&mut self, seed: u32, number: u32) {
        let sum = self.checksum(seed, number);
        put_u16(&mut self.raw, CHECKSUM_LOW, low_quarter(sum));
        if self.has_high_checksum() {
            put_u16(&mut self.raw, CHECKSUM_HIGH, high_quarter(sum));
        }
    }

    /// What the checksums of the inode's own blocks start from.
    pub(crate) fn seed(&self, seed: u32, number: u32) -> Checksum {
        Checksum::with_seed(seed)
            .update(&number.to_le_bytes())
            .update(&self.generation().to_le_bytes())
    }

    fn has_high_checksum(&self) -> bool {
        self.has_field(CHECKSUM_HIGH.saturating_sub(2))
    }

    fn checksum(&self, seed: u32, number: u32) -> u32 {
        let mut raw = self.raw.clone();
        put_u16(&mut raw, CHECKSUM_LOW, 0);
        if self.has_high_checksum() {
            put_u16(&mut raw, CHECKSUM_HIGH, 0);
        }
        self.seed(seed, number).update(&raw).value()
    }
}

fn type_bits(kind: FileKind) -> u16 {
    match kind {
        FileKind::Fifo => 0x1,
        FileKind::CharDevice(..) => 0x2,
        FileKind::Directory => 0x4,
        FileKind::BlockDevice(..) => 0x6,
        FileKind::File => 0x8,
        FileKind::Symlink => 0xa,
        FileKind::Socket => 0xc,
    }
}

/// The type as directory entries record it.
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

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_extra_bits() {
        let mut inode = Inode::new(256, 32);
        for seconds in [-(1 << 31), -1, 0, 1 << 31, (1 << 32) + 5, (1 << 33) + (1 << 31)] {
            let time = Timestamp {
                seconds,
                nanoseconds: 123_456_789,
            };
            inode.set_time(Time::Created, time);
            assert_eq!(inode.time(Time::Created), Some(time));
        }
        let mut small = Inode::new(128, 32);
        small.set_time(Time::Created, Timestamp::from_seconds(1));
        assert_eq!(small.time(Time::Created), None);
        small.set_time(
            Time::Modified,
            Timestamp {
                seconds: 1 << 40,
                nanoseconds: 1,
            },
        );
        assert_eq!(
            small.time(Time::Modified),
            Some(Timestamp::from_seconds(i32::MAX.into()))
        );
    }

    #[test]
    fn device_numbers_survive_in_both_forms() {
        let mut inode = Inode::new(128, 0);
        for kind in [
            FileKind::CharDevice(5, 1),
            FileKind::BlockDevice(259, 1_048_575),
            FileKind::CharDevice(0, 0),
            FileKind::BlockDevice(7, 256),
        ] {
            inode.set_kind(kind, 0o640);
            assert_eq!(inode.kind(), Some(kind));
            assert_eq!(inode.mode() & 0o7777, 0o640);
        }
    }

    #[test]
    fn the_checksum_covers_the_whole_record() {
        let mut inode = Inode::new(256, 32);
        inode.put_checksum(3, 12);
        assert!(inode.checksum_matches(3, 12));
        assert!(!inode.checksum_matches(3, 13));
        inode.set_xattr_room(&[1]);
        assert!(!inode.checksum_matches(3, 12));
    }

    #[test]
    fn extra_bytes_beyond_the_record_are_noticed() {
        let mut raw = vec![0; 256];
        raw[0x80] = 132;
        assert_eq!(Inode::from_bytes(&raw).extra_bytes(), None);
        raw[0x80] = 128;
        assert_eq!(Inode::from_bytes(&raw).extra_bytes(), Some(128));
    }
}
