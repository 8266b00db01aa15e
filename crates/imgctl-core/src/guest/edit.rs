//! The edits: each logs what was there before it changes anything.

use super::{Guest, GuestError, Result};
use imgctl_vfs::{
    Capabilities, EscapedBytes, FileKind, Found, GuestPath, Metadata, MetadataChange, NewNode, NodeId, Resolution,
    Timestamp, TreeNode,
};
use std::collections::BTreeMap;
use std::io::Read;

type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// How much of a file's content is in memory at once.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// Owner and permission bits of a node that is made new.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NewMetadata {
    /// Permission bits (12).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl NewMetadata {
    /// These permission bits, owned by root.
    #[must_use]
    pub fn root(mode: u16) -> Self {
        Self { mode, uid: 0, gid: 0 }
    }
}

impl Guest {
    /// Makes the regular file at `path` hold exactly `content`, read in pieces. Links are followed, to a place where
    /// nothing is yet too. An existing file keeps its owner, mode, attributes and other names; a new one gets `new`.
    pub fn write_file(&mut self, path: &GuestPath, content: &mut dyn Read, new: NewMetadata) -> Result<Found> {
        let found = match self.locate("write", path, true)? {
            Resolution::Found(found) => {
                self.check_regular("write", &found)?;
                self.log.touch_node(&self.tree, &found)?;
                self.on_node("write", &found, |fs, node| fs.set_len(node, 0))?;
                found
            }
            Resolution::Missing { parent, name } => self.create("write", &parent, &name, FileKind::File, new, b"")?,
        };
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut offset = 0;
        loop {
            let count = read_chunk(content, &mut buffer).map_err(|source| GuestError::Content {
                path: found.path.clone(),
                source,
            })?;
            if count == 0 {
                self.kept.wrote(&found.path);
                return Ok(found);
            }
            self.on_node("write", &found, |fs, node| fs.write_at(node, offset, &buffer[..count]))?;
            offset += count as u64;
        }
    }

    /// Makes the directory at `path` and those above it that are missing. What is there stays as it is.
    pub fn create_directory_all(&mut self, path: &GuestPath, new: NewMetadata) -> Result<Found> {
        let mut here = self.tree.root();
        let mut prefix = GuestPath::root();
        for name in path.components() {
            prefix = prefix.join(name);
            here = match self.locate("create", &prefix, true)? {
                Resolution::Found(found) if self.metadata_of(&found)?.kind == FileKind::Directory => found,
                Resolution::Found(found) => return Err(self.refused("create a directory at", &found, "is a file")),
                Resolution::Missing { parent, name } => {
                    self.create("create", &parent, &name, FileKind::Directory, new, b"")?
                }
            };
        }
        Ok(here)
    }

    /// Makes `path` a symbolic link to `target`. A file, another link or an empty directory there is replaced; a
    /// directory with entries is refused.
    pub fn symlink(&mut self, path: &GuestPath, target: &[u8]) -> Result<()> {
        const ACTION: &str = "make a symbolic link of";
        let (parent, name) = match self.locate(ACTION, path, false)? {
            Resolution::Missing { parent, name } => (parent, name),
            Resolution::Found(found) => {
                if self.read_link(&found.path)?.as_deref() == Some(target) {
                    self.kept.wrote(&found.path);
                    return Ok(());
                }
                let (parent, name) = self.removable(ACTION, &found)?;
                if self.metadata_of(&found)?.kind == FileKind::Directory && !self.is_empty(&found)? {
                    return Err(self.refused(ACTION, &found, "is a directory that holds entries"));
                }
                self.remove_entry(&parent, &name)?;
                (parent, name)
            }
        };
        self.create(
            ACTION,
            &parent,
            &name,
            FileKind::Symlink,
            NewMetadata::root(0o777),
            target,
        )?;
        Ok(())
    }

    /// Makes a device, a FIFO or a socket at `path`, where nothing may be.
    pub fn make_node(&mut self, path: &GuestPath, kind: FileKind, new: NewMetadata) -> Result<()> {
        match self.locate("create", path, false)? {
            Resolution::Found(found) => Err(self.refused("create", &found, "exists already")),
            Resolution::Missing { parent, name } => {
                self.create("create", &parent, &name, kind, new, b"")?;
                Ok(())
            }
        }
    }

    /// Removes what is at `path`, a directory with all it holds; a link in the last place is not followed. Whether
    /// something was there. Mount points, and what holds one, are refused before anything goes.
    pub fn remove(&mut self, path: &GuestPath) -> Result<bool> {
        let Some(found) = self.find_link(path)? else {
            return Ok(false);
        };
        let (parent, name) = self.removable("remove", &found)?;
        let below = self.entries_below("remove", &found)?;
        for entry in below.iter().rev() {
            let (parent, name) = self.removable("remove", entry)?;
            self.remove_entry(&parent, &name)?;
        }
        self.remove_entry(&parent, &name)?;
        Ok(true)
    }

