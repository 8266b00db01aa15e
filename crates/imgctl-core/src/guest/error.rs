//! What can fail when the guest's tree is read or changed.

use imgctl_vfs::{ErrorKind, GuestPath};

/// The result of an access to the guest.
pub type Result<T> = std::result::Result<T, GuestError>;

/// A failed access to the guest. Every message names the path and the filesystem it is on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    /// The filesystem below failed.
    #[error("cannot {action} {path} ({label})")]
    Filesystem {
        /// What was attempted, as a verb.
        action: &'static str,
        /// The path.
        path: GuestPath,
        /// The filesystem's label, like `partition 1`.
        label: String,
        /// The filesystem's own error.
        source: imgctl_vfs::Error,
    },
    /// What is at the path does not allow what was asked.
    #[error("cannot {action} {path} ({label}): it {reason}")]
    Refused {
        /// What was attempted, as a verb.
        action: &'static str,
        /// The path.
        path: GuestPath,
        /// The filesystem's label.
        label: String,
        /// Why not, as the rest of a sentence that begins with `it`.
        reason: &'static str,
    },
    /// New content could not be read on the host.
    #[error("cannot read the new content of {path}")]
    Content {
        /// The guest path that was to get the content.
        path: GuestPath,
        /// The host's error.
        source: std::io::Error,
    },
    /// A glob that cannot be read.
    #[error("the pattern {pattern} is not a valid glob")]
    Pattern {
        /// The pattern, escaped.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// The guest's files are still in use by a program that has ended.
    #[error("the guest's files are still held by the sandbox of a program")]
    Lent,
    /// A bound that keeps hostile images from using up memory.
    #[error("{what} at {path}: more than {limit}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// Where.
        path: GuestPath,
        /// The bound.
        limit: u64,
    },
}

impl GuestError {
    /// The kind of the filesystem's error, where there is one.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Filesystem { source, .. } => Some(source.kind()),
            _ => None,
        }
    }
}
