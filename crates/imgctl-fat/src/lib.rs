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
//! ```
//! use imgctl_block::MemoryDevice;
//! use imgctl_fat::{Fat, FatOptions};
//! use imgctl_vfs::{FileKind, NewNode, ReadFs, WriteFs};
//! use std::io::Cursor;
//! use std::sync::Arc;
//!
//! let mut volume = Cursor::new(vec![0; 1 << 20]);
//! fatfs::format_volume(&mut volume, fatfs::FormatVolumeOptions::new())?;
//! let device = Arc::new(MemoryDevice::from_bytes(volume.into_inner()));
//!
//! let mut fat = Fat::open(device.clone(), FatOptions::default())?;
//! let file = NewNode { kind: FileKind::File, mode: 0o644, uid: 0, gid: 0, target: Vec::new() };
//! let node = fat.create(fat.root(), b"grub.cfg", &file)?;
//! fat.write_at(node, 0, b"set timeout=0")?;
//! Box::new(fat).commit()?;
//!
//! let fat = Fat::open(device, FatOptions::default())?;
//! let node = fat.lookup(fat.root(), b"GRUB.CFG")?.ok_or("case does not matter")?;
//! assert_eq!(fat.metadata(node)?.size, 13);
//! # Ok::<(), Box<dyn std::error::Error>>(())
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
