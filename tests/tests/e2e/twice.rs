//! What a recipe makes so is so: applied to its own output, it changes nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::tree::Tree;
use imgctl_testkit::{cli, fixture, oracle};
use serde_json::Value;

use crate::guest_disk::GuestDisk;
use crate::journey::NOW;

/// Every section at once.
const RECIPE: &str = include_str!("everything.yaml");

#[test]
fn debian13() {
    if fixture::is_wanted("debian13") {
        twice("debian13").unwrap();
    }
}

#[test]
fn debian12() {
    if fixture::is_wanted("debian12") {
        twice("debian12").unwrap();
    }
}

#[test]
fn ubuntu_like() {
    if fixture::is_wanted("ubuntu-like") {
        twice("ubuntu-like").unwrap();
    }
}

fn twice(name: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    prepare(folder)?;
    let base = fixture::built(name)?;
    let first = run(
        folder,
        &["customize".as_ref(), &base, "-o".as_ref(), "once.qcow2".as_ref()],
    )?;
    ensure!(
        changes(&first)?.len() > 100,
        "the first run changed hardly anything: {first}"
    );
    let steps = first["steps"].as_array().context("no steps")?;
    ensure!(steps.len() > 30, "only {} steps ran", steps.len());

    let second = run(folder, &["plan".as_ref(), "once.qcow2".as_ref()])?;
    let again: Vec<&str> = changes(&second)?
        .iter()
        .filter_map(|change| change["path"].as_str())
        .collect();
    ensure!(again.is_empty(), "the second run changed {again:?}");

    let raw = folder.join("once.raw");
    oracle::qemu_convert(&folder.join("once.qcow2"), &raw, "raw")?;
    let disk = GuestDisk::open(&raw)?;
    disk.check()?;
    let tree: Tree = disk.tree()?;
    ensure!(
        tree.entries.len() > 10_000,
        "the output has only {} paths",
        tree.entries.len()
    );
    Ok(())
}

/// The recipe and the local files that it names.
fn prepare(folder: &Path) -> Result<()> {
    fs::write(folder.join("everything.yaml"), RECIPE)?;
    fs::create_dir_all(folder.join("tools/bin"))?;
    fs::write(folder.join("tools/bin/join"), "#!/bin/sh\nexec true\n")?;
    fs::write(folder.join("tools/README"), "tools\n")?;
    let shell = "tar --create --file - tools | zstd --quiet >tools.tar.zst
        openssl req -x509 -newkey ed25519 -noenc -keyout /dev/null -out ca.pem -days 3650 -subj /CN=company 2>/dev/null";
    let made = Command::new("sh")
        .args(["-e", "-c", shell])
        .current_dir(folder)
        .status()?;
    ensure!(made.success(), "making the local files: {made}");
    Ok(())
}

/// One command with the recipe; its receipt.
fn run(folder: &Path, arguments: &[&Path]) -> Result<Value> {
    let mut command = cli::command(folder)?;
    let output = command
        .args(arguments)
        .args(["--recipe", "everything.yaml", "--json"])
        .env("SOURCE_DATE_EPOCH", NOW.to_string())
        .env("IMGCTL_TEST_LOGIN", "correct horse battery staple")
        .output()
        .context("starting imgctl")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{arguments:?} ended with {}\n{told}",
        output.status
    );
    serde_json::from_slice(&output.stdout).context("reading the receipt")
}

fn changes(receipt: &Value) -> Result<&Vec<Value>> {
    receipt["changes"].as_array().context("the receipt has no changes")
}
