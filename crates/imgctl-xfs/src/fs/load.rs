//! Bringing inodes and directories into memory, and keeping some of them there.

use super::Xfs;
use crate::directory::{Directory, DirectoryParams};
use crate::error::{Error, Result, Structure};
use crate::extents::Piece;
use crate::format::directory::{DataKind, LEAF_OFFSET, parse};
use crate::format::inode::Inode;
use crate::layout::Layouter;
use crate::node::{Node, damage_of, read_fork_blocks};
use imgctl_block::ExtentKind;
use imgctl_vfs::{ErrorKind, FileKind, NodeId};
use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};

/// How many inode records' worth of unchanged nodes stay in memory.
const NODE_WEIGHT: usize = 1 << 15;
/// How many entries' worth of unchanged directories stay in memory.
const DIRECTORY_WEIGHT: usize = 1 << 18;

/// Unchanged nodes and directories. A full cache is emptied.
#[derive(Debug, Default)]
pub(super) struct Cache {
    nodes: BTreeMap<u64, Arc<Node>>,
    node_weight: usize,
    directories: BTreeMap<u64, Arc<Directory>>,
    directory_weight: usize,
    /// The inode block that was read last.
    inode_block: Option<(u64, Vec<u8>)>,
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

    fn put_directory(&mut self, number: u64, directory: &Arc<Directory>) {
        self.directory_weight += directory.weight();
        if self.directory_weight > DIRECTORY_WEIGHT {
            self.directories.clear();
            self.directory_weight = directory.weight();
        }
        self.directories.insert(number, directory.clone());
    }

    /// Forgets a node that is about to be changed, so that it is not kept twice.
    pub(super) fn forget_node(&mut self, number: u64) {
        self.nodes.remove(&number);
    }

    pub(super) fn forget_directory(&mut self, number: u64) {
        self.directories.remove(&number);
    }
}

impl Xfs {
    pub(super) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The inode number of a node id that a caller gave.
    pub(super) fn number(&self, node: NodeId) -> Result<u64> {
        if self.may_be_named(node.0) {
            return Ok(node.0);
        }
        Err(Error::request(
            ErrorKind::NotFound,
            format!("there is no inode {}", node.0),
        ))
    }

    /// Whether a directory may name the inode: there can be one, and it is not one of the filesystem's own.
    pub(crate) fn may_be_named(&self, number: u64) -> bool {
        self.volume.split_inode(number).is_some() && !self.volume.superblock.own_inodes().contains(&number)
    }

