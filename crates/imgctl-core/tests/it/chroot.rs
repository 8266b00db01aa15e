//! A fixture's root filesystem, below a layer that takes what its own programs change.

use imgctl_testkit::mount::{Access, LoopDevice};
use imgctl_testkit::{fixture, oracle};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// The filesystem, mounted so that its programs can be started.
#[derive(Debug)]
pub(crate) struct Lower {
    folder: TempDir,
    _device: LoopDevice,
}

impl Lower {
    pub(crate) fn of(name: &str) -> Self {
        let raw = fixture::raw(name).unwrap();
        let device = LoopDevice::attach(&raw, oracle::partition(&raw, 1).unwrap(), Access::ReadOnly).unwrap();
        let folder = tempfile::Builder::new().prefix("imgctl-lower-").tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let device_path = device.path().to_str().unwrap();
        oracle::run("mount", ["-t", "ext4", "-o", "ro,noload,nodev", device_path, path]).unwrap();
        Self {
            folder,
            _device: device,
        }
    }

    /// The tree as it came.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Lower {
    fn drop(&mut self) {
        drop(oracle::output("umount", [self.folder.path()]));
    }
}

/// One layer above it, thrown away in the end.
#[derive(Debug)]
pub(crate) struct Chroot {
    folder: TempDir,
}

impl Chroot {
    pub(crate) fn new(lower: &Lower) -> Self {
        let folder = tempfile::Builder::new().prefix("imgctl-chroot-").tempdir().unwrap();
        let chroot = Self { folder };
        let scratch = chroot.folder.path();
        oracle::run("mount", ["-t", "tmpfs", "tmpfs", scratch.to_str().unwrap()]).unwrap();
        for name in ["upper", "work", "root"] {
            fs::create_dir(scratch.join(name)).unwrap();
        }
        let of = |name: &str| scratch.join(name).to_str().unwrap().to_owned();
        let lower = lower.path().to_str().unwrap();
        let options = format!(
            "redirect_dir=on,lowerdir={lower},upperdir={},workdir={}",
            of("upper"),
            of("work")
        );
        oracle::run("mount", ["-t", "overlay", "-o", &options, "overlay", &of("root")]).unwrap();
        // useradd copies by the links of /proc, and leaves out what it cannot copy.
        let processes = of("root/proc");
        oracle::run("mount", ["-t", "proc", "proc", &processes]).unwrap();
        chroot
    }

    /// The tree as the programs see it.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Runs a line of shell in it, at the time `seconds` as far as programs heed SOURCE_DATE_EPOCH.
    pub(crate) fn run(&self, line: &str, seconds: i64) -> Output {
        let mut command = Command::new("chroot");
        command.arg(self.root()).args(["/bin/sh", "-c", line]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("SOURCE_DATE_EPOCH", seconds.to_string()).output().unwrap()
    }
}

impl Drop for Chroot {
    fn drop(&mut self) {
        drop(oracle::output("umount", [self.root().join("proc")]));
        drop(oracle::output("umount", [self.root()]));
        drop(oracle::output("umount", [self.folder.path()]));
    }
}
