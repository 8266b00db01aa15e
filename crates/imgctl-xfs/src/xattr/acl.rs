//! Access control lists: in the form of getxattr(2) and as they lie on the device, and their mirror in the mode.
//!
//! Outside, a version (2), then entries of tag, permissions and id, little-endian; on the device, a count, then
//! entries of tag, id and permissions, big-endian (`xfs_acl` in the XFS Algorithms & Data Structures document).

use crate::format::fields::{u16_at, u32_at};

/// The attribute that mirrors the permission bits.
pub(crate) const ACCESS: &[u8] = b"system.posix_acl_access";

const HEADER: usize = 4;
const ENTRY: usize = 8;
const DEVICE_ENTRY: usize = 12;
const VERSION: u32 = 2;
const OWNER: u8 = 0x1;
const GROUP: u8 = 0x4;
const MASK: u8 = 0x10;
const OTHERS: u8 = 0x20;

/// A list from the device as getxattr(2) gives it.
pub(super) fn to_outside(raw: &[u8]) -> Option<Vec<u8>> {
    let count = usize::try_from(u32_at(raw, 0)).ok()?;
    let entries = raw.get(HEADER..)?;
    if count.checked_mul(DEVICE_ENTRY)? > entries.len() {
        return None;
    }
    let mut list = VERSION.to_le_bytes().to_vec();
    for entry in entries.chunks_exact(DEVICE_ENTRY).take(count) {
        list.extend(u16::try_from(u32_at(entry, 0)).ok()?.to_le_bytes());
        list.extend(u16_at(entry, 8).to_le_bytes());
        list.extend(u32_at(entry, 4).to_le_bytes());
    }
    Some(list)
}

/// A list as it lies on the device.
pub(super) fn from_outside(list: &[u8]) -> Option<Vec<u8>> {
    let version = list.first_chunk::<HEADER>().map(|version| u32::from_le_bytes(*version));
    let entries = list.get(HEADER..)?;
    if version != Some(VERSION) || entries.len() % ENTRY != 0 {
        return None;
    }
    let mut raw = u32::try_from(entries.len() / ENTRY).ok()?.to_be_bytes().to_vec();
    for entry in entries.chunks_exact(ENTRY) {
        let (tag, rest) = entry.split_first_chunk::<2>()?;
        let (permissions, id) = rest.split_first_chunk::<2>()?;
        raw.extend(u32::from(u16::from_le_bytes(*tag)).to_be_bytes());
        raw.extend(u32::from_le_bytes(*id.first_chunk()?).to_be_bytes());
        raw.extend(u16::from_le_bytes(*permissions).to_be_bytes());
        raw.extend([0, 0]);
    }
    Some(raw)
}

/// The place of the entry with `tag`.
fn entry(list: &[u8], tag: u8) -> Option<usize> {
    let mut entries = list.get(HEADER..)?.chunks_exact(ENTRY);
    let index = entries.position(|entry| entry.starts_with(&[tag, 0]))?;
    Some(HEADER + index * ENTRY)
}

/// The entry that stands for the group bits: the mask, if there is one.
fn group_entry(list: &[u8]) -> Option<usize> {
    entry(list, MASK).or_else(|| entry(list, GROUP))
}

/// The nine permission bits that a list stands for.
pub(crate) fn permissions(list: &[u8]) -> Option<u16> {
    let bits = |place: usize| list.get(place + 2).map(|bits| u16::from(bits & 7));
    let owner = bits(entry(list, OWNER)?)?;
    let group = bits(group_entry(list)?)?;
    let others = bits(entry(list, OTHERS)?)?;
    Some(owner << 6 | group << 3 | others)
}

/// Whether the permission bits say all that the list says, so that it need not be kept.
pub(crate) fn is_minimal(list: &[u8]) -> bool {
    list.len() == HEADER + 3 * ENTRY && permissions(list).is_some() && entry(list, MASK).is_none()
}

/// Makes the list stand for other permission bits.
pub(crate) fn set_permissions(list: &mut [u8], mode: u16) {
    let places = [entry(list, OWNER), group_entry(list), entry(list, OTHERS)];
    for (place, bits) in places.into_iter().zip([mode >> 6, mode >> 3, mode]) {
        if let Some(permissions) = place.and_then(|place| list.get_mut(place + 2)) {
            *permissions = (bits & 7) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u8, u8)]) -> Vec<u8> {
        let mut list = vec![2, 0, 0, 0];
        for (tag, bits) in entries {
            list.extend([*tag, 0, *bits, 0, 0xff, 0xff, 0xff, 0xff]);
        }
        list
    }

    #[test]
    fn the_mask_stands_for_the_group_bits() {
        let mut extended = list(&[(OWNER, 6), (2, 7), (GROUP, 7), (MASK, 5), (OTHERS, 4)]);
        assert_eq!(permissions(&extended), Some(0o654));
        assert!(!is_minimal(&extended));
        set_permissions(&mut extended, 0o4710);
        assert_eq!(
            extended,
            list(&[(OWNER, 7), (2, 7), (GROUP, 7), (MASK, 1), (OTHERS, 0)])
        );
    }

    #[test]
    fn a_list_survives_the_way_to_the_device_and_back() {
        let list = list(&[(OWNER, 6), (GROUP, 4), (OTHERS, 0)]);
        assert!(is_minimal(&list));
        let raw = from_outside(&list).unwrap();
        assert_eq!(raw.len(), 4 + 3 * DEVICE_ENTRY);
        assert_eq!(to_outside(&raw), Some(list.clone()));
        assert_eq!(from_outside(&list[..19]), None);
        assert_eq!(to_outside(&raw[..20]), None);
    }
}
