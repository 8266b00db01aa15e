//! The base image: opened, watched, never written.

mod chain;
mod identity;
mod in_place;
mod lock;

use crate::{Error, ErrorKind, InputOptions, Result};
use chain::{Chain, Member};
use identity::Identity;
use imgctl_block::{BlockRead, FileDevice};
use imgctl_qcow2::{Qcow2Image, Summary};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The image formats that can be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ImageFormat {
    /// The disk's bytes as they are.
    Raw,
    /// QEMU's copy-on-write format, version 2 or 3.
    Qcow2,
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        })
    }
}

/// An open base image.
#[derive(Debug)]
pub(crate) struct BaseImage {
    pub(crate) path: PathBuf,
    /// Whether the format was found by content rather than given.
    pub(crate) format_detected: bool,
    pub(crate) disk: BaseDisk,
    file: Arc<FileDevice>,
    identity: Identity,
    /// The files of its backing chain, and data files.
    members: Vec<Member>,
}

/// The disk inside the base image.
#[derive(Clone, Debug)]
pub(crate) enum BaseDisk {
    Raw(Arc<FileDevice>),
    Qcow2(Arc<Qcow2Image>),
}

impl BaseImage {
    /// Opens the image at `path` and holds qemu's locks on it, so that no program starts writing meanwhile.
    pub(crate) fn open(path: &Path, options: &InputOptions) -> Result<Self> {
        let (file, identity) = open_file(path, options)?;
        Self::from_file(path, options, file, identity)
    }

    fn from_file(path: &Path, options: &InputOptions, file: Arc<FileDevice>, identity: Identity) -> Result<Self> {
        let (format, format_detected) = match options.format {
            Some(format) => (format, false),
            None => (detect(&file, path)?, true),
        };
        let mut chain = Chain::new(options)?;
        let disk = match format {
            ImageFormat::Raw => BaseDisk::Raw(file.clone()),
            ImageFormat::Qcow2 => BaseDisk::Qcow2(Arc::new(chain.open(file.clone(), path)?)),
        };
        Ok(Self {
            path: path.to_owned(),
            format_detected,
            disk,
            file,
            identity,
            members: chain.members,
        })
    }

    /// Opens the image at `path` to replace it by its changed self. Nobody else may have it open, and what a successor
    /// could not have is refused by name.
    pub(crate) fn open_in_place(path: &Path, options: &InputOptions) -> Result<Self> {
        let options = InputOptions {
            force_share: false,
            own_chain: true,
            ..options.clone()
        };
        let file = in_place::open_alone(path)?;
        let identity = Identity::of(&file, path)?;
        // Another run may have replaced it between the opening and the locks.
        identity.check(&file, path)?;
        let file = Arc::new(FileDevice::new(file).map_err(|source| unreadable(path, source))?);
        let format = options.format.map_or_else(|| detect(&file, path), Ok)?;
        if format == ImageFormat::Qcow2 {
            let summary = Summary::read(&*file).map_err(|source| qcow2_error(path, source))?;
            in_place::refuse_lossy(&summary, path)?;
        }
        Self::from_file(path, &options, file, identity)
    }

    /// Holds qemu's locks on the file that will have this one's name.
    pub(crate) fn lock_successor(&self, file: &File) -> Result<()> {
        lock::hold_exclusive(file, &self.path)
    }

    pub(crate) fn format(&self) -> ImageFormat {
        match self.disk {
            BaseDisk::Raw(_) => ImageFormat::Raw,
            BaseDisk::Qcow2(_) => ImageFormat::Qcow2,
        }
    }

    /// The image file itself.
    pub(crate) fn file(&self) -> &Arc<FileDevice> {
        &self.file
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        self.file.len_bytes()
    }

    /// Fails if the file, or one that it needs, is no longer the one that was opened, or was written since.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        self.identity.check(self.file.file(), &self.path)?;
        self.members
            .iter()
            .try_for_each(|member| member.identity.check(member.file.file(), &member.path))
    }

    /// Whether `path` names this very file or one that it needs, by whatever way.
    pub(crate) fn is_same_file(&self, path: &Path) -> bool {
        self.identity.is_that_of(path) || self.members.iter().any(|member| member.identity.is_that_of(path))
    }
}

