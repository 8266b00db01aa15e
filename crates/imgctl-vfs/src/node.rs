//! The filesystem traits.

use crate::{FileFlags, FileKind, Metadata, MetadataChange, Result};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;

/// A node of one filesystem (an inode number, or whatever the engine counts by). Valid until the node is removed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeId(pub u64);

/// One name in a directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DirEntry {
    /// The name: no `/`, no NUL, not `.`, `..` or empty.
    pub name: Vec<u8>,
    /// The node it names.
    pub node: NodeId,
}

/// What a filesystem can store. What it cannot is refused before anything is written, or reported as a warning where
/// leaving it out loses nothing (owners on FAT).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Capabilities {
    /// Owners and permission bits.
    pub owners: bool,
    /// Symbolic links, devices, FIFOs and sockets.
    pub special_files: bool,
    /// More than one name for a node.
    pub hard_links: bool,
    /// Extended attributes.
    pub xattrs: bool,
}

/// How full a filesystem is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StatFs {
    /// The unit of allocation.
    pub block_bytes: u32,
    /// All blocks that files can use.
    pub blocks: u64,
    /// Of them, the free ones.
    pub free_blocks: u64,
    /// Of them, the ones that anybody may take: without what is kept for root.
    pub available_blocks: u64,
    /// All nodes the filesystem can hold, 0 where there is no fixed number.
    pub nodes: u64,
    /// Of them, the free ones.
    pub free_nodes: u64,
}

/// What a new node is to be. Its times are the engine's reference time; set others with [`WriteFs::set_metadata`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewNode {
    /// What the node is to be.
    pub kind: FileKind,
    /// Permission bits (12); ignored for symbolic links, which are 0777.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// A symbolic link's target; empty for everything else.
    pub target: Vec<u8>,
}

/// A filesystem that can be read.
///
/// Every method that takes a node of the wrong kind fails with `NotADirectory`, `IsADirectory` or `InvalidInput`.
pub trait ReadFs: Debug + Send + Sync {
    /// What this filesystem can store.
    fn capabilities(&self) -> Capabilities;

    /// The root directory.
    fn root(&self) -> NodeId;

    /// The node that `name` names in `directory`, or `None`. `.` and `..` are `InvalidInput`.
    fn lookup(&self, directory: NodeId, name: &[u8]) -> Result<Option<NodeId>>;

    /// Everything `stat` tells of `node`.
    fn metadata(&self, node: NodeId) -> Result<Metadata>;

    /// All entries of `directory`, sorted by name, without `.` and `..`.
    fn read_dir(&self, directory: NodeId) -> Result<Vec<DirEntry>>;

    /// Reads a regular file at `offset`: as many bytes as `buf` takes or the file still has; 0 at or after its end.
    fn read_at(&self, node: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// The target of a symbolic link.
    fn read_link(&self, node: NodeId) -> Result<Vec<u8>>;

    /// All extended attributes by full name (`user.x`, `security.capability`, `system.posix_acl_access`), in the form
    /// that `getxattr` gives on Linux.
    fn xattrs(&self, node: NodeId) -> Result<BTreeMap<Vec<u8>, Vec<u8>>>;

    /// The space that `node` takes, in units of 512 bytes: `st_blocks` of stat(2).
    fn sectors(&self, node: NodeId) -> Result<u64> {
        Ok(self.metadata(node)?.size.div_ceil(512))
    }

    /// How full the filesystem is.
    fn statfs(&self) -> Result<StatFs>;

    /// The byte ranges of the device that hold nothing: sorted, merged, by the filesystem's own map.
    fn free_ranges(&self) -> Result<Vec<Range<u64>>>;
}

/// A filesystem that can be written.
///
/// The engine has the device to itself. Content goes to the device as it is written; metadata may stay in memory until
/// [`commit`](Self::commit). Blocks that become free are discarded on the device by the commit at the latest.
pub trait WriteFs: ReadFs {
    /// Makes a new node under `name`. `AlreadyExists` if the name is taken.
    fn create(&mut self, directory: NodeId, name: &[u8], new: &NewNode) -> Result<NodeId>;

    /// Writes `data` into a regular file, which grows where needed; a gap becomes a hole.
    fn write_at(&mut self, node: NodeId, offset: u64, data: &[u8]) -> Result<()>;

    /// Cuts or grows (with a hole) a regular file.
    fn set_len(&mut self, node: NodeId, size: u64) -> Result<()>;

    /// Changes owner, permission bits and times.
    fn set_metadata(&mut self, node: NodeId, change: &MetadataChange) -> Result<()>;

    /// Replaces the inode flags.
    fn set_flags(&mut self, node: NodeId, flags: FileFlags) -> Result<()>;

    /// Sets one extended attribute, replacing an older value.
    fn set_xattr(&mut self, node: NodeId, name: &[u8], value: &[u8]) -> Result<()>;

    /// Removes one extended attribute; `NotFound` if it is not there.
    fn remove_xattr(&mut self, node: NodeId, name: &[u8]) -> Result<()>;

    /// Gives a node that is not a directory another name.
    fn link(&mut self, node: NodeId, directory: NodeId, name: &[u8]) -> Result<()>;

    /// Moves a name. A file of the new name is replaced, an empty directory by a directory, as rename(2) does. Moving a
    /// directory into itself is `InvalidInput`.
    fn rename(&mut self, from: NodeId, from_name: &[u8], to: NodeId, to_name: &[u8]) -> Result<()>;

    /// Removes one name; the node goes with its last one. A directory must be empty (`NotEmpty`).
    fn remove(&mut self, directory: NodeId, name: &[u8]) -> Result<()>;

    /// Writes what is still in memory and leaves a clean filesystem on the device.
    fn commit(self: Box<Self>) -> Result<()>;
}
