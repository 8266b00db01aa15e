//! Kernel mounts of filesystems inside image files, undone when the guard goes out of scope.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::oracle::{self, Partition};

/// Whether a mount may change the image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Nothing is written, not even by a journal's recovery.
    ReadOnly,
    /// The kernel writes.
    ReadWrite,
}

/// A loop device over a part of a file.
#[derive(Debug)]
pub struct LoopDevice {
    path: PathBuf,
}

impl LoopDevice {
    /// Attaches `partition` of `image`.
    ///
    /// # Errors
    ///
    /// When this is not root, or the kernel refuses.
    pub fn attach(image: &Path, partition: Partition, access: Access) -> Result<Self> {
        ensure!(
            crate::is_root(),
            "a loop device needs root: run the tests as root, or set IMGCTL_TEST_NO_ROOT=1"
        );
        let offset = partition.offset.to_string();
        let len = partition.len.to_string();
        let mut arguments = vec!["--find", "--show", "--offset", &offset, "--sizelimit", &len];
        if access == Access::ReadOnly {
            arguments.push("--read-only");
        }
        let arguments: Vec<&OsStr> = arguments
            .into_iter()
            .map(OsStr::new)
            .chain([image.as_os_str()])
            .collect();
        let mut attempts = 0;
        loop {
            // Another process may take the free device that losetup found.
            match oracle::run("losetup", &arguments) {
                Ok(printed) => {
                    return Ok(Self {
                        path: PathBuf::from(printed.trim()),
                    });
                }
                Err(error) if attempts == 20 => return Err(error),
                Err(_) => attempts += 1,
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The device's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        drop(oracle::output(
            "losetup",
            [OsStr::new("--detach"), self.path.as_os_str()],
        ));
    }
}

/// A mounted filesystem.
#[derive(Debug)]
pub struct Mount {
    folder: Option<TempDir>,
    device: LoopDevice,
}

impl Mount {
    /// Mounts the filesystem in `partition` of the raw `image` on a folder of its own.
    ///
    /// # Errors
    ///
    /// When this is not root, or the kernel refuses the filesystem.
    pub fn new(image: &Path, partition: Partition, access: Access) -> Result<Self> {
        let device = LoopDevice::attach(image, partition, access)?;
        let folder = tempfile::Builder::new().prefix("imgctl-mount-").tempdir()?;
        let options = match access {
            Access::ReadOnly => "ro,noload,nodev,nosuid,noexec",
            Access::ReadWrite => "rw,nodev,nosuid,noexec",
        };
        let arguments = ["-t", "ext4", "-o", options].map(OsStr::new);
        let places = [device.path().as_os_str(), folder.path().as_os_str()];
        oracle::run("mount", arguments.into_iter().chain(places))?;
        Ok(Self {
            folder: Some(folder),
            device,
        })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new("/nonexistent"), TempDir::path)
    }

    /// The loop device below.
    #[must_use]
    pub fn device(&self) -> &LoopDevice {
        &self.device
    }

    /// Unmounts, so that a failure is seen (dropping unmounts, too, but quietly).
    ///
    /// # Errors
    ///
    /// When the kernel refuses, which also loses what it had not written.
    pub fn unmount(mut self) -> Result<()> {
        let Some(folder) = self.folder.take() else {
            return Ok(());
        };
        oracle::run("umount", [folder.path().as_os_str()]).map(drop)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take() {
            drop(oracle::output("umount", [folder.path().as_os_str()]));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn ext4() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("ext4.img");
        File::create(&image).unwrap().set_len(16 << 20).unwrap();
        oracle::run(
            "mke2fs",
            [
                OsStr::new("-q"),
                OsStr::new("-t"),
                OsStr::new("ext4"),
                image.as_os_str(),
            ],
        )
        .unwrap();
        (folder, image)
    }

    #[test]
    fn what_the_kernel_wrote_is_there_at_the_next_mount() {
        if !crate::root_or_skip("what_the_kernel_wrote_is_there_at_the_next_mount") {
            return;
        }
        let (_folder, image) = ext4();
        let whole = Partition::whole(&image).unwrap();
        let mount = Mount::new(&image, whole, Access::ReadWrite).unwrap();
        std::fs::write(mount.path().join("file"), b"by the kernel").unwrap();
        mount.unmount().unwrap();
        let mount = Mount::new(&image, whole, Access::ReadOnly).unwrap();
        assert_eq!(std::fs::read(mount.path().join("file")).unwrap(), b"by the kernel");
        assert!(std::fs::write(mount.path().join("other"), b"").is_err());
    }

    #[test]
    fn a_dropped_mount_leaves_no_loop_device() {
        if !crate::root_or_skip("a_dropped_mount_leaves_no_loop_device") {
            return;
        }
        let (_folder, image) = ext4();
        drop(Mount::new(&image, Partition::whole(&image).unwrap(), Access::ReadOnly).unwrap());
        let left = oracle::run("losetup", [OsStr::new("--associated"), image.as_os_str()]).unwrap();
        assert_eq!(left, "");
    }
}
