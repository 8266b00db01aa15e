//! The walk over all inodes in use, and over all names.

use super::space::{BlockMap, Use};
use crate::alloc::Group;
use crate::error::{Error, Result, Structure};
use crate::format::inode::directory_type;
use crate::format::record::RmapRecord;
use crate::fs::Xfs;
use crate::node::{Fork, Node};
use crate::xattr;
use imgctl_vfs::FileKind;
use std::collections::{BTreeMap, BTreeSet};

impl Xfs {
    /// Reads every inode in use, notes its blocks, and compares the names with the links.
    pub(super) fn verify_inodes(&self, groups: &[Group], blocks: &mut BlockMap) -> Result<()> {
        let mut links = BTreeMap::new();
        let own: BTreeSet<u64> = self.volume().superblock.own_inodes().into_iter().collect();
        for group in groups {
            for chunk in group.chunks.values() {
                for within in Group::used_inodes(*chunk) {
                    let number = self.volume().inode_number(group.number, within);
                    let node = self.verify_inode(number)?;
                    note_blocks(self, &node, blocks);
                    if !own.contains(&number) {
                        links.insert(number, node.inode.links());
                    }
                }
            }
        }
        let names = self.verify_names(&links)?;
        for (number, links) in links {
            let found = names.get(&number).copied().unwrap_or(0);
            if found != links {
                let problem = format!("it says it has {links} links, but {found} were found");
                return Err(Error::corrupt(Structure::Inode(number), problem));
            }
        }
        Ok(())
    }

    fn verify_inode(&self, number: u64) -> Result<Node> {
        let damage = |problem: String| Err(Error::corrupt(Structure::Inode(number), problem));
        let node = Node::decode(self.volume(), number, self.read_inode(number)?)?;
        let blocks = node.data.blocks() + node.attributes.blocks();
        if node.inode.blocks() != blocks {
            return damage(format!("it counts {} blocks, but has {blocks}", node.inode.blocks()));
        }
        if node.inode.next_unlinked() != u32::MAX {
            return damage("it is in a list of deleted inodes".to_owned());
        }
        xattr::read(self.volume(), &node)?;
        Ok(node)
    }

    /// Walks all directories from the root on and counts the links of each inode: names, and `.` and `..`.
    fn verify_names(&self, inodes: &BTreeMap<u64, u32>) -> Result<BTreeMap<u64, u32>> {
        let root = self.volume().superblock.root_inode;
        let mut names: BTreeMap<u64, u32> = BTreeMap::from([(root, 1)]);
        let mut seen = BTreeSet::from([root]);
        let mut pending = vec![(root, root)];
        while let Some((number, parent)) = pending.pop() {
            let directory = self.directory(number)?;
            let damage = |problem: String| Err(Error::corrupt(Structure::Directory(number), problem));
            if directory.parent() != parent {
                return damage("its .. is not its parent".to_owned());
            }
            *names.entry(number).or_default() += 1;
            self.check_index(number)?;
            for (name, entry) in directory.entries() {
                let kind = match inodes.contains_key(&entry.inode) {
                    true => self.node(entry.inode)?.kind,
                    false => return damage(format!("it names inode {}, which is not in use", entry.inode)),
                };
                let told = entry.file_type;
                if self.volume().superblock.features.has_file_types() && told != directory_type(kind) {
                    return damage(format!("{} has the wrong type", name.escape_ascii()));
                }
                if kind == FileKind::Directory {
                    if !seen.insert(entry.inode) {
                        return damage(format!("directory {} has two names", entry.inode));
                    }
                    *names.entry(number).or_default() += 1;
                    pending.push((entry.inode, number));
                } else {
                    *names.entry(entry.inode).or_default() += 1;
                }
            }
        }
        // The name of each directory: for the root, the `..` of its own.
        for number in seen {
            if number != root {
                *names.entry(number).or_default() += 1;
            }
        }
        Ok(names)
    }
}

fn note_blocks(fs: &Xfs, node: &Node, blocks: &mut BlockMap) {
    let mut note = |fork: &Fork, bits: u64| {
        for extent in fork.map.iter() {
            let of = Use::File {
                number: node.number,
                offset: bits | extent.logical,
                unwritten: extent.unwritten,
            };
            blocks.note_run(fs.volume(), extent.physical, extent.length, of);
        }
        for block in &fork.tree_blocks {
            let of = Use::File {
                number: node.number,
                offset: bits | RmapRecord::TREE_BLOCK,
                unwritten: false,
            };
            blocks.note_run(fs.volume(), *block, 1, of);
        }
    };
    note(&node.data, 0);
    note(&node.attributes, RmapRecord::ATTRIBUTES);
}
