//! How much a test does: a few fixed seeds in the bounded tier, ranges of them in the long one (`cargo xtask verify`).

use std::fs;
use std::ops::Range;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// The environment variable with the seeds of a shard, like `200..250`.
pub const SEEDS: &str = "IMGCTL_SEEDS";

/// What begins the line of a case that ended well: kind, seed, milliseconds, KiB of memory.
pub const CASE: &str = "imgctl-case:";

/// What begins the line of a case that failed: kind, seed.
pub const FAILED: &str = "imgctl-failed:";

/// The seeds a test goes through: `usual`, or what `IMGCTL_SEEDS` says.
///
/// # Panics
///
/// When the variable is no range of numbers.
#[must_use]
pub fn seeds(usual: Range<u64>) -> Range<u64> {
    match std::env::var(SEEDS) {
        Ok(told) => parse(&told).unwrap_or_else(|| panic!("{SEEDS} is no range like 0..10: {told}")),
        Err(_) => usual,
    }
}

/// Whether this is a shard of the long tier, whose seeds nobody chose for what they show.
#[must_use]
pub fn is_long() -> bool {
    std::env::var_os(SEEDS).is_some()
}

/// Whether no other test runs in this process, so that its time and its memory are those of one case.
fn is_alone() -> bool {
    let mode = std::env::var("NEXTEST_EXECUTION_MODE");
    is_long() || mode.is_ok_and(|mode| mode == "process-per-test")
}

fn parse(range: &str) -> Option<Range<u64>> {
    let (from, to) = range.split_once("..")?;
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (from < to).then_some(from..to)
}

/// What one case may take before it counts as failed. Only the limit of waiting holds where tests share a process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Processor time of the whole process; a case that only waits gets twenty times as long.
    pub time: Duration,
    /// Growth of the process's resident memory.
    pub memory_bytes: u64,
}

impl Limits {
    /// For cases that only stay in this process and work on a few megabytes.
    pub const SMALL: Self = Self {
        time: Duration::from_secs(10),
        memory_bytes: 256 << 20,
    };
    /// For cases that start other programs on whole images.
    pub const LARGE: Self = Self {
        time: Duration::from_secs(60),
        memory_bytes: 2 << 30,
    };
}

/// Runs one case under its limits and prints the line that `cargo xtask verify` counts.
///
/// A case that is still running when its time is over ends the process, as nothing else ends a loop without an end.
///
/// # Panics
///
/// When the case took more memory than it may; and with what it panics itself.
pub fn case<T>(kind: &str, seed: u64, limits: Limits, run: impl FnOnce() -> T) -> T {
    let result = try_case(kind, seed, limits, || Ok(run()));
    result.unwrap_or_else(|error| panic!("{error:#}"))
}

/// [`case`] for cases that fail with an error.
///
/// # Errors
///
/// When the case fails or took more memory than it may, with the kind and the seed.
pub fn try_case<T>(kind: &str, seed: u64, limits: Limits, run: impl FnOnce() -> Result<T>) -> Result<T> {
    let mut named = Named {
        kind,
        seed,
        ended: false,
    };
    // Peak counting starts again from what is in use now.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let before = status_kib("VmRSS:");
    let begin = Instant::now();
    let (done, over) = mpsc::channel::<()>();
    let what = format!("{kind} {seed}");
    let watch = thread::spawn(move || watch(&what, limits.time, &over));
    let result = run();
    drop(done);
    drop(watch.join());
    let result = result.with_context(|| format!("{kind} {seed}"))?;
    let grown = status_kib("VmHWM:").saturating_sub(before);
    ensure!(
        !is_alone() || grown <= limits.memory_bytes >> 10,
        "{kind} {seed} took {grown} KiB of memory"
    );
    named.ended = true;
    print(&format!("{CASE} {kind} {seed} {} {grown}", begin.elapsed().as_millis()));
    Ok(result)
}

/// Ends the process when the channel is still open after `limit` of processor time.
fn watch(what: &str, limit: Duration, over: &mpsc::Receiver<()>) {
    let (begin, used) = (Instant::now(), processor_time());
    while over.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
        let took = processor_time().saturating_sub(used);
        if (is_alone() && took > limit) || begin.elapsed() > limit * 20 {
            let waited = begin.elapsed();
            print(&format!("{FAILED} {what}"));
            print(&format!(
                "{what} goes on after {took:?} of processor time, {waited:?} in all"
            ));
            std::process::abort();
        }
    }
}

/// Says which case it was when one panics.
struct Named<'a> {
    kind: &'a str,
    seed: u64,
    ended: bool,
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if !self.ended {
            print(&format!("{FAILED} {} {}", self.kind, self.seed));
        }
    }
}

#[allow(
    clippy::print_stdout,
    reason = "the test runner's output is where `cargo xtask verify` counts"
)]
fn print(line: &str) {
    println!("{line}");
}

/// A number of `/proc/self/status`; 0 where it is not there.
fn status_kib(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// What this process has used, children not counted.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in parentheses, may hold anything; user and system time are the 12th and 13th number behind it.
    let numbers = stat.rsplit_once(')').map(|(_, numbers)| numbers).unwrap_or_default();
    let ticks = numbers.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Numbers that follow from a seed, the same everywhere (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`; neighbouring seeds have nothing in common.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is taken for 1 when it is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit.max(1)
    }

    /// One of `choices`.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// `length` bytes of noise.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..length.div_ceil(8))
            .flat_map(|_| self.draw().to_le_bytes())
            .collect();
        bytes.truncate(length);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(parse("0..10"), Some(0..10));
        for wrong in ["", "1", "3..3", "5..4", "a..b", "-1..4"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_case_gives_its_result_and_has_its_memory_counted() {
        assert_eq!(case("tier", 1, Limits::SMALL, || 7), 7);
        let greedy = Limits {
            memory_bytes: 1 << 20,
            ..Limits::SMALL
        };
        let caught = std::panic::catch_unwind(|| case("tier", 2, greedy, || vec![1_u8; 64 << 20].len()));
        if is_alone() {
            let message = caught.unwrap_err().downcast::<String>().unwrap();
            assert!(message.starts_with("tier 2 took"), "{message}");
        }
    }

    #[test]
    fn processor_time_goes_on() {
        let begin = processor_time();
        let until = Instant::now() + Duration::from_secs(30);
        while processor_time() == begin {
            assert!(Instant::now() < until, "nothing is counted");
        }
    }

    #[test]
    fn equal_seeds_give_equal_numbers() {
        let draw = |seed| Random::new(seed).bytes(11);
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
        assert_eq!(draw(0).len(), 11);
    }
}
