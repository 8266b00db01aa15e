//! What a tree must become, edited path by path as the recipe's language says; knows nothing of imgctl's code.

use imgctl_testkit::oracle;
use imgctl_testkit::tree::{Difference, Entry, Kind, Tree, is_below};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// A tree being edited at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) tree: Tree,
    now: (i64, i64),
    any_content: Vec<Vec<u8>>,
}

impl Expected {
    pub(crate) fn new(base: &Tree, seconds: i64) -> Self {
        Self {
            tree: base.clone(),
            now: (seconds, 0),
            any_content: Vec::new(),
        }
    }

    /// The entry at a path that must exist. Paths here are free of symbolic links.
    pub(crate) fn at(&mut self, path: &str) -> &mut Entry {
        let found = self.tree.entries.get_mut(path.as_bytes());
        found.unwrap_or_else(|| panic!("the expected tree has no {path}"))
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.tree.get(path).is_some()
    }

    /// A regular file with this content; an existing one keeps its owner and mode.
    pub(crate) fn file(&mut self, path: &str, content: &[u8]) {
        if self.exists(path) && self.is_content(path, content) {
            return;
        }
        let now = self.now_at(path);
        let (digest, size) = (Some(digest(content)), content.len() as u64);
        if self.exists(path) {
            self.edit(path, &|entry| {
                (entry.sha256, entry.size, entry.mtime) = (digest, size, now)
            });
        } else {
            self.add(
                path,
                Entry {
                    sha256: digest,
                    size,
                    ..new_entry(Kind::File, 0o644, now)
                },
            );
        }
    }

    /// A new regular file whose content is nobody's business here.
    pub(crate) fn file_of_any_content(&mut self, path: &str) {
        self.file(path, b"");
        self.any_content.push(path.as_bytes().to_vec());
    }

    /// What differs between this tree and what was found.
    pub(crate) fn difference(&self, found: &Tree) -> Vec<Difference> {
        let mut expected = self.tree.clone();
        for path in &self.any_content {
            if let (Some(entry), Some(found)) = (expected.entries.get_mut(path), found.entries.get(path)) {
                (entry.sha256, entry.size) = (found.sha256, found.size);
            }
        }
        expected.difference(found)
    }

    /// A directory, with its parents.
    pub(crate) fn directory(&mut self, path: &str) {
        if !self.exists(path) {
            let now = self.now_at(path);
            self.add(path, new_entry(Kind::Directory, 0o755, now));
        }
    }

    /// A symbolic link.
    pub(crate) fn symlink(&mut self, path: &str, target: &str) {
        let target = Some(target.as_bytes().to_vec());
        if self.tree.get(path).is_some_and(|entry| entry.target == target) {
            return;
        }
        let now = self.now_at(path);
        self.remove(path);
        self.add(
            path,
            Entry {
                target,
                ..new_entry(Kind::Symlink, 0o777, now)
            },
        );
    }

    /// Permission bits.
    pub(crate) fn mode(&mut self, path: &str, mode: u32) {
        self.edit(path, &|entry| entry.mode = mode);
    }

    /// Owner and group.
    pub(crate) fn owner(&mut self, path: &str, uid: u32, gid: u32) {
        self.edit(path, &|entry| (entry.uid, entry.gid) = (uid, gid));
    }

    /// Nothing at this path, or below.
    pub(crate) fn remove(&mut self, path: &str) {
        if !self.exists(path) {
            return;
        }
        let gone: Vec<Vec<u8>> = self
            .tree
            .entries
            .keys()
            .filter(|other| is_below(other, path.as_bytes()))
            .cloned()
            .collect();
        for other in gone {
            self.unlink(&other);
        }
        self.touch_parent(path);
    }

    /// Nothing in this directory, which stays.
    pub(crate) fn empty(&mut self, path: &str) {
        for child in self.children(path) {
            self.remove(&child);
        }
    }

    /// Removes every path for which `matches` says so.
    pub(crate) fn remove_where(&mut self, matches: impl Fn(&str) -> bool) {
        for path in self.paths() {
            if matches(&path) {
                self.remove(&path);
            }
        }
    }

    /// The direct children of a directory that have UTF-8 names.
    pub(crate) fn children(&self, path: &str) -> Vec<String> {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        let is_child = |other: &String| {
            other
                .strip_prefix(&prefix)
                .is_some_and(|name| !name.is_empty() && !name.contains('/'))
        };
        self.paths().into_iter().filter(is_child).collect()
    }

    fn paths(&self) -> Vec<String> {
        self.tree
            .entries
            .keys()
            .filter_map(|path| String::from_utf8(path.clone()).ok())
            .collect()
    }

    fn is_content(&self, path: &str, content: &[u8]) -> bool {
        self.tree
            .get(path)
            .is_some_and(|entry| entry.sha256 == Some(digest(content)))
    }

    fn now_at(&self, path: &str) -> (i64, i64) {
        // FAT counts two seconds.
        if path.starts_with("/boot/efi/") {
            (self.now.0 & !1, 0)
        } else {
            self.now
        }
    }

    fn add(&mut self, path: &str, entry: Entry) {
        let parent = parent(path);
        if !self.exists(parent) {
            self.directory(parent);
        }
        let mut entry = entry;
        if path.starts_with("/boot/efi/") {
            entry.mode = if entry.kind == Kind::Directory { 0o755 } else { 0o644 };
            if entry.kind == Kind::Directory {
                entry.mtime = (0, 0);
            }
        }
        self.tree.entries.insert(path.as_bytes().to_vec(), entry);
        self.touch_parent(path);
    }

    fn touch_parent(&mut self, path: &str) {
        let (parent, now) = (parent(path), self.now);
        if !is_below(parent.as_bytes(), b"/boot/efi") {
            self.at(parent).mtime = now;
        }
    }

    /// Changes an entry under all the names it has.
    fn edit(&mut self, path: &str, change: &dyn Fn(&mut Entry)) {
        let same = self.at(path).same_as.clone();
        change(self.at(path));
        for entry in self
            .tree
            .entries
            .values_mut()
            .filter(|entry| same.is_some() && entry.same_as == same)
        {
            change(entry);
        }
    }

    fn unlink(&mut self, path: &[u8]) {
        let Some(Entry {
            same_as: Some(first), ..
        }) = self.tree.entries.remove(path)
        else {
            return;
        };
        let mut names: BTreeMap<&Vec<u8>, &mut Entry> = self
            .tree
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.same_as.as_ref() == Some(&first))
            .collect();
        let new_first = names.keys().next().map(|name| (*name).clone());
        for entry in names.values_mut() {
            entry.links -= 1;
            entry.same_as = if entry.links > 1 { new_first.clone() } else { None };
        }
    }
}

fn new_entry(kind: Kind, mode: u32, mtime: (i64, i64)) -> Entry {
    Entry {
        kind,
        mode,
        uid: 0,
        gid: 0,
        size: 0,
        mtime,
        links: 1,
        rdev: 0,
        target: None,
        xattrs: BTreeMap::new(),
        sha256: None,
        same_as: None,
    }
}

fn digest(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

/// The digest of a file of this machine, for messages.
pub(crate) fn file_digest(path: &std::path::Path) -> anyhow::Result<String> {
    Ok(oracle::hex(&oracle::sha256(path)?))
}

/// The digest of some bytes, in the same form.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    oracle::hex(&digest(bytes))
}
