//! Images of machines that were not shut down: the journal is replayed as a kernel would, then the run goes on.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::{cli, fixture, oracle};

use crate::guest_disk::GuestDisk;

/// Makes `base.raw` in the folder, copied while the kernel had its root mounted: the last changes are in the journal alone.
fn interrupted(folder: &Path) -> Result<()> {
    let live = folder.join("live.raw");
    oracle::qemu_convert(&fixture::mini(), &live, "raw")?;
    let mount = Mount::new(&live, oracle::partition(&live, 1)?, Access::ReadWrite)?;
    let inside = mount.path().join("srv/interrupted");
    fs::create_dir(&inside)?;
    for number in 0..200 {
        fs::write(
            inside.join(format!("file {number}")),
            format!("content {number}\n").repeat(number),
        )?;
    }
    fs::rename(mount.path().join("etc/hostname"), mount.path().join("etc/hostname.old"))?;
    fs::write(mount.path().join("etc/hostname"), "interrupted\n")?;
    let synced = Command::new("sync").arg("-f").arg(&inside).status()?;
    ensure!(synced.success(), "sync ended with {synced}");
    fs::copy(&live, folder.join("base.raw"))?;
    mount.unmount()?;
    Ok(())
}

#[test]
fn an_image_that_was_not_unmounted_is_brought_to_order() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("imgctl-interrupted-").tempdir()?;
    interrupted(folder.path())?;
    let base = folder.path().join("base.raw");
    let before = oracle::sha256(&base)?;
    let check = oracle::e2fsck(&base, oracle::partition(&base, 1)?);
    ensure!(check.is_err(), "the base was unmounted: the test shows nothing");

    let hostname = cli::run(folder.path(), &["cat", "base.raw", "/etc/hostname"])?;
    ensure!(hostname == "interrupted\n", "{hostname}");
    let arguments = [
        "customize",
        "base.raw",
        "-o",
        "out.raw",
        "--format",
        "raw",
        "--write",
        "/srv/new:new\n",
    ];
    let output = cli::output(folder.path(), &arguments)?;
    let told = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "{told}");
    ensure!(told.contains("partition 1 was not unmounted"), "{told}");
    ensure!(oracle::sha256(&base)? == before, "the base was written");

    let disk = GuestDisk::open(&folder.path().join("out.raw"))?;
    disk.check()?;
    let last = "content 199\n".repeat(199);
    let expected = [
        ("/etc/hostname", "interrupted\n"),
        ("/etc/hostname.old", "mini\n"),
        ("/srv/interrupted/file 199", last.as_str()),
        ("/srv/new", "new\n"),
    ];
    let found = disk.read(&expected.map(|(path, _)| path))?;
    for ((path, content), found) in expected.into_iter().zip(found) {
        let found = found.with_context(|| format!("{path} is not there"))?;
        ensure!(found == content.as_bytes(), "{path}: {}", found.escape_ascii());
    }
    Ok(())
}