impl BaseDisk {
    /// The disk as the guest sees it.
    pub(crate) fn device(&self) -> Arc<dyn BlockRead> {
        match self {
            Self::Raw(file) => file.clone(),
            Self::Qcow2(image) => image.clone(),
        }
    }

    /// The qcow2 image, for whoever wants its clusters.
    pub(crate) fn qcow2(&self) -> Option<&Qcow2Image> {
        match self {
            Self::Raw(_) => None,
            Self::Qcow2(image) => Some(image),
        }
    }
}

/// An image file whose content nobody asks for: other files it may need are not opened.
#[derive(Debug)]
pub(crate) struct LooseImage {
    pub(crate) file: Arc<FileDevice>,
    pub(crate) format: ImageFormat,
    pub(crate) format_detected: bool,
}

impl LooseImage {
    /// Opens the file at `path` with qemu's locks.
    pub(crate) fn open(path: &Path, options: &InputOptions) -> Result<Self> {
        let (file, _) = open_file(path, options)?;
        let (format, format_detected) = match options.format {
            Some(format) => (format, false),
            None => (detect(&file, path)?, true),
        };
        Ok(Self {
            file,
            format,
            format_detected,
        })
    }
}

fn open_file(path: &Path, options: &InputOptions) -> Result<(Arc<FileDevice>, Identity)> {
    let file = File::open(path).map_err(|source| {
        Error::new(ErrorKind::Other, format!("cannot open the image {}", path.display())).with_source(source)
    })?;
    let identity = Identity::of(&file, path)?;
    if !options.force_share {
        lock::hold_shared(&file, path)?;
    }
    let file = FileDevice::new(file).map_err(|source| unreadable(path, source))?;
    Ok((Arc::new(file), identity))
}

/// The format of an image, by its first bytes. What is no known image format is raw.
fn detect(file: &FileDevice, path: &Path) -> Result<ImageFormat> {
    let length = usize::try_from(file.len_bytes())
        .unwrap_or(usize::MAX)
        .min(imgctl_qcow2::PROBE_BYTES);
    let first = file.read_vec(0, length).map_err(|source| unreadable(path, source))?;
    if first.is_empty() {
        return Err(Error::new(
            ErrorKind::Image,
            format!("the image {} is empty", path.display()),
        ));
    }
    if imgctl_qcow2::probe(&first) {
        return Ok(ImageFormat::Qcow2);
    }
    let foreign = match imgctl_qcow2::detect_foreign(&first) {
        None if ends_as_fixed_vhd(file, path)? => Some(imgctl_qcow2::ForeignFormat::Vhd),
        foreign => foreign,
    };
    match foreign {
        None => Ok(ImageFormat::Raw),
        Some(foreign) => Err(Error::new(
            ErrorKind::Image,
            format!("the image {} is a {foreign}, which is not supported", path.display()),
        )
        .with_hint(format!("convert it first: {}", foreign.convert_command()))),
    }
}

/// Such a file is a disk as it is, with a footer that would become a part of the guest's disk.
fn ends_as_fixed_vhd(file: &FileDevice, path: &Path) -> Result<bool> {
    let Some(start) = file.len_bytes().checked_sub(imgctl_qcow2::PROBE_BYTES as u64) else {
        return Ok(false);
    };
    let last = file
        .read_vec(start, imgctl_qcow2::PROBE_BYTES)
        .map_err(|source| unreadable(path, source))?;
    Ok(imgctl_qcow2::is_fixed_vhd(&last))
}

fn unreadable(path: &Path, source: imgctl_block::Error) -> Error {
    Error::new(ErrorKind::Other, format!("cannot read the image {}", path.display())).with_source(source)
}

fn qcow2_error(path: &Path, source: imgctl_qcow2::Error) -> Error {
    use imgctl_qcow2::Error as Qcow2Error;
    let hint = match &source {
        Qcow2Error::BackingFile { .. } | Qcow2Error::DataFile { .. } => Some(
            "an image that names other files could read any file of this host; if this one may, say where they may lie \
             with --allow-backing DIR, or make it self-contained first: qemu-img convert -O qcow2 IN OUT",
        ),
        Qcow2Error::NotQcow2 => Some("leave out --input-format to have the format detected"),
        _ => None,
    };
    let error = Error::new(
        ErrorKind::Image,
        format!("cannot open the qcow2 image {}", path.display()),
    );
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
    .with_source(source)
}
