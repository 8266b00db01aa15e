//! Reads and writes FAT filesystems behind the imgctl traits.
