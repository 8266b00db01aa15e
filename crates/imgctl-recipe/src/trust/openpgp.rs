//! Public keys of OpenPGP (RFC 9580): whether bytes are some, in which form, and their fingerprints.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::armor::blocks;

const SECRET_KEY: u8 = 5;
const PUBLIC_KEY: u8 = 6;
const PUBLIC_SUBKEY: u8 = 14;

/// As many packets as are looked at; a distribution's keyring has some hundreds.
const MAX_PACKETS: usize = 100_000;

/// One key of a keyring.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicKey {
    /// Its fingerprint, upper-case hexadecimal digits.
    pub fingerprint: String,
    /// Whether it belongs to the one before it.
    pub is_subkey: bool,
}

/// Why bytes are no public keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// A private key is in them.
    #[error("there is a private key in it")]
    PrivateKey,
    /// They are something else.
    #[error("it is no public key of OpenPGP")]
    NotAKey,
}

/// Whether the bytes are text: that decides about the name of a keyring's file.
#[must_use]
pub(crate) fn is_armored(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"-----BEGIN PGP ")
}

/// The keys of a keyring, armored or not.
///
/// # Errors
/// Says what else it is.
pub fn public_keys(bytes: &[u8]) -> Result<Vec<PublicKey>, KeyError> {
    let mut binary = Vec::new();
    if is_armored(bytes) {
        for block in blocks(&String::from_utf8_lossy(bytes)) {
            match block.label.as_str() {
                "PGP PRIVATE KEY BLOCK" => return Err(KeyError::PrivateKey),
                "PGP PUBLIC KEY BLOCK" => binary.extend(block.bytes.ok_or(KeyError::NotAKey)?),
                _ => {}
            }
        }
    } else {
        binary.extend_from_slice(bytes);
    }
    let mut keys = Vec::new();
    let mut rest = binary.as_slice();
    for _ in 0..MAX_PACKETS {
        if rest.is_empty() {
            break;
        }
        let (tag, body, after) = packet(rest).ok_or(KeyError::NotAKey)?;
        match tag {
            SECRET_KEY => return Err(KeyError::PrivateKey),
            PUBLIC_KEY | PUBLIC_SUBKEY => keys.push(PublicKey {
                fingerprint: fingerprint(body).ok_or(KeyError::NotAKey)?,
                is_subkey: tag == PUBLIC_SUBKEY,
            }),
            // A keyring begins with a key.
            _ if keys.is_empty() => return Err(KeyError::NotAKey),
            _ => {}
        }
        rest = after;
    }
    match keys.is_empty() || !rest.is_empty() {
        true => Err(KeyError::NotAKey),
        false => Ok(keys),
    }
}

/// A packet's type and body, and what comes after it (RFC 9580, 4.2). Lengths of keys are never partial.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let number = |digits: &[u8]| {
        digits
            .iter()
            .fold(0_u32, |number, digit| number << 8 | u32::from(*digit))
    };
    let (tag, length, rest) = match first {
        0xc0.. => {
            let (one, rest) = rest.split_first()?;
            let (length, rest) = match one {
                0..=191 => (u32::from(*one), rest),
                192..=223 => {
                    let (two, rest) = rest.split_first()?;
                    let high = u32::from(*one).checked_sub(192)?.checked_mul(256)?;
                    (high.checked_add(u32::from(*two))?.checked_add(192)?, rest)
                }
                255 => {
                    let (digits, rest) = rest.split_at_checked(4)?;
                    (number(digits), rest)
                }
                224..=254 => return None,
            };
            (first & 0x3f, length, rest)
        }
        0x80..=0xbf => {
            let digits = match first & 3 {
                0 => 1,
                1 => 2,
                2 => 4,
                _ => return None,
            };
            let (digits, rest) = rest.split_at_checked(digits)?;
            (first >> 2 & 0xf, number(digits), rest)
        }
        _ => return None,
    };
    let (body, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((tag, body, after))
}

/// RFC 9580, 5.5.4: versions 4 and 6; others have none that anyone goes by.
fn fingerprint(body: &[u8]) -> Option<String> {
    let digest: Vec<u8> = match body.first()? {
        4 => {
            let length = u16::try_from(body.len()).ok()?.to_be_bytes();
            Sha1::digest([&[0x99], length.as_slice(), body].concat()).to_vec()
        }
        6 => {
            let length = u32::try_from(body.len()).ok()?.to_be_bytes();
            Sha256::digest([&[0x9b], length.as_slice(), body].concat()).to_vec()
        }
        _ => return None,
    };
    Some(digest.iter().map(|byte| format!("{byte:02X}")).collect())
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn packets_in_every_form_of_length() {
        let body = [4, 0, 0, 0, 0, 1];
        for header in [
            &[0x98, 6][..],
            &[0x99, 0, 6],
            &[0x9a, 0, 0, 0, 6],
            &[0xc6, 6],
            &[0xc6, 255, 0, 0, 0, 6],
        ] {
            let keys = public_keys(&[header, &body].concat()).unwrap();
            assert_eq!(
                (keys.len(), keys[0].fingerprint.len(), keys[0].is_subkey),
                (1, 40, false)
            );
        }
    }

    #[test]
    fn keys_as_gpg_shows_them() {
        let armored = public_keys(include_bytes!("../../tests/trust/vendor.asc")).unwrap();
        assert_eq!(armored[0].fingerprint, "FF8097335A57E485B19B1E67FDABDFC45FA492E4");
        assert_eq!(public_keys(include_bytes!("../../tests/trust/vendor.gpg")), Ok(armored));
    }

    #[test]
    fn what_is_no_key() {
        for bytes in [
            &b""[..],
            b"text",
            &[0x98, 6, 4],
            &[0x9b, 4],
            &[0xc6, 224],
            &[0xb4, 1, b'a'],
            &[0x98, 1, 3],
        ] {
            assert_eq!(public_keys(bytes), Err(KeyError::NotAKey), "{bytes:?}");
        }
        assert_eq!(public_keys(&[0x94, 1, 4]), Err(KeyError::PrivateKey));
        assert_eq!(
            public_keys(b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n"),
            Err(KeyError::PrivateKey)
        );
    }
}
