//! The reading half of the filesystem traits.

use super::Xfs;
use crate::alloc::all_reserved_blocks;
use crate::error::{Error, Result, Structure};
use crate::format::inode::{Time, flags};
use crate::node::Node;
use crate::xattr;
use imgctl_vfs::{
    Capabilities, DirEntry, ErrorKind, FileFlags, FileKind, Metadata, NodeId, ReadFs, StatFs, check_name,
};
use std::collections::BTreeMap;
use std::ops::Range;

/// Blocks of each group that `statfs` does not count as free (XFS_ALLOCBT_AGFL_RESERVE and four more).
const SET_ASIDE_BLOCKS: u64 = 8;

impl ReadFs for Xfs {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            owners: true,
            special_files: true,
            hard_links: true,
            xattrs: true,
        }
    }

    fn root(&self) -> NodeId {
        NodeId(self.volume.superblock.root_inode)
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
        Ok(node.target.clone())
    }

    fn xattrs(&self, node: NodeId) -> imgctl_vfs::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let node = self.node(self.number(node)?)?;
        Ok(self.outside_xattrs(&node)?)
    }

    fn sectors(&self, node: NodeId) -> imgctl_vfs::Result<u64> {
        let node = self.node(self.number(node)?)?;
        Ok(node.inode.blocks().saturating_mul(self.volume.block_bytes() / 512))
    }

    fn statfs(&self) -> imgctl_vfs::Result<StatFs> {
        let superblock = &self.volume.superblock;
        let percent = u64::from(superblock.max_inode_percent);
        // As the kernel tells it: it sets blocks of every group aside for splits of the trees of free space.
        let aside = SET_ASIDE_BLOCKS.saturating_mul(superblock.groups.into());
        let free = self.space.free_blocks(&self.volume).saturating_sub(aside);
        let (inodes, free_inodes) = self.space.inodes(&self.volume);
        let possible = free.saturating_mul(1 << superblock.inodes_per_block_log);
        let most = match percent {
            0 => u64::MAX,
            percent => (superblock.blocks / 100 * percent) << superblock.inodes_per_block_log,
        };
        let nodes = superblock
            .inodes
            .saturating_add(possible)
            .min(most.max(superblock.inodes));
        let used = inodes.saturating_sub(free_inodes);
        Ok(StatFs {
            block_bytes: superblock.block_bytes,
            blocks: superblock.blocks.saturating_sub(superblock.log_blocks.into()),
            free_blocks: free,
            available_blocks: free.saturating_sub(all_reserved_blocks(&self.volume)),
            nodes,
            free_nodes: nodes.saturating_sub(used),
        })
    }

    fn free_ranges(&self) -> imgctl_vfs::Result<Vec<Range<u64>>> {
        let block_bytes = self.volume.block_bytes();
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for group in 0..self.volume.superblock.groups {
            for (start, length) in self.space.free_runs(&self.volume, group)? {
                let start = self.volume.offset(self.volume.block(group, start));
                let end = start + u64::from(length) * block_bytes;
                match ranges.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ => ranges.push(start..end),
                }
            }
        }
        Ok(ranges)
    }
}

impl Xfs {
    /// The node id of an inode that a directory names.
    fn named(&self, directory: u64, inode: u64) -> Result<NodeId> {
        if self.may_be_named(inode) {
            return Ok(NodeId(inode));
        }
        let problem = format!("it names inode {inode}, which is no file's");
        Err(Error::corrupt(Structure::Directory(directory), problem))
    }

    /// The attributes as callers see them.
    pub(super) fn outside_xattrs(&self, node: &Node) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let inside = xattr::read(&self.volume, node)?;
        let damage = || Error::corrupt(Structure::Xattrs(node.number), "an attribute makes no sense");
        xattr::to_outside(&inside).ok_or_else(damage)
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
    let bits = inode.flags();
    let time = |time| inode.time(time).unwrap_or_default();
    Metadata {
        kind: node.kind,
        mode: inode.mode() & 0o7777,
        uid: inode.uid(),
        gid: inode.gid(),
        size: inode.size(),
        links: inode.links(),
        accessed: time(Time::Accessed),
        modified: time(Time::Modified),
        changed: time(Time::Changed),
        created: inode.time(Time::Created),
        flags: FileFlags {
            immutable: bits & flags::IMMUTABLE != 0,
            append_only: bits & flags::APPEND != 0,
            no_dump: bits & flags::NODUMP != 0,
            no_atime: bits & flags::NOATIME != 0,
        },
    }
}
