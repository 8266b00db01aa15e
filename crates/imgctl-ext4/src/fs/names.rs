//! Names in directories: adding, moving and removing them, and the nodes that come and go with them.

use super::{Ext4, ROOT_INODE};
use crate::directory::{Directory, DirectoryError};
use crate::error::{Error, Result, Structure};
use crate::features::ReadOnlyCompatible;
use crate::format::inode::{InodeFlags, Time, directory_type};
use crate::node::{Node, Storage};
use imgctl_vfs::{ErrorKind, FileKind, NewNode};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many names a node can have.
const MOST_LINKS: u16 = 65000;
/// With this many free blocks an entry can be added to any directory.
const ENOUGH_FREE_BLOCKS: u64 = 16;

impl Ext4 {
    pub(super) fn create_node(&mut self, parent: u32, name: &[u8], new: &NewNode) -> Result<u32> {
        if self.directory(parent)?.lookup(name).is_some() {
            return Err(taken());
        }
        self.check_new(parent, new)?;
        let is_directory = new.kind == FileKind::Directory;
        let group = self.volume.group_of_inode(parent);
        let number = self.space.allocate_inode(&self.volume, group, is_directory)?;
        self.forget(number);
        let node = Node::new(&self.volume, number, new, self.now);
        self.nodes.insert(number, Arc::new(node));
        let was_cleared = self.cleared.remove(&number);
        let made = self
            .fill_node(number, parent, new)
            .and_then(|()| self.add_name(parent, name, number, new.kind));
        if let Err(error) = made {
            self.content(number)?.release()?;
            self.forget(number);
            self.space.free_inode(&self.volume, number, is_directory)?;
            if was_cleared {
                self.cleared.insert(number);
            }
            return Err(error);
        }
        if is_directory {
            self.add_subdirectory(parent)?;
        }
        Ok(number)
    }

    fn check_new(&self, parent: u32, new: &NewNode) -> Result<()> {
        match new.kind {
            FileKind::Symlink => {
                let fits = !new.target.is_empty() && (new.target.len() as u64) < self.volume.block_bytes();
                if !fits || new.target.contains(&0) {
                    let context = format!(
                        "a symbolic link's target has 1 to {} bytes, none of them NUL",
                        self.volume.block_bytes() - 1
                    );
                    return Err(Error::request(ErrorKind::InvalidInput, context));
                }
                Ok(())
            }
            FileKind::Directory => self.check_subdirectory(parent),
            _ => Ok(()),
        }
    }

    /// Gives a new node what it is born with.
    fn fill_node(&mut self, number: u32, parent: u32, new: &NewNode) -> Result<()> {
        match new.kind {
            FileKind::Directory => {
                self.content(number)?.extend_to(1)?;
                let node = self.node_mut(number)?;
                node.inode.set_links(2);
                let node = self.node(number)?;
                let directory = Directory::create(self.directory_params(&node), number, parent);
                self.directories.insert(number, Arc::new(directory));
                Ok(())
            }
            FileKind::Symlink if self.node(number)?.storage != Storage::InInode => {
                self.content(number)?.write(0, &new.target)
            }
            _ => Ok(()),
        }
    }

    /// Fails if the directory cannot take one more subdirectory.
    fn check_subdirectory(&self, parent: u32) -> Result<()> {
        let features = self.volume.superblock.features.read_only;
        let unlimited = features.contains(ReadOnlyCompatible::DIR_NLINK) && self.directory(parent)?.is_indexed();
        if self.node(parent)?.inode.links() >= MOST_LINKS && !unlimited {
            let context = format!("a directory takes at most {} subdirectories", MOST_LINKS - 2);
            return Err(Error::request(ErrorKind::LimitReached, context));
        }
        Ok(())
    }

    /// Counts one more subdirectory. A count of 1 stands for "too many to count" (`dir_nlink`).
    fn add_subdirectory(&mut self, parent: u32) -> Result<()> {
        let indexed = self.directory(parent)?.is_indexed();
        let inode = &mut self.node_mut(parent)?.inode;
        let links = match inode.links() {
            1 => 1,
            links if indexed && links >= MOST_LINKS => 1,
            links => links.saturating_add(1),
        };
        inode.set_links(links);
        Ok(())
    }

    fn drop_subdirectory(&mut self, parent: u32) -> Result<()> {
        let inode = &mut self.node_mut(parent)?.inode;
        if inode.links() > 2 {
            inode.set_links(inode.links() - 1);
        }
        Ok(())
    }

    /// Enters a name into a directory, which gets more blocks if it needs them.
    fn add_name(&mut self, parent: u32, name: &[u8], number: u32, kind: FileKind) -> Result<()> {
        let full = |error: DirectoryError| match error {
            DirectoryError::Exists => taken(),
            DirectoryError::Full => Error::request(ErrorKind::LimitReached, "the directory's index is full"),
            DirectoryError::Name => Error::request(ErrorKind::InvalidInput, error.to_string()),
        };
        let file_type = directory_type(kind);
        if self.space.free_blocks() < ENOUGH_FREE_BLOCKS {
            // Tried on a copy: there is no way back once the directory has grown and finds no block.
            let mut trial = (*self.directory(parent)?).clone();
            trial.insert(name, number, file_type).map_err(full)?;
            self.extend_directory(parent, trial.block_count().into())?;
        }
        let directory = self.directory_mut(parent)?;
        directory.insert(name, number, file_type).map_err(full)?;
        let blocks = directory.block_count().into();
        let indexed = directory.is_indexed();
        self.extend_directory(parent, blocks)?;
        if indexed {
            let inode = &mut self.node_mut(parent)?.inode;
            inode.set_flags(inode.flags() | InodeFlags::INDEX);
        }
        self.touch_content(parent)
    }

