//! QEMU's image locks: open-file-description locks on single bytes, one per permission.
//!
//! A program that uses a permission holds a shared lock on byte 100 + permission; one that does not let others use it
//! holds a shared lock on byte 200 + permission. Whether somebody else holds a lock is seen by asking for an exclusive
//! one. (QEMU, docs/system/images and block/file-posix.c.)

use crate::{Error, ErrorKind, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::File;
use std::path::Path;

const USED: i64 = 100;
const NOT_SHARED: i64 = 200;

const CONSISTENT_READ: i64 = 0;
const WRITE: i64 = 1;
const RESIZE: i64 = 3;

/// Reads consistently and lets nobody write or resize, for as long as `file` is open.
///
/// Fails when somebody already writes. On filesystems without such locks nothing is held.
pub(super) fn hold_shared(file: &File, path: &Path) -> Result<()> {
    // First take, then look: whoever comes after sees ours.
    for byte in [USED + CONSISTENT_READ, NOT_SHARED + WRITE, NOT_SHARED + RESIZE] {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&range(byte, libc::F_RDLCK))) {
            Ok(_) => {}
            Err(Errno::ENOLCK | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => return Ok(()),
            Err(Errno::EAGAIN | Errno::EACCES) => return Err(in_use(path)),
            Err(errno) => return Err(unknown(path, errno)),
        }
    }
    for byte in [USED + WRITE, USED + RESIZE, NOT_SHARED + CONSISTENT_READ] {
        let mut probe = range(byte, libc::F_WRLCK);
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut probe)).map_err(|errno| unknown(path, errno))?;
        if i32::from(probe.l_type) != libc::F_UNLCK {
            return Err(in_use(path));
        }
    }
    Ok(())
}

fn range(byte: i64, kind: i32) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    }
}

fn in_use(path: &Path) -> Error {
    Error::new(
        ErrorKind::Other,
        format!("the image {} is open for writing in another program", path.display()),
    )
    .with_hint("shut the virtual machine down first; --force-share goes on at the risk of an inconsistent result")
}

fn unknown(path: &Path, errno: Errno) -> Error {
    Error::new(ErrorKind::Other, format!("cannot lock the image {}", path.display())).with_source(errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_seen_and_readers_share() {
        let image = tempfile::NamedTempFile::new().unwrap();
        let reader = image.reopen().unwrap();
        hold_shared(&reader, image.path()).unwrap();
        hold_shared(&image.reopen().unwrap(), image.path()).unwrap();
        drop(reader);

        let writer = image.reopen().unwrap();
        fcntl(&writer, FcntlArg::F_OFD_SETLK(&range(USED + WRITE, libc::F_RDLCK))).unwrap();
        let error = hold_shared(&image.reopen().unwrap(), image.path()).unwrap_err();
        assert!(error.to_string().contains("open for writing"), "{error}");
        assert!(error.hint().unwrap().contains("--force-share"));
        drop(writer);
        hold_shared(&image.reopen().unwrap(), image.path()).unwrap();
    }
}
