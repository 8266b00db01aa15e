//! Why a device could not be read or written.

use std::fmt;
use std::io;

/// The result of a device operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed device operation.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The range does not lie within the device. Seen on truncated images and on structures that point outside.
    OutOfBounds {
        /// Where the operation was to begin.
        offset: u64,
        /// How many bytes it was to cover.
        length: u64,
        /// The device's length.
        device_bytes: u64,
    },
    /// The host's file could not be read or written.
    Io {
        /// What was being done.
        action: &'static str,
        /// Where on the device.
        offset: u64,
        /// What the operating system said.
        source: io::Error,
    },
    /// The image's own structures do not hold together at this offset.
    Damaged {
        /// Where on the device.
        offset: u64,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Whether the host ran out of space.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull
            || source.kind() == io::ErrorKind::QuotaExceeded
            || source.kind() == io::ErrorKind::FileTooLarge)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfBounds {
                offset,
                length,
                device_bytes,
            } => write!(
                f,
                "{length} bytes at offset {offset} lie outside the device of {device_bytes} bytes"
            ),
            Self::Io { action, offset, .. } => write!(f, "cannot {action} at offset {offset}"),
            Self::Damaged { offset, .. } => write!(f, "the image is damaged at offset {offset}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::OutOfBounds { .. } => None,
            Self::Io { source, .. } => Some(source),
            Self::Damaged { source, .. } => Some(&**source),
        }
    }
}
