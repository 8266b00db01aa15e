//! Files that programs see and that are no part of the guest.

use crate::request::InjectedFile;
use imgctl_vfs::{FileKind, GuestPath, Metadata, Timestamp, Tree, TreeNode};
use std::collections::BTreeMap;

/// The attribute that tells injected files, and copies of them, from the guest's own.
pub(crate) const MARK: &[u8] = b"user.imgctl.injected";

/// The attribute that tells which node a copy began as, on nodes with several names: mount and node. The overlay itself
/// forgets that of just these.
pub(crate) const NODE: &[u8] = b"user.imgctl.node";

/// Folders that something is mounted on; a guest that lacks one sees it all the same.
const MOUNT_POINTS: [&[u8]; 5] = [b"dev", b"proc", b"run", b"sys", b"tmp"];

#[derive(Debug)]
pub(super) struct InjectedNode {
    kind: FileKind,
    mode: u16,
    pub(super) content: Vec<u8>,
}

impl InjectedNode {
    pub(super) fn metadata(&self) -> Metadata {
        let time = Timestamp::default();
        Metadata {
            kind: self.kind,
            mode: self.mode,
            uid: 0,
            gid: 0,
            size: self.content.len() as u64,
            links: 1,
            accessed: time,
            modified: time,
            changed: time,
            created: None,
            flags: imgctl_vfs::FileFlags::default(),
        }
    }
}

/// All of them, by the folder they are in.
#[derive(Debug, Default)]
pub(super) struct Injected {
    nodes: Vec<InjectedNode>,
    places: BTreeMap<TreeNode, BTreeMap<Vec<u8>, usize>>,
}

impl Injected {
    pub(super) fn new(tree: &Tree, files: &[InjectedFile]) -> Self {
        let mut injected = Self::default();
        for file in files {
            let (Some(folder), Some(name)) = (file.path.parent(), file.path.file_name()) else {
                continue;
            };
            // A folder that cannot be found is found missing by the program, too.
            let Ok(Some(folder)) = tree.find(&folder) else {
                continue;
            };
            let is_folder = |node| {
                tree.metadata(node)
                    .is_ok_and(|metadata| metadata.kind == FileKind::Directory)
            };
            if is_folder(folder.node) {
                let node = InjectedNode {
                    kind: FileKind::File,
                    mode: file.mode,
                    content: file.content.clone(),
                };
                injected.add(folder.node, name, node);
            }
        }
        for name in MOUNT_POINTS {
            let root = tree.root().node;
            if tree
                .find_link(&GuestPath::root().join(name))
                .is_ok_and(|found| found.is_none())
            {
                let node = InjectedNode {
                    kind: FileKind::Directory,
                    mode: 0o755,
                    content: Vec::new(),
                };
                injected.add(root, name, node);
            }
        }
        injected
    }

    fn add(&mut self, folder: TreeNode, name: &[u8], node: InjectedNode) {
        self.places
            .entry(folder)
            .or_default()
            .insert(name.to_vec(), self.nodes.len());
        self.nodes.push(node);
    }

    pub(super) fn get(&self, index: usize) -> Option<&InjectedNode> {
        self.nodes.get(index)
    }

    pub(super) fn find(&self, folder: TreeNode, name: &[u8]) -> Option<usize> {
        self.places.get(&folder)?.get(name).copied()
    }

    pub(super) fn below(&self, folder: TreeNode) -> impl Iterator<Item = (&[u8], usize)> {
        let names = self.places.get(&folder).into_iter().flatten();
        names.map(|(name, index)| (name.as_slice(), *index))
    }
}
