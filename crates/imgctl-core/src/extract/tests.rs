//! What is extracted, and what never gets out of the folder.

use super::*;
use crate::extract::folder::{ExtractOptions, Extraction};
use imgctl_vfs::{Found, MetadataChange, ModelFs, NewNode, NodeId, ReadFs as _, Timestamp, WriteFs as _};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// The identity of whoever runs the tests: nobody else may be an owner where they are not root.
fn owner() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

fn new(kind: FileKind, mode: u16, target: &[u8]) -> NewNode {
    let (uid, gid) = owner();
    NewNode {
        kind,
        mode,
        uid,
        gid,
        target: target.to_vec(),
    }
}

fn file(fs: &mut ModelFs, folder: NodeId, name: &[u8], content: &[u8]) -> NodeId {
    let node = fs.create(folder, name, &new(FileKind::File, 0o640, b"")).unwrap();
    fs.write_at(node, 0, content).unwrap();
    let change = MetadataChange {
        modified: Some(Timestamp::from_seconds(1_000_000_000)),
        ..MetadataChange::default()
    };
    fs.set_metadata(node, &change).unwrap();
    node
}

fn link(fs: &mut ModelFs, folder: NodeId, name: &[u8], target: &[u8]) {
    fs.create(folder, name, &new(FileKind::Symlink, 0o777, target)).unwrap();
}

fn folder(fs: &mut ModelFs, parent: NodeId, name: &[u8], mode: u16) -> NodeId {
    fs.create(parent, name, &new(FileKind::Directory, mode, b"")).unwrap()
}

/// A tree with everything that is hard: a hard link, links that lead out, odd names, a folder nobody may write to.
fn tree() -> Tree {
    let mut fs = ModelFs::new(Timestamp::from_seconds(1_500_000_000));
    let root = fs.root();
    let data = folder(&mut fs, root, b"data", 0o755);
    let first = file(&mut fs, data, b"a", b"content of a");
    fs.link(first, data, b"b").unwrap();
    let closed = folder(&mut fs, data, b"closed", 0o555);
    file(&mut fs, closed, b"inside", b"i");
    fs.link(first, closed, b"third").unwrap();
    file(&mut fs, data, b"new\nline\x1b[31m\xff", b"odd");
    file(&mut fs, data, &[b'n'; 255], b"long");
    link(&mut fs, data, b"out", b"../../../../outside");
    link(&mut fs, data, b"etc", b"/etc");
    fs.create(data, b"fifo", &new(FileKind::Fifo, 0o600, b"")).unwrap();
    fs.create(data, b"socket", &new(FileKind::Socket, 0o600, b"")).unwrap();
    Tree::new("model", Box::new(fs))
}

fn found(tree: &Tree, path: &str) -> Found {
    tree.resolve_link(&GuestPath::new(path).unwrap()).unwrap()
}

fn archive(tree: &Tree, options: ArchiveOptions) -> (Vec<u8>, Vec<String>) {
    let mut bytes = Vec::new();
    let warnings = write_archive(tree, &found(tree, "/data"), &mut bytes, options).unwrap();
    (bytes, warnings)
}

/// Kind, mode, name and target of every entry, as a reader of the format sees them.
fn listed(bytes: &[u8]) -> Vec<(u8, u32, Vec<u8>, Vec<u8>)> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let header = entry.header();
        let target = entry
            .link_name_bytes()
            .map(|name| name.into_owned())
            .unwrap_or_default();
        (
            header.entry_type().as_byte(),
            header.mode().unwrap(),
            entry.path_bytes().into_owned(),
            target,
        )
    });
    entries.collect()
}

#[test]
fn an_archive_has_what_the_tree_has() {
    let tree = tree();
    let (bytes, warnings) = archive(&tree, ArchiveOptions::default());
    let long = [b"./".as_slice(), &[b'n'; 255]].concat();
    let expected: Vec<(u8, u32, Vec<u8>, Vec<u8>)> = vec![
        (b'5', 0o755, b"./".into(), b"".into()),
        (b'0', 0o640, b"./a".into(), b"".into()),
        (b'1', 0o640, b"./b".into(), b"./a".into()),
        (b'5', 0o555, b"./closed/".into(), b"".into()),
        (b'0', 0o640, b"./closed/inside".into(), b"".into()),
        (b'1', 0o640, b"./closed/third".into(), b"./a".into()),
        (b'2', 0o777, b"./etc".into(), b"/etc".into()),
        (b'6', 0o600, b"./fifo".into(), b"".into()),
        (b'0', 0o640, b"./new\nline\x1b[31m\xff".into(), b"".into()),
        (b'0', 0o640, long, b"".into()),
        (b'2', 0o777, b"./out".into(), b"../../../../outside".into()),
    ];
    assert_eq!(listed(&bytes), expected);
    assert_eq!(warnings, ["/data/socket is a socket and was left out"]);
    assert_eq!(bytes.len() % 10_240, 0);
    assert_eq!(archive(&tree, ArchiveOptions::default()).0, bytes);
}

#[test]
fn attributes_are_written_where_they_are_wanted() {
    let mut fs = ModelFs::new(Timestamp::default());
    let root = fs.root();
    let data = folder(&mut fs, root, b"data", 0o755);
    let node = file(&mut fs, data, b"a", b"");
    fs.set_xattr(node, b"user.x", b"a\0b=").unwrap();
    fs.set_xattr(node, b"security.selinux", b"label\0").unwrap();
    let tree = Tree::new("model", Box::new(fs));
    let names = |xattrs, selinux| {
        let options = ArchiveOptions {
            xattrs,
            selinux,
            ..ArchiveOptions::default()
        };
        let (bytes, _) = archive(&tree, options);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut fields = Vec::new();
        for entry in archive.entries().unwrap() {
            for field in entry.unwrap().pax_extensions().unwrap().into_iter().flatten() {
                let field = field.unwrap();
                fields.push((field.key().unwrap().to_owned(), field.value_bytes().to_vec()));
            }
        }
        fields
    };
    assert_eq!(names(false, false), []);
    let user = ("SCHILY.xattr.user.x".to_owned(), b"a\0b=".to_vec());
    let label = ("SCHILY.xattr.security.selinux".to_owned(), b"label\0".to_vec());
    assert_eq!(names(true, false), std::slice::from_ref(&user));
    assert_eq!(names(true, true), [label, user]);
}

