//! A reader and a compressed writer for qcow2 disk images.
//!
//! [`Qcow2Image`] reads the guest's disk as an [`imgctl_block::BlockRead`] and shows where each cluster is stored.
//! [`rewrite`] packs a disk into a new image, [`write_raw`] into a sparse file; both also copy an image but for what
//! changed ([`Untouched::AsTheyAre`], [`patch_raw`]). [`check`] tells whether an image holds
//! together, [`allocation`] and [`snapshots`] what it holds.
//!
//! ```
//! use imgctl_block::MemoryDevice;
//! use imgctl_qcow2::{Qcow2Image, RewriteOptions, Source, rewrite};
//! use std::sync::Arc;
//!
//! let disk = MemoryDevice::from_bytes(b"golden".repeat(100_000));
//! let source = Source { content: &disk, base: None, dirty: &[], free: &[] };
//! let file = tempfile::tempfile()?;
//! let stats = rewrite(&source, &file, &RewriteOptions::default())?;
//! assert!(stats.file_bytes < 400_000);
//!
//! let file = Arc::new(imgctl_block::FileDevice::new(file)?);
//! let image = Qcow2Image::open(file)?;
//! assert_eq!(image.summary().cluster_bytes, 65536);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//! - An image is untrusted bytes: no input panics, hangs, or takes memory in proportion to a number it merely states.
//! - No file is opened here. An image that needs another one is refused by that file's name, unless the caller, who
//!   knows what is allowed, has opened it.
//! - The same source and options give the same bytes, whatever the number of threads; what was written is read back.
//! - Unknown incompatible features are refused by name.
//!
//! A cluster that begins past the file's end is refused, where qemu reads zeros: that is what an incomplete download looks
//! like. A stream that is copied is not decoded again; a damaged base entry can cut its neighbour's stream, so a base in
//! doubt is to be checked first, or rewritten with [`Untouched::Anew`].
//!
//! Deliberately absent: writing in place, internal snapshots other than being listed, repairs, and encryption.

mod allocation;
mod cache;
mod check;
mod codec;
mod detect;
mod error;
mod format;
mod reader;
mod rewrite;
mod snapshots;
mod summary;
mod writer;

pub use allocation::{Allocation, allocation};
pub use check::{CheckReport, Finding, FindingKind, check};
pub use codec::Codec;
pub use detect::{ForeignFormat, PROBE_BYTES, detect_foreign, is_fixed_vhd, probe};
pub use error::{Error, Result};
pub use format::tables::Cluster;
pub use reader::{ExternalFiles, Qcow2Image};
pub use rewrite::{
    Compat, Compression, RawOptions, RawStats, RewriteOptions, RewriteStats, Source, Untouched, patch_raw, rewrite,
    write_raw,
};
pub use snapshots::{Snapshot, snapshots};
pub use summary::{BackingFile, Summary};
