//! Who owns the blocks of a group (`rmapbt`).

use crate::format::record::RmapRecord;
use std::collections::BTreeMap;

/// Runs by owner, offset and place. Neighbours that continue each other are one run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Owners {
    runs: BTreeMap<(u64, u64, u32), (u32, bool)>,
}

impl Owners {
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Takes a record as it lies in the tree.
    pub(crate) fn put(&mut self, record: RmapRecord) {
        let key = (record.owner, record.offset, record.start);
        self.runs.insert(key, (record.length, record.unwritten));
    }

    /// All records, sorted as the tree has them.
    pub(crate) fn records(&self) -> Vec<RmapRecord> {
        let runs = self.runs.iter();
        let mut records: Vec<_> = runs
            .map(|((owner, offset, start), (length, unwritten))| RmapRecord {
                start: *start,
                length: *length,
                owner: *owner,
                offset: *offset,
                unwritten: *unwritten,
            })
            .collect();
        records.sort_unstable_by_key(|record| record.low_key());
        records
    }

    /// The run that ends where `new` begins, or holds its beginning.
    fn before(&self, new: RmapRecord) -> Option<RmapRecord> {
        let limit = (new.owner, new.offset, new.start);
        let ((owner, offset, start), (length, unwritten)) = self.runs.range(..=limit).next_back()?;
        Some(RmapRecord {
            start: *start,
            length: *length,
            owner: *owner,
            offset: *offset,
            unwritten: *unwritten,
        })
    }

    /// Adds a run.
    pub(crate) fn add(&mut self, new: RmapRecord) {
        let mut new = new;
        if let Some(left) = self.before(new)
            && continues(left, new)
        {
            self.runs.remove(&(left.owner, left.offset, left.start));
            new = RmapRecord {
                length: left.length + new.length,
                ..left
            };
        }
        let next = offset_behind(new, new.length);
        let right = (new.owner, next, new.start + new.length);
        if let Some((length, unwritten)) = self.runs.get(&right).copied()
            && unwritten == new.unwritten
        {
            self.runs.remove(&right);
            new.length += length;
        }
        self.put(new);
    }

    /// Takes a run out; `false` if it is not there as a whole.
    pub(crate) fn remove(&mut self, gone: RmapRecord) -> bool {
        let Some(held) = self.before(gone) else {
            return false;
        };
        let skipped = gone.start.wrapping_sub(held.start);
        let is_inside = held.owner == gone.owner
            && held.start <= gone.start
            && offset_behind(held, skipped) == gone.offset
            && held.unwritten == gone.unwritten
            && skipped.checked_add(gone.length).is_some_and(|end| end <= held.length);
        if !is_inside {
            return false;
        }
        self.runs.remove(&(held.owner, held.offset, held.start));
        if skipped > 0 {
            self.put(RmapRecord {
                length: skipped,
                ..held
            });
        }
        let rest = held.length - skipped - gone.length;
        if rest > 0 {
            self.put(RmapRecord {
                start: gone.start + gone.length,
                length: rest,
                offset: offset_behind(gone, gone.length),
                ..held
            });
        }
        true
    }
}

/// The offset of the block `count` behind a run's first.
fn offset_behind(run: RmapRecord, count: u32) -> u64 {
    if RmapRecord::has_offset(run.owner, run.offset) {
        run.offset + u64::from(count)
    } else {
        run.offset
    }
}

fn continues(left: RmapRecord, right: RmapRecord) -> bool {
    left.owner == right.owner
        && left.start + left.length == right.start
        && offset_behind(left, left.length) == right.offset
        && left.unwritten == right.unwritten
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::record::owner;

    fn run(owner: u64, offset: u64, start: u32, length: u32) -> RmapRecord {
        RmapRecord {
            start,
            length,
            owner,
            offset,
            unwritten: false,
        }
    }

    #[test]
    fn runs_of_a_file_join_by_offset_and_those_of_a_group_by_place() {
        let mut owners = Owners::default();
        owners.add(run(131, 0, 100, 4));
        owners.add(run(131, 8, 108, 4));
        owners.add(run(131, 4, 104, 4));
        assert_eq!(owners.records(), [run(131, 0, 100, 12)]);
        owners.add(run(132, 50, 102, 2));
        assert!(owners.remove(run(131, 3, 103, 2)));
        assert!(!owners.remove(run(131, 3, 103, 2)) && !owners.remove(run(131, 5, 106, 1)));
        let expected = [run(131, 0, 100, 3), run(132, 50, 102, 2), run(131, 5, 105, 7)];
        assert_eq!(owners.records(), expected);

        let mut owners = Owners::default();
        owners.add(run(owner::GROUP, 0, 7, 1));
        owners.add(run(owner::GROUP, 0, 9, 1));
        owners.add(run(owner::GROUP, 0, 8, 1));
        assert_eq!(owners.records(), [run(owner::GROUP, 0, 7, 3)]);
        assert!(owners.remove(run(owner::GROUP, 0, 8, 1)));
        assert_eq!(owners.len(), 2);
    }
}
