//! One image through the whole command, and every judge on the result.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::secret::Secrets;
use imgctl_testkit::tree::{Difference, Kind, Tree, report};
use imgctl_testkit::{cli, oracle};
use serde_json::Value;

use crate::expected::{Expected, file_digest};
use crate::guest_disk::GuestDisk;
use crate::{kernel, receipt, second_reader};

/// The time that every run of these tests gets as SOURCE_DATE_EPOCH: odd, so that FAT's two seconds show.
pub(crate) const NOW: i64 = 1_763_000_001;

/// A base image and a recipe in a folder of their own.
pub(crate) struct Journey {
    folder: tempfile::TempDir,
    base: PathBuf,
    pub(crate) before: Tree,
    pub(crate) base_disk: GuestDisk,
}

impl Journey {
    /// `base` in qcow2 and the same disk in raw form, and the recipe with its local files.
    pub(crate) fn new(base: &Path, raw: &Path, recipe: &str, files: &[(&str, &[u8])]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("imgctl-e2e-").tempdir()?;
        std::fs::write(folder.path().join("golden.yaml"), recipe)?;
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content)?;
        }
        let base_disk = GuestDisk::open(raw)?;
        let before = base_disk.tree().context("reading the base")?;
        Ok(Self {
            folder,
            base: base.to_path_buf(),
            before,
            base_disk,
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `imgctl customize` with the recipe and these further arguments.
    pub(crate) fn customize(&self, arguments: &[&str]) -> Result<String> {
        let mut command = cli::command(self.folder.path())?;
        command
            .arg("customize")
            .arg(&self.base)
            .args(["--recipe", "golden.yaml"])
            .args(arguments);
        let output = command
            .env("SOURCE_DATE_EPOCH", NOW.to_string())
            .output()
            .context("starting imgctl")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "`imgctl customize {arguments:?}` ended with {}\n{told}",
            output.status
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The whole proof: the runs, the judges, the expected tree, the receipt, the secrets, the kernel.
    pub(crate) fn prove(&self, expected: &Expected, secrets: &[String]) -> Result<()> {
        let base_digest = file_digest(&self.base)?;
        self.customize(&["-o", "out.qcow2", "--receipt", "receipt.json", "--threads", "2"])?;
        self.same_again().context("the same input must give the same bytes")?;
        ensure!(file_digest(&self.base)? == base_digest, "the base has changed");

        let output = self.path("out.qcow2");
        oracle::qemu_check(&output)?;
        ensure!(
            output.metadata()?.len().is_multiple_of(512),
            "the output's length is no multiple of 512"
        );
        let raw = self.path("out.raw");
        oracle::qemu_convert(&output, &raw, "raw")?;
        let disk = GuestDisk::open(&raw)?;
        disk.check()?;

        let after = disk.tree().context("reading the output")?;
        let wrong = expected.difference(&after);
        ensure!(
            wrong.is_empty(),
            "the output differs from what was expected (-expected +found):\n{}",
            report(&wrong, 60)
        );
        let differences = self.before.difference(&after);
        self.check_receipt(&differences)?;
        second_reader::check(&disk, &differences)?;
        self.check_secrets(secrets, &raw)?;
        kernel::go_on_writing(&disk, &after, &differences)
    }

    fn same_again(&self) -> Result<()> {
        let first = file_digest(&self.path("out.qcow2"))?;
        for threads in ["2", "1"] {
            self.customize(&["-o", "again.qcow2", "--force", "--threads", threads])?;
            let again = file_digest(&self.path("again.qcow2"))?;
            ensure!(
                again == first,
                "with {threads} threads the output is {again}, not {first}"
            );
        }
        Ok(std::fs::remove_file(self.path("again.qcow2"))?)
    }

    fn check_receipt(&self, differences: &[Difference]) -> Result<()> {
        let receipt: Value = serde_json::from_slice(&std::fs::read(self.path("receipt.json"))?)?;
        receipt::check(&receipt, differences)?;
        for (pointer, path) in [
            ("/base/sha256", &self.base),
            ("/output/sha256", &self.path("out.qcow2")),
        ] {
            let told = receipt.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            ensure!(told == file_digest(path)?, "the receipt's {pointer} is wrong");
        }
        oracle::run(
            "sh",
            [
                "-c",
                &format!("cd '{}' && sha256sum -c out.qcow2.sha256", self.folder.path().display()),
            ],
        )?;
        Ok(())
    }

    /// The bytes of these files of the base are in the base, and nowhere in the output.
    fn check_secrets(&self, paths: &[String], raw: &Path) -> Result<()> {
        ensure!(!paths.is_empty(), "no secrets were planted");
        let names: Vec<&str> = paths.iter().map(String::as_str).collect();
        let mut secrets = Secrets::default();
        for (path, content) in names.iter().zip(self.base_disk.read(&names)?) {
            secrets.add(path, &content.with_context(|| format!("the base has no {path}"))?);
        }
        let seen = secrets.keep_unique_in(&self.base_disk.raw)?;
        let unseen: Vec<_> = names.iter().filter(|name| !seen.contains(**name)).collect();
        ensure!(
            unseen.is_empty(),
            "the search does not even see these in the base: {unseen:?}"
        );
        let found = secrets.find_in_file(raw)?;
        ensure!(
            found.is_empty(),
            "bytes of deleted files are in the output: {:?}",
            found.get(..found.len().min(20))
        );
        Ok(())
    }
}

/// The regular files at or below these paths that have enough content to be found.
pub(crate) fn files_below(tree: &Tree, prefixes: &[&str]) -> Vec<String> {
    let is_wanted = |path: &str| prefixes.iter().any(|prefix| path.starts_with(prefix));
    let files = tree
        .entries
        .iter()
        .filter(|(_, entry)| entry.kind == Kind::File && entry.size >= 64);
    files
        .filter_map(|(path, _)| String::from_utf8(path.clone()).ok())
        .filter(|path| is_wanted(path))
        .collect()
}
