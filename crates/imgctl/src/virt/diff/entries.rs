//! Everything that is in a guest, with what is compared of it.

use crate::command_error::{CommandError, CommandResult};
use crate::virt::checksum::Checksum;
use imgctl_vfs::{FileKind, GuestPath, Metadata, Timestamp, Tree, TreeNode};
use std::collections::BTreeMap;

/// What is compared besides what always is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compared {
    pub(super) atime: bool,
    pub(super) dir_links: bool,
    pub(super) dir_times: bool,
    pub(super) checksum: Option<Checksum>,
}

/// One file, of whatever kind.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: GuestPath,
    pub(super) node: TreeNode,
    /// As it is compared: what is not is zero.
    pub(super) metadata: Metadata,
    pub(super) sectors: u64,
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) checksum: Option<String>,
}

/// All entries, a folder before what is in it, names in order of their bytes.
pub(super) fn entries(tree: &Tree, compared: &Compared) -> CommandResult<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in tree.walk(&tree.root()) {
        let entry = entry.map_err(|source| CommandError::guest("cannot read the guest's files", source))?;
        let of = |path: &GuestPath| Entry::new(tree, path.clone(), entry.node, entry.metadata.clone(), compared);
        let read = of(&entry.path).map_err(|source| CommandError::guest(format!("cannot read {}", entry.path), source));
        entries.push(read?);
    }
    Ok(entries)
}

impl Entry {
    fn new(
        tree: &Tree,
        path: GuestPath,
        node: TreeNode,
        mut metadata: Metadata,
        compared: &Compared,
    ) -> imgctl_vfs::Result<Self> {
        let checksum = match compared.checksum {
            Some(checksum) if metadata.kind == FileKind::File => Some(checksum.of(tree, node)?),
            _ => None,
        };
        let fs = tree.fs(node);
        let sectors = fs.sectors(node.node)?;
        let xattrs = fs.xattrs(node.node)?;
        let is_directory = metadata.kind == FileKind::Directory;
        if !compared.atime || (is_directory && !compared.dir_times) {
            metadata.accessed = Timestamp::default();
        }
        if is_directory && !compared.dir_times {
            metadata.modified = Timestamp::default();
            metadata.changed = Timestamp::default();
        }
        if is_directory && !compared.dir_links {
            metadata.links = 0;
        }
        Ok(Self {
            path,
            node,
            metadata,
            sectors,
            xattrs,
            checksum,
        })
    }

    /// The names on the way to it.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        let names = self.path.as_bytes().split(|byte| *byte == b'/');
        names.filter(|name| !name.is_empty())
    }

    /// The fields of stat that are different, and `xattrs`. Device and inode are no difference of content or metadata.
    pub(super) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let (old, new) = (&self.metadata, &other.metadata);
        let compared = [
            ("st_mode", old.kind.name() != new.kind.name() || old.mode != new.mode),
            ("st_nlink", old.links != new.links),
            ("st_uid", old.uid != new.uid),
            ("st_gid", old.gid != new.gid),
            ("st_rdev", device(old.kind) != device(new.kind)),
            ("st_size", old.size != new.size),
            ("st_blocks", self.sectors != other.sectors),
            ("st_atime_sec", old.accessed.seconds != new.accessed.seconds),
            ("st_mtime_sec", old.modified.seconds != new.modified.seconds),
            ("st_ctime_sec", old.changed.seconds != new.changed.seconds),
            ("xattrs", self.xattrs != other.xattrs),
        ];
        compared
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(name, _)| name)
            .collect()
    }
}

fn device(kind: FileKind) -> (u32, u32) {
    match kind {
        FileKind::CharDevice(major, minor) | FileKind::BlockDevice(major, minor) => (major, minor),
        _ => (0, 0),
    }
}
