//! Access control lists and permission bits, which say the same thing twice and are kept in step, as the kernel does.
//!
//! The form is that of the attribute `system.posix_acl_access` in getxattr(2): a version (2), then entries of tag,
//! permissions and id.

/// The attribute that mirrors the permission bits.
pub(super) const ACCESS: &[u8] = b"system.posix_acl_access";

const HEADER: usize = 4;
const ENTRY: usize = 8;
const OWNER: u8 = 0x1;
const GROUP: u8 = 0x4;
const MASK: u8 = 0x10;
const OTHERS: u8 = 0x20;

/// The place of the entry with `tag`.
fn entry(list: &[u8], tag: u8) -> Option<usize> {
    let entries = list.get(HEADER..)?.chunks_exact(ENTRY);
    let index = entries.into_iter().position(|entry| entry.starts_with(&[tag, 0]))?;
    Some(HEADER + index * ENTRY)
}

/// The entry that stands for the group bits: the mask, if there is one.
fn group_entry(list: &[u8]) -> Option<usize> {
    entry(list, MASK).or_else(|| entry(list, GROUP))
}

/// The nine permission bits that a list stands for.
pub(super) fn permissions(list: &[u8]) -> Option<u16> {
    let bits = |place: usize| list.get(place + 2).map(|bits| u16::from(bits & 7));
    let owner = bits(entry(list, OWNER)?)?;
    let group = bits(group_entry(list)?)?;
    let others = bits(entry(list, OTHERS)?)?;
    Some(owner << 6 | group << 3 | others)
}

/// Whether the permission bits say all that the list says, so that it need not be kept.
pub(super) fn is_minimal(list: &[u8]) -> bool {
    list.len() == HEADER + 3 * ENTRY && permissions(list).is_some() && entry(list, MASK).is_none()
}

/// Makes the list stand for other permission bits.
pub(super) fn set_permissions(list: &mut [u8], mode: u16) {
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
    fn a_list_of_three_is_no_more_than_the_bits() {
        let mut minimal = list(&[(OWNER, 6), (GROUP, 4), (OTHERS, 0)]);
        assert!(is_minimal(&minimal));
        assert_eq!(permissions(&minimal), Some(0o640));
        set_permissions(&mut minimal, 0o755);
        assert_eq!(permissions(&minimal), Some(0o755));
        assert_eq!(permissions(&minimal[..20]), None);
    }
}
