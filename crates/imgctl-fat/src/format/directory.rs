//! Directory entries of 32 bytes: short names, and long names in the entries before them.
//!
//! Facts (Microsoft FAT specification): name 0..11, attributes 11, case flags 12, creation 13..18, access date 18, cluster
//! (high half) 20, modification 22..26, cluster (low half) 26, size 28. A first byte of 0xE5 marks a deleted entry, of 0
//! the end of the directory. A long name's entries come last part first; each has its order (0x40 on the first one seen),
//! a checksum of the short name at 13 and 13 UTF-16 units at 1, 14 and 28.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use super::time::DosTime;
use super::{array_at, codepage, u16_at, u32_at};

pub(crate) const SLOT_BYTES: usize = 32;
pub(crate) const DELETED: u8 = 0xe5;
/// The most slots a directory can have: 2 MiB.
pub(crate) const MAX_SLOTS: usize = 65_536;
const LONG_UNITS: usize = 13;
const VOLUME: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
const LONG: u8 = 0x0f;
const READ_ONLY: u8 = 0x01;

/// A file or directory as its parent lists it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Record {
    /// The long name, or the short one where there is none.
    pub(crate) name: String,
    pub(crate) short: [u8; 11],
    pub(crate) fields: Fields,
    /// The first slot that belongs to it: of its long name, if it has one.
    pub(crate) first_slot: usize,
    /// The slot with everything but the long name.
    pub(crate) slot: usize,
}

/// What the short entry says besides the name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fields {
    pub(crate) attributes: u8,
    pub(crate) cluster: u32,
    pub(crate) size: u32,
    pub(crate) created: DosTime,
    pub(crate) accessed: DosTime,
    pub(crate) modified: DosTime,
}

impl Fields {
    /// Reads a short entry. `wide` says that clusters have 32 bits.
    pub(crate) fn parse(slot: &[u8], wide: bool) -> Option<Self> {
        let high = if wide { u32::from(u16_at(slot, 20)?) } else { 0 };
        Some(Self {
            attributes: *slot.get(11)?,
            cluster: high << 16 | u32::from(u16_at(slot, 26)?),
            size: u32_at(slot, 28)?,
            created: DosTime {
                hundredths: *slot.get(13)?,
                time: u16_at(slot, 14)?,
                date: u16_at(slot, 16)?,
            },
            accessed: DosTime {
                date: u16_at(slot, 18)?,
                ..DosTime::default()
            },
            modified: DosTime {
                time: u16_at(slot, 22)?,
                date: u16_at(slot, 24)?,
                hundredths: 0,
            },
        })
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.attributes & DIRECTORY != 0
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.attributes & READ_ONLY != 0
    }
}

impl Record {
    /// Whether a request for `name` means this entry: FAT does not tell case apart, and the short name counts too.
    pub(crate) fn answers_to(&self, folded: &str) -> bool {
        fold(&self.name) == folded || fold(&short_name(&self.short)) == folded
    }

    /// Every name the entry answers to, folded.
    pub(crate) fn folded_names(&self) -> [String; 2] {
        [fold(&self.name), fold(&short_name(&self.short))]
    }

    /// How many slots the entry takes.
    pub(crate) fn slots(&self) -> std::ops::RangeInclusive<usize> {
        self.first_slot..=self.slot
    }
}

/// The form of a name in which names of different case are equal.
pub(crate) fn fold(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).collect()
}

/// A short name with its dot.
pub(crate) fn short_name(raw: &[u8; 11]) -> String {
    join_short(raw, 0)
}

/// Joins a short name's two parts; bits 3 and 4 of `case` say which of them is shown in lower case.
fn join_short(raw: &[u8; 11], case: u8) -> String {
    let (base, extension) = raw.split_at(8);
    let part = |bytes: &[u8], lower: bool| -> String {
        let length = bytes
            .iter()
            .rposition(|byte| *byte != b' ')
            .map_or(0, |last| last.saturating_add(1));
        let shown = bytes.iter().take(length).map(|byte| match byte {
            byte if lower => byte.to_ascii_lowercase(),
            byte => *byte,
        });
        shown.map(codepage::decode).collect()
    };
    // 0x05 stands for 0xE5, which would mark the entry as deleted.
    let mut first = [0; 8];
    first.copy_from_slice(base);
    if let [byte @ 0x05, ..] = &mut first {
        *byte = DELETED;
    }
    let mut name = part(&first, case & 0x08 != 0);
    let extension = part(extension, case & 0x10 != 0);
    if !extension.is_empty() {
        name.push('.');
        name.push_str(&extension);
    }
    name
}

