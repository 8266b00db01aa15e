//! Reads and writes ext4 filesystems in the process.
//!
//! ```no_run
//! use imgctl_block::{FileDevice, Overlay};
//! use imgctl_ext4::{Ext4, Ext4Options};
//! use imgctl_vfs::ReadFs;
//! use std::sync::Arc;
//!
//! let image = FileDevice::new(std::fs::File::open("root.img")?)?;
//! let fs = Ext4::open(Arc::new(Overlay::new(Arc::new(image))), Ext4Options::default())?;
//! for entry in fs.read_dir(fs.root())? {
//!     println!("{}", entry.name.escape_ascii());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//! - Every checksum is verified where its structure is read, and every number is checked before it is used.
//! - Features the engine does not know are refused by name before anything is written.
//! - File content goes to its blocks at once; everything else stays in memory until the commit writes each changed
//!   structure once. The device is meant to be an overlay that nobody else sees: nothing goes through the journal, and
//!   a commit that fails half-way leaves an overlay to be thrown away.
//! - What was freed reads as zeros after the commit, and names and attributes that were removed are wiped.
//! - The same calls on the same image give the same bytes: no clock, no randomness.
//!
//! Deliberately absent: mounting, permission checks, writing with `bigalloc`, quotas, encryption or case folding.

mod alloc;
mod content;
mod directory;
mod error;
mod extents;
mod features;
mod format;
mod fs;
mod journal;
mod node;
mod verify;
mod volume;
mod xattr;

pub use error::{Error, Refusal, Result, Structure};
pub use fs::{Ext4, Ext4Options, Recovery, Summary, probe, recover};
