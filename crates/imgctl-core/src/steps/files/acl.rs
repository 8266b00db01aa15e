//! Access control lists, in the form of the attributes `system.posix_acl_access` and `system.posix_acl_default`
//! (linux/posix_acl_xattr.h), and modes, which are a part of them.

use crate::guest::{Accounts, Guest};
use crate::steps::files::principals::{gid_of, uid_of};
use crate::steps::{Outcome, StepFailure};
use imgctl_recipe::{AclEntry, AclTag};
use imgctl_vfs::{FileKind, Found, GuestPath, Metadata};
use std::collections::BTreeMap;

pub(super) const ACCESS: &[u8] = b"system.posix_acl_access";
pub(super) const DEFAULT: &[u8] = b"system.posix_acl_default";

const VERSION: u32 = 2;
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const OWNING_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
/// The number of entries that name nobody.
const NOBODY: u32 = u32::MAX;

/// Entries by tag and number, in the order in which they are stored, with their permissions.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct List(BTreeMap<(u16, u32), u16>);

impl List {
    /// The list that a mode alone is.
    fn of_mode(mode: u16) -> Self {
        let entry = |tag, shift: u16| ((tag, NOBODY), (mode >> shift) & 7);
        Self(
            [entry(OWNER, 6), entry(OWNING_GROUP, 3), entry(OTHER, 0)]
                .into_iter()
                .collect(),
        )
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, entries) = bytes.split_first_chunk::<4>()?;
        let (entries, rest) = entries.as_chunks::<8>();
        if u32::from_le_bytes(*version) != VERSION || !rest.is_empty() {
            return None;
        }
        let entries = entries.iter().map(|[a, b, c, d, e, f, g, h]| {
            let tag = u16::from_le_bytes([*a, *b]);
            let named = matches!(tag, USER | GROUP);
            let id = u32::from_le_bytes([*e, *f, *g, *h]);
            ((tag, if named { id } else { NOBODY }), u16::from_le_bytes([*c, *d]) & 7)
        });
        Some(Self(entries.collect()))
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        for ((tag, id), permissions) in &self.0 {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    fn get(&self, tag: u16) -> Option<u16> {
        self.0.get(&(tag, NOBODY)).copied()
    }

    /// Whether it says more than a mode can.
    fn is_extended(&self) -> bool {
        self.0.keys().any(|(tag, _)| matches!(*tag, USER | GROUP | MASK))
    }

    /// The permission bits of a file with this list, of which the three high ones stay.
    fn mode(&self, mode: u16) -> u16 {
        let group = self.get(MASK).or_else(|| self.get(OWNING_GROUP)).unwrap_or(0);
        let bits = (self.get(OWNER).unwrap_or(0) << 6) | (group << 3) | self.get(OTHER).unwrap_or(0);
        (mode & 0o7000) | bits
    }

    /// Makes the mask what the entries need that it limits, as setfacl does unless it is told one.
    fn recalculate_mask(&mut self) {
        if !self.is_extended() {
            return;
        }
        let limited = self
            .0
            .iter()
            .filter(|((tag, _), _)| matches!(*tag, USER | GROUP | OWNING_GROUP));
        let mask = limited.fold(0, |mask, (_, permissions)| mask | permissions);
        self.0.insert((MASK, NOBODY), mask);
    }
}

/// Sets the permission bits of what is at `path`, a link itself being left alone, with those of its list.
pub(super) fn set_mode(guest: &mut Guest, path: &GuestPath, mode: u16) -> Outcome<()> {
    guest.set_mode(path, mode)?;
    let Some(found) = guest.find(path)? else {
        return Ok(());
    };
    if !guest.stores_xattrs(&found) {
        return Ok(());
    }
    let Some(mut list) = list_at(guest, &found.path, ACCESS)? else {
        return Ok(());
    };
    let group = if list.get(MASK).is_some() { MASK } else { OWNING_GROUP };
    for (tag, shift) in [(OWNER, 6_u16), (group, 3), (OTHER, 0)] {
        list.0.insert((tag, NOBODY), (mode >> shift) & 7);
    }
    Ok(guest.set_xattr(&found.path, ACCESS, &list.encode())?)
}

fn list_at(guest: &Guest, path: &GuestPath, name: &[u8]) -> Outcome<Option<List>> {
    let xattrs = guest.xattrs(path)?;
    let Some(bytes) = xattrs.get(name) else {
        return Ok(None);
    };
    match List::decode(bytes) {
        Some(list) => Ok(Some(list)),
        None => Err(StepFailure::refused(format!(
            "the access control list of {path} is damaged"
        ))),
    }
}

/// Sets entries of what was found, as `setfacl -m` does; `is_below`: what is for directories alone is left out elsewhere.
pub(super) fn modify(guest: &mut Guest, found: &Found, entries: &[AclEntry], is_below: bool) -> Outcome<()> {
    let metadata = guest.metadata_of(found)?;
    if metadata.kind == FileKind::Symlink {
        return Ok(());
    }
    let is_directory = metadata.kind == FileKind::Directory;
    if !is_directory && !is_below && entries.iter().any(|entry| entry.is_default) {
        return Err(StepFailure::refused(format!(
            "{} is no directory, and only directories hand lists down",
            found.path
        )));
    }
    if !guest.stores_xattrs(found) {
        return Err(StepFailure::refused(format!(
            "the filesystem of {} stores no access control lists",
            found.path
        )));
    }
    let accounts = Accounts::read(guest)?;
    let old = list_at(guest, &found.path, ACCESS)?;
    let mut access = old.clone().unwrap_or_else(|| List::of_mode(metadata.mode));
    let own: Vec<&AclEntry> = entries.iter().filter(|entry| !entry.is_default).collect();
    apply(&mut access, &own, &accounts, is_directory)?;
    store(guest, found, &metadata, &access)?;
    let handed_down: Vec<&AclEntry> = entries.iter().filter(|entry| entry.is_default).collect();
    if is_directory && !handed_down.is_empty() {
        let old = list_at(guest, &found.path, DEFAULT)?;
        let mut default = old.unwrap_or_else(|| {
            let basic = access
                .0
                .iter()
                .filter(|((tag, _), _)| matches!(*tag, OWNER | OWNING_GROUP | OTHER));
            List(basic.map(|(key, permissions)| (*key, *permissions)).collect())
        });
        apply(&mut default, &handed_down, &accounts, is_directory)?;
        guest.set_xattr(&found.path, DEFAULT, &default.encode())?;
    }
    Ok(())
}

fn apply(list: &mut List, entries: &[&AclEntry], accounts: &Accounts, is_directory: bool) -> Outcome<()> {
    if entries.is_empty() {
        return Ok(());
    }
    for entry in entries {
        let key = match &entry.tag {
            AclTag::Owner => (OWNER, NOBODY),
            AclTag::User(user) => (USER, uid_of(accounts, user)?),
            AclTag::OwningGroup => (OWNING_GROUP, NOBODY),
            AclTag::Group(group) => (GROUP, gid_of(accounts, group)?),
            AclTag::Mask => (MASK, NOBODY),
            AclTag::Other => (OTHER, NOBODY),
        };
        let executes = is_directory || list.0.values().any(|permissions| permissions & 1 != 0);
        let conditional = u16::from(entry.with_conditional_execute && executes);
        list.0.insert(key, entry.permissions | conditional);
    }
    if !entries.iter().any(|entry| entry.tag == AclTag::Mask) {
        list.recalculate_mask();
    }
    Ok(())
}

fn store(guest: &mut Guest, found: &Found, metadata: &Metadata, list: &List) -> Outcome<()> {
    guest.set_mode(&found.path, list.mode(metadata.mode))?;
    match list.is_extended() {
        true => guest.set_xattr(&found.path, ACCESS, &list.encode())?,
        false => guest.remove_xattr(&found.path, ACCESS)?,
    }
    Ok(())
}

/// Takes away all but what a mode can say, as `setfacl -b` does.
pub(super) fn clear(guest: &mut Guest, found: &Found) -> Outcome<()> {
    let metadata = guest.metadata_of(found)?;
    if metadata.kind == FileKind::Symlink || !guest.stores_xattrs(found) {
        return Ok(());
    }
    guest.remove_xattr(&found.path, DEFAULT)?;
    let Some(list) = list_at(guest, &found.path, ACCESS)? else {
        return Ok(());
    };
    // Without a mask, the group's own entry is the group's bits.
    let basic = list
        .0
        .into_iter()
        .filter(|((tag, _), _)| matches!(*tag, OWNER | OWNING_GROUP | OTHER));
    store(guest, found, &metadata, &List(basic.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{guest, mode, path};

    fn entries(texts: &[&str]) -> Vec<AclEntry> {
        texts.iter().map(|text| AclEntry::parse(text).unwrap()).collect()
    }

    #[test]
    fn lists_are_the_bytes_of_the_kernel() {
        let mut guest = guest(&["/f 0640|x", "/etc/passwd|web:x:33:33::/:/x\n"]);
        let found = guest.find(&path("/f")).unwrap().unwrap();
        modify(&mut guest, &found, &entries(&["u:web:rw", "g:7:r"]), false).unwrap();
        let bytes = guest.xattrs(&path("/f")).unwrap()[ACCESS].clone();
        // version, owner rw, user 33 rw, group r, group 7 r, mask rw, others none
        let expected: Vec<u8> = [
            &[2, 0, 0, 0][..],
            &[1, 0, 6, 0, 255, 255, 255, 255],
            &[2, 0, 6, 0, 33, 0, 0, 0],
            &[4, 0, 4, 0, 255, 255, 255, 255],
            &[8, 0, 4, 0, 7, 0, 0, 0],
            &[16, 0, 6, 0, 255, 255, 255, 255],
            &[32, 0, 0, 0, 255, 255, 255, 255],
        ]
        .concat();
        assert_eq!(bytes, expected);
        assert_eq!(mode(&guest, "/f"), "0660 0:0");
        set_mode(&mut guest, &path("/f"), 0o604).unwrap();
        let list = List::decode(&guest.xattrs(&path("/f")).unwrap()[ACCESS]).unwrap();
        assert_eq!(
            (list.get(MASK), list.get(OTHER), list.get(OWNING_GROUP)),
            (Some(0), Some(4), Some(4))
        );
        clear(&mut guest, &found).unwrap();
        assert!(guest.xattrs(&path("/f")).unwrap().is_empty());
        assert_eq!(mode(&guest, "/f"), "0644 0:0");
    }

    #[test]
    fn damage_and_strangers_are_refused() {
        let mut guest = guest(&["/f|x", "/d/"]);
        let found = guest.find(&path("/f")).unwrap().unwrap();
        let refused = |guest: &mut Guest, texts: &[&str]| modify(guest, &found, &entries(texts), false).unwrap_err();
        assert!(
            refused(&mut guest, &["u:nobody-here:r"])
                .to_string()
                .contains("no user named")
        );
        assert!(
            refused(&mut guest, &["d:u:1:r"])
                .to_string()
                .contains("only directories")
        );
        guest.set_xattr(&path("/f"), ACCESS, b"\x02\0\0\0\x01").unwrap();
        assert!(refused(&mut guest, &["u:1:r"]).to_string().contains("damaged"));
    }
}
