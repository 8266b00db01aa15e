//! The `imgctl` program under test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};

/// The program: `IMGCTL_BIN`, else the one beside the running test, built now by cargo.
///
/// # Errors
///
/// When it cannot be built or found.
pub fn binary() -> Result<PathBuf> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = BINARY.get_or_init(|| find_or_build().map_err(|error| format!("{error:#}")));
    found.clone().map_err(anyhow::Error::msg)
}

fn find_or_build() -> Result<PathBuf> {
    if let Some(told) = std::env::var_os("IMGCTL_BIN").map(PathBuf::from) {
        ensure!(told.is_file(), "IMGCTL_BIN names {}, which is no file", told.display());
        return Ok(told);
    }
    let test = std::env::current_exe().context("finding the running test")?;
    // target/PROFILE/deps/TEST-HASH
    let profile = test
        .ancestors()
        .nth(2)
        .context("finding the target folder of the running test")?;
    let target = profile
        .parent()
        .context("finding the target folder of the running test")?;
    let mut build = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    build
        .args([
            "build",
            "--quiet",
            "--package",
            "imgctl",
            "--bin",
            "imgctl",
            "--target-dir",
        ])
        .arg(target);
    if profile.file_name() == Some(OsStr::new("release")) {
        build.arg("--release");
    }
    let status = build
        .current_dir(crate::workspace())
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "cargo build of imgctl ended with {status}");
    let binary = profile.join("imgctl");
    ensure!(binary.is_file(), "cargo built no {}", binary.display());
    Ok(binary)
}

/// A command line of `imgctl` in `folder`, without this process's settings that change results.
///
/// # Errors
///
/// When the program cannot be built or found.
pub fn command(folder: &Path) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.current_dir(folder).stdin(Stdio::null());
    for name in ["SOURCE_DATE_EPOCH", "RUST_LOG", "RUST_BACKTRACE", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    Ok(command)
}

/// Runs `imgctl` in `folder` and returns its output, whatever its exit status.
///
/// # Errors
///
/// When the program cannot be built, found or started.
pub fn output<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Result<Output> {
    command(folder)?.args(arguments).output().context("starting imgctl")
}

/// Runs `imgctl` in `folder` and returns what it printed on standard output.
///
/// # Errors
///
/// When it exits with anything but 0; the message holds all that it printed.
pub fn run<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Result<String> {
    let output = output(folder, arguments)?;
    let shown: Vec<_> = arguments
        .iter()
        .map(|argument| argument.as_ref().to_string_lossy())
        .collect();
    ensure!(
        output.status.success(),
        "`imgctl {}` ended with {}\n{}{}",
        shown.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
