//! Sizes for people, and fields of comma-separated lists, as the peers write them.

use std::io::{self, Write};

const LETTERS: &[u8] = b"KMGTPE";

/// `83`, `5.1K`, `122M`: in powers of 1024, one decimal below 10, the nearest, and of two the even one.
pub(super) fn human_size(bytes: u64) -> String {
    let mut divisor = 1_u128;
    let mut letter = None;
    let bytes = u128::from(bytes);
    let mut letters = LETTERS.iter().peekable();
    while bytes / divisor >= 1024 && letters.peek().is_some() {
        divisor *= 1024;
        letter = letters.next();
    }
    let Some(mut letter) = letter.map(|letter| char::from(*letter)) else {
        return bytes.to_string();
    };
    if bytes / divisor < 10 {
        let tenths = rounded(bytes * 10, divisor);
        if tenths < 100 {
            return format!("{}.{}{letter}", tenths / 10, tenths % 10);
        }
        return format!("10{letter}");
    }
    let mut whole = rounded(bytes, divisor);
    let mut decimal = "";
    if let (1024, Some(next)) = (whole, letters.next()) {
        (whole, decimal, letter) = (1, ".0", char::from(*next));
    }
    format!("{whole}{decimal}{letter}")
}

/// The nearest whole number; of two equally near ones the even one.
fn rounded(dividend: u128, divisor: u128) -> u128 {
    let (whole, rest) = (dividend / divisor, dividend % divisor);
    match (rest * 2).cmp(&divisor) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Greater => whole + 1,
        std::cmp::Ordering::Equal => whole + whole % 2,
    }
}

/// Writes a field of a comma-separated list; quoted where it has a blank, comma, quote or line feed.
pub(super) fn write_csv_field(out: &mut impl Write, field: &[u8]) -> io::Result<()> {
    if !field.iter().any(|byte| b" \"\n,".contains(byte)) {
        return out.write_all(field);
    }
    out.write_all(b"\"")?;
    for (place, part) in field.split(|byte| *byte == b'"').enumerate() {
        if place > 0 {
            out.write_all(b"\"\"")?;
        }
        out.write_all(part)?;
    }
    out.write_all(b"\"")
}

/// Writes a line of a comma-separated list.
pub(super) fn write_csv_line<'f>(out: &mut impl Write, fields: impl IntoIterator<Item = &'f [u8]>) -> io::Result<()> {
    for (place, field) in fields.into_iter().enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        write_csv_field(out, field)?;
    }
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_to_the_nearest() {
        for (bytes, expected) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1075, "1.0K"),
            (1076, "1.1K"),
            (1024 * 9 + 1023, "10K"),
            (10 * 1024 + 512, "10K"),
            (11 * 1024 + 512, "12K"),
            (10 * 1024 + 513, "11K"),
            (1024 * 1023 + 512, "1.0M"),
            (2_962_386_944, "2.8G"),
            (128_006_144, "122M"),
            (3_145_728, "3.0M"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(human_size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn fields_are_quoted_where_they_must() {
        let mut out = Vec::new();
        write_csv_line(&mut out, [&b"plain"[..], b"a b", b"say \"x\"", b"", b"a,b", b"a\nb"]).unwrap();
        assert_eq!(out, b"plain,\"a b\",\"say \"\"x\"\"\",,\"a,b\",\"a\nb\"\n");
    }
}
