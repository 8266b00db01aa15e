//! `cargo xtask verify`: the long tier, in shards that are resumed, and the report of what it found.

mod kinds;
mod programs;
mod report;
mod results;
mod run;
mod shard;

use std::collections::VecDeque;
use std::fs;
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::say;
use kinds::KINDS;
use programs::Programs;
use report::Header;
use results::{Outcome, Results};
use run::Bench;
use shard::{Part, Shard};

/// How much, and of what.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Every shard up to the goals (hours); without it the first shard of each kind.
    #[arg(long)]
    full: bool,
    /// Only this kind, or all of a family (`ext4` is `ext4-random`, `ext4-full`, ...). May be repeated.
    #[arg(long, value_name = "KIND")]
    only: Vec<String>,
    /// Start no more shards after so many minutes.
    #[arg(long, value_name = "MINUTES")]
    budget: Option<u64>,
    /// Run so many shards at once.
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Run again what was finished on this commit.
    #[arg(long)]
    restart: bool,
    /// List the kinds and their goals.
    #[arg(long)]
    list: bool,
}

/// Runs what is left to do, and writes the report.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.list {
        for kind in KINDS {
            say(&format!("{:<15} {:>6}  {}", kind.name, kind.goal, kind.about));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let begin = Instant::now();
    let source = Source::read()?;
    let folder = imgctl_testkit::workspace().join("target/verify");
    fs::create_dir_all(folder.join("logs"))?;
    let shards = shard::plan(&arguments.only, arguments.full);
    ensure!(
        !shards.is_empty(),
        "there is no kind called {}; --list has them",
        arguments.only.join(", ")
    );
    // Several runs may share the work (`--only`), but nobody may begin anew beside another.
    let lock = fs::File::create(folder.join("lock"))?;
    // Changes that are not committed have no name: nothing is known of them.
    if arguments.restart || source.is_changed {
        lock.try_lock().context("another verify runs in this workspace")?;
        Results::forget(&folder, &source.commit)?;
    } else {
        lock.try_lock_shared()
            .context("another verify begins anew in this workspace")?;
    }
    let results = Results::open(&folder, &source.commit)?;
    let left: Vec<Shard> = shards
        .iter()
        .filter(|shard| !results.has(&shard.to_string()))
        .cloned()
        .collect();
    say(&format!(
        "verify {}: {} shards, {} of them left",
        source.commit,
        shards.len(),
        left.len()
    ));
    let programs = Programs::build(folder.join("bin").join(&source.commit), &left, source.is_changed)?;
    let needs_images = |shard: &Shard| matches!(shard.part, Part::Test(_) | Part::Boot(_));
    if arguments.budget != Some(0) && left.iter().any(needs_images) {
        crate::fixtures::build(&[])?;
    }
    let bench = Bench::new(programs, folder.clone(), source.commit.clone());
    let until = arguments
        .budget
        .map(|minutes| begin + Duration::from_secs(minutes * 60));
    work(&bench, &results, left, arguments.jobs, until)?;
    // With what others have added in the meantime.
    conclude(&source, &Results::open(&folder, &source.commit)?)
}

/// Runs the shards that are left, several at once, until the time is over.
fn work(bench: &Bench, results: &Results, left: Vec<Shard>, jobs: usize, until: Option<Instant>) -> Result<()> {
    let left = Mutex::new(VecDeque::from(left));
    let work = || -> Result<()> {
        while until.is_none_or(|until| Instant::now() < until) {
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(shard) = next else {
                break;
            };
            let outcome = bench.run(&shard);
            say(&line(&shard, &outcome));
            results.add(&shard.to_string(), outcome)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        let mut ends = workers.into_iter().map(|worker| worker.join());
        ends.try_for_each(|end| end.unwrap_or_else(|_| anyhow::bail!("a worker panicked")))
    })
}

fn line(shard: &Shard, outcome: &Outcome) -> String {
    let Outcome {
        cases,
        seconds,
        slowest,
        ..
    } = outcome;
    let end = if outcome.passed { "ok" } else { "FAILED" };
    let mut line = format!("{end:<6} {shard}: {cases} cases in {seconds} s, the slowest {slowest} ms");
    if !outcome.passed {
        line.push_str(&format!("; seeds {:?}: {}", outcome.failed_seeds, outcome.reason));
    }
    line
}

/// Writes the report, says what is missing, and fails if any case did.
fn conclude(source: &Source, results: &Results) -> Result<ExitCode> {
    let all = results.all();
    let header = Header {
        commit: source.commit.clone(),
        date: source.date.clone(),
        machine: report::machine(),
    };
    let text = report::write(&header, &all);
    let path = if source.is_changed {
        imgctl_testkit::workspace().join("target/verify/verification.md")
    } else {
        imgctl_testkit::workspace().join(REPORT)
    };
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    let mut failed = 0;
    for kind in KINDS {
        let sum = report::sum(kind, &all);
        failed += sum.failed;
        say(&format!(
            "{:<15} {:>6} of {:>6} cases, {} failed",
            kind.name, sum.cases, kind.goal, sum.failed
        ));
    }
    say(&format!("verify: {failed} failures; the report is {}", path.display()));
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The report, in the workspace.
const REPORT: &str = "docs/verification.md";

/// What is tested.
#[derive(Debug)]
struct Source {
    /// The last commit that changed more than documentation and tasks, so that results outlive the commit of their
    /// report.
    commit: String,
    date: String,
    /// Whether there are changes that are not committed.
    is_changed: bool,
}

impl Source {
    fn read() -> Result<Self> {
        const CODE: [&str; 5] = ["--", ".", ":(exclude)docs", ":(exclude)xtask", ":(exclude)*.md"];
        let log = |format: &str| git(&[&["log", "-1", format][..], &CODE].concat());
        let changes = git(&[&["status", "--porcelain", "--untracked-files=normal"][..], &CODE].concat())?;
        let is_changed = !changes.is_empty();
        let commit = log("--format=%H")?;
        Ok(Self {
            commit: if is_changed {
                format!("{commit}-changed")
            } else {
                commit
            },
            date: log("--format=%cs")?,
            is_changed,
        })
    }
}

fn git(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    let output = command
        .args(arguments)
        .current_dir(imgctl_testkit::workspace())
        .output()
        .context("starting git")?;
    ensure!(
        output.status.success(),
        "git {arguments:?} ended with {}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
