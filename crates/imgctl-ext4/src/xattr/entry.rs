//! A list of attribute entries with their values, as both the inode and the attribute block hold it.
//!
//! Entries of 16 bytes and a name, rounded up to four, come one after the other; four zero bytes end them. The values
//! lie behind, the first one at the very end, each rounded up to four. Offsets of values count from the area's start.

use super::{XattrDamage, XattrError, Xattrs, acl};

const HEADER: usize = 16;
/// The zero bytes after the last entry.
pub(super) const END: usize = 4;
const ACL_ACCESS: u8 = 2;
const ACL_DEFAULT: u8 = 3;
const SYSTEM: u8 = 7;

/// Name indexes and what they stand for. Whole names come first, as `system.` would match them too.
const PREFIXES: [(u8, &[u8], Whole); 7] = [
    (ACL_ACCESS, b"system.posix_acl_access", Whole::Yes),
    (ACL_DEFAULT, b"system.posix_acl_default", Whole::Yes),
    (8, b"system.richacl", Whole::Yes),
    (1, b"user.", Whole::No),
    (4, b"trusted.", Whole::No),
    (6, b"security.", Whole::No),
    (SYSTEM, b"system.", Whole::No),
];

/// Whether an index stands for a whole name rather than a prefix.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Whole {
    Yes,
    No,
}

/// An attribute as it is stored. The order is that of attribute blocks.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Stored {
    index: u8,
    name_bytes: u8,
    name: Vec<u8>,
    value: Vec<u8>,
}

fn round_up(bytes: usize) -> usize {
    bytes.saturating_add(3) & !3
}

impl Stored {
    /// An attribute in stored form.
    pub(super) fn new(full_name: &[u8], value: &[u8]) -> Result<Self, XattrError> {
        let name_error = || XattrError::Name {
            name: full_name.escape_ascii().to_string(),
        };
        let (index, name) = PREFIXES
            .iter()
            .find_map(|&(index, prefix, whole)| {
                let name = full_name.strip_prefix(prefix)?;
                (name.is_empty() == (whole == Whole::Yes)).then_some((index, name))
            })
            .filter(|&(index, name)| !(name.contains(&0) || index == SYSTEM && name == b"data"))
            .ok_or_else(name_error)?;
        let name_bytes = u8::try_from(name.len()).map_err(|_| name_error())?;
        let value = if matches!(index, ACL_ACCESS | ACL_DEFAULT) {
            acl::to_stored(value).ok_or_else(|| XattrError::Acl {
                name: full_name.escape_ascii().to_string(),
            })?
        } else {
            value.to_vec()
        };
        Ok(Self {
            index,
            name_bytes,
            name: name.to_vec(),
            value,
        })
    }

    /// The bytes of the entry and its value.
    pub(super) fn size(&self) -> usize {
        self.entry_size().saturating_add(round_up(self.value.len()))
    }

    fn entry_size(&self) -> usize {
        round_up(HEADER.saturating_add(self.name.len()))
    }

    /// The hash of an entry in an attribute block: the name's bytes, then the value's words.
    fn hash(&self) -> u32 {
        let name = self.name.iter();
        let hash = name.fold(0_u32, |hash, &byte| hash.rotate_left(5) ^ u32::from(byte));
        self.value.chunks(4).fold(hash, |hash, chunk| {
            let mut word = [0; 4];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            hash.rotate_left(16) ^ u32::from_le_bytes(word)
        })
    }

    fn header(&self, value_offset: u16, hash: u32) -> [u8; HEADER] {
        let [o0, o1] = value_offset.to_le_bytes();
        let value_bytes = u32::try_from(self.value.len()).unwrap_or(u32::MAX);
        let [s0, s1, s2, s3] = value_bytes.to_le_bytes();
        let [h0, h1, h2, h3] = hash.to_le_bytes();
        [
            self.name_bytes,
            self.index,
            o0,
            o1,
            0,
            0,
            0,
            0,
            s0,
            s1,
            s2,
            s3,
            h0,
            h1,
            h2,
            h3,
        ]
    }
}

/// The hash of a whole attribute block; 0 stands for a block that must not be shared.
pub(super) fn block_hash(entries: &[Stored]) -> u32 {
    let mut hashes = entries.iter().map(Stored::hash);
    hashes
        .try_fold(0_u32, |sum, hash| (hash != 0).then_some(sum.rotate_left(16) ^ hash))
        .unwrap_or(0)
}

