//! Certificates of X.509 (RFC 5280, 4.1): subject, validity, whether it is an authority's, and OpenSSL's hash of the subject.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use sha1::{Digest as _, Sha1};
use std::fmt;

use super::armor::{blocks, pem};
use super::der::{
    BOOLEAN, Element, Elements, GENERALIZED_TIME, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, UTC_TIME, encode,
};

/// As many as one file can hold; the authorities of all browsers together are about 150.
const MAX_CERTIFICATES: usize = 1024;

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANIZATION: &[u8] = &[0x55, 4, 10];
const ORGANIZATIONAL_UNIT: &[u8] = &[0x55, 4, 11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];

const UTF8_STRING: u8 = 0x0c;
/// NumericString to VisibleString, those that OpenSSL takes for text: T61, Printable, IA5, Visible.
const BYTE_STRINGS: [u8; 4] = [0x13, 0x14, 0x16, 0x1a];
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;

/// A certificate, as far as its use as an authority's needs it.
#[derive(Clone, Eq, PartialEq)]
pub struct Certificate {
    /// The whole certificate in DER.
    pub der: Vec<u8>,
    /// The subject's name for people: its common name, else its organizational unit or organization.
    pub subject: String,
    /// Until when it holds, in seconds since 1970.
    pub not_after: i64,
    /// Whether it says of itself that it is an authority's.
    pub is_authority: bool,
    /// OpenSSL's hash of the subject, which names links in folders of certificates (X509_NAME_hash(3)).
    pub subject_hash: u32,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Certificate");
        shown.field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Why a text has no certificates.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CertificateError {
    /// It holds a private key.
    #[error("there is a private key in it")]
    PrivateKey,
    /// No certificate is in it.
    #[error("there is no certificate in it")]
    None,
    /// This one, from 1, cannot be read.
    #[error("certificate {0} is not a certificate of X.509 in PEM form")]
    Invalid(usize),
    /// There are more than can be meant.
    #[error("it holds more than {MAX_CERTIFICATES} certificates")]
    TooMany,
}

/// Every certificate of a text in PEM form, each once; or the one that the bytes are in DER.
///
/// # Errors
/// Says what else it is.
pub fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    if let Some(certificate) = Certificate::parse(bytes) {
        return Ok(vec![certificate]);
    }
    let mut found: Vec<Certificate> = Vec::new();
    for (number, block) in (1_usize..).zip(blocks(&String::from_utf8_lossy(bytes))) {
        if block.label.ends_with("PRIVATE KEY") {
            return Err(CertificateError::PrivateKey);
        }
        if !matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE") {
            continue;
        }
        if number > MAX_CERTIFICATES {
            return Err(CertificateError::TooMany);
        }
        let der = block.bytes.ok_or(CertificateError::Invalid(number))?;
        let certificate = Certificate::parse(&der).ok_or(CertificateError::Invalid(number))?;
        if !found.contains(&certificate) {
            found.push(certificate);
        }
    }
    match found.is_empty() {
        true => Err(CertificateError::None),
        false => Ok(found),
    }
}

/// The certificate of a file that holds exactly one block, as `openssl rehash` wants it.
#[must_use]
pub fn single_certificate(bytes: &[u8]) -> Option<Certificate> {
    let blocks = blocks(&String::from_utf8_lossy(bytes));
    let is_counted = |label: &str| label.ends_with("CERTIFICATE") || label.ends_with("CRL");
    let mut counted = blocks.iter().filter(|block| is_counted(&block.label));
    let (Some(only), None) = (counted.next(), counted.next()) else {
        return None;
    };
    Certificate::parse(only.bytes.as_deref()?)
}

impl Certificate {
    /// Reads one in DER; `None` where the bytes are none.
    #[must_use]
    pub fn parse(der: &[u8]) -> Option<Self> {
        let mut outside = Elements(der);
        let certificate = outside.expect(SEQUENCE)?;
        if !outside.0.is_empty() {
            return None;
        }
        let mut parts = certificate.inner();
        let mut fields = parts.expect(SEQUENCE)?.inner();
        parts.expect(SEQUENCE)?;
        fields.optional(0xa0);
        let _serial = fields.expect(0x02)?;
        let _algorithm = fields.expect(SEQUENCE)?;
        let _issuer = fields.expect(SEQUENCE)?;
        let mut validity = fields.expect(SEQUENCE)?.inner();
        let subject = fields.expect(SEQUENCE)?;
        let _key = fields.expect(SEQUENCE)?;
        let _not_before = seconds(&validity.next()?)?;
        let not_after = seconds(&validity.next()?)?;
        // Version 1 has no extensions: such roots are authorities by age.
        let mut is_authority = true;
        while let Some(field) = fields.next() {
            if field.tag == 0xa3 {
                is_authority = has_authority(&field)?;
            }
        }
        Some(Self {
            der: der.to_vec(),
            subject: shown(&subject)?,
            not_after,
            is_authority,
            subject_hash: hash(&subject)?,
        })
    }

