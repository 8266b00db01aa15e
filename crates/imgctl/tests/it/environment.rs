//! A folder of its own and an empty environment for every test.

use snapbox::cmd::{Command, cargo_bin};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Where a test runs.
pub(crate) struct TestEnvironment {
    folder: TempDir,
}

impl TestEnvironment {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// One with fixtures/mini as `base.qcow2`.
    pub(crate) fn with_base() -> Self {
        let environment = Self::new();
        fs::copy(fixture("mini/image.qcow2"), environment.path("base.qcow2")).unwrap();
        environment
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The names in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// `imgctl` with the words of `arguments`.
    pub(crate) fn imgctl(&self, arguments: &str) -> Command {
        Command::new(cargo_bin!("imgctl"))
            .env_clear()
            .current_dir(self.folder.path())
            .args(arguments.split_whitespace())
    }

    /// The same for what snapbox has no words for.
    pub(crate) fn process(&self, arguments: &str) -> std::process::Command {
        let mut command = std::process::Command::new(cargo_bin!("imgctl"));
        command
            .env_clear()
            .current_dir(self.folder.path())
            .args(arguments.split_whitespace());
        command
    }
}

/// A file of the workspace's fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}
