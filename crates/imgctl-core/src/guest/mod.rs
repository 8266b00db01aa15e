//! The guest: one tree whose every edit is logged.

mod accounts;
mod changes;
mod content;
mod edit;
mod error;
mod facts;
mod fstab;
mod glob;
mod kept;
mod os_release;
mod snapshot;
#[cfg(test)]
mod tests;

pub use accounts::{Account, AccountFile, Accounts, ColonFile, Database, Group};
pub use changes::{Change, ChangeKind, ChangeLog};
pub use edit::NewMetadata;
pub use error::{GuestError, Result};
pub(crate) use facts::{facts, plan_for};
pub(crate) use fstab::unescape;
pub use fstab::{Fstab, FstabEntry, FstabSpec};
pub use os_release::{OsFamily, OsRelease};
pub use snapshot::Snapshot;
pub(crate) use snapshot::holds_private_key;

use crate::programs::Runner;
use imgctl_vfs::{ErrorKind, FileKind, Found, GuestPath, Metadata, ModelFs, MountIndex, Timestamp, Tree};
use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

/// The largest text file (passwd, a unit, hosts) that is read as a whole.
pub const MAX_TEXT_BYTES: u64 = 16 << 20;

/// Something the user should know, though nothing failed.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Warning {
    /// What was found or left out, lower case, without a final period.
    pub message: String,
}

/// Something that the user must be told and nothing may keep, like a password that was made up. Its `Debug` shows nothing.
#[derive(Clone, Eq, PartialEq)]
pub struct Notice(pub String);

impl std::fmt::Debug for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notice(…)")
    }
}

/// The guest's filesystems as one tree. All paths are resolved inside it, and every edit is logged before it is made.
#[derive(Debug)]
pub struct Guest {
    tree: Tree,
    now: Timestamp,
    log: ChangeLog,
    warnings: Vec<Warning>,
    /// What only the user may see.
    notices: Vec<Notice>,
    /// Mounts that were reported as unable to store owners, modes or attributes.
    reported: BTreeSet<MountIndex>,
    kept: kept::Kept,
    /// How programs of the guest are run; `None` where none can be.
    runner: Option<Arc<Runner>>,
}

impl Guest {
    /// A guest nothing has been done to. `now` is the run's reference time, the one the engines stamp with.
    #[must_use]
    pub fn new(tree: Tree, now: Timestamp) -> Self {
        Self {
            tree,
            now,
            log: ChangeLog::default(),
            warnings: Vec::new(),
            notices: Vec::new(),
            reported: BTreeSet::new(),
            kept: kept::Kept::default(),
            runner: None,
        }
    }

    /// How programs of the guest are run from here on.
    pub(crate) fn set_runner(&mut self, runner: Option<Arc<Runner>>) {
        self.runner = runner;
    }

    /// How programs of the guest are run.
    pub(crate) fn runner(&self) -> Option<Arc<Runner>> {
        self.runner.clone()
    }

    /// Gives the tree away for as long as `borrow` takes, to be read by threads that outlive no call.
    ///
    /// # Errors
    /// When the tree is still held by somebody else afterwards; the guest is of no use then.
    pub(crate) fn lend<T>(&mut self, borrow: impl FnOnce(Arc<Tree>) -> T) -> Result<T> {
        let nothing = Tree::new("lent", Box::new(ModelFs::new(self.now)));
        let tree = Arc::new(std::mem::replace(&mut self.tree, nothing));
        let result = borrow(Arc::clone(&tree));
        self.tree = Arc::into_inner(tree).ok_or(GuestError::Lent)?;
        Ok(result)
    }

    /// The tree, for reading.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The run's reference time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What was touched so far.
    #[must_use]
    pub fn log(&self) -> &ChangeLog {
        &self.log
    }

    /// What is changed from now on counts as changed by this step.
    pub fn begin_step(&mut self, name: &'static str) {
        self.log.begin_step(name);
        self.kept.begin_step();
    }

    /// What the user should know, in the order in which it was found.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Adds something the user should know; twice the same is said once.
    pub fn warn(&mut self, message: impl Into<String>) {
        let message = message.into();
        if self.warnings.iter().all(|warning| warning.message != message) {
            self.warnings.push(Warning { message });
        }
    }

    /// Has the user told something that goes into no receipt and no log, once the run has succeeded.
    pub fn announce(&mut self, text: String) {
        self.notices.push(Notice(text));
    }

    /// What is to be announced.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Gives the tree back, to be committed, with the log and the warnings.
    #[must_use]
    pub fn into_parts(self) -> (Tree, ChangeLog, Vec<Warning>) {
        (self.tree, self.log, self.warnings)
    }

    /// Has the record of changes tell nothing of the content that `path` leads to: a secret is in it.
    pub fn hide(&mut self, path: &GuestPath) -> Result<()> {
        match self.find(path)? {
            Some(found) => self.log.hide(&self.tree, &found),
            None => Ok(()),
        }
    }

    /// The node that `path` leads to, links followed; `None` when nothing is there.
    pub fn find(&self, path: &GuestPath) -> Result<Option<Found>> {
        self.tree.find(path).map_err(|source| self.failed("find", path, source))
    }

    /// The node at `path`, a link itself when it is one; `None` when nothing is there.
    pub fn find_link(&self, path: &GuestPath) -> Result<Option<Found>> {
        self.tree
            .find_link(path)
            .map_err(|source| self.failed("find", path, source))
    }

    /// Whether `path` leads to something.
    pub fn exists(&self, path: &GuestPath) -> Result<bool> {
        Ok(self.find(path)?.is_some())
    }

