//! The engine against its judges: mke2fs, e2fsck, debugfs and the kernel's own ext4.

mod image;
mod populate;
mod reading;
mod tree;
mod writing;
