//! Paths to nodes: the only place where symbolic links and `..` are followed.

use super::{Tree, TreeNode, not_found};
use crate::path::components;
use crate::{Error, ErrorKind, FileKind, GuestPath, Result};

/// As many links as Linux follows in one path.
const MAX_SYMLINKS: usize = 40;

/// As many components as one resolution may walk, links included.
const MAX_COMPONENTS: usize = 16_384;

/// A node and where it really is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// Its path without symbolic links and `..`.
    pub path: GuestPath,
    /// The node.
    pub node: TreeNode,
}

/// What a path leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Resolution {
    /// A node.
    Found(Found),
    /// A directory that has no entry of this name (yet).
    Missing {
        /// The directory.
        parent: Found,
        /// The name.
        name: Vec<u8>,
    },
}

impl Resolution {
    /// The path without symbolic links, whether something is there or not.
    #[must_use]
    pub fn path(&self) -> GuestPath {
        match self {
            Self::Found(found) => found.path.clone(),
            Self::Missing { parent, name } => parent.path.join(name),
        }
    }
}

impl Tree {
    /// The node at `path`, following every symbolic link.
    pub fn resolve(&self, path: &GuestPath) -> Result<Found> {
        match self.locate(path, true)? {
            Resolution::Found(found) => Ok(found),
            Resolution::Missing { .. } => Err(not_found(path.as_bytes())),
        }
    }

    /// The node at `path`; when that is a symbolic link, the link itself.
    pub fn resolve_link(&self, path: &GuestPath) -> Result<Found> {
        match self.locate(path, false)? {
            Resolution::Found(found) => Ok(found),
            Resolution::Missing { .. } => Err(not_found(path.as_bytes())),
        }
    }

    /// Like [`resolve`](Self::resolve), with `None` for what is not there: a missing file, a missing folder on the way,
    /// or a file where a folder would be needed.
    pub fn find(&self, path: &GuestPath) -> Result<Option<Found>> {
        absent_as_none(self.resolve(path))
    }

    /// Like [`resolve_link`](Self::resolve_link), with `None` for what is not there.
    pub fn find_link(&self, path: &GuestPath) -> Result<Option<Found>> {
        absent_as_none(self.resolve_link(path))
    }

    /// Where `path` leads: to a node, or to a free name in an existing directory. With `follow_last` a symbolic link in
    /// the last place is followed, even to a place where nothing is yet, as opening a file for writing does.
    pub fn locate(&self, path: &GuestPath, follow_last: bool) -> Result<Resolution> {
        Walker::new(self, path, follow_last).run()
    }
}

fn absent_as_none(result: Result<Found>) -> Result<Option<Found>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

struct Walker<'a> {
    tree: &'a Tree,
    path: &'a GuestPath,
    follow_last: bool,
    /// From the root down to where the walk stands; never empty.
    stack: Vec<Found>,
    /// Components still to walk, the next one last.
    pending: Vec<Vec<u8>>,
    symlinks: usize,
    steps: usize,
}

impl<'a> Walker<'a> {
    fn new(tree: &'a Tree, path: &'a GuestPath, follow_last: bool) -> Self {
        Self {
            tree,
            path,
            follow_last,
            stack: vec![tree.root()],
            pending: path.components().rev().map(<[u8]>::to_vec).collect(),
            symlinks: 0,
            steps: 0,
        }
    }

    fn run(mut self) -> Result<Resolution> {
        while let Some(name) = self.pending.pop() {
            self.steps += 1;
            if self.steps > MAX_COMPONENTS {
                return Err(self.too_many_links());
            }
            let here = self.here().clone();
            if self.tree.metadata(here.node)?.kind != FileKind::Directory {
                return Err(Error::new(
                    ErrorKind::NotADirectory,
                    format!("{} is not a directory, in the path {}", here.path, self.path),
                ));
            }
            if name == b".." {
                // The root's parent is the root.
                if self.stack.len() > 1 {
                    self.stack.pop();
                }
                continue;
            }
            crate::check_name(&name)?;
            let Some(node) = self.tree.lookup(here.node, &name)? else {
                return match self.pending.is_empty() {
                    true => Ok(Resolution::Missing { parent: here, name }),
                    false => Err(not_found(here.path.join(&name).as_bytes())),
                };
            };
            let is_last = self.pending.is_empty();
            if (!is_last || self.follow_last) && self.tree.metadata(node)?.kind == FileKind::Symlink {
                self.follow(node)?;
                continue;
            }
            self.stack.push(Found {
                path: here.path.join(&name),
                node,
            });
        }
        Ok(Resolution::Found(self.here().clone()))
    }

    fn follow(&mut self, link: TreeNode) -> Result<()> {
        self.symlinks += 1;
        if self.symlinks > MAX_SYMLINKS {
            return Err(self.too_many_links());
        }
        let target = self.tree.fs(link).read_link(link.node)?;
        if target.starts_with(b"/") {
            self.stack.truncate(1);
        }
        self.pending.extend(components(&target).rev().map(<[u8]>::to_vec));
        Ok(())
    }

    fn here(&self) -> &Found {
        &self.stack[self.stack.len() - 1]
    }

    fn too_many_links(&self) -> Error {
        Error::new(
            ErrorKind::SymlinkLoop,
            format!("too many symbolic links in the path {}", self.path),
        )
    }
}
