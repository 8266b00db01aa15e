//! L1 and L2 entries: where a guest cluster's bytes are.

use super::address::{Geometry, SECTOR_BYTES};
use crate::{Error, Result};

pub(crate) const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
pub(crate) const COPIED: u64 = 1 << 63;
pub(crate) const COMPRESSED: u64 = 1 << 62;
const ALL_ZEROS: u64 = 1;

/// Where the bytes of a guest cluster are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cluster {
    /// Nothing is stored: the backing file's bytes, or zeros without one.
    Unallocated,
    /// Zeros, whether or not room was set aside.
    Zero,
    /// The bytes as they are.
    Plain {
        /// Where they begin in the image file (or the data file); a multiple of the cluster size.
        host_offset: u64,
    },
    /// A compressed stream.
    Compressed {
        /// Where it begins in the image file; any byte.
        host_offset: u64,
        /// The 512-byte sectors that the stream touches, at least 1. Its end lies somewhere in the last one.
        sectors: u32,
    },
    /// A mix, in an image with extended L2 entries: bit n tells of the n-th of the cluster's 32 subclusters.
    Subclusters {
        /// Where the cluster begins in the image file; 0 when no subcluster is allocated.
        host_offset: u64,
        /// The subclusters whose bytes are stored.
        allocated: u32,
        /// The subclusters that are zeros. The rest are unallocated.
        zero: u32,
    },
}

impl Cluster {
    /// The most bytes that a compressed cluster's stream can have.
    pub(crate) fn stream_bound(host_offset: u64, sectors: u32) -> u64 {
        let sectors = u64::from(sectors).saturating_mul(SECTOR_BYTES);
        sectors.saturating_sub(host_offset & SECTOR_BYTES.wrapping_sub(1))
    }
}

/// What an image allows its table entries to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryRules {
    pub(crate) geometry: Geometry,
    pub(crate) version: u32,
    pub(crate) has_data_file: bool,
}

impl EntryRules {
    /// Where the L2 table of an L1 entry lies; `None` when there is none. `index` is the entry's, for errors.
    pub(crate) fn parse_l1(self, entry: u64, index: u64) -> Result<Option<u64>> {
        let offset = entry & OFFSET_MASK;
        if !self.geometry.is_aligned(offset) {
            return Err(Error::Damaged {
                structure: "L1 table entry",
                offset: index,
                problem: "its L2 table is not at a cluster boundary",
            });
        }
        Ok((offset != 0).then_some(offset))
    }

    /// What an L2 entry says of the cluster at `guest_offset`. `bitmap` is the second half of an extended entry.
    pub(crate) fn parse_l2(self, entry: u64, bitmap: u64, guest_offset: u64) -> Result<Cluster> {
        let damaged = |problem| Error::Damaged {
            structure: "L2 entry of the cluster",
            offset: guest_offset,
            problem,
        };
        if entry & COMPRESSED != 0 {
            if self.has_data_file {
                return Err(damaged("compressed, in an image with a data file"));
            }
            return Ok(parse_compressed(entry, self.geometry.cluster_bits()));
        }
        let host_offset = entry & OFFSET_MASK;
        if !self.geometry.is_aligned(host_offset) {
            return Err(damaged("its bytes are not at a cluster boundary"));
        }
        // In a data file even the first cluster may hold bytes; the flag tells.
        let allocated = host_offset != 0 || (self.has_data_file && entry & COPIED != 0);
        if self.geometry.extended_l2() {
            return parse_subclusters(host_offset, allocated, bitmap).map_err(damaged);
        }
        if entry & ALL_ZEROS != 0 {
            if self.version < 3 {
                return Err(damaged("zero flag in an image of version 2"));
            }
            return Ok(Cluster::Zero);
        }
        Ok(if allocated {
            Cluster::Plain { host_offset }
        } else {
            Cluster::Unallocated
        })
    }
}

/// The bits of a compressed entry below its sector count.
fn compressed_offset_bits(cluster_bits: u32) -> u32 {
    70_u32.saturating_sub(cluster_bits)
}

pub(crate) fn parse_compressed(entry: u64, cluster_bits: u32) -> Cluster {
    let offset_bits = compressed_offset_bits(cluster_bits);
    let offset_mask = 1_u64.wrapping_shl(offset_bits).wrapping_sub(1);
    let more = (entry & COMPRESSED.wrapping_sub(1)).wrapping_shr(offset_bits);
    Cluster::Compressed {
        host_offset: entry & offset_mask,
        sectors: u32::try_from(more).unwrap_or(u32::MAX).saturating_add(1),
    }
}

