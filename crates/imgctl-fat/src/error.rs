//! Why a FAT filesystem could not be read or written.

use imgctl_vfs::ErrorKind;

/// What the engine found. At the traits it becomes the source of an [`imgctl_vfs::Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The device could not be read or written.
    #[error("cannot access the FAT filesystem's device")]
    Device(#[from] imgctl_block::Error),
    /// There is no usable boot sector.
    #[error("this is no FAT filesystem: {reason}")]
    NotFat {
        /// What is missing or impossible.
        reason: &'static str,
    },
    /// The filesystem says it is larger than what it is on.
    #[error("the FAT filesystem has {total_bytes} bytes, its device only {device_bytes}; is the image truncated?")]
    Truncated {
        /// The length by its boot sector.
        total_bytes: u64,
        /// The length of the partition or image.
        device_bytes: u64,
    },
    /// More clusters than the engine holds in memory.
    #[error("FAT filesystems of {clusters} clusters are not supported; at most 16777216")]
    TooLarge {
        /// How many there are.
        clusters: u64,
    },
    /// The structures of a file or directory do not hold together.
    #[error("the FAT filesystem is damaged at {path}: {reason}; repair it with fsck.fat first")]
    Damaged {
        /// Which file or directory.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The crate that writes met something it cannot handle.
    #[error("cannot {action}")]
    Write {
        /// What was being done.
        action: &'static str,
        /// What it said.
        source: std::io::Error,
    },
}

impl Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Device(_) => ErrorKind::Io,
            Self::TooLarge { .. } => ErrorKind::Unsupported,
            Self::NotFat { .. } | Self::Truncated { .. } | Self::Damaged { .. } => ErrorKind::Corrupt,
            Self::Write { source, .. } => match source.get_ref() {
                Some(inner) if inner.is::<imgctl_block::Error>() => ErrorKind::Io,
                _ => ErrorKind::Corrupt,
            },
        }
    }
}

impl From<Error> for imgctl_vfs::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), "the FAT filesystem failed").with_source(error)
    }
}
