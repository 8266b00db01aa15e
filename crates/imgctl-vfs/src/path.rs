//! Paths inside the guest: bytes, absolute, never assumed UTF-8.

use crate::{Error, ErrorKind, Result};
use std::fmt;

/// An absolute path inside the guest, without `.`, empty or trailing components. `..` is kept: what it means depends on
/// the symbolic links before it, so only the resolver can take it away.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct GuestPath(Vec<u8>);

impl GuestPath {
    /// The guest's root.
    #[must_use]
    pub fn root() -> Self {
        Self(b"/".to_vec())
    }

    /// Reads a path. It must begin with `/` and hold no NUL byte.
    pub fn new(path: impl AsRef<[u8]>) -> Result<Self> {
        let path = path.as_ref();
        if !path.starts_with(b"/") {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the path {} is not absolute", EscapedBytes(path)),
            ));
        }
        if path.contains(&0) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the path {} holds a NUL byte", EscapedBytes(path)),
            ));
        }
        let mut clean = Self::root();
        for component in components(path) {
            clean.push(component);
        }
        Ok(clean)
    }

    /// The path as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The names from the root down.
    #[must_use]
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        components(&self.0)
    }

    /// Whether this is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == b"/"
    }

    /// The path of `name` in this directory.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        let mut path = self.clone();
        path.push(name);
        path
    }

    /// The path without its last name, or `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let slash = self.0.iter().rposition(|byte| *byte == b'/')?;
        match (self.is_root(), slash) {
            (true, _) => None,
            (false, 0) => Some(Self::root()),
            (false, _) => Some(Self(self.0[..slash].to_vec())),
        }
    }

    /// The last name, or `None` for the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// Whether this path is `directory` or lies below it.
    #[must_use]
    pub fn is_within(&self, directory: &Self) -> bool {
        directory.is_root()
            || self
                .0
                .strip_prefix(directory.as_bytes())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    fn push(&mut self, name: &[u8]) {
        if !self.is_root() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name);
    }
}

impl fmt::Display for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        EscapedBytes(&self.0).fmt(f)
    }
}

/// The meaningful components of any path, absolute or not.
pub(crate) fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|component| !component.is_empty() && *component != b".")
}

/// Fails with `InvalidInput` unless `name` can be one directory entry: at most 255 bytes, no `/` or NUL, and not `.`,
/// `..` or empty.
pub fn check_name(name: &[u8]) -> Result<()> {
    let reason = match name {
        b"" => "is empty",
        b"." | b".." => "is reserved",
        _ if name.len() > 255 => "is longer than 255 bytes",
        _ if name.contains(&b'/') => "holds a slash",
        _ if name.contains(&0) => "holds a NUL byte",
        _ => return Ok(()),
    };
    Err(Error::new(
        ErrorKind::InvalidInput,
        format!("the name {} {reason}", EscapedBytes(name)),
    ))
}

/// Bytes from an image, safe to print: control bytes and what is not UTF-8 appear as `\xNN`, a backslash as `\\`.
#[derive(Clone, Copy, Debug)]
pub struct EscapedBytes<'a>(pub &'a [u8]);

impl fmt::Display for EscapedBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' => f.write_str("\\\\")?,
                    // Line and paragraph separators and the bidirectional controls can make a terminal lie.
                    '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                        write!(f, "{}", character.escape_unicode())?;
                    }
                    _ if character.is_control() => {
                        let mut bytes = [0; 4];
                        for byte in character.encode_utf8(&mut bytes).bytes() {
                            write!(f, "\\x{byte:02x}")?;
                        }
                    }
                    _ => f.write_char(character)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_but_dotdot_is_kept() {
        let path = GuestPath::new("//etc/./ssh///../x/").unwrap();
        assert_eq!(path.as_bytes(), b"/etc/ssh/../x");
        assert_eq!(path.parent().unwrap().as_bytes(), b"/etc/ssh/..");
        assert_eq!(GuestPath::new("/a").unwrap().parent(), Some(GuestPath::root()));
        assert_eq!(GuestPath::root().parent(), None);
        assert!(GuestPath::new("etc").is_err());
        assert!(GuestPath::new(b"/a\0b").is_err());
    }

    #[test]
    fn within_compares_whole_names() {
        let etc = GuestPath::new("/etc").unwrap();
        assert!(GuestPath::new("/etc/x").unwrap().is_within(&etc));
        assert!(etc.is_within(&etc));
        assert!(!GuestPath::new("/etcetera").unwrap().is_within(&etc));
        assert!(etc.is_within(&GuestPath::root()));
    }

    #[test]
    fn control_bytes_are_escaped() {
        assert_eq!(
            EscapedBytes(b"a\x1b[31mb\n\xffc\\ \xc3\xa9").to_string(),
            "a\\x1b[31mb\\x0a\\xffc\\\\ \u{e9}"
        );
    }

    #[test]
    fn reserved_names_are_refused() {
        for name in [&b""[..], b".", b"..", b"a/b", b"a\0", &[b'x'; 256]] {
            assert_eq!(check_name(name).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        check_name(&[b'x'; 255]).unwrap();
        check_name(b"...").unwrap();
    }
}