    /// Removes everything in the directory that `path` leads to, dot files too, and keeps the directory. Nothing happens
    /// when it does not exist.
    pub fn remove_contents(&mut self, path: &GuestPath) -> Result<()> {
        let Some(found) = self.find(path)? else {
            return Ok(());
        };
        if self.metadata_of(&found)?.kind != FileKind::Directory {
            return Err(self.refused("empty", &found, "is not a directory"));
        }
        if found.path.is_root() {
            return Err(self.refused("empty", &found, "is the root"));
        }
        for entry in self.read_dir(&found.path)?.unwrap_or_default() {
            self.remove(&entry.path)?;
        }
        Ok(())
    }

    /// Moves what is at `from` (a link itself) to `to`, replacing a file there, as rename(2) does.
    pub fn rename(&mut self, from: &GuestPath, to: &GuestPath) -> Result<()> {
        let Some(moved) = self.find_link(from)? else {
            return Err(self.missing("move", from));
        };
        let (from_parent, from_name) = self.removable("move", &moved)?;
        let target = self.locate("move to", to, false)?;
        let (to_parent, to_name) = match &target {
            Resolution::Missing { parent, name } => (parent.clone(), name.clone()),
            Resolution::Found(found) => self.removable("replace", found)?,
        };
        if target.path() == moved.path {
            return Ok(());
        }
        if from_parent.node.mount != to_parent.node.mount {
            return Err(self.refused("move", &moved, "would have to change to another filesystem"));
        }
        let below = self.entries_below("move", &moved)?;
        for entry in &below {
            self.log.touch_name(&self.tree, &entry.path, entry.node)?;
        }
        self.log.touch_entry(&self.tree, &from_parent, &from_name)?;
        self.log.touch_entry(&self.tree, &to_parent, &to_name)?;
        self.on_node("move", &from_parent, |fs, node| {
            fs.rename(node, &from_name, to_parent.node.node, &to_name)
        })?;
        self.kept.removed(&moved.path);
        self.kept.wrote(&target.path());
        for entry in &below {
            let rest = &entry.path.as_bytes()[moved.path.as_bytes().len()..];
            let path = [target.path().as_bytes(), rest].concat();
            let path = GuestPath::new(path).map_err(|source| self.failed_at("move", &moved, source))?;
            self.log.touch_absent(&self.tree, path, entry.node)?;
        }
        Ok(())
    }

    /// Gives the file at `existing` (a link itself) the further name `path`, where nothing may be. On another filesystem,
    /// or one without hard links, it becomes a copy, with a warning.
    pub fn link(&mut self, existing: &GuestPath, path: &GuestPath) -> Result<()> {
        let Some(source) = self.find_link(existing)? else {
            return Err(self.missing("link", existing));
        };
        let metadata = self.metadata_of(&source)?;
        if metadata.kind == FileKind::Directory {
            return Err(self.refused("link", &source, "is a directory"));
        }
        let (parent, name) = match self.locate("link", path, false)? {
            Resolution::Found(found) => return Err(self.refused("link", &found, "exists already")),
            Resolution::Missing { parent, name } => (parent, name),
        };
        if source.node.mount == parent.node.mount && self.capabilities(&source).hard_links {
            // From here on the node may have a name that the list of hard links lacks, so all it has now are logged.
            self.log.touch_node(&self.tree, &source)?;
            self.log.touch_entry(&self.tree, &parent, &name)?;
            self.kept.wrote(&parent.path.join(&name));
            return self.on_node("link", &parent, |fs, node| fs.link(source.node.node, node, &name));
        }
        let target = parent.path.join(&name);
        self.warn(format!(
            "{target} is a copy of {}, since a hard link cannot lead to another filesystem",
            source.path
        ));
        self.copy_node(&source, &metadata, &parent, &name)
    }

    /// Sets owner, permission bits and times of what `path` leads to. Nothing is touched when they are so already. On a
    /// filesystem without owners they stay as they are, with a warning.
    pub fn set_metadata(&mut self, path: &GuestPath, change: MetadataChange) -> Result<()> {
        match self.find(path)? {
            Some(found) => self.change_metadata(&found, change),
            None => Err(self.missing("change", path)),
        }
    }

    /// The same for what is at `path` itself, a link not followed.
    pub fn set_link_metadata(&mut self, path: &GuestPath, change: MetadataChange) -> Result<()> {
        match self.find_link(path)? {
            Some(found) => self.change_metadata(&found, change),
            None => Err(self.missing("change", path)),
        }
    }

