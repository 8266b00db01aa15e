//! What a whole process costs.
//!
//! Each program is run by a small process of its own that has no other children, so that the kernel's account of its
//! children is the account of that program and of whatever it started.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use nix::sys::resource::{UsageWho, getrusage};

/// The hidden command line.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Where the program's standard output goes
    #[arg(long)]
    stdout: Option<PathBuf>,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

/// What one run cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// From start to end.
    pub(crate) wall: Duration,
    /// User and system time of the program and its children.
    pub(crate) cpu: Duration,
    /// The most memory that one of its processes held.
    pub(crate) peak_bytes: u64,
}

/// A program to measure.
#[derive(Debug)]
pub(crate) struct Program {
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, &'static str)>,
}

impl Program {
    pub(crate) fn new<S: Into<OsString>>(arguments: impl IntoIterator<Item = S>) -> Self {
        Self {
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
        }
    }

    /// The same with a variable set.
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    /// Runs it; standard output goes into a file.
    pub(crate) fn cost(&self, stdout: &Path) -> Result<Cost> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["measure", "--stdout"])
            .arg(stdout)
            .arg("--")
            .args(&self.arguments);
        command
            .envs(self.environment.iter().copied())
            .env_remove("SOURCE_DATE_EPOCH");
        let output = command.stdin(Stdio::null()).output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{:?} failed:\n{told}", self.arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [wall, cpu, peak] = numbers[..] else {
            anyhow::bail!("the measuring process printed `{text}`")
        };
        Ok(Cost {
            wall: Duration::from_micros(wall),
            cpu: Duration::from_micros(cpu),
            peak_bytes: peak << 10,
        })
    }
}

/// The measuring process.
#[allow(clippy::print_stdout, reason = "the parent process reads it")]
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (program, rest) = arguments.command.split_first().context("no program")?;
    let stdout = match &arguments.stdout {
        Some(path) => File::create(path)
            .with_context(|| format!("creating {}", path.display()))?
            .into(),
        None => Stdio::null(),
    };
    let begin = Instant::now();
    let status = Command::new(program).args(rest).stdout(stdout).status();
    let wall = begin.elapsed();
    let status = status.with_context(|| format!("starting {}", program.display()))?;
    ensure!(status.success(), "{} ended with {status}", program.display());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let cpu = micros(usage.user_time()) + micros(usage.system_time());
    println!("{} {cpu} {}", wall.as_micros(), usage.max_rss());
    Ok(())
}

/// The middle one.
pub(crate) fn median<T: Copy + PartialOrd>(values: impl IntoIterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    values.get(values.len() / 2).copied()
}

/// The median of each figure.
pub(crate) fn median_cost(costs: &[Cost]) -> Option<Cost> {
    Some(Cost {
        wall: median(costs.iter().map(|cost| cost.wall))?,
        cpu: median(costs.iter().map(|cost| cost.cpu))?,
        peak_bytes: median(costs.iter().map(|cost| cost.peak_bytes))?,
    })
}
