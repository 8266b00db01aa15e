//! Reads and writes FAT filesystems behind the imgctl traits.
//!
//! [`Fat`] is FAT12, FAT16 or FAT32 with long names, as [`ReadFs`](imgctl_vfs::ReadFs) and
//! [`WriteFs`](imgctl_vfs::WriteFs). The `fatfs` crate makes the changes; everything it is given was checked before, and
//! what it does not do (see below) is done here.
//!
//! ```text
//! | boot sector | FAT32: information sector, backup | table | copy of the table | FAT12/16: root directory | clusters |
//! ```
//!
//! # Invariants
//! - A filesystem is opened only if every chain of clusters ends, none is shared, every file has the clusters its size
//!   needs, and every name in a directory is unambiguous. So no later step can loop, panic or hit the wrong file.
//! - The `fatfs` crate never sees the image's own boot sector, information sector or tables, but a canonical view of
//!   them; it writes the tables in memory, and [`commit`](imgctl_vfs::WriteFs::commit) writes them to the device.
//! - An operation that fails for lack of space has changed nothing.
//! - What was freed reads as zeros after the commit: clusters, the rest of a file's last cluster, and the names of deleted
//!   entries in every directory that was changed.
//! - No clock: times are the reference time, taken as UTC.
//!
//! Deliberately absent: owners, permissions, links, special files and extended attributes, which FAT does not have;
//! making filesystems; exFAT.

mod check;
mod commit;
mod error;
mod format;
mod fs;
mod nodes;
mod probe;
mod storage;
mod table;
mod write;

pub use error::Error;
pub use fs::{Fat, FatOptions};
pub use probe::{FatKind, Summary, probe};