    /// The node of an inode that is in use.
    pub(crate) fn node(&self, number: u64) -> Result<Arc<Node>> {
        if let Some(node) = self.nodes.get(&number) {
            return Ok(node.clone());
        }
        if self.cleared.contains_key(&number) {
            let context = format!("inode {number} was removed");
            return Err(Error::request(ErrorKind::NotFound, context));
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
    pub(super) fn node_mut(&mut self, number: u64) -> Result<&mut Node> {
        if !self.nodes.contains_key(&number) {
            let mut node = self.node(number)?;
            self.cache().forget_node(number);
            if self.volume.superblock.features.has_bigtime() {
                Arc::make_mut(&mut node).inode.use_bigtime();
            }
            self.nodes.insert(number, node);
        }
        let node = self.nodes.get_mut(&number).map(Arc::make_mut);
        node.ok_or_else(|| Error::corrupt(Structure::Inode(number), "it is lost"))
    }

    /// The node with what its blocks come from, to be changed. A directory's entries are there if they were changed, or
    /// lie in the inode.
    pub(super) fn layouter(&mut self, number: u64) -> Result<Layouter<'_>> {
        let node = self.node_mut(number)?;
        if node.kind == FileKind::Directory && node.is_local() {
            self.directory_mut(number)?;
        }
        let node = self.nodes.get_mut(&number).map(Arc::make_mut);
        Ok(Layouter {
            volume: &self.volume,
            space: &mut self.space,
            node: node.ok_or_else(|| Error::corrupt(Structure::Inode(number), "it is lost"))?,
            directory: self.directories.get_mut(&number).map(Arc::make_mut),
        })
    }

    /// The directory's entries, to be changed.
    pub(super) fn directory_mut(&mut self, number: u64) -> Result<&mut Directory> {
        if !self.directories.contains_key(&number) {
            let directory = self.directory(number)?;
            self.cache().forget_directory(number);
            self.directories.insert(number, directory);
        }
        let directory = self.directories.get_mut(&number).map(Arc::make_mut);
        directory.ok_or_else(|| Error::corrupt(Structure::Directory(number), "it is lost"))
    }

    /// Forgets an inode that is no more.
    pub(super) fn forget(&mut self, number: u64) {
        self.nodes.remove(&number);
        self.directories.remove(&number);
        let mut cache = self.cache();
        cache.forget_node(number);
        cache.forget_directory(number);
    }

    /// Reads an inode's record.
    pub(crate) fn read_inode(&self, number: u64) -> Result<Inode> {
        let damage = |problem: &str| Error::corrupt(Structure::Inode(number), problem);
        let Some((group, within)) = self.volume.split_inode(number) else {
            return Err(damage("there can be no such inode"));
        };
        let (block, at) = self.volume.inode_place(group, within);
        let length = usize::from(self.volume.superblock.inode_bytes);
        let mut cache = self.cache();
        let raw = match &mut cache.inode_block {
            Some((cached, raw)) if *cached == block => raw,
            slot => {
                let raw = self.volume.read_blocks(block, 1, "an inode")?;
                &mut slot.insert((block, raw)).1
            }
        };
        let record = raw
            .get(at..at + length)
            .ok_or_else(|| damage("its record crosses blocks"))?;
        Inode::parse(record.to_vec(), number, self.volume.meta_uuid()).map_err(damage)
    }

    /// The node `number`, which has to be a directory, with its entries.
    pub(crate) fn directory(&self, number: u64) -> Result<Arc<Directory>> {
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
        let directory = Arc::new(self.read_directory(&node)?);
        self.cache().put_directory(number, &directory);
        Ok(directory)
    }

    /// What directory blocks depend on besides themselves.
    pub(super) fn directory_params(&self) -> DirectoryParams {
        DirectoryParams {
            block_bytes: self.volume.directory_len(),
            v5: self.volume.is_v5(),
            file_types: self.volume.superblock.features.has_file_types(),
        }
    }

    fn read_directory(&self, node: &Node) -> Result<Directory> {
        let structure = Structure::Directory(node.number);
        let damage = |problem: &str| Error::corrupt(structure, problem);
        let params = self.directory_params();
        if node.is_local() {
            let length = usize::try_from(node.inode.size()).unwrap_or(usize::MAX);
            let raw = node.inode.data_fork().get(..length);
            return Directory::decode_short(params, node.number, raw.ok_or_else(|| damage("it is too long"))?);
        }
        // Otherwise a small image could claim a directory that no memory holds.
        if node.data.map.overlaps_itself() {
            return Err(damage("it has a block twice"));
        }
        let per_block = self.volume.directory_blocks();
        let end = LEAF_OFFSET >> self.volume.superblock.block_log;
        let mut blocks = Vec::new();
        let mut single = false;
        let mut at = 0;
        while at < end.min(node.data.map.end()) {
            match node.data.map.at(at) {
                Piece::Hole { length } => {
                    at = at.saturating_add(length).next_multiple_of(per_block);
                    continue;
                }
                Piece::Blocks { physical, .. } => self.check_written(physical, structure)?,
            }
            let (first, raw) =
                read_fork_blocks(&self.volume, &node.data, at, per_block).map_err(damage_of(structure))?;
            let kind = parse(&raw, self.volume.place(first, node.number)).map_err(damage)?;
            single = kind == DataKind::Single;
            if kind == DataKind::Free || single && !(blocks.is_empty() && at == 0) {
                return Err(damage("a block is of the wrong kind"));
            }
            let place = usize::try_from(at / per_block).unwrap_or(usize::MAX);
            blocks.push((place, raw));
            at += per_block;
        }
        if single && blocks.len() > 1 {
            return Err(damage("a block is of the wrong kind"));
        }
        Directory::decode_blocks(params, node.number, blocks, single)
    }

    /// Fails if a block that should hold metadata was never written.
    fn check_written(&self, block: u64, structure: Structure) -> Result<()> {
        let held = self.volume.device.extent_at(self.volume.offset(block));
        match held.map_err(Error::device("look at a directory"))?.kind {
            ExtentKind::Data => Ok(()),
            ExtentKind::Hole => Err(Error::corrupt(structure, "a block of it was never written")),
        }
    }

    /// Reads `buf.len()` bytes of a node's blocks at `offset`, all of them before its end.
    pub(super) fn read_content(&self, node: &Node, offset: u64, buf: &mut [u8]) -> Result<()> {
        let block_bytes = self.volume.block_bytes();
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            let within = at % block_bytes;
            let rest = (buf.len() - done) as u64;
            let piece = node.data.map.at(at / block_bytes);
            let count = (piece.length().saturating_mul(block_bytes) - within).min(rest) as usize;
            let Some(part) = buf.get_mut(done..done + count) else {
                return Ok(());
            };
            match piece {
                Piece::Blocks {
                    physical,
                    unwritten: false,
                    ..
                } => self
                    .volume
                    .device
                    .read_at(self.volume.offset(physical) + within, part)
                    .map_err(Error::device(&format!("read inode {}", node.number)))?,
                _ => part.fill(0),
            }
            done += count;
        }
        Ok(())
    }
}
