//! Files that appear whole or not at all.

use crate::{Error, ErrorKind, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A file under way to its name. Dropped before [`publish`](Self::publish), it leaves nothing behind.
///
/// A block device has its name already and is written in place, so it is not atomic at all.
#[derive(Debug)]
pub(crate) struct PendingFile {
    target: PathBuf,
    file: File,
    is_device: bool,
    /// The name it has until then, on filesystems where a file cannot be without one.
    interim: Option<Interim>,
}

/// A name that is removed on drop.
#[derive(Debug)]
struct Interim(PathBuf);

impl Drop for Interim {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the name tells what the file is.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl PendingFile {
    /// Begins a file that will be `target`. Where the filesystem can, it has no name until then, so that not even a
    /// kill leaves a trace.
    pub(crate) fn create(target: &Path) -> Result<Self> {
        let folder = folder_of(target);
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        match rustix::fs::open(&folder, flags | OFlags::TMPFILE, mode) {
            Ok(fd) => Ok(Self {
                target: target.to_owned(),
                file: fd.into(),
                is_device: false,
                interim: None,
            }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let path = interim_name(target);
                let fd = rustix::fs::open(&path, flags | OFlags::CREATE | OFlags::EXCL, mode)
                    .map_err(|errno| cannot_create(target, errno))?;
                Ok(Self {
                    target: target.to_owned(),
                    file: fd.into(),
                    is_device: false,
                    interim: Some(Interim(path)),
                })
            }
            Err(errno) => Err(cannot_create(target, errno)),
        }
    }

    /// Opens a block device that nobody uses (it is not mounted, nor part of another device).
    pub(crate) fn open_device(target: &Path) -> Result<Self> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::EXCL;
        let fd = rustix::fs::open(target, flags, Mode::empty()).map_err(|errno| {
            let error = Error::new(ErrorKind::Other, format!("cannot open the device {}", target.display()));
            match errno {
                Errno::BUSY => error.with_hint("it is in use: unmount it, or take it out of what uses it, first"),
                _ => error,
            }
            .with_source(std::io::Error::from(errno))
        })?;
        Ok(Self {
            target: target.to_owned(),
            file: fd.into(),
            is_device: true,
            interim: None,
        })
    }

    /// Whether this is a block device.
    pub(crate) fn is_device(&self) -> bool {
        self.is_device
    }

    /// The file, open for reading and writing.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Makes the content durable.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|source| {
            Error::new(
                ErrorKind::Other,
                format!("cannot make {} durable", self.target.display()),
            )
            .with_source(source)
        })
    }

    /// Gives the file its name. What had the name is replaced only with `replace`.
    pub(crate) fn publish(self, replace: bool) -> Result<()> {
        if self.is_device {
            return Ok(());
        }
        let failed = |errno: Errno| match errno {
            Errno::EXIST => exists(&self.target),
            errno => Error::new(
                ErrorKind::Other,
                format!("cannot name the output {}", self.target.display()),
            )
            .with_source(std::io::Error::from(errno)),
        };
        match (&self.interim, replace) {
            (None, false) => self.link_to(&self.target).map_err(failed)?,
            (None, true) => {
                // A link never replaces a name, a rename does.
                let interim = Interim(interim_name(&self.target));
                self.link_to(&interim.0).map_err(failed)?;
                rustix::fs::rename(&interim.0, &self.target).map_err(failed)?;
            }
            (Some(interim), true) => rustix::fs::rename(&interim.0, &self.target).map_err(failed)?,
            (Some(interim), false) => rustix::fs::link(&interim.0, &self.target).map_err(failed)?,
        }
        sync_folder(&self.target)
    }

    fn link_to(&self, path: &Path) -> std::result::Result<(), Errno> {
        let source = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        rustix::fs::linkat(CWD, source, CWD, path, AtFlags::SYMLINK_FOLLOW)
    }
}

/// Fails if something has the name already.
pub(crate) fn check_free(target: &Path) -> Result<()> {
    match target.symlink_metadata() {
        Ok(_) => Err(exists(target)),
        Err(_) => Ok(()),
    }
}

/// The folder that `target` is in.
pub(crate) fn folder_of(target: &Path) -> PathBuf {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A name beside `target` that says what it is. The process id keeps two runs apart; it never reaches an output.
fn interim_name(target: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".imgctl-{}", std::process::id()));
    folder_of(target).join(name)
}

/// Makes the name itself durable.
fn sync_folder(target: &Path) -> Result<()> {
    let folder = folder_of(target);
    File::open(&folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| {
            Error::new(
                ErrorKind::Other,
                format!("cannot make the folder {} durable", folder.display()),
            )
            .with_source(source)
        })
}

fn exists(target: &Path) -> Error {
    Error::new(
        ErrorKind::Usage,
        format!("the output {} exists already", target.display()),
    )
    .with_hint("name another file, or add --force to replace it")
}

fn cannot_create(target: &Path, errno: Errno) -> Error {
    Error::new(
        ErrorKind::Other,
        format!("cannot create the output {}", target.display()),
    )
    .with_hint(format!(
        "check that the folder {} exists and can be written",
        folder_of(target).display()
    ))
    .with_source(std::io::Error::from(errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        let pending = PendingFile::create(&target).unwrap();
        pending.file().write_all(b"new").unwrap();
        assert!(!target.exists());
        drop(pending);
        assert!(names(folder.path()).is_empty());

        let pending = PendingFile::create(&target).unwrap();
        pending.file().write_all(b"new").unwrap();
        pending.sync().unwrap();
        pending.publish(false).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn what_is_there_is_replaced_only_by_force() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        std::fs::write(&target, b"old").unwrap();
        assert_eq!(check_free(&target).unwrap_err().kind(), ErrorKind::Usage);
        let pending = PendingFile::create(&target).unwrap();
        assert_eq!(pending.publish(false).unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(std::fs::read(&target).unwrap(), b"old");

        let pending = PendingFile::create(&target).unwrap();
        pending.file().write_all(b"new").unwrap();
        pending.publish(true).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = PendingFile::create(Path::new("/nonexistent/out")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/out"));
        assert!(error.hint().unwrap().contains("/nonexistent "));
    }
}
