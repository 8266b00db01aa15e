//! Which filesystems the guest mounts where: fstab(5).

use super::MAX_TEXT_BYTES;
use imgctl_vfs::{EscapedBytes, GuestPath, Result, Tree};
use std::fmt;

/// The guest's list of mounts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fstab {
    /// Its entries, in the order of the file.
    pub entries: Vec<FstabEntry>,
}

/// One line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FstabEntry {
    /// Which filesystem.
    pub spec: FstabSpec,
    /// Where it is mounted; `None` for swap.
    pub mount_point: Option<GuestPath>,
    /// Its type, like `ext4`.
    pub fs_type: String,
    /// The mount options, like `defaults`.
    pub options: Vec<String>,
    /// The line, from 1.
    pub line: usize,
}

/// How an entry names its filesystem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FstabSpec {
    /// `UUID=` or `/dev/disk/by-uuid/`: the filesystem's identifier.
    Uuid(String),
    /// `LABEL=` or `/dev/disk/by-label/`: the filesystem's label.
    Label(Vec<u8>),
    /// `PARTUUID=` or `/dev/disk/by-partuuid/`: the partition's identifier.
    PartUuid(String),
    /// `PARTLABEL=` or `/dev/disk/by-partlabel/`: the partition's name.
    PartLabel(Vec<u8>),
    /// Another path below `/dev`.
    Device(Vec<u8>),
    /// Something that is no block device: `tmpfs`, `server:/export`.
    Other(Vec<u8>),
}

impl fmt::Display for FstabSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(uuid) => write!(f, "UUID={uuid}"),
            Self::Label(label) => write!(f, "LABEL={}", EscapedBytes(label)),
            Self::PartUuid(uuid) => write!(f, "PARTUUID={uuid}"),
            Self::PartLabel(label) => write!(f, "PARTLABEL={}", EscapedBytes(label)),
            Self::Device(name) | Self::Other(name) => write!(f, "{}", EscapedBytes(name)),
        }
    }
}

impl FstabSpec {
    /// Reads what `root=` of a kernel command line or the first field of fstab has.
    #[must_use]
    pub fn parse(spec: &[u8]) -> Self {
        parse_spec(spec)
    }
}

impl Fstab {
    /// Reads `/etc/fstab`; empty when the guest has none.
    pub fn read(tree: &Tree) -> Result<Self> {
        match tree.find(&GuestPath::new("/etc/fstab")?)? {
            Some(found) => Ok(Self::parse(&tree.read_file(found.node, MAX_TEXT_BYTES)?)),
            None => Ok(Self::default()),
        }
    }

    /// Reads the file's text. Lines with fewer than two fields, or with a mount point that is no path, are passed over.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let lines = text.split(|byte| *byte == b'\n').enumerate();
        Self {
            entries: lines.filter_map(|(index, line)| parse_line(line, index + 1)).collect(),
        }
    }

    /// The entry that is mounted at `path`; the last one wins, as when they are mounted in order.
    #[must_use]
    pub fn mounted_at(&self, path: &GuestPath) -> Option<&FstabEntry> {
        let mut entries = self.entries.iter().rev();
        entries.find(|entry| entry.mount_point.as_ref() == Some(path))
    }
}

fn parse_line(line: &[u8], number: usize) -> Option<FstabEntry> {
    let fields = line.split(|byte| byte.is_ascii_whitespace());
    let mut fields = fields.filter(|field| !field.is_empty());
    let spec = fields.next().filter(|field| !field.starts_with(b"#"))?;
    let mount_point = unescape(fields.next()?);
    let mut text = |default: &str| {
        let field = fields.next().unwrap_or(default.as_bytes());
        String::from_utf8_lossy(&unescape(field)).into_owned()
    };
    let fs_type = text("auto");
    let options = text("defaults");
    Some(FstabEntry {
        spec: parse_spec(&unescape(spec)),
        mount_point: match mount_point.as_slice() {
            b"none" | b"swap" => None,
            path => Some(GuestPath::new(path).ok()?),
        },
        fs_type,
        options: options.split(',').map(str::to_owned).collect(),
        line: number,
    })
}

