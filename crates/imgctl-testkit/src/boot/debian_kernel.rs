//! A Debian kernel at work on disks of ours, for what the kernel of the host has no driver for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::machine::{Machine, Start, take_turn};
use super::shell::Shell;
use super::{BootImage, Kernel};
use crate::fixture;

/// Runs `work` in a root shell on the kernel of the fixture debian13 (drivers of XFS, FAT, LVM, quota), with these disks
/// (raw, written to) as `/dev/vdb`, `/dev/vdc`, …
///
/// The shell is process 1 on a writable throw-away root: there are no services, and modules load by themselves.
///
/// # Errors
///
/// When the fixture cannot be built or booted, or `work` fails.
pub fn with_debian_kernel<T>(
    disks: &[&Path],
    log: &Path,
    limit: Duration,
    work: impl FnOnce(&mut Shell<'_>) -> Result<T>,
) -> Result<T> {
    let image = BootImage::open(&fixture::built("debian13")?)?;
    let kernel = image.kernel()?;
    let kernel = Kernel {
        arguments: format!("{} rw init=/bin/sh quiet", kernel.arguments),
        ..kernel.clone()
    };
    let folder = tempfile::tempdir()?;
    let overlay = folder.path().join("overlay.qcow2");
    image.create_overlay(&overlay)?;
    let ours = disks.iter().map(|disk| (disk.to_path_buf(), "raw"));
    let machine = Machine {
        ssh_port: None,
        folder: folder.path(),
        disks: [(overlay, "qcow2")]
            .into_iter()
            .chain(ours)
            .collect::<Vec<(PathBuf, _)>>(),
        start: Start::Kernel(&kernel),
        log,
        limit,
    };
    let _turn = take_turn()?;
    let mut console = machine.start()?;
    console.wait_for(r"(?m)^.*# $").context("waiting for the shell")?;
    let mut shell = Shell::take_over(&mut console)?;
    shell.expect("mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev || :")?;
    let result = work(&mut shell)?;
    shell.expect("sync; umount -a -t noproc,nosysfs,nodevtmpfs 2>/dev/null || :; mount -o remount,ro / || :; sync")?;
    Ok(result)
}
