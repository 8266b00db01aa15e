//! Filesystems made by mke2fs and mounted by the kernel, for the tests of directories and attributes.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::format::checksum::Checksum;

const SUPERBLOCK: u64 = 1024;
const METADATA_CSUM: u32 = 0x400;
const CSUM_SEED: u32 = 0x2000;

/// Whether the test may mount. It says so by name if it is told not to, and fails without root otherwise.
pub(crate) fn may_mount(test: &str) -> bool {
    if std::env::var_os("IMGCTL_TEST_NO_ROOT").is_some_and(|value| value == "1") {
        eprintln!("skipped, as IMGCTL_TEST_NO_ROOT=1 is set: {test}");
        return false;
    }
    assert_eq!(
        run("id", ["-u"]).trim(),
        "0",
        "{test} needs root, or IMGCTL_TEST_NO_ROOT=1"
    );
    true
}

/// What `program` prints; anything but success is a failure of the test.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> String {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let install = "apt-get install e2fsprogs mount attr acl libcap2-bin";
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; {install}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{text}{complaints}",
        output.status
    );
    text
}

/// An ext4 filesystem in a file of its own.
pub(crate) struct TestImage {
    folder: tempfile::TempDir,
}

/// Detaches what is mounted there, also when a test fails.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        for _ in 0..50 {
            let ended = Command::new("umount").arg(&self.0).stderr(Stdio::null()).status();
            if ended.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl TestImage {
    pub(crate) fn new(arguments: &[&str], megabytes: u64) -> Self {
        let image = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        let file = File::create(image.path()).expect("the image is created");
        file.set_len(megabytes << 20).expect("the image has a length");
        std::fs::create_dir(image.mount_point()).expect("a mount point");
        let path = image.path();
        let path = path.to_str().expect("a plain path");
        run(
            "mke2fs",
            ["-q", "-F", "-t", "ext4"].iter().chain(arguments).chain([&path]),
        );
        image
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn mount_point(&self) -> PathBuf {
        self.folder.path().join("mount")
    }

    /// Lets the kernel mount the filesystem for as long as `work` takes.
    pub(crate) fn mounted<T>(&self, work: impl FnOnce(&Path) -> T) -> T {
        let point = self.mount_point();
        run(
            "mount",
            [
                OsStr::new("-o"),
                OsStr::new("loop"),
                self.path().as_os_str(),
                point.as_os_str(),
            ],
        );
        let guard = Mounted(point.clone());
        let result = work(&point);
        std::mem::forget(guard);
        run("umount", [point.as_os_str()]);
        result
    }

    /// e2fsck finds nothing to complain of.
    pub(crate) fn check(&self) {
        run("e2fsck", [OsStr::new("-fn"), self.path().as_os_str()]);
    }

    /// What debugfs answers to the requests of `script`, one a line.
    pub(crate) fn debugfs(&self, script: &str) -> String {
        let path = self.folder.path().join("script");
        std::fs::write(&path, script).expect("a script is written");
        let arguments = [OsStr::new("-w"), OsStr::new("-f"), path.as_os_str()];
        run("debugfs", arguments.into_iter().chain([self.path().as_os_str()]))
    }

    pub(crate) fn read(&self, offset: u64, bytes: usize) -> Vec<u8> {
        let mut buffer = vec![0; bytes];
        let file = File::open(self.path()).expect("the image opens");
        file.read_exact_at(&mut buffer, offset).expect("the image is read");
        buffer
    }

    pub(crate) fn write_block(&self, number: u64, block: &[u8]) {
        let file = File::options().write(true).open(self.path()).expect("the image opens");
        let offset = number * u64::try_from(block.len()).expect("small");
        file.write_all_at(block, offset).expect("the image is written");
    }

    pub(crate) fn superblock(&self) -> Vec<u8> {
        self.read(SUPERBLOCK, 1024)
    }

    pub(crate) fn block_bytes(&self) -> usize {
        1024 << word(&self.superblock(), 0x18)
    }

    pub(crate) fn read_block(&self, number: u64) -> Vec<u8> {
        let bytes = self.block_bytes();
        self.read(number * u64::try_from(bytes).expect("small"), bytes)
    }

    /// The number of the inode at `path`.
    pub(crate) fn inode_number(&self, path: &str) -> u32 {
        let answer = self.debugfs(&format!("stat {path}\n"));
        let (_, rest) = answer.split_once("Inode: ").expect("debugfs shows the inode");
        let number = rest.split_whitespace().next().expect("debugfs shows the number");
        number.parse().expect("a number")
    }

    /// Where an inode lies.
    pub(crate) fn inode_offset(&self, number: u32) -> u64 {
        let answer = self.debugfs(&format!("imap <{number}>\n"));
        let (_, rest) = answer.split_once("located at block ").expect("debugfs finds the inode");
        let (block, offset) = rest.trim().split_once(", offset 0x").expect("debugfs shows the offset");
        let offset = u64::from_str_radix(offset, 16).expect("a number");
        let block: u64 = block.parse().expect("a number");
        block * u64::try_from(self.block_bytes()).expect("small") + offset
    }

    /// The bytes of an inode.
    pub(crate) fn inode(&self, number: u32) -> Vec<u8> {
        let superblock = self.superblock();
        let size = usize::from(u16::from_le_bytes([superblock[0x58], superblock[0x59]]));
        self.read(self.inode_offset(number), size)
    }

    /// The filesystem's seed, with `metadata_csum`.
    pub(crate) fn seed(&self) -> Option<Checksum> {
        let superblock = self.superblock();
        if word(&superblock, 0x64) & METADATA_CSUM == 0 {
            None
        } else if word(&superblock, 0x60) & CSUM_SEED == 0 {
            Some(Checksum::new().update(&superblock[0x68..0x78]))
        } else {
            Some(Checksum::with_seed(word(&superblock, 0x270)))
        }
    }

    /// The seed of an inode, with `metadata_csum`.
    pub(crate) fn inode_seed(&self, number: u32) -> Option<Checksum> {
        let generation = word(&self.inode(number), 0x64);
        let seed = self.seed()?.update(&number.to_le_bytes());
        Some(seed.update(&generation.to_le_bytes()))
    }

    /// Where an inode's `count` blocks are.
    pub(crate) fn block_map(&self, number: u32, count: u64) -> Vec<u64> {
        let script: String = (0..count).map(|at| format!("bmap <{number}> {at}\n")).collect();
        let answer = self.debugfs(&script);
        let blocks: Vec<u64> = answer.lines().filter_map(|line| line.parse().ok()).collect();
        assert_eq!(u64::try_from(blocks.len()).expect("small"), count);
        blocks
    }
}

/// A 32-bit number.
pub(crate) fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
