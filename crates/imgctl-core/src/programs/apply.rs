//! The changes that a program made, as edits of the guest: in the order of paths, with times that do not depend on the day.

use crate::guest::{Guest, NewMetadata};
use crate::steps::Outcome;
use imgctl_sandbox::{Change, ChangeSet, Node};
use imgctl_vfs::{FileKind, Found, GuestPath, MetadataChange, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

/// What a change set is read from; tests have one without a sandbox.
pub(super) trait Source {
    /// The changes, sorted by path, parents first.
    fn changes(&self) -> &[Change];

    /// When the program began.
    fn began(&self) -> Timestamp;

    /// The content of a regular file.
    fn open(&self, index: usize) -> Outcome<Box<dyn Read>>;
}

impl Source for ChangeSet {
    fn changes(&self) -> &[Change] {
        Self::changes(self)
    }

    fn began(&self) -> Timestamp {
        Self::began(self)
    }

    fn open(&self, index: usize) -> Outcome<Box<dyn Read>> {
        Ok(Box::new(Self::open(self, index)?))
    }
}

/// Makes the changes.
pub(super) fn apply(guest: &mut Guest, source: &dyn Source) -> Outcome<()> {
    let mut run = Run {
        guest,
        source,
        groups: BTreeMap::new(),
        primaries: BTreeMap::new(),
        folders: Vec::new(),
        paths: source.changes().iter().map(|change| &change.path).collect(),
    };
    for (index, change) in source.changes().iter().enumerate() {
        if let Some(link) = change.node.as_ref().and_then(|node| node.link) {
            run.groups.entry(link).or_default().push(index);
        }
    }
    for (index, change) in source.changes().iter().enumerate() {
        run.change(index, change)?;
    }
    // Making what is in a folder changes its time, so these come last, the deepest first.
    while let Some((path, modified)) = run.folders.pop() {
        run.set_modified(&path, modified)?;
    }
    Ok(())
}

struct Run<'a> {
    guest: &'a mut Guest,
    source: &'a dyn Source,
    /// All changes that are names of one node.
    groups: BTreeMap<u64, Vec<usize>>,
    /// The name of each such node that was made first.
    primaries: BTreeMap<u64, GuestPath>,
    folders: Vec<(GuestPath, Timestamp)>,
    paths: BTreeSet<&'a GuestPath>,
}

