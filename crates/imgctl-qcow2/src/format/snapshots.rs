//! The snapshot table: one entry of variable length for each internal snapshot.

use super::bytes::{u16_at, u32_at, u64_at};
use crate::{Error, Result};

/// An entry without its extra data and names.
pub(crate) const FIXED_BYTES: u64 = 40;
/// qemu's limit for the extra data of one entry.
const MAX_EXTRA_BYTES: u32 = 1024;

/// An entry of the table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SnapshotEntry {
    pub(crate) l1_offset: u64,
    pub(crate) l1_entries: u32,
    pub(crate) id: String,
    pub(crate) name: String,
    /// Seconds since 1970.
    pub(crate) seconds: u32,
    pub(crate) vm_state_bytes: u64,
    /// The disk's length when it was made, where it says so.
    pub(crate) virtual_bytes: Option<u64>,
}

impl SnapshotEntry {
    /// The length of an entry that begins with `fixed` (of [`FIXED_BYTES`]), padding included.
    pub(crate) fn entry_bytes(fixed: &[u8], offset: u64) -> Result<u64> {
        let damaged = |problem| Error::Damaged {
            structure: "snapshot table entry",
            offset,
            problem,
        };
        let lengths = u16_at(fixed, 12).zip(u16_at(fixed, 14)).zip(u32_at(fixed, 36));
        let ((id, name), extra) = lengths.ok_or_else(|| damaged("the file ends within it"))?;
        if extra > MAX_EXTRA_BYTES {
            return Err(damaged("its extra data is too long"));
        }
        let length = FIXED_BYTES
            .saturating_add(extra.into())
            .saturating_add(id.into())
            .saturating_add(name.into());
        Ok(length.next_multiple_of(8))
    }

    /// Parses a whole entry.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (id_bytes, name_bytes) = (u16_at(bytes, 12)?, u16_at(bytes, 14)?);
        let extra = usize::try_from(u32_at(bytes, 36)?).ok()?;
        let (extra, names) = bytes.get(40..)?.split_at_checked(extra)?;
        let (id, names) = names.split_at_checked(id_bytes.into())?;
        let name = names.get(..name_bytes.into())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(Self {
            l1_offset: u64_at(bytes, 0)?,
            l1_entries: u32_at(bytes, 8)?,
            id: text(id),
            name: text(name),
            seconds: u32_at(bytes, 16)?,
            vm_state_bytes: u64_at(extra, 0).or_else(|| u32_at(bytes, 32).map(u64::from))?,
            virtual_bytes: u64_at(extra, 8),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_with_and_without_extra_data() {
        for extra in [0, 8, 16, 24] {
            let mut bytes = vec![0; 40];
            bytes[0..8].copy_from_slice(&0x50000_u64.to_be_bytes());
            bytes[8..12].copy_from_slice(&3_u32.to_be_bytes());
            bytes[13] = 1;
            bytes[15] = 4;
            bytes[16..20].copy_from_slice(&7_u32.to_be_bytes());
            bytes[32..36].copy_from_slice(&9_u32.to_be_bytes());
            bytes[36..40].copy_from_slice(&u32::try_from(extra).unwrap().to_be_bytes());
            let data = [1_u64 << 33, 1 << 30, 0].map(u64::to_be_bytes).concat();
            bytes.extend_from_slice(&data[..extra]);
            bytes.extend_from_slice(b"1base");
            let length = SnapshotEntry::entry_bytes(&bytes, 0).unwrap();
            assert_eq!(length, (bytes.len() as u64).next_multiple_of(8));
            let entry = SnapshotEntry::parse(&bytes).unwrap();
            assert_eq!(
                (entry.id.as_str(), entry.name.as_str(), entry.seconds),
                ("1", "base", 7)
            );
            assert_eq!(entry.vm_state_bytes, if extra == 0 { 9 } else { 1 << 33 });
            assert_eq!(entry.virtual_bytes, (extra >= 16).then_some(1 << 30));
            assert!(SnapshotEntry::parse(&bytes[..bytes.len() - 1]).is_none());
        }
        let mut long = vec![0; 40];
        long[36] = 1;
        assert!(SnapshotEntry::entry_bytes(&long, 0).is_err());
    }
}
