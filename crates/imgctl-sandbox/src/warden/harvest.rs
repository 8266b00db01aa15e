//! What the program wrote: the upper folder, entry by entry, read as the guest's root.

use super::failure::{Attempt as _, Outcome};
use super::layers::{Layers, UPPER};
use crate::connection::Connection;
use crate::serve::{MARK, NODE};
use crate::wire::{Failure, FromWarden, ToWarden, WireEntry, WireNode};
use nix::libc;
use std::fs::{self, File, Metadata, OpenOptions};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Entries of one message.
const BATCH: usize = 2000;

const OPAQUE: &[u8] = b"user.overlay.opaque";

/// Tells every entry, then opens files until the caller has all it wants.
pub(super) fn serve(connection: &Connection, _layers: &Layers) -> Outcome<()> {
    let mut harvest = Harvest {
        connection,
        batch: Vec::new(),
        files: Vec::new(),
    };
    harvest.walk().map_err(|failure| Failure {
        is_harvest: true,
        ..failure
    })?;
    connection.send(&FromWarden::NoMoreEntries).or_failed("answer")?;
    while let Ok(Some((message, _))) = connection.receive() {
        let ToWarden::Open(number) = message else {
            return Err(Failure::new("understand the caller", libc::EPROTO));
        };
        let path = usize::try_from(number)
            .ok()
            .and_then(|number| harvest.files.get(number));
        let opened = path
            .ok_or_else(|| Failure::new("find a changed file", libc::ENOENT))
            .and_then(|path| open(path));
        match opened {
            Ok(file) => connection.send_with(&FromWarden::Content, Some(file.as_fd())),
            Err(failure) => connection.send(&FromWarden::Failed(failure)),
        }
        .or_failed("answer")?;
    }
    Ok(())
}

/// Only a regular file, whatever its name leads to.
fn open(path: &Path) -> Outcome<File> {
    let action = "open a changed file";
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .or_failed(action)?;
    match file.metadata().or_failed(action)?.is_file() {
        true => Ok(file),
        false => Err(Failure::new(action, libc::EINVAL)),
    }
}

struct Harvest<'a> {
    connection: &'a Connection,
    batch: Vec<WireEntry>,
    /// The path of every entry, by its number.
    files: Vec<PathBuf>,
}

impl Harvest<'_> {
    /// Nobody else is in these folders any more, so names lead where they led a moment ago.
    fn walk(&mut self) -> Outcome<()> {
        let mut pending = vec![PathBuf::from(UPPER)];
        while let Some(path) = pending.pop() {
            let named = |action: &str| format!("{action} {}", path.display());
            let metadata = fs::symlink_metadata(&path).or_failed(&named("read"))?;
            let Some(node) = node(&path, &metadata)? else {
                continue;
            };
            if metadata.is_dir() {
                for entry in fs::read_dir(&path).or_failed(&named("list"))? {
                    pending.push(entry.or_failed(&named("list"))?.path());
                }
            }
            self.add(path, node)?;
        }
        self.flush()
    }

    fn add(&mut self, path: PathBuf, node: Option<WireNode>) -> Outcome<()> {
        let below = path.as_os_str().as_bytes().get(UPPER.len()..).unwrap_or_default();
        let name = match below {
            b"" => b"/".to_vec(),
            below => below.to_vec(),
        };
        self.batch.push(WireEntry { path: name, node });
        self.files.push(path);
        match self.batch.len() >= BATCH {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> Outcome<()> {
        let batch = std::mem::take(&mut self.batch);
        self.connection.send(&FromWarden::Entries(batch)).or_failed("answer")
    }
}

/// What is at a path of the upper folder: `Some(None)` is a mark that something was removed, `None` no change at all.
fn node(path: &Path, metadata: &Metadata) -> Outcome<Option<Option<WireNode>>> {
    let kind = metadata.file_type();
    if kind.is_char_device() && metadata.rdev() == 0 {
        return Ok(Some(None));
    }
    let action = format!("read attributes of {}", path.display());
    let mut xattrs = Vec::new();
    let (mut is_opaque, mut origin) = (false, None);
    for name in xattr::list(path).or_failed(&action)? {
        let name = name.into_vec();
        match name.as_slice() {
            MARK => return Ok(None),
            OPAQUE => is_opaque = true,
            NODE => origin = xattr::get(path, std::ffi::OsStr::from_bytes(NODE)).or_failed(&action)?,
            _ if is_wanted(&name) => {
                let value = xattr::get(path, std::ffi::OsStr::from_bytes(&name)).or_failed(&action)?;
                xattrs.extend(value.map(|value| (name, value)));
            }
            _ => {}
        }
    }
    let target = match kind.is_symlink() {
        true => fs::read_link(path).or_failed(&action)?.into_os_string().into_vec(),
        false => Vec::new(),
    };
    Ok(Some(Some(WireNode {
        mode: metadata.mode(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        size: metadata.size(),
        seconds: metadata.mtime(),
        nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
        device: metadata.rdev(),
        target,
        xattrs,
        is_opaque,
        origin: origin.unwrap_or_default(),
        link: match metadata.nlink() {
            0 | 1 => 0,
            _ if kind.is_dir() => 0,
            _ => metadata.ino(),
        },
    })))
}

/// What programs are served, they can have changed.
fn is_wanted(name: &[u8]) -> bool {
    match name.strip_prefix(b"user.") {
        Some(rest) => !rest.starts_with(b"overlay.") && !rest.starts_with(b"imgctl."),
        None => [
            &b"security.capability"[..],
            b"system.posix_acl_access",
            b"system.posix_acl_default",
        ]
        .contains(&name),
    }
}
