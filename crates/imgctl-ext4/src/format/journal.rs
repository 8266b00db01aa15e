//! The journal's blocks, all big-endian (kernel documentation, "Journal (jbd2)").

use super::checksum::Checksum;
use super::fields::{bytes_at, join, put};

const MAGIC: u32 = 0xc03b_3998;
const HEADER: usize = 12;
/// The journal's superblock; the rest of its block is unused.
pub(crate) const SUPERBLOCK_BYTES: usize = 1024;
const SUPERBLOCK_CHECKSUM: usize = 0xfc;
const COMMIT_CHECKSUM: usize = 0x10;
const TAIL: usize = 4;

const REVOKE: u32 = 0x1;
const BIT64: u32 = 0x2;
const ASYNC_COMMIT: u32 = 0x4;
const CSUM_V2: u32 = 0x8;
const CSUM_V3: u32 = 0x10;
const FAST_COMMIT: u32 = 0x20;

const TAG_ESCAPED: u32 = 1;
const TAG_SAME_UUID: u32 = 2;
const TAG_LAST: u32 = 8;

fn u32_at(raw: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(bytes_at(raw, offset))
}

fn u16_at(raw: &[u8], offset: usize) -> u16 {
    u16::from_be_bytes(bytes_at(raw, offset))
}

/// The journal's superblock.
#[derive(Clone, Debug)]
pub(crate) struct JournalSuperblock {
    raw: Vec<u8>,
    incompatible: u32,
    /// The journal's length in blocks, its superblock included.
    pub(crate) length: u32,
    /// The first block of the log.
    pub(crate) first: u32,
    /// The first transaction that may have to be replayed.
    pub(crate) sequence: u32,
    /// Where that transaction begins; 0 if there is none.
    pub(crate) start: u32,
    seed: Checksum,
}

/// A block that a transaction holds a copy of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Tag {
    /// The block's place in the filesystem.
    pub(crate) block: u64,
    /// Whether its first four bytes were the journal's magic and were blanked.
    pub(crate) escaped: bool,
    checksum: u32,
}

/// What a block of the log is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum LogBlock {
    /// Names the blocks whose copies follow.
    Descriptor(Vec<Tag>),
    /// Ends a transaction.
    Commit,
    /// Names blocks whose older copies must not be replayed.
    Revoke(Vec<u64>),
}

