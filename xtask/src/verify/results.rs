//! What came of the shards: one line of JSON each, appended as soon as it is known.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// The outcome of a shard.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Outcome {
    pub(super) passed: bool,
    /// How many cases ended well.
    pub(super) cases: u64,
    /// Which seeds did not.
    pub(super) failed_seeds: Vec<u64>,
    /// Why it failed, in a line.
    pub(super) reason: String,
    pub(super) seconds: u64,
    /// The slowest case in milliseconds.
    pub(super) slowest: u64,
    /// The largest growth of memory in KiB.
    pub(super) memory: u64,
}

/// The results of one commit.
#[derive(Debug)]
pub(super) struct Results {
    path: PathBuf,
    commit: String,
    known: Mutex<BTreeMap<String, Outcome>>,
}

impl Results {
    /// Reads what is known of `commit`, from earlier runs and from others that go on now.
    pub(super) fn open(folder: &Path, commit: &str) -> Result<Self> {
        let path = folder.join("results.jsonl");
        let mut known = BTreeMap::new();
        for (value, _) in lines(&path) {
            let shard = value.get("shard").and_then(Value::as_str);
            if let (true, Some(shard)) = (is_of(&value, commit), shard) {
                known.insert(shard.to_owned(), outcome_of(&value));
            }
        }
        Ok(Self {
            path,
            commit: commit.to_owned(),
            known: Mutex::new(known),
        })
    }

    /// Takes what is known of `commit` out of the file. Nobody else may be writing to it.
    pub(super) fn forget(folder: &Path, commit: &str) -> Result<()> {
        let path = folder.join("results.jsonl");
        let others = lines(&path).into_iter().filter(|(value, _)| !is_of(value, commit));
        let others: String = others.map(|(_, line)| line + "\n").collect();
        fs::write(&path, others).with_context(|| format!("writing {}", path.display()))
    }

    pub(super) fn has(&self, shard: &str) -> bool {
        self.all().contains_key(shard)
    }

    /// Keeps an outcome, here and in the file.
    pub(super) fn add(&self, shard: &str, outcome: Outcome) -> Result<()> {
        let value = json!({
            "commit": self.commit,
            "shard": shard,
            "passed": outcome.passed,
            "cases": outcome.cases,
            "failed_seeds": outcome.failed_seeds,
            "reason": outcome.reason,
            "seconds": outcome.seconds,
            "slowest": outcome.slowest,
            "memory": outcome.memory,
        });
        let mut known = self.lock();
        let mut file = File::options().append(true).create(true).open(&self.path)?;
        // A line that was cut off stays one of its own.
        let separator = if self.ends_in_a_line() { "" } else { "\n" };
        file.write_all(format!("{separator}{value}\n").as_bytes())
            .with_context(|| format!("writing {}", self.path.display()))?;
        known.insert(shard.to_owned(), outcome);
        Ok(())
    }

    fn ends_in_a_line(&self) -> bool {
        let text = fs::read(&self.path).unwrap_or_default();
        text.last().is_none_or(|last| *last == b'\n')
    }

    /// Every shard's outcome, by its name.
    pub(super) fn all(&self) -> BTreeMap<String, Outcome> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Outcome>> {
        // A map is whole even where a thread that held it has panicked.
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The results in a file. A line that was cut off by the end of its process counts as never written.
fn lines(path: &Path) -> Vec<(Value, String)> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines();
    lines
        .filter_map(|line| Some((serde_json::from_str(line).ok()?, line.to_owned())))
        .collect()
}

fn is_of(value: &Value, commit: &str) -> bool {
    value.get("commit").and_then(Value::as_str) == Some(commit)
}

fn outcome_of(value: &Value) -> Outcome {
    let number = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
    let seeds = value.get("failed_seeds").and_then(Value::as_array);
    Outcome {
        passed: value.get("passed").and_then(Value::as_bool).unwrap_or(false),
        cases: number("cases"),
        failed_seeds: seeds.into_iter().flatten().filter_map(Value::as_u64).collect(),
        reason: value
            .get("reason")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        seconds: number("seconds"),
        slowest: number("slowest"),
        memory: number("memory"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_finished_is_known_to_the_next_run_of_the_same_commit() {
        let folder = tempfile::tempdir().unwrap();
        let outcome = Outcome {
            passed: false,
            cases: 9,
            failed_seeds: vec![3],
            reason: "it panicked".to_owned(),
            seconds: 5,
            slowest: 700,
            memory: 12,
        };
        let first = Results::open(folder.path(), "one").unwrap();
        first.add("kind/0..10", outcome.clone()).unwrap();
        let other = Results::open(folder.path(), "other").unwrap();
        assert!(!other.has("kind/0..10"));
        other.add("kind/0..10", Outcome::default()).unwrap();
        // The process was killed while it wrote.
        let path = folder.path().join("results.jsonl");
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"{\"commit\":\"one\",\"sha").unwrap();
        // The next one begins a line of its own.
        let again = Results::open(folder.path(), "one").unwrap();
        again.add("kind/10..20", Outcome::default()).unwrap();

        let again = Results::open(folder.path(), "one").unwrap();
        assert_eq!(again.all().get("kind/0..10"), Some(&outcome));
        assert!(again.has("kind/10..20"));
        Results::forget(folder.path(), "one").unwrap();
        assert!(Results::open(folder.path(), "one").unwrap().all().is_empty());
        assert!(Results::open(folder.path(), "other").unwrap().has("kind/0..10"));
    }
}
