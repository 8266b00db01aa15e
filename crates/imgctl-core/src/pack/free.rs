//! What the guest's filesystems do not use.

use crate::disk::MountPoint;
use crate::{Error, ErrorKind, Result};
use imgctl_block::{BlockDevice, Overlay};
use imgctl_vfs::Tree;
use std::ops::Range;

/// The free ranges of all mounted filesystems as byte ranges of the disk: sorted, and merged where they touch.
pub(crate) fn free_ranges(tree: &Tree, mounts: &[MountPoint]) -> Result<Vec<Range<u64>>> {
    let mut ranges = Vec::new();
    for ((_, mounted), mount) in tree.mounts().zip(mounts) {
        let start = mount.partition.start;
        let free = mounted.fs.free_ranges().map_err(|source| {
            Error::new(
                ErrorKind::Image,
                format!("cannot read the allocation map of {}", mounted.path),
            )
            .with_source(source)
        })?;
        ranges.extend(free.into_iter().map(|range| start + range.start..start + range.end));
    }
    ranges.sort_by_key(|range| range.start);
    Ok(merge(ranges))
}

/// Makes all of them zero in the overlay.
pub(crate) fn wipe(overlay: &Overlay, free: &[Range<u64>]) -> Result<()> {
    for range in free {
        overlay
            .discard(range.start, range.end - range.start)
            .map_err(|source| Error::new(ErrorKind::Other, "cannot wipe the free blocks").with_source(source))?;
    }
    Ok(())
}

/// Joins ranges that touch. They are sorted by their start.
pub(crate) fn merge(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges.into_iter().filter(|range| !range.is_empty()) {
        match merged.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_ranges_become_one() {
        assert_eq!(merge(vec![0..4, 4..8, 10..10, 12..20, 14..16]), [0..8, 12..20]);
    }
}
