//! docs/verification.md: what was run on which commit, and what came of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use super::kinds::{KINDS, Kind, Test, Work};
use super::results::Outcome;

/// What the report says about the run as a whole.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) commit: String,
    /// The day of the commit.
    pub(super) date: String,
    pub(super) machine: String,
}

/// The processors and the memory of this machine.
pub(super) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let field = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.and_then(|line| line.split_once(':').map(|(_, value)| value.trim().to_owned()))
    };
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = field("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    let gibibytes = memory.unwrap_or(0).div_ceil(1 << 20);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores ({model}), {gibibytes} GiB, Linux {}", kernel.trim())
}

/// All that is known of one kind.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Sum {
    pub(super) shards: u64,
    pub(super) cases: u64,
    pub(super) failed: u64,
    seconds: u64,
    slowest: u64,
    memory: u64,
    ranges: Vec<(u64, u64)>,
    names: Vec<String>,
}

pub(super) fn sum(kind: &Kind, results: &BTreeMap<String, Outcome>) -> Sum {
    let mut sum = Sum::default();
    for (name, outcome) in results {
        let Some((_, part)) = name.split_once('/').filter(|(start, _)| *start == kind.name) else {
            continue;
        };
        sum.shards += 1;
        sum.cases += outcome.cases;
        sum.failed += match outcome.failed_seeds.len() {
            0 => u64::from(!outcome.passed),
            count => count as u64,
        };
        sum.seconds += outcome.seconds;
        sum.slowest = sum.slowest.max(outcome.slowest);
        sum.memory = sum.memory.max(outcome.memory);
        match part.split_once("..").map(|(from, to)| (from.parse(), to.parse())) {
            Some((Ok(from), Ok(to))) => sum.ranges.push((from, to)),
            _ => sum.names.push(part.rsplit("::").next().unwrap_or(part).to_owned()),
        }
    }
    sum.ranges.sort_unstable();
    sum
}

/// Ranges that touch are one.
fn ranges(sum: &Sum) -> String {
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (from, to) in &sum.ranges {
        match joined.last_mut() {
            Some(last) if last.1 == *from => last.1 = *to,
            _ => joined.push((*from, *to)),
        }
    }
    let joined = joined.iter().map(|(from, to)| format!("{from}..{to}"));
    joined.chain(sum.names.iter().cloned()).collect::<Vec<_>>().join(", ")
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        _ => format!("{} min", seconds.div_ceil(60)),
    }
}

/// The whole report.
pub(super) fn write(header: &Header, results: &BTreeMap<String, Outcome>) -> String {
    let mut text = String::from("# Verification\n\n");
    text.push_str("<!-- Written by `cargo xtask verify`; do not edit. -->\n\n");
    text.push_str(
        "What the long tier found. It runs the tests of the bounded tier on many more seeds, and some that are too long\n\
         for every change. Times are wall-clock times of the shards, added up, on a machine that did other things, too.\n\n",
    );
    let _ = writeln!(text, "- Commit: {} of {}", header.commit, header.date);
    let _ = writeln!(text, "- Machine: {}", header.machine);
    let sums: Vec<_> = KINDS.iter().map(|kind| (kind, sum(kind, results))).collect();
    let failed: u64 = sums.iter().map(|(_, sum)| sum.failed).sum();
    let cases: u64 = sums.iter().map(|(_, sum)| sum.cases).sum();
    let short: Vec<&str> = sums
        .iter()
        .filter(|(kind, sum)| sum.cases < kind.goal)
        .map(|(kind, _)| kind.name)
        .collect();
    let _ = writeln!(text, "- Cases that passed: {cases}; failures: {failed}");
    if short.is_empty() {
        text.push_str("- Every goal was reached\n\n");
    } else {
        let _ = writeln!(text, "- **Goals not reached:** {}\n", short.join(", "));
    }
    table(&mut text, &sums);
    failures(&mut text, results);
    text.push_str("## What a case is, and who judges it\n\n");
    for kind in KINDS {
        let _ = writeln!(text, "- **{}**: {}. Judges: {}.", kind.name, kind.about, kind.judges);
    }
    text.push_str(
        "\n## Again\n\n\
         `cargo xtask verify --full` goes on where it stopped, as long as nothing but documentation and xtask has\n\
         changed (`--restart` begins anew, `--only KIND`, `--budget MINUTES`, `--jobs N`). Logs are in `target/verify/logs/`.\n\
         One case by its seed:\n\n```sh\n",
    );
    for kind in KINDS {
        if let Work::Seeds { test, .. } = kind.work {
            let _ = writeln!(text, "{}", command(test));
        }
    }
    text.push_str("```\n");
    text
}