fn parse_subclusters(host_offset: u64, has_host: bool, bitmap: u64) -> std::result::Result<Cluster, &'static str> {
    let halves = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0);
    let allocated = halves(bitmap);
    let zero = halves(bitmap.wrapping_shr(32));
    if allocated & zero != 0 {
        return Err("a subcluster is both allocated and zero");
    }
    if allocated != 0 && !has_host {
        return Err("subclusters are allocated, but the cluster is not");
    }
    Ok(match (allocated, zero) {
        (0, 0) => Cluster::Unallocated,
        (u32::MAX, _) => Cluster::Plain { host_offset },
        (_, u32::MAX) => Cluster::Zero,
        _ => Cluster::Subclusters {
            host_offset,
            allocated,
            zero,
        },
    })
}

/// The L1 entry of an L2 table with one reference.
pub(crate) fn encode_l1(offset: u64) -> u64 {
    offset | COPIED
}

/// The L2 entry of a plain cluster with one reference.
pub(crate) fn encode_plain(host_offset: u64) -> u64 {
    host_offset | COPIED
}

/// The L2 entry of a cluster of zeros.
pub(crate) fn encode_zero() -> u64 {
    ALL_ZEROS
}

/// The L2 entry of a stream of `length` bytes (at least 1); `None` when the format has no room for it.
pub(crate) fn encode_compressed(host_offset: u64, length: u64, cluster_bits: u32) -> Option<u64> {
    let offset_bits = compressed_offset_bits(cluster_bits);
    let last = host_offset.checked_add(length)?.checked_sub(1)?;
    let more = last
        .wrapping_div(SECTOR_BYTES)
        .checked_sub(host_offset.wrapping_div(SECTOR_BYTES))?;
    let fits = host_offset.wrapping_shr(offset_bits) == 0 && more.wrapping_shr(62_u32.wrapping_sub(offset_bits)) == 0;
    fits.then(|| COMPRESSED | more.wrapping_shl(offset_bits) | host_offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(version: u32) -> EntryRules {
        EntryRules {
            geometry: Geometry::new(16, false).unwrap(),
            version,
            has_data_file: false,
        }
    }

    #[test]
    fn plain_zero_and_unallocated_entries() {
        let parse = |entry| rules(3).parse_l2(entry, 0, 0);
        assert_eq!(parse(0).unwrap(), Cluster::Unallocated);
        assert_eq!(parse(encode_zero()).unwrap(), Cluster::Zero);
        assert_eq!(parse(COPIED | 0x5_0001).unwrap(), Cluster::Zero);
        let host_offset = 0x5_0000;
        assert_eq!(
            parse(encode_plain(host_offset)).unwrap(),
            Cluster::Plain { host_offset }
        );
        assert!(parse(0x5_0200).is_err());
        assert!(rules(2).parse_l2(encode_zero(), 0, 0).is_err());
    }

    #[test]
    fn a_compressed_entry_counts_the_sectors_it_touches() {
        for bits in 9..=21 {
            let geometry = Geometry::new(bits, false).unwrap();
            let rules = EntryRules { geometry, ..rules(3) };
            for (host_offset, length, sectors) in [(512, 512, 1), (511, 2, 2), (0x12345, 1, 1)] {
                let entry = encode_compressed(host_offset, length, bits).unwrap();
                assert_eq!(
                    rules.parse_l2(entry, 0, 0).unwrap(),
                    Cluster::Compressed { host_offset, sectors }
                );
                assert!(Cluster::stream_bound(host_offset, sectors) >= length);
            }
            let most = 2 * geometry.cluster_bytes();
            assert!(encode_compressed(0, most, bits).is_some());
            assert!(encode_compressed(0, most + 1, bits).is_none());
            assert!(encode_compressed(1 << (70 - bits), 1, bits).is_none());
        }
    }

    #[test]
    fn subclusters_are_told_apart() {
        let rules = EntryRules {
            geometry: Geometry::new(16, true).unwrap(),
            ..rules(3)
        };
        let parse = |entry, bitmap| rules.parse_l2(entry, bitmap, 0);
        assert_eq!(parse(0x5_0000, 0).unwrap(), Cluster::Unallocated);
        assert_eq!(parse(0, 0xffff_ffff_0000_0000).unwrap(), Cluster::Zero);
        assert_eq!(
            parse(0x5_0000, 0x0000_0002_0000_0001).unwrap(),
            Cluster::Subclusters {
                host_offset: 0x5_0000,
                allocated: 1,
                zero: 2
            }
        );
        assert!(parse(0x5_0000, 0x0000_0001_0000_0001).is_err());
        assert!(parse(0, 1).is_err());
    }
}
