//! Directory data blocks, blocks of free room, and the form within an inode.
//!
//! Source: `xfs_dir2_sf_hdr`, `xfs_dir3_data_hdr`, `xfs_dir3_free_hdr` in the XFS Algorithms & Data Structures document.

use super::da::Place;
use super::fields::{bytes_at, put, put_u16, put_u32, put_u64, u8_at, u16_at, u32_at, u64_at};
use crate::checksum;

const CRC: usize = 4;
/// Where index blocks begin in a directory's address space, in bytes.
pub(crate) const LEAF_OFFSET: u64 = 32 << 30;
/// Where blocks of free room begin.
pub(crate) const FREE_OFFSET: u64 = 64 << 30;
/// "No such data block" in lists of free room.
pub(crate) const NO_BLOCK: u16 = u16::MAX;
/// What marks an unused stretch.
pub(crate) const UNUSED: u16 = 0xffff;

/// What a block with the data header is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DataKind {
    /// The only block, with the index at its end.
    Single,
    /// One of several, with entries only.
    Data,
    /// A list of the room in data blocks.
    Free,
}

impl DataKind {
    fn magic(self, v5: bool) -> u32 {
        u32::from_be_bytes(*match (self, v5) {
            (Self::Single, true) => b"XDB3",
            (Self::Single, false) => b"XD2B",
            (Self::Data, true) => b"XDD3",
            (Self::Data, false) => b"XD2D",
            (Self::Free, true) => b"XDF3",
            (Self::Free, false) => b"XD2F",
        })
    }
}

/// Where a data block's entries begin.
pub(crate) fn data_start(v5: bool) -> usize {
    if v5 { 64 } else { 16 }
}

/// Checks a block's header and says what it is.
pub(crate) fn parse(raw: &[u8], place: Place) -> Result<DataKind, &'static str> {
    let magic = u32_at(raw, 0);
    let kinds = [DataKind::Single, DataKind::Data, DataKind::Free];
    let kind = kinds.into_iter().find(|kind| kind.magic(place.v5) == magic);
    let Some(kind) = kind else {
        return Err("a block has an unknown magic number");
    };
    if place.v5 {
        if !checksum::is_right(raw, CRC) {
            return Err("a block has the wrong checksum");
        }
        let elsewhere =
            u64_at(raw, 8) != place.address || bytes_at::<16>(raw, 24) != place.uuid || u64_at(raw, 40) != place.owner;
        if elsewhere {
            return Err("a block belongs elsewhere by its own word");
        }
    }
    Ok(kind)
}

/// Writes the header of a version 5 block and seals it. `best` are the longest unused stretches: offset and length.
pub(crate) fn finish_data(raw: &mut [u8], kind: DataKind, place: Place, best: [(u16, u16); 3]) {
    put_identity(raw, kind, place);
    let mut at: usize = 48;
    for (offset, length) in best {
        put_u16(raw, at, offset);
        put_u16(raw, at.saturating_add(2), length);
        at = at.saturating_add(4);
    }
    put_u32(raw, 60, 0);
    checksum::seal(raw, CRC);
}

/// A data block's longest unused stretches by its own word.
pub(crate) fn best_free(raw: &[u8], v5: bool) -> [(u16, u16); 3] {
    let at = if v5 { 48_usize } else { 4 };
    [0, 4, 8].map(|more| {
        let at = at.saturating_add(more);
        (u16_at(raw, at), u16_at(raw, at.saturating_add(2)))
    })
}

fn put_identity(raw: &mut [u8], kind: DataKind, place: Place) {
    put_u32(raw, 0, kind.magic(true));
    put_u64(raw, 8, place.address);
    put_u64(raw, 16, 0);
    put(raw, 24, &place.uuid);
    put_u64(raw, 40, place.owner);
}

/// How many data blocks one block of free room tells of.
pub(crate) fn free_room(length: usize) -> usize {
    length.saturating_sub(64).checked_div(2).unwrap_or(0)
}

/// A block of free room: the longest unused stretch of each data block from `first` on.
pub(crate) fn encode_free(length: usize, first: u32, best: &[u16], place: Place) -> Vec<u8> {
    let mut raw = vec![0; length];
    put_identity(&mut raw, DataKind::Free, place);
    let used = best.iter().filter(|best| **best != NO_BLOCK).count();
    put_u32(&mut raw, 48, first);
    put_u32(&mut raw, 52, u32::try_from(best.len()).unwrap_or(0));
    put_u32(&mut raw, 56, u32::try_from(used).unwrap_or(0));
    let mut at: usize = 64;
    for length in best {
        put_u16(&mut raw, at, *length);
        at = at.saturating_add(2);
    }
    checksum::seal(&mut raw, CRC);
    raw
}

