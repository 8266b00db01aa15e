//! POSIX ACLs: ext4 stores version 1 with short entries, getxattr(2) gives version 2 with entries of one size.

const STORED_VERSION: u32 = 1;
const VERSION: u32 = 2;
const USER_OBJECT: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJECT: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
/// The identifier of entries that have none.
const UNDEFINED: u32 = u32::MAX;

/// Whether entries of this tag name a user or group; `None` for a tag that does not exist.
fn has_identifier(tag: u16) -> Option<bool> {
    match tag {
        USER | GROUP => Some(true),
        USER_OBJECT | GROUP_OBJECT | MASK | OTHER => Some(false),
        _ => None,
    }
}

/// The value that getxattr(2) gives for a stored one. `None` if it is malformed.
pub(super) fn from_stored(stored: &[u8]) -> Option<Vec<u8>> {
    let (version, mut rest) = stored.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != STORED_VERSION {
        return None;
    }
    let mut value = VERSION.to_le_bytes().to_vec();
    while !rest.is_empty() {
        let (&[t0, t1, p0, p1], after) = rest.split_first_chunk::<4>()?;
        let mut identifier = UNDEFINED.to_le_bytes();
        rest = after;
        if has_identifier(u16::from_le_bytes([t0, t1]))? {
            (identifier, rest) = rest.split_first_chunk::<4>().map(|(id, rest)| (*id, rest))?;
        }
        value.extend([t0, t1, p0, p1]);
        value.extend(identifier);
    }
    Some(value)
}

/// The value to store for one given to setxattr(2). `None` if it is malformed.
pub(super) fn to_stored(value: &[u8]) -> Option<Vec<u8>> {
    let (version, entries) = value.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != VERSION {
        return None;
    }
    let (entries, []) = entries.as_chunks::<8>() else {
        return None;
    };
    let mut stored = STORED_VERSION.to_le_bytes().to_vec();
    for &[t0, t1, p0, p1, ref identifier @ ..] in entries {
        stored.extend([t0, t1, p0, p1]);
        if has_identifier(u16::from_le_bytes([t0, t1]))? {
            stored.extend(identifier);
        }
    }
    Some(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `user::rw-`, `user:1000:r--`, `group::r--`, `mask::r--`, `other::---`.
    const STORED: [u8; 28] = [
        1, 0, 0, 0, 1, 0, 6, 0, 2, 0, 4, 0, 0xe8, 3, 0, 0, 4, 0, 4, 0, 16, 0, 4, 0, 32, 0, 0, 0,
    ];

    #[test]
    fn the_two_forms_are_converted_into_each_other() {
        let value = from_stored(&STORED).expect("well formed");
        assert_eq!(value.len(), 4 + 5 * 8);
        assert_eq!(value.get(..12), Some(&[2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255][..]));
        assert_eq!(value.get(12..20), Some(&[2, 0, 4, 0, 0xe8, 3, 0, 0][..]));
        assert_eq!(to_stored(&value).as_deref(), Some(&STORED[..]));
    }

    #[test]
    fn malformed_lists_are_refused() {
        for cut in [0, 3, 5, 14, 27] {
            assert_eq!(from_stored(STORED.get(..cut).expect("shorter")), None);
        }
        let value = from_stored(&STORED).expect("well formed");
        for cut in [0, 3, 5, 43] {
            assert_eq!(to_stored(value.get(..cut).expect("shorter")), None);
        }
        assert_eq!(to_stored(&STORED), None);
        assert_eq!(from_stored(&value), None);
        assert_eq!(from_stored(&[1, 0, 0, 0, 64, 0, 0, 0]), None);
        assert_eq!(to_stored(&[2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
