//! Extended attributes of a node: in the inode's record and in a block of their own.

use super::Ext4;
use crate::error::{Error, Result, Structure};
use crate::format::checksum::Checksum;
use crate::node::Node;
use crate::xattr::{Xattrs, decode_block, decode_inline, verify_block_checksum};

impl Ext4 {
    /// All attributes of a node.
    pub(super) fn xattrs_of(&self, node: &Node) -> Result<Xattrs> {
        let damage = |problem: String| Error::corrupt(Structure::Xattrs(node.number), problem);
        let mut xattrs = decode_inline(node.inode.xattr_room()).map_err(|error| damage(error.to_string()))?;
        if let Some((_, raw)) = self.read_xattr_block(node)? {
            let (more, _) = decode_block(&raw).map_err(|error| damage(error.to_string()))?;
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
}
