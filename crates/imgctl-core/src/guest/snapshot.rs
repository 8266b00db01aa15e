//! The state of one path at one moment, as a comparison of two mounted trees would see it.

use imgctl_vfs::{EscapedBytes, FileKind, GuestPath, Timestamp, Tree, TreeNode};
use serde::ser::{Serialize, SerializeMap, Serializer};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

const CHUNK_BYTES: usize = 256 * 1024;

/// SHA-256 of a file's content. `Debug` does not show it, since the content may be secret.
#[derive(Clone, Copy, Eq, PartialEq)]
struct ContentDigest([u8; 32]);

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentDigest(..)")
    }
}

/// What was, or is, at a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    /// What kind of node, with the numbers of a device.
    pub kind: FileKind,
    /// Permission bits (12).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes; of a directory as its filesystem counts it.
    pub size: u64,
    /// Last change of the content.
    pub modified: Timestamp,
    /// A symbolic link's target.
    pub target: Option<Vec<u8>>,
    /// Extended attributes.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether the content is a secret whose digest must not be shown.
    pub secret: bool,
    content: Option<ContentDigest>,
}

impl Snapshot {
    /// Takes the state of `node`, found at `path`. Reads the content of a regular file once.
    pub fn take(tree: &Tree, path: &GuestPath, node: TreeNode) -> imgctl_vfs::Result<Self> {
        let metadata = tree.metadata(node)?;
        let fs = tree.fs(node);
        let mut secret = has_secret_name(path);
        let mut content = None;
        if metadata.kind == FileKind::File {
            let (digest, looks_secret) = read_digest(tree, node)?;
            content = Some(digest);
            secret |= looks_secret;
        }
        Ok(Self {
            kind: metadata.kind,
            mode: metadata.mode,
            uid: metadata.uid,
            gid: metadata.gid,
            size: metadata.size,
            modified: metadata.modified,
            target: match metadata.kind {
                FileKind::Symlink => Some(fs.read_link(node.node)?),
                _ => None,
            },
            xattrs: fs.xattrs(node.node)?,
            secret,
            content,
        })
    }

    /// SHA-256 of a regular file's content as hexadecimal digits; `None` for everything else and for secrets.
    #[must_use]
    pub fn sha256(&self) -> Option<String> {
        let digest = self.content.filter(|_| !self.secret)?;
        Some(digest.0.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether this is a regular file whose content has that SHA-256. Tells it of secrets, too.
    #[must_use]
    pub fn has_content(&self, sha256: &[u8; 32]) -> bool {
        self.content.is_some_and(|content| content.0 == *sha256)
    }

    /// Whether both are regular files with the same content, or neither is one.
    #[must_use]
    pub fn has_same_content(&self, other: &Self) -> bool {
        self.content == other.content
    }

    /// Whether a comparison of two mounted trees would find no difference.
    pub(super) fn looks_like(&self, other: &Self) -> bool {
        let secret = self.secret;
        *self
            == Self {
                secret,
                ..other.clone()
            }
    }
}

impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", self.kind.name())?;
        map.serialize_entry("mode", &format!("{:04o}", self.mode))?;
        map.serialize_entry("uid", &self.uid)?;
        map.serialize_entry("gid", &self.gid)?;
        if !self.secret {
            map.serialize_entry("size", &self.size)?;
        }
        let Timestamp { seconds, nanoseconds } = self.modified;
        map.serialize_entry("mtime", &format!("{seconds}.{nanoseconds:09}"))?;
        if let FileKind::CharDevice(major, minor) | FileKind::BlockDevice(major, minor) = self.kind {
            map.serialize_entry("device", &[major, minor])?;
        }
        if let Some(target) = &self.target {
            map.serialize_entry("target", &EscapedBytes(target).to_string())?;
        }
        if !self.xattrs.is_empty() {
            let xattrs = self.xattrs.iter();
            let xattrs: BTreeMap<String, String> =
                xattrs.map(|(name, value)| (escaped(name), escaped(value))).collect();
            map.serialize_entry("xattrs", &xattrs)?;
        }
        if self.secret {
            map.serialize_entry("secret", &true)?;
        }
        if let Some(digest) = self.sha256() {
            map.serialize_entry("sha256", &digest)?;
        }
        map.end()
    }
}

fn escaped(bytes: &[u8]) -> String {
    EscapedBytes(bytes).to_string()
}

/// The digest of a regular file, and whether it holds a private key.
fn read_digest(tree: &Tree, node: TreeNode) -> imgctl_vfs::Result<(ContentDigest, bool)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut offset = 0_u64;
    let mut secret = false;
    loop {
        let count = tree.fs(node).read_at(node.node, offset, &mut buffer)?;
        if count == 0 {
            return Ok((ContentDigest(hash.finalize().into()), secret));
        }
        if offset == 0 {
            secret = holds_private_key(&buffer[..count]);
        }
        hash.update(&buffer[..count]);
        offset += count as u64;
    }
}

/// Whether there is a private key in PEM in the text.
pub(crate) fn holds_private_key(text: &[u8]) -> bool {
    const MARK: &[u8] = b"PRIVATE KEY-----";
    text.windows(MARK.len()).any(|window| window == MARK)
}

/// Whether a file of this path holds passwords, keys or seeds, going by its name.
fn has_secret_name(path: &GuestPath) -> bool {
    const IDENTITIES: [&[u8]; 6] = [
        b"id_rsa",
        b"id_dsa",
        b"id_ecdsa",
        b"id_ed25519",
        b"id_ecdsa_sk",
        b"id_ed25519_sk",
    ];
    const FILES: [&[u8]; 5] = [
        b"/etc/krb5.keytab",
        b"/etc/security/opasswd",
        b"/var/lib/systemd/random-seed",
        b"/var/lib/systemd/credential.secret",
        b"/var/lib/NetworkManager/secret_key",
    ];
    let name = path.file_name().unwrap_or_default();
    let is_in_etc = path.as_bytes().len() == b"/etc/".len() + name.len() && path.as_bytes().starts_with(b"/etc/");
    (is_in_etc && (name.starts_with(b"shadow") || name.starts_with(b"gshadow")))
        || (name.starts_with(b"ssh_host_") && name.ends_with(b"_key"))
        || name.ends_with(b".key")
        || name.ends_with(b".nmconnection")
        || IDENTITIES.contains(&name)
        || FILES.contains(&path.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for path in [
            "/etc/shadow",
            "/etc/shadow-",
            "/etc/gshadow.bak",
            "/etc/ssh/ssh_host_rsa_key",
            "/root/.ssh/id_rsa",
        ] {
            assert!(has_secret_name(&GuestPath::new(path).unwrap()), "{path}");
        }
        for path in [
            "/etc/passwd",
            "/usr/share/shadow",
            "/etc/ssh/ssh_host_rsa_key.pub",
            "/",
            "/etc/x/shadow",
        ] {
            assert!(!has_secret_name(&GuestPath::new(path).unwrap()), "{path}");
        }
    }
}
