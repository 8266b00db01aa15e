//! ext4-view, an independent reader, on what the kernel says has changed.

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, ensure};
use ext4_view::{Ext4, Ext4Read, PathBuf};
use imgctl_testkit::oracle::Partition;
use imgctl_testkit::tree::{Difference, Kind, is_below};
use sha2::{Digest as _, Sha256};

use crate::guest_disk::GuestDisk;

struct Slice {
    file: File,
    offset: u64,
}

impl Ext4Read for Slice {
    fn read(&mut self, start_byte: u64, bytes: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync + 'static>> {
        Ok(self.file.read_exact_at(bytes, self.offset + start_byte)?)
    }
}

/// Reads every changed or new path back. Returns how many.
pub(crate) fn check(disk: &GuestDisk, differences: &[Difference]) -> Result<usize> {
    let mut count = 0;
    for (mounted_at, partition) in disk.ext4() {
        let filesystem = open(disk, partition)?;
        for difference in differences {
            let path = &difference.path;
            let elsewhere =
                is_below(path, b"/boot/efi") || (mounted_at == "/" && disk.boot.is_some() && is_below(path, b"/boot"));
            if elsewhere || !is_below(path, mounted_at.as_bytes()) {
                continue;
            }
            let inner = path
                .strip_prefix(mounted_at.trim_end_matches('/').as_bytes())
                .unwrap_or(path);
            let inner = if inner.is_empty() { b"/" } else { inner };
            check_path(&filesystem, inner, difference)
                .with_context(|| format!("ext4-view at {}", path.escape_ascii()))?;
            count += 1;
        }
    }
    Ok(count)
}

fn open(disk: &GuestDisk, partition: Partition) -> Result<Ext4> {
    let file = File::open(&disk.raw)?;
    Ext4::load(Box::new(Slice {
        file,
        offset: partition.offset,
    }))
    .context("ext4-view refuses the filesystem")
}

fn check_path(filesystem: &Ext4, path: &[u8], difference: &Difference) -> Result<()> {
    let path = PathBuf::try_from(path.to_vec())?;
    let Some(entry) = &difference.after else {
        ensure!(filesystem.symlink_metadata(&path).is_err(), "it is still there");
        return Ok(());
    };
    let metadata = filesystem.symlink_metadata(&path)?;
    ensure!(
        u32::from(metadata.mode() & 0o7777) == entry.mode,
        "mode {:o}",
        metadata.mode()
    );
    ensure!(
        (metadata.uid(), metadata.gid()) == (entry.uid, entry.gid),
        "owner {}:{}",
        metadata.uid(),
        metadata.gid()
    );
    match entry.kind {
        Kind::File => {
            let digest: [u8; 32] = Sha256::digest(filesystem.read(&path)?).into();
            ensure!(Some(digest) == entry.sha256, "other content");
        }
        Kind::Symlink => {
            let target = filesystem.read_link(&path)?;
            ensure!(entry.target.as_deref() == Some(target.as_ref()), "leads to {target:?}");
        }
        _ => {}
    }
    Ok(())
}
