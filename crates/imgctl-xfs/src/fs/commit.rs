//! Writing what is in memory: each changed structure once.

use super::Xfs;
use crate::error::{Error, Refusal, Result, Structure};
use crate::extents::Piece;
use crate::format::da::Place;
use crate::format::fields::{put, put_u16, put_u64};
use crate::format::inode::{ForkFormat, device_number};
use crate::format::remote::{HEADER, RemoteKind, encode};
use crate::node::{Fork, Node, extent_format, root_records};
use crate::tree::{Tree, build};
use crate::xattr::{Layout, write_short};
use imgctl_vfs::FileKind;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Inode records to be written, by block and by place in it.
type Records = BTreeMap<u64, Vec<(usize, Vec<u8>)>>;

impl Xfs {
    /// Discards every free block, so that nothing of what was deleted before this run can be read any more. Call it
    /// before the commit.
    ///
    /// The log keeps its old records, and names that the kernel removed from directories that are still there stay in the
    /// gaps of their blocks.
    ///
    /// # Errors
    ///
    /// When the filesystem was opened for reading only, is damaged, or the device fails.
    pub fn wipe_free(&mut self) -> Result<()> {
        if self.read_only {
            return Err(Refusal::ReadOnly.into());
        }
        for group in 0..self.volume.superblock.groups {
            for (start, length) in self.space.free_runs(&self.volume, group)? {
                let offset = self.volume.offset(self.volume.block(group, start));
                let discarded = self
                    .volume
                    .device
                    .discard(offset, u64::from(length) * self.volume.block_bytes());
                discarded.map_err(Error::device("discard free blocks"))?;
            }
        }
        Ok(())
    }

    pub(super) fn write_all(mut self: Box<Self>) -> Result<()> {
        let is_changed = self.space.is_changed() || !self.nodes.is_empty() || !self.cleared.is_empty();
        if self.read_only || !is_changed {
            return Ok(());
        }
        self.write_directories()?;
        let records = self.encode_inodes()?;
        self.write_inodes(records)?;
        let (free_blocks, inodes, free_inodes) = self.space.write(&self.volume)?;
        let superblock = &mut self.volume.superblock;
        (superblock.free_blocks, superblock.inodes, superblock.free_inodes) = (free_blocks, inodes, free_inodes);
        let raw = superblock.encode().to_vec();
        let written = self.volume.device.write_at(0, &raw);
        written.map_err(Error::device("write the XFS superblock"))
    }

    /// Where a fork's block lies on the device.
    fn physical(fork: &Fork, logical: u64) -> Option<u64> {
        match fork.map.at(logical) {
            Piece::Blocks { physical, .. } => Some(physical),
            Piece::Hole { .. } => None,
        }
    }

    /// Writes bytes to a fork's blocks from a logical block on.
    fn write_fork(&self, fork: &Fork, logical: u64, raw: &[u8], structure: Structure) -> Result<()> {
        for (index, part) in (0..).zip(raw.chunks(self.volume.block_len())) {
            let Some(block) = Self::physical(fork, logical + index) else {
                return Err(Error::corrupt(structure, "a block of it is missing"));
            };
            self.volume.write_blocks(block, part, "a block of metadata")?;
        }
        Ok(())
    }

