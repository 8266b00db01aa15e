//! The names and values that Linux shows for what the filesystem stores.

use super::{Key, Xattrs, acl};
use crate::format::attribute::{PARENT, ROOT, SECURE};
use std::collections::BTreeMap;

/// What an access list is called on the device, and outside.
const LISTS: [(&[u8], &[u8]); 2] = [
    (b"SGI_ACL_FILE", b"system.posix_acl_access"),
    (b"SGI_ACL_DEFAULT", b"system.posix_acl_default"),
];
const SPACES: [(u8, &[u8]); 3] = [(0, b"user."), (ROOT, b"trusted."), (SECURE, b"security.")];

/// The attributes as getxattr(2) tells them; `None` if one makes no sense.
pub(crate) fn to_outside(xattrs: &Xattrs) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut outside = BTreeMap::new();
    for ((space, name), value) in xattrs {
        if space & PARENT != 0 {
            continue;
        }
        let list = LISTS.iter().find(|(inside, _)| *space == ROOT && inside == name);
        if let Some((_, name)) = list {
            outside.insert(name.to_vec(), acl::to_outside(value)?);
            continue;
        }
        let (_, prefix) = SPACES.iter().find(|(known, _)| known == space)?;
        outside.insert([prefix, name.as_slice()].concat(), value.clone());
    }
    Some(outside)
}

/// The key of an attribute by its name outside.
pub(crate) fn inside_name(name: &[u8]) -> Option<Key> {
    if let Some((inside, _)) = LISTS.iter().find(|(_, outside)| *outside == name) {
        return Some((ROOT, inside.to_vec()));
    }
    let (space, prefix) = SPACES.iter().find(|(_, prefix)| name.starts_with(prefix))?;
    Some((*space, name.strip_prefix(*prefix)?.to_vec()))
}

/// The key under which an attribute is stored, and its value as stored; `None` if it cannot be.
pub(crate) fn from_outside(name: &[u8], value: &[u8]) -> Option<(Key, Vec<u8>)> {
    let (space, inside) = inside_name(name)?;
    let stored = if name.starts_with(b"system.") {
        acl::from_outside(value)?
    } else {
        value.to_vec()
    };
    let fits = (1..=255).contains(&inside.len()) && stored.len() <= super::MOST_VALUE && !inside.contains(&0);
    fits.then_some(((space, inside), stored))
}
