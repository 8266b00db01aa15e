//! One error for every filesystem, with a kind that callers match.

use std::fmt;

/// The result of a filesystem operation.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No such file or directory.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// A directory was needed.
    NotADirectory,
    /// A directory was found where none may be.
    IsADirectory,
    /// The directory still holds entries.
    NotEmpty,
    /// The name or argument cannot be stored on this filesystem.
    InvalidInput,
    /// A link count or directory limit is reached.
    LimitReached,
    /// Symbolic links lead in a circle.
    SymlinkLoop,
    /// The guest's filesystem has no space (or no inodes) left.
    NoSpace,
    /// The two nodes are on different filesystems.
    CrossesMounts,
    /// This filesystem cannot do that, or must not be written.
    Unsupported,
    /// The filesystem's structures do not hold together.
    Corrupt,
    /// The device below could not be read or written.
    Io,
}

/// A failed filesystem operation.
///
/// An engine's own error, with its detail (inode, block, structure), is the `source`.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `context` says what was found or attempted, lower case and without a final period.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self {
            kind,
            context: context.into(),
            source: None,
        }
    }

    /// The same error, caused by `source`.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_ref()
            .map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}
