//! Digests of whole files.

use crate::{Error, ErrorKind, Result};
use imgctl_block::BlockRead;
use sha2::{Digest, Sha256, Sha512};
use std::path::Path;

/// Little enough to stay in the processor's cache between reading and digesting.
const PIECE_BYTES: u64 = 256 << 10;

/// The digests of one file, lower-case hex.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FileDigests {
    pub(crate) sha256: String,
    pub(crate) sha512: Option<String>,
}

/// Reads the whole of `file` once; `progress` is told the bytes done.
pub(crate) fn digest_file(
    file: &dyn BlockRead,
    path: &Path,
    with_sha512: bool,
    is_cancelled: &dyn Fn() -> bool,
    progress: &dyn Fn(u64),
) -> Result<FileDigests> {
    let mut sha256 = Sha256::new();
    let mut sha512 = with_sha512.then(Sha512::new);
    let mut buffer = vec![0; PIECE_BYTES as usize];
    let mut offset = 0;
    while offset < file.len_bytes() {
        if is_cancelled() {
            return Err(crate::stages::cancelled());
        }
        let length = PIECE_BYTES.min(file.len_bytes() - offset);
        let piece = &mut buffer[..length as usize];
        // A file that has become shorter is an error, not an end.
        file.read_at(offset, piece).map_err(|source| {
            Error::new(ErrorKind::Other, format!("cannot read {}", path.display())).with_source(source)
        })?;
        sha256.update(&*piece);
        if let Some(sha512) = &mut sha512 {
            sha512.update(&*piece);
        }
        offset += length;
        progress(offset);
    }
    Ok(FileDigests {
        sha256: hex(&sha256.finalize()),
        sha512: sha512.map(|sha512| hex(&sha512.finalize())),
    })
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// A line as `sha256sum` writes it: with a leading backslash where the name holds a backslash or a line break.
pub(crate) fn checksum_line(digest: &str, file_name: &str) -> String {
    let escaped = file_name
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r");
    let mark = if escaped == file_name { "" } else { "\\" };
    format!("{mark}{digest}  {escaped}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgctl_block::FileDevice;
    use std::io::Write as _;

    #[test]
    fn the_digests_are_those_of_the_standard() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        let file = FileDevice::new(file).unwrap();
        let digests = digest_file(&file, Path::new("x"), true, &|| false, &|_| {}).unwrap();
        assert_eq!(
            digests.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert!(digests.sha512.unwrap().starts_with("ddaf35a193617abacc417349ae204131"));
    }

    #[test]
    fn a_file_that_becomes_shorter_has_no_digest() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        let device = FileDevice::new(file.try_clone().unwrap()).unwrap();
        file.set_len(1 << 19).unwrap();
        assert!(digest_file(&device, Path::new("x"), false, &|| false, &|_| {}).is_err());
    }

    #[test]
    fn odd_names_are_escaped_as_sha256sum_does() {
        assert_eq!(checksum_line("00", "a b"), "00  a b\n");
        assert_eq!(checksum_line("00", "a\\b\nc"), "\\00  a\\\\b\\nc\n");
    }
}
