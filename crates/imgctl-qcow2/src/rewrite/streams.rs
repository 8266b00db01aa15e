//! The exact streams of compressed clusters, read in few large pieces.

use crate::codec::zstd_frame_bytes;
use crate::format::address::SECTOR_BYTES;
use crate::rewrite::worker::stream_area;
use crate::{Codec, Qcow2Image, Result};
use std::ops::Range;

/// How many guest clusters before and after a run are asked where they begin.
///
/// Tools that write with several coroutines place neighbours out of order, though not far.
const NEIGHBOURS: u64 = 16;

/// The streams of a run of clusters.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) bytes: Vec<u8>,
    /// Where each cluster's stream lies in `bytes`; `None` when it is not compressed, or does not end.
    pub(crate) ranges: Vec<Option<Range<usize>>>,
}

/// Reads the streams of `count` guest clusters from `first`.
///
/// An image does not store how long a stream is, only the sectors it touches. Writers place streams end to end, so a
/// next one that starts in the last of these sectors is the end, unless it lies at the sector's boundary, where a writer
/// that pads would have placed it too. Otherwise the stream itself is followed to its end: cheap for zstd, whose blocks
/// state their lengths, and a decompression for zlib. Nothing stale behind a stream is copied.
pub(crate) fn read(base: &Qcow2Image, first: u64, count: u64) -> Result<Streams> {
    let file = base.file();
    let areas: Vec<Option<(u64, u64)>> = (first..first + count)
        .map(|index| base.cluster(index).map(stream_area))
        .collect::<Result<_>>()?;
    let starts = match base.codec() {
        Codec::Zlib => sorted_starts(base, first, count),
        Codec::Zstd => Vec::new(),
    };
    let mut found = Streams {
        bytes: Vec::new(),
        ranges: Vec::with_capacity(areas.len()),
    };
    // In the common case all streams lie in one area of the file, and are read at once.
    let low = areas.iter().flatten().map(|(start, _)| *start).min();
    let high = areas.iter().flatten().map(|(start, bound)| start + bound).max();
    let bounds: u64 = areas.iter().flatten().map(|(_, bound)| bound).sum();
    let whole = match low.zip(high.map(|high| high.min(file.len_bytes()))) {
        Some((low, high)) if high > low && high - low <= 2 * bounds => Some((low, high)),
        _ => None,
    };
    if let Some((low, high)) = whole {
        found.bytes = file.read_vec(low, (high - low) as usize)?;
    }
    for (index, area) in (first..).zip(areas) {
        let Some((start, bound)) = area else {
            found.ranges.push(None);
            continue;
        };
        let available = file.len_bytes().saturating_sub(start).min(bound) as usize;
        if available == 0 {
            // Whoever reads the cluster instead is told that the file was cut.
            found.ranges.push(None);
            continue;
        }
        let at = match whole {
            Some((low, _)) => (start - low) as usize,
            None => {
                let at = found.bytes.len();
                found.bytes.extend(file.read_vec(start, available)?);
                at
            }
        };
        let area = at..at + available;
        let known = match base.codec() {
            Codec::Zlib => end_by_neighbour(&starts, start, bound),
            Codec::Zstd => zstd_frame_bytes(&found.bytes[area.clone()], base.cluster_bytes()),
        };
        let length = match known.filter(|length| *length <= available) {
            Some(length) => Some(length),
            None => {
                let mut cluster = vec![0; base.cluster_bytes() as usize];
                base.decode(&found.bytes[area], &mut cluster, index)?
            }
        };
        found.ranges.push(length.map(|length| at..at + length));
    }
    Ok(found)
}

fn sorted_starts(base: &Qcow2Image, first: u64, count: u64) -> Vec<u64> {
    let around = first.saturating_sub(NEIGHBOURS)..first + count + NEIGHBOURS;
    let mut starts = Vec::new();
    for index in around {
        // A damaged neighbour says nothing; whoever reads that one is told.
        if let Ok(cluster) = base.cluster(index) {
            starts.extend(stream_area(cluster).map(|(start, _)| start));
        }
    }
    starts.sort_unstable();
    starts
}

fn end_by_neighbour(starts: &[u64], start: u64, bound: u64) -> Option<usize> {
    let next = starts.get(starts.partition_point(|other| *other <= start))?;
    let length = next - start;
    // A start before the last sector lies within this stream, so one of the two is wrong.
    let last_sector = bound.saturating_sub(SECTOR_BYTES)..bound;
    (last_sector.contains(&length) && next % SECTOR_BYTES != 0).then_some(length as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_within_the_last_sector_is_the_end() {
        let starts = [1000, 1300, 2048, 9000];
        assert_eq!(end_by_neighbour(&starts, 1000, 536), Some(300));
        assert_eq!(end_by_neighbour(&starts, 1000, 1048), None, "within");
        assert_eq!(end_by_neighbour(&starts, 1300, 748), None, "at a sector");
        assert_eq!(end_by_neighbour(&starts, 2048, 512), None, "too far");
        assert_eq!(end_by_neighbour(&starts, 9000, 512), None, "the last");
    }
}
