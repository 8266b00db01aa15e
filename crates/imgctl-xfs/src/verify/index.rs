//! A directory's index and lists of free room on the device, compared with its entries.

use crate::directory::Directory;
use crate::error::{Error, Result, Structure};
use crate::format::da::{self, DaKind};
use crate::format::directory::{DataKind, FREE_OFFSET, LEAF_OFFSET, best_free, parse, parse_free};
use crate::format::fields::{u16_at, u32_at};
use crate::fs::Xfs;
use crate::node::{Node, ReadError, damage_of, read_fork_blocks};
use std::collections::BTreeSet;

type Outcome<T> = std::result::Result<T, ReadError>;

impl Xfs {
    /// Fails unless the directory's index tells exactly its entries.
    pub(super) fn check_index(&self, number: u64) -> Result<()> {
        let node = self.node(number)?;
        if node.is_local() {
            return Ok(());
        }
        let directory = self.directory(number)?;
        let check = Check {
            fs: self,
            node: &node,
            directory: &directory,
        };
        check.all().map_err(damage_of(Structure::Directory(number)))?;
        if node.inode.size() != directory.data_length() * self.volume().directory_len() as u64 {
            return Err(Error::corrupt(
                Structure::Directory(number),
                "its size is not that of its data blocks",
            ));
        }
        Ok(())
    }
}

struct Check<'a> {
    fs: &'a Xfs,
    node: &'a Node,
    directory: &'a Directory,
}

impl Check<'_> {
    /// A directory block by its logical filesystem block.
    fn read(&self, logical: u64) -> Outcome<(u64, Vec<u8>)> {
        let volume = self.fs.volume();
        read_fork_blocks(volume, &self.node.data, logical, volume.directory_blocks())
    }

    fn logical(&self, offset: u64, index: u64) -> u64 {
        let volume = self.fs.volume();
        (offset >> volume.superblock.block_log) + index * volume.directory_blocks()
    }

    fn all(&self) -> Outcome<()> {
        let v5 = self.fs.volume().is_v5();
        for (place, best) in (0..).zip(self.directory.best()) {
            let Some(best) = best else { continue };
            let (physical, raw) = self.read(self.logical(0, place))?;
            if parse(&raw, self.fs.volume().place(physical, self.node.number))? == DataKind::Single {
                return self.compare(single_pairs(&raw));
            }
            if usize::from(best_free(&raw, v5)[0].1) != best {
                return Err("a data block does not know its longest unused stretch".into());
            }
        }
        let (physical, raw) = self.read(self.logical(LEAF_OFFSET, 0))?;
        let header = da::parse(&raw, self.fs.volume().place(physical, self.node.number))?;
        if header.kind != DaKind::SingleLeaf {
            self.compare(self.tree_pairs()?)?;
            return self.check_free();
        }
        self.compare(da::pairs(&raw, v5, header.count).ok_or("a leaf claims too many entries")?)?;
        let end = raw.len() - 4;
        let count = u32_at(&raw, end) as usize;
        let start = end.checked_sub(count * 2).ok_or("a leaf claims too many data blocks")?;
        let held: Vec<u16> = (0..count).map(|index| u16_at(&raw, start + index * 2)).collect();
        self.compare_best(&held)
    }

    fn compare(&self, pairs: Vec<(u32, u32)>) -> Outcome<()> {
        if pairs
            .windows(2)
            .any(|pair| matches!(pair, [(one, _), (other, _)] if one > other))
        {
            return Err("its index is out of order".into());
        }
        // Address 0 stands for an entry that was removed.
        let mut held: Vec<_> = pairs.into_iter().filter(|(_, address)| *address != 0).collect();
        held.sort_unstable();
        if held == self.directory.pairs() {
            Ok(())
        } else {
            Err("its index does not tell its entries".into())
        }
    }

    fn compare_best(&self, held: &[u16]) -> Outcome<()> {
        let mut held: Vec<Option<usize>> = held
            .iter()
            .map(|best| (*best != u16::MAX).then_some((*best).into()))
            .collect();
        while held.last() == Some(&None) {
            held.pop();
        }
        if held.into_iter().eq(self.directory.best()) {
            Ok(())
        } else {
            Err("its record of free room is wrong".into())
        }
    }

    fn tree_pairs(&self) -> Outcome<Vec<(u32, u32)>> {
        let volume = self.fs.volume();
        let mut blocks = vec![(None, self.logical(LEAF_OFFSET, 0))];
        let mut seen = BTreeSet::new();
        loop {
            let mut pairs = Vec::new();
            let mut leaves = false;
            for (index, (last, block)) in blocks.iter().enumerate() {
                if !seen.insert(*block) {
                    return Err("a block is in its index twice".into());
                }
                let (physical, raw) = self.read(*block)?;
                let header = da::parse(&raw, volume.place(physical, self.node.number))?;
                let neighbour =
                    |index: Option<usize>| index.and_then(|index| blocks.get(index)).map_or(0, |(_, block)| *block);
                let told = (u64::from(header.previous), u64::from(header.next));
                if told != (neighbour(index.checked_sub(1)), neighbour(Some(index + 1))) {
                    return Err("a block of its index does not know its neighbours".into());
                }
                leaves = header.kind == DaKind::Leaf;
                let held = da::pairs(&raw, volume.is_v5(), header.count).ok_or("a block claims too many entries")?;
                if last.is_some() && held.last().map(|(hash, _)| *hash) != *last {
                    return Err("a node's hash is not that of the block below it".into());
                }
                pairs.extend(held);
            }
            if leaves {
                return Ok(pairs);
            }
            blocks = pairs
                .into_iter()
                .map(|(hash, block)| (Some(hash), block.into()))
                .collect();
            if blocks.is_empty() {
                return Err("its index has a node without children".into());
            }
        }
    }

    fn check_free(&self) -> Outcome<()> {
        let volume = self.fs.volume();
        let mut held = Vec::new();
        let mut index = 0;
        while self.logical(FREE_OFFSET, index) < self.node.data.map.end() {
            let (physical, raw) = self.read(self.logical(FREE_OFFSET, index))?;
            if parse(&raw, volume.place(physical, self.node.number))? != DataKind::Free {
                return Err("a block of free room is of another kind".into());
            }
            let (first, best) = parse_free(&raw, volume.is_v5());
            if first as usize != held.len() {
                return Err("a block of free room tells of other data blocks".into());
            }
            held.extend(best);
            index += 1;
        }
        self.compare_best(&held)
    }
}

fn single_pairs(raw: &[u8]) -> Vec<(u32, u32)> {
    let tail = raw.len().saturating_sub(8);
    let count = u32_at(raw, tail) as usize;
    let start = tail.saturating_sub(count.saturating_mul(8));
    let area = raw.get(start..tail).unwrap_or_default();
    area.chunks_exact(8)
        .map(|pair| (u32_at(pair, 0), u32_at(pair, 4)))
        .collect()
}
