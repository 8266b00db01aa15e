//! Base64 between lines of dashes: PEM (RFC 7468) and OpenPGP's armor (RFC 9580, 6.2).

use crate::kinds::decode_base64;

/// A block of a text.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Block {
    /// What stands after `BEGIN`.
    pub(super) label: String,
    /// What it holds; `None` where that is not base64, or the end is missing.
    pub(super) bytes: Option<Vec<u8>>,
}

/// Every block of a text, in order. What stands between them is passed over, and so are headers and checksums in them.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let label = line
            .strip_prefix("-----BEGIN ")
            .and_then(|rest| rest.strip_suffix("-----"));
        let Some(label) = label else { continue };
        let end = format!("-----END {label}-----");
        let mut digits = String::new();
        let mut is_ended = false;
        for line in lines.by_ref() {
            if line == end {
                is_ended = true;
                break;
            }
            // Headers like `Version: x`, and the checksum of armor.
            if !line.contains(':') && !line.starts_with('=') {
                digits.push_str(line);
            }
        }
        let bytes = is_ended.then(|| decode_base64(&digits)).flatten();
        blocks.push(Block {
            label: label.to_owned(),
            bytes: bytes.filter(|bytes| !bytes.is_empty()),
        });
    }
    blocks
}

/// Bytes in the form of RFC 7468: lines of 64 digits, the last one ended.
#[must_use]
pub fn pem(label: &str, bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in bytes.chunks(48) {
        for group in line.chunks(3) {
            let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for place in 0..4 {
                let digit = (bits >> (18 - 6 * place) & 63) as usize;
                text.push(if place <= group.len() {
                    char::from(DIGITS[digit])
                } else {
                    '='
                });
            }
        }
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for length in [1, 2, 3, 47, 48, 49, 200] {
            let bytes: Vec<u8> = (0..length).collect();
            let text = format!("before\n{}after\n", pem("X Y", &bytes));
            let label = "X Y".to_owned();
            assert_eq!(
                blocks(&text),
                [Block {
                    label,
                    bytes: Some(bytes)
                }],
                "{text}"
            );
            assert!(text.lines().all(|line| line.len() <= 64));
        }
    }

    #[test]
    fn broken_blocks_have_no_bytes() {
        for text in [
            "-----BEGIN A-----\nAAAA\n",
            "-----BEGIN A-----\n-----END A-----\n",
            "-----BEGIN A-----\n!!!!\n-----END A-----\n",
        ] {
            assert_eq!(blocks(text).first().map(|block| &block.bytes), Some(&None), "{text}");
        }
        let armor = "-----BEGIN P-----\nVersion: 1\n\nAAAA\n=abcd\n-----END P-----\n";
        assert_eq!(
            blocks(armor).first().and_then(|block| block.bytes.clone()),
            Some(vec![0; 3])
        );
        assert!(blocks("-----BEGIN A----\nx").is_empty());
    }
}
