//! Extended attributes: in the inode, in a block of their own, and how they are shared out between the two.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

mod acl;
mod block;
mod entry;
mod inline;
#[cfg(test)]
mod kernel_tests;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeMap;

pub(crate) use self::block::{decode_block, set_block_checksum, set_block_references, verify_block_checksum};
use self::entry::Stored;
pub(crate) use self::inline::decode_inline;

const MAGIC: u32 = 0xea02_0000;

/// Full names, such as `security.capability`, and values as getxattr(2) gives them.
pub(crate) type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// Why stored attributes cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum XattrDamage {
    #[error("the attribute block's header is malformed")]
    Header,
    #[error("the attribute block's checksum is wrong")]
    Checksum,
    #[error("the list of attributes does not end")]
    Unterminated,
    #[error("an attribute with name index {index} has a malformed name")]
    Name { index: u8 },
    #[error("the attribute name index {index} is not supported")]
    NameIndex { index: u8 },
    #[error("the value of {name} lies outside its place")]
    Value { name: String },
    #[error("the access control list {name} is malformed")]
    Acl { name: String },
    #[error("the value of {name} is in an inode of its own (ea_inode), which is not supported")]
    ValueInode { name: String },
    #[error("the attribute system.data (inline_data) is not supported")]
    InlineData,
}

/// Why attributes cannot be stored.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum XattrError {
    #[error("the attributes do not fit in the inode and one block")]
    NoRoom,
    #[error("an attribute cannot be named {name}")]
    Name { name: String },
    #[error("the access control list {name} is malformed")]
    Acl { name: String },
}

/// Attributes ready to be stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Placement {
    /// All the inode's bytes after `i_extra_isize`.
    pub(crate) inline: Vec<u8>,
    /// The attribute block, for one inode, without its checksum; `None` if the inode needs none.
    pub(crate) block: Option<Vec<u8>>,
}

/// Shares attributes out: all in the inode if they fit, else the largest in the block until the rest fits.
///
/// `inline_room` is how many bytes the inode has after `i_extra_isize`. The result depends on the arguments alone, and
/// there is one whenever any division fits.
pub(crate) fn place(xattrs: &Xattrs, inline_room: usize, block_bytes: usize) -> Result<Placement, XattrError> {
    let mut stored = Vec::with_capacity(xattrs.len());
    for (name, value) in xattrs {
        stored.push(Stored::new(name, value)?);
    }
    stored.sort();
    let room = inline::capacity(inline_room);
    let kept = smallest(&stored, room);
    let kept = if moved_size(&stored, &kept) <= block::capacity(block_bytes) {
        kept
    } else {
        fullest(&stored, room)
    };
    let mut parts: [Vec<Stored>; 2] = Default::default();
    for (entry, keep) in stored.into_iter().zip(kept) {
        let [inside, outside] = &mut parts;
        if keep { inside.push(entry) } else { outside.push(entry) }
    }
    let [inside, outside] = parts;
    let inline = inline::encode(&inside, inline_room).ok_or(XattrError::NoRoom)?;
    let block = if outside.is_empty() {
        None
    } else {
        Some(block::encode(&outside, block_bytes).ok_or(XattrError::NoRoom)?)
    };
    Ok(Placement { inline, block })
}

/// Which attributes stay in the inode's `room` if the largest leave first.
fn smallest(stored: &[Stored], room: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..stored.len()).collect();
    order.sort_by_key(|&at| Reverse(stored.get(at).map_or(0, Stored::size)));
    let mut left = stored.iter().map(Stored::size).fold(0, usize::saturating_add);
    let mut kept = vec![true; stored.len()];
    for at in order {
        if left <= room {
            break;
        }
        left = left.saturating_sub(stored.get(at).map_or(0, Stored::size));
        if let Some(keep) = kept.get_mut(at) {
            *keep = false;
        }
    }
    kept
}

/// The size of what does not stay in the inode.
fn moved_size(stored: &[Stored], kept: &[bool]) -> usize {
    let moved = stored.iter().zip(kept).filter(|&(_, &keep)| !keep);
    moved.map(|(entry, _)| entry.size()).fold(0, usize::saturating_add)
}

/// Which attributes fill the inode's `room` best, for a block that is nearly full: a sum of sizes as large as can be.
fn fullest(stored: &[Stored], room: usize) -> Vec<bool> {
    // For each sum that can be reached, the attribute that reached it first.
    let mut reached: Vec<Option<usize>> = vec![None; room.saturating_add(1)];
    for (at, entry) in stored.iter().enumerate() {
        for before in (0..=room.saturating_sub(entry.size())).rev() {
            let from = before == 0 || reached.get(before).is_some_and(Option::is_some);
            let sum = before.saturating_add(entry.size());
            if let Some(place @ None) = reached.get_mut(sum).filter(|_| from) {
                *place = Some(at);
            }
        }
    }
    let mut sum = reached.iter().rposition(Option::is_some).unwrap_or(0);
    let mut kept = vec![false; stored.len()];
    while let Some(Some(at)) = reached.get(sum).copied().filter(|_| sum > 0) {
        if let Some(keep) = kept.get_mut(at) {
            *keep = true;
        }
        sum = sum.saturating_sub(stored.get(at).map_or(sum, Stored::size));
    }
    kept
}
