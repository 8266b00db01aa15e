//! A raw disk image laid out like the fixtures: p1 root, p15 ESP, and where there is one, p16 /boot.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::oracle::{self, Partition};
use imgctl_testkit::tree::{Kind, Tree};

/// A raw disk image and its filesystems.
#[derive(Debug)]
pub(crate) struct GuestDisk {
    pub(crate) raw: PathBuf,
    pub(crate) root: Partition,
    pub(crate) boot: Option<Partition>,
    pub(crate) esp: Partition,
}

impl GuestDisk {
    pub(crate) fn open(raw: &Path) -> Result<Self> {
        let partitions = oracle::partitions(raw)?;
        let numbered = |number: u32| partitions.iter().copied().find(|partition| partition.number == number);
        Ok(Self {
            raw: raw.to_path_buf(),
            root: numbered(1).context("no partition 1")?,
            boot: numbered(16),
            esp: numbered(15).context("no partition 15")?,
        })
    }

    /// The ext4 filesystems and where they are mounted.
    pub(crate) fn ext4(&self) -> impl Iterator<Item = (&'static str, Partition)> {
        [("/", Some(self.root)), ("/boot", self.boot)]
            .into_iter()
            .filter_map(|(path, found)| Some((path, found?)))
    }

    /// The tree as the guest sees it: through the kernel, the ESP through mtools.
    pub(crate) fn tree(&self) -> Result<Tree> {
        let mut tree = Tree::default();
        for (path, partition) in self.ext4() {
            let mount = Mount::new(&self.raw, partition, Access::ReadOnly)?;
            let mounted = Tree::read(mount.path())?;
            if path == "/" {
                tree = mounted
            } else {
                tree.graft(path.as_bytes(), mounted)
            }
        }
        let mut esp = Tree::read_fat(&self.raw, self.esp)?;
        for entry in esp.entries.values_mut().filter(|entry| entry.kind == Kind::Directory) {
            entry.mtime = (0, 0); // mtools does not keep it
        }
        tree.graft(b"/boot/efi", esp);
        Ok(tree)
    }

    /// `e2fsck -fn` of each ext4 filesystem and `fsck.fat -n` of the ESP.
    pub(crate) fn check(&self) -> Result<()> {
        for (path, partition) in self.ext4() {
            oracle::e2fsck(&self.raw, partition).with_context(|| format!("checking {path}"))?;
        }
        oracle::fsck_fat(&self.raw, self.esp).context("checking /boot/efi")
    }

    /// The content of a file, read through the kernel.
    pub(crate) fn read(&self, paths: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        let mount = Mount::new(&self.raw, self.root, Access::ReadOnly)?;
        let read = |path: &&str| std::fs::read(mount.path().join(path.trim_start_matches('/'))).ok();
        Ok(paths.iter().map(read).collect())
    }

    /// The content of a file on the ESP.
    pub(crate) fn read_esp(&self, path: &str) -> Result<Vec<u8>> {
        let image = format!("{}@@{}", self.raw.display(), self.esp.offset);
        let output = oracle::output("mtype", ["-i", &image, &format!("::/{path}")])?;
        anyhow::ensure!(
            output.status.success(),
            "mtype of {path}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(output.stdout)
    }
}