    fn place_in<'a>(&'a self, node: &'a Node, fork: &'a Fork) -> impl FnMut(u64) -> Option<Place> + 'a {
        move |logical| Some(self.volume.place(Self::physical(fork, logical)?, node.number))
    }

    fn write_directories(&self) -> Result<()> {
        let log = self.volume.superblock.block_log;
        for (number, directory) in &self.directories {
            let node = self.node(*number)?;
            if node.is_local() {
                continue;
            }
            let structure = Structure::Directory(*number);
            let blocks = directory.encode_blocks(log, &mut self.place_in(&node, &node.data));
            let blocks = blocks.ok_or_else(|| Error::corrupt(structure, "a block of it is missing"))?;
            for (logical, raw) in blocks {
                self.write_fork(&node.data, logical, &raw, structure)?;
            }
        }
        Ok(())
    }

    /// The records of all changed inodes; what lies outside them is written on the way.
    fn encode_inodes(&mut self) -> Result<Records> {
        let mut records = Records::new();
        for (number, node) in std::mem::take(&mut self.nodes) {
            let mut node = Arc::unwrap_or_clone(node);
            self.write_target(&node)?;
            self.write_attributes(&node)?;
            let data = self.encode_data(&node)?;
            let attributes = self.encode_attributes(&node)?;
            let blocks = node.data.blocks() + node.attributes.blocks();
            let inode = &mut node.inode;
            inode.set_fork_offset(node.plan.offset);
            inode.set_format(node.plan.data);
            inode.set_attribute_format(node.plan.attributes);
            inode.set_forks(&data, &attributes);
            inode.set_blocks(blocks);
            let counted = inode.set_extent_counts(node.data.map.len(), node.attributes.map.len());
            counted
                .ok_or_else(|| Error::corrupt(Structure::Extents(number), "it has more extents than can be counted"))?;
            self.put_record(&mut records, number, inode.encode().to_vec())?;
        }
        for (number, generation) in std::mem::take(&mut self.cleared) {
            let raw = self.blank(number, generation).encode().to_vec();
            self.put_record(&mut records, number, raw)?;
        }
        Ok(records)
    }

    /// A long link's target. A header begins each run of its blocks.
    fn write_target(&self, node: &Node) -> Result<()> {
        if node.kind != FileKind::Symlink || !node.data.changed {
            return Ok(());
        }
        let mut done = 0;
        for extent in node.data.map.iter() {
            let length = extent.length as usize * self.volume.block_len();
            let part = node.target.get(done..).unwrap_or_default();
            let part = part.get(..length - HEADER).unwrap_or(part);
            let place = self.volume.place(extent.physical, node.number);
            let raw = encode(length, RemoteKind::Symlink, place, done, part);
            self.volume.write_blocks(extent.physical, &raw, "a symbolic link")?;
            done += part.len();
        }
        Ok(())
    }

    fn write_attributes(&self, node: &Node) -> Result<()> {
        let Some(xattrs) = &node.xattrs else {
            return Ok(());
        };
        if node.attributes.map.len() == 0 {
            return Ok(());
        }
        let structure = Structure::Xattrs(node.number);
        let layout = Layout::new(xattrs, self.volume.block_len());
        let blocks = layout.encode(&mut self.place_in(node, &node.attributes));
        let blocks = blocks.ok_or_else(|| Error::corrupt(structure, "a block of it is missing"))?;
        for (logical, raw) in blocks {
            self.write_fork(&node.attributes, logical, &raw, structure)?;
        }
        Ok(())
    }

    fn encode_data(&self, node: &Node) -> Result<Vec<u8>> {
        let all = node.inode.literal_bytes();
        let room = if node.plan.offset == 0 { all } else { node.plan.offset };
        match (node.plan.data, node.kind) {
            (ForkFormat::Device, kind) => Ok(device_number(kind).unwrap_or(0).to_be_bytes().to_vec()),
            (ForkFormat::Local, FileKind::Symlink) => Ok(node.target.clone()),
            (ForkFormat::Local, _) => Ok(self.directory(node.number)?.encode_short()),
            (ForkFormat::Extents, _) => Ok(node.data.map.encode()),
            (ForkFormat::Tree, _) => self.encode_tree(node, &node.data, room, node.inode.data_fork()),
        }
    }

    fn encode_attributes(&self, node: &Node) -> Result<Vec<u8>> {
        let room = match node.plan.offset {
            0 => return Ok(Vec::new()),
            offset => node.inode.literal_bytes() - offset,
        };
        match (node.plan.attributes, &node.xattrs) {
            (ForkFormat::Local, Some(xattrs)) => Ok(write_short(xattrs)),
            (ForkFormat::Local, None) => Ok(node.inode.attribute_fork().to_vec()),
            (ForkFormat::Tree, _) => self.encode_tree(node, &node.attributes, room, node.inode.attribute_fork()),
            _ => Ok(node.attributes.map.encode()),
        }
    }

    /// The root of a fork's tree of extents; its blocks are written if they are not as they should be.
    fn encode_tree(&self, node: &Node, fork: &Fork, room: usize, before: &[u8]) -> Result<Vec<u8>> {
        if !fork.changed && before.len() == room {
            return Ok(before.to_vec());
        }
        let most = root_records(room);
        let records = fork.map.encode();
        let tree = Tree {
            format: extent_format(&self.volume),
            owner: node.number,
            group: None,
            records: &records,
            blocks: &fork.tree_blocks,
            top: most,
            structure: Structure::Extents(node.number),
        };
        let built = build(&self.volume, &tree)?;
        let mut root = vec![0; room];
        put_u16(&mut root, 0, built.level + 1);
        put_u16(&mut root, 2, u16::try_from(built.top.len()).unwrap_or(u16::MAX));
        for (index, (key, pointer)) in built.top.iter().enumerate() {
            put(&mut root, 4 + index * 8, key);
            put_u64(&mut root, 4 + (most + index) * 8, *pointer);
        }
        Ok(root)
    }

    fn put_record(&self, records: &mut Records, number: u64, record: Vec<u8>) -> Result<()> {
        let Some((group, within)) = self.volume.split_inode(number) else {
            return Err(Error::corrupt(Structure::Inode(number), "there can be no such inode"));
        };
        let (block, at) = self.volume.inode_place(group, within);
        records.entry(block).or_default().push((at, record));
        Ok(())
    }

    /// Writes the changed blocks of inodes, and those of inodes that were made in this run.
    fn write_inodes(&self, records: Records) -> Result<()> {
        let mut records = records;
        for block in self.space.fresh() {
            records.entry(block).or_default();
        }
        for (block, records) in records {
            let mut raw = if self.space.is_fresh(block) {
                self.blank_inodes(block)
            } else {
                self.volume.read_blocks(block, 1, "inodes")?
            };
            for (at, record) in records {
                put(&mut raw, at, &record);
            }
            self.volume.write_blocks(block, &raw, "inodes")?;
        }
        Ok(())
    }

    /// A block of inodes none of which was ever used.
    fn blank_inodes(&self, block: u64) -> Vec<u8> {
        let (group, within) = self.volume.split(block);
        let log = self.volume.superblock.inodes_per_block_log;
        let numbers = (0..1 << log).map(|index| self.volume.inode_number(group, (within << log) + index));
        numbers
            .flat_map(|number| self.blank(number, 0).encode().to_vec())
            .collect()
    }
}
