//! Taking and giving back inodes.

use super::{Bitmap, Space, load_inode_bitmap};
use crate::error::{Error, Result, Structure};
use crate::format::group::GroupFlags;
use crate::volume::Volume;

impl Space {
    /// Takes the first free inode of `goal_group`, or of the next group that has one.
    pub(crate) fn allocate_inode(&mut self, volume: &Volume, goal_group: u32, directory: bool) -> Result<u32> {
        let count = volume.superblock.groups;
        for step in 0..count {
            let number = ((u64::from(goal_group) + u64::from(step)) % u64::from(count)) as u32;
            if self
                .groups
                .get(number as usize)
                .is_none_or(|space| space.group.free_inodes == 0)
            {
                continue;
            }
            return self.take_inode(volume, number, directory);
        }
        Err(Error::NoInodes)
    }

    fn take_inode(&mut self, volume: &Volume, number: u32, directory: bool) -> Result<u32> {
        let per_group = volume.superblock.inodes_per_group;
        let first = volume.superblock.first_inode;
        self.load_inodes(volume, number)?;
        // The kernel initialises both bitmaps of a group together.
        self.initialise_blocks(volume, number)?;
        let structure = Structure::InodeBitmap(number);
        let missing = || Error::corrupt(structure, "it has no free inode, its group's descriptor says otherwise");
        let space = self.groups.get_mut(number as usize).ok_or_else(missing)?;
        let bitmap = space.inodes.as_mut().ok_or_else(missing)?;
        let index = bitmap.next_free(space.first_free_inode).ok_or_else(missing)?;
        let inode = number * per_group + index + 1;
        if inode < first {
            return Err(Error::corrupt(structure, "a reserved inode is marked as free"));
        }
        bitmap.set(index..index + 1, true);
        space.first_free_inode = index + 1;
        space.inodes_changed = true;
        let group = &mut space.group;
        group.free_inodes -= 1;
        group.used_directories = group.used_directories.saturating_add(u32::from(directory));
        if volume.superblock.features.group_csum() {
            if group.flags.contains(GroupFlags::INODE_UNINIT) {
                group.flags.remove(GroupFlags::INODE_UNINIT);
                group.unused_inodes = per_group;
            }
            group.unused_inodes = group.unused_inodes.min(per_group - index - 1);
        }
        self.free_inodes -= 1;
        Ok(inode)
    }

    /// Gives an inode back.
    pub(crate) fn free_inode(&mut self, volume: &Volume, inode: u32, directory: bool) -> Result<()> {
        let number = volume.group_of_inode(inode);
        let index = (inode - 1) % volume.superblock.inodes_per_group;
        let bitmap = self.load_inodes(volume, number)?;
        if !bitmap.is_used(index) {
            let structure = Structure::InodeBitmap(number);
            return Err(Error::corrupt(
                structure,
                format!("inode {inode} is in use but marked as free"),
            ));
        }
        bitmap.set(index..index + 1, false);
        if let Some(space) = self.groups.get_mut(number as usize) {
            space.first_free_inode = space.first_free_inode.min(index);
            space.inodes_changed = true;
            space.group.free_inodes += 1;
            let directories = &mut space.group.used_directories;
            *directories = directories.saturating_sub(u32::from(directory));
        }
        self.free_inodes += 1;
        Ok(())
    }

    fn load_inodes(&mut self, volume: &Volume, number: u32) -> Result<&mut Bitmap> {
        let structure = Structure::InodeBitmap(number);
        let space = self
            .groups
            .get_mut(number as usize)
            .ok_or_else(|| Error::corrupt(structure, "there is no such group"))?;
        if space.inodes.is_none() {
            let bitmap = load_inode_bitmap(volume, number, &space.group)?;
            if bitmap.free_count() != space.group.free_inodes {
                let problem = format!(
                    "it has {} free inodes, its group's descriptor says {}",
                    bitmap.free_count(),
                    space.group.free_inodes
                );
                return Err(Error::corrupt(structure, problem));
            }
            space.inodes = Some(bitmap);
        }
        space
            .inodes
            .as_mut()
            .ok_or_else(|| Error::corrupt(structure, "it is missing"))
    }
}