fn command(test: Test) -> String {
    let Test { package, target, name } = test;
    format!("IMGCTL_SEEDS=7..8 cargo test -p {package} --test {target} -- --exact {name} --nocapture")
}

fn table(text: &mut String, sums: &[(&Kind, Sum)]) {
    text.push_str("| kind | goal | passed | failed | seeds or names | time | slowest case | most memory |\n");
    text.push_str("|---|--:|--:|--:|---|--:|--:|--:|\n");
    for (kind, sum) in sums {
        let (slowest, memory) = match sum.slowest {
            0 => ("–".to_owned(), "–".to_owned()),
            slowest => (format!("{slowest} ms"), format!("{} MiB", sum.memory.div_ceil(1024))),
        };
        let ran = if sum.shards == 0 {
            "not run".to_owned()
        } else {
            ranges(sum)
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {ran} | {} | {slowest} | {memory} |",
            kind.name,
            kind.goal,
            sum.cases,
            sum.failed,
            duration(sum.seconds)
        );
    }
    text.push('\n');
}

fn failures(text: &mut String, results: &BTreeMap<String, Outcome>) {
    let failed: Vec<_> = results.iter().filter(|(_, outcome)| !outcome.passed).collect();
    if failed.is_empty() {
        return;
    }
    text.push_str("## Failures\n\n");
    for (name, outcome) in failed {
        let seeds: Vec<String> = outcome.failed_seeds.iter().map(u64::to_string).collect();
        let seeds = if seeds.is_empty() {
            String::new()
        } else {
            format!(", seeds {}", seeds.join(", "))
        };
        let _ = writeln!(text, "- `{name}`{seeds}: {}", outcome.reason);
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> BTreeMap<String, Outcome> {
        let passed = Outcome {
            passed: true,
            cases: 20,
            seconds: 70,
            slowest: 900,
            memory: 3000,
            ..Outcome::default()
        };
        let failed = Outcome {
            cases: 18,
            failed_seeds: vec![47, 51],
            reason: "it panicked".to_owned(),
            seconds: 60,
            ..Outcome::default()
        };
        BTreeMap::from([
            ("fat-random/0..20".to_owned(), passed.clone()),
            ("fat-random/20..40".to_owned(), passed.clone()),
            ("fat-random/40..60".to_owned(), failed),
            (
                "journey/real_images::debian12".to_owned(),
                Outcome { cases: 1, ..passed },
            ),
        ])
    }

    #[test]
    fn a_report_says_what_ran_and_what_did_not() {
        let header = Header {
            commit: "abc".to_owned(),
            date: "2026-01-01".to_owned(),
            machine: "2 cores".to_owned(),
        };
        let text = write(&header, &results());
        for line in [
            "- Commit: abc of 2026-01-01",
            "- Cases that passed: 59; failures: 2",
            "| fat-random | 400 | 58 | 2 | 0..60 | 4 min | 900 ms | 3 MiB |",
            "| ext4-random | 400 | 0 | 0 | not run | 0 s | – | – |",
            "- `fat-random/40..60`, seeds 47, 51: it panicked",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(text.contains("**Goals not reached:** ext4-random,"));
        assert!(text.contains("| debian12 |"));
    }

    #[test]
    fn ranges_with_a_gap_stay_apart() {
        let sum = Sum {
            ranges: vec![(0, 10), (10, 20), (30, 40)],
            ..Sum::default()
        };
        assert_eq!(ranges(&sum), "0..20, 30..40");
    }
}
