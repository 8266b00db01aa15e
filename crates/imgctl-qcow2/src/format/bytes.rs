//! Big-endian numbers at an offset of a buffer.

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u16::from_be_bytes(*field))
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_be_bytes(*field))
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u64::from_be_bytes(*field))
}

/// A table of numbers; a rest shorter than a number is left out.
pub(crate) fn u64_table(bytes: &[u8]) -> Vec<u64> {
    let (entries, _) = bytes.as_chunks();
    entries.iter().copied().map(u64::from_be_bytes).collect()
}
