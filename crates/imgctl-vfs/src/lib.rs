//! Filesystem traits, guest paths, and the one tree made from a guest's filesystems.
//!
//! A filesystem engine speaks node ids, never paths: [`ReadFs`] and [`WriteFs`]. Paths, symbolic links and mount points
//! are resolved in one place, [`Tree`], which never leaves the guest's root.
//!
//! # Invariants
//! - Names and link targets are bytes; nothing here assumes UTF-8. `Display` escapes control bytes.
//! - A directory listing is sorted by name, without `.` and `..`.
//! - A name with `/` or NUL, or the names `.`, `..` and the empty one, never reach a caller: in a listing they are
//!   damage, in a request they are invalid.
//! - No clock: an engine stamps with the reference time it was opened with.
//!
//! Deliberately absent: open file handles, permission checks (the tool acts as the image's owner), caching.

mod conformance;
mod error;
mod metadata;
mod model;
mod node;
mod path;
mod random;
mod tree;

pub use conformance::check_conformance;
pub use error::{Error, ErrorKind, Result};
pub use metadata::{FileFlags, FileKind, Metadata, MetadataChange, Timestamp};
pub use model::ModelFs;
pub use node::{Capabilities, DirEntry, NewNode, NodeId, ReadFs, StatFs, WriteFs};
pub use path::{EscapedBytes, GuestPath, check_name};
pub use random::{compare_filesystems, random_operations};
pub use tree::{Found, Mount, MountIndex, Resolution, Tree, TreeNode, Walk, WalkEntry};
