//! What must be refused: with a clear message, the documented exit code, the base untouched, and nothing left behind.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::{cli, fixture, oracle};

use crate::expected::file_digest;

const RECIPE: &str = "apiVersion: imgctl/v1\nkind: Recipe\nfiles:\n  - { path: /etc/motd, content: \"x\\n\" }\n";

/// A folder with a base image `base.raw` (the mini image) and a recipe `r.yaml`.
struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("imgctl-bad-").tempdir()?;
        oracle::qemu_convert(&fixture::mini(), &folder.path().join("base.raw"), "raw")?;
        fs::write(folder.path().join("r.yaml"), RECIPE)?;
        Ok(Self { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn overwrite(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let file = File::options().write(true).open(self.path("base.raw"))?;
        Ok(file.write_all_at(bytes, offset)?)
    }

    fn listing(&self) -> Result<Vec<PathBuf>> {
        let mut names: Vec<PathBuf> = self
            .path(".")
            .read_dir()?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        names.sort();
        Ok(names)
    }

    /// Runs a command that must fail with `code` and name each of `words`; nothing else may have happened.
    fn refuses(&self, arguments: &[&str], code: i32, words: &[&str]) -> Result<()> {
        let base = self.path("base.raw");
        let before = (self.listing()?, file_digest(&base)?);
        let output = cli::output(self.folder.path(), arguments)?;
        let told = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let told = String::from_utf8_lossy(&told);
        ensure!(
            output.status.code() == Some(code),
            "{arguments:?}: exit {:?}, not {code}:\n{told}",
            output.status.code()
        );
        ensure!(told.contains("error"), "{arguments:?}: no `error` in:\n{told}");
        for word in words {
            ensure!(told.contains(word), "{arguments:?}: no `{word}` in:\n{told}");
        }
        ensure!(
            (self.listing()?, file_digest(&base)?) == before,
            "{arguments:?}: the folder or the base has changed"
        );
        Ok(())
    }

    fn customize_refuses(&self, code: i32, words: &[&str]) -> Result<()> {
        self.refuses(
            &["customize", "base.raw", "--recipe", "r.yaml", "-o", "out.qcow2"],
            code,
            words,
        )
    }
}

#[test]
fn a_truncated_qcow2() -> Result<()> {
    let case = Case::new()?;
    fs::copy(fixture::mini(), case.path("short.qcow2"))?;
    let len = case.path("short.qcow2").metadata()?.len();
    for part in [len / 2, len / 10, 80, 20] {
        File::options()
            .write(true)
            .open(case.path("short.qcow2"))?
            .set_len(part)?;
        let arguments = ["customize", "short.qcow2", "--recipe", "r.yaml", "-o", "out.qcow2"];
        case.refuses(&arguments, 12, &["short.qcow2"])
            .with_context(|| format!("{part} of {len} bytes"))?;
    }
    Ok(())
}

#[test]
fn a_truncated_raw_image() -> Result<()> {
    let case = Case::new()?;
    File::options()
        .write(true)
        .open(case.path("base.raw"))?
        .set_len(100 << 20)?;
    case.customize_refuses(12, &[])
}

#[test]
fn something_that_is_no_image() -> Result<()> {
    let case = Case::new()?;
    fs::write(case.path("text"), "no image at all\n".repeat(10_000))?;
    case.refuses(
        &["customize", "text", "--recipe", "r.yaml", "-o", "out.qcow2"],
        12,
        &["no operating system"],
    )?;
    fs::write(case.path("empty"), "")?;
    case.refuses(
        &["customize", "empty", "--recipe", "r.yaml", "-o", "out.qcow2"],
        12,
        &[],
    )?;
    let told_wrong = [
        "customize",
        "base.raw",
        "--input-format",
        "qcow2",
        "--recipe",
        "r.yaml",
        "-o",
        "out.qcow2",
    ];
    case.refuses(&told_wrong, 12, &["qcow2"])
}

#[test]
fn both_gpt_headers_damaged() -> Result<()> {
    let case = Case::new()?;
    let len = case.path("base.raw").metadata()?.len();
    case.overwrite(512 + 40, b"damage")?;
    case.overwrite(len - 512 + 40, b"damage")?;
    case.customize_refuses(12, &["GPT"])
}

#[test]
fn one_damaged_gpt_header_is_a_warning() -> Result<()> {
    let case = Case::new()?;
    case.overwrite(512 + 40, b"damage")?;
    let output = cli::output(
        case.folder.path(),
        &["customize", "base.raw", "--recipe", "r.yaml", "-o", "out.qcow2"],
    )?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success() && told.contains("warning") && told.contains("GPT"),
        "{told}"
    );
    oracle::qemu_check(&case.path("out.qcow2"))
}