fn parse_spec(spec: &[u8]) -> FstabSpec {
    let text = |value: &[u8]| String::from_utf8_lossy(unquote(value)).into_owned();
    let by = |kind: &str| spec.strip_prefix(format!("/dev/disk/by-{kind}/").as_bytes());
    if let Some(value) = spec.strip_prefix(b"UUID=").or(by("uuid")) {
        FstabSpec::Uuid(text(value))
    } else if let Some(value) = spec.strip_prefix(b"PARTUUID=").or(by("partuuid")) {
        FstabSpec::PartUuid(text(value))
    } else if let Some(value) = spec.strip_prefix(b"LABEL=") {
        FstabSpec::Label(unquote(value).to_vec())
    } else if let Some(value) = spec.strip_prefix(b"PARTLABEL=") {
        FstabSpec::PartLabel(unquote(value).to_vec())
    } else if let Some(value) = by("label") {
        FstabSpec::Label(unescape_udev(value))
    } else if let Some(value) = by("partlabel") {
        FstabSpec::PartLabel(unescape_udev(value))
    } else if spec.starts_with(b"/dev/") {
        FstabSpec::Device(spec.to_vec())
    } else {
        FstabSpec::Other(spec.to_vec())
    }
}

fn unquote(value: &[u8]) -> &[u8] {
    let inner = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    inner.unwrap_or(value)
}

/// Takes back fstab's octal escapes: `\040` is a space.
pub(crate) fn unescape(field: &[u8]) -> Vec<u8> {
    unescape_numbers(field, b"\\", 3, 8)
}

/// Takes back the escapes of names below `/dev/disk`: `\x20` is a space.
fn unescape_udev(name: &[u8]) -> Vec<u8> {
    unescape_numbers(name, b"\\x", 2, 16)
}

fn unescape_numbers(text: &[u8], prefix: &[u8], digits: usize, radix: u32) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let number = rest.strip_prefix(prefix).and_then(|rest| rest.get(..digits));
        let number = number.filter(|number| number.iter().all(u8::is_ascii_alphanumeric));
        let byte = number
            .and_then(|number| std::str::from_utf8(number).ok())
            .and_then(|number| u8::from_str_radix(number, radix).ok());
        match byte {
            Some(byte) => {
                plain.push(byte);
                rest = &rest[prefix.len() + digits..];
            }
            None => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> FstabSpec {
        Fstab::parse(format!("{text} / ext4").as_bytes()).entries[0]
            .spec
            .clone()
    }

    #[test]
    fn every_way_to_name_a_filesystem() {
        assert_eq!(spec("UUID=1-2"), FstabSpec::Uuid("1-2".into()));
        assert_eq!(spec("UUID=\"1-2\""), FstabSpec::Uuid("1-2".into()));
        assert_eq!(spec("/dev/disk/by-uuid/1-2"), FstabSpec::Uuid("1-2".into()));
        assert_eq!(spec("PARTUUID=ab"), FstabSpec::PartUuid("ab".into()));
        assert_eq!(spec("LABEL=my\\040root"), FstabSpec::Label(b"my root".into()));
        assert_eq!(
            spec("/dev/disk/by-label/my\\x20root"),
            FstabSpec::Label(b"my root".into())
        );
        assert_eq!(spec("PARTLABEL=p"), FstabSpec::PartLabel(b"p".into()));
        assert_eq!(spec("/dev/vda1"), FstabSpec::Device(b"/dev/vda1".into()));
        assert_eq!(spec("tmpfs"), FstabSpec::Other(b"tmpfs".into()));
    }

    #[test]
    fn fields_are_unescaped_and_defaulted() {
        let fstab = Fstab::parse(b"\n# c\nUUID=1 none swap sw 0 0\nLABEL=x /a\\040b\nbroken\nUUID=2 relative ext4\nUUID=3\t/boot vfat umask=0077,ro 0 2");
        assert_eq!(fstab.entries.len(), 3);
        assert_eq!(fstab.entries[0].mount_point, None);
        assert_eq!(fstab.entries[1].mount_point, GuestPath::new("/a b").ok());
        assert_eq!(fstab.entries[1].fs_type, "auto");
        let boot = fstab.mounted_at(&GuestPath::new("/boot").unwrap()).unwrap();
        assert_eq!(
            (boot.options.clone(), boot.line),
            (vec!["umask=0077".into(), "ro".into()], 7)
        );
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        assert_eq!(unescape(b"a\\04"), b"a\\04");
        assert_eq!(unescape(b"\\999\\134"), b"\\999\\");
        assert_eq!(unescape(b"\\777"), b"\\777");
    }
}
