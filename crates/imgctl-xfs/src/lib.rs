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
//! # Invariants
//! - Every checksum, UUID, owner and address is verified where its structure is read, and every number is checked
//!   before it is used.
//! - Features the engine does not know are refused by name before anything is written.

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
