//! Header extensions: a list of (type, length, data padded to 8 bytes) after the header.

use super::bytes::{u32_at, u64_at};
use crate::{Error, Result};

const END: u32 = 0;
const BACKING_FORMAT: u32 = 0xe279_2aca;
const FEATURE_NAMES: u32 = 0x6803_f857;
const BITMAPS: u32 = 0x2385_2875;
const ENCRYPTION: u32 = 0x0537_be77;
const DATA_FILE: u32 = 0x4441_5441;

/// What the extensions of an image say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Extensions {
    /// The format of the backing file.
    pub(crate) backing_format: Option<String>,
    /// The name of the external data file.
    pub(crate) data_file: Option<String>,
    /// Names of feature bits.
    pub(crate) feature_names: Vec<FeatureName>,
    /// How many persistent bitmaps there are.
    pub(crate) bitmaps: u32,
    /// The directory of the bitmaps.
    pub(crate) bitmap_directory: Option<Area>,
    /// The header of the encryption.
    pub(crate) encryption_header: Option<Area>,
    /// Types that nothing here knows; they may be ignored.
    pub(crate) unknown: Vec<u32>,
}

/// A range of the file that an extension names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Area {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
}

/// A row of the feature name table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FeatureName {
    /// 0 incompatible, 1 compatible, 2 autoclear.
    pub(crate) kind: u8,
    pub(crate) bit: u8,
    pub(crate) name: String,
}

impl Extensions {
    /// Parses the extensions in `bytes`, which begin at `start` of the file and end where they must have ended.
    pub(crate) fn parse(bytes: &[u8], start: u64) -> Result<Self> {
        let damaged = |problem| Error::Damaged {
            structure: "list of header extensions",
            offset: start,
            problem,
        };
        let mut found = Self::default();
        let mut rest = bytes;
        // An end mark may be missing when the area is full to its end.
        while let Some((header, after)) = rest.split_first_chunk::<8>() {
            let kind = u32_at(header, 0).unwrap_or(END);
            if kind == END {
                break;
            }
            let length = u32_at(header, 4)
                .and_then(|length| usize::try_from(length).ok())
                .unwrap_or(usize::MAX);
            let Some(data) = after.get(..length) else {
                return Err(damaged("an extension passes the end of its area"));
            };
            found.add(kind, data).map_err(damaged)?;
            let padded = length.checked_next_multiple_of(8).unwrap_or(length);
            rest = after.get(padded..).unwrap_or_default();
        }
        Ok(found)
    }

    fn add(&mut self, kind: u32, data: &[u8]) -> std::result::Result<(), &'static str> {
        match kind {
            BACKING_FORMAT if data.len() >= 16 => return Err("the backing format is too long"),
            BACKING_FORMAT => self.backing_format = Some(text(data)),
            DATA_FILE => self.data_file = Some(text(data)),
            FEATURE_NAMES => self.feature_names = data.chunks_exact(48).map(feature_name).collect(),
            BITMAPS if data.len() < 24 => return Err("the bitmaps extension is too short"),
            BITMAPS => {
                self.bitmaps = u32_at(data, 0).unwrap_or(0);
                let area = u64_at(data, 16).zip(u64_at(data, 8));
                self.bitmap_directory = area.map(|(offset, bytes)| Area { offset, bytes });
            }
            // The header's crypt_method says whether it means anything.
            ENCRYPTION => {
                let area = u64_at(data, 0).zip(u64_at(data, 8));
                self.encryption_header = area.map(|(offset, bytes)| Area { offset, bytes });
            }
            _ => self.unknown.push(kind),
        }
        Ok(())
    }
}

fn feature_name(row: &[u8]) -> FeatureName {
    let name = row.get(2..).unwrap_or_default();
    FeatureName {
        kind: row.first().copied().unwrap_or(u8::MAX),
        bit: row.get(1).copied().unwrap_or(u8::MAX),
        name: text(name.split(|byte| *byte == 0).next().unwrap_or_default()),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The extension that names the format of the backing file, padded.
pub(crate) fn encode_backing_format(format: &str) -> Vec<u8> {
    let mut bytes = BACKING_FORMAT.to_be_bytes().to_vec();
    let length = u32::try_from(format.len()).unwrap_or(0);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(format.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    #[test]
    fn extensions_are_read_up_to_the_end_mark() {
        let mut row = vec![0, 9];
        row.extend_from_slice(b"time travel");
        row.resize(48, 0);
        let bytes = [
            encode_backing_format("raw"),
            extension(FEATURE_NAMES, &row),
            extension(7, b"abc"),
            extension(END, b""),
            vec![0xff; 64],
        ]
        .concat();
        let found = Extensions::parse(&bytes, 112).unwrap();
        assert_eq!(found.backing_format.as_deref(), Some("raw"));
        assert_eq!(found.feature_names[0].name, "time travel");
        assert_eq!(found.unknown, [7]);
    }

    #[test]
    fn an_extension_past_the_end_is_damage() {
        let mut bytes = extension(7, b"abcdefgh");
        bytes.truncate(12);
        assert!(Extensions::parse(&bytes, 112).is_err());
        assert!(Extensions::parse(&extension(BACKING_FORMAT, &[b'x'; 16]), 112).is_err());
    }
}
