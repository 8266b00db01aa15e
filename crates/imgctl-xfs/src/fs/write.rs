//! The writing half of the filesystem traits.

use super::Xfs;
use super::read::check_file;
use crate::error::{Refusal, Result};
use crate::format::inode::{Time, flags};
use imgctl_vfs::{FileFlags, MetadataChange, NewNode, NodeId, WriteFs, check_name};

impl Xfs {
    fn check_writable(&self) -> Result<()> {
        if self.read_only {
            Err(Refusal::ReadOnly.into())
        } else {
            Ok(())
        }
    }

    fn check_file_node(&self, node: NodeId) -> Result<u64> {
        self.check_writable()?;
        let number = self.number(node)?;
        check_file(self.node(number)?.kind)?;
        Ok(number)
    }

    fn change_metadata(&mut self, number: u64, change: &MetadataChange) -> Result<()> {
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

    fn change_flags(&mut self, number: u64, wanted: FileFlags) -> Result<()> {
        let inode = &mut self.node_mut(number)?.inode;
        let mut bits = inode.flags();
        for (flag, set) in [
            (flags::IMMUTABLE, wanted.immutable),
            (flags::APPEND, wanted.append_only),
            (flags::NODUMP, wanted.no_dump),
            (flags::NOATIME, wanted.no_atime),
        ] {
            bits = if set { bits | flag } else { bits & !flag };
        }
        inode.set_flags(bits);
        self.touch_node(number)
    }
}

impl WriteFs for Xfs {
    fn create(&mut self, directory: NodeId, name: &[u8], new: &NewNode) -> imgctl_vfs::Result<NodeId> {
        self.check_writable()?;
        check_name(name)?;
        let directory = self.number(directory)?;
        Ok(NodeId(self.create_node(directory, name, new)?))
    }

    fn write_at(&mut self, node: NodeId, offset: u64, data: &[u8]) -> imgctl_vfs::Result<()> {
        let number = self.check_file_node(node)?;
        if data.is_empty() {
            return Ok(());
        }
        let written = self.layouter(number)?.write(offset, data);
        self.touch_content(number)?;
        Ok(written?)
    }

    fn set_len(&mut self, node: NodeId, size: u64) -> imgctl_vfs::Result<()> {
        let number = self.check_file_node(node)?;
        self.layouter(number)?.set_len(size)?;
        Ok(self.touch_content(number)?)
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
        Ok(self.drop_xattr(number, name)?)
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