    fn change_metadata(&mut self, found: &Found, change: MetadataChange) -> Result<()> {
        let now = self.metadata_of(found)?;
        let mut change = MetadataChange {
            mode: change.mode.filter(|mode| *mode != now.mode),
            uid: change.uid.filter(|uid| *uid != now.uid),
            gid: change.gid.filter(|gid| *gid != now.gid),
            accessed: change.accessed.filter(|time| *time != now.accessed),
            modified: change.modified.filter(|time| *time != now.modified),
        };
        if !self.capabilities(found).owners && (change.mode, change.uid, change.gid) != (None, None, None) {
            self.report_limits(found);
            (change.mode, change.uid, change.gid) = (None, None, None);
        }
        if change == MetadataChange::default() {
            return Ok(());
        }
        self.log.touch_node(&self.tree, found)?;
        self.on_node("change", found, |fs, node| fs.set_metadata(node, &change))
    }

    /// Sets the permission bits (12) of what `path` leads to.
    pub fn set_mode(&mut self, path: &GuestPath, mode: u16) -> Result<()> {
        let mode = Some(mode);
        self.set_metadata(
            path,
            MetadataChange {
                mode,
                ..Default::default()
            },
        )
    }

    /// Sets owner and group of what `path` leads to.
    pub fn set_owner(&mut self, path: &GuestPath, uid: u32, gid: u32) -> Result<()> {
        let (uid, gid) = (Some(uid), Some(gid));
        self.set_metadata(
            path,
            MetadataChange {
                uid,
                gid,
                ..Default::default()
            },
        )
    }

    /// Sets the modification time of what `path` leads to.
    pub fn set_modified(&mut self, path: &GuestPath, modified: Timestamp) -> Result<()> {
        let modified = Some(modified);
        self.set_metadata(
            path,
            MetadataChange {
                modified,
                ..Default::default()
            },
        )
    }

    /// Sets one extended attribute of what is at `path`, of a link the link's own.
    pub fn set_xattr(&mut self, path: &GuestPath, name: &[u8], value: &[u8]) -> Result<()> {
        let (found, xattrs) = self.xattrs_at(path)?;
        if xattrs.get(name).is_some_and(|present| present == value) {
            return Ok(());
        }
        self.log.touch_node(&self.tree, &found)?;
        self.on_node("set an attribute of", &found, |fs, node| {
            fs.set_xattr(node, name, value)
        })
    }

    /// Removes one extended attribute of what is at `path`; nothing happens when it has none of this name.
    pub fn remove_xattr(&mut self, path: &GuestPath, name: &[u8]) -> Result<()> {
        let (found, xattrs) = self.xattrs_at(path)?;
        if !xattrs.contains_key(name) {
            return Ok(());
        }
        self.log.touch_node(&self.tree, &found)?;
        self.on_node("remove an attribute of", &found, |fs, node| fs.remove_xattr(node, name))
    }

    /// Cuts the regular file that `path` leads to down to nothing. Nothing happens when it is empty or not there.
    pub fn truncate(&mut self, path: &GuestPath) -> Result<()> {
        let Some(found) = self.find(path)? else {
            return Ok(());
        };
        self.check_regular("truncate", &found)?;
        if self.metadata_of(&found)?.size == 0 {
            return Ok(());
        }
        self.log.touch_node(&self.tree, &found)?;
        self.on_node("truncate", &found, |fs, node| fs.set_len(node, 0))
    }

    fn locate(&self, action: &'static str, path: &GuestPath, follow_last: bool) -> Result<Resolution> {
        let resolution = self.tree.locate(path, follow_last);
        resolution.map_err(|source| self.failed(action, path, source))
    }

    fn create(
        &mut self,
        action: &'static str,
        parent: &Found,
        name: &[u8],
        kind: FileKind,
        new: NewMetadata,
        target: &[u8],
    ) -> Result<Found> {
        let NewMetadata { mode, uid, gid } = new;
        if !self.capabilities(parent).owners && (uid, gid) != (0, 0) {
            self.report_limits(parent);
        }
        self.log.touch_entry(&self.tree, parent, name)?;
        let target = target.to_vec();
        let new = NewNode {
            kind,
            mode,
            uid,
            gid,
            target,
        };
        let path = parent.path.join(name);
        let created = self.tree.fs_mut(parent.node).create(parent.node.node, name, &new);
        let node = created.map_err(|source| self.failed(action, &path, source))?;
        if kind != FileKind::Directory {
            self.kept.wrote(&path);
        }
        Ok(Found {
            path,
            node: TreeNode {
                mount: parent.node.mount,
                node,
            },
        })
    }

    /// Where the name of `found` stands, which neither the root nor a mount point has.
    fn removable(&self, action: &'static str, found: &Found) -> Result<(Found, Vec<u8>)> {
        let (Some(parent), Some(name)) = (found.path.parent(), found.path.file_name()) else {
            return Err(self.refused(action, found, "is the root"));
        };
        let parent = self
            .tree
            .resolve(&parent)
            .map_err(|source| self.failed(action, &parent, source))?;
        if parent.node.mount != found.node.mount {
            return Err(self.refused(action, found, "is a mount point"));
        }
        Ok((parent, name.to_vec()))
    }