impl JournalSuperblock {
    pub(crate) fn parse(raw: &[u8], block_bytes: u32) -> Result<Self, &'static str> {
        let kind = u32_at(raw, 4);
        if u32_at(raw, 0) != MAGIC || !(kind == 3 || kind == 4) {
            return Err("its superblock has no magic number");
        }
        if u32_at(raw, 0xc) != block_bytes {
            return Err("its block size is not the filesystem's");
        }
        let incompatible = if kind == 4 { u32_at(raw, 0x28) } else { 0 };
        let known = REVOKE | BIT64 | ASYNC_COMMIT | CSUM_V2 | CSUM_V3 | FAST_COMMIT;
        if incompatible & !known != 0 {
            return Err("it has features that are not supported");
        }
        let superblock = Self {
            raw: raw.get(..SUPERBLOCK_BYTES).unwrap_or_default().to_vec(),
            incompatible,
            length: u32_at(raw, 0x10),
            first: u32_at(raw, 0x14),
            sequence: u32_at(raw, 0x18),
            start: u32_at(raw, 0x1c),
            seed: Checksum::new().update(&bytes_at::<16>(raw, 0x30)),
        };
        if superblock.has_checksums() && superblock.checksum() != u32_at(raw, SUPERBLOCK_CHECKSUM) {
            return Err("the checksum of its superblock does not match");
        }
        if superblock.first == 0 || superblock.first >= superblock.log_end() || superblock.start >= superblock.log_end()
        {
            return Err("its superblock has impossible places");
        }
        Ok(superblock)
    }

    /// The superblock of an empty journal whose next transaction is `sequence`.
    pub(crate) fn encode_empty(&mut self, sequence: u32) -> &[u8] {
        put(&mut self.raw, 0x18, &sequence.to_be_bytes());
        put(&mut self.raw, 0x1c, &[0; 4]);
        if self.has_checksums() {
            let sum = self.checksum();
            put(&mut self.raw, SUPERBLOCK_CHECKSUM, &sum.to_be_bytes());
        }
        &self.raw
    }

    fn checksum(&self) -> u32 {
        let mut raw = self.raw.clone();
        put(&mut raw, SUPERBLOCK_CHECKSUM, &[0; 4]);
        Checksum::new().update(&raw).value()
    }

    fn has_checksums(&self) -> bool {
        self.incompatible & (CSUM_V2 | CSUM_V3) != 0
    }

    /// How many blocks at the end belong to fast commits.
    pub(crate) fn fast_commit_blocks(&self) -> u32 {
        match (self.incompatible & FAST_COMMIT, u32_at(&self.raw, 0x54)) {
            (0, _) => 0,
            (_, 0) => 256,
            (_, blocks) => blocks,
        }
    }

    /// The block behind the log, which then begins anew at [`first`](Self::first).
    pub(crate) fn log_end(&self) -> u32 {
        self.length.saturating_sub(self.fast_commit_blocks())
    }

    /// Reads a block of the log; `None` if it does not belong to transaction `sequence` or is not intact, which is how
    /// the log ends.
    pub(crate) fn parse_block(&self, raw: &[u8], sequence: u32) -> Option<LogBlock> {
        if u32_at(raw, 0) != MAGIC || u32_at(raw, 8) != sequence {
            return None;
        }
        match u32_at(raw, 4) {
            1 if self.tail_matches(raw) => Some(LogBlock::Descriptor(self.parse_tags(raw))),
            2 if self.commit_matches(raw) => Some(LogBlock::Commit),
            5 if self.tail_matches(raw) => Some(LogBlock::Revoke(self.parse_revoked(raw))),
            _ => None,
        }
    }

    /// Whether a copied block is what its tag was made for.
    pub(crate) fn copy_matches(&self, tag: &Tag, sequence: u32, copy: &[u8]) -> bool {
        let sum = self.seed.update(&sequence.to_be_bytes()).update(copy).value();
        match self.incompatible & (CSUM_V2 | CSUM_V3) {
            0 => true,
            CSUM_V2 => tag.checksum == sum & 0xffff,
            _ => tag.checksum == sum,
        }
    }

    fn tail_matches(&self, raw: &[u8]) -> bool {
        if !self.has_checksums() {
            return true;
        }
        let offset = raw.len().saturating_sub(TAIL);
        let sum = self
            .seed
            .update(raw.get(..offset).unwrap_or_default())
            .update(&[0; TAIL]);
        sum.value() == u32_at(raw, offset)
    }

    fn commit_matches(&self, raw: &[u8]) -> bool {
        if !self.has_checksums() {
            return true;
        }
        let before = raw.get(..COMMIT_CHECKSUM).unwrap_or_default();
        let after = raw.get(COMMIT_CHECKSUM.saturating_add(4)..).unwrap_or_default();
        self.seed.update(before).update(&[0; 4]).update(after).value() == u32_at(raw, COMMIT_CHECKSUM)
    }

    /// A block's bytes without header and tail.
    fn body<'a>(&self, raw: &'a [u8], header: usize) -> &'a [u8] {
        let tail = if self.has_checksums() { TAIL } else { 0 };
        raw.get(header..raw.len().saturating_sub(tail)).unwrap_or_default()
    }

    fn parse_tags(&self, raw: &[u8]) -> Vec<Tag> {
        let wide = self.incompatible & BIT64 != 0;
        let v3 = self.incompatible & CSUM_V3 != 0;
        let v2 = self.incompatible & CSUM_V2 != 0;
        let length = match (v3, v2, wide) {
            (true, ..) => 16,
            // The checksum of version 2 was added to the length although it lies within.
            (_, true, true) => 14,
            (_, true, false) => 10,
            (_, false, true) => 12,
            (_, false, false) => 8,
        };
        let mut rest = self.body(raw, HEADER);
        let mut tags = Vec::new();
        while rest.len() >= length {
            let flags = if v3 { u32_at(rest, 4) } else { u16_at(rest, 6).into() };
            tags.push(Tag {
                block: join(u32_at(rest, 0), if wide { u32_at(rest, 8) } else { 0 }),
                escaped: flags & TAG_ESCAPED != 0,
                checksum: if v3 { u32_at(rest, 12) } else { u16_at(rest, 4).into() },
            });
            if flags & TAG_LAST != 0 {
                break;
            }
            let uuid = if flags & TAG_SAME_UUID == 0 { 16 } else { 0 };
            rest = rest.get(length.saturating_add(uuid)..).unwrap_or_default();
        }
        tags
    }

    fn parse_revoked(&self, raw: &[u8]) -> Vec<u64> {
        let used = usize::try_from(u32_at(raw, HEADER)).unwrap_or(usize::MAX);
        let start = HEADER.saturating_add(4);
        let entries = raw.get(start..used.min(raw.len())).unwrap_or_default();
        if self.incompatible & BIT64 != 0 {
            let entries = entries.chunks_exact(8);
            entries.map(|entry| u64::from_be_bytes(bytes_at(entry, 0))).collect()
        } else {
            let entries = entries.chunks_exact(4);
            entries.map(|entry| u32_at(entry, 0).into()).collect()
        }
    }
}

/// Gives a copied block the first bytes back that were blanked in the log.
pub(crate) fn unescape(copy: &mut [u8]) {
    put(copy, 0, &MAGIC.to_be_bytes());
}