    /// The certificate in PEM form.
    #[must_use]
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    /// SHA-1 of the whole, by which `openssl rehash` knows certificates that are equal.
    #[must_use]
    pub fn digest(&self) -> [u8; 20] {
        Sha1::digest(&self.der).into()
    }
}

/// Whether the extensions have `CA:TRUE` (RFC 5280, 4.2.1.9).
fn has_authority(extensions: &Element<'_>) -> Option<bool> {
    let mut list = extensions.inner().expect(SEQUENCE)?.inner();
    while let Some(extension) = list.next() {
        let mut parts = extension.inner();
        if parts.expect(OBJECT_IDENTIFIER)?.content != BASIC_CONSTRAINTS {
            continue;
        }
        parts.optional(BOOLEAN);
        let mut value = parts.expect(OCTET_STRING)?.inner();
        let is_authority = value.expect(SEQUENCE)?.inner().optional(BOOLEAN);
        return Some(is_authority.is_some_and(|value| value.content != [0]));
    }
    Some(false)
}

/// An attribute of a name: OID and value.
type Attribute<'b> = (&'b [u8], Element<'b>);

/// Every attribute of a name, in the sets that they stand in.
fn attributes<'b>(name: &Element<'b>) -> Option<Vec<Vec<Attribute<'b>>>> {
    let mut sets = Vec::new();
    let mut list = name.inner();
    while !list.0.is_empty() {
        let mut set = list.expect(SET)?.inner();
        let mut attributes = Vec::new();
        while !set.0.is_empty() {
            let mut pair = set.expect(SEQUENCE)?.inner();
            attributes.push((pair.expect(OBJECT_IDENTIFIER)?.content, pair.next()?));
        }
        sets.push(attributes);
    }
    Some(sets)
}

/// The name that people know.
fn shown(name: &Element<'_>) -> Option<String> {
    let sets = attributes(name)?;
    let find = |wanted: &[u8]| {
        let mut all = sets.iter().flatten().rev();
        let (_, value) = all.find(|(oid, _)| *oid == wanted)?;
        text_of(value)
    };
    let known = [COMMON_NAME, ORGANIZATIONAL_UNIT, ORGANIZATION]
        .into_iter()
        .find_map(find);
    Some(known.unwrap_or_else(|| "a subject without a name".to_owned()))
}

/// A string as text; `None` for what is no text.
fn text_of(value: &Element<'_>) -> Option<String> {
    match value.tag {
        UTF8_STRING => Some(String::from_utf8_lossy(value.content).into_owned()),
        tag if BYTE_STRINGS.contains(&tag) => Some(value.content.iter().map(|byte| char::from(*byte)).collect()),
        BMP_STRING => {
            let pairs = value
                .content
                .chunks_exact(2)
                .filter_map(|pair| <[u8; 2]>::try_from(pair).ok());
            let units = pairs.map(u16::from_be_bytes);
            char::decode_utf16(units).collect::<Result<String, _>>().ok()
        }
        UNIVERSAL_STRING => {
            let quads = value
                .content
                .chunks_exact(4)
                .filter_map(|quad| <[u8; 4]>::try_from(quad).ok());
            quads.map(|quad| char::from_u32(u32::from_be_bytes(quad))).collect()
        }
        _ => None,
    }
}

/// The first four bytes of SHA-1 of the canonical name, the lowest first. Canonical are strings in UTF-8, in ASCII's lower
/// case, without blanks at their ends and with single ones inside (OpenSSL's crypto/x509/x_name.c).
fn hash(name: &Element<'_>) -> Option<u32> {
    let mut canonical = Vec::new();
    for set in attributes(name)? {
        let mut encoded: Vec<Vec<u8>> = Vec::new();
        for (oid, value) in set {
            let value = match text_of(&value) {
                Some(text) => {
                    let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r');
                    let words: Vec<&str> = text.split(blank).filter(|word| !word.is_empty()).collect();
                    encode(UTF8_STRING, words.join(" ").to_ascii_lowercase().as_bytes())
                }
                None => value.whole.to_vec(),
            };
            encoded.push(encode(SEQUENCE, &[encode(OBJECT_IDENTIFIER, oid), value].concat()));
        }
        // The elements of a SET OF are in the order of their bytes.
        encoded.sort();
        canonical.extend(encode(SET, &encoded.concat()));
    }
    let digest: [u8; 20] = Sha1::digest(&canonical).into();
    let [a, b, c, d, ..] = digest;
    Some(u32::from_le_bytes([a, b, c, d]))
}

