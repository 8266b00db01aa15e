//! Every kind of input and output image carries the same disk.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::{cli, fixture, oracle};
use serde_json::Value;

use crate::expected::file_digest;
use crate::golden;
use crate::guest_disk::GuestDisk;
use crate::journey::Journey;
use crate::receipt;

fn journey() -> Result<Journey> {
    Journey::new(&fixture::mini(), &fixture::raw("mini")?, golden::RECIPE, &golden::FILES)
}

#[test]
fn outputs_of_every_format_hold_the_same_disk() -> Result<()> {
    if !imgctl_testkit::root_or_skip("outputs_of_every_format_hold_the_same_disk") {
        return Ok(());
    }
    let journey = journey()?;
    journey.customize(&["-o", "zlib.qcow2"])?;
    let outputs: [(&str, &[&str]); 4] = [
        ("zstd.qcow2", &["--compress", "zstd"]),
        ("fast.qcow2", &["--compress", "zlib:1"]),
        ("plain.qcow2", &["--compress", "none"]),
        ("out.raw", &["--format", "raw"]),
    ];
    for (name, arguments) in outputs {
        journey.customize(&[&["-o", name], arguments].concat()).context(name)?;
        if name.ends_with(".qcow2") {
            oracle::qemu_check(&journey.path(name)).context(name)?;
        }
        oracle::qemu_compare(&journey.path("zlib.qcow2"), &journey.path(name)).context(name)?;
    }
    let raw = journey.path("out.raw").metadata()?;
    let allocated = std::os::unix::fs::MetadataExt::blocks(&raw) * 512;
    ensure!(
        allocated < raw.len() / 8,
        "the raw output is not sparse: {allocated} bytes of {}",
        raw.len()
    );
    Ok(())
}

#[test]
fn a_thin_output_has_the_same_tree_and_says_what_is_left_in_the_base() -> Result<()> {
    if !imgctl_testkit::root_or_skip("a_thin_output_has_the_same_tree_and_says_what_is_left_in_the_base") {
        return Ok(());
    }
    let journey = journey()?;
    journey.customize(&["-o", "whole.qcow2"])?;
    let mut command = cli::command(&journey.path("."))?;
    command.args([
        "customize",
        &fixture::mini().display().to_string(),
        "--recipe",
        "golden.yaml",
    ]);
    command.args(["-o", "thin.qcow2", "--thin"]);
    command.env("SOURCE_DATE_EPOCH", crate::journey::NOW.to_string());
    let output = command.output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && told.contains("warning"), "{told}");
    oracle::qemu_check(&journey.path("thin.qcow2"))?;
    let info = oracle::run("qemu-img", ["info", &journey.path("thin.qcow2").display().to_string()])?;
    ensure!(info.contains("backing file format: qcow2"), "{info}");
    let tree = |name: &str| {
        let raw = journey.path(&format!("{name}.raw"));
        oracle::qemu_convert(&journey.path(&format!("{name}.qcow2")), &raw, "raw")?;
        let disk = GuestDisk::open(&raw)?;
        disk.check()?;
        disk.tree()
    };
    ensure!(tree("whole")? == tree("thin")?, "the trees differ");
    Ok(())
}

/// How `qemu-img convert` makes each base from the mini image, and the qcow2 files that the same disk can be.
const BASES: [(&str, &[&str]); 9] = [
    ("raw", &["-O", "raw"]),
    ("plain", &["-O", "qcow2"]),
    ("version2", &["-c", "-O", "qcow2", "-o", "compat=0.10"]),
    ("zstd", &["-c", "-O", "qcow2", "-o", "compression_type=zstd"]),
    ("tiny clusters", &["-c", "-O", "qcow2", "-o", "cluster_size=512"]),
    ("big clusters", &["-c", "-O", "qcow2", "-o", "cluster_size=2M"]),
    ("narrow refcounts", &["-O", "qcow2", "-o", "refcount_bits=1"]),
    ("wide refcounts", &["-c", "-O", "qcow2", "-o", "refcount_bits=64"]),
    ("extended", &["-O", "qcow2", "-o", "extended_l2=on,cluster_size=128k"]),
];

#[test]
fn bases_of_every_format_give_the_same_disk() -> Result<()> {
    if !imgctl_testkit::root_or_skip("bases_of_every_format_give_the_same_disk") {
        return Ok(());
    }
    let journey = journey()?;
    journey.customize(&["-o", "first.qcow2"])?;
    for (name, options) in BASES {
        let base = journey.path("base");
        let (source, target) = (fixture::mini().display().to_string(), base.display().to_string());
        oracle::run(
            "qemu-img",
            [&["convert"], options, &[source.as_str(), target.as_str()]].concat(),
        )?;
        run_on(&journey, &base).with_context(|| format!("a base with {name}"))?;
        oracle::qemu_check(&journey.path("out.qcow2")).with_context(|| format!("a base with {name}"))?;
        oracle::qemu_compare(&journey.path("first.qcow2"), &journey.path("out.qcow2"))
            .with_context(|| format!("a base with {name}"))?;
    }
    Ok(())
}

fn run_on(journey: &Journey, base: &Path) -> Result<()> {
    let before = file_digest(base)?;
    let mut command = cli::command(&journey.path("."))?;
    command
        .arg("customize")
        .arg(base)
        .args(["--recipe", "golden.yaml", "-o", "out.qcow2", "--force"]);
    let output = command
        .env("SOURCE_DATE_EPOCH", crate::journey::NOW.to_string())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ensure!(file_digest(base)? == before, "the base has changed");
    Ok(())
}

#[test]
fn a_dry_run_tells_the_same_changes_and_writes_nothing() -> Result<()> {
    if !imgctl_testkit::root_or_skip("a_dry_run_tells_the_same_changes_and_writes_nothing") {
        return Ok(());
    }
    let journey = journey()?;
    let told: Value = serde_json::from_str(&journey.customize(&["--dry-run", "--json"])?)?;
    let left: Vec<_> = journey
        .path(".")
        .read_dir()?
        .filter_map(Result::ok)
        .map(|entry| entry.file_name())
        .collect();
    ensure!(
        left.len() == 1 + golden::FILES.len(),
        "a dry run left something: {left:?}"
    );
    journey.customize(&["-o", "out.qcow2", "--receipt", "receipt.json"])?;
    let receipt: Value = serde_json::from_slice(&std::fs::read(journey.path("receipt.json"))?)?;
    ensure!(
        receipt::changes(&told)? == receipt::changes(&receipt)?,
        "the changes differ"
    );
    ensure!(
        receipt::changes(&told)?.len() > 500,
        "few changes: {}",
        receipt::changes(&told)?.len()
    );
    Ok(())
}

#[test]
fn without_a_time_from_outside_the_output_is_still_the_same_everywhere() -> Result<()> {
    let run = || -> Result<String> {
        let folder = tempfile::tempdir()?;
        let recipe = "apiVersion: imgctl/v1\nkind: Recipe\nfiles:\n  - { path: /etc/motd, content: \"x\\n\" }\n";
        std::fs::write(folder.path().join("r.yaml"), recipe)?;
        std::fs::copy(fixture::mini(), folder.path().join("base.qcow2"))?;
        cli::run(
            folder.path(),
            &["customize", "base.qcow2", "--recipe", "r.yaml", "-o", "out.qcow2"],
        )?;
        file_digest(&folder.path().join("out.qcow2"))
    };
    let first = run()?;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    ensure!(run()? == first, "the time of the run is in the output");
    Ok(())
}
