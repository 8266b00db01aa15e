//! Writing changed groups: their trees are built anew, in as many blocks as they turn out to need.

use super::Space;
use super::blocks::Owner;
use super::group::Group;
use crate::error::{Error, Result, Structure};
use crate::format::agf::AgfField;
use crate::format::agi::AgiField;
use crate::format::btree::TreeKind;
use crate::format::record::{FreeRecord, owner};
use crate::tree::{Tree, blocks_for, build, format_of, short_root};
use crate::volume::Volume;

/// How often the trees' needs are looked at anew; each look settles at least one of them.
const MOST_ROUNDS: usize = 64;
/// Surplus tree blocks go to the list of kept blocks up to this length; the kernel brings it back to what it needs.
const MOST_KEPT: u32 = 64;

const KINDS: [TreeKind; 6] = [
    TreeKind::FreeByBlock,
    TreeKind::FreeByLength,
    TreeKind::Owners,
    TreeKind::Inodes,
    TreeKind::FreeInodes,
    TreeKind::Refcounts,
];

/// Who owns a tree's blocks.
fn owner_of(kind: TreeKind) -> Owner {
    Owner::own(match kind {
        TreeKind::Inodes | TreeKind::FreeInodes => owner::INODE_TREES,
        TreeKind::Refcounts => owner::REFCOUNTS,
        _ => owner::GROUP,
    })
}

impl Group {
    pub(crate) fn is_changed(&self) -> bool {
        let changes = self.changes;
        changes.free || changes.inodes || changes.owners || changes.shared
    }

    fn is_tree_changed(&self, kind: TreeKind) -> bool {
        match kind {
            TreeKind::FreeByBlock | TreeKind::FreeByLength => self.changes.free,
            TreeKind::Owners => self.changes.owners,
            TreeKind::Inodes | TreeKind::FreeInodes => self.changes.inodes,
            TreeKind::Refcounts => self.changes.shared,
            TreeKind::Extents => false,
        }
    }

    fn record_count(&self, kind: TreeKind) -> usize {
        match kind {
            TreeKind::FreeByBlock | TreeKind::FreeByLength => self.free.len(),
            TreeKind::Owners => self.owners.as_ref().map_or(0, super::Owners::len),
            TreeKind::Inodes => self.chunks.len(),
            TreeKind::FreeInodes => self.roomy.len(),
            TreeKind::Refcounts => self.shared.as_ref().map_or(0, super::Shared::len),
            TreeKind::Extents => 0,
        }
    }

    fn records(&self, kind: TreeKind, volume: &Volume) -> Vec<u8> {
        let sparse = volume.superblock.features.has_sparse_inodes();
        let run = |start, length| FreeRecord { start, length }.encode();
        match kind {
            TreeKind::FreeByBlock => self
                .free
                .runs()
                .flat_map(|(start, length)| run(start, length))
                .collect(),
            TreeKind::FreeByLength => {
                let runs = self.free.by_length();
                runs.flat_map(|(length, start)| run(start, length)).collect()
            }
            TreeKind::Owners => {
                let records = self.owners.iter().flat_map(super::Owners::records);
                records.flat_map(|record| record.encode()).collect()
            }
            TreeKind::Inodes => self.chunks.values().flat_map(|chunk| chunk.encode(sparse)).collect(),
            TreeKind::FreeInodes => {
                let chunks = self.roomy.iter().filter_map(|first| self.chunks.get(first));
                chunks.flat_map(|chunk| chunk.encode(sparse)).collect()
            }
            TreeKind::Refcounts => {
                let records = self.shared.iter().flat_map(super::Shared::records);
                records.flat_map(|record| record.encode()).collect()
            }
            TreeKind::Extents => Vec::new(),
        }
    }

    /// Gives every changed tree exactly as many blocks as it needs. Blocks of trees are free space or not, which changes
    /// what the trees need, so this goes on until nothing changes any more.
    fn settle(&mut self, volume: &Volume) -> Result<()> {
        for _ in 0..MOST_ROUNDS {
            let mut settled = true;
            for kind in KINDS {
                if !self.is_tree_changed(kind) || !self.trees.contains_key(&kind) {
                    continue;
                }
                let needed = blocks_for(format_of(volume, kind), self.record_count(kind), 1);
                let held = self.trees.get(&kind).map_or(0, Vec::len);
                settled &= held == needed;
                for _ in held..needed {
                    self.grow_tree(volume, kind)?;
                }
                for _ in needed..held {
                    self.shrink_tree(volume, kind)?;
                }
            }
            if settled {
                return Ok(());
            }
        }
        Err(Error::corrupt(Structure::Agf(self.number), "its trees find no rest"))
    }

    /// Takes the last block of the shortest free run, so that there are never more runs than before.
    fn grow_tree(&mut self, volume: &Volume, kind: TreeKind) -> Result<()> {
        let (length, start) = self.free.by_length().next().ok_or(Error::NoBlocks)?;
        let block = start + length - 1;
        self.take(block, 1)?;
        self.own(block, 1, owner_of(kind));
        self.trees
            .entry(kind)
            .or_default()
            .push(volume.block(self.number, block));
        Ok(())
    }