/// A time of validity in seconds since 1970.
fn seconds(time: &Element<'_>) -> Option<i64> {
    let text = std::str::from_utf8(time.content).ok()?;
    let digits = text.strip_suffix('Z')?;
    let (year, rest) = match time.tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year: i64 = year.parse().ok()?;
            // RFC 5280, 4.1.2.5.1.
            (year.checked_add(if year < 50 { 2000 } else { 1900 })?, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |index: usize| -> Option<i64> {
        let digits = rest.get(index..index.checked_add(2)?)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let (month, day) = (part(0)?, part(2)?);
    let (hour, minute) = (part(4)?, part(6)?);
    // Some old certificates leave the seconds out.
    let second = part(8).unwrap_or(0);
    let days = days_before(year, month, day)?;
    let minutes = days
        .checked_mul(24)?
        .checked_add(hour)?
        .checked_mul(60)?
        .checked_add(minute)?;
    minutes.checked_mul(60)?.checked_add(second)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, counted in years that begin in March.
fn days_before(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(0..=9999).contains(&year) {
        return None;
    }
    let is_early = month <= 2;
    let year = year.checked_sub(i64::from(is_early))?;
    let month = month.checked_add(if is_early { 9 } else { -3 })?;
    let leap_days = year
        .div_euclid(4)
        .checked_sub(year.div_euclid(100))?
        .checked_add(year.div_euclid(400))?;
    let month_days = month.checked_mul(153)?.checked_add(2)?.div_euclid(5);
    let days = year
        .checked_mul(365)?
        .checked_add(leap_days)?
        .checked_add(month_days)?
        .checked_add(day)?;
    // From 0000-03-01 to 1970-01-01, and days are counted from 1.
    days.checked_sub(719_469)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let at = |tag, text: &str| {
            seconds(&Element {
                tag,
                content: text.as_bytes(),
                whole: &[],
            })
        };
        assert_eq!(at(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(at(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(at(UTC_TIME, "500101000000Z"), Some(-631_152_000));
        assert_eq!(at(GENERALIZED_TIME, "20000229120000Z"), Some(951_825_600));
        assert_eq!(at(GENERALIZED_TIME, "20240301000000Z"), Some(1_709_251_200));
        assert_eq!(at(GENERALIZED_TIME, "99991231235959Z"), Some(253_402_300_799));
        for text in [
            "",
            "Z",
            "20001301000000Z",
            "2000010100000",
            "200\u{e9}0101000000Z",
            "20000101-10000Z",
        ] {
            assert_eq!(at(GENERALIZED_TIME, text), None, "{text}");
        }
    }

    #[test]
    fn certificates_as_openssl_reads_them() {
        let ca = include_bytes!("../../tests/trust/ca.pem");
        let leaf = include_bytes!("../../tests/trust/leaf.pem");
        let both = [ca.as_slice(), b"between\n", leaf, ca].concat();
        let found = certificates(&both).unwrap();
        let shown: Vec<_> = found
            .iter()
            .map(|one| (one.subject.as_str(), one.is_authority))
            .collect();
        assert_eq!(shown, [("Example  Root CA", true), ("leaf.example", false)]);
        // `openssl x509 -hash`, which the blanks of the name do not change.
        assert_eq!(found[0].subject_hash, 0x6d00_b01b);
        assert_eq!(found[0].pem().as_bytes(), ca);
        assert_eq!(certificates(&found[0].der), Ok(vec![found[0].clone()]));
        assert_eq!(single_certificate(ca).as_ref(), Some(&found[0]));
        assert_eq!(single_certificate(&both), None);
        // Oct 27 13:57:45 2126 GMT
        assert_eq!(found[0].not_after, 4_948_783_065);
        for cut in 0..found[0].der.len() {
            assert!(Certificate::parse(&found[0].der[..cut]).is_none());
        }
    }

    #[test]
    fn what_is_no_certificate() {
        assert_eq!(certificates(b""), Err(CertificateError::None));
        assert_eq!(
            certificates(b"-----BEGIN RSA PRIVATE KEY-----\n"),
            Err(CertificateError::PrivateKey)
        );
        assert_eq!(
            certificates(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            Err(CertificateError::Invalid(1))
        );
    }
}
