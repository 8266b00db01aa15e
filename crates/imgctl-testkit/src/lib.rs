//! Fixtures, oracles and tree comparison for the tests of this workspace; never a dependency of a library.
//!
//! The judges here are other people's programs: the kernel, e2fsprogs, qemu-utils, dosfstools, mtools. A missing one is
//! an error that names the Debian package to install; nothing here passes quietly.

pub mod boot;
pub mod cli;
pub mod debian13;
pub mod fixture;
pub mod json_schema;
pub mod listing;
pub mod mount;
pub mod oracle;
pub mod peer;
pub mod secret;
pub mod tier;
pub mod tree;

use std::path::{Path, PathBuf};

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    crates.unwrap_or_else(|| Path::new(".")).to_path_buf()
}

/// Whether tests that need root (loop mounts) can run.
///
/// Without root they fail, unless `IMGCTL_TEST_NO_ROOT=1` is set: then this prints that `test` is skipped and is false.
///
/// # Panics
///
/// When the process is not root and was not told that this is intended.
#[must_use]
pub fn root_or_skip(test: &str) -> bool {
    if is_root() {
        return true;
    }
    let told = std::env::var_os("IMGCTL_TEST_NO_ROOT").is_some_and(|value| value == "1");
    assert!(
        told,
        "{test} needs root for loop mounts: run it as root, or set IMGCTL_TEST_NO_ROOT=1 to skip such tests"
    );
    #[allow(clippy::print_stderr, reason = "a skipped test must be seen in the runner's output")]
    {
        eprintln!("SKIPPED (IMGCTL_TEST_NO_ROOT=1): {test}");
    }
    false
}

/// Whether this process is root, by the owner of its own `/proc` entry.
#[must_use]
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
