//! Where changed attributes go: into the inode, or into leaves with a tree above them and values beside them.

use super::Xattrs;
use crate::format::attribute::SHORT_HEADER;

/// The length of the form within the inode; `None` if an attribute does not fit into it.
pub(crate) fn short_bytes(xattrs: &Xattrs) -> Option<usize> {
    let fits = xattrs.len() < 256 && xattrs.values().all(|value| value.len() < 256);
    let each = xattrs.iter().map(|((_, name), value)| 3 + name.len() + value.len());
    fits.then(|| SHORT_HEADER + each.sum::<usize>())
}
