//! Why an ext4 filesystem could not be read or written.

use std::fmt;
use thiserror::Error;

/// The result of an engine operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed operation of the engine.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no ext2, ext3 or ext4 superblock.
    #[error("there is no ext4 filesystem on this device")]
    NotExt4,
    /// The filesystem is sound, but not one this engine works on.
    #[error("{0}")]
    Refused(Refusal),
    /// The filesystem's structures do not hold together.
    #[error("{structure} is damaged: {problem}; run e2fsck -f on a copy of the image")]
    Corrupt {
        /// Which structure, with its inode or block.
        structure: Structure,
        /// What is wrong with it.
        problem: String,
    },
    /// No free blocks are left.
    #[error("the filesystem has no free blocks left")]
    NoBlocks,
    /// No free inodes are left.
    #[error("the filesystem has no free inodes left")]
    NoInodes,
    /// The device could not be read or written.
    #[error("cannot {action}")]
    Device {
        /// What was being done.
        action: String,
        /// The device's error.
        source: imgctl_block::Error,
    },
    /// What was asked for is not possible on the node as it is.
    #[error("{context}")]
    Request {
        /// The kind that callers of the traits match.
        kind: imgctl_vfs::ErrorKind,
        /// What was asked for.
        context: String,
    },
}

/// Why the engine does not work on a sound filesystem.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// Features it does not know, or not well enough to write. Comma-separated names.
    Features(String),
    /// The journal has not been replayed.
    DirtyJournal,
    /// The journal holds fast commits.
    FastCommits,
    /// The journal is on another device.
    ExternalJournal,
    /// Files that were deleted while open wait for their removal.
    Orphans,
    /// The kernel marked errors in the filesystem, or it was not unmounted.
    NotClean,
    /// The filesystem was opened for reading only.
    ReadOnly,
    /// The inode's flags call for something the engine does not do.
    InodeFlags {
        /// The inode.
        inode: u32,
        /// The flag's name.
        flag: &'static str,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const REMEDY: &str = "boot the image once, or run e2fsck -fy on a copy of it";
        match self {
            Self::Features(names) => write!(f, "the ext4 features {names} are not supported"),
            Self::DirtyJournal => write!(f, "the ext4 journal has not been replayed; {REMEDY}"),
            Self::FastCommits => write!(f, "the ext4 journal holds fast commits; {REMEDY}"),
            Self::ExternalJournal => f.write_str("the ext4 journal is on another device and has not been replayed"),
            Self::Orphans => write!(f, "ext4 has files that wait for their removal; {REMEDY}"),
            Self::NotClean => write!(f, "ext4 is marked as having errors or as not unmounted; {REMEDY}"),
            Self::ReadOnly => f.write_str("ext4 was opened for reading only"),
            Self::InodeFlags { inode, flag } => write!(f, "inode {inode} is {flag}, which is not supported"),
        }
    }
}

/// A structure of the filesystem, for messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Structure {
    /// The superblock.
    Superblock,
    /// The descriptor of a block group.
    Group(u32),
    /// A group's block bitmap.
    BlockBitmap(u32),
    /// A group's inode bitmap.
    InodeBitmap(u32),
    /// An inode.
    Inode(u32),
    /// A block of an inode's extent tree (block 0: the root in the inode).
    ExtentTree {
        /// The inode.
        inode: u32,
        /// The block.
        block: u64,
    },
    /// A directory.
    Directory(u32),
    /// Extended attributes of an inode.
    Xattrs(u32),
    /// A symbolic link.
    Symlink(u32),
    /// The journal.
    Journal,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superblock => f.write_str("the ext4 superblock"),
            Self::Group(group) => write!(f, "the descriptor of block group {group}"),
            Self::BlockBitmap(group) => write!(f, "the block bitmap of group {group}"),
            Self::InodeBitmap(group) => write!(f, "the inode bitmap of group {group}"),
            Self::Inode(inode) => write!(f, "inode {inode}"),
            Self::ExtentTree { inode, block: 0 } => write!(f, "the extent tree of inode {inode}"),
            Self::ExtentTree { inode, block } => write!(f, "the extent block {block} of inode {inode}"),
            Self::Directory(inode) => write!(f, "the directory of inode {inode}"),
            Self::Xattrs(inode) => write!(f, "the attribute store of inode {inode}"),
            Self::Symlink(inode) => write!(f, "the symbolic link of inode {inode}"),
            Self::Journal => f.write_str("the ext4 journal"),
        }
    }
}

impl Error {
    pub(crate) fn corrupt(structure: Structure, problem: impl Into<String>) -> Self {
        Self::Corrupt {
            structure,
            problem: problem.into(),
        }
    }

    pub(crate) fn request(kind: imgctl_vfs::ErrorKind, context: impl Into<String>) -> Self {
        Self::Request {
            kind,
            context: context.into(),
        }
    }

    /// A function for `map_err` on device operations.
    pub(crate) fn device(action: &str) -> impl FnOnce(imgctl_block::Error) -> Self {
        let action = action.to_owned();
        move |source| Self::Device { action, source }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for imgctl_vfs::Error {
    fn from(error: Error) -> Self {
        use imgctl_vfs::ErrorKind;
        let (kind, context) = match &error {
            Error::NotExt4 | Error::Refused(_) => (ErrorKind::Unsupported, "not possible on this ext4 filesystem"),
            Error::Corrupt { .. } => (ErrorKind::Corrupt, "the ext4 filesystem is damaged"),
            Error::NoBlocks | Error::NoInodes => (ErrorKind::NoSpace, "the ext4 filesystem is full"),
            Error::Device { .. } => (ErrorKind::Io, "the device of the ext4 filesystem failed"),
            Error::Request { kind, context } => return Self::new(*kind, context.clone()),
        };
        Self::new(kind, context).with_source(error)
    }
}
