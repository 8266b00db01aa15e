//! The guest's files on a disk of this machine, where there is no FUSE to serve them.

use super::failure::{Attempt as _, Outcome};
use super::layers::LOWER;
use crate::connection::Connection;
use crate::wire::{Failure, FromWarden, Piece, PieceNode, ToWarden};
use nix::fcntl::AT_FDCWD;
use nix::libc;
use nix::sys::stat::{FchmodatFlags, Mode, UtimensatFlags, fchmodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat, mkfifo};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

/// Receives every file. Every folder above one was made here, so no name on the way is a link.
pub(super) fn receive(connection: &Connection) -> Outcome<()> {
    connection.send(&FromWarden::WantsFiles).or_failed("answer")?;
    let mut unpack = Unpack::default();
    loop {
        match connection.receive().or_failed("receive the guest's files")? {
            Some((ToWarden::Files(pieces), _)) => pieces.into_iter().try_for_each(|piece| unpack.piece(piece))?,
            Some((ToWarden::NoMoreFiles, _)) => return unpack.finish(),
            _ => return Err(Failure::new("receive the guest's files", libc::EPROTO)),
        }
    }
}

#[derive(Default)]
struct Unpack {
    /// The file that content is for.
    file: Option<(File, PieceNode)>,
    /// Their times change while they are filled.
    folders: Vec<PieceNode>,
}

impl Unpack {
    fn piece(&mut self, piece: Piece) -> Outcome<()> {
        let action = "write the guest's files";
        match (piece, &mut self.file) {
            (Piece::Node(node), _) => self.node(node),
            (Piece::Content(bytes), Some((file, _))) => file.write_all(&bytes).or_failed(action),
            (Piece::Hole(bytes), Some((file, _))) => {
                let end = i64::try_from(bytes).ok().map(SeekFrom::Current);
                let end = end.ok_or_else(|| Failure::new(action, libc::EFBIG))?;
                let end = file.seek(end).or_failed(action)?;
                file.set_len(end).or_failed(action)
            }
            (_, None) => Err(Failure::new(action, libc::EPROTO)),
        }
    }

    fn node(&mut self, node: PieceNode) -> Outcome<()> {
        self.close()?;
        let path = path_of(&node.path)?;
        let named = format!("make {} of the guest", node.path.escape_ascii());
        if let Some(first) = &node.same_as {
            return fs::hard_link(path_of(first)?, &path).or_failed(&named);
        }
        match node.kind {
            b'd' if node.path == b"/" => {}
            b'd' => DirBuilder::new().mode(0o700).create(&path).or_failed(&named)?,
            b'f' => {
                let flags = libc::O_NOFOLLOW;
                let new = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .custom_flags(flags)
                    .open(&path);
                self.file = Some((new.or_failed(&named)?, node));
                return Ok(());
            }
            b'l' => symlink(OsStr::from_bytes(&node.target), &path).or_failed(&named)?,
            b'p' => mkfifo(&path, Mode::from_bits_truncate(0o600)).or_failed(&named)?,
            b's' => drop(UnixListener::bind(&path).or_failed(&named)?),
            // No user namespace may make devices; programs have those of their own /dev.
            _ => return Ok(()),
        }
        if node.kind == b'd' {
            self.folders.push(node);
            return Ok(());
        }
        complete(&node)
    }

    /// The last file has all its content.
    fn close(&mut self) -> Outcome<()> {
        match self.file.take() {
            Some((_, node)) => complete(&node),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Outcome<()> {
        self.close()?;
        self.folders.iter().rev().try_for_each(complete)
    }
}

fn path_of(path: &[u8]) -> Outcome<PathBuf> {
    let leaves = path.split(|byte| *byte == b'/').any(|name| name == b"..");
    match path.strip_prefix(b"/") {
        Some(rest) if !leaves => Ok(PathBuf::from(LOWER).join(OsStr::from_bytes(rest))),
        _ => Err(Failure::new("stay in the folder for the guest's files", libc::EINVAL)),
    }
}

/// Owner, mode, attributes and time, in the order in which none undoes another.
fn complete(node: &PieceNode) -> Outcome<()> {
    let path = path_of(&node.path)?;
    let done = || -> io::Result<()> {
        let (uid, gid) = (Some(Uid::from_raw(node.uid)), Some(Gid::from_raw(node.gid)));
        fchownat(AT_FDCWD, &path, uid, gid, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if node.kind != b'l' {
            let mode = Mode::from_bits_truncate(node.mode);
            fchmodat(AT_FDCWD, &path, mode, FchmodatFlags::FollowSymlink)?;
        }
        for (name, value) in &node.xattrs {
            xattr::set(&path, OsStr::from_bytes(name), value)?;
        }
        let modified = TimeSpec::new(node.seconds, node.nanoseconds.into());
        utimensat(AT_FDCWD, &path, &modified, &modified, UtimensatFlags::NoFollowSymlink)?;
        Ok(())
    };
    done().or_failed(&format!(
        "set owner and rights of {} of the guest",
        node.path.escape_ascii()
    ))
}
