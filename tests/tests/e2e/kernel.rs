//! The kernel goes on writing to an image that imgctl wrote.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::tree::{Difference, Kind, Tree, report};

use crate::guest_disk::GuestDisk;

const NEW_FOLDER: &str = "written-by-the-kernel";

/// Writes by the kernel, also into every directory that the run touched, then checks that the filesystems are sound
/// and that nothing else has changed. `after` is the tree before these writes.
pub(crate) fn go_on_writing(disk: &GuestDisk, after: &Tree, changed: &[Difference]) -> Result<()> {
    for (path, partition) in disk.ext4() {
        let mount = Mount::new(&disk.raw, partition, Access::ReadWrite)?;
        write_much(&mount.path().join(NEW_FOLDER)).with_context(|| format!("writing to {path}"))?;
        if path == "/" {
            let skip =
                |path: &[u8]| path.starts_with(b"/boot/") && disk.boot.is_some() || path.starts_with(b"/boot/efi");
            let directories = changed
                .iter()
                .filter(|change| change.after.as_ref().is_some_and(|entry| entry.kind == Kind::Directory));
            for change in directories.filter(|change| !skip(&change.path)) {
                write_into(mount.path(), &change.path)?;
            }
        }
        mount.unmount().with_context(|| format!("unmounting {path}"))?;
    }
    disk.check().context("after the kernel wrote")?;
    let mut differences = after.difference(&disk.tree()?);
    differences.retain(|difference| {
        let is_new = difference
            .path
            .split(|byte| *byte == b'/')
            .any(|name| name == NEW_FOLDER.as_bytes());
        !is_new && difference.fields() != ["mtime"]
    });
    ensure!(
        differences.is_empty(),
        "the kernel's writes changed other files:\n{}",
        report(&differences, 20)
    );
    Ok(())
}

fn write_much(folder: &Path) -> Result<()> {
    fs::create_dir(folder)?;
    for number in 0..400_u32 {
        let mut file = fs::File::create(folder.join(format!("a-file-with-a-long-enough-name-{number}")))?;
        file.write_all(&number.to_le_bytes().repeat(usize::try_from(number)? * 20 + 1))?;
    }
    for number in (0..400_u32).step_by(3) {
        fs::remove_file(folder.join(format!("a-file-with-a-long-enough-name-{number}")))?;
    }
    fs::write(folder.join("big"), vec![0x5a; 12 << 20])?;
    fs::write(folder.join("bigger"), vec![0xa5; 12 << 20])?;
    fs::remove_file(folder.join("big"))?;
    fs::create_dir_all(folder.join("deep/er"))?;
    fs::rename(folder.join("bigger"), folder.join("deep/er/moved"))?;
    fs::hard_link(folder.join("deep/er/moved"), folder.join("linked"))?;
    std::os::unix::fs::symlink("deep/er", folder.join("link"))?;
    xattr::set(folder.join("linked"), "user.kernel", b"value")?;
    Ok(())
}

/// Makes and removes an entry in a directory that imgctl wrote.
fn write_into(root: &Path, path: &[u8]) -> Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    let relative = std::ffi::OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path));
    let folder = root.join(relative);
    let entry = folder.join("a-passing-entry-of-the-kernel");
    fs::create_dir(&entry).with_context(|| format!("writing into {}", path.escape_ascii()))?;
    fs::rename(&entry, folder.join("renamed"))?;
    fs::remove_dir(folder.join("renamed"))?;
    Ok(())
}
