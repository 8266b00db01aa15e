//! A filesystem in memory: what every engine is compared with.

use crate::{
    Capabilities, DirEntry, Error, ErrorKind, FileFlags, FileKind, Metadata, MetadataChange, NewNode, NodeId, ReadFs,
    Result, StatFs, Timestamp, WriteFs, check_name,
};
use std::collections::BTreeMap;
use std::ops::Range;

/// The largest file the model holds; it keeps whole files in memory.
const MAX_FILE_BYTES: u64 = 1 << 32;

/// A filesystem made of maps and vectors, with the semantics of a Linux kernel whose clock stands still.
#[derive(Clone, Debug)]
pub struct ModelFs {
    nodes: BTreeMap<u64, Node>,
    next_node: u64,
    now: Timestamp,
}

#[derive(Clone, Debug)]
struct Node {
    metadata: Metadata,
    content: Content,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Content {
    File(Vec<u8>),
    Directory(BTreeMap<Vec<u8>, u64>),
    Symlink(Vec<u8>),
    Special,
}

const ROOT: u64 = 1;

impl ModelFs {
    /// An empty filesystem: a root directory, 0755 root:root. Every change is stamped with `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let mut model = Self {
            nodes: BTreeMap::new(),
            next_node: ROOT,
            now,
        };
        model.insert_node(&NewNode {
            kind: FileKind::Directory,
            mode: 0o755,
            uid: 0,
            gid: 0,
            target: Vec::new(),
        });
        model
    }

    fn insert_node(&mut self, new: &NewNode) -> u64 {
        let content = match new.kind {
            FileKind::File => Content::File(Vec::new()),
            FileKind::Directory => Content::Directory(BTreeMap::new()),
            FileKind::Symlink => Content::Symlink(new.target.clone()),
            _ => Content::Special,
        };
        let metadata = Metadata {
            kind: new.kind,
            mode: if new.kind == FileKind::Symlink {
                0o777
            } else {
                new.mode & 0o7777
            },
            uid: new.uid,
            gid: new.gid,
            size: new.target.len() as u64,
            links: if new.kind == FileKind::Directory { 2 } else { 1 },
            accessed: self.now,
            modified: self.now,
            changed: self.now,
            created: Some(self.now),
            flags: FileFlags::default(),
        };
        let id = self.next_node;
        self.next_node += 1;
        let xattrs = BTreeMap::new();
        self.nodes.insert(
            id,
            Node {
                metadata,
                content,
                xattrs,
            },
        );
        id
    }

    fn node(&self, node: NodeId) -> Result<&Node> {
        self.nodes.get(&node.0).ok_or_else(|| no_node(node))
    }

    fn node_mut(&mut self, node: NodeId) -> Result<&mut Node> {
        self.nodes.get_mut(&node.0).ok_or_else(|| no_node(node))
    }

    fn entries(&self, directory: NodeId) -> Result<&BTreeMap<Vec<u8>, u64>> {
        match &self.node(directory)?.content {
            Content::Directory(entries) => Ok(entries),
            _ => Err(Error::new(ErrorKind::NotADirectory, "not a directory")),
        }
    }

    fn entries_mut(&mut self, directory: NodeId) -> Result<&mut BTreeMap<Vec<u8>, u64>> {
        match &mut self.node_mut(directory)?.content {
            Content::Directory(entries) => Ok(entries),
            _ => Err(Error::new(ErrorKind::NotADirectory, "not a directory")),
        }
    }

    fn entry(&self, directory: NodeId, name: &[u8]) -> Result<NodeId> {
        let found = self.entries(directory)?.get(name);
        found
            .map(|id| NodeId(*id))
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "no such entry"))
    }

    fn file(&mut self, node: NodeId) -> Result<(&mut Metadata, &mut Vec<u8>)> {
        let now = self.now;
        let node = self.node_mut(node)?;
        match (&mut node.content, node.metadata.kind) {
            (Content::File(bytes), _) => {
                node.metadata.modified = now;
                node.metadata.changed = now;
                Ok((&mut node.metadata, bytes))
            }
            (_, FileKind::Directory) => Err(Error::new(ErrorKind::IsADirectory, "a directory has no content")),
            _ => Err(Error::new(ErrorKind::InvalidInput, "not a regular file")),
        }
    }

    /// Stamps a directory whose entries changed and counts its subdirectories anew.
    fn touch_directory(&mut self, directory: NodeId, links: i32) -> Result<()> {
        let now = self.now;
        let metadata = &mut self.node_mut(directory)?.metadata;
        metadata.modified = now;
        metadata.changed = now;
        metadata.links = metadata.links.saturating_add_signed(links);
        Ok(())
    }

    /// Takes one name from a node that lost it.
    fn unlink(&mut self, node: NodeId) -> Result<()> {
        let now = self.now;
        let entry = self.node_mut(node)?;
        entry.metadata.changed = now;
        entry.metadata.links -= 1;
        if entry.metadata.links == 0 || entry.metadata.kind == FileKind::Directory {
            self.nodes.remove(&node.0);
        }
        Ok(())
    }

    fn is_directory(&self, node: NodeId) -> Result<bool> {
        Ok(self.node(node)?.metadata.kind == FileKind::Directory)
    }

    fn is_within(&self, node: NodeId, ancestor: NodeId) -> Result<bool> {
        if node == ancestor {
            return Ok(true);
        }
        let Content::Directory(entries) = &self.node(ancestor)?.content else {
            return Ok(false);
        };
        for child in entries.values() {
            if self.is_within(node, NodeId(*child))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn check_replaceable(&self, moved: NodeId, replaced: NodeId) -> Result<()> {
        match (self.is_directory(moved)?, &self.node(replaced)?.content) {
            (true, Content::Directory(entries)) if entries.is_empty() => Ok(()),
            (true, Content::Directory(_)) => Err(Error::new(ErrorKind::NotEmpty, "the directory is not empty")),
            (true, _) => Err(Error::new(
                ErrorKind::NotADirectory,
                "a directory cannot replace a file",
            )),
            (false, Content::Directory(_)) => {
                Err(Error::new(ErrorKind::IsADirectory, "a file cannot replace a directory"))
            }
            (false, _) => Ok(()),
        }
    }
}

fn no_node(node: NodeId) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no node {}", node.0))
}

