//! Reads and writes ext4 filesystems in the process.

#[allow(dead_code, reason = "the engine that uses it is under way")]
mod directory;
mod format;
