//! Metadata and errors in the kernel's words.

use fuser::{Errno, FileAttr, FileType, INodeNo};
use imgctl_vfs::{Error, ErrorKind, FileKind, Metadata, Timestamp};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Whether an attribute is a program's business. Labels and signatures of kernels are not: a host's own security modules
/// would judge them, and copying them up fails there.
pub(super) fn is_served(name: &[u8]) -> bool {
    match name.strip_prefix(b"user.") {
        // They would tell overlayfs what the image wants.
        Some(rest) => !rest.starts_with(b"overlay.") && !rest.starts_with(b"imgctl."),
        None => [
            &b"security.capability"[..],
            b"system.posix_acl_access",
            b"system.posix_acl_default",
        ]
        .contains(&name),
    }
}

pub(super) fn errno_of(error: &Error) -> Errno {
    match error.kind() {
        ErrorKind::NotFound => Errno::ENOENT,
        ErrorKind::NotADirectory => Errno::ENOTDIR,
        ErrorKind::IsADirectory => Errno::EISDIR,
        ErrorKind::InvalidInput => Errno::EINVAL,
        ErrorKind::SymlinkLoop => Errno::ELOOP,
        ErrorKind::Unsupported => Errno::EOPNOTSUPP,
        _ => Errno::EIO,
    }
}

pub(super) fn attr_of(number: INodeNo, metadata: &Metadata) -> FileAttr {
    let (kind, rdev) = match metadata.kind {
        FileKind::File => (FileType::RegularFile, 0),
        FileKind::Directory => (FileType::Directory, 0),
        FileKind::Symlink => (FileType::Symlink, 0),
        FileKind::Fifo => (FileType::NamedPipe, 0),
        FileKind::Socket => (FileType::Socket, 0),
        FileKind::CharDevice(major, minor) => (FileType::CharDevice, device(major, minor)),
        FileKind::BlockDevice(major, minor) => (FileType::BlockDevice, device(major, minor)),
    };
    FileAttr {
        ino: number,
        size: metadata.size,
        blocks: metadata.size.div_ceil(512),
        atime: time(metadata.accessed),
        mtime: time(metadata.modified),
        ctime: time(metadata.changed),
        crtime: UNIX_EPOCH,
        kind,
        perm: metadata.mode,
        nlink: metadata.links.max(1),
        uid: metadata.uid,
        gid: metadata.gid,
        rdev,
        blksize: 4096,
        flags: 0,
    }
}

/// What says that there is nothing.
pub(super) fn none() -> FileAttr {
    FileAttr {
        ino: INodeNo(0),
        size: 0,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: FileType::RegularFile,
        perm: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

/// A device number as the FUSE protocol has it: `new_encode_dev` of the kernel's `kdev_t.h`.
fn device(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12)
}

fn time(time: Timestamp) -> SystemTime {
    let whole = Duration::from_secs(time.seconds.unsigned_abs());
    let base = match time.seconds < 0 {
        true => UNIX_EPOCH.checked_sub(whole),
        false => UNIX_EPOCH.checked_add(whole),
    };
    let fraction = Duration::from_nanos(time.nanoseconds.into());
    base.and_then(|base| base.checked_add(fraction)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_overlayfs_or_the_hosts_kernel_is_not_served() {
        for name in [&b"user.note"[..], b"security.capability", b"system.posix_acl_access"] {
            assert!(is_served(name));
        }
        for name in [
            &b"user.overlay.opaque"[..],
            b"trusted.x",
            b"security.selinux",
            b"security.ima",
        ] {
            assert!(!is_served(name));
        }
    }

    #[test]
    fn times_before_the_epoch_keep_their_fraction() {
        let before = time(Timestamp {
            seconds: -2,
            nanoseconds: 500_000_000,
        });
        assert_eq!(UNIX_EPOCH.duration_since(before).unwrap(), Duration::from_millis(1500));
    }
}
