//! Shards: the pieces of work that are run, recorded and resumed one by one.

use std::fmt;

use imgctl_testkit::boot::Firmware;
use imgctl_testkit::fixture;

use super::kinds::{KINDS, Kind, Test, Work};

/// A piece of work of one kind.
#[derive(Clone, Debug)]
pub(super) struct Shard {
    pub(super) kind: &'static Kind,
    pub(super) part: Part,
}

/// Which piece.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Seeds(Test, u64, u64),
    Test(Test),
    Boot(Boot),
}

/// One way of booting one image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boot {
    pub(super) fixture: &'static str,
    pub(super) firmware: Firmware,
    pub(super) seed: bool,
}

/// `ext4-random/0..10`, `journey/real_images::debian12`, `boot/debian12-bios-seed`.
impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/", self.kind.name)?;
        match &self.part {
            Part::Seeds(_, from, to) => write!(formatter, "{from}..{to}"),
            Part::Test(test) => formatter.write_str(test.name),
            Part::Boot(boot) => {
                let seed = if boot.seed { "-seed" } else { "" };
                write!(formatter, "{}-{}{seed}", boot.fixture, boot.firmware)
            }
        }
    }
}

impl Shard {
    /// The test it runs, if it runs one.
    pub(super) fn test(&self) -> Option<Test> {
        match self.part {
            Part::Seeds(test, ..) | Part::Test(test) => Some(test),
            Part::Boot(_) => None,
        }
    }

    /// How many cases it should count.
    pub(super) fn expected(&self) -> u64 {
        match self.part {
            Part::Seeds(_, from, to) => to - from,
            Part::Test(_) | Part::Boot(_) => 1,
        }
    }

    /// A name for its log.
    pub(super) fn file_name(&self) -> String {
        self.to_string().replace(['/', ':'], "-").replace("..", "-")
    }
}

fn shards_of(kind: &'static Kind) -> Vec<Shard> {
    let parts: Vec<Part> = match kind.work {
        Work::Seeds { test, per_shard, .. } => {
            let starts = (0..kind.goal).step_by(usize::try_from(per_shard).unwrap_or(1));
            let parts = starts.map(|from| Part::Seeds(test, from, kind.goal.min(from + per_shard)));
            parts.collect()
        }
        Work::Tests(tests) => tests.iter().copied().map(Part::Test).collect(),
        Work::Boots => boots().into_iter().map(Part::Boot).collect(),
    };
    parts.into_iter().map(|part| Shard { kind, part }).collect()
}

/// Every way of booting; what differs most comes first, as time may end before the list does.
fn boots() -> Vec<Boot> {
    let mut boots = Vec::new();
    for seed in [true, false] {
        for firmware in Firmware::ALL {
            for fixture in fixture::BUILT {
                boots.push(Boot {
                    fixture,
                    firmware,
                    seed,
                });
            }
        }
    }
    boots
}

/// The shards of the kinds whose name is one of `only` or starts with it and a hyphen (all without any), kinds mixed, so that all of them
/// come equally far in any time. Without `full`, the first shard of each kind.
pub(super) fn plan(only: &[String], full: bool) -> Vec<Shard> {
    let is_named = |kind: &Kind, name: &str| {
        let rest = kind.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let is_wanted = |kind: &&Kind| only.is_empty() || only.iter().any(|name| is_named(kind, name));
    let mut placed = Vec::new();
    for kind in KINDS.iter().filter(is_wanted) {
        let shards = shards_of(kind);
        let count = shards.len();
        for (index, shard) in shards.into_iter().enumerate().take(if full { count } else { 1 }) {
            // Parts of a million of the way, so that no comparison of fractions is needed.
            placed.push((index * 1_000_000 / count, shard));
        }
    }
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, shard)| shard).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn the_shards_of_a_kind_add_up_to_its_goal() {
        let mut counted = BTreeMap::new();
        for shard in plan(&[], true) {
            *counted.entry(shard.kind.name).or_insert(0) += shard.expected();
        }
        let goals: BTreeMap<_, _> = KINDS.iter().map(|kind| (kind.name, kind.goal)).collect();
        assert_eq!(counted, goals);
    }

    #[test]
    fn names_are_different_and_a_sample_has_one_of_each() {
        let shards = plan(&[], true);
        let names: BTreeSet<_> = shards.iter().map(Shard::file_name).collect();
        assert_eq!(names.len(), shards.len());
        assert_eq!(plan(&[], false).len(), KINDS.len());
    }

    #[test]
    fn kinds_are_chosen_by_the_start_of_their_name() {
        let shards = plan(&["fat".to_owned()], true);
        assert!(shards.iter().all(|shard| shard.kind.name.starts_with("fat-")));
        assert_eq!(shards[0].to_string(), "fat-random/0..40");
    }
}