    fn extend_directory(&mut self, number: u32, blocks: u64) -> Result<()> {
        let before = self.node(number)?.map.end();
        if blocks == before {
            return Ok(());
        }
        let mut content = self.content(number)?;
        let extended = content.extend_to(blocks);
        if extended.is_err() {
            content.release_from(before)?;
            let size = before * content.volume.block_bytes();
            content.node.inode.set_size(size);
        }
        extended
    }

    /// Stamps a change of content.
    pub(super) fn touch_content(&mut self, number: u32) -> Result<()> {
        let now = self.now;
        let inode = &mut self.node_mut(number)?.inode;
        inode.set_time(Time::Modified, now);
        inode.set_time(Time::Changed, now);
        Ok(())
    }

    /// Stamps a change of the node itself.
    pub(super) fn touch_node(&mut self, number: u32) -> Result<()> {
        let now = self.now;
        self.node_mut(number)?.inode.set_time(Time::Changed, now);
        Ok(())
    }

    /// The inode that a name in a directory stands for.
    fn entry(&self, directory: u32, name: &[u8]) -> Result<u32> {
        let Some(entry) = self.directory(directory)?.lookup(name) else {
            return Err(Error::request(ErrorKind::NotFound, "no such entry"));
        };
        if self.may_be_named(entry.inode) {
            return Ok(entry.inode);
        }
        let problem = format!("it names inode {}, which is no file's", entry.inode);
        Err(Error::corrupt(Structure::Directory(directory), problem))
    }

    pub(super) fn link_node(&mut self, number: u32, directory: u32, name: &[u8]) -> Result<()> {
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
        if links >= MOST_LINKS {
            let context = format!("a node has at most {MOST_LINKS} names");
            return Err(Error::request(ErrorKind::LimitReached, context));
        }
        self.add_name(directory, name, number, kind)?;
        self.node_mut(number)?.inode.set_links(links + 1);
        self.touch_node(number)
    }

    pub(super) fn remove_name(&mut self, directory: u32, name: &[u8]) -> Result<()> {
        let number = self.entry(directory, name)?;
        self.check_removable(number)?;
        if self.node(number)?.kind == FileKind::Directory {
            self.drop_subdirectory(directory)?;
        }
        self.directory_mut(directory)?.remove(name);
        self.touch_content(directory)?;
        self.drop_link(number)
    }

    fn check_removable(&self, number: u32) -> Result<()> {
        if self.node(number)?.kind == FileKind::Directory && !self.directory(number)?.is_empty() {
            return Err(Error::request(ErrorKind::NotEmpty, "the directory is not empty"));
        }
        Ok(())
    }

    /// Takes one name from a node; the node goes with its last.
    fn drop_link(&mut self, number: u32) -> Result<()> {
        self.touch_node(number)?;
        let node = self.node_mut(number)?;
        let is_directory = node.kind == FileKind::Directory;
        let links = node.inode.links();
        if links > 1 && !is_directory {
            node.inode.set_links(links - 1);
            return Ok(());
        }
        self.drop_xattr_block(number)?;
        self.content(number)?.release()?;
        self.space.free_inode(&self.volume, number, is_directory)?;
        self.forget(number);
        self.cleared.insert(number);
        Ok(())
    }

    pub(super) fn rename_name(&mut self, from: u32, from_name: &[u8], to: u32, to_name: &[u8]) -> Result<()> {
        let moved = self.entry(from, from_name)?;
        let kind = self.node(moved)?.kind;
        let is_directory = kind == FileKind::Directory;
        if is_directory && self.is_within(to, moved)? {
            return Err(Error::request(
                ErrorKind::InvalidInput,
                "a directory cannot move into itself",
            ));
        }
        let replaced = self
            .directory(to)?
            .lookup(to_name)
            .map(|_| self.entry(to, to_name))
            .transpose()?;
        if replaced == Some(moved) {
            return Ok(());
        }
        match replaced {
            Some(replaced) => {
                self.check_replaceable(is_directory, replaced)?;
                self.directory_mut(to)?.replace(to_name, moved, directory_type(kind));
                self.touch_content(to)?;
                self.drop_link(replaced)?;
            }
            None => {
                if is_directory && from != to {
                    self.check_subdirectory(to)?;
                }
                self.add_name(to, to_name, moved, kind)?;
            }
        }
        self.directory_mut(from)?.remove(from_name);
        self.touch_content(from)?;
        if is_directory {
            self.drop_subdirectory(from)?;
            if replaced.is_none() {
                self.add_subdirectory(to)?;
            }
            if from != to {
                self.directory_mut(moved)?.set_parent(to);
                self.node_mut(moved)?;
            }
        }
        self.touch_node(moved)
    }

    fn check_replaceable(&self, is_directory: bool, replaced: u32) -> Result<()> {
        let replaces_directory = self.node(replaced)?.kind == FileKind::Directory;
        match (is_directory, replaces_directory) {
            (true, true) => self.check_removable(replaced),
            (true, false) => Err(Error::request(
                ErrorKind::NotADirectory,
                "a directory cannot replace a file",
            )),
            (false, true) => Err(Error::request(
                ErrorKind::IsADirectory,
                "a file cannot replace a directory",
            )),
            (false, false) => Ok(()),
        }
    }

    /// Whether `directory` is `ancestor` or lies below it.
    fn is_within(&self, directory: u32, ancestor: u32) -> Result<bool> {
        let mut at = directory;
        let mut seen = BTreeSet::new();
        while at != ancestor {
            if at == ROOT_INODE {
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

fn taken() -> Error {
    Error::request(ErrorKind::AlreadyExists, "the name is taken")
}
