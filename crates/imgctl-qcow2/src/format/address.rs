//! From the guest's offsets to clusters, and from clusters to table entries.

/// The bytes of a sector, the unit in which compressed clusters are counted.
pub(crate) const SECTOR_BYTES: u64 = 512;

/// The subclusters of a cluster in an image with extended L2 entries.
pub(crate) const SUBCLUSTERS: u64 = 32;

/// The smallest cluster, as a power of two.
pub(crate) const MIN_CLUSTER_BITS: u32 = 9;

/// The largest cluster, as a power of two.
pub(crate) const MAX_CLUSTER_BITS: u32 = 21;

/// How the guest's address space is cut into clusters and tables.
///
/// Its shifts cannot lose anything: the only constructor bounds `cluster_bits` to 9..=21.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Geometry {
    cluster_bits: u32,
    extended_l2: bool,
}

impl Geometry {
    /// `None` when no image may have such clusters, or not with extended L2 entries.
    pub(crate) fn new(cluster_bits: u32, extended_l2: bool) -> Option<Self> {
        // A subcluster is no smaller than a sector.
        let least = if extended_l2 { 14 } else { MIN_CLUSTER_BITS };
        (least..=MAX_CLUSTER_BITS).contains(&cluster_bits).then_some(Self {
            cluster_bits,
            extended_l2,
        })
    }

    pub(crate) fn cluster_bits(self) -> u32 {
        self.cluster_bits
    }

    pub(crate) fn extended_l2(self) -> bool {
        self.extended_l2
    }

    pub(crate) fn cluster_bytes(self) -> u64 {
        1_u64.wrapping_shl(self.cluster_bits)
    }

    pub(crate) fn subcluster_bytes(self) -> u64 {
        self.cluster_bytes().wrapping_div(SUBCLUSTERS)
    }

    /// The number of L2 entries in a table, as a power of two.
    fn l2_bits(self) -> u32 {
        self.cluster_bits.saturating_sub(if self.extended_l2 { 4 } else { 3 })
    }

    /// The guest clusters that one L2 table maps.
    pub(crate) fn clusters_per_l2(self) -> u64 {
        1_u64.wrapping_shl(self.l2_bits())
    }

    /// The cluster that holds `offset`.
    pub(crate) fn cluster_of(self, offset: u64) -> u64 {
        offset.wrapping_shr(self.cluster_bits)
    }

    /// Where within its cluster `offset` lies.
    pub(crate) fn within_cluster(self, offset: u64) -> u64 {
        offset & self.cluster_bytes().wrapping_sub(1)
    }

    pub(crate) fn is_aligned(self, offset: u64) -> bool {
        self.within_cluster(offset) == 0
    }

    /// The number of clusters that hold `length` bytes.
    pub(crate) fn clusters_for(self, length: u64) -> u64 {
        length.div_ceil(self.cluster_bytes())
    }

    /// The L1 entry of a guest cluster.
    pub(crate) fn l1_index(self, cluster: u64) -> u64 {
        cluster.wrapping_shr(self.l2_bits())
    }

    /// The entry of a guest cluster within its L2 table.
    pub(crate) fn l2_index(self, cluster: u64) -> u64 {
        cluster & self.clusters_per_l2().wrapping_sub(1)
    }

    /// The L1 entries needed for a disk of `virtual_bytes`.
    pub(crate) fn l1_entries_for(self, virtual_bytes: u64) -> u64 {
        self.clusters_for(virtual_bytes).div_ceil(self.clusters_per_l2())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_cut_into_its_indexes() {
        let geometry = Geometry::new(16, false).unwrap();
        let cluster = geometry.cluster_of((3 << 29) + (5 << 16) + 7);
        assert_eq!(geometry.l1_index(cluster), 3);
        assert_eq!(geometry.l2_index(cluster), 5);
        assert_eq!(geometry.within_cluster((5 << 16) + 7), 7);
        assert_eq!(geometry.l1_entries_for((1 << 29) + 1), 2);
        let extended = Geometry::new(16, true).unwrap();
        assert_eq!(extended.clusters_per_l2(), 4096);
        assert_eq!(extended.subcluster_bytes(), 2048);
    }

    #[test]
    fn clusters_outside_the_limits_are_no_geometry() {
        assert!(Geometry::new(8, false).is_none());
        assert!(Geometry::new(22, false).is_none());
        assert!(Geometry::new(u32::MAX, true).is_none());
        assert!(Geometry::new(13, true).is_none());
    }
}
