//! The reading half of the filesystem traits.

use super::{Ext4, ROOT_INODE};
use crate::error::{Error, Result, Structure};
use crate::features::Incompatible;
use crate::format::inode::{InodeFlags, Time};
use crate::node::Node;
use imgctl_vfs::{
    Capabilities, DirEntry, ErrorKind, FileFlags, FileKind, Metadata, NodeId, ReadFs, StatFs, check_name,
};
use std::collections::BTreeMap;
use std::ops::Range;

impl ReadFs for Ext4 {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            owners: true,
            special_files: true,
            hard_links: true,
            xattrs: true,
        }
    }

    fn root(&self) -> NodeId {
        NodeId(ROOT_INODE.into())
    }

    fn lookup(&self, directory: NodeId, name: &[u8]) -> imgctl_vfs::Result<Option<NodeId>> {
        check_name(name)?;
        let number = self.number(directory)?;
        let Some(entry) = self.directory(number)?.lookup(name) else {
            return Ok(None);
        };
        Ok(Some(self.named(number, entry.inode)?))
    }

    fn metadata(&self, node: NodeId) -> imgctl_vfs::Result<Metadata> {
        let node = self.node(self.number(node)?)?;
        Ok(metadata_of(&node))
    }

    fn read_dir(&self, directory: NodeId) -> imgctl_vfs::Result<Vec<DirEntry>> {
        let number = self.number(directory)?;
        let directory = self.directory(number)?;
        let entries = directory.entries().map(|(name, entry)| {
            Ok(DirEntry {
                name: name.to_vec(),
                node: self.named(number, entry.inode)?,
            })
        });
        Ok(entries.collect::<Result<_>>()?)
    }

    fn read_at(&self, node: NodeId, offset: u64, buf: &mut [u8]) -> imgctl_vfs::Result<usize> {
        let node = self.node(self.number(node)?)?;
        check_file(node.kind)?;
        let rest = node.inode.size().saturating_sub(offset);
        let count = usize::try_from(rest).unwrap_or(usize::MAX).min(buf.len());
        self.read_content(&node, offset, &mut buf[..count])?;
        Ok(count)
    }

    fn read_link(&self, node: NodeId) -> imgctl_vfs::Result<Vec<u8>> {
        let node = self.node(self.number(node)?)?;
        if node.kind != FileKind::Symlink {
            return Err(imgctl_vfs::Error::new(ErrorKind::InvalidInput, "not a symbolic link"));
        }
        // No longer than a block, which was checked when the node was read.
        let mut target = vec![0; node.inode.size() as usize];
        self.read_content(&node, 0, &mut target)?;
        if target.contains(&0) {
            let structure = Structure::Symlink(node.number);
            return Err(Error::corrupt(structure, "its target holds a NUL byte").into());
        }
        Ok(target)
    }

    fn xattrs(&self, node: NodeId) -> imgctl_vfs::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let node = self.node(self.number(node)?)?;
        Ok(self.xattrs_of(&node)?)
    }

    fn sectors(&self, node: NodeId) -> imgctl_vfs::Result<u64> {
        let node = self.node(self.number(node)?)?;
        let stored = node.inode.stored_blocks();
        match node.inode.flags().contains(InodeFlags::HUGE_FILE) {
            true => Ok(stored.saturating_mul(self.volume.block_bytes() / 512)),
            false => Ok(stored),
        }
    }

    fn statfs(&self) -> imgctl_vfs::Result<StatFs> {
        let superblock = &self.volume.superblock;
        let overhead = match superblock.overhead_blocks() {
            0 => self.volume.system_block_count() + u64::from(superblock.first_data_block) + self.journal_blocks()?,
            clusters => u64::from(clusters) * u64::from(superblock.cluster_blocks),
        };
        let free_blocks = self.space.free_blocks() * u64::from(superblock.cluster_blocks);
        let kept_blocks = superblock.reserved_blocks().saturating_add(self.kernel_reserve());
        Ok(StatFs {
            block_bytes: superblock.block_bytes,
            blocks: superblock.blocks.saturating_sub(overhead),
            free_blocks,
            available_blocks: free_blocks.saturating_sub(kept_blocks),
            nodes: superblock.inodes.into(),
            free_nodes: self.space.free_inodes(),
        })
    }

    fn free_ranges(&self) -> imgctl_vfs::Result<Vec<Range<u64>>> {
        let block_bytes = self.volume.block_bytes();
        let runs = self.space.free_runs(&self.volume)?.into_iter();
        Ok(runs.map(|run| run.start * block_bytes..run.end * block_bytes).collect())
    }
}

impl Ext4 {
    /// The blocks of a journal that lies in the filesystem.
    fn journal_blocks(&self) -> Result<u64> {
        match self.volume.superblock.journal_inode() {
            0 => Ok(0),
            number => Ok(self.node(number)?.inode.size().div_ceil(self.volume.block_bytes())),
        }
    }

    /// The blocks that a kernel keeps back for extents it may have to split: 2 % of all, at most 4096 clusters
    /// (ext4's documentation of `reserved_clusters` in sysfs).
    fn kernel_reserve(&self) -> u64 {
        let superblock = &self.volume.superblock;
        if !superblock.features.incompatible.contains(Incompatible::EXTENT) {
            return 0;
        }
        let cluster_blocks = u64::from(superblock.cluster_blocks).max(1);
        (superblock.blocks / cluster_blocks / 50).min(4096) * cluster_blocks
    }

    /// The node id of an inode that a directory names.
    fn named(&self, directory: u32, inode: u32) -> Result<NodeId> {
        if self.may_be_named(inode) {
            return Ok(NodeId(inode.into()));
        }
        let problem = format!("it names inode {inode}, which is no file's");
        Err(Error::corrupt(Structure::Directory(directory), problem))
    }
}

/// Fails unless the node has content of its own.
pub(super) fn check_file(kind: FileKind) -> Result<()> {
    match kind {
        FileKind::File => Ok(()),
        FileKind::Directory => Err(Error::request(ErrorKind::IsADirectory, "a directory has no content")),
        _ => Err(Error::request(ErrorKind::InvalidInput, "not a regular file")),
    }
}

fn metadata_of(node: &Node) -> Metadata {
    let inode = &node.inode;
    let flags = inode.flags();
    let time = |time| inode.time(time).unwrap_or_default();
    Metadata {
        kind: node.kind,
        mode: inode.mode() & 0o7777,
        uid: inode.uid(),
        gid: inode.gid(),
        size: inode.size(),
        links: inode.links().into(),
        accessed: time(Time::Accessed),
        modified: time(Time::Modified),
        changed: time(Time::Changed),
        created: inode.time(Time::Created),
        flags: FileFlags {
            immutable: flags.contains(InodeFlags::IMMUTABLE),
            append_only: flags.contains(InodeFlags::APPEND),
            no_dump: flags.contains(InodeFlags::NODUMP),
            no_atime: flags.contains(InodeFlags::NOATIME),
        },
    }
}