#[test]
fn an_unknown_ext4_feature() -> Result<()> {
    let case = Case::new()?;
    let root = oracle::partition(&case.path("base.raw"), 1)?;
    let image = format!("{}?offset={}", case.path("base.raw").display(), root.offset);
    let superblock = oracle::debugfs(&case.path("base.raw"), root, "show_super_stats -h")?;
    ensure!(superblock.contains("orphan_file"), "{superblock}");
    // Only the bit and the superblock's checksum change; e2fsprogs itself knows no such feature.
    oracle::run(
        "debugfs",
        ["-w", "-R", "set_super_value feature_incompat 0x400022c2", &image],
    )?;
    case.customize_refuses(12, &["feature"])
}

#[test]
fn an_image_without_a_root() -> Result<()> {
    let case = Case::new()?;
    let root = oracle::partition(&case.path("base.raw"), 1)?;
    case.overwrite(root.offset, &vec![0; 1 << 20])?;
    case.customize_refuses(12, &["root"])
}

#[test]
fn a_full_output_disk() -> Result<()> {
    if !imgctl_testkit::root_or_skip("a_full_output_disk") {
        return Ok(());
    }
    let case = Case::new()?;
    let disk = SmallDisk::mount(&case.path("small"), "size=200k")?;
    case.refuses(
        &["customize", "base.raw", "--recipe", "r.yaml", "-o", "small/out.qcow2"],
        13,
        &["space"],
    )?;
    ensure!(disk.is_empty()?, "something is left on the full disk");
    Ok(())
}

#[test]
fn an_output_folder_that_cannot_be_written() -> Result<()> {
    if !imgctl_testkit::root_or_skip("an_output_folder_that_cannot_be_written") {
        return Ok(());
    }
    let case = Case::new()?;
    let _disk = SmallDisk::mount(&case.path("small"), "ro")?;
    case.refuses(
        &["customize", "base.raw", "--recipe", "r.yaml", "-o", "small/out.qcow2"],
        1,
        &["small/out.qcow2"],
    )?;
    case.refuses(
        &["customize", "base.raw", "--recipe", "r.yaml", "-o", "missing/out.qcow2"],
        1,
        &["missing/out.qcow2"],
    )
}

#[test]
fn an_output_that_is_the_base() -> Result<()> {
    let case = Case::new()?;
    std::os::unix::fs::symlink("base.raw", case.path("link"))?;
    fs::hard_link(case.path("base.raw"), case.path("name"))?;
    for output in ["base.raw", "./base.raw", "link", "name"] {
        case.refuses(
            &["customize", "base.raw", "--recipe", "r.yaml", "-o", output],
            2,
            &["base image"],
        )?;
        case.refuses(
            &["customize", "base.raw", "--recipe", "r.yaml", "-o", output, "--force"],
            2,
            &["base image"],
        )?;
    }
    Ok(())
}

#[test]
fn an_output_that_exists_unless_forced() -> Result<()> {
    let case = Case::new()?;
    fs::write(case.path("out.qcow2"), "precious")?;
    case.customize_refuses(2, &["out.qcow2", "--force"])?;
    ensure!(fs::read(case.path("out.qcow2"))? == b"precious");
    cli::run(
        case.folder.path(),
        &[
            "customize",
            "base.raw",
            "--recipe",
            "r.yaml",
            "-o",
            "out.qcow2",
            "--force",
        ],
    )?;
    oracle::qemu_check(&case.path("out.qcow2"))
}

#[test]
fn faults_of_the_recipe_come_before_any_disk_is_opened() -> Result<()> {
    let case = Case::new()?;
    let faults = [
        ("files: [", 2, "r.yaml:"),
        ("apiVersion: imgctl/v1\nkind: Recipe\nfiless: []\n", 2, "files"),
        (
            "apiVersion: imgctl/v1\nkind: Recipe\nfiles:\n  - { path: /etc/x, source: not/there }\n",
            2,
            "not/there",
        ),
        (
            "apiVersion: imgctl/v1\nkind: Recipe\nfiles:\n  - { path: relative, content: x }\n",
            2,
            "relative",
        ),
        (
            "apiVersion: imgctl/v1\nkind: Recipe\nfiles:\n  - { path: /x, content: x, mode: 0644 }\n",
            2,
            "mode",
        ),
    ];
    for (recipe, code, word) in faults {
        fs::write(case.path("r.yaml"), recipe)?;
        // The base does not even exist: nobody has looked for it.
        case.refuses(
            &["customize", "no-such-base", "--recipe", "r.yaml", "-o", "out.qcow2"],
            code,
            &[word],
        )?;
    }
    Ok(())
}

