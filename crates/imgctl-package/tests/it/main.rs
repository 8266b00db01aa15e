//! Package databases against the managers' own programs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod damage;
mod databases;
mod rpmdb;
mod versions;

use imgctl_vfs::{FileKind, ModelFs, NewNode, NodeId, ReadFs as _, Timestamp, Tree, WriteFs as _};
use std::fs;
use std::path::Path;

/// A folder of the host as a guest in memory.
fn guest(root: &Path) -> Tree {
    let mut model = ModelFs::new(Timestamp::default());
    let start = model.root();
    load(&mut model, root, start);
    Tree::new("test", Box::new(model))
}

fn load(model: &mut ModelFs, from: &Path, to: NodeId) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        let mut new = NewNode {
            kind: FileKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            target: Vec::new(),
        };
        if kind.is_dir() {
            new.kind = FileKind::Directory;
        } else if kind.is_symlink() {
            new.kind = FileKind::Symlink;
            new.target = fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
        } else if !kind.is_file() {
            continue;
        }
        let name = path.file_name().unwrap().as_encoded_bytes();
        let node = model.create(to, name, &new).unwrap();
        match new.kind {
            FileKind::Directory => load(model, &path, node),
            FileKind::File => model.write_at(node, 0, &fs::read(&path).unwrap()).unwrap(),
            _ => {}
        }
    }
}

/// Writes a file below `root`, with the folders above it.
fn put(root: &Path, path: &str, content: &[u8]) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
