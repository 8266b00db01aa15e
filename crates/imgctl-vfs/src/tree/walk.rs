//! Depth-first walks that end, whatever the image holds.

use super::{Found, Tree, TreeNode};
use crate::{Error, ErrorKind, FileKind, GuestPath, Metadata, Result};
use std::collections::BTreeSet;

/// One node met by a walk.
#[derive(Clone, Debug)]
pub struct WalkEntry {
    /// Its path.
    pub path: GuestPath,
    /// The node.
    pub node: TreeNode,
    /// Its metadata.
    pub metadata: Metadata,
}

/// A walk in progress: parents before their children, names in byte order.
///
/// A directory that is met twice is damage (its own ancestor, or two names for one directory) and ends the walk.
#[derive(Debug)]
pub struct Walk<'a> {
    tree: &'a Tree,
    pending: Vec<Found>,
    directories: BTreeSet<TreeNode>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(tree: &'a Tree, start: Found) -> Self {
        Self {
            tree,
            pending: vec![start],
            directories: BTreeSet::new(),
        }
    }

    fn visit(&mut self, found: Found) -> Result<WalkEntry> {
        let metadata = self.tree.metadata(found.node)?;
        if metadata.kind == FileKind::Directory {
            if !self.directories.insert(found.node) {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("the directory {} has more than one name", found.path),
                ));
            }
            let entries = self.tree.read_dir(found.node)?;
            self.pending.extend(entries.into_iter().rev().map(|(name, node)| Found {
                path: found.path.join(&name),
                node,
            }));
        }
        Ok(WalkEntry {
            path: found.path,
            node: found.node,
            metadata,
        })
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<WalkEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.pending.pop()?;
        let entry = self.visit(found);
        if entry.is_err() {
            self.pending.clear();
        }
        Some(entry)
    }
}
