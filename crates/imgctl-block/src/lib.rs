//! Block devices: the byte ranges everything else in imgctl reads and writes.
//!
//! A disk image, a partition of it and the overlay that collects a run's changes are all block devices. Two traits
//! describe them: [`BlockRead`] for whoever only reads, [`BlockDevice`] for whoever also writes.
//!
//! ```
//! use imgctl_block::{BlockDevice, BlockRead, MemoryDevice, Overlay};
//! use std::sync::Arc;
//!
//! let base = Arc::new(MemoryDevice::from_bytes(vec![7; 8192]));
//! let overlay = Overlay::new(base.clone());
//! overlay.write_at(4096, b"changed")?;
//!
//! let mut bytes = [0; 7];
//! overlay.read_at(4096, &mut bytes)?;
//! assert_eq!(&bytes, b"changed");
//! base.read_at(4096, &mut bytes)?;
//! assert_eq!(bytes, [7; 7], "the base is never written");
//! # Ok::<(), imgctl_block::Error>(())
//! ```
//!
//! # Invariants
//! - Reads are exact: a read that would pass the device's end is an error, never a short read.
//! - What was discarded reads as zeros.
//! - Every method takes `&self`, so several slices can share one device.
//!
//! Deliberately absent: caching policies, asynchronous I/O, and any knowledge of what the bytes mean.

mod device;
mod error;
mod extent;
mod fault;
mod file;
mod memory;
mod overlay;
mod slice;
mod transfer;

pub use device::{BlockDevice, BlockRead};
pub use error::{Error, Result};
pub use extent::{Extent, ExtentKind};
pub use fault::{Fault, FaultDevice};
pub use file::FileDevice;
pub use memory::MemoryDevice;
pub use overlay::{DirtyRange, Overlay, PAGE_BYTES};
pub use slice::Slice;
pub use transfer::{clear, copy_data, share_file};