    fn shrink_tree(&mut self, volume: &Volume, kind: TreeKind) -> Result<()> {
        let Some(block) = self.trees.get_mut(&kind).and_then(Vec::pop) else {
            return Ok(());
        };
        let (_, block) = volume.split(block);
        let count = self.agf.get(AgfField::ListCount);
        if owner_of(kind).number == owner::GROUP && count < MOST_KEPT.min(self.agfl.size()) {
            let size = self.agfl.size();
            let last = (self.agf.get(AgfField::ListFirst) + count) % size;
            self.agfl.set(last, block);
            self.agf.set(AgfField::ListLast, last);
            self.agf.set(AgfField::ListCount, count + 1);
            return Ok(());
        }
        self.disown(block, 1, owner_of(kind))?;
        self.give(block, 1)
    }

    fn write_trees(&mut self, volume: &Volume) -> Result<()> {
        for kind in KINDS {
            let Some(blocks) = self.trees.get(&kind).filter(|_| self.is_tree_changed(kind)) else {
                continue;
            };
            let records = self.records(kind, volume);
            let tree = Tree {
                format: format_of(volume, kind),
                owner: self.number.into(),
                group: Some(self.number),
                records: &records,
                blocks,
                top: 1,
                structure: Structure::Tree {
                    name: kind.name(),
                    group: self.number,
                },
            };
            let count = u32::try_from(blocks.len()).unwrap_or(u32::MAX);
            let (root, levels) = short_root(&build(volume, &tree)?);
            self.set_root(volume, kind, root, levels, count);
        }
        Ok(())
    }

    fn set_root(&mut self, volume: &Volume, kind: TreeKind, root: u32, levels: u32, count: u32) {
        let counts = volume.superblock.features.has_inode_tree_counts();
        let (agf, agi) = (&mut self.agf, &mut self.agi);
        match kind {
            TreeKind::FreeByBlock => {
                agf.set(AgfField::BnoRoot, root);
                agf.set(AgfField::BnoLevel, levels);
            }
            TreeKind::FreeByLength => {
                agf.set(AgfField::CntRoot, root);
                agf.set(AgfField::CntLevel, levels);
            }
            TreeKind::Owners => {
                agf.set(AgfField::RmapRoot, root);
                agf.set(AgfField::RmapLevel, levels);
                agf.set(AgfField::RmapBlocks, count);
            }
            TreeKind::Refcounts => {
                agf.set(AgfField::RefcountRoot, root);
                agf.set(AgfField::RefcountLevel, levels);
                agf.set(AgfField::RefcountBlocks, count);
            }
            TreeKind::Inodes => {
                agi.set(AgiField::Root, root);
                agi.set(AgiField::Level, levels);
                if counts {
                    agi.set(AgiField::InodeBlocks, count);
                }
            }
            TreeKind::FreeInodes => {
                agi.set(AgiField::FreeRoot, root);
                agi.set(AgiField::FreeLevel, levels);
                if counts {
                    agi.set(AgiField::FreeBlocks, count);
                }
            }
            TreeKind::Extents => {}
        }
    }

    /// What the superblock counts as free: free blocks, kept blocks, and blocks of the trees of free space and owners, as
    /// the headers have them.
    fn counted_free(&self) -> u64 {
        let fields = [AgfField::FreeBlocks, AgfField::ListCount, AgfField::TreeBlocks];
        fields.into_iter().map(|field| u64::from(self.agf.get(field))).sum()
    }

    fn write_headers(&mut self, volume: &Volume) -> Result<()> {
        let kinds = [TreeKind::FreeByBlock, TreeKind::FreeByLength, TreeKind::Owners];
        let trees = kinds.iter().filter_map(|kind| self.trees.get(kind));
        let beyond_roots: usize = trees.map(|blocks| blocks.len().saturating_sub(1)).sum();
        self.agf
            .set(AgfField::TreeBlocks, u32::try_from(beyond_roots).unwrap_or(u32::MAX));
        self.agf.set(AgfField::FreeBlocks, self.free.total());
        self.agf.set(AgfField::Longest, self.free.longest());
        let count = self.chunks.values().map(|chunk| u32::from(chunk.count)).sum();
        let free = self.chunks.values().map(|chunk| u32::from(chunk.free_count)).sum();
        self.agi.set(AgiField::Count, count);
        self.agi.set(AgiField::FreeCount, free);
        let number = self.number;
        let put = |sector: u32, raw: &[u8]| {
            let written = volume.device.write_at(volume.header_offset(number, sector), raw);
            written.map_err(Error::device("write the headers of an allocation group"))
        };
        put(1, self.agf.encode())?;
        put(2, self.agi.encode())?;
        put(3, self.agfl.encode())
    }
}

impl Space {
    /// Writes all changed groups, and makes what became free read as zeros. Returns the superblock's new counts: free
    /// blocks, inodes, free inodes.
    pub(crate) fn write(&mut self, volume: &Volume) -> Result<(u64, u64, u64)> {
        let mut free = volume.superblock.free_blocks;
        for group in self.groups.values_mut().filter(|group| group.is_changed()) {
            let before = group.counted_free();
            group.settle(volume)?;
            group.write_trees(volume)?;
            group.write_headers(volume)?;
            free = free.wrapping_add(group.counted_free()).wrapping_sub(before);
            for (start, length) in group.freed.runs() {
                let offset = volume.offset(volume.block(group.number, start));
                let bytes = u64::from(length) * volume.block_bytes();
                let discarded = volume.device.discard(offset, bytes);
                discarded.map_err(Error::device("discard freed blocks"))?;
            }
        }
        let (inodes, free_inodes) = self.inodes(volume);
        Ok((free, inodes, free_inodes))
    }
}
