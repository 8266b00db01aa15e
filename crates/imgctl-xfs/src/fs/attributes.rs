//! Changing extended attributes, and the access list that mirrors the permission bits.

use super::Xfs;
use crate::error::{Error, Result};
use crate::xattr::{self, Xattrs};
use imgctl_vfs::ErrorKind;

impl Xfs {
    pub(super) fn add_xattr(&mut self, number: u64, name: &[u8], value: &[u8]) -> Result<()> {
        let mut xattrs = xattr::read(&self.volume, &*self.node(number)?)?;
        let Some((key, stored)) = xattr::from_outside(name, value) else {
            let context = "XFS does not keep such an attribute";
            return Err(Error::request(ErrorKind::InvalidInput, context));
        };
        let mode = if name == xattr::ACCESS {
            xattr::permissions(value)
        } else {
            None
        };
        if mode.is_some() && xattr::is_minimal(value) {
            xattrs.remove(&key);
        } else {
            xattrs.insert(key, stored);
        }
        self.store_xattrs(number, xattrs)?;
        if let Some(mode) = mode {
            let inode = &mut self.node_mut(number)?.inode;
            inode.set_mode((inode.mode() & !0o777) | mode);
        }
        Ok(())
    }

    pub(super) fn drop_xattr(&mut self, number: u64, name: &[u8]) -> Result<()> {
        let mut xattrs = xattr::read(&self.volume, &*self.node(number)?)?;
        let key = xattr::inside_name(name);
        if key.and_then(|key| xattrs.remove(&key)).is_none() {
            return Err(Error::request(ErrorKind::NotFound, "there is no such attribute"));
        }
        self.store_xattrs(number, xattrs)
    }

    /// Has an access control list, if the node has one, follow new permission bits.
    pub(super) fn change_access_list(&mut self, number: u64, mode: u16) -> Result<()> {
        let outside = self.outside_xattrs(&*self.node(number)?)?;
        let Some(list) = outside.get(xattr::ACCESS) else {
            return Ok(());
        };
        let mut list = list.clone();
        xattr::set_permissions(&mut list, mode);
        let mut xattrs = xattr::read(&self.volume, &*self.node(number)?)?;
        if let Some((key, stored)) = xattr::from_outside(xattr::ACCESS, &list) {
            xattrs.insert(key, stored);
        }
        self.store_xattrs(number, xattrs)
    }

    /// Gives a node exactly these attributes.
    fn store_xattrs(&mut self, number: u64, xattrs: Xattrs) -> Result<()> {
        if !xattrs.is_empty() {
            self.volume.superblock.set_has_attributes();
        }
        let before = match &self.node_mut(number)?.xattrs {
            Some(xattrs) => xattrs.clone(),
            None => xattr::read_stored(&self.volume, &*self.node(number)?)?,
        };
        let mut layouter = self.layouter(number)?;
        let may_move_out = layouter.node.is_local();
        let entries = layouter.directory.as_deref().filter(|_| may_move_out).cloned();
        layouter.node.xattrs = Some(xattrs);
        if let Err(error) = layouter.fit() {
            // Back to how it was: the room for that is what has just been given up.
            layouter.node.xattrs = Some(before);
            if let (Some(directory), Some(mut entries)) = (layouter.directory.as_deref_mut(), entries) {
                entries.forget_shape();
                *directory = entries;
            }
            layouter.fit()?;
            return Err(error);
        }
        self.touch_node(number)
    }
}
