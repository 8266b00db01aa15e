//! The conditions under which an image can be replaced by its changed self.

use super::lock;
use crate::{Error, ErrorKind, Result};
use imgctl_qcow2::Summary;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Opens a file that can be replaced, as its writer, with qemu's locks on it. Nothing is ever written to it.
pub(super) fn open_alone(path: &Path) -> Result<File> {
    // Not blocking: it could be a pipe.
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file: File = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|errno| {
            let what = format!("cannot open the image {} for writing", path.display());
            let error = Error::new(ErrorKind::Other, what);
            match errno {
                Errno::ISDIR => Error::new(
                    ErrorKind::Usage,
                    format!("{} is a directory, not an image", path.display()),
                ),
                Errno::ACCESS | Errno::PERM | Errno::ROFS => {
                    error.with_hint("it is to be changed in place; make it writable, or work on a copy")
                }
                _ => error,
            }
            .with_source(std::io::Error::from(errno))
        })?
        .into();
    let metadata = file.metadata().map_err(|source| {
        Error::new(ErrorKind::Other, format!("cannot examine the image {}", path.display())).with_source(source)
    })?;
    let refused = |what: &str, hint: &str| {
        Err(Error::new(ErrorKind::Usage, format!("the image {} {what}", path.display())).with_hint(hint))
    };
    if metadata.file_type().is_block_device() {
        return refused(
            "is a block device, which cannot be replaced by a new file",
            "write a new image of it and copy that back: imgctl customize DEVICE -o OUT, \
             then imgctl convert OUT -o DEVICE --format raw --force",
        );
    }
    if !metadata.is_file() {
        return refused("is not a regular file", "name an image file");
    }
    if metadata.nlink() > 1 {
        return refused(
            &format!(
                "has {} names (hard links), and the others would keep the old image",
                metadata.nlink()
            ),
            "remove the other names first, or work on a copy: cp --reflink=auto IMAGE COPY",
        );
    }
    lock::hold_exclusive(&file, path)?;
    Ok(file)
}

/// Refuses what an image has that is not carried over to its successor.
pub(super) fn refuse_lossy(summary: &Summary, path: &Path) -> Result<()> {
    let has = |feature: &str| summary.features.iter().any(|found| found == feature);
    let lossy = [
        (
            summary.snapshots > 0,
            "internal snapshots",
            "delete them first (qemu-img snapshot -l IMAGE lists, -d NAME deletes), or work on a copy",
        ),
        (
            summary.bitmaps > 0,
            "persistent bitmaps",
            "they belong to backups that would miss the changes; remove them first: qemu-img bitmap --remove IMAGE NAME",
        ),
        (
            summary.data_file.is_some(),
            "an external data file",
            "make it one file first: qemu-img convert -O qcow2 IMAGE COPY",
        ),
        (
            has("extended L2"),
            "subclusters (extended L2 entries)",
            "make it one without: qemu-img convert -O qcow2 IMAGE COPY",
        ),
        (
            has("corrupt"),
            "the mark of a corrupt image",
            "see what is wrong with qemu-img check IMAGE",
        ),
    ];
    match lossy.into_iter().find(|(found, ..)| *found) {
        None => Ok(()),
        Some((_, what, hint)) => Err(Error::new(
            ErrorKind::Image,
            format!("the image {} has {what} and cannot be changed in place", path.display()),
        )
        .with_hint(hint)),
    }
}