#[test]
fn every_fault_of_a_recipe_is_told_at_once_with_its_place() -> Result<()> {
    let case = Case::new()?;
    let recipe = "apiVersion: imgctl/v1\nkind: Recipe\nfiless: []\nhostname: -bad-\nservices: { enabel: [ssh] }\n";
    fs::write(case.path("r.yaml"), recipe)?;
    case.refuses(
        &["recipe", "check", "r.yaml"],
        2,
        &["r.yaml:3:1", "files", "r.yaml:4:11", "r.yaml:5:13", "enable"],
    )
}

#[test]
fn units_that_do_not_exist() -> Result<()> {
    let case = Case::new()?;
    let recipe = |section: &str| format!("apiVersion: imgctl/v1\nkind: Recipe\nservices: {{ {section} }}\n");
    fs::write(case.path("r.yaml"), recipe("enable: [no-such-unit]"))?;
    case.customize_refuses(20, &["no-such-unit"])?;
    for section in ["mask: [no-such-unit]", "disable: [no-such-unit]"] {
        fs::write(case.path("r.yaml"), recipe(section))?;
        let arguments = [
            "customize",
            "base.raw",
            "--recipe",
            "r.yaml",
            "-o",
            "out.qcow2",
            "--force",
        ];
        let output = cli::output(case.folder.path(), &arguments)?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success() && told.contains("warning") && told.contains("no-such-unit"),
            "{section}:\n{told}"
        );
    }
    Ok(())
}

#[test]
fn a_base_that_another_program_writes() -> Result<()> {
    let case = Case::new()?;
    fs::copy(fixture::mini(), case.path("busy.qcow2"))?;
    let writer = Writer::open(&case.path("busy.qcow2"))?;
    let arguments = ["customize", "busy.qcow2", "--recipe", "r.yaml", "-o", "out.qcow2"];
    case.refuses(&arguments, 1, &["busy.qcow2", "--force-share"])?;
    cli::run(case.folder.path(), &[&arguments[..], &["--force-share"]].concat())?;
    drop(writer);
    oracle::qemu_check(&case.path("out.qcow2"))
}

#[test]
fn a_backing_file() -> Result<()> {
    let case = Case::new()?;
    let overlay = case.path("overlay.qcow2");
    let arguments = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", "base.raw"].map(OsStr::new);
    oracle::run("qemu-img", arguments.into_iter().chain([overlay.as_os_str()]))?;
    case.refuses(
        &["customize", "overlay.qcow2", "--recipe", "r.yaml", "-o", "out.qcow2"],
        12,
        &["backing file", "base.raw"],
    )
}

/// A small tmpfs, unmounted when dropped.
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    pub(crate) fn mount(folder: &Path, options: &str) -> Result<Self> {
        fs::create_dir(folder)?;
        let arguments = ["-t", "tmpfs", "-o", options, "tmpfs"].map(OsStr::new);
        oracle::run("mount", arguments.into_iter().chain([folder.as_os_str()]))?;
        Ok(Self {
            folder: folder.to_path_buf(),
        })
    }

    pub(crate) fn is_empty(&self) -> Result<bool> {
        Ok(self.folder.read_dir()?.next().is_none())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(oracle::output("umount", [self.folder.as_os_str()]));
    }
}

/// A qemu-nbd-like program that holds the image open for writing: qemu-io, waiting for its input.
struct Writer {
    child: std::process::Child,
}

impl Writer {
    fn open(image: &Path) -> Result<Self> {
        use std::io::{BufRead as _, BufReader, Write as _};
        use std::process::{Command, Stdio};
        let mut command = Command::new(oracle::require("qemu-io")?);
        command
            .args(["-f", "qcow2"])
            .arg(image)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().context("starting qemu-io")?;
        let mut input = child.stdin.take().context("qemu-io has no input")?;
        input.write_all(b"length\n")?;
        input.flush()?;
        child.stdin = Some(input);
        let mut answer = String::new();
        let output = child.stdout.take().context("qemu-io has no output")?;
        BufReader::new(output).read_line(&mut answer)?;
        ensure!(answer.contains("MiB"), "qemu-io said {answer:?}");
        Ok(Self { child })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
