//! `cargo xtask bench`: builds imgctl and its benches for release, and runs them.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};

/// Runs the benches with these arguments.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--release",
        "--package",
        "imgctl",
        "--package",
        "imgctl-benches",
    ]);
    let status = build
        .current_dir(imgctl_testkit::workspace())
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "cargo build ended with {status}");
    // target/PROFILE/xtask
    let this = std::env::current_exe().context("finding this program")?;
    let target: Option<PathBuf> = this.ancestors().nth(2).map(PathBuf::from);
    let benches = target
        .context("finding the target folder")?
        .join("release/imgctl-benches");
    let status = Command::new(&benches).args(arguments).status();
    let status = status.with_context(|| format!("starting {}", benches.display()))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
