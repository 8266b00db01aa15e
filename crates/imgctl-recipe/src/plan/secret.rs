//! Values that no output may show, and how they are taken out of texts.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};

/// The shortest value that can be told from other text.
pub(crate) const SHORTEST_SECRET: usize = 4;

/// The shortest line of a secret of several lines that is a secret for itself.
const SHORTEST_LINE: usize = 8;

/// A secret's name and value. Its `Debug` shows the name alone.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret {
    /// Its key in `secrets`.
    pub name: String,
    /// What must not be shown.
    pub value: Vec<u8>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Secret")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Secret {
    /// Every form in which the value could be seen in a text: as it is and each of its lines, escaped as JSON and as
    /// messages do it, in hexadecimal, and in base64 by itself or inside of something longer.
    #[must_use]
    pub fn forms(&self) -> Vec<String> {
        let mut forms = Vec::new();
        let text = String::from_utf8_lossy(&self.value);
        let lines = text.lines().map(str::trim);
        let long = lines.filter(|line| line.len() >= SHORTEST_LINE && !line.starts_with("-----"));
        for text in std::iter::once(&*text).chain(long) {
            forms.push(text.to_owned());
            let json = json_escaped(text, false);
            forms.push(json_escaped(&json, false));
            forms.push(json);
            forms.push(json_escaped(text, true));
            forms.push(text.escape_debug().to_string());
            forms.push(text.escape_default().to_string());
        }
        forms.push(bytes_escaped(&self.value));
        let digits = |upper| hexadecimal(&self.value, upper);
        forms.extend([digits(false), digits(true)]);
        for alphabet in [STANDARD, URL_SAFE] {
            forms.extend((0..3).map(|before| base64_inside(&self.value, before, alphabet)));
            let whole = base64(&self.value, alphabet);
            forms.push(whole.trim_end_matches('=').to_owned());
            forms.push(whole);
        }
        forms.retain(|form| form.len() >= SHORTEST_SECRET);
        forms.sort();
        forms.dedup();
        forms
    }
}

/// Takes secrets out of texts. Without secrets it leaves every text as it is.
#[derive(Clone, Default)]
pub struct Redactor {
    search: Option<Arc<AhoCorasick>>,
    /// For each form its secret's stand-in.
    stand_ins: Arc<[String]>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    /// For these secrets. Where several match at one place, the longest counts.
    #[must_use]
    pub fn new(secrets: &[Secret]) -> Self {
        let mut forms = Vec::new();
        let mut stand_ins = Vec::new();
        for secret in secrets {
            for form in secret.forms() {
                forms.push(form);
                stand_ins.push(format!("[secret {}]", secret.name));
            }
        }
        if forms.is_empty() {
            return Self::default();
        }
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&forms);
        Self {
            // It fails only beyond four thousand million states; forms are bounded.
            search: search.ok().map(Arc::new),
            stand_ins: stand_ins.into(),
        }
    }

    /// The text with `[secret NAME]` in place of every form of every secret.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(search) = &self.search else {
            return Cow::Borrowed(text);
        };
        let mut out = String::new();
        let mut done = 0;
        for found in search.find_iter(text) {
            out.push_str(text.get(done..found.start()).unwrap_or_default());
            let stand_in = self.stand_ins.get(found.pattern().as_usize());
            out.push_str(stand_in.map_or("[secret]", String::as_str));
            done = found.end();
        }
        match done {
            0 => Cow::Borrowed(text),
            _ => Cow::Owned(out + text.get(done..).unwrap_or_default()),
        }
    }

    /// Whether a form of a secret is in the text.
    #[must_use]
    pub fn finds(&self, text: &[u8]) -> bool {
        self.search.as_ref().is_some_and(|search| search.is_match(text))
    }
}

/// The inside of a JSON string (RFC 8259, 7), with `\uXXXX` also for what is not ASCII where asked for.
fn json_escaped(text: &str, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            _ if character < ' ' || ascii && (!character.is_ascii() || character == '\u{7f}') => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => out.push(character),
        }
    }
    out
}

