//! Texts of stanzas: `Key: value` lines, a blank line after each stanza, a blank at the start of a line that goes on.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

const DESCRIPTION: &[u8] = b"Description";

/// The fields of one stanza. Of those that go on over several lines, only the description has its later lines.
#[derive(Debug, Default)]
pub(crate) struct Stanza<'t> {
    fields: Vec<(&'t [u8], &'t [u8])>,
    /// Without the blank at their start.
    description: Vec<&'t [u8]>,
}

impl<'t> Stanza<'t> {
    /// The first value of a field, in any case of its letters.
    pub(crate) fn get(&self, key: &str) -> Option<&'t [u8]> {
        let mut fields = self.fields.iter();
        let field = fields.find(|(name, _)| name.eq_ignore_ascii_case(key.as_bytes()));
        field.map(|(_, value)| *value)
    }

    /// The later lines of the description.
    pub(crate) fn description(&self) -> Option<String> {
        let lines: Vec<_> = self
            .description
            .iter()
            .map(|line| String::from_utf8_lossy(line))
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// The first value of a field, told apart by case, as apk does.
    pub(crate) fn get_exact(&self, key: &str) -> Option<&'t [u8]> {
        let field = self.fields.iter().find(|(name, _)| *name == key.as_bytes());
        field.map(|(_, value)| *value)
    }
}

/// Every stanza of a text that has fields.
pub(crate) fn stanzas(text: &[u8]) -> impl Iterator<Item = Stanza<'_>> {
    let mut lines = text.split(|byte| *byte == b'\n');
    std::iter::from_fn(move || {
        let mut stanza = Stanza::default();
        for line in lines.by_ref() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match line.first() {
                None if stanza.fields.is_empty() => {}
                None => return Some(stanza),
                Some(b' ' | b'\t') => {
                    let is_description = |(key, _): &(&[u8], _)| key.eq_ignore_ascii_case(DESCRIPTION);
                    if stanza.fields.last().is_some_and(is_description) {
                        stanza.description.push(line.get(1..).unwrap_or_default());
                    }
                }
                Some(_) => {
                    let mut parts = line.splitn(2, |byte| *byte == b':');
                    if let (Some(key), Some(value)) = (parts.next(), parts.next()) {
                        let key = key.trim_ascii();
                        // A text for people stays as it is, as dpkg shows it.
                        let value = match key.eq_ignore_ascii_case(DESCRIPTION) {
                            true => value.trim_ascii_start(),
                            false => value.trim_ascii(),
                        };
                        stanza.fields.push((key, value));
                    }
                }
            }
        }
        (!stanza.fields.is_empty()).then_some(stanza)
    })
}

/// Bytes as text; what is not UTF-8 is replaced.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A decimal number.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
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
    fn stanzas_end_at_blank_lines() {
        let text = b"\n\nPackage: a\nDescription: x \n longer\n .\nVERSION: 1\n\n\nno colon\nPackage:b";
        let found: Vec<Stanza<'_>> = stanzas(text).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].get("version"), Some(&b"1"[..]));
        assert_eq!(found[0].get_exact("version"), None);
        assert_eq!(found[0].get("Description"), Some(&b"x "[..]));
        assert_eq!(found[0].description().as_deref(), Some("longer\n."));
        assert_eq!(found[1].get("Package"), Some(&b"b"[..]));
        assert_eq!(found[1].description(), None);
    }
}
