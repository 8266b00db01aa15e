//! The writing half of the filesystem traits.

use super::read::check_file;
use super::{Ext4, acl};
use crate::error::{Refusal, Result};
use crate::format::inode::{InodeFlags, Time};
use imgctl_vfs::{FileFlags, MetadataChange, NewNode, NodeId, WriteFs, check_name};

/// Sizes above this need the feature `large_file`.
const SMALL_FILE_BYTES: u64 = 0x7fff_ffff;

impl Ext4 {
    fn check_writable(&self) -> Result<()> {
        if self.read_only {
            Err(Refusal::ReadOnly.into())
        } else {
            Ok(())
        }
    }

    fn check_file_node(&self, node: NodeId) -> Result<u32> {
        self.check_writable()?;
        let number = self.number(node)?;
        check_file(self.node(number)?.kind)?;
        Ok(number)
    }

    /// Stamps a file whose content changed.
    fn content_changed(&mut self, number: u32) -> Result<()> {
        self.touch_content(number)?;
        if self.node(number)?.inode.size() > SMALL_FILE_BYTES {
            self.volume.superblock.set_large_file();
        }
        Ok(())
    }

    fn change_metadata(&mut self, number: u32, change: &MetadataChange) -> Result<()> {
        if let Some(mode) = change.mode {
            self.change_access_list(number, mode)?;
        }
        let inode = &mut self.node_mut(number)?.inode;
        if let Some(mode) = change.mode {
            inode.set_mode((inode.mode() & !0o7777) | (mode & 0o7777));
        }
        if let Some(uid) = change.uid {
            inode.set_uid(uid);
        }
        if let Some(gid) = change.gid {
            inode.set_gid(gid);
        }
        if let Some(time) = change.accessed {
            inode.set_time(Time::Accessed, time);
        }
        if let Some(time) = change.modified {
            inode.set_time(Time::Modified, time);
        }
        self.touch_node(number)
    }

    /// Has an access control list, if the node has one, follow new permission bits.
    fn change_access_list(&mut self, number: u32, mode: u16) -> Result<()> {
        let mut xattrs = self.xattrs_of(&*self.node(number)?)?;
        let Some(list) = xattrs.get_mut(acl::ACCESS) else {
            return Ok(());
        };
        acl::set_permissions(list, mode);
        self.store_xattrs(number, &xattrs)
    }

    fn add_xattr(&mut self, number: u32, name: &[u8], value: &[u8]) -> Result<()> {
        let mut xattrs = self.xattrs_of(&*self.node(number)?)?;
        let mode = if name == acl::ACCESS {
            acl::permissions(value)
        } else {
            None
        };
        if mode.is_some() && acl::is_minimal(value) {
            xattrs.remove(name);
        } else {
            xattrs.insert(name.to_vec(), value.to_vec());
        }
        self.store_xattrs(number, &xattrs)?;
        if let Some(mode) = mode {
            let inode = &mut self.node_mut(number)?.inode;
            inode.set_mode((inode.mode() & !0o777) | mode);
        }
        Ok(())
    }

    fn change_flags(&mut self, number: u32, wanted: FileFlags) -> Result<()> {
        let inode = &mut self.node_mut(number)?.inode;
        let mut flags = inode.flags();
        flags.set(InodeFlags::IMMUTABLE, wanted.immutable);
        flags.set(InodeFlags::APPEND, wanted.append_only);
        flags.set(InodeFlags::NODUMP, wanted.no_dump);
        flags.set(InodeFlags::NOATIME, wanted.no_atime);
        inode.set_flags(flags);
        self.touch_node(number)
    }
}

impl WriteFs for Ext4 {
    fn create(&mut self, directory: NodeId, name: &[u8], new: &NewNode) -> imgctl_vfs::Result<NodeId> {
        self.check_writable()?;
        check_name(name)?;
        let directory = self.number(directory)?;
        Ok(NodeId(self.create_node(directory, name, new)?.into()))
    }

    fn write_at(&mut self, node: NodeId, offset: u64, data: &[u8]) -> imgctl_vfs::Result<()> {
        let number = self.check_file_node(node)?;
        if data.is_empty() {
            return Ok(());
        }
        let written = self.content(number)?.write(offset, data);
        self.content_changed(number)?;
        Ok(written?)
    }

    fn set_len(&mut self, node: NodeId, size: u64) -> imgctl_vfs::Result<()> {
        let number = self.check_file_node(node)?;
        self.content(number)?.set_len(size)?;
        Ok(self.content_changed(number)?)
    }

    fn set_metadata(&mut self, node: NodeId, change: &MetadataChange) -> imgctl_vfs::Result<()> {
        self.check_writable()?;
        let number = self.number(node)?;
        Ok(self.change_metadata(number, change)?)
    }

    fn set_flags(&mut self, node: NodeId, flags: FileFlags) -> imgctl_vfs::Result<()> {
        self.check_writable()?;
        let number = self.number(node)?;
        Ok(self.change_flags(number, flags)?)
    }

    fn set_xattr(&mut self, node: NodeId, name: &[u8], value: &[u8]) -> imgctl_vfs::Result<()> {
        self.check_writable()?;
        let number = self.number(node)?;
        Ok(self.add_xattr(number, name, value)?)
    }

    fn remove_xattr(&mut self, node: NodeId, name: &[u8]) -> imgctl_vfs::Result<()> {
        self.check_writable()?;
        let number = self.number(node)?;
        let mut xattrs = self.xattrs_of(&*self.node(number)?)?;
        if xattrs.remove(name).is_none() {
            let context = "there is no such attribute";
            return Err(imgctl_vfs::Error::new(imgctl_vfs::ErrorKind::NotFound, context));
        }
        Ok(self.store_xattrs(number, &xattrs)?)
    }

    fn link(&mut self, node: NodeId, directory: NodeId, name: &[u8]) -> imgctl_vfs::Result<()> {
        self.check_writable()?;
        check_name(name)?;
        let (number, directory) = (self.number(node)?, self.number(directory)?);
        Ok(self.link_node(number, directory, name)?)
    }

    fn rename(&mut self, from: NodeId, from_name: &[u8], to: NodeId, to_name: &[u8]) -> imgctl_vfs::Result<()> {
        self.check_writable()?;
        check_name(from_name)?;
        check_name(to_name)?;
        let (from, to) = (self.number(from)?, self.number(to)?);
        Ok(self.rename_name(from, from_name, to, to_name)?)
    }

    fn remove(&mut self, directory: NodeId, name: &[u8]) -> imgctl_vfs::Result<()> {
        self.check_writable()?;
        check_name(name)?;
        let directory = self.number(directory)?;
        Ok(self.remove_name(directory, name)?)
    }

    fn commit(self: Box<Self>) -> imgctl_vfs::Result<()> {
        Ok(self.write_all()?)
    }
}
