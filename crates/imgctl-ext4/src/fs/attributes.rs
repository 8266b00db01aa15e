//! Extended attributes of a node: in the inode's record and in a block of their own.

use super::Ext4;
use crate::content::Content;
use crate::error::{Error, Refusal, Result, Structure};
use crate::features::Compatible;
use crate::format::checksum::Checksum;
use crate::node::Node;
use crate::xattr::{
    XattrDamage, XattrError, Xattrs, decode_block, decode_inline, place, set_block_checksum, set_block_references,
    verify_block_checksum,
};
use imgctl_vfs::ErrorKind;

impl Ext4 {
    /// All attributes of a node.
    pub(crate) fn xattrs_of(&self, node: &Node) -> Result<Xattrs> {
        let failed = |error| xattr_error(node.number, error);
        let mut xattrs = decode_inline(node.inode.xattr_room()).map_err(failed)?;
        if let Some((_, raw)) = self.read_xattr_block(node)? {
            let (more, _) = decode_block(&raw).map_err(failed)?;
            for (name, value) in more {
                // What is in the inode counts, as for the kernel.
                xattrs.entry(name).or_insert(value);
            }
        }
        Ok(xattrs)
    }

    /// The node's attribute block with its number, its checksum verified.
    fn read_xattr_block(&self, node: &Node) -> Result<Option<(u64, Vec<u8>)>> {
        let block = node.inode.xattr_block();
        if block == 0 {
            return Ok(None);
        }
        let structure = Structure::Xattrs(node.number);
        self.volume.check_data_blocks(block, 1, structure)?;
        let raw = self.volume.read_block(block, "an attribute block")?;
        if let Some(seed) = self.volume.seed {
            verify_block_checksum(&raw, Checksum::with_seed(seed), block)
                .map_err(|error| Error::corrupt(structure, error.to_string()))?;
        }
        Ok(Some((block, raw)))
    }

    /// The node's attribute block, and how many inodes share it by its own word.
    pub(crate) fn xattr_references(&self, node: &Node) -> Result<Option<(u64, u32)>> {
        match self.read_xattr_block(node)? {
            Some((block, raw)) => Ok(Some((block, self.references(node.number, &raw)?))),
            None => Ok(None),
        }
    }

    /// Gives a node exactly these attributes.
    pub(super) fn store_xattrs(&mut self, number: u32, xattrs: &Xattrs) -> Result<()> {
        let node = self.node(number)?;
        let room = node.inode.xattr_room().len();
        let placement = place(xattrs, room, self.volume.block_len()).map_err(|error| {
            let kind = match error {
                XattrError::NoRoom => ErrorKind::NoSpace,
                _ => ErrorKind::InvalidInput,
            };
            Error::request(kind, error.to_string())
        })?;
        let old = self.read_xattr_block(&node)?;
        drop(node);
        let block = match placement.block {
            Some(raw) => self.write_xattr_block(number, old, raw)?,
            None => {
                self.drop_xattr_block(number)?;
                0
            }
        };
        let node = self.node_mut(number)?;
        node.inode.set_xattr_block(block);
        node.inode.set_xattr_room(&placement.inline);
        self.update_stored_blocks(number)?;
        self.touch_node(number)
    }

    /// Writes a node's attribute block, to the place of the old one unless other inodes share that.
    fn write_xattr_block(&mut self, number: u32, old: Option<(u64, Vec<u8>)>, raw: Vec<u8>) -> Result<u64> {
        let block = match old {
            Some((block, old)) if self.references(number, &old)? == 1 => block,
            _ => {
                let group = self.volume.group_of_inode(number);
                let goal = self.volume.group_blocks(group).start;
                let run = self.space.allocate_blocks(&self.volume, goal, 1)?;
                self.drop_xattr_block(number)?;
                run.start
            }
        };
        self.put_xattr_block(block, raw)?;
        self.volume.superblock.features.compatible |= Compatible::EXT_ATTR;
        Ok(block)
    }

    /// Lets a node do without its attribute block: the last one to share it frees it.
    pub(super) fn drop_xattr_block(&mut self, number: u32) -> Result<()> {
        let node = self.node(number)?;
        let Some((block, mut raw)) = self.read_xattr_block(&node)? else {
            return Ok(());
        };
        drop(node);
        match self.references(number, &raw)? {
            0 | 1 => self.space.free_block_run(&self.volume, block..block + 1)?,
            references => {
                set_block_references(&mut raw, references - 1);
                self.put_xattr_block(block, raw)?;
            }
        }
        self.node_mut(number)?.inode.set_xattr_block(0);
        self.update_stored_blocks(number)
    }

    fn put_xattr_block(&self, block: u64, mut raw: Vec<u8>) -> Result<()> {
        if let Some(seed) = self.volume.seed {
            set_block_checksum(&mut raw, Checksum::with_seed(seed), block);
        }
        self.volume.write_block(block, &raw, "an attribute block")
    }

    /// How many inodes share an attribute block.
    fn references(&self, number: u32, raw: &[u8]) -> Result<u32> {
        let decoded =
            decode_block(raw).map_err(|error| Error::corrupt(Structure::Xattrs(number), error.to_string()))?;
        Ok(decoded.1)
    }

    fn update_stored_blocks(&mut self, number: u32) -> Result<()> {
        let Content { volume, node, .. } = self.content(number)?;
        node.update_stored_blocks(volume)
    }
}

/// What is wrong with stored attributes: damage, or something the engine does not read.
fn xattr_error(number: u32, error: XattrDamage) -> Error {
    let flag = match error {
        XattrDamage::InlineData => "stored with its attributes (inline_data)",
        XattrDamage::ValueInode { .. } => "an owner of attributes in other inodes (ea_inode)",
        _ => return Error::corrupt(Structure::Xattrs(number), error.to_string()),
    };
    Refusal::InodeFlags { inode: number, flag }.into()
}
