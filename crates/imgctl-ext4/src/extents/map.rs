//! A file's extents in memory, sorted by their place in the file.

use crate::format::extent::{Extent, MAX_LENGTH, MAX_UNWRITTEN_LENGTH};
use std::collections::BTreeMap;
use std::ops::Range;

/// Where a run of a file's blocks lies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Piece {
    /// No blocks: zeros. As far as the next extent, or without end.
    Hole { length: u64 },
    /// Blocks on the device.
    Blocks {
        physical: u64,
        length: u64,
        unwritten: bool,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Run {
    length: u32,
    physical: u64,
    unwritten: bool,
}

impl Run {
    fn limit(self) -> u32 {
        if self.unwritten {
            MAX_UNWRITTEN_LENGTH
        } else {
            MAX_LENGTH
        }
    }
}

/// The extents of one file. Each is as long as the on-disk form allows, so their number is that on disk.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ExtentMap {
    runs: BTreeMap<u32, Run>,
    blocks: u64,
}

impl ExtentMap {
    /// How many extents there are.
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// How many blocks all extents have together.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The block behind the last extent.
    pub(crate) fn end(&self) -> u64 {
        self.runs
            .last_key_value()
            .map_or(0, |(logical, run)| u64::from(*logical) + u64::from(run.length))
    }

