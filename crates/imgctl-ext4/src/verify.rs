//! A check of the whole filesystem for what a wrong engine would get wrong: blocks and inodes counted twice or not at
//! all. e2fsck knows far more; this needs nothing but the library.

use crate::error::{Error, Result, Structure};
use crate::fs::{Ext4, ROOT_INODE};
use crate::node::Node;
use imgctl_vfs::FileKind;
use std::collections::BTreeMap;

/// What the walk over all inodes has found.
#[derive(Debug, Default)]
struct Found {
    /// Every run of blocks with its owner.
    runs: Vec<(u64, u64, u32)>,
    /// Attribute blocks, which several inodes may share: how many do, and how many the block says.
    shared: BTreeMap<u64, (u32, u32)>,
    /// How many entries name each inode.
    names: BTreeMap<u32, u32>,
}

impl Ext4 {
    /// Checks that the bitmaps and the descriptors count alike, that no block belongs to two files or
    /// is free while in use, and that every file is named as often as it says. Meant for a filesystem freshly opened.
    pub fn verify(&self) -> Result<()> {
        self.space().check_counts(self.volume())?;
        let mut found = Found::default();
        let mut pending = vec![(ROOT_INODE, ROOT_INODE)];
        while let Some((number, parent)) = pending.pop() {
            let node = self.node(number)?;
            let before = found.names.entry(number).or_default();
            *before += 1;
            if *before > 1 {
                if node.kind == FileKind::Directory {
                    return Err(Error::corrupt(Structure::Directory(number), "it has two names"));
                }
                continue;
            }
            self.note_blocks(&node, &mut found)?;
            self.xattrs_of(&node)?;
            if node.kind == FileKind::Directory {
                let directory = self.directory(number)?;
                if directory.parent() != parent {
                    return Err(Error::corrupt(Structure::Directory(number), "its .. is not its parent"));
                }
                for (_, entry) in directory.entries() {
                    if entry.inode == ROOT_INODE || !self.may_be_named(entry.inode) {
                        let problem = format!("it names inode {}, which is no file's", entry.inode);
                        return Err(Error::corrupt(Structure::Directory(number), problem));
                    }
                    pending.push((entry.inode, number));
                }
            }
        }
        self.check_names(&found)?;
        self.check_runs(found)
    }

    fn note_blocks(&self, node: &Node, found: &mut Found) -> Result<()> {
        let number = node.number;
        let extents = node.map.iter();
        found
            .runs
            .extend(extents.map(|extent| (extent.physical, extent.physical + u64::from(extent.length), number)));
        found
            .runs
            .extend(node.tree_blocks.iter().map(|block| (*block, block + 1, number)));
        if let Some((block, references)) = self.xattr_references(node)? {
            found.shared.entry(block).or_insert((0, references)).0 += 1;
        }
        Ok(())
    }

    fn check_names(&self, found: &Found) -> Result<()> {
        for (number, names) in &found.names {
            let node = self.node(*number)?;
            let links = u32::from(node.inode.links());
            if node.kind != FileKind::Directory && links != *names {
                let problem = format!("it says it has {links} names, but {names} were found");
                return Err(Error::corrupt(Structure::Inode(*number), problem));
            }
        }
        let numbers = found.names.keys().copied();
        if let Some(number) = self.space().first_free_of(self.volume(), numbers)? {
            return Err(Error::corrupt(
                Structure::Inode(number),
                "it is in use but marked as free",
            ));
        }
        for (block, (owners, references)) in &found.shared {
            if owners != references {
                let problem = format!("attribute block {block} has {owners} owners, but says {references}");
                return Err(Error::corrupt(Structure::Superblock, problem));
            }
        }
        Ok(())
    }

    fn check_runs(&self, found: Found) -> Result<()> {
        let mut runs = found.runs;
        runs.extend(found.shared.keys().map(|block| (*block, block + 1, 0)));
        runs.sort_unstable();
        for pair in runs.windows(2) {
            if let [(_, end, first), (start, _, second)] = pair
                && end > start
            {
                let problem = format!("block {start} belongs to inode {first} as well");
                return Err(Error::corrupt(Structure::Inode(*second), problem));
            }
        }
        let free = self.space().free_runs(self.volume())?;
        for (start, end, number) in runs {
            let after = free.partition_point(|run| run.end <= start);
            if free.get(after).is_some_and(|run| run.start < end) {
                let problem = format!("a block from {start} on is in use but marked as free");
                return Err(Error::corrupt(Structure::Inode(number), problem));
            }
        }
        Ok(())
    }
}
