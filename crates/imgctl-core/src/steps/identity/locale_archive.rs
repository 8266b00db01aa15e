//! glibc's /usr/lib/locale/locale-archive: which locales were generated into it (glibc's locale/locarchive.h).
//!
//! ```text
//! u32 magic 0xde020109, u32 serial,
//! u32 namehash_offset, u32 namehash_used, u32 namehash_size, …
//! namehash: namehash_size × { u32 hash, u32 name_offset, u32 record_offset }, all zero where unused
//! names: NUL-terminated, anywhere in the file
//! ```

use crate::guest::{Guest, GuestError};
use crate::steps::{Outcome, fixed};
use imgctl_vfs::Found;

const MAGIC: u32 = 0xde02_0109;

/// As many slots as the table may have; glibc's own with every locale has some 2000.
const MAX_SLOTS: u32 = 1 << 16;

/// The longest name.
const MAX_NAME_BYTES: usize = 64;

/// Whether the archive of the guest has a locale of this name, its character set as glibc spells it: `de_DE.utf8`. An
/// archive that makes no sense has none.
pub(super) fn has(guest: &Guest, name: &str) -> Outcome<bool> {
    let Some(archive) = guest.find(&fixed("/usr/lib/locale/locale-archive"))? else {
        return Ok(false);
    };
    let header = read(guest, &archive, 0, 20)?;
    if number(&header, 0) != Some(MAGIC) {
        return Ok(false);
    }
    let (Some(start), Some(slots)) = (number(&header, 8), number(&header, 16)) else {
        return Ok(false);
    };
    let table = read(guest, &archive, start.into(), slots.min(MAX_SLOTS) as usize * 12)?;
    for slot in table.chunks_exact(12) {
        let Some(offset) = number(slot, 4).filter(|offset| *offset != 0) else {
            continue;
        };
        let text = read(guest, &archive, offset.into(), MAX_NAME_BYTES)?;
        if text.split(|byte| *byte == 0).next() == Some(name.as_bytes()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Up to `count` bytes from `offset`, fewer at the end of the file.
fn read(guest: &Guest, file: &Found, offset: u64, count: usize) -> Outcome<Vec<u8>> {
    let mut bytes = vec![0; count];
    let mut done = 0;
    let fs = guest.tree().fs(file.node);
    while done < count {
        let read = fs.read_at(file.node.node, offset + done as u64, &mut bytes[done..]);
        match read.map_err(|source| GuestError::Filesystem {
            action: "read",
            path: file.path.clone(),
            label: guest.tree().mount(file.node.mount).label.clone(),
            source,
        })? {
            0 => break,
            more => done += more,
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::guest;

    #[test]
    fn names_are_found_and_nonsense_is_not() {
        let mut archive = Vec::new();
        for word in [MAGIC, 0, 20, 1, 2] {
            archive.extend(word.to_le_bytes());
        }
        for word in [7_u32, 44, 99, 0, 0, 0] {
            archive.extend(word.to_le_bytes());
        }
        archive.extend(b"de_DE.utf8\0rest");
        let in_guest = |archive: &[u8]| {
            let mut guest = guest(&["/usr/lib/locale/"]);
            let path = fixed("/usr/lib/locale/locale-archive");
            let new = crate::guest::NewMetadata::root(0o644);
            guest.write_file(&path, &mut &*archive, new).unwrap();
            guest
        };
        assert!(has(&in_guest(&archive), "de_DE.utf8").unwrap());
        assert!(!has(&in_guest(&archive), "de_DE").unwrap());
        assert!(!has(&in_guest(&archive[..10]), "de_DE.utf8").unwrap());
        assert!(!has(&in_guest(&archive[..44]), "de_DE.utf8").unwrap());
        archive[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(has(&in_guest(&archive), "de_DE.utf8").unwrap());
        assert!(!has(&guest(&["/usr/"]), "C.utf8").unwrap());
    }
}