    /// What `path` leads to, links followed; `None` when nothing is there.
    pub fn metadata(&self, path: &GuestPath) -> Result<Option<Metadata>> {
        let found = self.find(path)?;
        found.map(|found| self.metadata_of(&found)).transpose()
    }

    /// What is at `path`, of a link the link itself; `None` when nothing is there.
    pub fn link_metadata(&self, path: &GuestPath) -> Result<Option<Metadata>> {
        let found = self.find_link(path)?;
        found.map(|found| self.metadata_of(&found)).transpose()
    }

    /// The metadata of a node found before.
    pub fn metadata_of(&self, found: &Found) -> Result<Metadata> {
        self.tree
            .metadata(found.node)
            .map_err(|source| self.failed_at("read", found, source))
    }

    /// Whether `path` leads to a directory.
    pub fn is_directory(&self, path: &GuestPath) -> Result<bool> {
        Ok(self
            .metadata(path)?
            .is_some_and(|metadata| metadata.kind == FileKind::Directory))
    }

    /// The target of the symbolic link at `path`; `None` when nothing or something else is there.
    pub fn read_link(&self, path: &GuestPath) -> Result<Option<Vec<u8>>> {
        let Some(found) = self.find_link(path)? else {
            return Ok(None);
        };
        if self.metadata_of(&found)?.kind != FileKind::Symlink {
            return Ok(None);
        }
        let target = self.tree.fs(found.node).read_link(found.node.node);
        target
            .map(Some)
            .map_err(|source| self.failed_at("read", &found, source))
    }

    /// The content of the regular file that `path` leads to, of at most `limit_bytes`; `None` when nothing is there.
    pub fn read(&self, path: &GuestPath, limit_bytes: u64) -> Result<Option<Vec<u8>>> {
        let Some(found) = self.find(path)? else {
            return Ok(None);
        };
        self.check_regular("read", &found)?;
        let content = self.tree.read_file(found.node, limit_bytes);
        content
            .map(Some)
            .map_err(|source| self.failed_at("read", &found, source))
    }

    /// Whether `path` leads to a regular file with exactly this content.
    pub fn has_content(&self, path: &GuestPath, content: &mut dyn Read) -> Result<bool> {
        let Some(found) = self.find(path)? else {
            return Ok(false);
        };
        if self.metadata_of(&found)?.kind != FileKind::File {
            return Ok(false);
        }
        let mut wanted = vec![0; edit::CHUNK_BYTES];
        let mut present = vec![0; edit::CHUNK_BYTES];
        let mut offset = 0;
        loop {
            let count = edit::read_chunk(content, &mut wanted).map_err(|source| GuestError::Content {
                path: path.clone(),
                source,
            })?;
            let there = self.read_exact_at(&found, offset, &mut present)?;
            if there != count || present[..count] != wanted[..count] {
                return Ok(false);
            }
            if count == 0 {
                return Ok(true);
            }
            offset += count as u64;
        }
    }

    /// The entries of the directory that `path` leads to, by name; `None` when nothing is there.
    pub fn read_dir(&self, path: &GuestPath) -> Result<Option<Vec<Found>>> {
        let Some(found) = self.find(path)? else {
            return Ok(None);
        };
        let entries = self.tree.read_dir(found.node);
        let entries = entries.map_err(|source| self.failed_at("list", &found, source))?;
        Ok(Some(
            entries
                .into_iter()
                .map(|(name, node)| Found {
                    path: found.path.join(&name),
                    node,
                })
                .collect(),
        ))
    }

    /// The paths, free of symbolic links before the last name, that a shell's glob finds, sorted. A `*` does not match a
    /// leading dot.
    pub fn glob(&self, pattern: &str) -> Result<Vec<GuestPath>> {
        glob::expand(self, pattern)
    }

    /// Fills `buffer` from `offset`, or as far as the file goes.
    fn read_exact_at(&self, found: &Found, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            let fs = self.tree.fs(found.node);
            let count = fs.read_at(found.node.node, offset + done as u64, &mut buffer[done..]);
            match count.map_err(|source| self.failed_at("read", found, source))? {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }

    fn check_regular(&self, action: &'static str, found: &Found) -> Result<()> {
        match self.metadata_of(found)?.kind {
            FileKind::File => Ok(()),
            FileKind::Directory => Err(self.refused(action, found, "is a directory")),
            _ => Err(self.refused(action, found, "is not a regular file")),
        }
    }

    fn failed(&self, action: &'static str, path: &GuestPath, source: imgctl_vfs::Error) -> GuestError {
        let mounts = self.tree.mounts().filter(|(_, mount)| path.is_within(&mount.path));
        let nearest = mounts.max_by_key(|(_, mount)| mount.path.components().count());
        GuestError::Filesystem {
            action,
            path: path.clone(),
            label: nearest.map_or_else(String::new, |(_, mount)| mount.label.clone()),
            source,
        }
    }

    fn failed_at(&self, action: &'static str, found: &Found, source: imgctl_vfs::Error) -> GuestError {
        GuestError::Filesystem {
            action,
            path: found.path.clone(),
            label: self.label(found),
            source,
        }
    }

    fn refused(&self, action: &'static str, found: &Found, reason: &'static str) -> GuestError {
        GuestError::Refused {
            action,
            path: found.path.clone(),
            label: self.label(found),
            reason,
        }
    }

    fn missing(&self, action: &'static str, path: &GuestPath) -> GuestError {
        let source = imgctl_vfs::Error::new(ErrorKind::NotFound, "it does not exist");
        self.failed(action, path, source)
    }

    fn label(&self, found: &Found) -> String {
        self.tree.mount(found.node.mount).label.clone()
    }
}
