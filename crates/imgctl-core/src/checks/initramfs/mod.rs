//! `initramfs`: every installed kernel's initramfs holds these modules, or the kernel has them built in.

pub(super) mod archive;
mod compression;

use super::scan::FileReader;
use super::{Fault, Found, Scene, Verdict};
use crate::guest::{Guest, MAX_TEXT_BYTES};
use crate::steps::fixed;
use imgctl_vfs::{EscapedBytes, FileKind, Found as Node};
use std::collections::BTreeSet;

/// As much as one initramfs may unpack to.
const MAX_UNPACKED_BYTES: u64 = 1 << 30;

pub(super) fn judge(scene: &Scene<'_>, modules: &[String]) -> Verdict {
    let expected = format!("every kernel's contains {}", modules.join(", "));
    Verdict::new("initramfs", expected, found(scene, modules))
}

fn found(scene: &Scene<'_>, modules: &[String]) -> Found {
    let kernels = kernels(scene.guest)?;
    let mut faults = Vec::new();
    for kernel in &kernels {
        let name = EscapedBytes(kernel).to_string();
        let Some(file) = initramfs_of(scene.guest, kernel)? else {
            faults.push(format!("the kernel {name} has no initramfs in /boot"));
            continue;
        };
        let mut present = built_in(scene.guest, kernel)?;
        match archive::modules(FileReader::new(scene, file.node), MAX_UNPACKED_BYTES) {
            Ok(found) => present.extend(found),
            Err(error) => {
                faults.push(format!(
                    "{} cannot be read: {}",
                    file.path,
                    super::scan::fault(&error).0
                ));
                continue;
            }
        }
        let missing = modules
            .iter()
            .filter(|module| !present.contains(&normal(module.as_bytes())));
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        if !missing.is_empty() {
            faults.push(format!("{} lacks {}", file.path, missing.join(", ")));
        }
    }
    if kernels.is_empty() {
        faults.push("no kernel was found in /boot".to_owned());
    }
    Ok(faults)
}

/// What follows `vmlinuz-` in /boot, but kernels for repairs.
fn kernels(guest: &Guest) -> Result<BTreeSet<Vec<u8>>, Fault> {
    let paths = guest.glob("/boot/vmlinuz-*")?;
    let names = paths
        .iter()
        .filter_map(|path| path.file_name()?.strip_prefix(b"vmlinuz-"));
    let ordinary = names.filter(|name| !name.starts_with(b"0-rescue"));
    Ok(ordinary.map(<[u8]>::to_vec).collect())
}

/// The names of Debian, Red Hat and Fedora, SUSE, and Alpine and Arch.
fn initramfs_of(guest: &Guest, kernel: &[u8]) -> Result<Option<Node>, Fault> {
    let names: [(&[u8], &[u8]); 4] = [
        (b"initrd.img-", b""),
        (b"initramfs-", b".img"),
        (b"initrd-", b""),
        (b"initramfs-", b""),
    ];
    for (before, after) in names {
        let name = [before, kernel, after].concat();
        let found = guest.find(&fixed("/boot").join(&name))?;
        if let Some(found) = found
            && guest.metadata_of(&found)?.kind == FileKind::File
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The modules that are part of the kernel itself.
fn built_in(guest: &Guest, kernel: &[u8]) -> Result<BTreeSet<Vec<u8>>, Fault> {
    let path = fixed("/lib/modules").join(kernel).join(b"modules.builtin");
    let list = guest.read(&path, MAX_TEXT_BYTES)?.unwrap_or_default();
    Ok(list.split(|byte| *byte == b'\n').filter_map(module_name).collect())
}

/// The name of the module in a file of this path: `kernel/drivers/block/virtio_blk.ko.xz` is `virtio_blk`.
fn module_name(path: &[u8]) -> Option<Vec<u8>> {
    let file = path.rsplit(|byte| *byte == b'/').next()?;
    let endings: [&[u8]; 3] = [b".xz", b".zst", b".gz"];
    let plain = endings
        .iter()
        .find_map(|ending| file.strip_suffix(*ending))
        .unwrap_or(file);
    plain.strip_suffix(b".ko").map(normal)
}

/// `-` and `_` are the same in names of modules.
fn normal(name: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| if *byte == b'-' { b'_' } else { *byte };
    name.iter().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_have_names_without_endings() {
        let name = |path: &str| module_name(path.as_bytes()).map(|name| String::from_utf8(name).unwrap());
        assert_eq!(name("kernel/drivers/virtio-blk.ko").as_deref(), Some("virtio_blk"));
        assert_eq!(name("x.ko.xz").as_deref(), Some("x"));
        assert_eq!(name("lib/a/x.ko.zst").as_deref(), Some("x"));
        assert_eq!(name("lib/modules/modules.dep"), None);
        assert_eq!(name(""), None);
    }
}
