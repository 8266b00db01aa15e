//! What a recipe may ask of the machine it is read on: files and the environment.

use std::fmt;
use std::io;
use std::path::Path;

/// The machine a recipe is read on. Paths are as the recipe's own name: relative to the same folder, or absolute.
pub trait Host: fmt::Debug {
    /// Makes sure that `path` leads to a regular file that can be read; it is opened later.
    ///
    /// # Errors
    /// Says why there is no such file; this becomes a finding.
    fn check_file(&self, path: &Path) -> Result<(), HostFileError>;

    /// The whole content of a regular file.
    ///
    /// # Errors
    /// Says why it cannot be read: among others [`HostFileError::TooLarge`] for one of more than `limit_bytes`, of which
    /// no more than that need be read.
    fn read_file(&self, path: &Path, limit_bytes: usize) -> Result<Vec<u8>, HostFileError>;

    /// The value of an environment variable; `None` where it is not set.
    fn variable(&self, name: &str) -> Option<Vec<u8>>;
}

/// Why a local file cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HostFileError {
    /// Nothing is there.
    #[error("there is no such file")]
    NotFound,
    /// A directory is there.
    #[error("it is a directory")]
    IsADirectory,
    /// A device, socket or pipe is there.
    #[error("it is not a regular file")]
    NotAFile,
    /// It may not be read.
    #[error("permission denied")]
    PermissionDenied,
    /// It has more than this many bytes.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// Something else, in words.
    #[error("{0}")]
    Other(String),
}

impl From<io::Error> for HostFileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound,
            io::ErrorKind::IsADirectory => Self::IsADirectory,
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            _ => Self::Other(error.to_string()),
        }
    }
}
