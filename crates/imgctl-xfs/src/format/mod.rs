//! The structures on the device, one file for each: bytes to checked types and back.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

pub(crate) mod agf;
pub(crate) mod agfl;
pub(crate) mod agi;
pub(crate) mod attribute;
pub(crate) mod btree;
pub(crate) mod da;
pub(crate) mod directory;
pub(crate) mod extent;
pub(crate) mod fields;
pub(crate) mod inode;
pub(crate) mod log;
pub(crate) mod record;
pub(crate) mod remote;
pub(crate) mod superblock;
