//! Why an XFS filesystem could not be read or written.

use std::fmt;
use thiserror::Error;

/// The result of an engine operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed operation of the engine.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no XFS superblock.
    #[error("there is no XFS filesystem on this device")]
    NotXfs,
    /// The filesystem is sound, but not one this engine works on.
    #[error("{0}")]
    Refused(Refusal),
    /// The filesystem's structures do not hold together.
    #[error("{structure} is damaged: {problem}; run xfs_repair on a copy of the image")]
    Corrupt {
        /// Which structure, with its group, inode or block.
        structure: Structure,
        /// What is wrong with it.
        problem: String,
    },
    /// No free blocks are left.
    #[error("the filesystem has no free blocks left")]
    NoBlocks,
    /// No inode can be made any more.
    #[error("the filesystem has no room for more inodes")]
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
    /// The log has not been replayed.
    DirtyLog,
    /// The log is on another device.
    ExternalLog,
    /// Files that were deleted while open wait for their removal.
    Unlinked,
    /// The volume is marked as in need of xfs_repair.
    NeedsRepair,
    /// There is a realtime section.
    Realtime,
    /// Quotas are counted.
    Quota,
    /// The filesystem was opened for reading only.
    ReadOnly,
    /// The inode's flags call for something the engine does not do.
    InodeFlags {
        /// The inode.
        inode: u64,
        /// The flag's name.
        flag: &'static str,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const REMEDY: &str = "boot the image once, or mount and unmount a copy of it";
        match self {
            Self::Features(names) => write!(f, "the XFS features {names} are not supported"),
            Self::DirtyLog => write!(f, "the XFS log has not been replayed; {REMEDY}"),
            Self::ExternalLog => f.write_str("the XFS log is on another device, which is not supported"),
            Self::Unlinked => write!(f, "XFS has files that wait for their removal; {REMEDY}"),
            Self::NeedsRepair => {
                f.write_str("XFS is marked as in need of repair; run xfs_repair on a copy of the image")
            }
            Self::Realtime => f.write_str("XFS with a realtime section is not supported"),
            Self::Quota => f.write_str("XFS with quotas is not supported for writing; turn the quotas off first"),
            Self::ReadOnly => f.write_str("XFS was opened for reading only"),
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
    /// The header of a group's free space.
    Agf(u32),
    /// The header of a group's inodes.
    Agi(u32),
    /// A group's list of blocks kept for its trees.
    Agfl(u32),
    /// A tree of a group.
    Tree {
        /// Its name.
        name: &'static str,
        /// The group.
        group: u32,
    },
    /// An inode.
    Inode(u64),
    /// The extents of an inode.
    Extents(u64),
    /// A directory.
    Directory(u64),
    /// Extended attributes of an inode.
    Xattrs(u64),
    /// A symbolic link.
    Symlink(u64),
    /// The log.
    Log,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superblock => f.write_str("the XFS superblock"),
            Self::Agf(group) => write!(f, "the free space header of allocation group {group}"),
            Self::Agi(group) => write!(f, "the inode header of allocation group {group}"),
            Self::Agfl(group) => write!(f, "the free list of allocation group {group}"),
            Self::Tree { name, group } => write!(f, "the {name} of allocation group {group}"),
            Self::Inode(inode) => write!(f, "inode {inode}"),
            Self::Extents(inode) => write!(f, "the extent list of inode {inode}"),
            Self::Directory(inode) => write!(f, "the directory of inode {inode}"),
            Self::Xattrs(inode) => write!(f, "the attribute store of inode {inode}"),
            Self::Symlink(inode) => write!(f, "the symbolic link of inode {inode}"),
            Self::Log => f.write_str("the XFS log"),
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
            Error::NotXfs | Error::Refused(_) => (ErrorKind::Unsupported, "not possible on this XFS filesystem"),
            Error::Corrupt { .. } => (ErrorKind::Corrupt, "the XFS filesystem is damaged"),
            Error::NoBlocks | Error::NoInodes => (ErrorKind::NoSpace, "the XFS filesystem is full"),
            Error::Device { .. } => (ErrorKind::Io, "the device of the XFS filesystem failed"),
            Error::Request { kind, context } => return Self::new(*kind, context.clone()),
        };
        Self::new(kind, context).with_source(error)
    }
}
