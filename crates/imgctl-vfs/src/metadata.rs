//! What is known of a file besides its content.

/// What a node is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device with its major and minor number.
    CharDevice(u32, u32),
    /// A block device with its major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl FileKind {
    /// The word for it: `file`, `directory`, `symlink`, `char-device`, `block-device`, `fifo` or `socket`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::CharDevice(..) => "char-device",
            Self::BlockDevice(..) => "block-device",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
        }
    }
}

/// A point in time, as filesystems store it.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Hash)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds within the second, below 1,000,000,000.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// A whole second.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self {
            seconds,
            nanoseconds: 0,
        }
    }
}

/// Inode flags that people set (`chattr`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Hash)]
pub struct FileFlags {
    /// `+i`: the file may not be changed by a running system.
    pub immutable: bool,
    /// `+a`: the file may only grow.
    pub append_only: bool,
    /// `+d`: left out of dumps.
    pub no_dump: bool,
    /// `+A`: access times are not recorded.
    pub no_atime: bool,
}

/// Everything `stat` tells, and the flags.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Metadata {
    /// What the node is.
    pub kind: FileKind,
    /// Permission bits, 12 of them: setuid, setgid, sticky, rwxrwxrwx.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Content length in bytes; for a symbolic link the target's length.
    pub size: u64,
    /// How many names the node has (directories: as the filesystem counts them).
    pub links: u32,
    /// Last access.
    pub accessed: Timestamp,
    /// Last change of the content.
    pub modified: Timestamp,
    /// Last change of the node.
    pub changed: Timestamp,
    /// Creation, where the filesystem records it.
    pub created: Option<Timestamp>,
    /// The flags.
    pub flags: FileFlags,
}

/// What to change of a node's metadata: `None` leaves a value as it is.
///
/// The time of change is stamped by the engine with its reference time, as a kernel would.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MetadataChange {
    /// New permission bits (12).
    pub mode: Option<u16>,
    /// New owner.
    pub uid: Option<u32>,
    /// New group.
    pub gid: Option<u32>,
    /// New access time.
    pub accessed: Option<Timestamp>,
    /// New modification time.
    pub modified: Option<Timestamp>,
}
