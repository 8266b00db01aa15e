//! Writing what is in memory: each changed structure once.

use super::Ext4;
use crate::alloc::discard_run;
use crate::error::{Error, Result, Structure};
use crate::extents::{Piece, write_block_map, write_tree};
use crate::features::Compatible;
use crate::format::superblock;
use crate::journal::unused_log;
use crate::node::{Node, Storage};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Inode records to be written, by table block and by place in it.
type Records = BTreeMap<u64, Vec<(usize, Vec<u8>)>>;

impl Ext4 {
    /// Discards every free block and the log of the (empty) journal, so that nothing of what was deleted before this run
    /// can be read any more. Call it before the commit.
    ///
    /// Names that the kernel removed from directories that are still there stay in the gaps of their blocks.
    pub fn wipe_free(&mut self) -> Result<()> {
        if self.read_only {
            return Err(crate::error::Refusal::ReadOnly.into());
        }
        let mut runs = self.space.free_runs(&self.volume)?;
        let journal = self.volume.superblock.journal_inode();
        if journal != 0
            && self
                .volume
                .superblock
                .features
                .compatible
                .contains(Compatible::HAS_JOURNAL)
        {
            let node = Node::decode(&self.volume, journal, self.read_inode(journal)?)?;
            runs.extend(unused_log(&self.volume, &node)?);
        }
        runs.into_iter().try_for_each(|run| discard_run(&self.volume, run))
    }

    pub(super) fn write_all(mut self: Box<Self>) -> Result<()> {
        if self.read_only || !self.is_changed() {
            return Ok(());
        }
        self.write_directories()?;
        let records = self.encode_inodes()?;
        self.write_inode_tables(records)?;
        self.space.write(&self.volume)?;
        self.space.discard_freed(&self.volume)?;
        self.write_superblock()
    }

    fn is_changed(&self) -> bool {
        self.superblock_changed
            || !self.nodes.is_empty()
            || !self.directories.is_empty()
            || !self.cleared.is_empty()
            || self.space.is_changed()
    }

    fn write_directories(&mut self) -> Result<()> {
        for (number, directory) in std::mem::take(&mut self.directories) {
            let node = self.node(number)?;
            for (logical, raw) in Arc::unwrap_or_clone(directory).take_dirty_blocks() {
                let Piece::Blocks {
                    physical,
                    unwritten: false,
                    ..
                } = node.map.at(logical.into())
                else {
                    return Err(Error::corrupt(Structure::Directory(number), "a block of it is missing"));
                };
                self.volume.write_block(physical, &raw, "a directory")?;
            }
        }
        Ok(())
    }

    /// The records of all changed inodes; their extent trees are written on the way.
    fn encode_inodes(&mut self) -> Result<Records> {
        let mut records = Records::new();
        for (number, node) in std::mem::take(&mut self.nodes) {
            let mut node = Arc::unwrap_or_clone(node);
            if node.map_changed {
                let root = match node.storage {
                    Storage::InInode => None,
                    Storage::BlockMap => Some(write_block_map(&self.volume, &node.map, &node.tree_blocks)?),
                    Storage::Extents => {
                        let seed = node.seed(&self.volume);
                        Some(write_tree(&self.volume, &node.map, &node.tree_blocks, seed)?)
                    }
                };
                if let Some(root) = root {
                    node.inode.set_block_area(&root);
                }
            }
            if let Some(seed) = self.volume.seed {
                node.inode.put_checksum(seed, number);
            }
            self.put_record(&mut records, number, node.inode.as_bytes().to_vec())?;
        }
        let blank = vec![0; self.volume.superblock.inode_bytes.into()];
        for number in std::mem::take(&mut self.cleared) {
            self.put_record(&mut records, number, blank.clone())?;
        }
        Ok(records)
    }

    fn put_record(&self, records: &mut Records, number: u32, record: Vec<u8>) -> Result<()> {
        let group = self.volume.group_of_inode(number);
        let Some(descriptor) = self.space.descriptor(group) else {
            return Err(Error::corrupt(Structure::Inode(number), "there is no such inode"));
        };
        let index = (number - 1) % self.volume.superblock.inodes_per_group;
        let offset = u64::from(index) * record.len() as u64;
        let block = descriptor.inode_table + offset / self.volume.block_bytes();
        let within = (offset % self.volume.block_bytes()) as usize;
        records.entry(block).or_default().push((within, record));
        Ok(())
    }

    /// Writes the inode tables' changed blocks, and clears the part of them that was never used until now.
    fn write_inode_tables(&self, records: Records) -> Result<()> {
        let mut records = records;
        let inode_bytes = u64::from(self.volume.superblock.inode_bytes);
        // Table blocks that hold never used records, with how many bytes of them hold used ones.
        let mut unused: BTreeMap<u64, usize> = BTreeMap::new();
        for group in 0..self.volume.superblock.groups {
            let (before, now) = (self.space.used_table(group), self.space.table_end(&self.volume, group));
            let Some(descriptor) = self.space.descriptor(group).filter(|_| now > before) else {
                continue;
            };
            let used = u64::from(before) * inode_bytes;
            let end = u64::from(now) * inode_bytes;
            for index in used / self.volume.block_bytes()..end.div_ceil(self.volume.block_bytes()) {
                let held = used.saturating_sub(index * self.volume.block_bytes()) as usize;
                unused.insert(descriptor.inode_table + index, held);
                records.entry(descriptor.inode_table + index).or_default();
            }
        }
        for (block, records) in records {
            let mut raw = match unused.get(&block) {
                Some(0) => vec![0; self.volume.block_len()],
                held => {
                    let mut raw = self.volume.read_block(block, "an inode table")?;
                    if let Some(rest) = held.and_then(|held| raw.get_mut(*held..)) {
                        rest.fill(0);
                    }
                    raw
                }
            };
            for (within, record) in records {
                if let Some(place) = raw.get_mut(within..within + record.len()) {
                    place.copy_from_slice(&record);
                }
            }
            self.volume.write_block(block, &raw, "an inode table")?;
        }
        Ok(())
    }

    fn write_superblock(&mut self) -> Result<()> {
        let superblock = &mut self.volume.superblock;
        superblock.free_blocks = self.space.free_blocks();
        superblock.free_inodes = u32::try_from(self.space.free_inodes()).unwrap_or(u32::MAX);
        let seconds = u64::try_from(self.now.seconds).unwrap_or(0);
        let raw = superblock.encode(seconds).to_vec();
        self.volume
            .device
            .write_at(superblock::OFFSET, &raw)
            .map_err(Error::device("write the ext4 superblock"))
    }
}
