//! `cargo xtask test`: all tests, with one message about everything that is missing for them.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};

use crate::oracles::missing_packages;
use crate::say;

/// Runs the unit, integration and end-to-end tests, then the documentation's examples.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let missing = missing_packages();
    ensure!(
        missing.is_empty(),
        "programs that the tests need are not installed:\n  \
         cargo xtask oracles --install\n\
         or, where qemu-utils is not from the backports:\n  \
         apt-get install {}",
        missing.into_iter().collect::<Vec<_>>().join(" ")
    );
    let nextest = cargo(&["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    let runner: &[&str] = if nextest {
        &["nextest", "run", "--workspace", "--no-fail-fast"]
    } else {
        &["test", "--workspace", "--all-targets", "--no-fail-fast"]
    };
    let mut passed = step(cargo(runner).args(arguments))?;
    if arguments.is_empty() {
        passed &= step(&mut cargo(&["test", "--workspace", "--doc"]))?;
    }
    say(if passed {
        "xtask test: all passed"
    } else {
        "xtask test: FAILED"
    });
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(imgctl_testkit::workspace());
    command
}

fn step(command: &mut Command) -> Result<bool> {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    say(&format!("xtask test: cargo {}", arguments.join(" ")));
    Ok(command.status().context("starting cargo")?.success())
}
