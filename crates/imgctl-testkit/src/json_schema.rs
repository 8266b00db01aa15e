//! `check-jsonschema` of PyPI: the judge of the recipe's JSON schema, in a virtual environment of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::oracle;

/// The version that is installed.
pub const VERSION: &str = "0.39.0";

/// `check-jsonschema` with this version in `IMGCTL_ORACLES`, else in `target/oracles` of the workspace.
fn folder() -> PathBuf {
    oracle::cache().join(format!("check-jsonschema-{VERSION}"))
}

fn program() -> PathBuf {
    folder().join("bin/check-jsonschema")
}

/// Whether it is there.
#[must_use]
pub fn is_installed() -> bool {
    program().is_file()
}

/// Installs it, unless it is there (needs python3 with venv, and a package index for pip).
///
/// # Errors
///
/// When python3 has no venv, or pip cannot install it.
pub fn install() -> Result<()> {
    if is_installed() {
        return Ok(());
    }
    let folder = folder();
    oracle::run("python3", [OsStr::new("-m"), OsStr::new("venv"), folder.as_os_str()])
        .context("making a virtual environment: apt-get install python3-venv")?;
    let pip = folder.join("bin/pip");
    let package = format!("check-jsonschema=={VERSION}");
    let output = Command::new(&pip)
        .args(["install", "--quiet", "--disable-pip-version-check", &package])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {}", pip.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pip cannot install {package}: {said}");
    ensure!(is_installed(), "pip installed no {}", program().display());
    Ok(())
}

/// Runs it and returns its output, whatever its exit status.
///
/// # Errors
///
/// When it is not installed, with the command that installs it.
pub fn check<'a>(arguments: &[&str], files: impl IntoIterator<Item = &'a Path>) -> Result<Output> {
    let program = program();
    ensure!(
        is_installed(),
        "check-jsonschema is not installed: cargo xtask oracles --install"
    );
    let mut command = Command::new(&program);
    command.args(arguments).args(files).stdin(Stdio::null());
    command
        .output()
        .with_context(|| format!("starting {}", program.display()))
}
