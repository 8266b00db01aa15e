//! The secrets of this process: everything that is told goes through here.

use imgctl_recipe::{Redactor, Secret};
use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

static KNOWN: Mutex<Known> = Mutex::new(Known {
    secrets: Vec::new(),
    redactor: None,
});

struct Known {
    secrets: Vec<Secret>,
    redactor: Option<Redactor>,
}

/// Takes these out of everything that is told from now on.
pub(crate) fn protect(secrets: &[Secret]) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let new = secrets.iter().filter(|secret| !known.secrets.contains(secret));
    let new: Vec<Secret> = new.cloned().collect();
    if !new.is_empty() {
        known.secrets.extend(new);
        known.redactor = Some(Redactor::new(&known.secrets));
    }
}

fn redactor() -> Option<Redactor> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.redactor.clone()
}

/// The text without secrets.
pub(crate) fn redacted(text: &str) -> Cow<'_, str> {
    match redactor() {
        Some(redactor) => Cow::Owned(redactor.redact(text).into_owned()),
        None => Cow::Borrowed(text),
    }
}

/// JSON without secrets: only its strings can hold them, and it stays JSON whatever they are.
pub(crate) fn redacted_json(json: &str) -> Cow<'_, str> {
    match redactor() {
        Some(redactor) => Cow::Owned(redact_strings(json, &redactor)),
        None => Cow::Borrowed(json),
    }
}

fn redact_strings(json: &str, redactor: &Redactor) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, after)) = rest.split_once('"') {
        out.push_str(before);
        out.push('"');
        let end = string_end(after);
        out.push_str(&redactor.redact(&after[..end]));
        rest = &after[end..];
        if let Some(after) = rest.strip_prefix('"') {
            out.push('"');
            rest = after;
        }
    }
    out + rest
}

/// Where the quote is that ends a string.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return at,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Text on its way out. Where there are secrets it waits for the end, so that none is cut in two.
#[derive(Debug)]
pub(crate) struct Protected<W: Write> {
    inner: W,
    waiting: Vec<u8>,
}

impl<W: Write> Protected<W> {
    pub(crate) fn new(inner: W) -> Self {
        let waiting = Vec::new();
        Self { inner, waiting }
    }
}

impl<W: Write> Write for Protected<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if redactor().is_none() {
            return self.inner.write(bytes);
        }
        self.waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            let text = String::from_utf8_lossy(&waiting);
            self.inner.write_all(redacted(&text).as_bytes())?;
        }
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_json() {
        let secret = |name: &str, value: &str| Secret {
            name: name.to_owned(),
            value: value.into(),
        };
        let redactor = Redactor::new(&[secret("a", "true"), secret("b", "1234"), secret("c", "x\"y\n")]);
        for (json, expected) in [
            (r#"{"a": true, "b": 12345}"#, r#"{"a": true, "b": 12345}"#),
            (r#"{"untrue": ["true", 1]}"#, r#"{"un[secret a]": ["[secret a]", 1]}"#),
            (
                r#"["a\\", "\"true", "x\"y\n"]"#,
                r#"["a\\", "\"[secret a]", "[secret c]"]"#,
            ),
            (r#"["1234"#, r#"["[secret b]"#),
        ] {
            assert_eq!(redact_strings(json, &redactor), expected);
        }
    }
}
