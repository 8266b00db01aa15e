//! The test programs of the commit under test, kept beside the results, so that later builds do not disturb them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::kinds::Test;
use super::shard::Shard;
use crate::say;

/// A folder with the programs.
#[derive(Debug)]
pub(super) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds what `shards` need, unless it is there from an earlier run on the same commit.
    pub(super) fn build(folder: PathBuf, shards: &[Shard], again: bool) -> Result<Self> {
        let programs = Self { folder };
        fs::create_dir_all(&programs.folder)?;
        let needed: BTreeSet<_> = shards
            .iter()
            .filter_map(Shard::test)
            .map(|test| (test.package, test.target))
            .collect();
        let is_missing = |(package, target): &&(&str, &str)| again || !programs.path(package, target).is_file();
        let missing: Vec<_> = needed.iter().filter(is_missing).collect();
        if !missing.is_empty() {
            let mut arguments = vec!["test", "--no-run", "--tests", "--locked"];
            for (package, _) in &missing {
                arguments.extend(["--package", package]);
            }
            programs.keep(&arguments)?;
        }
        if again || !programs.imgctl().is_file() {
            programs.keep(&["build", "--package", "imgctl", "--bin", "imgctl", "--locked"])?;
        }
        for (package, target) in needed {
            let path = programs.path(package, target);
            ensure!(path.is_file(), "{package} has no integration test called {target}");
        }
        Ok(programs)
    }

    /// Runs cargo and copies every program it made.
    fn keep(&self, arguments: &[&str]) -> Result<()> {
        say(&format!("verify: cargo {}", arguments.join(" ")));
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .args(arguments)
            .arg("--message-format=json-render-diagnostics")
            .current_dir(imgctl_testkit::workspace())
            .stderr(Stdio::inherit());
        let output = command.output().context("starting cargo")?;
        ensure!(output.status.success(), "cargo ended with {}", output.status);
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let message: Value = serde_json::from_str(line)?;
            let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
            let (Some(executable), Some(target), Some(manifest)) =
                (text("/executable"), text("/target/name"), text("/manifest_path"))
            else {
                continue;
            };
            let package = Path::new(manifest).parent().and_then(Path::file_name);
            let package = package.map(OsStr::to_string_lossy).unwrap_or_default();
            let is_test = message.pointer("/profile/test").and_then(Value::as_bool) == Some(true);
            let copy = match is_test {
                true => self.path(package_in(&package), target),
                false => self.folder.join(target),
            };
            // A program that still runs cannot be written, but its name can be taken away.
            let _ = fs::remove_file(&copy);
            fs::copy(executable, &copy).with_context(|| format!("copying {executable}"))?;
        }
        Ok(())
    }

    fn path(&self, package: &str, target: &str) -> PathBuf {
        self.folder.join(format!("{package}-{target}"))
    }

    /// The `imgctl` program.
    pub(super) fn imgctl(&self) -> PathBuf {
        self.folder.join("imgctl")
    }

    /// A command that runs nothing but `test`, in the folder of its package as cargo does it.
    pub(super) fn command(&self, test: Test, address_space: Option<u64>) -> Command {
        let program = self.path(test.package, test.target);
        let mut command = match address_space {
            Some(bytes) => {
                let mut command = Command::new("prlimit");
                command.arg(format!("--as={bytes}")).arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .args(["--exact", test.name, "--nocapture", "--test-threads=1"])
            .current_dir(folder_of(test.package))
            .env("IMGCTL_BIN", self.imgctl())
            .stdin(Stdio::null());
        command
    }
}

/// The package in a folder of the workspace: its name, but for the end-to-end tests.
fn package_in(folder: &str) -> &str {
    if folder == "tests" { "imgctl-tests" } else { folder }
}

fn folder_of(package: &str) -> PathBuf {
    let workspace = imgctl_testkit::workspace();
    match package {
        "imgctl-tests" => workspace.join("tests"),
        _ => workspace.join("crates").join(package),
    }
}
