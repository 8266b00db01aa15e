//! A set of blocks as runs, found by place and by length.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A set of blocks.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunSet {
    runs: BTreeMap<u64, u64>,
    by_length: BTreeSet<(u64, u64)>,
}

impl RunSet {
    /// All runs in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.runs.iter().map(|(start, end)| *start..*end)
    }

    /// Adds blocks, none of which may be in the set yet.
    pub(crate) fn insert(&mut self, range: Range<u64>) {
        let mut range = range;
        if let Some((start, end)) = self.runs.range(..range.start).next_back()
            && *end == range.start
        {
            range.start = *start;
        }
        if let Some(end) = self.runs.get(&range.end) {
            range.end = *end;
        }
        for start in self
            .runs
            .range(range.clone())
            .map(|(start, _)| *start)
            .collect::<Vec<_>>()
        {
            self.take_run(start);
        }
        self.put_run(range);
    }

    /// Takes blocks out; those that are not in the set do not matter.
    pub(crate) fn remove(&mut self, range: Range<u64>) {
        while let Some((start, end)) = self
            .runs
            .range(..range.end)
            .next_back()
            .map(|(start, end)| (*start, *end))
        {
            if end <= range.start {
                break;
            }
            self.take_run(start);
            self.put_run(start..range.start);
            self.put_run(range.end..end);
        }
    }

    /// The shortest run of at least `length` blocks, or else the longest of at least `least`.
    pub(crate) fn best_fit(&self, length: u64, least: u64) -> Option<Range<u64>> {
        let fit = self.by_length.range((length, 0)..).next();
        let (length, start) = fit.or_else(|| self.by_length.last().filter(|(length, _)| *length >= least))?;
        Some(*start..start + length)
    }

    fn put_run(&mut self, range: Range<u64>) {
        if range.start < range.end {
            self.runs.insert(range.start, range.end);
            self.by_length.insert((range.end - range.start, range.start));
        }
    }

    fn take_run(&mut self, start: u64) {
        if let Some(end) = self.runs.remove(&start) {
            self.by_length.remove(&(end - start, start));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_merge_and_split() {
        let mut set = RunSet::default();
        for range in [0..4, 8..12, 4..8, 20..22] {
            set.insert(range);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0..12, 20..22]);
        set.remove(2..5);
        set.remove(11..21);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0..2, 5..11, 21..22]);
        assert_eq!(set.best_fit(2, 2), Some(0..2));
        assert_eq!(set.best_fit(3, 3), Some(5..11));
        assert_eq!(set.best_fit(100, 6), Some(5..11));
        assert_eq!(set.best_fit(100, 7), None);
        assert_eq!(set.by_length.len(), set.runs.len());
    }
}
