//! Reads and writes ext4 filesystems in the process.

mod format;
