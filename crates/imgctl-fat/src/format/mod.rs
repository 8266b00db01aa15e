//! Bytes on the disk and checked types, one file per structure.

pub(crate) mod boot;
pub(crate) mod codepage;
pub(crate) mod directory;
pub(crate) mod time;

/// The `N` bytes at `offset`, or `None` where the slice is too short.
fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array_at(bytes, offset).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_le_bytes)
}
