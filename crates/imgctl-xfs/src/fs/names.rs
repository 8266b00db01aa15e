//! Names in directories: adding, moving and removing them, and the nodes that come and go with them.

use super::Xfs;
use crate::alloc::all_reserved_blocks;
use crate::directory::Directory;
use crate::error::{Error, Result, Structure};
use crate::format::directory::LEAF_OFFSET;
use crate::format::inode::{Inode, Time, device_number, directory_type, flags};
use crate::node::{MOST_TARGET, Node};
use imgctl_vfs::{ErrorKind, FileKind, NewNode};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many names a node can have (the kernel's `XFS_MAXLINK`).
const MOST_LINKS: u32 = i32::MAX as u32;
/// With this many free blocks besides those kept back an entry can be added to any directory.
const ENOUGH_FREE_BLOCKS: u64 = 128;

impl Xfs {
    pub(super) fn create_node(&mut self, parent: u64, name: &[u8], new: &NewNode) -> Result<u64> {
        if self.directory(parent)?.lookup(name).is_some() {
            return Err(taken());
        }
        check_new(new)?;
        let is_directory = new.kind == FileKind::Directory;
        if is_directory {
            self.check_links(parent)?;
        }
        let number = self.space.allocate_inode(&self.volume, parent)?;
        let generation = self.next_generation(number);
        self.forget(number);
        let was_cleared = self.cleared.remove(&number);
        let mut node = Node::new(&self.volume, number, generation, new, self.now);
        let above = self.node(parent)?;
        if above.inode.flags() & flags::PROJECT != 0 {
            node.inode.set_project(above.inode.project());
            if is_directory {
                node.inode.set_flags(flags::PROJECT);
            }
        }
        drop(above);
        self.nodes.insert(number, Arc::new(node));
        if is_directory {
            let directory = Directory::create(self.directory_params(), parent);
            self.directories.insert(number, Arc::new(directory));
            self.node_mut(number)?.inode.set_links(2);
        }
        let made = self
            .layouter(number)?
            .fit()
            .and_then(|()| self.add_name(parent, name, number, new.kind));
        if let Err(error) = made {
            self.layouter(number)?.release_all()?;
            self.forget(number);
            self.space.release_inode(&self.volume, number)?;
            self.cleared.insert(number, was_cleared.unwrap_or(generation));
            return Err(error);
        }
        if is_directory {
            self.add_subdirectory(parent)?;
        }
        Ok(number)
    }

    /// How often an inode that is to be used was used before, and once more.
    fn next_generation(&self, number: u64) -> u32 {
        if let Some(generation) = self.cleared.get(&number) {
            return *generation;
        }
        let place = self.volume.split_inode(number);
        let place = place.map(|(group, within)| self.volume.inode_place(group, within));
        match place {
            Some((block, _)) if !self.space.is_fresh(block) => self
                .read_inode(number)
                .map_or(0, |inode| inode.generation().wrapping_add(1)),
            _ => 0,
        }
    }

    /// Fails if the directory cannot take one more subdirectory.
    fn check_links(&self, number: u64) -> Result<()> {
        if self.node(number)?.inode.links() >= MOST_LINKS {
            let context = format!("a node has at most {MOST_LINKS} names");
            return Err(Error::request(ErrorKind::LimitReached, context));
        }
        Ok(())
    }

    fn add_subdirectory(&mut self, parent: u64) -> Result<()> {
        let inode = &mut self.node_mut(parent)?.inode;
        inode.set_links(inode.links().saturating_add(1));
        Ok(())
    }

    fn drop_subdirectory(&mut self, parent: u64) -> Result<()> {
        let inode = &mut self.node_mut(parent)?.inode;
        inode.set_links(inode.links().saturating_sub(1).max(2));
        Ok(())
    }

    /// Enters a name into a directory, which gets more blocks if it needs them.
    fn add_name(&mut self, parent: u64, name: &[u8], number: u64, kind: FileKind) -> Result<()> {
        let length = self.directory(parent)?.data_length() * self.volume.directory_len() as u64;
        if length + self.volume.directory_len() as u64 > LEAF_OFFSET {
            return Err(Error::request(ErrorKind::LimitReached, "the directory is full"));
        }
        let enough = all_reserved_blocks(&self.volume) + ENOUGH_FREE_BLOCKS;
        let is_tight = self.space.free_blocks(&self.volume) < enough;
        // Kept for the way back: a directory that finds no block is as it was.
        let before = if is_tight { Some(self.directory(parent)?) } else { None };
        self.directory_mut(parent)?.insert(name, number, directory_type(kind));
        if let Err(error) = self.layouter(parent)?.fit() {
            match before {
                Some(before) => {
                    self.directories.insert(parent, before);
                    self.directory_mut(parent)?.forget_shape();
                }
                None => self.directory_mut(parent)?.remove(name),
            }
            self.layouter(parent)?.fit()?;
            return Err(error);
        }
        self.touch_content(parent)
    }

    fn take_name(&mut self, parent: u64, name: &[u8]) -> Result<()> {
        self.directory_mut(parent)?.remove(name);
        self.layouter(parent)?.fit()?;
        self.touch_content(parent)
    }

    /// Stamps a change of content.
    pub(super) fn touch_content(&mut self, number: u64) -> Result<()> {
        let now = self.now;
        let inode = &mut self.node_mut(number)?.inode;
        inode.set_time(Time::Modified, now);
        inode.set_time(Time::Changed, now);
        inode.count_change();
        Ok(())
    }

    /// Stamps a change of the node itself.
    pub(super) fn touch_node(&mut self, number: u64) -> Result<()> {
        let now = self.now;
        let inode = &mut self.node_mut(number)?.inode;
        inode.set_time(Time::Changed, now);
        inode.count_change();
        Ok(())
    }

    /// The inode that a name in a directory stands for.
    fn entry(&self, directory: u64, name: &[u8]) -> Result<u64> {
        let Some(entry) = self.directory(directory)?.lookup(name) else {
            return Err(Error::request(ErrorKind::NotFound, "no such entry"));
        };
        if self.may_be_named(entry.inode) {
            return Ok(entry.inode);
        }
        let problem = format!("it names inode {}, which is no file's", entry.inode);
        Err(Error::corrupt(Structure::Directory(directory), problem))
    }

    pub(super) fn link_node(&mut self, number: u64, directory: u64, name: &[u8]) -> Result<()> {
        let node = self.node(number)?;
        if node.kind == FileKind::Directory {
            return Err(Error::request(ErrorKind::IsADirectory, "a directory has only one name"));
        }
        let links = node.inode.links();
        let kind = node.kind;
        drop(node);
        if self.directory(directory)?.lookup(name).is_some() {
            return Err(taken());
        }
        self.check_links(number)?;
        self.add_name(directory, name, number, kind)?;
        self.node_mut(number)?.inode.set_links(links + 1);
        self.touch_node(number)
    }

    pub(super) fn remove_name(&mut self, directory: u64, name: &[u8]) -> Result<()> {
        let number = self.entry(directory, name)?;
        self.check_removable(number)?;
        let is_directory = self.node(number)?.kind == FileKind::Directory;
        self.take_name(directory, name)?;
        if is_directory {
            self.drop_subdirectory(directory)?;
        }
        self.drop_link(number)
    }

    fn check_removable(&self, number: u64) -> Result<()> {
        if self.node(number)?.kind == FileKind::Directory && !self.directory(number)?.is_empty() {
            return Err(Error::request(ErrorKind::NotEmpty, "the directory is not empty"));
        }
        Ok(())
    }

    /// Takes one name from a node; the node goes with its last.
    fn drop_link(&mut self, number: u64) -> Result<()> {
        self.touch_node(number)?;
        let node = self.node_mut(number)?;
        let links = node.inode.links();
        if links > 1 && node.kind != FileKind::Directory {
            node.inode.set_links(links - 1);
            return Ok(());
        }
        let generation = node.inode.generation().wrapping_add(1);
        self.layouter(number)?.release_all()?;
        self.space.release_inode(&self.volume, number)?;
        self.forget(number);
        self.cleared.insert(number, generation);
        Ok(())
    }

    pub(super) fn rename_name(&mut self, from: u64, from_name: &[u8], to: u64, to_name: &[u8]) -> Result<()> {
        let moved = self.entry(from, from_name)?;
        let kind = self.node(moved)?.kind;
        let is_directory = kind == FileKind::Directory;
        if is_directory && self.is_within(to, moved)? {
            let context = "a directory cannot move into itself";
            return Err(Error::request(ErrorKind::InvalidInput, context));
        }
        let replaced = self.directory(to)?.lookup(to_name);
        let replaced = replaced.map(|_| self.entry(to, to_name)).transpose()?;
        if replaced == Some(moved) {
            return Ok(());
        }
        match replaced {
            Some(replaced) => {
                self.check_replaceable(is_directory, replaced)?;
                self.directory_mut(to)?.replace(to_name, moved, directory_type(kind));
                self.layouter(to)?.fit()?;
                self.touch_content(to)?;
                self.drop_link(replaced)?;
            }
            None => {
                if is_directory && from != to {
                    self.check_links(to)?;
                }
                self.add_name(to, to_name, moved, kind)?;
            }
        }
        self.take_name(from, from_name)?;
        if is_directory {
            self.drop_subdirectory(from)?;
            if replaced.is_none() {
                self.add_subdirectory(to)?;
            }
            if from != to {
                self.directory_mut(moved)?.set_parent(to);
                self.layouter(moved)?.fit()?;
            }
        }
        self.touch_node(moved)
    }

    fn check_replaceable(&self, is_directory: bool, replaced: u64) -> Result<()> {
        let replaces_directory = self.node(replaced)?.kind == FileKind::Directory;
        let fails = |kind, context| Err(Error::request(kind, context));
        match (is_directory, replaces_directory) {
            (true, true) => self.check_removable(replaced),
            (true, false) => fails(ErrorKind::NotADirectory, "a directory cannot replace a file"),
            (false, true) => fails(ErrorKind::IsADirectory, "a file cannot replace a directory"),
            (false, false) => Ok(()),
        }
    }

    /// Whether `directory` is `ancestor` or lies below it.
    fn is_within(&self, directory: u64, ancestor: u64) -> Result<bool> {
        let mut at = directory;
        let mut seen = BTreeSet::new();
        while at != ancestor {
            if at == self.volume.superblock.root_inode {
                return Ok(false);
            }
            if !seen.insert(at) {
                return Err(Error::corrupt(Structure::Directory(at), "it is its own ancestor"));
            }
            at = self.directory(at)?.parent();
        }
        Ok(true)
    }
}

impl Xfs {
    /// The record of an inode that is free.
    pub(super) fn blank(&self, number: u64, generation: u32) -> Inode {
        let superblock = &self.volume.superblock;
        Inode::blank(superblock.inode_bytes.into(), number, superblock.meta_uuid, generation)
    }
}

fn check_new(new: &NewNode) -> Result<()> {
    let fits = (1..=MOST_TARGET).contains(&new.target.len()) && !new.target.contains(&0);
    if new.kind == FileKind::Symlink && !fits {
        let context = format!("a symbolic link's target has 1 to {MOST_TARGET} bytes, none of them NUL");
        return Err(Error::request(ErrorKind::InvalidInput, context));
    }
    if device_number(new.kind).is_none() {
        let context = "XFS keeps device numbers up to 16383 (major) and 262143 (minor)";
        return Err(Error::request(ErrorKind::InvalidInput, context));
    }
    Ok(())
}

fn taken() -> Error {
    Error::request(ErrorKind::AlreadyExists, "the name is taken")
}
