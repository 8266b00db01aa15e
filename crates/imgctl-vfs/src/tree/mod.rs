//! The guest's filesystems as one tree, mounts grafted, never leaving its root.

mod resolve;
mod walk;

pub use resolve::{Found, Resolution};
pub use walk::{Walk, WalkEntry};

use crate::{Error, ErrorKind, EscapedBytes, FileKind, GuestPath, Metadata, NodeId, Result, WriteFs};
use std::collections::BTreeMap;

/// Which of the tree's filesystems; the root is the first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MountIndex(usize);

/// A node of one of the tree's filesystems.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TreeNode {
    /// The filesystem.
    pub mount: MountIndex,
    /// The node in it.
    pub node: NodeId,
}

/// A filesystem and its place in the tree.
#[derive(Debug)]
pub struct Mount {
    /// Where it is mounted, free of symbolic links once it is part of a tree.
    pub path: GuestPath,
    /// What people call it: `partition 15`.
    pub label: String,
    /// The filesystem.
    pub fs: Box<dyn WriteFs>,
}

/// All filesystems of a guest, grafted into one tree.
#[derive(Debug)]
pub struct Tree {
    mounts: Vec<Mount>,
    /// Mount points: the directory that is covered, and what covers it.
    grafts: BTreeMap<TreeNode, MountIndex>,
}

impl Tree {
    /// A tree of one filesystem.
    #[must_use]
    pub fn new(label: impl Into<String>, fs: Box<dyn WriteFs>) -> Self {
        let root = Mount {
            path: GuestPath::root(),
            label: label.into(),
            fs,
        };
        Self {
            mounts: vec![root],
            grafts: BTreeMap::new(),
        }
    }

    /// Mounts `mount.fs` over the directory that `mount.path` resolves to.
    pub fn graft(&mut self, mount: Mount) -> Result<MountIndex> {
        let point = self.resolve(&mount.path)?;
        if self.metadata(point.node)?.kind != FileKind::Directory {
            return Err(Error::new(
                ErrorKind::NotADirectory,
                format!("the mount point {} is not a directory", mount.path),
            ));
        }
        if point.path.is_root() || self.mounts.iter().any(|other| other.path == point.path) {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("something is mounted at {} already", point.path),
            ));
        }
        let index = MountIndex(self.mounts.len());
        self.grafts.insert(point.node, index);
        self.mounts.push(Mount {
            path: point.path,
            ..mount
        });
        Ok(index)
    }

    /// All filesystems, the root first.
    pub fn mounts(&self) -> impl Iterator<Item = (MountIndex, &Mount)> {
        self.mounts
            .iter()
            .enumerate()
            .map(|(index, mount)| (MountIndex(index), mount))
    }

    /// One filesystem. An index from another tree gives the root.
    #[must_use]
    pub fn mount(&self, index: MountIndex) -> &Mount {
        self.mounts.get(index.0).unwrap_or(&self.mounts[0])
    }

    /// The filesystem that `node` is on, for reading.
    #[must_use]
    pub fn fs(&self, node: TreeNode) -> &dyn WriteFs {
        &*self.mount(node.mount).fs
    }

    /// The filesystem that `node` is on, for writing.
    pub fn fs_mut(&mut self, node: TreeNode) -> &mut dyn WriteFs {
        let index = if node.mount.0 < self.mounts.len() {
            node.mount.0
        } else {
            0
        };
        &mut *self.mounts[index].fs
    }

    /// The tree's root directory.
    #[must_use]
    pub fn root(&self) -> Found {
        Found {
            path: GuestPath::root(),
            node: self.mount_root(MountIndex(0)),
        }
    }

    /// Everything `stat` tells of `node`.
    pub fn metadata(&self, node: TreeNode) -> Result<Metadata> {
        self.fs(node).metadata(node.node)
    }

    /// The node that `name` names in `directory`; a mount point gives the root of what is mounted there.
    pub fn lookup(&self, directory: TreeNode, name: &[u8]) -> Result<Option<TreeNode>> {
        let node = self.fs(directory).lookup(directory.node, name)?;
        Ok(node.map(|node| self.through_graft(directory.mount, node)))
    }

    /// All entries of `directory`, sorted by name; mount points give the root of what is mounted there.
    pub fn read_dir(&self, directory: TreeNode) -> Result<Vec<(Vec<u8>, TreeNode)>> {
        let entries = self.fs(directory).read_dir(directory.node)?;
        Ok(entries
            .into_iter()
            .map(|entry| (entry.name, self.through_graft(directory.mount, entry.node)))
            .collect())
    }

    /// Whether `name` in `directory` is a mount point, which can be neither removed nor renamed.
    pub fn is_mount_point(&self, directory: TreeNode, name: &[u8]) -> Result<bool> {
        let found = self.lookup(directory, name)?;
        Ok(found.is_some_and(|node| node.mount != directory.mount))
    }

    /// The whole content of a regular file, which may be at most `limit_bytes` long.
    pub fn read_file(&self, node: TreeNode, limit_bytes: u64) -> Result<Vec<u8>> {
        let size = self.metadata(node)?.size;
        if size > limit_bytes {
            return Err(Error::new(
                ErrorKind::LimitReached,
                format!("the file has {size} bytes, more than the {limit_bytes} expected of it at most"),
            ));
        }
        let mut content = vec![0; usize::try_from(size).unwrap_or(0)];
        let mut done = 0;
        while done < content.len() {
            match self.fs(node).read_at(node.node, done as u64, &mut content[done..])? {
                0 => break,
                count => done += count,
            }
        }
        content.truncate(done);
        Ok(content)
    }

    /// Everything at and below `start`, parents before children, names in order.
    #[must_use]
    pub fn walk(&self, start: &Found) -> Walk<'_> {
        Walk::new(self, start.clone())
    }

    /// Commits every filesystem, the root last, and names the one that failed.
    pub fn commit(self) -> Result<()> {
        for mount in self.mounts.into_iter().rev() {
            mount.fs.commit().map_err(|error| {
                Error::new(
                    error.kind(),
                    format!("cannot write the filesystem of {} ({})", mount.path, mount.label),
                )
                .with_source(error)
            })?;
        }
        Ok(())
    }

    fn mount_root(&self, index: MountIndex) -> TreeNode {
        TreeNode {
            mount: index,
            node: self.mount(index).fs.root(),
        }
    }

    fn through_graft(&self, mount: MountIndex, node: NodeId) -> TreeNode {
        let covered = TreeNode { mount, node };
        match self.grafts.get(&covered) {
            Some(index) => self.mount_root(*index),
            None => covered,
        }
    }
}

/// The error for a path of which nothing is there.
pub(crate) fn not_found(path: &[u8]) -> Error {
    Error::new(ErrorKind::NotFound, format!("{} does not exist", EscapedBytes(path)))
}
