//! The tools that make and judge the disks of these tests.

use imgctl_block::{FileDevice, MemoryDevice};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::NamedTempFile;

/// An empty, sparse disk.
pub(crate) fn disk(bytes: u64) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    file.as_file().set_len(bytes).unwrap();
    file
}

pub(crate) fn device(path: &Path) -> FileDevice {
    FileDevice::new(File::open(path).unwrap()).unwrap()
}

pub(crate) fn memory(path: &Path) -> MemoryDevice {
    MemoryDevice::from_bytes(std::fs::read(path).unwrap())
}

/// Runs a tool and gives what it printed. A missing tool fails the test.
pub(crate) fn run(package: &str, program: &str, arguments: &[&str], path: &Path) -> String {
    run_with_input(package, program, arguments, path, "")
}

pub(crate) fn run_with_input(package: &str, program: &str, arguments: &[&str], path: &Path, input: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .arg(path)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; install it: apt-get install {package}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{program}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn sgdisk(arguments: &[&str], path: &Path) -> String {
    run("gdisk", "sgdisk", arguments, path)
}

pub(crate) fn sfdisk(script: &str, path: &Path) {
    run_with_input("fdisk", "sfdisk", &["--quiet"], path, script);
}

/// One field as blkid's low-level probing prints it.
pub(crate) fn blkid(field: &str, path: &Path) -> String {
    let value = run("util-linux", "blkid", &["-p", "-o", "value", "-s", field], path);
    value.trim_end_matches('\n').to_owned()
}
