//! Refcounts: how often each cluster of the file is used. Written 16 bits wide.

use super::address::Geometry;

/// The width that is written, as a power of two.
pub(crate) const WRITTEN_ORDER: u32 = 4;

/// How many refcounts a block of the written width holds.
pub(crate) fn counts_per_block(geometry: Geometry) -> u64 {
    geometry.cluster_bytes().wrapping_div(2)
}

/// How many blocks a cluster of the refcount table can name.
pub(crate) fn blocks_per_table_cluster(geometry: Geometry) -> u64 {
    geometry.cluster_bytes().wrapping_div(8)
}

/// The bytes of refcounts in the written width.
pub(crate) fn encode_counts(counts: &[u16]) -> Vec<u8> {
    counts.iter().flat_map(|count| count.to_be_bytes()).collect()
}
