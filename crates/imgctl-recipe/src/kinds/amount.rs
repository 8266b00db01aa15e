//! Amounts with a unit: sizes, durations, and points in time.

use super::{Numbers, TextKind};
use crate::finding::{Complaint, quoted};
use std::time::Duration;

/// A number of bytes like `16GiB`.
pub(crate) static SIZE: TextKind = TextKind {
    title: "size",
    what: "a size like `16GiB`",
    numbers: Numbers::Check,
    pattern: r"^[1-9][0-9]*(B|KiB|MiB|GiB|TiB)$",
    check: |text| size_bytes(text).map(drop),
};

/// A size of qcow2 clusters.
pub(crate) static CLUSTER_SIZE: TextKind = TextKind {
    title: "size",
    what: "a size like `64KiB`",
    numbers: Numbers::Check,
    pattern: r"^[1-9][0-9]*(B|KiB|MiB)$",
    check: check_cluster_size,
};

/// How long something may take.
pub(crate) static DURATION: TextKind = TextKind {
    title: "duration",
    what: "a duration like `10m`",
    numbers: Numbers::Check,
    pattern: r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$",
    check: check_duration,
};

/// A point in time, in UTC (RFC 3339).
pub(crate) static TIMESTAMP: TextKind = TextKind {
    title: "time",
    what: "a time like `2025-11-01T00:00:00Z`",
    numbers: Numbers::Check,
    pattern: r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
    check: check_timestamp,
};

const UNITS: [(&str, u32); 5] = [("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

/// The bytes that a size means.
pub(crate) fn size_bytes(text: &str) -> Result<u64, Complaint> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end).unwrap_or_default();
    let refuse = || Complaint::error(format!("{} is not a size", quoted(text)));
    let known = UNITS.iter().find(|(name, _)| *name == unit);
    let Some((_, shift)) = known else {
        return Err(refuse().hint(unit_hint(text, digits, unit)));
    };
    if digits.is_empty() {
        return Err(refuse().hint("write a number before the unit, like `16GiB`"));
    }
    let bytes = digits.parse::<u64>().ok();
    let bytes = bytes.and_then(|number| number.checked_mul(1 << shift));
    match bytes.filter(|bytes| i64::try_from(*bytes).is_ok()) {
        Some(0) => Err(refuse().hint("it must be more than 0")),
        Some(_) if digits.starts_with('0') => {
            let hint = format!("write `{}{unit}`", digits.trim_start_matches('0'));
            Err(refuse().hint(hint))
        }
        Some(bytes) => Ok(bytes),
        None => Err(Complaint::error(format!("{} is too large", quoted(text))).hint("no disk has more than 8 EiB")),
    }
}

/// What to write in place of a unit that is not one.
fn unit_hint(text: &str, digits: &str, unit: &str) -> String {
    const FALLBACK: &str = "write a whole number and `B`, `KiB`, `MiB`, `GiB` or `TiB`, like `16GiB`";
    if digits.is_empty() || digits.len() > 18 || unit.starts_with('.') {
        return FALLBACK.into();
    }
    if unit.is_empty() {
        return format!("add the unit: `{digits}GiB`, or `{digits}B` for bytes");
    }
    let letter = unit.trim_start().chars().next().map(|c| c.to_ascii_uppercase());
    let meant = UNITS.iter().find(|(name, _)| name.chars().next() == letter);
    match meant {
        Some((name, _)) if text.len() < 24 => format!("write `{digits}{name}`"),
        _ => FALLBACK.into(),
    }
}

fn check_cluster_size(text: &str) -> Result<(), Complaint> {
    let bytes = size_bytes(text)?;
    if bytes.is_power_of_two() && (512..=2 << 20).contains(&bytes) {
        return Ok(());
    }
    Err(Complaint::error(format!("qcow2 has no clusters of {}", quoted(text)))
        .hint("write a power of two from `512B` to `2MiB`"))
}

