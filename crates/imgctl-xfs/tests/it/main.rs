//! The engine against its judges: mkfs.xfs, xfs_repair and the kernel's own XFS.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod damage;
mod image;
mod random;
mod reading;
mod writing;
