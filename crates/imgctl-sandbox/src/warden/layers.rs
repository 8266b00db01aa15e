//! The guest's files below, an empty folder above, and both as one.

use super::failure::{Attempt as _, FUSE_MOUNT, OVERLAY, Outcome};
use super::unpack;
use crate::connection::Connection;
use crate::wire::{Failure, FromWarden};
use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmodat, lstat, utimensat};
use nix::sys::statvfs::statvfs;
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, chown};
use std::fs::{self, DirBuilder, File};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::DirBuilderExt as _;

/// All names are relative to the run's folder, which is the current one: the way to it may be closed to the guest's root.
pub(super) const LOWER: &str = "lower";
const LAYER: &str = "layer";
pub(super) const UPPER: &str = "layer/upper";
const WORK: &str = "layer/work";
pub(super) const ROOT: &str = "root";

const FUSE_READ_BYTES: u32 = 1 << 20;

/// What is mounted.
pub(super) struct Layers {
    is_in_memory: bool,
}

impl Layers {
    /// Brings the guest's files in, through the device if there is one, and mounts the overlay.
    pub(super) fn make(connection: &Connection, device: Option<File>) -> Outcome<Self> {
        for folder in [LOWER, LAYER, ROOT] {
            folder_700(folder)?;
        }
        let is_extracted = device.is_none();
        match device {
            Some(device) => serve(connection, &device)?,
            None => {
                unpack::receive(connection)?;
                // A mount of its own, as when they are served.
                mount(Some(LOWER), LOWER, None::<&str>, MsFlags::MS_BIND, None::<&str>)
                    .or_failed("bind the guest's files")?;
            }
        }
        match overlay() {
            Ok(()) => Ok(Self { is_in_memory: false }),
            Err(errno) if [Errno::EINVAL, Errno::EOPNOTSUPP].contains(&errno) && !is_extracted => {
                Self::in_memory(connection, errno)
            }
            Err(errno) => Err(Failure::new(OVERLAY, errno as i32)),
        }
    }

    /// The folder is on a filesystem that cannot be the upper layer: an overlay itself, or one without attributes.
    fn in_memory(connection: &Connection, because: Errno) -> Outcome<Self> {
        mount(Some("layer"), LAYER, Some("tmpfs"), MsFlags::empty(), Some("mode=700")).or_failed("mount a tmpfs")?;
        overlay().or_failed(OVERLAY)?;
        let message = format!(
            "the scratch folder cannot hold what the program writes ({because}), so it is kept in memory; name a folder on \
             another filesystem with --scratch"
        );
        connection.send(&FromWarden::Warning(message)).or_failed("answer")?;
        Ok(Self { is_in_memory: true })
    }

    /// Ends the use of the guest's files; what was written stays.
    pub(super) fn unmount(&self) -> Outcome<()> {
        umount2(ROOT, MntFlags::MNT_DETACH).or_failed("unmount the overlay")?;
        umount2(LOWER, MntFlags::MNT_DETACH).or_failed("unmount the guest's files")
    }

    /// Removes what was written. Only here all of it can be: it belongs to the guest's users.
    pub(super) fn remove(&self) {
        if self.is_in_memory {
            let _ = umount2(LAYER, MntFlags::MNT_DETACH);
        }
        for folder in [LAYER, ROOT, LOWER] {
            // What stays is for the outer process.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Mounts what the caller serves from here on.
fn serve(connection: &Connection, device: &File) -> Outcome<()> {
    let options = format!(
        "fd={},rootmode=40755,user_id=0,group_id=0,allow_other,default_permissions,max_read={FUSE_READ_BYTES}",
        device.as_raw_fd()
    );
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV;
    mount(Some("guest"), LOWER, Some("fuse"), flags, Some(options.as_str())).or_failed(FUSE_MOUNT)?;
    let sent = connection.send_with(&FromWarden::Serve, Some(device.as_fd()));
    sent.or_failed("answer")
}

/// How much room is left for what the program writes.
pub(super) fn free_bytes() -> Option<u64> {
    let stat = statvfs(LAYER).ok()?;
    stat.blocks_available().checked_mul(stat.fragment_size())
}

fn folder_700(path: &str) -> Outcome<()> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .or_failed("make folders for the run")
}

fn overlay() -> nix::Result<()> {
    let io = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO));
    for folder in [UPPER, WORK] {
        DirBuilder::new()
            .mode(0o700)
            .create(folder)
            .map_err(io)
            .or_else(|errno| match errno {
                Errno::EEXIST => Ok(()),
                errno => Err(errno),
            })?;
    }
    // Marks of removed folders are attributes of this kind.
    xattr::set(UPPER, "user.imgctl.probe", b"1").map_err(|_| Errno::EOPNOTSUPP)?;
    xattr::remove(UPPER, "user.imgctl.probe").map_err(io)?;
    // The guest's root is what the upper folder is.
    let root = lstat(LOWER)?;
    chown(
        UPPER,
        Some(Uid::from_raw(root.st_uid)),
        Some(Gid::from_raw(root.st_gid)),
    )?;
    let mode = Mode::from_bits_truncate(root.st_mode & 0o7777);
    fchmodat(AT_FDCWD, UPPER, mode, FchmodatFlags::FollowSymlink)?;
    let modified = TimeSpec::new(root.st_mtime, root.st_mtime_nsec);
    utimensat(AT_FDCWD, UPPER, &modified, &modified, UtimensatFlags::NoFollowSymlink)?;
    let options = format!(
        "lowerdir={LOWER},upperdir={UPPER},workdir={WORK},userxattr,index=off,xino=off,metacopy=off,redirect_dir=nofollow,volatile"
    );
    mount(
        Some("guest"),
        ROOT,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
}
