//! Backing and data files: opened only below the folders that the caller allows, with a format that is never guessed.
//!
//! What an image names is resolved the way QEMU does (from the folder of the image that names it), but to a handle that
//! can do nothing (`O_PATH`); only when that handle's real place lies within an allowed folder, and is a file or a
//! block device, the file itself is opened, through the handle. For an image that is changed in place, its own chain may
//! be followed without allowed folders, since nothing of it leaves the image: regular files only, and no data files.

use super::identity::Identity;
use super::{ImageFormat, lock, qcow2_error, unreadable};
use crate::{Error, ErrorKind, InputOptions, Result};
use imgctl_block::{BlockRead, FileDevice};
use imgctl_qcow2::{BackingFile, ExternalFiles, Qcow2Image, Summary};
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most images below the first one.
const MAX_DEPTH: usize = 16;

/// A file that an image needs besides its own.
#[derive(Debug)]
pub(crate) struct Member {
    /// Where it really lies.
    pub(super) path: PathBuf,
    pub(super) file: Arc<FileDevice>,
    pub(super) identity: Identity,
}

/// Opens an image together with everything it is allowed to name.
pub(super) struct Chain<'a> {
    options: &'a InputOptions,
    /// The allowed folders, free of symbolic links.
    roots: Vec<PathBuf>,
    /// Device and inode of the images above, to see loops.
    above: Vec<(u64, u64)>,
    pub(super) members: Vec<Member>,
}

impl<'a> Chain<'a> {
    pub(super) fn new(options: &'a InputOptions) -> Result<Self> {
        let resolve = |folder: &PathBuf| {
            folder.canonicalize().map_err(|source| {
                let what = format!("cannot find the folder {} of --allow-backing", folder.display());
                Error::new(ErrorKind::Usage, what).with_source(source)
            })
        };
        Ok(Self {
            options,
            roots: options.allow_backing.iter().map(resolve).collect::<Result<_>>()?,
            above: Vec::new(),
            members: Vec::new(),
        })
    }

    /// Opens the qcow2 image in `file`, which is called `path`, with its backing chain and its data file.
    pub(super) fn open(&mut self, file: Arc<FileDevice>, path: &Path) -> Result<Qcow2Image> {
        let metadata = file.file().metadata().map_err(|source| cannot_open(path, source))?;
        let identity = (metadata.dev(), metadata.ino());
        if self.above.contains(&identity) {
            return Err(Error::new(
                ErrorKind::Image,
                format!("the backing chain is a loop: {} comes up a second time", path.display()),
            ));
        }
        self.above.push(identity);
        let external = match self.roots.is_empty() && !self.options.own_chain {
            true => ExternalFiles::default(),
            false => self.external(&*file, path)?,
        };
        self.above.pop();
        Qcow2Image::open_with(file, external).map_err(|source| qcow2_error(path, source))
    }

    fn external(&mut self, file: &dyn BlockRead, path: &Path) -> Result<ExternalFiles> {
        let summary = Summary::read(file).map_err(|source| qcow2_error(path, source))?;
        let data = match &summary.data_file {
            // Refused by its name, by whoever opens the image.
            _ if self.is_own() => None,
            None => None,
            Some(name) => {
                let (file, _) = self.open_named("data file", name, path)?;
                Some(file as Arc<dyn BlockRead>)
            }
        };
        let backing = match &summary.backing_file {
            None => None,
            Some(backing) => Some(self.backing(backing, path)?),
        };
        Ok(ExternalFiles { backing, data })
    }

    /// Whether the chain is followed as the image has it, not by what the caller allows.
    fn is_own(&self) -> bool {
        self.roots.is_empty() && self.options.own_chain
    }

    fn backing(&mut self, backing: &BackingFile, overlay: &Path) -> Result<Arc<dyn BlockRead>> {
        if self.above.len() > MAX_DEPTH {
            return Err(Error::new(
                ErrorKind::Image,
                format!("the backing chain is longer than {MAX_DEPTH} images"),
            )
            .with_hint("flatten it first: qemu-img convert -O qcow2 IN OUT"));
        }
        let format = self.backing_format(backing, overlay)?;
        let (file, path) = self.open_named("backing file", &backing.name, overlay)?;
        Ok(match format {
            ImageFormat::Raw => file,
            ImageFormat::Qcow2 => Arc::new(self.open(file, &path)?),
        })
    }