    /// Everything below `found`, parents first; refused when another filesystem is mounted there.
    fn entries_below(&self, action: &'static str, found: &Found) -> Result<Vec<Found>> {
        let mut below = Vec::new();
        for entry in self.tree.walk(found).skip(1) {
            let entry = entry.map_err(|source| self.failed_at(action, found, source))?;
            if entry.node.mount != found.node.mount {
                return Err(self.refused(action, found, "holds a mount point"));
            }
            below.push(Found {
                path: entry.path,
                node: entry.node,
            });
        }
        Ok(below)
    }

    fn is_empty(&self, found: &Found) -> Result<bool> {
        let entries = self.tree.read_dir(found.node);
        Ok(entries
            .map_err(|source| self.failed_at("list", found, source))?
            .is_empty())
    }

    fn remove_entry(&mut self, parent: &Found, name: &[u8]) -> Result<()> {
        self.log.touch_entry(&self.tree, parent, name)?;
        let removed = self.tree.fs_mut(parent.node).remove(parent.node.node, name);
        self.kept.removed(&parent.path.join(name));
        removed.map_err(|source| self.failed("remove", &parent.path.join(name), source))
    }

    pub(super) fn xattrs_at(&self, path: &GuestPath) -> Result<(Found, Xattrs)> {
        let Some(found) = self.find_link(path)? else {
            return Err(self.missing("change", path));
        };
        let xattrs = self.tree.fs(found.node).xattrs(found.node.node);
        let xattrs = xattrs.map_err(|source| self.failed_at("read", &found, source))?;
        Ok((found, xattrs))
    }

    /// A second node like `source`, at `name` in `parent`.
    fn copy_node(&mut self, source: &Found, metadata: &Metadata, parent: &Found, name: &[u8]) -> Result<()> {
        let Metadata { mode, uid, gid, .. } = *metadata;
        let fs = self.tree.fs(source.node);
        let target = match metadata.kind {
            FileKind::Symlink => fs.read_link(source.node.node),
            _ => Ok(Vec::new()),
        };
        let target = target.map_err(|error| self.failed_at("copy", source, error))?;
        let xattrs = fs.xattrs(source.node.node);
        let xattrs = xattrs.map_err(|error| self.failed_at("copy", source, error))?;
        let copy = self.create(
            "copy",
            parent,
            name,
            metadata.kind,
            NewMetadata { mode, uid, gid },
            &target,
        )?;
        if metadata.kind == FileKind::File {
            let mut buffer = vec![0; CHUNK_BYTES];
            let mut offset = 0;
            loop {
                let count = self.read_exact_at(source, offset, &mut buffer)?;
                if count == 0 {
                    break;
                }
                self.on_node("copy", &copy, |fs, node| fs.write_at(node, offset, &buffer[..count]))?;
                offset += count as u64;
            }
        }
        match self.capabilities(&copy).xattrs {
            true => {
                for (name, value) in &xattrs {
                    self.on_node("copy", &copy, |fs, node| fs.set_xattr(node, name, value))?;
                }
            }
            false if xattrs.is_empty() => {}
            false => {
                let names: Vec<String> = xattrs.keys().map(|name| EscapedBytes(name).to_string()).collect();
                self.warn(format!("{} loses its attributes {}", copy.path, names.join(", ")));
            }
        }
        let change = MetadataChange {
            modified: Some(metadata.modified),
            ..MetadataChange::default()
        };
        self.on_node("copy", &copy, |fs, node| fs.set_metadata(node, &change))
    }

    pub(super) fn capabilities(&self, found: &Found) -> Capabilities {
        self.tree.fs(found.node).capabilities()
    }

    /// Says once per filesystem that it cannot store owners and modes.
    fn report_limits(&mut self, found: &Found) {
        if self.reported.insert(found.node.mount) {
            let label = self.label(found);
            let point = self.tree.mount(found.node.mount).path.clone();
            self.warn(format!(
                "the filesystem at {point} ({label}) stores no owners and modes; they are left out there"
            ));
        }
    }

    pub(super) fn on_node<T>(
        &mut self,
        action: &'static str,
        found: &Found,
        edit: impl FnOnce(&mut dyn imgctl_vfs::WriteFs, NodeId) -> imgctl_vfs::Result<T>,
    ) -> Result<T> {
        let result = edit(self.tree.fs_mut(found.node), found.node.node);
        result.map_err(|source| self.failed_at(action, found, source))
    }
}

/// Fills `buffer`, or as far as the content goes.
pub(super) fn read_chunk(content: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match content.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
