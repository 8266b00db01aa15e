//! What a run was asked for by name, and its own reset therefore leaves in place.

use super::{Guest, Result};
use imgctl_vfs::GuestPath;
use std::collections::{BTreeMap, BTreeSet};

/// What steps have put into the guest, or found there as it was asked for.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Files and links, by paths free of symbolic links.
    paths: BTreeSet<GuestPath>,
    /// Files of which only these lines were asked for.
    lines: BTreeMap<GuestPath, BTreeSet<Vec<u8>>>,
    /// Users by name.
    accounts: BTreeSet<Vec<u8>>,
    /// What a reset left because of this, since it was asked last.
    stayed: BTreeSet<GuestPath>,
    /// Whether the present step does what nobody asked for file by file.
    is_paused: bool,
}

impl Kept {
    pub(super) fn begin_step(&mut self) {
        self.is_paused = false;
    }

    /// Something was written at `path`, which is free of symbolic links.
    pub(super) fn wrote(&mut self, path: &GuestPath) {
        if !self.is_paused {
            self.paths.insert(path.clone());
        }
    }

    /// Nothing is at `path` any more.
    pub(super) fn removed(&mut self, path: &GuestPath) {
        self.paths.remove(path);
        self.lines.remove(path);
    }
}

impl Guest {
    /// What is at `path` was asked for in this run: its reset leaves it. Steps call this for what they find as it should
    /// be; what they write is known.
    pub fn keep(&mut self, path: &GuestPath) -> Result<()> {
        if let Some(found) = self.find_link(path)? {
            self.kept.paths.insert(found.path);
        }
        if let Some(found) = self.find(path)? {
            self.kept.paths.insert(found.path);
        }
        Ok(())
    }

    /// Of the file that `path` leads to, these lines were asked for; a reset of its kind may remove the others.
    pub fn keep_lines<'l>(&mut self, path: &GuestPath, lines: impl IntoIterator<Item = &'l [u8]>) -> Result<()> {
        if let Some(found) = self.find(path)? {
            let kept = self.kept.lines.entry(found.path).or_default();
            kept.extend(lines.into_iter().map(<[u8]>::to_vec));
        }
        Ok(())
    }

    /// The user of this name was asked for in this run: its reset leaves the account.
    pub fn keep_account(&mut self, name: &[u8]) {
        self.kept.accounts.insert(name.to_vec());
    }

    /// Whether the user of this name was asked for.
    pub(crate) fn is_account_kept(&self, name: &[u8]) -> bool {
        self.kept.accounts.contains(name)
    }

    /// What the present step writes from here on, nobody asked for by name: it is what programs of the guest did, or a reset.
    pub fn keep_nothing(&mut self) {
        self.kept.is_paused = true;
    }

    /// The lines of a file that were asked for; `None` where nobody spoke of its lines.
    pub(crate) fn kept_lines(&self, path: &GuestPath) -> Result<Option<BTreeSet<Vec<u8>>>> {
        let found = self.find(path)?;
        Ok(found.and_then(|found| self.kept.lines.get(&found.path).cloned()))
    }

    /// Whether the path, free of symbolic links, was asked for.
    pub(crate) fn is_kept(&self, path: &GuestPath) -> bool {
        self.kept.paths.contains(path)
    }

    /// Whether something in or below the path was asked for.
    pub(crate) fn holds_kept(&self, path: &GuestPath) -> bool {
        let inside = |kept: &GuestPath| kept.is_within(path);
        // Between a folder and what is in it can be other names, like `a-b` between `a` and `a/b`.
        self.kept
            .paths
            .range(path.clone()..)
            .take_while(|kept| starts_with(kept, path))
            .any(inside)
    }

    /// A reset comes by something that was asked for.
    pub(crate) fn leave(&mut self, path: &GuestPath) {
        self.kept.stayed.insert(path.clone());
    }

    /// What a reset left since the last call.
    pub(crate) fn take_stayed(&mut self) -> BTreeSet<GuestPath> {
        std::mem::take(&mut self.kept.stayed)
    }
}

fn starts_with(path: &GuestPath, prefix: &GuestPath) -> bool {
    path.as_bytes().starts_with(prefix.as_bytes())
}

#[cfg(test)]
mod tests {
    use crate::guest::NewMetadata;
    use crate::testing::{guest, path};

    #[test]
    fn what_is_written_or_named_is_kept() {
        let mut guest = guest(&["/old|x", "/named|x", "/link -> /named2", "/named2|", "/a/b|", "/a-c|"]);
        guest.begin_step("s");
        guest
            .write_file(&path("/new"), &mut &b"x"[..], NewMetadata::root(0o644))
            .unwrap();
        guest.symlink(&path("/sym"), b"/old").unwrap();
        guest.keep(&path("/named")).unwrap();
        guest.keep(&path("/link")).unwrap();
        guest.keep(&path("/a/b")).unwrap();
        guest.keep(&path("/missing")).unwrap();
        for kept in ["/new", "/sym", "/named", "/link", "/named2"] {
            assert!(guest.is_kept(&path(kept)), "{kept}");
        }
        assert!(!guest.is_kept(&path("/old")) && !guest.is_kept(&path("/missing")));
        assert!(guest.holds_kept(&path("/a")) && guest.holds_kept(&path("/")) && !guest.holds_kept(&path("/a-c")));
        guest.remove(&path("/new")).unwrap();
        assert!(!guest.is_kept(&path("/new")));

        guest.keep_nothing();
        guest
            .write_file(&path("/log"), &mut &b"x"[..], NewMetadata::root(0o644))
            .unwrap();
        assert!(!guest.is_kept(&path("/log")));
    }

    #[test]
    fn lines_are_kept_by_file() {
        let mut guest = guest(&["/f|a\nb\n"]);
        assert_eq!(guest.kept_lines(&path("/f")).unwrap(), None);
        guest.keep_lines(&path("/f"), [&b"a"[..]]).unwrap();
        let kept = guest.kept_lines(&path("/f")).unwrap().unwrap();
        assert!(kept.contains(&b"a"[..]) && kept.len() == 1);
    }
}