    /// A guess by content would let a guest, which writes the content, choose the format.
    fn backing_format(&self, backing: &BackingFile, overlay: &Path) -> Result<ImageFormat> {
        match (backing.format.as_deref(), self.options.backing_format) {
            (Some("raw"), _) => Ok(ImageFormat::Raw),
            (Some("qcow2"), _) => Ok(ImageFormat::Qcow2),
            (Some(other), _) => Err(Error::new(
                ErrorKind::Image,
                format!(
                    "the backing file {:?} of {} has the format {other:?}, which is not supported",
                    backing.name,
                    overlay.display()
                ),
            )
            .with_hint("flatten the image first: qemu-img convert -O qcow2 IN OUT")),
            (None, Some(format)) => Ok(format),
            (None, None) => Err(Error::new(
                ErrorKind::Image,
                format!(
                    "{} does not say which format its backing file {:?} has",
                    overlay.display(),
                    backing.name
                ),
            )
            .with_hint("say it with --backing-format raw or --backing-format qcow2; it is never guessed")),
        }
    }

    /// Opens what `image` calls `name`, and returns it with its path as seen from the image.
    fn open_named(&mut self, what: &str, name: &str, image: &Path) -> Result<(Arc<FileDevice>, PathBuf)> {
        let refused = |problem: String| {
            Error::new(
                ErrorKind::Image,
                format!("the {what} {name:?} of {} is not opened: {problem}", image.display()),
            )
        };
        if name.is_empty() {
            return Err(refused("it has no name".to_owned()));
        }
        if let Some(protocol) = protocol(name) {
            return Err(refused(format!(
                "`{protocol}:` is a protocol of QEMU's, and only files are opened"
            )));
        }
        let path = image.parent().unwrap_or_else(|| Path::new("")).join(name);
        let handle = rustix::fs::open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| refused("it cannot be found".to_owned()).with_source(std::io::Error::from(errno)))?;
        let through = format!("/proc/self/fd/{}", handle.as_raw_fd());
        let real = std::fs::read_link(&through).map_err(|source| cannot_open(&path, source))?;
        if !self.is_own() && !self.roots.iter().any(|root| real.starts_with(root)) {
            return Err(
                refused(format!("{} lies outside of the allowed folders", real.display()))
                    .with_hint("allow its folder with --allow-backing DIR if the image is to be trusted with it"),
            );
        }
        let stat = rustix::fs::fstat(&handle).map_err(|errno| cannot_open(&path, errno.into()))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::BlockDevice if !self.is_own() => {}
            FileType::BlockDevice => return Err(refused("it is a block device".to_owned())),
            _ => return Err(refused("it is neither a regular file nor a block device".to_owned())),
        }
        let file = File::open(&through).map_err(|source| cannot_open(&path, source))?;
        let identity = Identity::of(&file, &real)?;
        if !self.options.force_share {
            lock::hold_shared(&file, &real)?;
        }
        let file = Arc::new(FileDevice::new(file).map_err(|source| unreadable(&real, source))?);
        self.members.push(Member {
            path: real,
            file: Arc::clone(&file),
            identity,
        });
        Ok((file, path))
    }
}

/// What stands before the first colon, unless a slash comes first: QEMU takes such names for protocols.
fn protocol(name: &str) -> Option<&str> {
    let (before, _) = name.split_once(':')?;
    (!before.contains('/')).then_some(before)
}

fn cannot_open(path: &Path, source: std::io::Error) -> Error {
    Error::new(ErrorKind::Other, format!("cannot open {}", path.display())).with_source(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_told_from_paths() {
        for (name, expected) in [
            ("nbd://host/x", Some("nbd")),
            ("json:{\"driver\":\"file\"}", Some("json")),
            ("file:/etc/shadow", Some("file")),
            (":x", Some("")),
            ("./nbd:x", None),
            ("/dev/disk/by-path/pci:0", None),
            ("base.qcow2", None),
        ] {
            assert_eq!(protocol(name), expected, "{name}");
        }
    }
}
