//! Checksums of files, by the names that the peers have for them.

use crate::command_error::{CommandError, CommandResult};
use imgctl_vfs::{Result, Tree, TreeNode};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use std::fmt::Write as _;

const CHUNK_BYTES: usize = 1 << 20;

/// A kind of checksum.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Checksum {
    /// What cksum(1) prints (POSIX).
    Crc,
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

const NAMES: [(&str, Checksum); 7] = [
    ("crc", Checksum::Crc),
    ("md5", Checksum::Md5),
    ("sha1", Checksum::Sha1),
    ("sha224", Checksum::Sha224),
    ("sha256", Checksum::Sha256),
    ("sha384", Checksum::Sha384),
    ("sha512", Checksum::Sha512),
];

impl Checksum {
    pub(super) fn parse(name: &str) -> CommandResult<Self> {
        let name = if name.is_empty() { "md5" } else { name };
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, checksum)| *checksum).ok_or_else(|| {
            let names = NAMES.map(|(name, _)| name).join(", ");
            CommandError::usage(format!("no checksum is called {name}")).hint(format!("there are {names}"))
        })
    }

    /// The checksum of a file's content, as text.
    pub(super) fn of(self, tree: &Tree, node: TreeNode) -> Result<String> {
        match self {
            Self::Crc => {
                let mut crc = PosixCrc::default();
                each_chunk(tree, node, |chunk| crc.update(chunk))?;
                Ok(crc.finish().to_string())
            }
            Self::Md5 => digest::<Md5>(tree, node),
            Self::Sha1 => digest::<Sha1>(tree, node),
            Self::Sha224 => digest::<Sha224>(tree, node),
            Self::Sha256 => digest::<Sha256>(tree, node),
            Self::Sha384 => digest::<Sha384>(tree, node),
            Self::Sha512 => digest::<Sha512>(tree, node),
        }
    }
}

fn digest<D: Digest>(tree: &Tree, node: TreeNode) -> Result<String> {
    let mut digest = D::new();
    each_chunk(tree, node, |chunk| digest.update(chunk))?;
    Ok(digest.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

fn each_chunk(tree: &Tree, node: TreeNode, mut take: impl FnMut(&[u8])) -> Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut offset = 0_u64;
    loop {
        let count = tree.fs(node).read_at(node.node, offset, &mut buffer)?;
        match buffer.get(..count) {
            Some(chunk @ [_, ..]) => take(chunk),
            _ => return Ok(()),
        }
        offset = offset.saturating_add(count as u64);
    }
}

/// The checksum of POSIX's cksum: the polynomial of Ethernet, highest bit first, over the content and its length.
#[derive(Debug, Default)]
struct PosixCrc {
    register: u32,
    length: u64,
}

impl PosixCrc {
    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.add(*byte);
        }
        self.length = self.length.saturating_add(bytes.len() as u64);
    }

    fn add(&mut self, byte: u8) {
        self.register ^= u32::from(byte) << 24;
        for _ in 0..8 {
            let carry = self.register >> 31;
            self.register = (self.register << 1) ^ (carry * 0x04c1_1db7);
        }
    }

    fn finish(mut self) -> u32 {
        let mut length = self.length;
        while length > 0 {
            self.add(length.to_le_bytes()[0]);
            length >>= 8;
        }
        !self.register
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_that_of_cksum() {
        // printf 'hello\n' | cksum; printf '' | cksum
        let crc = |bytes: &[u8]| {
            let mut crc = PosixCrc::default();
            crc.update(bytes);
            crc.finish()
        };
        assert_eq!(crc(b"hello\n"), 3_015_617_425);
        assert_eq!(crc(b""), 4_294_967_295);
    }

    #[test]
    fn kinds_have_names() {
        assert_eq!(Checksum::parse("").unwrap(), Checksum::Md5);
        assert_eq!(Checksum::parse("sha384").unwrap(), Checksum::Sha384);
        assert!(Checksum::parse("gost").is_err());
    }
}
