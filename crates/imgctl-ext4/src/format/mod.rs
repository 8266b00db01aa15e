//! Bytes to checked types and back: one file per on-disk structure.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

pub(crate) mod checksum;
pub(crate) mod crc16;
pub(crate) mod extent;
pub(crate) mod fields;
pub(crate) mod group;
pub(crate) mod inode;
pub(crate) mod journal;
pub(crate) mod orphan;
pub(crate) mod superblock;
