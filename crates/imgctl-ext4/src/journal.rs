//! Replaying the journal: what committed transactions hold goes to its place, the rest is forgotten.

use crate::error::{Error, Refusal, Result, Structure};
use crate::extents::Piece;
use crate::format::fields::{u16_at, u32_at};
use crate::format::journal::{JournalSuperblock, LogBlock, SUPERBLOCK_BYTES, Tag, unescape};
use crate::node::Node;
use crate::volume::Volume;
use std::collections::BTreeMap;
use std::ops::Range;

/// The first tag of a fast commit.
const FAST_COMMIT_HEAD: u16 = 9;

/// The journal, opened.
struct Journal<'a> {
    volume: &'a Volume,
    node: &'a Node,
    superblock: JournalSuperblock,
}

/// What the log says.
#[derive(Debug, Default)]
struct Log {
    /// Every copy in order: where in the journal it lies, and its transaction.
    copies: Vec<(u32, u32, Tag)>,
    /// Blocks whose copies up to this transaction must not be replayed.
    revoked: BTreeMap<u64, u32>,
    transactions: u32,
    /// The first transaction that was not committed.
    end: u32,
}

/// What a replay did: transactions, and blocks written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Replayed {
    pub(crate) transactions: u32,
    pub(crate) blocks: u64,
}

/// Replays the journal in the blocks of `node` and leaves it empty.
pub(crate) fn replay(volume: &Volume, node: &Node) -> Result<Replayed> {
    let mut journal = Journal::open(volume, node)?;
    let log = journal.scan()?;
    journal.refuse_fast_commits(log.end)?;
    let mut last: BTreeMap<u64, (u32, u32, Tag)> = BTreeMap::new();
    for (at, sequence, tag) in &log.copies {
        let revoked = log.revoked.get(&tag.block);
        if revoked.is_none_or(|revoked| is_before(*revoked, *sequence)) {
            last.insert(tag.block, (*at, *sequence, *tag));
        }
    }
    for (block, (at, sequence, tag)) in &last {
        let mut copy = journal.read(*at)?;
        if !journal.superblock.copy_matches(tag, *sequence, &copy) {
            return Err(damage(&format!(
                "the checksum of its copy of block {block} does not match"
            )));
        }
        if tag.escaped {
            unescape(&mut copy);
        }
        if *block >= volume.superblock.blocks {
            return Err(damage(&format!(
                "it holds a copy of block {block}, which does not exist"
            )));
        }
        volume.write_block(*block, &copy, "a replayed block")?;
    }
    journal.empty(log.end.wrapping_add(1))?;
    Ok(Replayed {
        transactions: log.transactions,
        blocks: last.len() as u64,
    })
}

/// The device's blocks that hold the log of an empty journal: nothing anybody will read again.
pub(crate) fn unused_log(volume: &Volume, node: &Node) -> Result<Vec<Range<u64>>> {
    let journal = Journal::open(volume, node)?;
    if journal.superblock.start != 0 {
        return Ok(Vec::new());
    }
    let runs = node.map.iter().map(|extent| {
        // The first block is the journal's superblock.
        let skipped = u64::from(extent.logical == 0);
        extent.physical + skipped..extent.physical + u64::from(extent.length)
    });
    Ok(runs.collect())
}

/// Whether transaction `a` is older than `b`; their numbers wrap around.
fn is_before(a: u32, b: u32) -> bool {
    a != b && b.wrapping_sub(a) < 1 << 31
}

fn damage(problem: &str) -> Error {
    Error::corrupt(Structure::Journal, problem)
}

impl<'a> Journal<'a> {
    fn open(volume: &'a Volume, node: &'a Node) -> Result<Self> {
        let raw = volume.read_block(physical(node, 0)?, "the journal")?;
        let superblock = JournalSuperblock::parse(&raw, volume.superblock.block_bytes).map_err(damage)?;
        if u64::from(superblock.length) > node.map.end() {
            return Err(damage("it is longer than its inode"));
        }
        Ok(Self {
            volume,
            node,
            superblock,
        })
    }

    fn read(&self, at: u32) -> Result<Vec<u8>> {
        self.volume.read_block(physical(self.node, at)?, "the journal")
    }

    fn next(&self, at: u32) -> u32 {
        match at.saturating_add(1) {
            next if next >= self.superblock.log_end() => self.superblock.first,
            next => next,
        }
    }

    /// Walks the log up to the last committed transaction.
    fn scan(&self) -> Result<Log> {
        let mut log = Log {
            end: self.superblock.sequence,
            ..Log::default()
        };
        if self.superblock.start == 0 {
            return Ok(log);
        }
        let mut at = self.superblock.start;
        let (mut copies, mut revoked) = (Vec::new(), Vec::new());
        // No block is visited twice: the log is a ring, and the sequence only grows.
        let mut left = self.superblock.log_end();
        while left > 0 {
            let raw = self.read(at)?;
            let Some(block) = self.superblock.parse_block(&raw, log.end) else {
                break;
            };
            at = self.next(at);
            left -= 1;
            match block {
                LogBlock::Descriptor(tags) => {
                    for tag in tags {
                        copies.push((at, log.end, tag));
                        at = self.next(at);
                        left = left.saturating_sub(1);
                    }
                }
                LogBlock::Revoke(blocks) => revoked.extend(blocks),
                LogBlock::Commit => {
                    log.copies.append(&mut copies);
                    for block in revoked.drain(..) {
                        log.revoked.insert(block, log.end);
                    }
                    log.transactions += 1;
                    log.end = log.end.wrapping_add(1);
                }
            }
        }
        Ok(log)
    }

    /// Fails if there are fast commits on top of the log; they are of another make and not replayed.
    fn refuse_fast_commits(&self, next: u32) -> Result<()> {
        if self.superblock.fast_commit_blocks() == 0 {
            return Ok(());
        }
        // The block between the log and the fast commits is not used.
        let raw = self.read(self.superblock.log_end().saturating_add(1))?;
        if u16_at(&raw, 0) == FAST_COMMIT_HEAD && u32_at(&raw, 8) == next {
            return Err(Refusal::FastCommits.into());
        }
        Ok(())
    }

    fn empty(&mut self, sequence: u32) -> Result<()> {
        let offset = physical(self.node, 0)? * self.volume.block_bytes();
        let raw = self.superblock.encode_empty(sequence);
        debug_assert_eq!(raw.len(), SUPERBLOCK_BYTES);
        self.volume
            .device
            .write_at(offset, raw)
            .map_err(Error::device("empty the journal"))
    }
}

/// Where a block of the journal lies on the device.
fn physical(node: &Node, at: u32) -> Result<u64> {
    match node.map.at(at.into()) {
        Piece::Blocks {
            physical,
            unwritten: false,
            ..
        } => Ok(physical),
        _ => Err(damage("it has a hole")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_numbers_wrap_around() {
        assert!(is_before(1, 2) && !is_before(2, 1) && !is_before(2, 2));
        assert!(is_before(u32::MAX, 0) && !is_before(0, u32::MAX));
    }
}
