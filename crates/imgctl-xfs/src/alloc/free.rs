//! The free space of a group.

use std::collections::{BTreeMap, BTreeSet};

/// Runs of free blocks, by place and by length.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct FreeSpace {
    by_start: BTreeMap<u32, u32>,
    by_length: BTreeSet<(u32, u32)>,
    total: u32,
}

impl FreeSpace {
    pub(crate) fn total(&self) -> u32 {
        self.total
    }

    pub(crate) fn len(&self) -> usize {
        self.by_start.len()
    }

    pub(crate) fn longest(&self) -> u32 {
        self.by_length.last().map_or(0, |(length, _)| *length)
    }

    /// All runs, sorted by place.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u32, u32)> {
        self.by_start.iter().map(|(start, length)| (*start, *length))
    }

    /// All runs from `start` on, sorted by place.
    pub(crate) fn runs_from(&self, start: u32) -> impl Iterator<Item = (u32, u32)> {
        self.by_start.range(start..).map(|(start, length)| (*start, *length))
    }

    /// All runs as (length, start), shortest first.
    pub(crate) fn by_length(&self) -> impl DoubleEndedIterator<Item = (u32, u32)> {
        self.by_length.iter().copied()
    }

    /// All runs of at least `length` blocks as (length, start), shortest first.
    pub(crate) fn by_length_from(&self, length: u32) -> impl Iterator<Item = (u32, u32)> {
        self.by_length.range((length, 0)..).copied()
    }

    /// The shortest run of at least `length` blocks: start and length.
    pub(crate) fn best_fit(&self, length: u32) -> Option<(u32, u32)> {
        let found = self.by_length.range((length, 0)..).next();
        found.map(|(length, start)| (*start, *length))
    }

    /// The run that `block` lies in.
    pub(crate) fn run_at(&self, block: u32) -> Option<(u32, u32)> {
        let (start, length) = self.by_start.range(..=block).next_back()?;
        (block < start + length).then_some((*start, *length))
    }

    fn put(&mut self, start: u32, length: u32) {
        self.by_start.insert(start, length);
        self.by_length.insert((length, start));
    }

    fn drop(&mut self, start: u32, length: u32) {
        self.by_start.remove(&start);
        self.by_length.remove(&(length, start));
    }

    /// Adds a run; `false` if a part of it is free already.
    pub(crate) fn add(&mut self, start: u32, length: u32) -> bool {
        let (mut first, mut all) = (start, length);
        if let Some((before, held)) = self
            .by_start
            .range(..start)
            .next_back()
            .map(|(at, length)| (*at, *length))
        {
            if before + held > start {
                return false;
            }
            if before + held == start {
                self.drop(before, held);
                (first, all) = (before, held + length);
            }
        }
        if let Some((after, held)) = self.by_start.range(start..).next().map(|(at, length)| (*at, *length)) {
            if after < start + length {
                return false;
            }
            if after == start + length {
                self.drop(after, held);
                all += held;
            }
        }
        self.put(first, all);
        self.total += length;
        true
    }

    /// Takes a run out; `false` if it is not free as a whole.
    pub(crate) fn take(&mut self, start: u32, length: u32) -> bool {
        let Some((first, held)) = self.run_at(start) else {
            return false;
        };
        let (end, held_end) = (start + length, first + held);
        if end > held_end {
            return false;
        }
        self.drop(first, held);
        if first < start {
            self.put(first, start - first);
        }
        if end < held_end {
            self.put(end, held_end - end);
        }
        self.total -= length;
        true
    }

    /// Takes out whatever of a run is free.
    pub(crate) fn exclude(&mut self, start: u32, length: u32) {
        let end = start + length;
        let first = self.run_at(start).map_or(start, |(first, _)| first);
        let touched: Vec<(u32, u32)> = self.by_start.range(first..end).map(|(at, held)| (*at, *held)).collect();
        for (at, held) in touched {
            let from = at.max(start);
            let until = (at + held).min(end);
            self.take(from, until - from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_merged_and_split() {
        let mut free = FreeSpace::default();
        assert!(free.add(10, 5) && free.add(20, 5) && free.add(15, 5));
        assert_eq!(free.runs().collect::<Vec<_>>(), [(10, 15)]);
        assert!(!free.add(12, 1) && !free.add(5, 6));
        assert!(free.take(12, 3) && !free.take(12, 3) && !free.take(24, 2));
        assert_eq!(free.runs().collect::<Vec<_>>(), [(10, 2), (15, 10)]);
        assert_eq!(
            (free.best_fit(3), free.longest(), free.total()),
            (Some((15, 10)), 10, 12)
        );
        assert_eq!(free.run_at(24), Some((15, 10)));
        free.exclude(11, 6);
        assert_eq!(free.runs().collect::<Vec<_>>(), [(10, 1), (17, 8)]);
    }
}