impl ReadFs for ModelFs {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            owners: true,
            special_files: true,
            hard_links: true,
            xattrs: true,
        }
    }

    fn root(&self) -> NodeId {
        NodeId(ROOT)
    }

    fn lookup(&self, directory: NodeId, name: &[u8]) -> Result<Option<NodeId>> {
        check_name(name)?;
        Ok(self.entries(directory)?.get(name).map(|id| NodeId(*id)))
    }

    fn metadata(&self, node: NodeId) -> Result<Metadata> {
        Ok(self.node(node)?.metadata.clone())
    }

    fn read_dir(&self, directory: NodeId) -> Result<Vec<DirEntry>> {
        let entries = self.entries(directory)?.iter();
        Ok(entries
            .map(|(name, id)| DirEntry {
                name: name.clone(),
                node: NodeId(*id),
            })
            .collect())
    }

    fn read_at(&self, node: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize> {
        match &self.node(node)?.content {
            Content::File(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let length = buf.len().min(bytes.len() - start);
                buf[..length].copy_from_slice(&bytes[start..start + length]);
                Ok(length)
            }
            Content::Directory(_) => Err(Error::new(ErrorKind::IsADirectory, "a directory has no content")),
            _ => Err(Error::new(ErrorKind::InvalidInput, "not a regular file")),
        }
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        match &self.node(node)?.content {
            Content::Symlink(target) => Ok(target.clone()),
            _ => Err(Error::new(ErrorKind::InvalidInput, "not a symbolic link")),
        }
    }

    fn xattrs(&self, node: NodeId) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        Ok(self.node(node)?.xattrs.clone())
    }

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs {
            block_bytes: 4096,
            ..StatFs::default()
        })
    }

    fn free_ranges(&self) -> Result<Vec<Range<u64>>> {
        Ok(Vec::new())
    }
}

