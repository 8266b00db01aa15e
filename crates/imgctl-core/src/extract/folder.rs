//! A part of a guest's tree in a folder of the host.
//!
//! Every name is created by itself in a folder that is open already, and no symbolic link is ever followed: whatever the
//! guest's names and links are, and whoever changes the folder meanwhile, nothing is written outside of it.

use super::{Content, FirstNames, below, guest_error, read_link};
use crate::{Error, ErrorKind, Result};
use imgctl_vfs::{
    EscapedBytes, FileKind, Found, GuestPath, Metadata, Timestamp, Tree, TreeNode, WalkEntry, check_name,
};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Folders within folders, each of which stays open while what is in it is written.
const MAX_DEPTH: usize = 512;

/// What is taken over.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ExtractOptions {
    /// Owners and groups, which only root may set, and with them the setuid, setgid and sticky bits.
    pub owners: bool,
    /// Permission bits that are taken away: the process's umask; 0 with `owners`.
    pub umask: u16,
}

/// A folder of the host that parts of a guest are written to.
#[derive(Debug)]
pub struct Extraction {
    root: OwnedFd,
    options: ExtractOptions,
    warnings: Vec<String>,
}

impl Extraction {
    /// Opens the folder at `path`, which must be there.
    pub fn new(path: &Path, options: ExtractOptions) -> Result<Self> {
        let root = rustix::fs::open(path, folder_flags() & !OFlags::NOFOLLOW, Mode::empty()).map_err(|errno| {
            let what = format!("cannot open the folder {}", path.display());
            Error::new(ErrorKind::Other, what).with_source(io::Error::from(errno))
        })?;
        Ok(Self {
            root,
            options,
            warnings: Vec::new(),
        })
    }

    /// What could not be taken over so far.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Writes a regular file as `name`, with the mode that new files have.
    pub fn file(&mut self, tree: &Tree, found: &Found, name: &[u8]) -> Result<()> {
        check_name(name).map_err(|source| guest_error(&found.path, source))?;
        let mode = Mode::from_raw_mode(0o666);
        write_file(self.root.as_fd(), name, tree, found.node, mode)
            .map(drop)
            .map_err(|source| failed(&found.path, source))
    }

    /// Writes everything below a folder into one of its own name; what is below the guest's root into this folder itself.
    pub fn folder(&mut self, tree: &Tree, found: &Found) -> Result<()> {
        let top = match found.path.file_name() {
            Some(name) => open_or_make(self.root.as_fd(), name),
            None => self.root.try_clone().map_err(|_| Errno::MFILE),
        };
        let top = top.map_err(|errno| failed(&found.path, errno.into()))?;
        let mut run = Run {
            tree,
            start: &found.path,
            options: self.options,
            open: Vec::new(),
            first_names: FirstNames::new(),
            warnings: &mut self.warnings,
        };
        let mut entries = tree.walk(found);
        let first = entries.next().transpose();
        let first = first.map_err(|source| guest_error(&found.path, source))?;
        if let Some(first) = first {
            run.open.push(OpenFolder { fd: top, entry: first });
        }
        for entry in entries {
            run.entry(entry.map_err(|source| guest_error(&found.path, source))?)?;
        }
        run.close_all_but(0)
    }
}

/// A folder that is being filled. Its mode and times come last, when nothing changes it any more.
#[derive(Debug)]
struct OpenFolder {
    fd: OwnedFd,
    entry: WalkEntry,
}

struct Run<'a> {
    tree: &'a Tree,
    start: &'a GuestPath,
    options: ExtractOptions,
    /// From the top down to where the walk is.
    open: Vec<OpenFolder>,
    first_names: FirstNames<GuestPath>,
    warnings: &'a mut Vec<String>,
}

