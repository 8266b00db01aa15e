//! Copies between host files that leave the work to the kernel, which shares blocks where the filesystem can.

use crate::{Error, Result};
use rustix::fs::{FallocateFlags, SeekFrom, copy_file_range, fallocate, ioctl_ficlone, seek};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What is copied at once where the kernel cannot do it.
const BUFFER_BYTES: u64 = 1 << 20;

/// Makes `to`, which must be empty, share all blocks of `from`. Returns whether that was possible: both must lie on one
/// filesystem, and it must be one that shares blocks (XFS, Btrfs, bcachefs…).
#[must_use]
pub fn share_file(from: &File, to: &File) -> bool {
    ioctl_ficlone(to, from).is_ok()
}

/// Copies `length` bytes at `offset` of `from` to `to_offset` of `to`, which must read as zeros there.
///
/// Holes stay holes, and what lies past the end of `from` is one.
pub fn copy_data(from: &File, offset: u64, to: &File, to_offset: u64, length: u64) -> Result<()> {
    let end = offset.saturating_add(length);
    let mut position = offset;
    while position < end {
        let Some((start, stop)) = next_data(from, position, end)? else {
            return Ok(());
        };
        copy_exactly(from, start, to, to_offset + (start - offset), stop - start)?;
        position = stop;
    }
    Ok(())
}

/// Makes a range of a file read as zeros, and gives its blocks back where the filesystem can.
pub fn clear(file: &File, offset: u64, length: u64) -> Result<()> {
    match fallocate(
        file,
        FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
        offset,
        length,
    ) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            let zeros = vec![0; BUFFER_BYTES.min(length) as usize];
            let mut position = offset;
            while position < offset + length {
                let part = &zeros[..(offset + length - position).min(BUFFER_BYTES) as usize];
                file.write_all_at(part, position).map_err(failed("write", position))?;
                position += part.len() as u64;
            }
            Ok(())
        }
        Err(errno) => Err(failed("clear", offset)(errno.into())),
    }
}

/// Where data begins and ends within a range; `None` when there is none.
fn next_data(file: &File, position: u64, end: u64) -> Result<Option<(u64, u64)>> {
    let start = match seek(file, SeekFrom::Data(position)) {
        Ok(start) if start >= end => return Ok(None),
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        // It cannot tell: everything is data.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((position, end))),
        Err(errno) => return Err(failed("look for data", position)(errno.into())),
    };
    let stop = seek(file, SeekFrom::Hole(start)).map_err(|errno| failed("look for a hole", start)(errno.into()))?;
    Ok(Some((start, stop.min(end))))
}

fn copy_exactly(from: &File, offset: u64, to: &File, to_offset: u64, length: u64) -> Result<()> {
    let mut done = 0;
    while done < length {
        let (mut read_at, mut write_at) = (offset + done, to_offset + done);
        let wanted = usize::try_from(length - done).unwrap_or(usize::MAX);
        match copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), wanted) {
            // The file ends here.
            Ok(0) => return Ok(()),
            Ok(copied) => done += copied as u64,
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::PERM) => {
                return copy_by_hand(from, offset + done, to, to_offset + done, length - done);
            }
            Err(errno) => return Err(failed("copy", to_offset + done)(errno.into())),
        }
    }
    Ok(())
}

fn copy_by_hand(from: &File, offset: u64, to: &File, to_offset: u64, length: u64) -> Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES.min(length) as usize];
    let mut done = 0;
    while done < length {
        let part = &mut buffer[..(length - done).min(BUFFER_BYTES) as usize];
        let read = match from.read_at(part, offset + done) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(failed("read", offset + done))?,
        };
        to.write_all_at(&part[..read], to_offset + done)
            .map_err(failed("write", to_offset + done))?;
        done += read as u64;
    }
    Ok(())
}

fn failed(action: &'static str, offset: u64) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { action, offset, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockRead, ExtentKind, FileDevice};

    fn sparse() -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(3 << 20).unwrap();
        file.write_all_at(&[7; 8192], 1 << 20).unwrap();
        file.write_all_at(&[8; 8192], 2 << 20).unwrap();
        file
    }

    #[test]
    fn data_is_copied_and_holes_stay() {
        let (from, to) = (sparse(), tempfile::tempfile().unwrap());
        to.set_len(8 << 20).unwrap();
        // From within the first data to past the end.
        copy_data(&from, (1 << 20) + 4096, &to, 4096, 7 << 20).unwrap();
        let device = FileDevice::new(to).unwrap();
        assert_eq!(device.read_vec(0, 12288).unwrap()[4096..8192], [7; 4096]);
        assert_eq!(device.read_vec(1 << 20, 8192).unwrap(), [8; 8192]);
        assert_eq!(device.extent_at(512 << 10).unwrap().kind, ExtentKind::Hole);
        assert_eq!(device.extent_at(4 << 20).unwrap().kind, ExtentKind::Hole);
    }

    #[test]
    fn what_the_kernel_copies_is_what_is_copied_by_hand() {
        let (from, kernel, hand) = (sparse(), tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        copy_exactly(&from, 1000, &kernel, 3000, 3 << 20).unwrap();
        copy_by_hand(&from, 1000, &hand, 3000, 3 << 20).unwrap();
        let read = |file| {
            let device = FileDevice::new(file).unwrap();
            device.read_vec(0, device.len_bytes() as usize).unwrap()
        };
        let bytes = read(kernel);
        assert_eq!(bytes.len(), (3 << 20) + 2000);
        assert_eq!(bytes, read(hand));
    }

    #[test]
    fn a_cleared_range_reads_as_zeros() {
        let file = sparse();
        clear(&file, (1 << 20) + 100, 4096).unwrap();
        let device = FileDevice::new(file).unwrap();
        let bytes = device.read_vec(1 << 20, 8192).unwrap();
        assert_eq!(bytes[..100], [7; 100]);
        assert_eq!(bytes[100..4196], [0; 4096]);
        assert_eq!(bytes[4196..], [7; 3996]);
    }
}
