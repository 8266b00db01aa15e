//! Records: the columns of one row.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use super::{Parsed, varint};

/// As many columns as are looked at.
const MAX_COLUMNS: usize = 64;

/// A value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::sqlite) enum Column<'r> {
    Null,
    Integer(i64),
    /// A floating-point number, which nothing here asks for.
    Real,
    Blob(&'r [u8]),
    Text(&'r [u8]),
}

/// The first columns of a record.
pub(in crate::sqlite) fn columns(record: &[u8]) -> Parsed<Vec<Column<'_>>> {
    let short = "a row is shorter than it says";
    let (header_bytes, length) = varint(record).ok_or(short)?;
    let header_bytes = usize::try_from(header_bytes).map_err(|_| short)?;
    let mut header = record.get(length..header_bytes).ok_or(short)?;
    let mut body = record.get(header_bytes..).ok_or(short)?;
    let mut columns = Vec::new();
    while !header.is_empty() && columns.len() < MAX_COLUMNS {
        let (serial, length) = varint(header).ok_or(short)?;
        header = header.get(length..).unwrap_or_default();
        let bytes = usize::try_from(content_bytes(serial).ok_or("a row has a value of no known type")?);
        let (content, rest) = body.split_at_checked(bytes.map_err(|_| short)?).ok_or(short)?;
        body = rest;
        columns.push(match serial {
            0 => Column::Null,
            1..=6 => Column::Integer(integer(content)),
            7 => Column::Real,
            8 => Column::Integer(0),
            9 => Column::Integer(1),
            blob if blob % 2 == 0 => Column::Blob(content),
            _ => Column::Text(content),
        });
    }
    Ok(columns)
}

fn content_bytes(serial: u64) -> Option<u64> {
    match serial {
        0 | 8 | 9 => Some(0),
        1..=4 => Some(serial),
        5 => Some(6),
        6 | 7 => Some(8),
        10 | 11 => None,
        _ => serial.checked_sub(12).map(|length| length >> 1),
    }
}

/// Two's complement, big-endian, of up to eight bytes.
fn integer(bytes: &[u8]) -> i64 {
    let is_negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let start = if is_negative { -1 } else { 0 };
    bytes.iter().fold(start, |value, byte| (value << 8) | i64::from(*byte))
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_every_type() {
        let record = [&[7, 0, 1, 2, 9, 16, 15][..], &[0xff], &[1, 0], b"ab", b"c"].concat();
        let expected = [
            Column::Null,
            Column::Integer(-1),
            Column::Integer(256),
            Column::Integer(1),
            Column::Blob(b"ab"),
            Column::Text(b"c"),
        ];
        assert_eq!(columns(&record), Ok(expected.to_vec()));
        for length in 0..record.len() {
            assert!(columns(&record[..length]).is_err(), "{length}");
        }
        assert!(columns(&[2, 10]).is_err());
        assert!(columns(&[10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]).is_err());
    }
}
