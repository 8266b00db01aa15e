//! Bringing inodes and directories into memory, and keeping some of them there.

use super::{Ext4, ROOT_INODE};
use crate::content::Content;
use crate::directory::{Directory, DirectoryParams};
use crate::error::{Error, Result, Structure};
use crate::extents::Piece;
use crate::features::{Compatible, Incompatible};
use crate::format::inode::Inode;
use crate::node::{Node, Storage};
use imgctl_block::ExtentKind;
use imgctl_vfs::{ErrorKind, FileKind, NodeId};
use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};

/// How many inode records' worth of unchanged nodes stay in memory.
const NODE_WEIGHT: usize = 1 << 15;
/// How many blocks of unchanged directories stay in memory.
const DIRECTORY_BLOCKS: usize = 1 << 11;

/// How many blocks of a directory are read at once.
const DIRECTORY_READ_BLOCKS: u64 = 64;

/// Unchanged nodes and directories. A full cache is emptied.
#[derive(Debug, Default)]
pub(super) struct Cache {
    nodes: BTreeMap<u32, Arc<Node>>,
    node_weight: usize,
    directories: BTreeMap<u32, Arc<Directory>>,
    directory_blocks: usize,
    /// The inode table block that was read last.
    table_block: Option<(u64, Vec<u8>)>,
}

impl Cache {
    fn put_node(&mut self, node: &Arc<Node>) {
        self.node_weight += node.weight();
        if self.node_weight > NODE_WEIGHT {
            self.nodes.clear();
            self.node_weight = node.weight();
        }
        self.nodes.insert(node.number, node.clone());
    }

    fn put_directory(&mut self, number: u32, directory: &Arc<Directory>) {
        let blocks = directory.block_count() as usize;
        self.directory_blocks += blocks;
        if self.directory_blocks > DIRECTORY_BLOCKS {
            self.directories.clear();
            self.directory_blocks = blocks;
        }
        self.directories.insert(number, directory.clone());
    }

    /// Forgets a node that is about to be changed, so that it is not kept twice.
    fn forget_node(&mut self, number: u32) {
        self.nodes.remove(&number);
    }

    fn forget_directory(&mut self, number: u32) {
        self.directories.remove(&number);
    }
}

impl Ext4 {
    pub(super) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The inode number of a node id that a caller gave.
    pub(super) fn number(&self, node: NodeId) -> Result<u32> {
        u32::try_from(node.0)
            .ok()
            .filter(|number| self.may_be_named(*number))
            .ok_or_else(|| Error::request(ErrorKind::NotFound, format!("there is no inode {}", node.0)))
    }

    /// Whether a directory may name the inode: not one of the filesystem's own.
    pub(crate) fn may_be_named(&self, number: u32) -> bool {
        let superblock = &self.volume.superblock;
        number == ROOT_INODE || (superblock.first_inode..=superblock.inodes).contains(&number)
    }

    /// The node of an inode that is in use.
    pub(crate) fn node(&self, number: u32) -> Result<Arc<Node>> {
        if let Some(node) = self.nodes.get(&number) {
            return Ok(node.clone());
        }
        if self.cleared.contains(&number) {
            return Err(Error::request(
                ErrorKind::NotFound,
                format!("inode {number} was removed"),
            ));
        }
        if let Some(node) = self.cache().nodes.get(&number) {
            return Ok(node.clone());
        }
        let inode = self.read_inode(number)?;
        let node = Arc::new(Node::decode(&self.volume, number, inode)?);
        self.cache().put_node(&node);
        Ok(node)
    }

    /// The node, to be changed.
    pub(super) fn node_mut(&mut self, number: u32) -> Result<&mut Node> {
        if !self.nodes.contains_key(&number) {
            let node = self.node(number)?;
            self.cache().forget_node(number);
            self.nodes.insert(number, node);
        }
        let node = self.nodes.get_mut(&number).map(Arc::make_mut);
        node.ok_or_else(|| Error::corrupt(Structure::Inode(number), "it is lost"))
    }

