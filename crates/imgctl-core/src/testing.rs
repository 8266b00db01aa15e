//! Guests in memory for the unit tests, and a second opinion on what changed.

use crate::guest::{Guest, NewMetadata};
use imgctl_vfs::{
    Capabilities, DirEntry, FileFlags, FileKind, GuestPath, Metadata, MetadataChange, ModelFs, Mount, NewNode, NodeId,
    ReadFs, StatFs, Timestamp, Tree, WriteFs,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

/// The time of everything that was there before.
pub(crate) const THEN: Timestamp = Timestamp {
    seconds: 1_000_000_000,
    nanoseconds: 5,
};

/// The run's reference time.
pub(crate) const NOW: Timestamp = Timestamp {
    seconds: 2_000_000_000,
    nanoseconds: 0,
};

pub(crate) fn path(path: &str) -> GuestPath {
    GuestPath::new(path).unwrap()
}

/// An empty filesystem whose changes are stamped with [`NOW`].
pub(crate) fn empty() -> Guest {
    Guest::new(Tree::new("partition 1", Box::new(ModelFs::new(NOW))), NOW)
}

/// A guest with these entries: `/dir/`, `/link -> target`, `/alias => /file` (a hard link), or `/file` with content.
/// Entries may carry ` MODE UID GID` before a bar: `/x 0600 7 8|content`.
pub(crate) fn guest(entries: &[&str]) -> Guest {
    guest_with_esp(entries, false)
}

/// The same; with a filesystem without owners, links and attributes mounted at /boot/efi.
pub(crate) fn guest_with_esp(entries: &[&str], esp: bool) -> Guest {
    let mut tree = empty();
    if esp {
        tree.create_directory_all(&path("/boot/efi"), NewMetadata::root(0o755))
            .unwrap();
    }
    let mut tree = tree.into_parts().0;
    if esp {
        tree.graft(Mount {
            path: path("/boot/efi"),
            label: "partition 15".to_owned(),
            fs: Box::new(PlainFs(ModelFs::new(NOW))),
        })
        .unwrap();
    }
    let mut guest = Guest::new(tree, NOW);
    for entry in entries {
        add(&mut guest, entry);
    }
    age(guest.into_parts().0)
}

fn add(guest: &mut Guest, entry: &str) {
    let (head, content) = entry.split_once('|').unwrap_or((entry, ""));
    if let Some((link, target)) = head.split_once(" -> ") {
        parents(guest, link);
        guest.symlink(&path(link), target.as_bytes()).unwrap();
    } else if let Some((name, existing)) = head.split_once(" => ") {
        parents(guest, name);
        guest.link(&path(existing), &path(name)).unwrap();
    } else {
        let mut words = head.split(' ');
        let name = words.next().unwrap();
        let is_directory = name.ends_with('/');
        let mode = words.next().map(|mode| u16::from_str_radix(mode, 8).unwrap());
        let mut id = || words.next().map_or(0, |id| id.parse().unwrap());
        let new = NewMetadata {
            mode: mode.unwrap_or(if is_directory { 0o755 } else { 0o644 }),
            uid: id(),
            gid: id(),
        };
        parents(guest, name);
        if is_directory {
            guest.create_directory_all(&path(name), new).unwrap();
        } else {
            guest.write_file(&path(name), &mut content.as_bytes(), new).unwrap();
        }
    }
}

fn parents(guest: &mut Guest, name: &str) {
    let parent = path(name).parent().unwrap();
    guest.create_directory_all(&parent, NewMetadata::root(0o755)).unwrap();
}

/// Sets every time to [`THEN`] and forgets what was logged.
fn age(mut tree: Tree) -> Guest {
    let nodes: Vec<_> = tree.walk(&tree.root()).map(|entry| entry.unwrap().node).collect();
    for node in nodes {
        let change = MetadataChange {
            accessed: Some(THEN),
            modified: Some(THEN),
            ..Default::default()
        };
        tree.fs_mut(node).set_metadata(node.node, &change).unwrap();
    }
    Guest::new(tree, NOW)
}

/// Every path of a tree with all that a comparison of mounted trees would look at.
pub(crate) fn listing(tree: &Tree) -> BTreeMap<GuestPath, String> {
    let mut listing = BTreeMap::new();
    for entry in tree.walk(&tree.root()) {
        let entry = entry.unwrap();
        let metadata = &entry.metadata;
        let fs = tree.fs(entry.node);
        let mut line = String::new();
        write!(
            line,
            "{:?} {:04o} {}:{} {} {:?} {:?}",
            metadata.kind,
            metadata.mode,
            metadata.uid,
            metadata.gid,
            metadata.size,
            metadata.modified,
            fs.xattrs(entry.node.node).unwrap()
        )
        .unwrap();
        match metadata.kind {
            FileKind::File => write!(line, " {:?}", tree.read_file(entry.node, 1 << 30).unwrap()),
            FileKind::Symlink => write!(line, " {:?}", fs.read_link(entry.node.node).unwrap()),
            _ => Ok(()),
        }
        .unwrap();
        listing.insert(entry.path, line);
    }
    listing
}

/// The paths that differ, as `+/added`, `-/removed`, `~/modified`.
pub(crate) fn difference(before: &BTreeMap<GuestPath, String>, after: &BTreeMap<GuestPath, String>) -> Vec<String> {
    let mut paths: Vec<&GuestPath> = before.keys().chain(after.keys()).collect();
    paths.sort();
    paths.dedup();
    let sign = |path: &GuestPath| match (before.get(path), after.get(path)) {
        (None, _) => Some('+'),
        (_, None) => Some('-'),
        (Some(before), Some(after)) => (before != after).then_some('~'),
    };
    paths
        .into_iter()
        .filter_map(|path| sign(path).map(|sign| format!("{sign}{path}")))
        .collect()
}

/// What the log says changed, in the form of [`difference`].
pub(crate) fn changes(guest: &Guest) -> Vec<String> {
    use crate::guest::ChangeKind;
    let changes = guest.log().finish(guest.tree()).unwrap();
    changes
        .iter()
        .map(|change| {
            let sign = match change.kind {
                ChangeKind::Added => '+',
                ChangeKind::Removed => '-',
                ChangeKind::Modified => '~',
            };
            format!("{sign}{}", change.path)
        })
        .collect()
}

/// Runs `edit` and checks that the log tells what two listings of the tree tell; gives the changes.
pub(crate) fn edited(guest: &mut Guest, edit: impl FnOnce(&mut Guest)) -> Vec<String> {
    let before = listing(guest.tree());
    edit(guest);
    let changes = changes(guest);
    assert_eq!(changes, difference(&before, &listing(guest.tree())));
    changes
}

/// The same guest, with nothing in its log.
pub(crate) fn again(guest: Guest) -> Guest {
    Guest::new(guest.into_parts().0, NOW)
}

/// What `edit` changes in a guest that was edited before.
pub(crate) fn changed_by(guest: &mut Guest, edit: impl FnOnce(&mut Guest)) -> Vec<String> {
    let before = listing(guest.tree());
    edit(guest);
    difference(&before, &listing(guest.tree()))
}

/// The content of a file as text; `-` when it is missing.
pub(crate) fn text(guest: &Guest, name: &str) -> String {
    let content = guest.read(&path(name), 1 << 20).unwrap();
    content.map_or("-".to_owned(), |content| String::from_utf8(content).unwrap())
}

/// `MODE UID:GID` of what is at a path.
pub(crate) fn mode(guest: &Guest, name: &str) -> String {
    let metadata = guest.link_metadata(&path(name)).unwrap().unwrap();
    format!("{:04o} {}:{}", metadata.mode, metadata.uid, metadata.gid)
}

/// A filesystem with the limits of FAT: no owners, links, special files or attributes.
#[derive(Debug)]
struct PlainFs(ModelFs);

fn unsupported<T>() -> imgctl_vfs::Result<T> {
    Err(imgctl_vfs::Error::new(
        imgctl_vfs::ErrorKind::Unsupported,
        "the filesystem cannot store that",
    ))
}

impl ReadFs for PlainFs {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            owners: false,
            special_files: false,
            hard_links: false,
            xattrs: false,
        }
    }
    fn root(&self) -> NodeId {
        self.0.root()
    }
    fn lookup(&self, directory: NodeId, name: &[u8]) -> imgctl_vfs::Result<Option<NodeId>> {
        self.0.lookup(directory, name)
    }
    fn metadata(&self, node: NodeId) -> imgctl_vfs::Result<Metadata> {
        let metadata = self.0.metadata(node)?;
        Ok(Metadata {
            mode: 0o755,
            uid: 0,
            gid: 0,
            ..metadata
        })
    }
    fn read_dir(&self, directory: NodeId) -> imgctl_vfs::Result<Vec<DirEntry>> {
        self.0.read_dir(directory)
    }
    fn read_at(&self, node: NodeId, offset: u64, buf: &mut [u8]) -> imgctl_vfs::Result<usize> {
        self.0.read_at(node, offset, buf)
    }
    fn read_link(&self, node: NodeId) -> imgctl_vfs::Result<Vec<u8>> {
        self.0.read_link(node)
    }
    fn xattrs(&self, node: NodeId) -> imgctl_vfs::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        self.0.xattrs(node)
    }
    fn statfs(&self) -> imgctl_vfs::Result<StatFs> {
        self.0.statfs()
    }
    fn free_ranges(&self) -> imgctl_vfs::Result<Vec<Range<u64>>> {
        self.0.free_ranges()
    }
}

