//! The structures of a SQLite database file, one file each (<https://www.sqlite.org/fileformat2.html>).

pub(super) mod header;
pub(super) mod page;
pub(super) mod record;
pub(super) mod wal;

/// What is wrong with a structure.
pub(super) type Parsed<T> = Result<T, &'static str>;

/// The big-endian number at `offset`.
fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_be_bytes(array_at(bytes, offset)?))
}

/// The big-endian number at `offset`.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_be_bytes(array_at(bytes, offset)?))
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

/// A variable-length number and how many bytes it takes: seven bits a byte, the ninth has eight.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        let length = index.checked_add(1)?;
        if length == 9 {
            return Some(((value << 8) | u64::from(*byte), length));
        }
        value = (value << 7) | u64::from(*byte & 0x7f);
        if *byte & 0x80 == 0 {
            return Some((value, length));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_have_one_to_nine_bytes() {
        assert_eq!(varint(&[0x7f]), Some((0x7f, 1)));
        assert_eq!(varint(&[0x81, 0x00, 0xff]), Some((0x80, 2)));
        assert_eq!(varint(&[0xff; 9]), Some((u64::MAX, 9)));
        assert_eq!(varint(&[0xff; 8]), None);
        assert_eq!(varint(&[]), None);
    }
}
