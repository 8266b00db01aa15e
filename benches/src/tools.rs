//! The drop-in tools against guestfs-tools: one command line each, on the same image.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::{fixture, oracle, peer};

use crate::measure::{Cost, Program, median_cost};
use crate::rounds::imgctl;
use crate::{Options, say};

/// A tool's figures.
#[derive(Debug)]
pub(crate) struct ToolFigures {
    pub(crate) what: &'static str,
    pub(crate) ours: Cost,
    /// None where guestfs-tools are not installed.
    pub(crate) theirs: Option<Cost>,
    /// The least ratio of wall times that is asked for.
    pub(crate) target: f64,
}

impl ToolFigures {
    /// How many times faster ours is.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let theirs = self.theirs?.wall.as_secs_f64();
        Some(theirs / self.ours.wall.as_secs_f64())
    }
}

/// A command line; `$PLAIN` is the fixture without compression, `$IMAGE` is the fixture, `$OVERLAY` a new overlay of it, `$CHANGED` a copy with a changed guest, `$OUT` an empty folder.
struct Contest {
    what: &'static str,
    command: &'static [&'static str],
    target: f64,
}

const fn contest(what: &'static str, command: &'static [&'static str], target: f64) -> Contest {
    Contest { what, command, target }
}

const CONTESTS: &[Contest] = &[
    contest(
        "virt-cat /etc/passwd",
        &["virt-cat", "-a", "$IMAGE", "/etc/passwd"],
        50.0,
    ),
    contest("virt-ls -lR /", &["virt-ls", "-a", "$IMAGE", "-lR", "/"], 50.0),
    contest("virt-df", &["virt-df", "-a", "$IMAGE"], 50.0),
    contest(
        "virt-filesystems --all --long",
        &["virt-filesystems", "-a", "$IMAGE", "--all", "--long"],
        50.0,
    ),
    contest("virt-inspector", &["virt-inspector", "-a", "$IMAGE"], 50.0),
    contest(
        "virt-get-kernel",
        &["virt-get-kernel", "-a", "$IMAGE", "-o", "$OUT"],
        50.0,
    ),
    contest(
        "virt-copy-out /usr",
        &["virt-copy-out", "-a", "$IMAGE", "/usr", "$OUT"],
        25.0,
    ),
    contest("virt-diff", &["virt-diff", "-a", "$IMAGE", "-A", "$CHANGED"], 50.0),
    contest(
        "virt-customize, 3 options",
        &[
            "virt-customize",
            "-a",
            "$OVERLAY",
            "--hostname",
            "x",
            "--mkdir",
            "/srv/x",
            "--write",
            "/srv/x/y:z",
        ],
        50.0,
    ),
    contest("virt-sysprep", &["virt-sysprep", "-a", "$OVERLAY"], 50.0),
    contest(
        "virt-edit",
        &["virt-edit", "-a", "$OVERLAY", "/etc/hosts", "-e", "s/localhost/local/"],
        50.0,
    ),
    contest(
        "virt-sparsify --compress, clusters copied",
        &["virt-sparsify", "--compress", "$IMAGE", "$OUT/sparse.qcow2"],
        50.0,
    ),
    contest(
        "virt-sparsify --compress, all of it anew",
        &["virt-sparsify", "--compress", "$PLAIN", "$OUT/sparse.qcow2"],
        15.0,
    ),
];

/// Measures every tool on the last of the fixtures.
pub(crate) fn measure(folder: &Path, options: &Options) -> Result<Vec<ToolFigures>> {
    let name = options.fixtures.last().context("no fixture")?;
    let base = fixture::image(name)?.canonicalize()?;
    let folder = folder.join("tools");
    fs::create_dir_all(&folder)?;
    changed(&base, &folder)?;
    let plain = folder.join("plain.qcow2");
    oracle::qemu_convert(&base, &plain, "qcow2")?;
    let installed = peer::require();
    if let Err(error) = &installed {
        say(&format!("{error:#}"));
    }
    let mut figures = Vec::new();
    for contest in CONTESTS {
        let mut ours = Vec::new();
        for _ in 0..=options.runs {
            ours.push(play(contest, true, &base, &folder)?);
        }
        let mut theirs = Vec::new();
        for _ in 0..options.virt_customize {
            if installed.is_ok() {
                theirs.push(play(contest, false, &base, &folder)?);
            }
        }
        say(&format!("tools: {}", contest.what));
        figures.push(ToolFigures {
            what: contest.what,
            ours: median_cost(ours.get(1..).unwrap_or_default()).context("no runs")?,
            theirs: median_cost(&theirs),
            target: contest.target,
        });
    }
    fs::remove_dir_all(&folder)?;
    Ok(figures)
}

fn changed(base: &Path, folder: &Path) -> Result<()> {
    let copy = folder.join("changed.qcow2");
    fs::copy(base, &copy)?;
    let edits = [
        "--write",
        "/etc/motd:changed",
        "--delete",
        "/etc/issue",
        "--mkdir",
        "/srv/x",
    ];
    let status = std::process::Command::new(imgctl()?)
        .args(["virt-customize", "-q", "-a"])
        .arg(&copy)
        .args(edits)
        .status()?;
    ensure!(status.success(), "virt-customize ended with {status}");
    Ok(())
}

/// One run, with everything that it writes made anew before.
fn play(contest: &Contest, is_ours: bool, base: &Path, folder: &Path) -> Result<Cost> {
    let overlay = folder.join("overlay.qcow2");
    drop(fs::remove_file(&overlay));
    // Kept until all have run: making files is slow for a while where as many were just removed.
    let out = tempfile::Builder::new().prefix("out-").tempdir_in(folder)?.keep();
    if contest.command.contains(&"$OVERLAY") {
        peer::overlay(base, &overlay)?;
    }
    let places = [
        ("$IMAGE", base.to_path_buf()),
        ("$OVERLAY", overlay),
        ("$CHANGED", folder.join("changed.qcow2")),
        ("$PLAIN", folder.join("plain.qcow2")),
        ("$OUT", out),
    ];
    let argument = |word: &&str| -> OsString {
        let (name, rest) = word.split_once('/').unwrap_or((word, ""));
        match places.iter().find(|(known, _)| *known == name) {
            Some((_, path)) if rest.is_empty() => path.into(),
            Some((_, path)) => path.join(rest).into(),
            None => word.into(),
        }
    };
    let mut arguments: Vec<OsString> = contest.command.iter().map(argument).collect();
    if is_ours {
        arguments.insert(0, imgctl()?.into());
    }
    let mut program = Program::new(arguments);
    for (name, value) in peer::ENVIRONMENT {
        program = program.with(name, value);
    }
    program.cost(&folder.join("log"))
}
