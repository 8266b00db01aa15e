//! Reads and writes XFS filesystems in the process.
//!
//! ```no_run
//! use imgctl_block::{FileDevice, Overlay};
//! use imgctl_vfs::ReadFs;
//! use imgctl_xfs::{Xfs, XfsOptions};
//! use std::sync::Arc;
//!
//! let image = FileDevice::new(std::fs::File::open("root.img")?)?;
//! let fs = Xfs::open(Arc::new(Overlay::new(Arc::new(image))), XfsOptions::default())?;
//! for entry in fs.read_dir(fs.root())? {
//!     println!("{}", entry.name.escape_ascii());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layout
//! A volume is a row of allocation groups. Each begins with four sectors, and its trees say what its blocks hold:
//!
//! ```text
//! group:  | superblock | AGF | AGI | AGFL | tree blocks, inode chunks, directories, attributes, content, log ... |
//!                        |     |     `- blocks kept for the trees of free space
//!                        |     `- inobt, finobt: chunks of 64 inodes, and those with free ones
//!                        `- bnobt, cntbt: free runs by place and by length; rmapbt: owners; refcountbt: shared runs
//! inode:  | core (176 bytes) | content: bytes, extents or the root of a bmbt | attributes: the same |
//! ```
//!
//! # Features
//! Read: versions 4 and 5, every form of directory, attributes, extents and symbolic links. Written: version 5 with
//! `finobt`, `sparse`, `reflink`, `bigtime`, `inobtcount`, `rmapbt`, `nrext64` and `exchange`. Refused by name: a log that
//! has to be replayed or lies elsewhere, `needsrepair`, `metadir`, unknown features; for writing also version 4, `parent`,
//! quotas and realtime sections.
//!
//! # Invariants
//! - Every checksum, UUID, owner and address is verified where its structure is read, and every number is checked
//!   before it is used.
//! - Features the engine does not know are refused by name before anything is written.
//! - File content goes to its blocks at once; everything else stays in memory until the commit writes each changed
//!   structure once: trees, directory indexes and attribute leaves are built anew from sorted records. The device is
//!   meant to be an overlay that nobody else sees: nothing goes through the log, which stays clean as it is, and a commit
//!   that fails half-way leaves an overlay to be thrown away.
//! - What the kernel reserves in each group for the growth of its trees stays free.
//! - What was freed reads as zeros after the commit, and names and attributes that were removed are wiped.
//! - The same calls on the same image give the same bytes: no clock, no randomness.
//!
//! Deliberately absent: mounting, permission checks, giving back inode chunks that have become empty.

mod alloc;
mod checksum;
mod content;
mod directory;
mod error;
mod extents;
mod features;
mod format;
mod fs;
mod journal;
mod layout;
mod node;
mod tree;
mod verify;
mod volume;
mod xattr;

pub use error::{Error, Refusal, Result, Structure};
pub use fs::{Summary, Xfs, XfsOptions, probe};