    /// All extents in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Extent> {
        self.runs.iter().map(|(logical, run)| Extent {
            logical: *logical,
            length: run.length,
            physical: run.physical,
            unwritten: run.unwritten,
        })
    }

    /// Whether a block of the device belongs to two places of the file.
    pub(crate) fn overlaps_itself(&self) -> bool {
        let mut runs: Vec<(u64, u64)> = self
            .runs
            .values()
            .map(|run| (run.physical, run.physical + u64::from(run.length)))
            .collect();
        runs.sort_unstable();
        runs.windows(2)
            .any(|pair| matches!(pair, [(_, end), (start, _)] if end > start))
    }

    /// What lies at the file's block `logical`, from there on.
    pub(crate) fn at(&self, logical: u64) -> Piece {
        let Ok(key) = u32::try_from(logical) else {
            return Piece::Hole { length: u64::MAX };
        };
        if let Some((start, run)) = self.runs.range(..=key).next_back() {
            let inside = logical - u64::from(*start);
            if inside < u64::from(run.length) {
                return Piece::Blocks {
                    physical: run.physical + inside,
                    length: u64::from(run.length) - inside,
                    unwritten: run.unwritten,
                };
            }
        }
        let next = self.runs.range(key..).next();
        Piece::Hole {
            length: next.map_or(u64::MAX, |(start, _)| u64::from(*start) - logical),
        }
    }

    /// The device's block behind the file's block before `logical`: where to go on.
    pub(crate) fn block_after(&self, logical: u64) -> Option<u64> {
        let key = u32::try_from(logical).unwrap_or(u32::MAX);
        let (_, run) = self.runs.range(..key).next_back()?;
        Some(run.physical + u64::from(run.length))
    }

    /// Adds an extent of any length where there is a hole, and merges it with its neighbours.
    pub(crate) fn insert(&mut self, extent: Extent) {
        self.blocks += u64::from(extent.length);
        let mut logical = extent.logical;
        let mut rest = Run {
            length: extent.length,
            physical: extent.physical,
            unwritten: extent.unwritten,
        };
        if let Some((start, before)) = self.runs.range_mut(..logical).next_back() {
            let adjoins = u64::from(*start) + u64::from(before.length) == u64::from(logical)
                && before.physical + u64::from(before.length) == rest.physical
                && before.unwritten == rest.unwritten;
            if adjoins {
                let taken = rest.length.min(before.limit().saturating_sub(before.length));
                before.length += taken;
                logical = logical.saturating_add(taken);
                rest.length -= taken;
                rest.physical += u64::from(taken);
                if rest.length == 0 {
                    let start = *start;
                    self.merge_with_next(start);
                    return;
                }
            }
        }
        loop {
            let length = rest.length.min(rest.limit());
            self.runs.insert(logical, Run { length, ..rest });
            rest.length -= length;
            if rest.length == 0 {
                break;
            }
            rest.physical += u64::from(length);
            logical = logical.saturating_add(length);
        }
        self.merge_with_next(logical);
    }

    fn merge_with_next(&mut self, logical: u32) {
        let Some(run) = self.runs.get(&logical).copied() else {
            return;
        };
        let Some(end) = logical.checked_add(run.length) else {
            return;
        };
        let Some(next) = self.runs.get(&end).copied() else {
            return;
        };
        let fits = run.length + next.length <= run.limit();
        if fits && next.unwritten == run.unwritten && run.physical + u64::from(run.length) == next.physical {
            self.runs.remove(&end);
            if let Some(run) = self.runs.get_mut(&logical) {
                run.length += next.length;
            }
        }
    }

    /// Makes a hole of the blocks in `range` and returns the device's blocks that lay there.
    pub(crate) fn remove(&mut self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut removed = Vec::new();
        while let Some(extent) = self.last_in(&range) {
            self.runs.remove(&extent.logical);
            let start = u64::from(extent.logical);
            let end = start + u64::from(extent.length);
            let cut = start.max(range.start)..end.min(range.end);
            self.blocks -= cut.end - cut.start;
            removed.push(extent.physical + (cut.start - start)..extent.physical + (cut.end - start));
            self.keep(extent, start..cut.start);
            self.keep(extent, cut.end..end);
        }
        removed.reverse();
        removed
    }

    /// Marks the blocks in `range`, which must all be allocated, as written.
    pub(crate) fn mark_written(&mut self, range: Range<u64>) {
        let mut at = range.start;
        while at < range.end {
            let Piece::Blocks {
                physical,
                length,
                unwritten,
            } = self.at(at)
            else {
                return;
            };
            let end = range.end.min(at + length);
            if unwritten {
                self.remove(at..end);
                if let (Ok(logical), Ok(length)) = (u32::try_from(at), u32::try_from(end - at)) {
                    self.insert(Extent {
                        logical,
                        length,
                        physical,
                        unwritten: false,
                    });
                }
            }
            at = end;
        }
    }

    /// The last extent that touches `range`.
    fn last_in(&self, range: &Range<u64>) -> Option<Extent> {
        let last = u32::try_from(range.end.checked_sub(1)?).unwrap_or(u32::MAX);
        let (logical, run) = self.runs.range(..=last).next_back()?;
        let end = u64::from(*logical) + u64::from(run.length);
        (end > range.start).then_some(Extent {
            logical: *logical,
            length: run.length,
            physical: run.physical,
            unwritten: run.unwritten,
        })
    }

    /// Puts a part of a removed extent back.
    fn keep(&mut self, extent: Extent, part: Range<u64>) {
        if part.start >= part.end {
            return;
        }
        let (Ok(logical), Ok(length)) = (u32::try_from(part.start), u32::try_from(part.end - part.start)) else {
            return;
        };
        let physical = extent.physical + (part.start - u64::from(extent.logical));
        self.runs.insert(
            logical,
            Run {
                length,
                physical,
                unwritten: extent.unwritten,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn extent(logical: u32, length: u32, physical: u64) -> Extent {
        Extent {
            logical,
            length,
            physical,
            unwritten: false,
        }
    }

    #[test]
    fn appends_merge_up_to_the_on_disk_limit() {
        let mut map = ExtentMap::default();
        for block in 0..40000 {
            map.insert(extent(block, 1, 100 + u64::from(block)));
        }
        assert_eq!(map.len(), 2);
        assert_eq!(map.block_after(40000), Some(40100));
        assert_eq!(map.remove(0..u64::MAX), [100..32868, 32868..40100]);
        map.insert(Extent {
            unwritten: true,
            ..extent(0, 70000, 1)
        });
        assert_eq!(map.len(), 3);
        map.mark_written(10..20);
        assert_eq!(map.len(), 5);
        assert_eq!(
            map.at(12),
            Piece::Blocks {
                physical: 13,
                length: 8,
                unwritten: false
            }
        );
        map.mark_written(0..70000);
        assert!(
            map.iter()
                .all(|extent| !extent.unwritten && extent.length <= MAX_LENGTH)
        );
    }

    #[test]
    fn the_last_possible_block_is_not_lost() {
        let mut map = ExtentMap::default();
        map.insert(extent(u32::MAX, 1, 5));
        assert_eq!(map.end(), 1 << 32);
        assert_eq!(
            map.at(u64::from(u32::MAX)),
            Piece::Blocks {
                physical: 5,
                length: 1,
                unwritten: false
            }
        );
        assert_eq!(map.at(1 << 32), Piece::Hole { length: u64::MAX });
        assert_eq!(map.remove(7..1 << 32), [Range { start: 5, end: 6 }]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Filling holes and punching them leaves what a plain array of blocks would hold.
        #[test]
        fn the_map_equals_an_array(steps in proptest::collection::vec((0_u32..60, 1_u32..20, 0_u8..3), 1..40)) {
            let mut map = ExtentMap::default();
            let mut model = [None::<(u64, bool)>; 80];
            let mut next = 1000_u64;
            for (start, length, step) in steps {
                let range = start as usize..(start + length) as usize;
                if step == 0 {
                    let mut removed: Vec<u64> = map.remove(u64::from(start)..u64::from(start + length)).into_iter().flatten().collect();
                    let mut expected: Vec<u64> = model[range.clone()].iter().flatten().map(|block| block.0).collect();
                    removed.sort_unstable();
                    expected.sort_unstable();
                    prop_assert_eq!(removed, expected);
                    model[range].fill(None);
                } else {
                    for block in range {
                        if model[block].is_none() {
                            map.insert(Extent { logical: block as u32, length: 1, physical: next, unwritten: step == 1 });
                            model[block] = Some((next, step == 1));
                            next += 1;
                        }
                    }
                    next += u64::from(length % 2);
                }
                for (block, expected) in model.iter().enumerate() {
                    let found = match map.at(block as u64) {
                        Piece::Hole { .. } => None,
                        Piece::Blocks { physical, unwritten, .. } => Some((physical, unwritten)),
                    };
                    prop_assert_eq!(found, *expected);
                }
            }
        }
    }
}
