//! Paths that try to leave the guest end up inside it, and the host is untouched.

use std::fs;

use anyhow::{Result, ensure};
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::{fixture, oracle};

use crate::guest_disk::GuestDisk;
use crate::journey::Journey;

#[test]
fn links_and_dots_stay_inside_the_guest() -> Result<()> {
    if !imgctl_testkit::root_or_skip("links_and_dots_stay_inside_the_guest") {
        return Ok(());
    }
    let outside = tempfile::tempdir()?;
    let host = outside.path().display();
    // A guest whose links lead out, absolutely and by dots, and that has a folder of that name itself.
    let folder = tempfile::tempdir()?;
    let base = folder.path().join("hostile.raw");
    oracle::qemu_convert(&fixture::mini(), &base, "raw")?;
    let mount = Mount::new(&base, oracle::partition(&base, 1)?, Access::ReadWrite)?;
    std::os::unix::fs::symlink(format!("/../../../..{host}"), mount.path().join("etc/by-dots"))?;
    std::os::unix::fs::symlink(outside.path(), mount.path().join("etc/absolute"))?;
    fs::create_dir_all(mount.path().join(outside.path().strip_prefix("/")?))?;
    mount.unmount()?;

    let recipe = "apiVersion: imgctl/v1\nkind: Recipe\nfiles:\n\
         - { path: /etc/by-dots/one, content: \"1\" }\n\
         - { path: /etc/absolute/two, content: \"2\" }\n";
    let journey = Journey::new(&base, &base, recipe, &[])?;
    journey.customize(&["-o", "out.qcow2"])?;
    ensure!(
        fs::read_dir(outside.path())?.next().is_none(),
        "the host's folder is no longer empty"
    );
    let raw = journey.path("out.raw");
    oracle::qemu_convert(&journey.path("out.qcow2"), &raw, "raw")?;
    let disk = GuestDisk::open(&raw)?;
    disk.check()?;
    let tree = disk.tree()?;
    for name in ["one", "two"] {
        ensure!(
            tree.get(&format!("{host}/{name}")).is_some(),
            "{name} is not in the guest's folder"
        );
    }
    Ok(())
}
