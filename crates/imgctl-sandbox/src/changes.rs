//! What a program changed, as the upper folder of the overlay has it.

use crate::connection::Connection;
use crate::wire::{FromWarden, ToWarden, WireEntry, WireNode};
use crate::{Error, Result};
use imgctl_vfs::{FileKind, GuestPath, MountIndex, NodeId, Timestamp, TreeNode};
use nix::libc;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

/// One path that a program touched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The path, free of symbolic links. Its parent, where it has one of its own, comes before it.
    pub path: GuestPath,
    /// What is there now; `None`: nothing any more.
    pub node: Option<Node>,
}

/// What is at a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits (12).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Content length in bytes.
    pub size: u64,
    /// Last change of the content.
    pub modified: Timestamp,
    /// A symbolic link's target.
    pub target: Vec<u8>,
    /// Its attributes, all that programs are served: `user.`, access control lists and capabilities.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Of a directory: nothing of what was there before is there any more.
    pub is_opaque: bool,
    /// Of a file that began as one with several names in the tree: which.
    pub origin: Option<TreeNode>,
    /// The same for all names of a node with several names.
    pub link: Option<u64>,
}

/// Everything a program changed, sorted by path, parents first. While it is there, so is the folder that holds the
/// contents.
#[derive(Debug)]
pub struct ChangeSet {
    changes: Vec<Change>,
    /// The warden's numbers of the changes.
    numbers: Vec<u64>,
    began: Timestamp,
    connection: Connection,
    _run: crate::launch::Run,
}

impl ChangeSet {
    pub(crate) fn new(
        entries: Vec<WireEntry>,
        left_out: &[Vec<u8>],
        mounts: &[MountIndex],
        connection: Connection,
        run: crate::launch::Run,
    ) -> Result<Self> {
        let mut changes = Vec::new();
        for (number, entry) in (0..).zip(entries) {
            if entry.node.is_some() && is_left_out(&entry.path, left_out) {
                continue;
            }
            changes.push((change(entry, mounts)?, number));
        }
        changes.sort_by(|(one, _), (other, _)| one.path.components().cmp(other.path.components()));
        let (mut changes, numbers): (Vec<Change>, Vec<u64>) = changes.into_iter().unzip();
        pass_opacity_on(&mut changes);
        Ok(Self {
            changes,
            numbers,
            began: run.began(),
            connection,
            _run: run,
        })
    }

    /// A time shortly before the program began: what has a later one was written by it.
    #[must_use]
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// What changed.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The content of the regular file of one of the changes, by its place in [`changes`](Self::changes).
    pub fn open(&self, index: usize) -> Result<File> {
        let lost = |what: &str| Error::Lost(format!("it gave no content: {what}"));
        let number = *self.numbers.get(index).ok_or_else(|| lost("there is no such change"))?;
        let io = |error: std::io::Error| lost(&error.to_string());
        self.connection.send(&ToWarden::Open(number)).map_err(io)?;
        match self.connection.receive::<FromWarden>().map_err(io)? {
            Some((FromWarden::Content, Some(descriptor))) => Ok(File::from(descriptor)),
            Some((FromWarden::Failed(failure), _)) => Err(Error::Harvest(format!(
                "cannot {}: {}",
                failure.action,
                std::io::Error::from_raw_os_error(failure.errno)
            ))),
            _ => Err(lost("it ended")),
        }
    }
}

/// A folder in one that was made anew is new, too; the overlay marks the outermost alone.
fn pass_opacity_on(changes: &mut [Change]) {
    let mut opaque = BTreeSet::new();
    for Change { path, node } in changes {
        let Some(node) = node.as_mut().filter(|node| node.kind == FileKind::Directory) else {
            continue;
        };
        node.is_opaque |= path.parent().is_some_and(|parent| opaque.contains(&parent));
        if node.is_opaque {
            opaque.insert(path.clone());
        }
    }
}

/// Whether a path is below one of the list that ends in a slash, or is one of it.
fn is_left_out(path: &[u8], left_out: &[Vec<u8>]) -> bool {
    left_out.iter().any(|left_out| match left_out.ends_with(b"/") {
        true => path.len() > left_out.len() && path.starts_with(left_out),
        false => path == left_out.as_slice(),
    })
}

fn change(entry: WireEntry, mounts: &[MountIndex]) -> Result<Change> {
    let harvest = |error: imgctl_vfs::Error| Error::Harvest(error.to_string());
    Ok(Change {
        path: GuestPath::new(&entry.path).map_err(harvest)?,
        node: entry.node.map(|wire| node(wire, mounts)),
    })
}

/// A node of the tree, as the server of its files named it.
fn origin(text: &[u8], mounts: &[MountIndex]) -> Option<TreeNode> {
    let (position, node) = std::str::from_utf8(text).ok()?.split_once(' ')?;
    let mount = *mounts.get(position.parse::<usize>().ok()?)?;
    let node = NodeId(node.parse().ok()?);
    Some(TreeNode { mount, node })
}

fn node(wire: WireNode, mounts: &[MountIndex]) -> Node {
    let (major, minor) = (libc::major(wire.device), libc::minor(wire.device));
    Node {
        kind: match wire.mode & libc::S_IFMT {
            libc::S_IFDIR => FileKind::Directory,
            libc::S_IFLNK => FileKind::Symlink,
            libc::S_IFIFO => FileKind::Fifo,
            libc::S_IFSOCK => FileKind::Socket,
            libc::S_IFCHR => FileKind::CharDevice(major, minor),
            libc::S_IFBLK => FileKind::BlockDevice(major, minor),
            _ => FileKind::File,
        },
        mode: u16::try_from(wire.mode & 0o7777).unwrap_or(0),
        uid: wire.uid,
        gid: wire.gid,
        size: wire.size,
        modified: Timestamp {
            seconds: wire.seconds,
            nanoseconds: wire.nanoseconds,
        },
        target: wire.target,
        xattrs: wire.xattrs.into_iter().collect(),
        is_opaque: wire.is_opaque,
        origin: origin(&wire.origin, mounts),
        link: (wire.link != 0).then_some(wire.link),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_kept_and_what_is_below_is_left_out() {
        let left_out = [b"/var/cache/apt/".to_vec(), b"/var/log/dpkg.log".to_vec()];
        for (path, expected) in [
            ("/var/cache/apt", false),
            ("/var/cache/apt/x", true),
            ("/var/cache/apt/x/y", true),
            ("/var/cache/apt2/x", false),
            ("/var/log/dpkg.log", true),
            ("/var/log/dpkg.log.1", false),
        ] {
            assert_eq!(is_left_out(path.as_bytes(), &left_out), expected, "{path}");
        }
    }
}
