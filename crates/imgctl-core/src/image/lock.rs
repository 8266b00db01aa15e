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
    let held = [USED + CONSISTENT_READ, NOT_SHARED + WRITE, NOT_SHARED + RESIZE];
    let foreign = [USED + WRITE, USED + RESIZE, NOT_SHARED + CONSISTENT_READ];
    hold(file, path, &held, &foreign, || in_use(path))
}

/// Uses the image like a virtual machine that writes, and lets nobody else use it, for as long as `file` is open.
///
/// Fails when somebody has it open, also if only for reading.
pub(super) fn hold_exclusive(file: &File, path: &Path) -> Result<()> {
    const PERMISSIONS: [i64; 3] = [CONSISTENT_READ, WRITE, RESIZE];
    let held: Vec<i64> = PERMISSIONS
        .into_iter()
        .flat_map(|bit| [USED + bit, NOT_SHARED + bit])
        .collect();
    hold(file, path, &held, &held, || {
        Error::new(
            ErrorKind::Other,
            format!("the image {} is open in another program", path.display()),
        )
        .with_hint("shut the virtual machine down first, or wait for the other program")
    })
}

/// Holds shared locks on the bytes `held`, and fails if another program holds one of `foreign`.
fn hold(file: &File, path: &Path, held: &[i64], foreign: &[i64], in_use: impl Fn() -> Error) -> Result<()> {
    // First take, then look: whoever comes after sees ours.
    for &byte in held {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&range(byte, libc::F_RDLCK))) {
            Ok(_) => {}
            Err(Errno::ENOLCK | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => return Ok(()),
            Err(Errno::EAGAIN | Errno::EACCES) => return Err(in_use()),
            Err(errno) => return Err(unknown(path, errno)),
        }
    }
    for &byte in foreign {
        let mut probe = range(byte, libc::F_WRLCK);
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut probe)).map_err(|errno| unknown(path, errno))?;
        if i32::from(probe.l_type) != libc::F_UNLCK {
            return Err(in_use());
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
        let reader = image.reopen().unwrap();
        hold_shared(&reader, image.path()).unwrap();
        let error = hold_exclusive(&image.reopen().unwrap(), image.path()).unwrap_err();
        assert!(error.to_string().contains("open in another program"), "{error}");
        drop(reader);
        let alone = image.reopen().unwrap();
        hold_exclusive(&alone, image.path()).unwrap();
        hold_exclusive(&image.reopen().unwrap(), image.path()).unwrap_err();
        hold_shared(&image.reopen().unwrap(), image.path()).unwrap_err();
        drop(alone);
        hold_shared(&image.reopen().unwrap(), image.path()).unwrap();
    }
}
