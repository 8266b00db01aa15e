//! Partition tables: GPT, MBR and bare filesystems as byte ranges.
//!
//! [`read_layout`] tells where the partitions of a disk lie, [`identify`] what one of them holds.
//!
//! ```
//! use imgctl_block::MemoryDevice;
//! use imgctl_volume::{Scheme, read_layout};
//!
//! let layout = read_layout(&MemoryDevice::zeroed(1 << 20))?;
//! assert_eq!(layout.scheme, Scheme::Bare);
//! assert_eq!((layout.partitions[0].number, layout.partitions[0].length), (0, 1 << 20));
//! # Ok::<(), imgctl_volume::Error>(())
//! ```
//!
//! # Invariants
//! - Every partition lies within the device; no two overlap, and none covers the table itself.
//! - A damaged GPT header is a [`Warning`] while the other one holds; both damaged is an [`Error`].
//! - Partitions are sorted by number. A disk without a table is one partition of number 0.
//! - No bytes make it panic, loop or take more memory than a few MiB.
//!
//! Deliberately absent: writing tables, logical volumes, and reading the filesystems themselves.

mod bytes;
mod error;
mod gpt;
mod identify;
mod layout;
mod mbr;

pub use error::Error;
pub use identify::{Content, ContentKind, identify};
pub use layout::{DiskId, Layout, Partition, PartitionId, PartitionKind, Scheme, Warning, read_layout};
