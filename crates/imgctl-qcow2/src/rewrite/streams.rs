//! The exact streams of compressed clusters, read in few large pieces.

use crate::format::address::SECTOR_BYTES;
use crate::rewrite::worker::stream_area;
use crate::{Qcow2Image, Result};
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
/// An image does not store how long a stream is, only the sectors it touches. Writers place streams end to end, so the
/// next one's start is the end, unless it lies at a sector boundary, where a writer that pads would have placed it too.
/// Otherwise the stream is decompressed to find its end, so that nothing stale behind it is copied.
pub(crate) fn read(base: &Qcow2Image, first: u64, count: u64) -> Result<Streams> {
    let file = base.file();
    let areas: Vec<Option<(u64, u64)>> = (first..first + count)
        .map(|index| base.cluster(index).map(stream_area))
        .collect::<Result<_>>()?;
    let starts = sorted_starts(base, first, count)?;
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
        let at = match whole {
            Some((low, _)) => (start - low) as usize,
            None => {
                let at = found.bytes.len();
                found.bytes.extend(file.read_vec(start, available)?);
                at
            }
        };
        let area = at..at + available;
        let length = match end_by_neighbour(&starts, start, available as u64) {
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

fn sorted_starts(base: &Qcow2Image, first: u64, count: u64) -> Result<Vec<u64>> {
    let around = first.saturating_sub(NEIGHBOURS)..first + count + NEIGHBOURS;
    let mut starts = Vec::new();
    for index in around {
        starts.extend(stream_area(base.cluster(index)?).map(|(start, _)| start));
    }
    starts.sort_unstable();
    Ok(starts)
}

fn end_by_neighbour(starts: &[u64], start: u64, available: u64) -> Option<usize> {
    let next = starts.get(starts.partition_point(|other| *other <= start))?;
    let length = next - start;
    (length <= available && next % SECTOR_BYTES != 0).then_some(length as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_within_the_last_sector_is_the_end() {
        let starts = [1000, 1300, 2048, 9000];
        assert_eq!(end_by_neighbour(&starts, 1000, 536), Some(300));
        assert_eq!(end_by_neighbour(&starts, 1300, 748), None, "at a sector");
        assert_eq!(end_by_neighbour(&starts, 2048, 512), None, "too far");
        assert_eq!(end_by_neighbour(&starts, 9000, 512), None, "the last");
    }
}