impl Run<'_> {
    fn change(&mut self, index: usize, change: &Change) -> Outcome<()> {
        let Some(node) = &change.node else {
            self.guest.remove(&change.path)?;
            return Ok(());
        };
        if node.kind == FileKind::Directory {
            return self.folder(&change.path, node);
        }
        let Some(link) = node.link else {
            return self.make(index, change, node);
        };
        if !self.primaries.contains_key(&link) {
            let primary = self.primary(index, link)?;
            let first = self.source.changes().get(primary);
            if let Some((first, first_node)) = first.and_then(|first| Some((first, first.node.as_ref()?))) {
                self.make(primary, first, first_node)?;
                self.primaries.insert(link, first.path.clone());
            }
        }
        match self.primaries.get(&link).cloned() {
            Some(primary) => self.link(&primary, &change.path),
            None => Ok(()),
        }
    }

    /// Which of several names is made, and the others linked to it: one that the guest has the very node of.
    fn primary(&self, index: usize, link: u64) -> Outcome<usize> {
        for other in self.groups.get(&link).into_iter().flatten() {
            let Some(change) = self.source.changes().get(*other) else {
                continue;
            };
            let origin = change.node.as_ref().and_then(|node| node.origin);
            let present = self.file_at(&change.path)?;
            if origin.is_some() && present.map(|found| found.node) == origin {
                return Ok(*other);
            }
        }
        Ok(index)
    }

    fn file_at(&self, path: &GuestPath) -> Outcome<Option<Found>> {
        let Some(found) = self.guest.find_link(path)? else {
            return Ok(None);
        };
        let is_file = self.guest.metadata_of(&found)?.kind == FileKind::File;
        Ok(is_file.then_some(found))
    }

    fn link(&mut self, primary: &GuestPath, path: &GuestPath) -> Outcome<()> {
        if primary == path {
            return Ok(());
        }
        let node = self.guest.find_link(primary)?.map(|found| found.node);
        if let Some(found) = self.guest.find_link(path)? {
            if Some(found.node) == node {
                return Ok(());
            }
            self.guest.remove(path)?;
        }
        self.guest.link(primary, path)?;
        Ok(())
    }

    fn folder(&mut self, path: &GuestPath, node: &Node) -> Outcome<()> {
        let present = self.guest.find_link(path)?;
        let is_folder = match &present {
            Some(found) => self.guest.metadata_of(found)?.kind == FileKind::Directory,
            None => false,
        };
        if is_folder && node.is_opaque {
            self.remove_all_but_changes(path)?;
        } else if !is_folder {
            if present.is_some() {
                self.guest.remove(path)?;
            }
            let NewMetadata { mode, uid, gid } = owner_of(node);
            self.guest.create_directory_all(path, NewMetadata { mode, uid, gid })?;
        }
        self.metadata(path, node)?;
        self.folders.push((path.clone(), self.time(node.modified)));
        Ok(())
    }

    /// Of what was in a folder that was removed and made anew, only what is in it again stays for now.
    fn remove_all_but_changes(&mut self, path: &GuestPath) -> Outcome<()> {
        for entry in self.guest.read_dir(path)?.unwrap_or_default() {
            if !self.paths.contains(&entry.path) {
                self.guest.remove(&entry.path)?;
            }
        }
        Ok(())
    }

    /// Makes what is at `path` what `node` says, whatever was there.
    fn make(&mut self, index: usize, change: &Change, node: &Node) -> Outcome<()> {
        let path = &change.path;
        match node.kind {
            FileKind::File => self.file(index, path, node)?,
            FileKind::Symlink => {
                if self.guest.read_link(path)?.as_deref() != Some(node.target.as_slice()) {
                    self.guest.remove(path)?;
                    self.guest.symlink(path, &node.target)?;
                }
            }
            kind => {
                let present = self.guest.link_metadata(path)?;
                if present.is_none_or(|present| present.kind != kind) {
                    self.guest.remove(path)?;
                    self.guest.make_node(path, kind, owner_of(node))?;
                }
            }
        }
        self.metadata(path, node)?;
        let modified = self.time(node.modified);
        self.set_modified(path, modified)
    }

    /// A file that began as the guest's own stays that node, so that its other names see the change, too.
    fn file(&mut self, index: usize, path: &GuestPath, node: &Node) -> Outcome<()> {
        let mut content = self.source.open(index)?;
        if let Some(found) = self.file_at(path)?
            && (node.origin == Some(found.node) || self.guest.metadata_of(&found)?.links == 1)
        {
            self.guest.ensure_content(&found, &mut content)?;
            return Ok(());
        }
        self.guest.remove(path)?;
        self.guest.write_file(path, &mut content, owner_of(node))?;
        Ok(())
    }

    /// Owner, mode and attributes, after the content: writing takes away rights that a file gave.
    fn metadata(&mut self, path: &GuestPath, node: &Node) -> Outcome<()> {
        let change = MetadataChange {
            uid: Some(node.uid),
            gid: Some(node.gid),
            mode: (node.kind != FileKind::Symlink).then_some(node.mode),
            ..MetadataChange::default()
        };
        self.guest.set_link_metadata(path, change)?;
        let Some(found) = self.guest.find_link(path)? else {
            return Ok(());
        };
        if !self.guest.stores_xattrs(&found) {
            return Ok(());
        }
        let present = self.guest.xattrs(path)?;
        for name in present.keys().filter(|name| is_served(name)) {
            if !node.xattrs.contains_key(name) {
                self.guest.remove_xattr(path, name)?;
            }
        }
        for (name, value) in &node.xattrs {
            self.guest.set_xattr(path, name, value)?;
        }
        Ok(())
    }

    fn set_modified(&mut self, path: &GuestPath, modified: Timestamp) -> Outcome<()> {
        let modified = Some(modified);
        let change = MetadataChange {
            modified,
            ..MetadataChange::default()
        };
        Ok(self.guest.set_link_metadata(path, change)?)
    }

    /// What the program stamped with the clock has the run's reference time, and nothing a later one.
    fn time(&self, modified: Timestamp) -> Timestamp {
        match modified >= self.source.began() {
            true => self.guest.now(),
            false => modified.min(self.guest.now()),
        }
    }
}

fn owner_of(node: &Node) -> NewMetadata {
    NewMetadata {
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
    }
}

/// What programs see of attributes, they can have removed; what they do not see stays.
fn is_served(name: &[u8]) -> bool {
    name.starts_with(b"user.")
        || [
            &b"security.capability"[..],
            b"system.posix_acl_access",
            b"system.posix_acl_default",
        ]
        .contains(&name)
}

/// The error of a content that cannot be had.
impl From<imgctl_sandbox::Error> for crate::steps::StepFailure {
    fn from(error: imgctl_sandbox::Error) -> Self {
        Self::Sandbox(error)
    }
}
