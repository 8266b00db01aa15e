//! A whole tree as sorted lines, from an engine and from a kernel mount, to be compared.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::missing_panics_doc, reason = "that is how the caller's test fails")]

use imgctl_vfs::{FileKind, NodeId, ReadFs, Timestamp};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Every path with everything known of it.
pub type Tree = BTreeMap<String, String>;

fn content_sum(content: &[u8]) -> u64 {
    content.chunks(8).fold(0xcbf2_9ce4_8422_2325, |sum, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (sum ^ u64::from_le_bytes(word))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(23)
    })
}

fn time(time: Timestamp) -> String {
    format!("{}.{:09}", time.seconds, time.nanoseconds)
}

/// The tree below `directory` as the engine sees it.
#[must_use]
pub fn of_engine(fs: &dyn ReadFs) -> Tree {
    let mut tree = Tree::new();
    let mut pending = vec![(String::from("/"), fs.root())];
    while let Some((path, node)) = pending.pop() {
        let metadata = fs.metadata(node).unwrap();
        let kind = match metadata.kind {
            FileKind::File => format!("file {:016x}", content_sum(&read(fs, node))),
            FileKind::Directory => "directory".to_owned(),
            FileKind::Symlink => format!("link to {}", fs.read_link(node).unwrap().escape_ascii()),
            FileKind::CharDevice(major, minor) => format!("char {major},{minor}"),
            FileKind::BlockDevice(major, minor) => format!("block {major},{minor}"),
            FileKind::Fifo => "fifo".to_owned(),
            FileKind::Socket => "socket".to_owned(),
        };
        let xattrs = fs.xattrs(node).unwrap();
        let line = format!(
            "{kind} mode {:o} owner {}:{} size {} links {} a {} m {} c {} x {}",
            metadata.mode,
            metadata.uid,
            metadata.gid,
            metadata.size,
            metadata.links,
            time(metadata.accessed),
            time(metadata.modified),
            time(metadata.changed),
            xattr_text(xattrs)
        );
        if metadata.kind == FileKind::Directory {
            for entry in fs.read_dir(node).unwrap() {
                let child = format!("{}/{}", path.trim_end_matches('/'), entry.name.escape_ascii());
                pending.push((child, entry.node));
            }
        }
        tree.insert(path, line);
    }
    tree
}

/// The tree below a mount point as the kernel shows it.
#[must_use]
pub fn of_kernel(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut pending = vec![(String::from("/"), root.to_owned())];
    while let Some((path, host)) = pending.pop() {
        let metadata = std::fs::symlink_metadata(&host).unwrap();
        let kind = metadata.file_type();
        let (major, minor) = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
        let text = if kind.is_file() {
            format!("file {:016x}", content_sum(&std::fs::read(&host).unwrap()))
        } else if kind.is_dir() {
            "directory".to_owned()
        } else if kind.is_symlink() {
            let target = std::fs::read_link(&host).unwrap();
            format!("link to {}", target.as_os_str().as_bytes().escape_ascii())
        } else if kind.is_char_device() {
            format!("char {major},{minor}")
        } else if kind.is_block_device() {
            format!("block {major},{minor}")
        } else if kind.is_fifo() {
            "fifo".to_owned()
        } else {
            "socket".to_owned()
        };
        let mut xattrs = BTreeMap::new();
        for name in xattr::list(&host).unwrap() {
            // XFS lists access lists a second time, in the form they have on the device.
            if name.as_bytes().starts_with(b"trusted.SGI_ACL_") {
                continue;
            }
            let value = xattr::get(&host, &name).unwrap().unwrap();
            xattrs.insert(name.as_bytes().to_vec(), value);
        }
        let line = format!(
            "{text} mode {:o} owner {}:{} size {} links {} a {}.{:09} m {}.{:09} c {}.{:09} x {}",
            metadata.mode() & 0o7777,
            metadata.uid(),
            metadata.gid(),
            metadata.size(),
            metadata.nlink(),
            metadata.atime(),
            metadata.atime_nsec(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
            xattr_text(xattrs)
        );
        if kind.is_dir() {
            for entry in std::fs::read_dir(&host).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name();
                let child = format!("{}/{}", path.trim_end_matches('/'), name.as_bytes().escape_ascii());
                pending.push((child, entry.path()));
            }
        }
        tree.insert(path, line);
    }
    tree
}

fn xattr_text(xattrs: BTreeMap<Vec<u8>, Vec<u8>>) -> String {
    let text = xattrs
        .iter()
        .map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()));
    text.collect::<Vec<_>>().join(" ")
}

/// All of a file's content.
#[must_use]
pub fn read(fs: &dyn ReadFs, node: NodeId) -> Vec<u8> {
    let size = fs.metadata(node).unwrap().size;
    let mut content = vec![0xee; size as usize];
    let mut done = 0;
    while done < content.len() {
        let count = fs.read_at(node, done as u64, &mut content[done..]).unwrap();
        assert!(count > 0, "the content ends at {done} of {size} bytes");
        done += count;
    }
    content
}

/// Fails with the first lines that differ.
pub fn assert_same(left: &Tree, right: &Tree) {
    for (path, line) in left {
        assert_eq!(Some(line), right.get(path), "{path}");
    }
    for path in right.keys() {
        assert!(left.contains_key(path), "{path} is only in the second tree");
    }
}

/// The node at a path of plain names.
#[must_use]
pub fn find(fs: &dyn ReadFs, path: &str) -> NodeId {
    let names = path.split('/').filter(|name| !name.is_empty());
    names.fold(fs.root(), |node, name| {
        let found = fs.lookup(node, name.as_bytes()).unwrap();
        found.unwrap_or_else(|| panic!("{path} is missing"))
    })
}
