//! The engine against its judges: mke2fs, e2fsck, debugfs and the kernel's own ext4.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod damage;
mod image;
mod populate;
mod random;
mod reading;
mod recovery;
mod writing;