/// What a block of free room says: the first data block, and each one's longest unused stretch.
pub(crate) fn parse_free(raw: &[u8], v5: bool) -> (u32, Vec<u16>) {
    let (at, start) = if v5 { (48_usize, 64) } else { (4, 16) };
    let count = usize::try_from(u32_at(raw, at.saturating_add(4))).unwrap_or(0);
    let area: &[u8] = raw.get(start..).unwrap_or_default();
    let best = area.chunks_exact(2).take(count).map(|pair| u16_at(pair, 0));
    (u32_at(raw, at), best.collect())
}

/// How many bytes an entry takes in a data block.
pub(crate) fn entry_bytes(name: usize, file_types: bool) -> usize {
    let plain = name.saturating_add(11).saturating_add(usize::from(file_types));
    plain.saturating_add(7) & !7
}

/// An entry of a data block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct DataEntry<'a> {
    pub(crate) inode: u64,
    pub(crate) name: &'a [u8],
    pub(crate) file_type: u8,
    pub(crate) length: usize,
}

/// What lies at a place of a data block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DataItem<'a> {
    Entry(DataEntry<'a>),
    Unused { length: usize },
}

impl DataItem<'_> {
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Entry(entry) => entry.length,
            Self::Unused { length } => *length,
        }
    }
}

/// Reads what lies at `at`, which has to end by `end`.
pub(crate) fn parse_item(raw: &[u8], at: usize, end: usize, file_types: bool) -> Result<DataItem<'_>, &'static str> {
    let area = raw.get(at..end).ok_or("an entry reaches beyond its block")?;
    let length = if u16_at(area, 0) == UNUSED {
        usize::from(u16_at(area, 2))
    } else {
        entry_bytes(u8_at(area, 8).into(), file_types)
    };
    if length < 8 || length % 8 != 0 || length > area.len() {
        return Err("an entry has an impossible length");
    }
    let tag = u16_at(area, length.saturating_sub(2));
    if usize::from(tag) != at {
        return Err("an entry does not know its own place");
    }
    if u16_at(area, 0) == UNUSED {
        return Ok(DataItem::Unused { length });
    }
    let name_end = usize::from(u8_at(area, 8)).saturating_add(9);
    let name = area.get(9..name_end).unwrap_or_default();
    Ok(DataItem::Entry(DataEntry {
        inode: u64_at(area, 0),
        name,
        file_type: if file_types { u8_at(area, name_end) } else { 0 },
        length,
    }))
}

/// Writes an entry at `at`.
pub(crate) fn put_entry(raw: &mut [u8], at: usize, inode: u64, name: &[u8], file_type: u8) -> usize {
    let length = entry_bytes(name.len(), true);
    if let Some(area) = raw.get_mut(at..at.saturating_add(length)) {
        area.fill(0);
        put_u64(area, 0, inode);
        put(area, 8, &[u8::try_from(name.len()).unwrap_or(u8::MAX)]);
        put(area, 9, name);
        put(area, name.len().saturating_add(9), &[file_type]);
        put_u16(area, length.saturating_sub(2), u16::try_from(at).unwrap_or(0));
    }
    length
}

/// Makes a stretch unused; what was there is wiped.
pub(crate) fn put_unused(raw: &mut [u8], at: usize, length: usize) {
    if let Some(area) = raw.get_mut(at..at.saturating_add(length)) {
        area.fill(0);
        put_u16(area, 0, UNUSED);
        put_u16(area, 2, u16::try_from(length).unwrap_or(0));
        put_u16(area, length.saturating_sub(2), u16::try_from(at).unwrap_or(0));
    }
}

/// An entry of the form within an inode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ShortEntry<'a> {
    pub(crate) inode: u64,
    pub(crate) name: &'a [u8],
    pub(crate) file_type: u8,
    pub(crate) offset: u16,
}