/// The time that a duration means, once it was found right.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut seconds = 0_u64;
    let mut rest = text;
    for (unit, factor) in [('h', 3600), ('m', 60), ('s', 1)] {
        if let Some((number, after)) = rest.split_once(unit) {
            seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
            rest = after;
        }
    }
    rest.is_empty().then_some(Duration::from_secs(seconds))
}

fn check_duration(text: &str) -> Result<(), Complaint> {
    let refuse = || Complaint::error(format!("{} is not a duration", quoted(text)));
    if !text.is_empty() && text.len() < 10 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refuse().hint(format!("add the unit: `{text}s` or `{text}m`")));
    }
    let mut rest = text;
    for unit in ["h", "m", "s"] {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or_default();
        let (number, after) = rest.split_at_checked(digits).unwrap_or_default();
        if let (Some(after), 1..=6) = (after.strip_prefix(unit), number.len()) {
            rest = after;
        }
    }
    let zero = !text.contains(|c: char| matches!(c, '1'..='9'));
    if !rest.is_empty() || zero {
        return Err(refuse().hint("write hours, minutes and seconds, like `90s`, `10m` or `1h30m`"));
    }
    Ok(())
}

fn check_timestamp(text: &str) -> Result<(), Complaint> {
    let date = text.split(['T', 't', ' ']).next().unwrap_or_default();
    let refuse = || {
        let complaint = Complaint::error(format!("{} is not a time", quoted(text)));
        if is_date(date) {
            complaint.hint(format!("write it in UTC, to the second: `{date}T00:00:00Z`"))
        } else {
            complaint.hint("write a day and a time in UTC, like `2025-11-01T00:00:00Z`")
        }
    };
    let Some(time) = text.strip_prefix(date).and_then(|rest| rest.strip_prefix('T')) else {
        return Err(refuse());
    };
    let time: Vec<&str> = time.strip_suffix('Z').unwrap_or_default().split(':').collect();
    let two = |text: &str, below: u32| text.len() == 2 && number(text).is_some_and(|number| number < below);
    match time.as_slice() {
        [hour, minute, second] if is_date(date) && two(hour, 24) && two(minute, 60) && two(second, 60) => Ok(()),
        _ => Err(refuse()),
    }
}

/// Whether it is a day of the Gregorian calendar, as `2025-11-01`.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return false;
    }
    let (Some(year), Some(month), Some(day)) = (number(year), number(month), number(day)) else {
        return false;
    };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("512B", 512),
            ("64KiB", 65_536),
            ("16GiB", 16 << 30),
            ("8000000TiB", 8_000_000 << 40),
        ] {
            assert_eq!(size_bytes(text).ok(), Some(bytes), "{text}");
        }
        for text in [
            "",
            "B",
            "16",
            "16G",
            "16GB",
            "16gib",
            "1.5GiB",
            "-1GiB",
            "0B",
            "016GiB",
            "16 GiB",
            "16GiB ",
            "９GiB",
            "99999999TiB",
            "999999999999999999999999GiB",
        ] {
            assert!(size_bytes(text).is_err(), "{text}");
        }
        assert!(check_cluster_size("64KiB").is_ok() && check_cluster_size("2MiB").is_ok());
        for text in ["256B", "4MiB", "65KiB", "64"] {
            assert!(check_cluster_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        for text in ["90s", "10m", "1h30m", "1h1s", "100h"] {
            assert!(check_duration(text).is_ok(), "{text}");
        }
        for text in [
            "", "10", "0s", "m", "10m1h", "1.5h", "10min", "-1s", "9999999s", "1h 1m",
        ] {
            assert!(check_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times() {
        for text in ["2025-11-01T00:00:00Z", "2024-02-29T23:59:59Z", "2000-02-29T00:00:00Z"] {
            assert!(check_timestamp(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "2025-11-01",
            "2025-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-11-01T24:00:00Z",
            "2025-11-01T00:00:00",
            "2025-11-01T00:00:00+01:00",
            "2025-11-01 00:00:00Z",
            "2025-1-1T00:00:00Z",
            "T",
            "Z",
            "+025-11-01T00:00:00Z",
        ] {
            assert!(check_timestamp(text).is_err(), "{text}");
        }
    }
}
