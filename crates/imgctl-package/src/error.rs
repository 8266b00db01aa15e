//! What can fail when a package database is read.

use imgctl_vfs::GuestPath;

/// The result of reading a database.
pub type Result<T> = std::result::Result<T, Error>;

/// A database that cannot be read. Every message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The filesystem below failed.
    #[error("cannot read the package database {path}")]
    Filesystem {
        /// The file.
        path: GuestPath,
        /// The filesystem's error.
        source: imgctl_vfs::Error,
    },
    /// The database's structures do not hold together.
    #[error("the package database {path} is damaged: {reason}")]
    Corrupt {
        /// The file.
        path: GuestPath,
        /// What was found.
        reason: String,
    },
    /// A format or state of a database that is not read.
    #[error("the package database {path} is not supported: {reason}")]
    Unsupported {
        /// The file.
        path: GuestPath,
        /// Which one it is.
        reason: String,
    },
}

impl Error {
    pub(crate) fn corrupt(path: &GuestPath, reason: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.clone(),
            reason: reason.into(),
        }
    }

    pub(crate) fn unsupported(path: &GuestPath, reason: impl Into<String>) -> Self {
        Self::Unsupported {
            path: path.clone(),
            reason: reason.into(),
        }
    }
}
