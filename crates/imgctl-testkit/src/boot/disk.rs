//! What is on an image's disk, read by e2fsprogs: the kernel that GRUB would start, and who the machine is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use regex::Regex;

use crate::oracle::{self, Partition};

/// A kernel as qemu starts it directly.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The kernel image.
    pub image: PathBuf,
    /// The initial ramdisk.
    pub initrd: Option<PathBuf>,
    /// The kernel's command line.
    pub arguments: String,
}

/// Who a machine is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// The content of `/etc/machine-id` without the line's end.
    pub machine_id: String,
    /// The hostname.
    pub hostname: String,
    /// The public SSH host keys (type and key), by file name.
    pub host_keys: BTreeMap<String, String>,
}

impl Facts {
    /// Adds a public key file, without its comment.
    pub(crate) fn add_host_key(&mut self, name: &str, text: &str) {
        let key: Vec<&str> = text.split_whitespace().take(2).collect();
        self.host_keys.insert(name.to_owned(), key.join(" "));
    }
}

/// Whether a file of `/etc/ssh` is a public host key.
pub(crate) fn is_host_key(name: &str) -> bool {
    name.starts_with("ssh_host_") && name.ends_with("_key.pub")
}

/// The disk of an image that no machine runs on, in raw form.
#[derive(Debug)]
pub(crate) struct Disk {
    raw: PathBuf,
    partitions: Vec<Partition>,
}

impl Disk {
    /// Converts `image` to a raw file in `folder`.
    pub(crate) fn read(image: &Path, folder: &Path) -> Result<Self> {
        let raw = folder.join("disk.raw");
        oracle::qemu_convert(image, &raw, "raw")?;
        let partitions = oracle::partitions(&raw)?;
        Ok(Self { raw, partitions })
    }

    fn text(&self, partition: Partition, path: &str) -> Result<String> {
        oracle::debugfs(&self.raw, partition, &format!("cat {path}"))
    }

    /// The first partition with an ext filesystem on which `path` exists.
    fn partition_with(&self, path: &str) -> Option<Partition> {
        let mut partitions = self.partitions.iter().copied();
        partitions.find(|partition| self.text(*partition, path).is_ok())
    }

    /// The first kernel of GRUB's menu, copied into `folder`.
    pub(crate) fn kernel(&self, folder: &Path) -> Result<Kernel> {
        let menus = ["/boot/grub/grub.cfg", "/grub/grub.cfg"];
        let found = menus.iter().find_map(|menu| {
            Some((
                self.partition_with(menu)?,
                self.text(self.partition_with(menu)?, menu).ok()?,
            ))
        });
        let (partition, menu) = found.context("no ext partition of the image has a GRUB menu")?;
        let entry = first_entry(&menu).context("the GRUB menu has no `linux` line")?;
        let dump = |path: &str, name: &str| -> Result<PathBuf> {
            let file = folder.join(name);
            oracle::debugfs(&self.raw, partition, &format!("dump {path} {}", file.display()))?;
            Ok(file)
        };
        Ok(Kernel {
            image: dump(&entry.kernel, "kernel")?,
            initrd: entry.initrd.map(|path| dump(&path, "initrd")).transpose()?,
            arguments: entry.arguments,
        })
    }

    /// Who the machine is, by the files of its root filesystem.
    pub(crate) fn facts(&self) -> Result<Facts> {
        let root = self
            .partition_with("/etc/fstab")
            .context("no ext partition of the image has an /etc/fstab")?;
        let mut facts = Facts::default();
        // An image may have none of these files: then the fact is empty.
        let line = |path| self.text(root, path).unwrap_or_default().trim().to_owned();
        facts.machine_id = line("/etc/machine-id");
        facts.hostname = line("/etc/hostname");
        let listing = oracle::debugfs(&self.raw, root, "ls -p /etc/ssh").unwrap_or_default();
        for name in listing.lines().filter_map(|line| line.split('/').nth(5)) {
            if is_host_key(name) {
                facts.add_host_key(name, &self.text(root, &format!("/etc/ssh/{name}"))?);
            }
        }
        Ok(facts)
    }

    /// Every ext and FAT filesystem has no fault.
    pub(crate) fn check(&self) -> Result<()> {
        for partition in &self.partitions {
            if oracle::debugfs(&self.raw, *partition, "stat <2>").is_ok() {
                oracle::e2fsck(&self.raw, *partition)?;
            } else if self.is_fat(*partition)? {
                oracle::fsck_fat(&self.raw, *partition)?;
            }
        }
        Ok(())
    }

    fn is_fat(&self, partition: Partition) -> Result<bool> {
        use std::os::unix::fs::FileExt as _;
        let mut sector = [0; 512];
        fs::File::open(&self.raw)?.read_exact_at(&mut sector, partition.offset)?;
        Ok(sector.get(510..) == Some(&[0x55, 0xaa])
            && [54, 82].iter().any(|at| sector.get(*at..at + 3) == Some(b"FAT")))
    }
}

/// The first entry of a GRUB menu.
#[derive(Debug, Eq, PartialEq)]
struct Entry {
    kernel: String,
    arguments: String,
    initrd: Option<String>,
}

fn first_entry(menu: &str) -> Option<Entry> {
    let line = Regex::new(r"(?m)^\s*linux(?:16|efi)?\s+(\S+)(.*)$").ok()?;
    let found = line.captures(menu)?;
    let rest = menu.get(found.get_match().end()..)?;
    let rest = rest.split('}').next()?;
    let initrd = Regex::new(r"(?m)^\s*initrd(?:16|efi)?\s+(\S+)").ok()?;
    Some(Entry {
        kernel: found.get(1)?.as_str().to_owned(),
        arguments: found.get(2)?.as_str().trim().to_owned(),
        initrd: initrd
            .captures(rest)
            .and_then(|found| Some(found.get(1)?.as_str().to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_of_a_menu() {
        let menu = "menuentry 'a' {\n\techo 'Loading'\n\tlinux\t/boot/vmlinuz-2 root=UUID=x ro quiet \n\tinitrd\t/boot/initrd.img-2\n}\n\
                    menuentry 'b' {\n\tlinux\t/boot/vmlinuz-1 ro\n\tinitrd /boot/initrd.img-1\n}\n";
        let entry = first_entry(menu).unwrap();
        assert_eq!(entry.kernel, "/boot/vmlinuz-2");
        assert_eq!(entry.arguments, "root=UUID=x ro quiet");
        assert_eq!(entry.initrd.as_deref(), Some("/boot/initrd.img-2"));
        let menu = "menuentry 'a' {\nlinux16 /k ro\n}\nmenuentry 'b' {\ninitrd /i\n}\n";
        assert_eq!(first_entry(menu).unwrap().initrd, None);
        assert_eq!(first_entry("set timeout=1\n"), None);
    }

    #[test]
    fn the_mini_image_tells_its_facts_and_its_kernel() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::read(&crate::fixture::mini(), folder.path()).unwrap();
        let facts = disk.facts().unwrap();
        assert_eq!(facts.machine_id.len(), 32);
        assert_eq!(facts.hostname, "mini");
        assert!(!facts.host_keys.is_empty());
        let kernel = disk.kernel(folder.path()).unwrap();
        assert!(kernel.arguments.contains("console=ttyS0"), "{}", kernel.arguments);
        assert_eq!(kernel.image.metadata().unwrap().len(), 60_000);
        assert!(kernel.initrd.is_some());
        disk.check().unwrap();
    }
}
