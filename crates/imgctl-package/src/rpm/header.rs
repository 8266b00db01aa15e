//! A header blob: two counts, an index of 16 bytes per tag, and the data.
//!
//! Facts: rpm's "Header format" (rpm-software-management.github.io); big-endian; the database's blobs have no magic.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use crate::database::{About, Package, PackageState};
use crate::stanza::text;

/// rpm's own bounds.
const MAX_TAGS: u32 = 0xffff;
const MAX_DATA_BYTES: u32 = 0x0fff_ffff;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const SUMMARY: u32 = 1004;
const DESCRIPTION: u32 = 1005;
const INSTALL_TIME: u32 = 1008;
const SIZE: u32 = 1009;
const URL: u32 = 1020;
const ARCHITECTURE: u32 = 1022;
const LONG_SIZE: u32 = 5009;

const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
/// A string in several languages, the one without a language first.
const TRANSLATED: u32 = 9;

/// The index and the data of a header.
struct Header<'b> {
    index: &'b [[u8; 16]],
    data: &'b [u8],
}

/// The package that a header describes.
pub(super) fn package(blob: &[u8]) -> Result<Package, &'static str> {
    let header = Header::parse(blob).ok_or("a header is shorter than it says")?;
    let string = |tag| header.string(tag);
    let name = string(NAME).ok_or("a header has no name")?;
    let version = string(VERSION).ok_or("a header has no version")?;
    let release = string(RELEASE).ok_or("a header has no release")?;
    let epoch = header
        .number(EPOCH)
        .map(|epoch| format!("{epoch}:"))
        .unwrap_or_default();
    Ok(Package {
        name: text(name),
        version: format!("{epoch}{}-{}", text(version), text(release)),
        architecture: string(ARCHITECTURE).map(text),
        installed_bytes: header.number(LONG_SIZE).or_else(|| header.number(SIZE)),
        installed_at: header.number(INSTALL_TIME),
        state: PackageState::Installed,
        about: About {
            url: string(URL).map(text),
            summary: header.string_of(SUMMARY, TRANSLATED).or(string(SUMMARY)).map(text),
            description: header
                .string_of(DESCRIPTION, TRANSLATED)
                .or(string(DESCRIPTION))
                .map(text),
            ..About::default()
        },
    })
}

impl<'b> Header<'b> {
    fn parse(blob: &'b [u8]) -> Option<Self> {
        let tags = u32_at(blob, 0).filter(|tags| *tags <= MAX_TAGS)?;
        let data_bytes = u32_at(blob, 4).filter(|bytes| *bytes <= MAX_DATA_BYTES)?;
        let index_bytes = usize::try_from(tags).ok()?.checked_mul(16)?;
        let (index, data) = blob.get(8..)?.split_at_checked(index_bytes)?;
        Some(Self {
            index: index.as_chunks().0,
            data: data.get(..usize::try_from(data_bytes).ok()?)?,
        })
    }

    /// The data of a tag of this type, from its first byte on.
    fn find(&self, tag: u32, kind: u32) -> Option<&'b [u8]> {
        // What rpm adds when it installs comes last, and counts.
        let mut entries = self.index.iter().rev();
        let entry = entries.find(|entry| u32_at(*entry, 0) == Some(tag) && u32_at(*entry, 4) == Some(kind))?;
        let is_there = u32_at(entry, 12).is_some_and(|count| count > 0);
        let offset = usize::try_from(u32_at(entry, 8)?).ok()?;
        self.data.get(offset..).filter(|_| is_there)
    }

    fn string(&self, tag: u32) -> Option<&'b [u8]> {
        self.string_of(tag, STRING)
    }

    /// The first string of a tag of this type.
    fn string_of(&self, tag: u32, kind: u32) -> Option<&'b [u8]> {
        let data = self.find(tag, kind)?;
        let end = data.iter().position(|byte| *byte == 0)?;
        data.get(..end)
    }

    fn number(&self, tag: u32) -> Option<u64> {
        let long = || self.find(tag, INT64)?.first_chunk().copied().map(u64::from_be_bytes);
        let short = self.find(tag, INT32).and_then(|data| u32_at(data, 0)).map(u64::from);
        short.or_else(long)
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..offset.checked_add(4)?)?;
    bytes.first_chunk().copied().map(u32::from_be_bytes)
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    fn blob(entries: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let data: Vec<u8> = entries.iter().flat_map(|(_, _, data)| data.to_vec()).collect();
        let mut blob = Vec::new();
        let mut number = |number: usize| blob.extend(u32::try_from(number).unwrap().to_be_bytes());
        number(entries.len());
        number(data.len());
        let mut offset = 0;
        for (tag, kind, data) in entries {
            let entry = [
                usize::try_from(*tag).unwrap(),
                usize::try_from(*kind).unwrap(),
                offset,
                1,
            ];
            entry.into_iter().for_each(&mut number);
            offset += data.len();
        }
        blob.extend(data);
        blob
    }

    #[test]
    fn a_header_tells_its_package() {
        let blob = blob(&[
            (NAME, STRING, b"chrony\0"),
            (VERSION, STRING, b"4.3\0"),
            (RELEASE, STRING, b"1.el9\0"),
            (EPOCH, INT32, &[0, 0, 0, 2]),
            (LONG_SIZE, INT64, &[0, 0, 0, 1, 0, 0, 0, 0]),
            (INSTALL_TIME, INT32, &[0, 0, 1, 0]),
            (URL, STRING, b"https://chrony.org\0"),
            (SUMMARY, TRANSLATED, b"keeps time\0h\xc3\xa4lt die Zeit\0"),
        ]);
        let package = package(&blob).unwrap();
        assert_eq!(
            (package.name.as_str(), package.version.as_str()),
            ("chrony", "2:4.3-1.el9")
        );
        assert_eq!(
            (package.installed_bytes, package.installed_at),
            (Some(1 << 32), Some(256))
        );
        assert_eq!(package.about.url.as_deref(), Some("https://chrony.org"));
        assert_eq!(package.about.summary.as_deref(), Some("keeps time"));
        for length in 0..blob.len() {
            let _ = super::package(&blob[..length]);
        }
    }

    #[test]
    fn hostile_headers_are_refused() {
        assert!(package(&[]).is_err());
        assert!(package(&[0xff; 64]).is_err());
        assert!(package(&blob(&[(NAME, STRING, b"no end")])).is_err());
        assert!(package(&blob(&[(NAME, INT32, b"chrony\0")])).is_err());
    }
}
