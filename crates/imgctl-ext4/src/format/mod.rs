//! Bytes to checked types and back: one file per on-disk structure.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

pub(crate) mod checksum;
