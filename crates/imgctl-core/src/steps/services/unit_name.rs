//! Names of systemd units: `prefix.suffix`, `prefix@instance.suffix`, `prefix@.suffix`.

const SUFFIXES: [&str; 11] = [
    "service",
    "socket",
    "target",
    "device",
    "mount",
    "automount",
    "swap",
    "timer",
    "path",
    "slice",
    "scope",
];

/// A valid name of a unit, in pieces.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct UnitName {
    full: String,
    /// What stands between `@` and the suffix, empty for a template.
    instance: Option<String>,
    prefix: String,
    suffix: String,
}

impl UnitName {
    /// Reads a name: at most 255 bytes of letters, digits and `:-_.\@`, with a known suffix.
    pub(super) fn parse(name: impl AsRef<[u8]>) -> Option<Self> {
        let full = std::str::from_utf8(name.as_ref()).ok()?;
        let (stem, suffix) = full.rsplit_once('.')?;
        let is_plain = |character: char| character.is_ascii_alphanumeric() || ":-_.\\".contains(character);
        let (prefix, instance) = match stem.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(instance)),
            None => (stem, None),
        };
        let is_valid = full.len() <= 255
            && !prefix.is_empty()
            && prefix.chars().all(is_plain)
            && instance.is_none_or(|instance| {
                instance
                    .chars()
                    .all(|character| is_plain(character) || character == '@')
            })
            && SUFFIXES.contains(&suffix);
        is_valid.then(|| Self {
            full: full.to_owned(),
            instance: instance.map(str::to_owned),
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.full
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn suffix(&self) -> &str {
        &self.suffix
    }

    /// The instance, if this is one.
    pub(super) fn instance(&self) -> Option<&str> {
        self.instance.as_deref().filter(|instance| !instance.is_empty())
    }

    pub(super) fn is_template(&self) -> bool {
        self.instance.as_deref() == Some("")
    }

    /// The template's name, if this is an instance.
    pub(super) fn template(&self) -> Option<Self> {
        self.instance()?;
        self.with_instance("")
    }

    /// The same name with another instance; `None` for a plain name, or when no name comes of it.
    pub(super) fn with_instance(&self, instance: &str) -> Option<Self> {
        self.instance.as_ref()?;
        Self::parse(format!("{}@{instance}.{}", self.prefix, self.suffix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_pieces() {
        let name = UnitName::parse("getty@tty1.service").unwrap();
        assert_eq!(
            (name.prefix(), name.instance(), name.suffix()),
            ("getty", Some("tty1"), "service")
        );
        assert_eq!(name.template().unwrap().as_str(), "getty@.service");
        assert!(name.template().unwrap().is_template());
        let plain = UnitName::parse("dbus-org.freedesktop.x.service").unwrap();
        assert_eq!((plain.prefix(), plain.instance()), ("dbus-org.freedesktop.x", None));
        assert_eq!(plain.with_instance("x"), None);
        for wrong in [
            "ssh",
            "ssh.conf",
            ".service",
            "@x.service",
            "a b.service",
            "../x.service",
            "a/b.service",
            "é.service",
        ] {
            assert_eq!(UnitName::parse(wrong), None, "{wrong}");
        }
    }
}
