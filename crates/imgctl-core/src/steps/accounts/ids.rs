//! Numbers for new users and groups, as useradd(8), groupadd(8) and busybox choose them.

use super::customs::{Customs, Range};
use crate::guest::{AccountFile, ColonFile, Database};
use crate::steps::{Outcome, StepFailure};
use std::collections::BTreeSet;

/// The numbers in use, of users or of groups.
pub(super) fn used(database: &Database, file: AccountFile) -> BTreeSet<u32> {
    let entries = database.get(file).into_iter().flat_map(ColonFile::entries);
    entries.filter_map(|fields| number(fields.get(2)?)).collect()
}

pub(super) fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A number that nobody has: above the highest of ordinary users, below the highest free one for the system's.
fn free(used: &BTreeSet<u32>, range: Range, system: bool, downwards: bool) -> Option<u32> {
    let Range { low, high } = range;
    if low > high {
        return None;
    }
    if system && downwards {
        return (low..=high).rev().find(|id| !used.contains(id));
    }
    let highest = used.range(low..=high).next_back();
    let next = match highest {
        Some(highest) if !system => highest.checked_add(1).filter(|next| *next <= high),
        Some(_) => None,
        None => Some(low),
    };
    next.or_else(|| (low..=high).find(|id| !used.contains(id)))
}

/// A number for a new user.
pub(super) fn free_uid(database: &Database, customs: &Customs, system: bool) -> Outcome<u32> {
    let range = customs.range("UID", system);
    let used = used(database, AccountFile::Passwd);
    free(&used, range, system, customs.has_login_defs).ok_or_else(|| none_free("user", range))
}

/// A number for a new group: the wanted one if it is free and in its range.
pub(super) fn free_gid(database: &Database, customs: &Customs, system: bool, wanted: Option<u32>) -> Outcome<u32> {
    let range = customs.range("GID", system);
    let used = used(database, AccountFile::Group);
    let wanted = wanted.filter(|gid| (range.low..=range.high).contains(gid) && !used.contains(gid));
    let free = || free(&used, range, system, customs.has_login_defs);
    wanted.or_else(free).ok_or_else(|| none_free("group", range))
}

fn none_free(kind: &str, range: Range) -> StepFailure {
    StepFailure::refused(format!(
        "no {kind} number from {} to {} is free in the guest",
        range.low, range.high
    ))
}

/// The first of `count` numbers in a row that no line of subuid(5) or subgid(5) has.
pub(super) fn free_subordinate(file: &ColonFile, range: Range, count: u32) -> Option<u32> {
    let mut taken: Vec<(u64, u64)> = file
        .entries()
        .filter_map(|fields| {
            let start = u64::from(number(fields.get(1)?)?);
            let count = u64::from(number(fields.get(2)?)?);
            Some((start, start + count))
        })
        .collect();
    taken.sort_unstable();
    let mut start = u64::from(range.low);
    for (first, end) in taken {
        if first >= start + u64::from(count) {
            break;
        }
        start = start.max(end);
    }
    let fits = start + u64::from(count) <= u64::from(range.high) + 1;
    u32::try_from(start).ok().filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range = Range { low: 1000, high: 1004 };

    #[test]
    fn users_go_up_and_the_system_goes_down() {
        let used = |ids: &[u32]| ids.iter().copied().collect::<BTreeSet<_>>();
        for (ids, system, downwards, expected) in [
            (&[][..], false, true, Some(1000)),
            (&[0, 1000, 1002], false, true, Some(1003)),
            (&[1004, 1000], false, true, Some(1001)),
            (&[1000, 1001, 1002, 1003, 1004], false, true, None),
            (&[1004, 1002], true, true, Some(1003)),
            (&[], true, true, Some(1004)),
            (&[1000, 1002], true, false, Some(1001)),
        ] {
            assert_eq!(free(&used(ids), RANGE, system, downwards), expected, "{ids:?}");
        }
        assert_eq!(free(&used(&[]), Range { low: 5, high: 4 }, false, true), None);
    }

    #[test]
    fn subordinate_numbers_fill_gaps() {
        let file = ColonFile::parse(b"a:100:10\nb:130:10\nbad:x:1\n");
        let range = |high| Range { low: 100, high };
        assert_eq!(free_subordinate(&file, range(1000), 20), Some(110));
        assert_eq!(free_subordinate(&file, range(1000), 21), Some(140));
        assert_eq!(free_subordinate(&file, range(159), 21), None);
        assert_eq!(free_subordinate(&file, range(160), 21), Some(140));
        assert_eq!(free_subordinate(&ColonFile::default(), range(1000), 5), Some(100));
    }
}