/// As messages show bytes of guests: `\xNN` for what is not printable ASCII, and `\\`.
fn bytes_escaped(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().fold(String::new(), |mut out, character| {
        match character {
            '\\' => out.push_str("\\\\"),
            _ if character.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ => out.push(character),
        }
        out
    })
}

fn hexadecimal(bytes: &[u8], upper: bool) -> String {
    bytes.iter().fold(String::new(), |out, byte| match upper {
        true => out + &format!("{byte:02X}"),
        false => out + &format!("{byte:02x}"),
    })
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 with padding (RFC 4648, 4 and 5).
fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| chunk.get(index).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4_usize {
            let value = bits >> (18 - 6 * digit) & 0x3f;
            let letter = usize::try_from(value).ok().and_then(|value| alphabet.get(value));
            out.push(match letter {
                Some(letter) if digit <= chunk.len() => char::from(*letter),
                _ => '=',
            });
        }
    }
    out
}

/// The digits that depend on the value alone when `before` bytes (modulo 3) precede it and others may follow.
fn base64_inside(bytes: &[u8], before: usize, alphabet: &[u8; 64]) -> String {
    let padded = [&vec![0; before], bytes].concat();
    let digits = base64(&padded, alphabet);
    let first = (before * 8).div_ceil(6);
    let end = padded.len() * 8 / 6;
    digits.get(first..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(value: &str) -> Secret {
        Secret {
            name: "token".into(),
            value: value.into(),
        }
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes(), STANDARD), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff], URL_SAFE), "-_8=");
        assert_eq!(base64(&[0xfb, 0xff], STANDARD), "+/8=");
    }

    #[test]
    fn a_secret_is_found_in_every_form() {
        let value = "hunter2 \"quoted\"\nsecond line ä\u{7f}";
        let redactor = Redactor::new(&[secret(value)]);
        let json = json_escaped(value, false);
        let mut texts = vec![
            value.to_owned(),
            json.clone(),
            json_escaped(&json, false),
            json_escaped(value, true),
            format!("{value:?}"),
            hexadecimal(value.as_bytes(), false),
            "only the second line ä\u{7f} of it".to_owned(),
        ];
        for (before, after) in (0..7).flat_map(|before| (0..4).map(move |after| (before, after))) {
            let longer = format!("{}{value}{}", "x".repeat(before), "y".repeat(after));
            texts.push(base64(longer.as_bytes(), STANDARD));
            texts.push(base64(longer.as_bytes(), URL_SAFE));
        }
        for text in texts {
            let redacted = redactor.redact(&text);
            assert!(redacted.contains("[secret token]"), "{text}");
            assert!(
                !redacted.contains("hunter2") && !redacted.contains("second line"),
                "{redacted}"
            );
            assert!(redactor.finds(text.as_bytes()));
            // A few digits that belong to what surrounds the value may stay.
            let rest = redacted.replace("[secret token]", "");
            assert!(!text.contains("eHVudGVy") || rest.len() < 24, "{redacted}");
        }
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        let redactor = Redactor::new(&[secret("hunter2-and-more")]);
        for text in ["", "hunter2", "aHVudGVy", "ä \u{1F600}"] {
            assert!(matches!(redactor.redact(text), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(Redactor::default().redact("hunter2"), "hunter2");
        assert_eq!(redactor.redact("a hunter2-and-more b"), "a [secret token] b");
    }

    #[test]
    fn the_longest_of_several_secrets_counts() {
        let other = Secret {
            name: "longer".into(),
            value: b"hunter2 and more".to_vec(),
        };
        let redactor = Redactor::new(&[secret("hunter2"), other]);
        assert_eq!(
            redactor.redact("hunter2 and more, hunter2"),
            "[secret longer], [secret token]"
        );
        assert_eq!(
            format!("{:?} {redactor:?}", secret("hunter2")),
            "Secret { name: \"token\", .. } Redactor { .. }"
        );
    }
}