impl Run<'_> {
    fn entry(&mut self, entry: WalkEntry) -> Result<()> {
        let depth = below(self.start, &entry.path).split(|byte| *byte == b'/').count();
        self.close_all_but(depth)?;
        let path = entry.path.clone();
        self.make(entry).map_err(|source| failed(&path, source))
    }

    fn make(&mut self, entry: WalkEntry) -> io::Result<()> {
        let WalkEntry { path, node, metadata } = &entry;
        let name = path.file_name().unwrap_or_default();
        check_name(name).map_err(io::Error::other)?;
        let Some(folder) = self.open.last() else {
            return Err(io::Error::other("its folder is not open"));
        };
        if metadata.kind == FileKind::Directory {
            if self.open.len() >= MAX_DEPTH {
                return Err(io::Error::other(format!(
                    "more than {MAX_DEPTH} folders lie within each other"
                )));
            }
            let fd = open_or_make(folder.fd.as_fd(), name)?;
            self.open.push(OpenFolder { fd, entry });
            return Ok(());
        }
        let parent = folder.fd.try_clone()?;
        if let Some(earlier) = self.first_names.earlier(*node, metadata, || path.clone()) {
            return self.link(&earlier, parent.as_fd(), name);
        }
        match self.create(parent.as_fd(), name, *node, metadata) {
            Err(error) if is_unprivileged(metadata.kind, &error) => {
                let kind = metadata.kind.name();
                self.warnings
                    .push(format!("{path}: a {kind} can be made by root only; it was left out"));
                Ok(())
            }
            other => other,
        }
    }

    fn create(&mut self, parent: BorrowedFd<'_>, name: &[u8], node: TreeNode, metadata: &Metadata) -> io::Result<()> {
        let device = |kind, major, minor| {
            replacing(parent, name, || {
                let mode = self.mode(metadata);
                rustix::fs::mknodat(parent, name, kind, mode, rustix::fs::makedev(major, minor))
            })
        };
        match metadata.kind {
            FileKind::File => {
                let file = write_file(parent, name, self.tree, node, Mode::from_raw_mode(0o600))?;
                return self.finish(file.as_fd(), metadata);
            }
            FileKind::Symlink => {
                let target = read_link(self.tree, node).map_err(io::Error::other)?;
                replacing(parent, name, || rustix::fs::symlinkat(target.as_slice(), parent, name))?;
            }
            FileKind::CharDevice(major, minor) => device(FileType::CharacterDevice, major, minor)?,
            FileKind::BlockDevice(major, minor) => device(FileType::BlockDevice, major, minor)?,
            FileKind::Fifo => device(FileType::Fifo, 0, 0)?,
            FileKind::Socket => {
                self.warnings
                    .push(format!("{}: a socket was left out", EscapedBytes(name)));
                return Ok(());
            }
            FileKind::Directory => {}
        }
        self.finish_by_name(parent, name, metadata)
    }

    /// Another name of a file that was written under `earlier`; nothing on the way there may be a link.
    fn link(&self, earlier: &GuestPath, parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
        let Some(top) = self.open.first() else {
            return Err(io::Error::other("its folder is not open"));
        };
        let mut folder = top.fd.try_clone()?;
        let mut names: Vec<&[u8]> = below(self.start, earlier).split(|byte| *byte == b'/').collect();
        let last = names.pop().unwrap_or_default();
        for step in names {
            folder = rustix::fs::openat(&folder, step, folder_flags(), Mode::empty())?;
        }
        replacing(parent, name, || {
            rustix::fs::linkat(&folder, last, parent, name, AtFlags::empty())
        })
    }

    /// Owner, mode and times of what is open.
    fn finish(&self, fd: BorrowedFd<'_>, metadata: &Metadata) -> io::Result<()> {
        if self.options.owners {
            let (uid, gid) = owner(metadata);
            rustix::fs::fchown(fd, uid, gid)?;
        }
        rustix::fs::fchmod(fd, self.mode(metadata))?;
        Ok(rustix::fs::futimens(fd, &times(metadata.modified))?)
    }

    /// The same for what cannot be opened. A link has no mode of its own.
    fn finish_by_name(&self, parent: BorrowedFd<'_>, name: &[u8], metadata: &Metadata) -> io::Result<()> {
        if self.options.owners {
            let (uid, gid) = owner(metadata);
            rustix::fs::chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        if metadata.kind != FileKind::Symlink {
            // Opened as a mere name, so that a link that somebody puts in its place is not followed.
            let handle = rustix::fs::openat(
                parent,
                name,
                OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            if FileType::from_raw_mode(rustix::fs::fstat(&handle)?.st_mode) != FileType::Symlink {
                let by_handle = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&handle));
                rustix::fs::chmod(by_handle, self.mode(metadata))?;
            }
        }
        let times = times(metadata.modified);
        Ok(rustix::fs::utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    fn mode(&self, metadata: &Metadata) -> Mode {
        let bits = match self.options.owners {
            true => metadata.mode,
            false => metadata.mode & 0o777 & !self.options.umask,
        };
        Mode::from_raw_mode(bits.into())
    }

    /// Finishes folders from the innermost on, until `count` stay open.
    fn close_all_but(&mut self, count: usize) -> Result<()> {
        while self.open.len() > count {
            let Some(folder) = self.open.pop() else {
                break;
            };
            let finished = self.finish(folder.fd.as_fd(), &folder.entry.metadata);
            finished.map_err(|source| failed(&folder.entry.path, source))?;
        }
        Ok(())
    }
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// The folder `name`: one that is there, or a new one, which takes the place of anything else.
fn open_or_make(parent: BorrowedFd<'_>, name: &[u8]) -> std::result::Result<OwnedFd, Errno> {
    let open = || rustix::fs::openat(parent, name, folder_flags(), Mode::empty());
    match open() {
        Err(Errno::NOENT) => {}
        Err(Errno::LOOP | Errno::NOTDIR) => rustix::fs::unlinkat(parent, name, AtFlags::empty())?,
        other => return other,
    }
    rustix::fs::mkdirat(parent, name, Mode::RWXU)?;
    open()
}

/// A new regular file with the content of `node`.
fn write_file(parent: BorrowedFd<'_>, name: &[u8], tree: &Tree, node: TreeNode, mode: Mode) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = None;
    replacing(parent, name, || {
        file = Some(File::from(rustix::fs::openat(parent, name, flags, mode)?));
        Ok(())
    })?;
    let Some(mut file) = file else {
        return Err(io::ErrorKind::NotFound.into());
    };
    io::copy(
        &mut io::BufReader::with_capacity(1 << 20, Content::new(tree, node)),
        &mut file,
    )?;
    Ok(file)
}

/// Makes something; what has the name already gives way, unless it is a folder.
fn replacing(
    parent: BorrowedFd<'_>,
    name: &[u8],
    mut make: impl FnMut() -> std::result::Result<(), Errno>,
) -> io::Result<()> {
    match make() {
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(parent, name, AtFlags::empty())?;
            Ok(make()?)
        }
        other => Ok(other?),
    }
}

fn owner(metadata: &Metadata) -> (Option<rustix::fs::Uid>, Option<rustix::fs::Gid>) {
    // -1 would mean that it stays as it is.
    let uid = (metadata.uid != u32::MAX).then(|| rustix::fs::Uid::from_raw(metadata.uid));
    let gid = (metadata.gid != u32::MAX).then(|| rustix::fs::Gid::from_raw(metadata.gid));
    (uid, gid)
}

/// The time of the last change in whole seconds, as a tar archive carries it.
fn times(modified: Timestamp) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: modified.seconds,
            tv_nsec: 0,
        },
    }
}

fn is_unprivileged(kind: FileKind, error: &io::Error) -> bool {
    let is_device = matches!(kind, FileKind::CharDevice(..) | FileKind::BlockDevice(..));
    is_device && error.raw_os_error() == Some(Errno::PERM.raw_os_error())
}

fn failed(path: &GuestPath, source: io::Error) -> Error {
    Error::new(ErrorKind::Other, format!("cannot copy {path}")).with_source(source)
}