/// Reads the form within an inode: the parent and the entries.
pub(crate) fn parse_short(raw: &[u8], file_types: bool) -> Result<(u64, Vec<ShortEntry<'_>>), &'static str> {
    let (count, wide) = match (u8_at(raw, 0), u8_at(raw, 1)) {
        (count, 0) => (count, false),
        (count, _) => (count, true),
    };
    let number = |at: usize| if wide { u64_at(raw, at) } else { u32_at(raw, at).into() };
    let width: usize = if wide { 8 } else { 4 };
    let mut at = width.saturating_add(2);
    if raw.len() < at {
        return Err("it is too short");
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        let name_at = at.saturating_add(3);
        let name_end = name_at.saturating_add(u8_at(raw, at).into());
        let type_end = name_end.saturating_add(usize::from(file_types));
        let end = type_end.saturating_add(width);
        if end > raw.len() {
            return Err("an entry reaches beyond its end");
        }
        entries.push(ShortEntry {
            inode: number(type_end),
            name: raw.get(name_at..name_end).unwrap_or_default(),
            file_type: if file_types { u8_at(raw, name_end) } else { 0 },
            offset: u16_at(raw, at.saturating_add(1)),
        });
        at = end;
    }
    Ok((number(2), entries))
}

/// How many bytes the form within an inode takes for these inode numbers (the parent among them) and names.
pub(crate) fn short_bytes(wide: bool, names: usize, name_bytes: usize) -> usize {
    let width: usize = if wide { 8 } else { 4 };
    let each = width.saturating_add(4);
    let fixed = width.saturating_add(2);
    names
        .saturating_mul(each)
        .saturating_add(name_bytes)
        .saturating_add(fixed)
}

/// Writes the form within an inode (with file types). Entries lie as they would in a data block.
pub(crate) fn encode_short<'a>(parent: u64, wide: bool, entries: impl Iterator<Item = (&'a [u8], u64, u8)>) -> Vec<u8> {
    let number = |inode: u64| {
        let all = inode.to_be_bytes();
        if wide {
            all.to_vec()
        } else {
            all.get(4..).unwrap_or_default().to_vec()
        }
    };
    let dots = entry_bytes(1, true).saturating_add(entry_bytes(2, true));
    let mut offset = data_start(true).saturating_add(dots);
    let (mut count, mut wide_count) = (0_u8, u8::from(parent > u64::from(u32::MAX)));
    let mut body = Vec::new();
    for (name, inode, file_type) in entries {
        body.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        body.extend(u16::try_from(offset).unwrap_or(u16::MAX).to_be_bytes());
        body.extend_from_slice(name);
        body.push(file_type);
        body.extend(number(inode));
        offset = offset.saturating_add(entry_bytes(name.len(), true));
        count = count.saturating_add(1);
        wide_count = wide_count.saturating_add(u8::from(inode > u64::from(u32::MAX)));
    }
    let mut raw = vec![count, if wide { wide_count } else { 0 }];
    raw.extend(number(parent));
    raw.extend(body);
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_gaps_come_back() {
        let mut raw = vec![0; 256];
        let length = put_entry(&mut raw, 64, 131, b"name", 1);
        assert_eq!(length, 16);
        put_unused(&mut raw, 80, 176);
        let item = parse_item(&raw, 64, 256, true).unwrap();
        assert!(matches!(item, DataItem::Entry(entry) if entry.name == b"name" && entry.inode == 131));
        assert_eq!(parse_item(&raw, 80, 256, true), Ok(DataItem::Unused { length: 176 }));
        assert!(parse_item(&raw, 72, 256, true).is_err() && parse_item(&raw, 80, 250, true).is_err());
    }

    #[test]
    fn the_short_form_comes_back_with_narrow_and_wide_numbers() {
        for (parent, inode) in [(128, 131), (128, 1 << 40), (1 << 40, 131)] {
            let wide = parent > 1 << 32 || inode > 1 << 32;
            let raw = encode_short(parent, wide, [(&b"a"[..], inode, 1), (b"bc", 5, 2)].into_iter());
            assert_eq!(raw.len(), short_bytes(wide, 2, 3));
            let (found, entries) = parse_short(&raw, true).unwrap();
            assert_eq!((found, entries.len()), (parent, 2));
            assert_eq!(
                entries
                    .iter()
                    .map(|entry| (entry.inode, entry.offset))
                    .collect::<Vec<_>>(),
                [(inode, 96), (5, 112)]
            );
            assert!(parse_short(raw.split_last().unwrap().1, true).is_err());
        }
    }
}
