//! `cargo xtask man`: the manual pages, into target/man.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::workspace;

use crate::say;

/// Writes a page for every command, with the date of the last commit.
pub(crate) fn run() -> Result<ExitCode> {
    let root = workspace();
    let folder = root.join("target/man");
    let log = Command::new("git")
        .args(["log", "-1", "--format=%cs"])
        .current_dir(&root)
        .output()
        .context("starting git")?;
    let date = String::from_utf8(log.stdout).context("the date of the last commit")?;
    ensure!(log.status.success(), "git log ended with {}", log.status);
    let status = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args(["run", "--quiet", "--package", "imgctl", "--", "man-pages"])
        .arg(&folder)
        .arg(date.trim())
        .current_dir(&root)
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "imgctl man-pages ended with {status}");
    say(&format!(
        "man: the pages are in {}; man -l {}/imgctl.1",
        folder.display(),
        folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}
