//! Why a qcow2 image was refused, or could not be read or written.

use crate::{Codec, ForeignFormat};
use std::io;

/// The result of an operation on a qcow2 image.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong with a qcow2 image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file does not begin with the qcow2 magic.
    #[error("not a qcow2 image: it does not begin with the bytes `QFI\\xfb`")]
    NotQcow2,
    /// The file is a disk image of another kind.
    #[error("the file is a {format}; convert it first with `{}`", format.convert_command())]
    Foreign {
        /// The kind that was recognised.
        format: ForeignFormat,
    },
    /// The header names a version other than 2 or 3.
    #[error("qcow2 version {version} is not supported; versions 2 and 3 are")]
    UnsupportedVersion {
        /// The version in the header.
        version: u32,
    },
    /// Incompatible feature bits that nothing here knows.
    #[error("the image uses features this reader does not know: {}", names.join(", "))]
    UnknownFeatures {
        /// Their names, from the image's own feature name table, or their bit numbers.
        names: Vec<String>,
    },
    /// A compression type other than zlib and zstd.
    #[error("compression type {compression} is not supported; zlib (0) and zstd (1) are")]
    UnsupportedCompression {
        /// The type in the header.
        compression: u8,
    },
    /// The guest's data is encrypted.
    #[error("the image is encrypted ({method}); decrypt it first with `qemu-img convert` and its secret")]
    Encrypted {
        /// The method's name: `AES`, `LUKS`, or the number in the header.
        method: String,
    },
    /// The image is an overlay and its backing file was not given.
    #[error(
        "the image needs its backing file {name:?}, which is not opened by default; \
         allow it, or flatten the image first with `qemu-img convert`"
    )]
    BackingFile {
        /// The name in the header, as it stands there; a path, or worse. Untrusted.
        name: String,
        /// The backing file's format, where the image names one.
        format: Option<String>,
    },
    /// The image keeps its data in another file, which was not given.
    #[error(
        "the image keeps its data in the file {name:?}, which is not opened by default; \
         allow it, or make a self-contained image first with `qemu-img convert`"
    )]
    DataFile {
        /// The name in the image; empty when it names none. Untrusted.
        name: String,
    },
    /// A number in the header is past the limit that qemu also keeps.
    #[error("{what} is {value}, the limit is {limit}")]
    Limit {
        /// What the number counts.
        what: &'static str,
        /// The number found.
        value: u64,
        /// The greatest one accepted.
        limit: u64,
    },
    /// A structure of the image contradicts the format.
    #[error("the {structure} at offset {offset:#x} is damaged: {problem}")]
    Damaged {
        /// Which structure.
        structure: &'static str,
        /// Where it lies in the image file; for clusters, in the guest's disk.
        offset: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Compressed data that its codec cannot read.
    #[error("the cluster at guest offset {guest_offset:#x} does not decompress as {codec}")]
    BadStream {
        /// The guest offset of the cluster.
        guest_offset: u64,
        /// The image's codec.
        codec: Codec,
    },
    /// An option that no qcow2 image can have.
    #[error("{what} of {value} is not possible; {remedy}")]
    InvalidOption {
        /// The option.
        what: &'static str,
        /// The value given.
        value: String,
        /// What would be.
        remedy: &'static str,
    },
    /// The encoder failed, which no input should cause.
    #[error("the encoder failed on the cluster at guest offset {guest_offset:#x}")]
    Encoder {
        /// The guest offset of the cluster.
        guest_offset: u64,
    },
    /// What was written is not what was read back.
    #[error("verification failed: {what} at offset {offset:#x} reads back different from what was written")]
    VerifyFailed {
        /// What differs.
        what: &'static str,
        /// Where in the guest's disk, or for tables in the file.
        offset: u64,
    },
    /// The source was written to by someone else in the meantime.
    #[error("the source changed while it was read, at guest offset {guest_offset:#x}")]
    SourceChanged {
        /// Where in the guest's disk.
        guest_offset: u64,
    },
    /// The caller's flag stopped the work.
    #[error("cancelled")]
    Cancelled,
    /// The host starts no thread for the work.
    #[error("cannot start a thread")]
    Thread {
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The output file could not be written or read back.
    #[error("cannot {action} the output at offset {offset}")]
    Output {
        /// What was being done.
        action: &'static str,
        /// Where in the file.
        offset: u64,
        /// What the operating system said.
        source: io::Error,
    },
    /// The device under the image, or the source of the content, failed.
    #[error(transparent)]
    Device(#[from] imgctl_block::Error),
}

impl Error {
    /// Whether the host ran out of space.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Output { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
            ),
            Self::Device(error) => error.is_no_space(),
            _ => false,
        }
    }

    /// The error as a device reports it that reads as the guest's disk.
    pub(crate) fn at_guest_offset(self, offset: u64) -> imgctl_block::Error {
        match self {
            Self::Device(error @ imgctl_block::Error::Io { .. }) => error,
            error => imgctl_block::Error::Damaged {
                offset,
                source: Box::new(error),
            },
        }
    }
}