impl WriteFs for PlainFs {
    fn create(&mut self, directory: NodeId, name: &[u8], new: &NewNode) -> imgctl_vfs::Result<NodeId> {
        match new.kind {
            FileKind::File | FileKind::Directory => self.0.create(directory, name, new),
            _ => unsupported(),
        }
    }
    fn write_at(&mut self, node: NodeId, offset: u64, data: &[u8]) -> imgctl_vfs::Result<()> {
        self.0.write_at(node, offset, data)
    }
    fn set_len(&mut self, node: NodeId, size: u64) -> imgctl_vfs::Result<()> {
        self.0.set_len(node, size)
    }
    fn set_metadata(&mut self, node: NodeId, change: &MetadataChange) -> imgctl_vfs::Result<()> {
        match (change.mode, change.uid, change.gid) {
            (None, None, None) => self.0.set_metadata(node, change),
            _ => unsupported(),
        }
    }
    fn set_flags(&mut self, _: NodeId, _: FileFlags) -> imgctl_vfs::Result<()> {
        unsupported()
    }
    fn set_xattr(&mut self, _: NodeId, _: &[u8], _: &[u8]) -> imgctl_vfs::Result<()> {
        unsupported()
    }
    fn remove_xattr(&mut self, _: NodeId, _: &[u8]) -> imgctl_vfs::Result<()> {
        unsupported()
    }
    fn link(&mut self, _: NodeId, _: NodeId, _: &[u8]) -> imgctl_vfs::Result<()> {
        unsupported()
    }
    fn rename(&mut self, from: NodeId, from_name: &[u8], to: NodeId, to_name: &[u8]) -> imgctl_vfs::Result<()> {
        self.0.rename(from, from_name, to, to_name)
    }
    fn remove(&mut self, directory: NodeId, name: &[u8]) -> imgctl_vfs::Result<()> {
        self.0.remove(directory, name)
    }
    fn commit(self: Box<Self>) -> imgctl_vfs::Result<()> {
        Ok(())
    }
}