    /// The node's content, to be changed.
    pub(super) fn content(&mut self, number: u32) -> Result<Content<'_>> {
        self.node_mut(number)?;
        let node = self.nodes.get_mut(&number).map(Arc::make_mut);
        Ok(Content {
            volume: &self.volume,
            space: &mut self.space,
            node: node.ok_or_else(|| Error::corrupt(Structure::Inode(number), "it is lost"))?,
        })
    }

    /// The directory's entries, to be changed.
    pub(super) fn directory_mut(&mut self, number: u32) -> Result<&mut Directory> {
        if !self.directories.contains_key(&number) {
            let directory = self.directory(number)?;
            self.cache().forget_directory(number);
            self.directories.insert(number, directory);
        }
        let directory = self.directories.get_mut(&number).map(Arc::make_mut);
        directory.ok_or_else(|| Error::corrupt(Structure::Directory(number), "it is lost"))
    }

    /// Forgets an inode that is no more.
    pub(super) fn forget(&mut self, number: u32) {
        self.nodes.remove(&number);
        self.directories.remove(&number);
        let mut cache = self.cache();
        cache.forget_node(number);
        cache.forget_directory(number);
    }

    /// Reads an inode's record from its table.
    pub(super) fn read_inode(&self, number: u32) -> Result<Inode> {
        let superblock = &self.volume.superblock;
        let length = usize::from(superblock.inode_bytes);
        let damage = |problem: &str| Error::corrupt(Structure::Inode(number), problem);
        let group = self.volume.group_of_inode(number);
        let Some(descriptor) = self.space.descriptor(group) else {
            return Err(damage("there is no such inode"));
        };
        let index = number.saturating_sub(1) % superblock.inodes_per_group;
        if index >= self.space.used_table(group) {
            return Err(damage("a directory names it, but it was never used"));
        }
        let offset = u64::from(index) * u64::from(superblock.inode_bytes);
        let block = descriptor.inode_table + offset / self.volume.block_bytes();
        let within = (offset % self.volume.block_bytes()) as usize;
        let mut cache = self.cache();
        let raw = match &mut cache.table_block {
            Some((cached, raw)) if *cached == block => raw,
            slot => {
                let raw = self.volume.read_block(block, "an inode table")?;
                &mut slot.insert((block, raw)).1
            }
        };
        let record = raw.get(within..within + length);
        Ok(Inode::from_bytes(
            record.ok_or_else(|| damage("its record crosses blocks"))?,
        ))
    }

    /// The node `number`, which has to be a directory, with its entries.
    pub(crate) fn directory(&self, number: u32) -> Result<Arc<Directory>> {
        if let Some(directory) = self.directories.get(&number) {
            return Ok(directory.clone());
        }
        if let Some(directory) = self.cache().directories.get(&number) {
            return Ok(directory.clone());
        }
        let node = self.node(number)?;
        if node.kind != FileKind::Directory {
            return Err(Error::request(ErrorKind::NotADirectory, "not a directory"));
        }
        let blocks = self.read_directory_blocks(&node)?;
        let indexed = node.inode.flags().contains(crate::format::inode::InodeFlags::INDEX);
        let directory = Directory::decode(self.directory_params(&node), number, blocks, indexed)
            .map_err(|damage| Error::corrupt(Structure::Directory(number), damage.to_string()))?;
        let directory = Arc::new(directory);
        self.cache().put_directory(number, &directory);
        Ok(directory)
    }

    /// What the directory's blocks depend on besides themselves.
    pub(super) fn directory_params(&self, node: &Node) -> DirectoryParams {
        let superblock = &self.volume.superblock;
        let features = &superblock.features;
        DirectoryParams {
            block_bytes: self.volume.block_len(),
            checksum: node.seed(&self.volume),
            hash_seed: superblock.hash_seed(),
            hash_version: superblock.hash_version(),
            unsigned_hash: superblock.unsigned_hash(),
            may_index: features.compatible.contains(Compatible::DIR_INDEX),
            large_dir: features.incompatible.contains(Incompatible::LARGE_DIR),
            file_types: features.incompatible.contains(Incompatible::FILETYPE),
        }
    }

    fn read_directory_blocks(&self, node: &Node) -> Result<Vec<Vec<u8>>> {
        let damage = |problem: &str| Error::corrupt(Structure::Directory(node.number), problem);
        // Otherwise a small image could claim a directory that no memory holds.
        if node.map.overlaps_itself() {
            return Err(damage("it has a block twice"));
        }
        let length = self.volume.block_len();
        let mut blocks = Vec::new();
        let mut at = 0;
        while at < node.map.end() {
            let Piece::Blocks {
                physical,
                length: count,
                unwritten: false,
            } = node.map.at(at)
            else {
                return Err(damage("it has a hole"));
            };
            let count = count.min(DIRECTORY_READ_BLOCKS);
            let held = self.volume.device.extent_at(physical * self.volume.block_bytes());
            let held = held.map_err(Error::device("look at a directory"))?;
            if held.kind == ExtentKind::Hole {
                return Err(damage("a block of it was never written"));
            }
            let raw = self.volume.read_blocks(physical, count as usize, "a directory")?;
            blocks.extend(raw.chunks_exact(length).map(<[u8]>::to_vec));
            at += count;
        }
        Ok(blocks)
    }

    /// Reads `buf.len()` bytes of a node's blocks at `offset`, all of them before its end.
    pub(super) fn read_content(&self, node: &Node, offset: u64, buf: &mut [u8]) -> Result<()> {
        if node.storage == Storage::InInode {
            let area = node.inode.block_area();
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(area.len());
            let held = &area[start..];
            let count = held.len().min(buf.len());
            buf[..count].copy_from_slice(&held[..count]);
            return Ok(());
        }
        let block_bytes = self.volume.block_bytes();
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let within = at % block_bytes;
            let rest = (buf.len() - done) as u64;
            let piece = node.map.at(at / block_bytes);
            let blocks = match piece {
                Piece::Hole { length } | Piece::Blocks { length, .. } => length,
            };
            let count = (blocks.saturating_mul(block_bytes) - within).min(rest) as usize;
            let part = &mut buf[done..done + count];
            match piece {
                Piece::Blocks {
                    physical,
                    unwritten: false,
                    ..
                } => self
                    .volume
                    .device
                    .read_at(physical * block_bytes + within, part)
                    .map_err(Error::device(&format!("read inode {}", node.number)))?,
                _ => part.fill(0),
            }
            done += count;
        }
        Ok(())
    }
}