/// The checksum that ties a long name's entries to a short name.
pub(crate) fn short_checksum(short: &[u8; 11]) -> u8 {
    short
        .iter()
        .fold(0, |sum: u8, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// How many slots a new entry of this name takes; the `fatfs` crate writes a long name even where a short one would do.
pub(crate) fn slots_needed(name: &str) -> usize {
    name.encode_utf16().count().div_ceil(LONG_UNITS).saturating_add(1)
}

/// Whether this is a slot of a long name.
pub(crate) fn is_long(slot: &[u8]) -> bool {
    slot.get(11).is_some_and(|attributes| attributes & LONG == LONG)
}

fn is_volume(slot: &[u8]) -> bool {
    !is_long(slot) && slot.get(11).is_some_and(|attributes| attributes & VOLUME != 0)
}

/// Collects the parts of a long name, exactly as the `fatfs` crate does: both must see the same names.
#[derive(Debug, Default)]
struct LongName {
    units: Vec<u16>,
    checksum: u8,
    index: u8,
}

impl LongName {
    fn clear(&mut self) {
        self.units.clear();
        self.index = 0;
    }

    fn add(&mut self, slot: &[u8]) -> Option<()> {
        let order = *slot.first()?;
        let checksum = *slot.get(13)?;
        let index = order & 0x1f;
        let begins = order & 0x40 != 0;
        let length = usize::from(index).checked_mul(LONG_UNITS)?;
        if index == 0 {
            self.clear();
            return None;
        }
        if begins {
            self.index = index;
            self.checksum = checksum;
            self.units.resize(length, 0);
        } else if index.checked_add(1) == Some(self.index) && checksum == self.checksum {
            self.index = index;
        } else {
            self.clear();
            return None;
        }
        let start = length.checked_sub(LONG_UNITS)?;
        let part = self.units.get_mut(start..length)?;
        for (unit, at) in part.iter_mut().zip(LONG_UNITS_AT) {
            *unit = u16_at(slot, at)?;
        }
        Some(())
    }

    /// The name, if it is whole and belongs to the short name.
    fn finish(&mut self, short: &[u8; 11]) -> Option<String> {
        let whole = self.index == 1 && self.checksum == short_checksum(short);
        let length = self
            .units
            .iter()
            .rposition(|unit| !matches!(unit, 0 | 0xffff))
            .map_or(0, |last| last.saturating_add(1));
        let name = self
            .units
            .get(..length)
            .filter(|units| whole && !units.is_empty())
            .map(String::from_utf16_lossy);
        self.clear();
        name
    }
}

/// Where in a slot the 13 units of a long name are.
const LONG_UNITS_AT: [usize; LONG_UNITS] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/// Every file and directory listed in `bytes`, without `.`, `..` and the volume's label.
pub(crate) fn records(bytes: &[u8], wide: bool) -> Vec<Record> {
    let mut found = Vec::new();
    let mut long = LongName::default();
    let mut first_slot: usize = 0;
    for (number, slot) in bytes.chunks_exact(SLOT_BYTES).enumerate() {
        let next = number.saturating_add(1);
        match slot.first() {
            None | Some(0) => break,
            Some(&DELETED) => {
                long.clear();
                first_slot = next;
            }
            Some(_) if is_volume(slot) => {
                long.clear();
                first_slot = next;
            }
            Some(_) if is_long(slot) => {
                // A part that does not fit was dropped; the short name remains.
                let _dropped = long.add(slot);
            }
            Some(_) => {
                let record = short_record(slot, wide, &mut long, first_slot, number);
                found.extend(record.filter(|record| !is_dots(&record.short)));
                first_slot = next;
            }
        }
    }
    found
}

fn short_record(slot: &[u8], wide: bool, long: &mut LongName, first_slot: usize, number: usize) -> Option<Record> {
    let short: [u8; 11] = array_at(slot, 0)?;
    let case = *slot.get(12)?;
    Some(Record {
        name: long.finish(&short).unwrap_or_else(|| join_short(&short, case)),
        short,
        fields: Fields::parse(slot, wide)?,
        first_slot,
        slot: number,
    })
}

/// Whether this is the short name of `.` or `..`.
pub(crate) fn is_dots(short: &[u8; 11]) -> bool {
    short == b".          " || short == b"..         "
}

/// The label that a root directory holds.
pub(crate) fn volume_label(bytes: &[u8]) -> Option<[u8; 11]> {
    bytes
        .chunks_exact(SLOT_BYTES)
        .take_while(|slot| slot.first() != Some(&0))
        .find(|slot| slot.first() != Some(&DELETED) && is_volume(slot))
        .and_then(|slot| array_at(slot, 0))
}

/// The first slot of the unused end of a directory, or the number of slots if there is none.
pub(crate) fn end_slot(bytes: &[u8]) -> usize {
    let slots = bytes.chunks_exact(SLOT_BYTES);
    let count = slots.len();
    bytes
        .chunks_exact(SLOT_BYTES)
        .position(|slot| slot.first() == Some(&0))
        .unwrap_or(count)
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    /// A directory as the Linux kernel wrote it: a long name of two parts with its short name.
    fn sample() -> Vec<u8> {
        let short = *b"LONGFI~1TXT";
        let mut bytes = Vec::new();
        let units: Vec<u16> = "long file name.txt".encode_utf16().chain([0]).collect();
        for (order, part) in [(0x42, &units[13..]), (0x01, &units[..13])] {
            let mut slot = [0xff; SLOT_BYTES];
            slot[0] = order;
            slot[11] = LONG;
            slot[12] = 0;
            slot[13] = short_checksum(&short);
            slot[26] = 0;
            slot[27] = 0;
            for (unit, at) in part.iter().zip(LONG_UNITS_AT) {
                slot[at..at + 2].copy_from_slice(&unit.to_le_bytes());
            }
            bytes.extend(slot);
        }
        let mut slot = [0; SLOT_BYTES];
        slot[..11].copy_from_slice(&short);
        slot[11] = 0x20;
        slot[26] = 7;
        slot[28] = 99;
        bytes.extend(slot);
        bytes.extend([0; SLOT_BYTES]);
        bytes
    }

    #[test]
    fn long_names_are_joined() {
        let records = records(&sample(), true);
        assert_eq!(records.len(), 1);
        let record = &records[0];
        assert_eq!(record.name, "long file name.txt");
        assert_eq!((record.first_slot, record.slot), (0, 2));
        assert_eq!((record.fields.cluster, record.fields.size), (7, 99));
        assert!(record.answers_to(&fold("LONG file NAME.txt")));
        assert!(record.answers_to(&fold("longfi~1.txt")));
        assert!(!record.answers_to("LONGFI~1"));
        assert_eq!(slots_needed("long file name.txt"), 3);
    }

    #[test]
    fn a_broken_long_name_leaves_the_short_one() {
        for at in [0, 13, 32, 45] {
            let mut bytes = sample();
            bytes[at] ^= 0x03;
            let records = records(&bytes, true);
            assert_eq!(records[0].name, "LONGFI~1.TXT", "{at}");
        }
    }

    #[test]
    fn case_flags_and_the_code_page_are_honoured() {
        assert_eq!(join_short(b"FOO     RS ", 0x18), "foo.rs");
        assert_eq!(join_short(b"FOO     RS ", 0x08), "foo.RS");
        assert_eq!(join_short(b"\x05\x82         ", 0), "σé");
        assert_eq!(short_name(b"           "), "");
    }

    /// The names of a FAT12's root directory as the `fatfs` crate reads them.
    fn names_by_crate(slots: &[u8]) -> Vec<String> {
        const BYTES: usize = 512 << 10;
        let mut volume = std::io::Cursor::new(vec![0; BYTES]);
        fatfs::format_volume(&mut volume, fatfs::FormatVolumeOptions::new()).unwrap();
        let mut image = volume.into_inner();
        let geometry = crate::format::boot::Geometry::parse(&image[..512], BYTES as u64).unwrap();
        let at = geometry.root_at as usize;
        image[at..at + slots.len()].copy_from_slice(slots);
        let fs = fatfs::FileSystem::new(std::io::Cursor::new(image), fatfs::FsOptions::new()).unwrap();
        let names = fs.root_dir().iter().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name != "." && name != "..").collect()
    }

    /// The crate that writes finds entries by the names that are read here, so both must read them alike.
    #[test]
    fn names_are_those_that_the_crate_reads() {
        let mut state: u64 = 0x5eed;
        let mut random = move |end: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % end
        };
        let (mut long, mut total) = (0, 0);
        for _ in 0..400 {
            let mut slots = Vec::new();
            for _ in 0..8 {
                slots.extend_from_slice(&sample()[..3 * SLOT_BYTES]);
            }
            for _ in 0..random(12) {
                let at = random(slots.len() as u64) as usize;
                let slot = at / SLOT_BYTES * SLOT_BYTES;
                // ASCII only: the crate's own code page is another one.
                match random(6) {
                    0 => slots[slot] = [0xe5, 0x41, 0x42, 0x43, 0x01, 0x02][random(6) as usize],
                    1 => slots[slot + 11] = [0x0f, 0x08, 0x10, 0x20, 0x1f, 0x3f][random(6) as usize],
                    2 => slots[slot + 13] ^= 1,
                    3 => slots[slot + 12] = random(32) as u8,
                    4 => slots[at] = random(128) as u8,
                    _ => slots[slot + 1..slot + 11].fill((random(2) as u8 * 0xff) & 0x7f),
                }
            }
            let names: Vec<String> = records(&slots, false).into_iter().map(|record| record.name).collect();
            assert_eq!(names, names_by_crate(&slots));
            total += names.len();
            long += names.iter().filter(|name| name.contains("file name")).count();
        }
        assert!(long > 300 && total - long > 300, "{long} of {total}");
    }
}