impl WriteFs for ModelFs {
    fn create(&mut self, directory: NodeId, name: &[u8], new: &NewNode) -> Result<NodeId> {
        check_name(name)?;
        if self.entries(directory)?.contains_key(name) {
            return Err(Error::new(ErrorKind::AlreadyExists, "the name is taken"));
        }
        if new.kind == FileKind::Symlink && new.target.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "a symbolic link needs a target"));
        }
        let id = self.insert_node(new);
        self.entries_mut(directory)?.insert(name.to_vec(), id);
        self.touch_directory(directory, i32::from(new.kind == FileKind::Directory))?;
        Ok(NodeId(id))
    }

    fn write_at(&mut self, node: NodeId, offset: u64, data: &[u8]) -> Result<()> {
        if data.is_empty() {
            return self.read_at(node, 0, &mut []).map(|_| ());
        }
        let end = offset.saturating_add(data.len() as u64);
        if end > MAX_FILE_BYTES {
            return Err(Error::new(
                ErrorKind::LimitReached,
                "the file would be too large for the model",
            ));
        }
        let (metadata, bytes) = self.file(node)?;
        if end as usize > bytes.len() {
            bytes.resize(end as usize, 0);
        }
        bytes[offset as usize..end as usize].copy_from_slice(data);
        metadata.size = bytes.len() as u64;
        Ok(())
    }

    fn set_len(&mut self, node: NodeId, size: u64) -> Result<()> {
        if size > MAX_FILE_BYTES {
            return Err(Error::new(
                ErrorKind::LimitReached,
                "the file would be too large for the model",
            ));
        }
        let (metadata, bytes) = self.file(node)?;
        bytes.resize(size as usize, 0);
        metadata.size = size;
        Ok(())
    }

    fn set_metadata(&mut self, node: NodeId, change: &MetadataChange) -> Result<()> {
        let now = self.now;
        let metadata = &mut self.node_mut(node)?.metadata;
        metadata.mode = change.mode.map_or(metadata.mode, |mode| mode & 0o7777);
        metadata.uid = change.uid.unwrap_or(metadata.uid);
        metadata.gid = change.gid.unwrap_or(metadata.gid);
        metadata.accessed = change.accessed.unwrap_or(metadata.accessed);
        metadata.modified = change.modified.unwrap_or(metadata.modified);
        metadata.changed = now;
        Ok(())
    }

    fn set_flags(&mut self, node: NodeId, flags: FileFlags) -> Result<()> {
        let now = self.now;
        let metadata = &mut self.node_mut(node)?.metadata;
        metadata.flags = flags;
        metadata.changed = now;
        Ok(())
    }

    fn set_xattr(&mut self, node: NodeId, name: &[u8], value: &[u8]) -> Result<()> {
        let now = self.now;
        let node = self.node_mut(node)?;
        node.xattrs.insert(name.to_vec(), value.to_vec());
        node.metadata.changed = now;
        Ok(())
    }

    fn remove_xattr(&mut self, node: NodeId, name: &[u8]) -> Result<()> {
        let now = self.now;
        let node = self.node_mut(node)?;
        if node.xattrs.remove(name).is_none() {
            return Err(Error::new(ErrorKind::NotFound, "no such attribute"));
        }
        node.metadata.changed = now;
        Ok(())
    }

    fn link(&mut self, node: NodeId, directory: NodeId, name: &[u8]) -> Result<()> {
        check_name(name)?;
        if self.is_directory(node)? {
            return Err(Error::new(ErrorKind::IsADirectory, "a directory has only one name"));
        }
        if self.entries(directory)?.contains_key(name) {
            return Err(Error::new(ErrorKind::AlreadyExists, "the name is taken"));
        }
        self.entries_mut(directory)?.insert(name.to_vec(), node.0);
        let now = self.now;
        let metadata = &mut self.node_mut(node)?.metadata;
        metadata.links += 1;
        metadata.changed = now;
        self.touch_directory(directory, 0)
    }

    fn rename(&mut self, from: NodeId, from_name: &[u8], to: NodeId, to_name: &[u8]) -> Result<()> {
        check_name(from_name)?;
        check_name(to_name)?;
        let moved = self.entry(from, from_name)?;
        let is_directory = self.is_directory(moved)?;
        if is_directory && self.is_within(to, moved)? {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a directory cannot move into itself",
            ));
        }
        let replaced = self.entries(to)?.get(to_name).map(|id| NodeId(*id));
        if replaced == Some(moved) {
            return Ok(());
        }
        if let Some(replaced) = replaced {
            self.check_replaceable(moved, replaced)?;
            self.unlink(replaced)?;
        }
        self.entries_mut(from)?.remove(from_name);
        self.entries_mut(to)?.insert(to_name.to_vec(), moved.0);
        self.touch_directory(from, -i32::from(is_directory))?;
        self.touch_directory(to, i32::from(is_directory && replaced.is_none()))?;
        self.node_mut(moved)?.metadata.changed = self.now;
        Ok(())
    }

    fn remove(&mut self, directory: NodeId, name: &[u8]) -> Result<()> {
        check_name(name)?;
        let node = self.entry(directory, name)?;
        if let Content::Directory(entries) = &self.node(node)?.content
            && !entries.is_empty()
        {
            return Err(Error::new(ErrorKind::NotEmpty, "the directory is not empty"));
        }
        let is_directory = self.is_directory(node)?;
        self.entries_mut(directory)?.remove(name);
        self.unlink(node)?;
        self.touch_directory(directory, -i32::from(is_directory))
    }

    fn commit(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
