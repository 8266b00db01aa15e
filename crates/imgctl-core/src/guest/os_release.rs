//! Which operating system the guest is: os-release(5).

use super::MAX_TEXT_BYTES;
use imgctl_vfs::{GuestPath, Result, Tree};
use std::collections::BTreeMap;

/// What the guest says of itself.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct OsRelease {
    /// `ID`, like `debian`.
    pub id: String,
    /// `ID_LIKE`, the closest relative first.
    pub id_like: Vec<String>,
    /// `VERSION_ID`, like `13`; empty where there is none (Debian's testing).
    pub version_id: String,
    /// `PRETTY_NAME`, for people.
    pub pretty_name: String,
    /// Whose customs the guest follows.
    pub family: OsFamily,
}

/// Distributions that keep their files in the same places.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OsFamily {
    /// Debian, Ubuntu and what is made of them.
    Debian,
    /// Red Hat Enterprise Linux and its rebuilds.
    El,
    /// Fedora.
    Fedora,
    /// SUSE and openSUSE.
    Suse,
    /// Alpine.
    Alpine,
    /// Arch.
    Arch,
    /// Anything else.
    #[default]
    Other,
}

impl OsRelease {
    /// Reads `/etc/os-release`, or where that is missing `/usr/lib/os-release`; `None` when the guest has neither.
    pub fn read(tree: &Tree) -> Result<Option<Self>> {
        for path in ["/etc/os-release", "/usr/lib/os-release"] {
            if let Some(found) = tree.find(&GuestPath::new(path)?)? {
                return Ok(Some(Self::parse(&tree.read_file(found.node, MAX_TEXT_BYTES)?)));
            }
        }
        Ok(None)
    }

    /// Reads the file's text; lines that assign nothing are passed over.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let assignments = text.lines().filter_map(|line| {
            let (key, value) = line.trim().split_once('=')?;
            (!key.starts_with('#')).then(|| (key, unquote(value)))
        });
        let mut values: BTreeMap<&str, String> = assignments.collect();
        let mut take = |key| values.remove(key).unwrap_or_default();
        let id = match take("ID") {
            id if id.is_empty() => "linux".to_owned(),
            id => id,
        };
        let id_like: Vec<String> = take("ID_LIKE").split_whitespace().map(str::to_owned).collect();
        let family = family(&id, &id_like);
        Self {
            family,
            id,
            id_like,
            version_id: take("VERSION_ID"),
            pretty_name: take("PRETTY_NAME"),
        }
    }
}

fn family(id: &str, id_like: &[String]) -> OsFamily {
    let known = |id: &str| match id {
        "debian" | "ubuntu" | "kali" | "raspbian" => OsFamily::Debian,
        "rhel" | "centos" | "rocky" | "almalinux" | "ol" => OsFamily::El,
        "fedora" => OsFamily::Fedora,
        "alpine" => OsFamily::Alpine,
        "arch" => OsFamily::Arch,
        _ if id == "suse" || id.starts_with("opensuse") || id.starts_with("sle") => OsFamily::Suse,
        _ => OsFamily::Other,
    };
    let ids = std::iter::once(id).chain(id_like.iter().map(String::as_str));
    ids.map(known)
        .find(|family| *family != OsFamily::Other)
        .unwrap_or_default()
}

/// A shell's value: bare, in single quotes, or in double quotes with backslashes before `"`, `$`, `` ` `` and `\`.
fn unquote(value: &str) -> String {
    if let Some(inner) = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return inner.to_owned();
    }
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let mut text = String::new();
    let mut characters = quoted.unwrap_or(value).chars().peekable();
    while let Some(character) = characters.next() {
        let escapes = quoted.is_none() || characters.peek().is_some_and(|next| "\"$`\\".contains(*next));
        match (character, escapes) {
            ('\\', true) => text.extend(characters.next()),
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_follows_the_shell() {
        let release = OsRelease::parse(
            b"# comment\nPRETTY_NAME=\"A \\\"quoted\\\" \\$name \\n\"\nID=rocky\nID_LIKE='rhel centos fedora'\nVERSION_ID=9.4\n\nnoise\n",
        );
        assert_eq!(release.pretty_name, "A \"quoted\" $name \\n");
        assert_eq!(release.id_like, ["rhel", "centos", "fedora"]);
        assert_eq!((release.version_id.as_str(), release.family), ("9.4", OsFamily::El));
    }

    #[test]
    fn relatives_decide_the_family() {
        for (text, family) in [
            ("ID=ubuntu\nID_LIKE=debian\n", OsFamily::Debian),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", OsFamily::Debian),
            ("ID=\"opensuse-leap\"\n", OsFamily::Suse),
            ("ID=nixos\n", OsFamily::Other),
            ("", OsFamily::Other),
            ("ID=fedora", OsFamily::Fedora),
        ] {
            assert_eq!(OsRelease::parse(text.as_bytes()).family, family, "{text}");
        }
        assert_eq!(OsRelease::parse(b"\xff\xfe=\0").id, "linux");
    }
}
