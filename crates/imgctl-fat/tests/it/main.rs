//! FAT filesystems made by mkfs.fat, changed here, read and judged by mtools, fsck.fat and the model.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod damage;
mod interop;
mod names;
mod oracle;
mod random;
mod remains;
mod space;
