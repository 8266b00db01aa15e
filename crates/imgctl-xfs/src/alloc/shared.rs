//! Blocks of a group that several files share (`refcountbt`).

use crate::format::record::RefcountRecord;
use std::collections::BTreeMap;

/// Runs of shared blocks by place, with their count of owners (2 or more), and runs set aside for copies.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Shared {
    runs: BTreeMap<u32, (u32, u32)>,
    /// By place, without the mark.
    copies: BTreeMap<u32, (u32, u32)>,
}

impl Shared {
    pub(crate) fn len(&self) -> usize {
        self.runs.len() + self.copies.len()
    }

    pub(crate) fn put(&mut self, record: RefcountRecord) {
        let place = record.start & !RefcountRecord::COPIES;
        let runs = if place == record.start {
            &mut self.runs
        } else {
            &mut self.copies
        };
        runs.insert(place, (record.length, record.count));
    }

    /// All records, sorted as the tree has them.
    pub(crate) fn records(&self) -> impl Iterator<Item = RefcountRecord> {
        let record = |mark: u32| {
            move |(start, (length, count)): (&u32, &(u32, u32))| RefcountRecord {
                start: *start | mark,
                length: *length,
                count: *count,
            }
        };
        self.runs
            .iter()
            .map(record(0))
            .chain(self.copies.iter().map(record(RefcountRecord::COPIES)))
    }

    /// Runs of shared blocks as (start, end, owners).
    pub(crate) fn shared_runs(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        let runs = self.runs.iter();
        runs.map(|(start, (length, count))| (*start, start + length, *count))
    }

    /// Runs that belong to no file.
    pub(crate) fn copies(&self) -> impl Iterator<Item = (u32, u32)> {
        self.copies.iter().map(|(start, (length, _))| (*start, *length))
    }

    /// How many owners a block has, and how many blocks from there on are alike.
    pub(crate) fn count_at(&self, block: u32) -> (u32, u32) {
        if let Some((start, (length, count))) = self.runs.range(..=block).next_back()
            && block < start + length
        {
            return (*count, start + length - block);
        }
        let next = self.runs.range(block..).next().map_or(u32::MAX, |(start, _)| *start);
        (1, next - block)
    }

    /// Takes one owner from each block of a run. Returns the parts that have none left.
    pub(crate) fn release(&mut self, start: u32, length: u32) -> Vec<(u32, u32)> {
        let mut freed = Vec::new();
        let end = start + length;
        let mut at = start;
        while at < end {
            let (count, alike) = self.count_at(at);
            let part = alike.min(end - at);
            match count {
                1 => freed.push((at, part)),
                count => self.set(at, part, count - 1),
            }
            at += part;
        }
        self.merge_around(start, end);
        freed
    }

    /// Gives a part of one run another count.
    fn set(&mut self, at: u32, length: u32, count: u32) {
        let held = self.runs.range(..=at).next_back().map(|(start, run)| (*start, *run));
        let Some((start, (all, before))) = held else {
            return;
        };
        self.runs.remove(&start);
        if start < at {
            self.runs.insert(start, (at - start, before));
        }
        if at + length < start + all {
            self.runs.insert(at + length, (start + all - at - length, before));
        }
        if count > 1 {
            self.runs.insert(at, (length, count));
        }
    }

    /// Joins neighbours of equal count.
    fn merge_around(&mut self, start: u32, end: u32) {
        let first = self.runs.range(..start).next_back().map_or(start, |(at, _)| *at);
        let mut at = first;
        while at <= end
            && let Some((here, (length, count))) = self.runs.range(at..=end).next().map(|(at, run)| (*at, *run))
        {
            match self.runs.get(&(here + length)).copied() {
                Some((more, same)) if same == count => {
                    self.runs.remove(&(here + length));
                    self.runs.insert(here, (length + more, count));
                    at = here;
                }
                _ => at = here + length,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_less_splits_and_joins_runs() {
        let mut shared = Shared::default();
        shared.put(RefcountRecord {
            start: 10,
            length: 10,
            count: 3,
        });
        shared.put(RefcountRecord {
            start: 20,
            length: 5,
            count: 2,
        });
        assert_eq!(shared.count_at(12), (3, 8));
        assert_eq!(shared.count_at(3), (1, 7));
        assert_eq!(shared.release(15, 5), []);
        let runs: Vec<_> = shared.records().map(|run| (run.start, run.length, run.count)).collect();
        assert_eq!(runs, [(10, 5, 3), (15, 10, 2)]);
        assert_eq!(shared.release(23, 4), [(25, 2)]);
        assert_eq!(shared.release(23, 2), [(23, 2)]);
        assert_eq!(shared.len(), 2);
    }
}