/// Writes `entries` into `area` from `first` on; the hashes only if `hashed`. Whether they fitted.
pub(super) fn encode(area: &mut [u8], first: usize, entries: &[Stored], hashed: bool) -> bool {
    let sizes = entries.iter().map(Stored::size);
    let total = sizes.fold(first.saturating_add(END), usize::saturating_add);
    if total > area.len() {
        return false;
    }
    let mut at = first;
    let mut values = area.len() & !3;
    for entry in entries {
        let mut offset = 0;
        if !entry.value.is_empty() {
            values = values.saturating_sub(round_up(entry.value.len()));
            offset = u16::try_from(values).unwrap_or(u16::MAX);
            put(area, values, &entry.value);
        }
        let hash = if hashed { entry.hash() } else { 0 };
        put(area, at, &entry.header(offset, hash));
        put(area, at.saturating_add(HEADER), &entry.name);
        at = at.saturating_add(entry.entry_size());
    }
    true
}

fn put(area: &mut [u8], at: usize, bytes: &[u8]) {
    let place = area.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()));
    if let Some(place) = place {
        place.copy_from_slice(bytes);
    }
}

/// An entry whose value has not been looked at.
struct Listed<'a> {
    index: u8,
    name: &'a [u8],
    value_offset: usize,
    value_inode: u32,
    value_bytes: usize,
}

/// Reads the entries that begin at `first`.
pub(super) fn decode(area: &[u8], first: usize) -> Result<Xattrs, XattrDamage> {
    let (listed, values_from) = list(area, first)?;
    let mut xattrs = Xattrs::new();
    let mut total: usize = 0;
    for entry in listed {
        let full_name = full_name(entry.index, entry.name)?;
        let named = || full_name.escape_ascii().to_string();
        if entry.value_inode != 0 {
            return Err(XattrDamage::ValueInode { name: named() });
        }
        // Values may overlap as long as they are no more than the area could hold side by side.
        total = total.saturating_add(entry.value_bytes);
        let inside = entry.value_bytes == 0 || entry.value_offset >= values_from;
        let value = area
            .get(entry.value_offset..)
            .and_then(|rest| rest.get(..entry.value_bytes))
            .filter(|_| inside && total <= area.len());
        let value = match (value, entry.value_bytes) {
            (_, 0) => &[],
            (Some(value), _) => value,
            (None, _) => return Err(XattrDamage::Value { name: named() }),
        };
        let value = if matches!(entry.index, ACL_ACCESS | ACL_DEFAULT) {
            acl::from_stored(value).ok_or_else(|| XattrDamage::Acl { name: named() })?
        } else {
            value.to_vec()
        };
        // The kernel finds the first of two entries with one name.
        xattrs.entry(full_name).or_insert(value);
    }
    Ok(xattrs)
}

/// The entries, and where values may begin: behind the zero bytes that end the list.
fn list(area: &[u8], first: usize) -> Result<(Vec<Listed<'_>>, usize), XattrDamage> {
    let mut listed = Vec::new();
    let mut at = first;
    loop {
        let rest = area.get(at..).unwrap_or_default();
        match rest.first_chunk::<END>() {
            Some([0, 0, 0, 0]) => return Ok((listed, at.saturating_add(END))),
            Some(_) => {}
            None => return Err(XattrDamage::Unterminated),
        }
        let (header, rest) = rest.split_first_chunk::<HEADER>().ok_or(XattrDamage::Unterminated)?;
        let [name_bytes, index, o0, o1, i0, i1, i2, i3, s0, s1, s2, s3, ..] = *header;
        let name = rest.get(..usize::from(name_bytes)).ok_or(XattrDamage::Unterminated)?;
        listed.push(Listed {
            index,
            name,
            value_offset: usize::from(u16::from_le_bytes([o0, o1])),
            value_inode: u32::from_le_bytes([i0, i1, i2, i3]),
            value_bytes: usize::try_from(u32::from_le_bytes([s0, s1, s2, s3])).unwrap_or(usize::MAX),
        });
        at = at.saturating_add(round_up(HEADER.saturating_add(name.len())));
    }
}

fn full_name(index: u8, name: &[u8]) -> Result<Vec<u8>, XattrDamage> {
    let &(_, prefix, whole) = PREFIXES
        .iter()
        .find(|&&(known, ..)| known == index)
        .ok_or(XattrDamage::NameIndex { index })?;
    if name.contains(&0) || name.is_empty() != (whole == Whole::Yes) {
        return Err(XattrDamage::Name { index });
    }
    if index == SYSTEM && name == b"data" {
        return Err(XattrDamage::InlineData);
    }
    Ok([prefix, name].concat())
}
