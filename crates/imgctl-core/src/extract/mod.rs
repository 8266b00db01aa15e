//! Files of a guest as a tar archive, or in a folder of the host that nothing gets out of.

mod archive;
mod folder;
#[cfg(test)]
mod tests;

pub use archive::{ArchiveOptions, write_archive};
pub use folder::{ExtractOptions, Extraction};

use crate::{Error, ErrorKind};
use imgctl_vfs::{FileKind, GuestPath, Metadata, Result, Tree, TreeNode};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Read};

/// A file's content as a stream.
#[derive(Debug)]
struct Content<'a> {
    tree: &'a Tree,
    node: TreeNode,
    offset: u64,
}

impl<'a> Content<'a> {
    fn new(tree: &'a Tree, node: TreeNode) -> Self {
        Self { tree, node, offset: 0 }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.tree.fs(self.node).read_at(self.node.node, self.offset, buf);
        let count = read.map_err(io::Error::other)?;
        self.offset = self.offset.saturating_add(count as u64);
        Ok(count)
    }
}

/// Under which name a file with several was met first.
#[derive(Debug)]
struct FirstNames<N>(BTreeMap<TreeNode, N>);

impl<N: Clone> FirstNames<N> {
    fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The earlier name; at the first time `name` is kept.
    fn earlier(&mut self, node: TreeNode, metadata: &Metadata, name: impl FnOnce() -> N) -> Option<N> {
        if metadata.kind == FileKind::Directory || metadata.links < 2 {
            return None;
        }
        match self.0.entry(node) {
            Entry::Occupied(known) => Some(known.get().clone()),
            Entry::Vacant(place) => {
                place.insert(name());
                None
            }
        }
    }
}

/// The part of `path` below `start`, without a slash at either end; empty for `start` itself.
fn below<'p>(start: &GuestPath, path: &'p GuestPath) -> &'p [u8] {
    let rest = path.as_bytes().strip_prefix(start.as_bytes()).unwrap_or_default();
    rest.strip_prefix(b"/").unwrap_or(rest)
}

fn guest_error(path: &GuestPath, source: imgctl_vfs::Error) -> Error {
    let kind = match source.kind() {
        imgctl_vfs::ErrorKind::Corrupt | imgctl_vfs::ErrorKind::Unsupported => ErrorKind::Image,
        _ => ErrorKind::Other,
    };
    Error::new(kind, format!("cannot read {path} in the image")).with_source(source)
}

fn read_link(tree: &Tree, node: TreeNode) -> Result<Vec<u8>> {
    tree.fs(node).read_link(node.node)
}
