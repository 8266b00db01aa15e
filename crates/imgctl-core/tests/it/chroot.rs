//! Whole guests in which their own programs run.

use crate::offline::load;
use imgctl_testkit::fixture;
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::oracle::{self, Partition};
use imgctl_vfs::{FileKind, ModelFs, NewNode, NodeId, ReadFs, Timestamp, WriteFs};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A guest's root, on which nothing is written: what changes lies in a folder above it.
pub(crate) struct Chroot {
    merged: TempDir,
    _above: TempDir,
    below: Mount,
}

impl Chroot {
    pub(crate) fn new(fixture: &str) -> Self {
        let image = fixture::raw(fixture).unwrap();
        let partitions = oracle::partitions(&image).unwrap();
        let root: Partition = partitions.into_iter().max_by_key(|partition| partition.len).unwrap();
        let below = Mount::new(&image, root, Access::ReadOnly).unwrap();
        let above = tempfile::tempdir().unwrap();
        let merged = tempfile::tempdir().unwrap();
        for folder in ["upper", "work"] {
            fs::create_dir(above.path().join(folder)).unwrap();
        }
        let options = format!(
            "lowerdir={},upperdir={}/upper,workdir={}/work",
            below.path().display(),
            above.path().display(),
            above.path().display()
        );
        let arguments = ["-t", "overlay", "-o", &options, "overlay"].map(OsStr::new);
        oracle::run("mount", arguments.into_iter().chain([merged.path().as_os_str()])).unwrap();
        Self {
            merged,
            _above: above,
            below,
        }
    }

    /// Where its root is, as it has become.
    pub(crate) fn path(&self) -> &Path {
        self.merged.path()
    }

    /// Where its root is, as it came.
    pub(crate) fn below(&self) -> &Path {
        self.below.path()
    }

    /// Runs a program of its own; whether that succeeded.
    pub(crate) fn run<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> bool {
        let output = Command::new("chroot")
            .arg(self.merged.path())
            .args(words)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .unwrap();
        output.status.success()
    }

    /// These files and folders of it, and nothing else.
    pub(crate) fn model(&self, paths: &[&str]) -> ModelFs {
        let mut model = ModelFs::new(Timestamp::default());
        for path in paths {
            let from = self.merged.path().join(path);
            let Ok(metadata) = fs::symlink_metadata(&from) else {
                continue;
            };
            let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
            let mut parent = model.root();
            for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
                parent = child(&mut model, parent, folder, FileKind::Directory, b"");
            }
            if metadata.is_symlink() {
                let target = fs::read_link(&from).unwrap();
                let target = target.as_os_str().as_encoded_bytes();
                child(&mut model, parent, name, FileKind::Symlink, target);
            } else if metadata.is_dir() {
                let folder = child(&mut model, parent, name, FileKind::Directory, b"");
                load(&mut model, &from, folder);
            } else {
                let file = child(&mut model, parent, name, FileKind::File, b"");
                model.write_at(file, 0, &fs::read(&from).unwrap()).unwrap();
            }
        }
        model
    }
}

impl Drop for Chroot {
    fn drop(&mut self) {
        drop(oracle::output("umount", [self.merged.path().as_os_str()]));
    }
}

/// The node of this name, made where it is missing.
fn child(model: &mut ModelFs, parent: NodeId, name: &str, kind: FileKind, target: &[u8]) -> NodeId {
    if let Some(node) = model.lookup(parent, name.as_bytes()).unwrap() {
        return node;
    }
    let new = NewNode {
        kind,
        mode: 0o755,
        uid: 0,
        gid: 0,
        target: target.to_vec(),
    };
    model.create(parent, name.as_bytes(), &new).unwrap()
}
