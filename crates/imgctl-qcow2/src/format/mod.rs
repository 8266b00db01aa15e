//! Bytes to checked types and back: one file per on-disk structure. All numbers are big-endian.
//!
//! The facts come from the specification of the format, `docs/interop/qcow2.rst` in qemu's source tree, and from what
//! qemu accepts where that says less.
#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)
)]

pub(crate) mod address;
pub(crate) mod bitmaps;
pub(crate) mod bytes;
pub(crate) mod extensions;
pub(crate) mod header;
pub(crate) mod refcount;
pub(crate) mod snapshots;
pub(crate) mod tables;
