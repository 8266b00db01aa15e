//! A block device as the output: written in place, so neither atomic nor undone.

use super::Target;
use super::publish::PendingFile;
use crate::{Error, ErrorKind, OutputOptions, Result};
use imgctl_recipe::OutputFormat;
use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use std::fs::File;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much is made zero at once.
const PIECE_BYTES: u64 = 64 << 20;

pub(super) fn is_block_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device())
}

pub(super) fn open(options: &OutputOptions, target: Target) -> Result<PendingFile> {
    let path = options.path.display();
    if target == Target::File {
        return Err(
            Error::new(ErrorKind::Usage, format!("the output {path} is a block device"))
                .with_hint("write a file, and then that file to the device: imgctl convert FILE DEVICE --force"),
        );
    }
    if !options.force {
        return Err(
            Error::new(ErrorKind::Usage, format!("the output {path} is a block device")).with_hint(
                "writing to it destroys what it holds, and a failure leaves it half written; --force does it all the same",
            ),
        );
    }
    PendingFile::open_device(&options.path)
}

/// Makes everything zero that the output will cover: what it leaves out has to read as zeros.
pub(super) fn clear(device: &File, options: &OutputOptions, disk_bytes: u64, cancel: &AtomicBool) -> Result<()> {
    let failed = |source: std::io::Error| {
        let what = format!("cannot clear the device {}", options.path.display());
        Error::new(ErrorKind::Other, what).with_source(source)
    };
    let device_bytes = seek(device, SeekFrom::End(0)).map_err(|errno| failed(errno.into()))?;
    let length = match options.format {
        OutputFormat::Raw if disk_bytes > device_bytes => {
            let what = format!(
                "the device {} has {device_bytes} bytes, the disk needs {disk_bytes}",
                options.path.display()
            );
            return Err(Error::new(ErrorKind::NoSpace, what));
        }
        OutputFormat::Raw => disk_bytes,
        OutputFormat::Qcow2 => device_bytes,
    };
    let mut offset = 0;
    while offset < length {
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::new(
                ErrorKind::Cancelled,
                format!("interrupted; the device {} is half cleared", options.path.display()),
            ));
        }
        let piece = (length - offset).min(PIECE_BYTES);
        clear_piece(device, offset, piece).map_err(failed)?;
        offset += piece;
    }
    Ok(())
}

/// By the device's own means where it has some.
fn clear_piece(device: &File, offset: u64, length: u64) -> std::io::Result<()> {
    let flags = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
    if fallocate(device, flags, offset, length).is_ok() {
        return Ok(());
    }
    let zeros = vec![0; 1 << 20];
    let mut done = 0;
    while done < length {
        let part = (length - done).min(zeros.len() as u64);
        device.write_all_at(&zeros[..part as usize], offset + done)?;
        done += part;
    }
    Ok(())
}
