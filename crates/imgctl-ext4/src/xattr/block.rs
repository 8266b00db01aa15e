//! The attribute block, which several inodes with the same attributes may share.

use super::entry::{self, END, Stored};
use super::{MAGIC, XattrDamage, Xattrs};
use crate::format::checksum::Checksum;

/// Magic, reference count, block count, hash, checksum, and twelve reserved bytes.
const HEADER: usize = 32;
const CHECKSUM: usize = 16;

/// The bytes that entries and values may take of a block.
pub(super) fn capacity(block_bytes: usize) -> usize {
    block_bytes.saturating_sub(HEADER).saturating_sub(END)
}

/// Reads an attribute block: the attributes, and how many inodes share it. The checksum is not looked at.
pub(crate) fn decode_block(block: &[u8]) -> Result<(Xattrs, u32), XattrDamage> {
    let header = block.first_chunk::<12>().ok_or(XattrDamage::Header)?;
    let &[m0, m1, m2, m3, r0, r1, r2, r3, b0, b1, b2, b3] = header;
    let magic = u32::from_le_bytes([m0, m1, m2, m3]);
    let references = u32::from_le_bytes([r0, r1, r2, r3]);
    let blocks = u32::from_le_bytes([b0, b1, b2, b3]);
    if magic != MAGIC || blocks != 1 || references == 0 {
        return Err(XattrDamage::Header);
    }
    Ok((entry::decode(block, HEADER)?, references))
}

/// A block of `entries`, which must be sorted, for one inode; its checksum is still to be set. `None` if they do not
/// fit.
pub(super) fn encode(entries: &[Stored], block_bytes: usize) -> Option<Vec<u8>> {
    let mut block = vec![0; block_bytes];
    let [h0, h1, h2, h3] = entry::block_hash(entries).to_le_bytes();
    let [m0, m1, m2, m3] = MAGIC.to_le_bytes();
    *block.first_chunk_mut()? = [m0, m1, m2, m3, 1, 0, 0, 0, 1, 0, 0, 0, h0, h1, h2, h3];
    entry::encode(&mut block, HEADER, entries, true).then_some(block)
}

/// Sets how many inodes share the block. The checksum is to be set again.
pub(crate) fn set_block_references(block: &mut [u8], references: u32) {
    if let Some([_, _, _, _, r0, r1, r2, r3]) = block.first_chunk_mut::<8>() {
        [*r0, *r1, *r2, *r3] = references.to_le_bytes();
    }
}

/// Whether the checksum of a block read from `block_number` is right. Only for filesystems with `metadata_csum`.
pub(crate) fn verify_block_checksum(block: &[u8], seed: Checksum, block_number: u64) -> Result<(), XattrDamage> {
    let stored = block.get(CHECKSUM..).and_then(|rest| rest.first_chunk::<4>());
    let right = checksum(block, seed, block_number).to_le_bytes();
    if stored == Some(&right) {
        Ok(())
    } else {
        Err(XattrDamage::Checksum)
    }
}

/// Sets the checksum of a block to be written to `block_number`. `seed` is the filesystem's.
pub(crate) fn set_block_checksum(block: &mut [u8], seed: Checksum, block_number: u64) {
    let sum = checksum(block, seed, block_number).to_le_bytes();
    if let Some(place) = block.get_mut(CHECKSUM..).and_then(|rest| rest.first_chunk_mut()) {
        *place = sum;
    }
}

/// The sum over the block's number and the block, with its checksum as zero.
fn checksum(block: &[u8], seed: Checksum, block_number: u64) -> u32 {
    let (before, after) = block.split_at_checked(CHECKSUM).unwrap_or_default();
    seed.update(&block_number.to_le_bytes())
        .update(before)
        .update(&[0; 4])
        .update(after.get(4..).unwrap_or_default())
        .value()
}