#[test]
fn times_before_1970_and_large_numbers_fit() {
    let mut fs = ModelFs::new(Timestamp::default());
    let root = fs.root();
    let data = folder(&mut fs, root, b"data", 0o755);
    let node = file(&mut fs, data, b"a", b"");
    let change = MetadataChange {
        uid: Some(4_000_000_000),
        modified: Some(Timestamp::from_seconds(-1)),
        ..MetadataChange::default()
    };
    fs.set_metadata(node, &change).unwrap();
    let tree = Tree::new("model", Box::new(fs));
    let (bytes, _) = archive(&tree, ArchiveOptions::default());
    let mut archive = tar::Archive::new(bytes.as_slice());
    let entry = archive.entries().unwrap().nth(1).unwrap().unwrap();
    assert_eq!(entry.header().uid().unwrap(), 4_000_000_000);
    assert_eq!(&entry.header().as_bytes()[136..148], &[0xff; 12]);
}

fn extracted(umask: u16) -> (tempfile::TempDir, Vec<String>) {
    let host = tempfile::tempdir().unwrap();
    let inner = host.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let tree = tree();
    let options = ExtractOptions { owners: false, umask };
    let mut extraction = Extraction::new(&inner, options).unwrap();
    extraction.folder(&tree, &found(&tree, "/data")).unwrap();
    (host, extraction.warnings().to_vec())
}

#[test]
fn a_folder_has_what_the_tree_has() {
    let (host, warnings) = extracted(0o022);
    let data = host.path().join("inner/data");
    let stat = |name: &str| std::fs::symlink_metadata(data.join(name)).unwrap();
    assert_eq!(std::fs::read(data.join("a")).unwrap(), b"content of a");
    assert_eq!(stat("a").ino(), stat("b").ino());
    assert_eq!(stat("a").ino(), stat("closed/third").ino());
    assert_eq!((stat("a").mtime(), stat("a").mode()), (1_000_000_000, 0o100_640));
    assert_eq!(stat("closed").mode() & 0o7777, 0o555);
    assert_eq!(std::fs::read_link(data.join("etc")).unwrap().as_os_str(), "/etc");
    assert!(stat("out").is_symlink());
    let odd = OsString::from_vec(b"new\nline\x1b[31m\xff".to_vec());
    assert_eq!(std::fs::read(data.join(odd)).unwrap(), b"odd");
    let names: Vec<_> = std::fs::read_dir(host.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["inner"]);
    assert_eq!(warnings, ["socket: a socket was left out"]);
    // Or the folder could not be removed.
    std::fs::set_permissions(data.join("closed"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn links_that_are_there_already_are_replaced_and_never_followed() {
    let host = tempfile::tempdir().unwrap();
    let outside = host.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("victim"), "untouched").unwrap();
    let inner = host.path().join("inner");
    std::fs::create_dir_all(inner.join("data")).unwrap();
    let symlink = |target: &Path, name: &str| std::os::unix::fs::symlink(target, inner.join(name)).unwrap();
    symlink(&outside.join("victim"), "data/a");
    symlink(&outside, "data/closed");
    let tree = tree();
    let mut extraction = Extraction::new(&inner, ExtractOptions::default()).unwrap();
    extraction.folder(&tree, &found(&tree, "/data")).unwrap();
    extraction.file(&tree, &found(&tree, "/data/b"), b"b").unwrap();
    assert_eq!(std::fs::read(outside.join("victim")).unwrap(), b"untouched");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert!(
        !std::fs::symlink_metadata(inner.join("data/closed"))
            .unwrap()
            .is_symlink()
    );
    // A second time over what the guest's own links are by now.
    symlink(&outside.join("victim"), "x");
    std::fs::rename(inner.join("x"), inner.join("b")).unwrap();
    extraction.folder(&tree, &found(&tree, "/data")).unwrap();
    extraction.file(&tree, &found(&tree, "/data/b"), b"b").unwrap();
    assert_eq!(std::fs::read(outside.join("victim")).unwrap(), b"untouched");
    assert_eq!(std::fs::read(inner.join("b")).unwrap(), b"content of a");
    std::fs::set_permissions(inner.join("data/closed"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_root_fills_the_folder_itself() {
    let host = tempfile::tempdir().unwrap();
    let tree = tree();
    let mut extraction = Extraction::new(host.path(), ExtractOptions::default()).unwrap();
    extraction.folder(&tree, &tree.root()).unwrap();
    assert!(host.path().join("data/a").is_file());
    std::fs::set_permissions(host.path().join("data/closed"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn folders_within_folders_without_end_are_refused() {
    let mut fs = ModelFs::new(Timestamp::default());
    let mut here = fs.root();
    for _ in 0..600 {
        here = folder(&mut fs, here, b"d", 0o755);
    }
    let tree = Tree::new("model", Box::new(fs));
    let host = tempfile::tempdir().unwrap();
    let mut extraction = Extraction::new(host.path(), ExtractOptions::default()).unwrap();
    assert!(extraction.folder(&tree, &found(&tree, "/d")).is_err());
}
