//! A check of the whole filesystem: every tree with its neighbours and keys, every block counted once, every file named
//! as often as it says. xfs_repair knows more; this needs nothing but the library.

mod index;
mod inodes;
mod space;

use crate::alloc::{Group, has_unlinked};
use crate::error::{Error, Result, Structure};
use crate::format::agf::AgfField;
use crate::format::btree::TreeKind;
use crate::fs::Xfs;
use space::{BlockMap, Use};

impl Xfs {
    /// Checks the filesystem as it lies on the device. Meant for one freshly opened.
    ///
    /// # Errors
    ///
    /// `Corrupt` with the first structure that is wrong.
    pub fn verify(&self) -> Result<()> {
        let volume = self.volume();
        let mut blocks = BlockMap::default();
        let mut groups = Vec::new();
        for number in 0..volume.superblock.groups {
            let group = Group::read(volume, number, true)?;
            if has_unlinked(&group.agi) {
                return Err(Error::corrupt(Structure::Agi(number), "files wait for their removal"));
            }
            blocks.note_group(volume, &group)?;
            groups.push(group);
        }
        self.check_superblock(&groups)?;
        self.verify_inodes(&groups, &mut blocks)?;
        blocks.check(volume, &groups)
    }

    fn check_superblock(&self, groups: &[Group]) -> Result<()> {
        let superblock = &self.volume().superblock;
        let chunks = || groups.iter().flat_map(|group| group.chunks.values());
        let inodes: u64 = chunks().map(|chunk| u64::from(chunk.count)).sum();
        let free_inodes: u64 = chunks().map(|chunk| u64::from(chunk.free_count)).sum();
        if (superblock.inodes, superblock.free_inodes) != (inodes, free_inodes) {
            let problem = format!(
                "it counts {} inodes, {} of them free, but there are {inodes} and {free_inodes}",
                superblock.inodes, superblock.free_inodes
            );
            return Err(Error::corrupt(Structure::Superblock, problem));
        }
        let mut free = 0;
        for group in groups {
            let kinds = [TreeKind::FreeByBlock, TreeKind::FreeByLength, TreeKind::Owners];
            let trees = kinds.iter().filter_map(|kind| group.trees.get(kind));
            let beyond_roots: usize = trees.map(|blocks| blocks.len().saturating_sub(1)).sum();
            if group.agf.get(AgfField::TreeBlocks) as usize != beyond_roots {
                return Err(Error::corrupt(
                    Structure::Agf(group.number),
                    "its count of tree blocks is wrong",
                ));
            }
            free += u64::from(group.free.total()) + beyond_roots as u64 + u64::from(group.agf.get(AgfField::ListCount));
        }
        if superblock.free_blocks != free {
            let problem = format!("it counts {} free blocks, but there are {free}", superblock.free_blocks);
            return Err(Error::corrupt(Structure::Superblock, problem));
        }
        Ok(())
    }
}

/// What a tree's blocks are to the map of all blocks.
fn use_of(kind: TreeKind) -> Use {
    use crate::format::record::owner;
    Use::Own(match kind {
        TreeKind::Inodes | TreeKind::FreeInodes => owner::INODE_TREES,
        TreeKind::Refcounts => owner::REFCOUNTS,
        _ => owner::GROUP,
    })
}
