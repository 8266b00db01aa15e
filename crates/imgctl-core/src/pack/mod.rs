//! From the overlay to a published image: pack, digest, publish.

mod attributes;
mod device;
pub(crate) mod digest;
mod free;
mod in_place;
pub(crate) mod publish;

pub(crate) use free::{free_ranges, merge, wipe};
pub(crate) use in_place::Replacement;

use crate::event::OnEvent;
use crate::image::BaseImage;
use crate::receipt::{ClusterRecord, OutputRecord};
use crate::{Error, ErrorKind, Event, OutputOptions, Result, Stage};
use digest::{FileDigests, checksum_line, digest_file};
use imgctl_block::{BlockRead, FileDevice, Overlay, Slice};
use imgctl_qcow2::{BackingFile, RawOptions, RewriteOptions, Source, Untouched, rewrite, write_raw};
use imgctl_recipe::{ChecksumKind, Compression, CompressionKind, OutputFormat};
use publish::{PendingFile, check_free};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const DEFAULT_CLUSTER_BYTES: u64 = 64 << 10;

/// An output that has its place but no content yet.
#[derive(Debug)]
pub(crate) struct PendingOutput<'a> {
    options: &'a OutputOptions,
    image: PendingFile,
    /// The base as the output's backing file, when only the changes are written.
    backing: Option<BackingFile>,
}

/// What an output may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    /// A file only.
    File,
    /// A block device too, with `force`.
    FileOrDevice,
}

/// What is packed.
pub(crate) struct PackSource<'a> {
    pub(crate) base: &'a BaseImage,
    pub(crate) overlay: &'a Overlay,
    /// What the guest's filesystems do not use, as byte ranges of the disk.
    pub(crate) free: &'a [Range<u64>],
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) cancel: &'a AtomicBool,
    pub(crate) on_event: OnEvent<'a>,
}

impl<'a> PendingOutput<'a> {
    /// Checks everything that can be checked before the work, and takes the place in the output's folder.
    pub(crate) fn create(options: &'a OutputOptions, base: &BaseImage, target: Target) -> Result<Self> {
        if base.is_same_file(&options.path) {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("the output {} is the base image itself", options.path.display()),
            )
            .with_hint("the base is never written; name another output"));
        }
        if options.path.is_dir() {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("the output {} is a directory", options.path.display()),
            ));
        }
        if device::is_block_device(&options.path) {
            return Ok(Self {
                image: device::open(options, target)?,
                backing: None,
                options,
            });
        }
        if !options.force {
            for path in published_paths(options) {
                check_free(&path)?;
            }
        }
        Ok(Self {
            image: PendingFile::create(&options.path)?,
            backing: options.thin.then(|| backing(base, options)).transpose()?,
            options,
        })
    }

    /// Whether it is a block device, which is written in place.
    pub(crate) fn is_device(&self) -> bool {
        self.image.is_device()
    }

    /// Writes the image.
    pub(crate) fn pack(self, source: &PackSource<'_>) -> Result<Packed<'a>> {
        if self.is_device() {
            let disk_bytes = source.overlay.len_bytes();
            device::clear(self.image.file(), self.options, disk_bytes, source.cancel)?;
        }
        let dirty = source.overlay.dirty_ranges();
        let content = Source {
            content: source.overlay,
            base: source.base.disk.qcow2(),
            dirty: &dirty,
            free: source.free,
        };
        let progress = |done, total| {
            (source.on_event)(Event::Progress {
                stage: Stage::Pack,
                done,
                total,
            });
        };
        let file = self.image.file();
        let packed = match self.options.format {
            OutputFormat::Raw => {
                let options = RawOptions {
                    threads: threads(source.threads),
                    progress: Some(&progress),
                    cancel: Some(source.cancel),
                };
                write_raw(&content, file, &options).map(|stats| (ClusterRecord::default(), stats.file_bytes))
            }
            OutputFormat::Qcow2 => {
                let options = RewriteOptions {
                    compression: compression(self.options.compression),
                    cluster_bytes: self.options.cluster_bytes.unwrap_or(DEFAULT_CLUSTER_BYTES),
                    compat: self.options.compat,
                    untouched: match self.options.recompress {
                        true => Untouched::Anew,
                        false => Untouched::Streams,
                    },
                    threads: threads(source.threads),
                    backing: self.backing.clone(),
                    progress: Some(&progress),
                    cancel: Some(source.cancel),
                };
                rewrite(&content, file, &options).map(|stats| {
                    let clusters = ClusterRecord {
                        copied: stats.copied,
                        compressed: stats.compressed,
                        plain: stats.plain,
                        free: stats.dropped_free,
                        zero: stats.zero,
                    };
                    (clusters, stats.file_bytes)
                })
            }
        };
        let (clusters, file_bytes) = packed.map_err(|source| self.cannot_write(source))?;
        Ok(Packed {
            virtual_bytes: source.overlay.len_bytes(),
            output: self,
            clusters,
            file_bytes,
        })
    }

    fn cannot_write(&self, source: imgctl_qcow2::Error) -> Error {
        let path = &self.options.path;
        if self.is_device() && matches!(source, imgctl_qcow2::Error::Cancelled) {
            let what = format!("interrupted; the device {} is half written", path.display());
            return Error::new(ErrorKind::Cancelled, what);
        }
        cannot_write(source, path)
    }
}

fn cannot_write(source: imgctl_qcow2::Error, path: &Path) -> Error {
    use imgctl_qcow2::Error as Qcow2Error;
    let kind = match &source {
        Qcow2Error::Cancelled => return crate::stages::cancelled(),
        Qcow2Error::InvalidOption { .. } => ErrorKind::Usage,
        Qcow2Error::Damaged { .. } | Qcow2Error::BadStream { .. } => ErrorKind::Image,
        Qcow2Error::Device(imgctl_block::Error::Damaged { .. }) => ErrorKind::Image,
        _ => ErrorKind::Other,
    };
    Error::new(kind, format!("cannot write the image {}", path.display())).with_source(source)
}

fn threads(wanted: Option<NonZeroUsize>) -> usize {
    wanted
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get)
}

/// Level 6 and level 3 are the codecs' own defaults.
fn compression(wanted: Option<Compression>) -> imgctl_qcow2::Compression {
    let kind = wanted.map_or(CompressionKind::Zlib, |wanted| wanted.kind);
    let level = wanted.and_then(|wanted| wanted.level);
    match kind {
        CompressionKind::Zlib => imgctl_qcow2::Compression::Zlib(level.unwrap_or(6)),
        CompressionKind::Zstd => imgctl_qcow2::Compression::Zstd(level.unwrap_or(3)),
        CompressionKind::None => imgctl_qcow2::Compression::None,
    }
}

/// The base as the header of an output names it: qemu takes it relative to the output's folder.
fn backing(base: &BaseImage, options: &OutputOptions) -> Result<BackingFile> {
    if options.format == OutputFormat::Raw {
        return Err(Error::new(ErrorKind::Usage, "a raw image cannot hold only the changes")
            .with_hint("leave out --thin, or write qcow2"));
    }
    let failed = |source| {
        Error::new(
            ErrorKind::Other,
            format!("cannot find the folder of {}", base.path.display()),
        )
        .with_source(source)
    };
    let path = base.path.canonicalize().map_err(failed)?;
    let folder = publish::folder_of(&options.path).canonicalize().map_err(failed)?;
    // A name without a folder still fits when both files move together.
    let name = match path.strip_prefix(&folder) {
        Ok(relative) => relative,
        Err(_) => &path,
    };
    let name = name.to_str().ok_or_else(|| {
        Error::new(
            ErrorKind::Usage,
            format!(
                "the base {} cannot be a backing file: its path is not UTF-8",
                path.display()
            ),
        )
    })?;
    Ok(BackingFile {
        name: name.to_owned(),
        format: Some(base.format().to_string()),
    })
}

/// A written image without a name.
#[derive(Debug)]
pub(crate) struct Packed<'a> {
    output: PendingOutput<'a>,
    clusters: ClusterRecord,
    virtual_bytes: u64,
    file_bytes: u64,
}

impl<'a> Packed<'a> {
    /// What people should know of the output.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let thin = self.output.backing.as_ref().map(|backing| {
            format!(
                "the output holds only the changes: what was deleted is still in its base {}",
                backing.name
            )
        });
        thin.into_iter().collect()
    }

    /// Reads the image once more, for its digests, while the disk takes its bytes.
    pub(crate) fn digest(self, cancel: &AtomicBool, on_event: OnEvent<'_>) -> Result<Digested<'a>> {
        let options = self.output.options;
        let image = &self.output.image;
        let total = self.file_bytes;
        let file = open_again(image.file(), total, &options.path)?;
        let with_sha512 = options.checksums.contains(&ChecksumKind::Sha512);
        let progress = |done| {
            on_event(Event::Progress {
                stage: Stage::Digest,
                done,
                total,
            });
        };
        let is_cancelled = || cancel.load(Ordering::Relaxed);
        let digests = std::thread::scope(|scope| {
            let syncing = std::thread::Builder::new().spawn_scoped(scope, || image.sync());
            let digests = digest_file(&file, &options.path, with_sha512, &is_cancelled, &progress)?;
            match syncing {
                Ok(thread) => {
                    let failed = format!("cannot make {} durable", options.path.display());
                    thread.join().map_err(|_| Error::new(ErrorKind::Other, failed))??;
                }
                Err(_) => image.sync()?,
            }
            Ok(digests)
        })?;
        Ok(Digested { packed: self, digests })
    }
}

/// A written and durable image with its digests.
#[derive(Debug)]
pub(crate) struct Digested<'a> {
    packed: Packed<'a>,
    digests: FileDigests,
}

impl Digested<'_> {
    /// Gives the files their names, all of them durable by now: the checksums first, the image last, so that whoever
    /// waits for the image finds its checksums too.
    pub(crate) fn publish(self) -> Result<OutputRecord> {
        let output = self.packed.output;
        let options = output.options;
        let mut checksums = Vec::new();
        // Nothing is put beside a device.
        let kinds = options.checksums.iter().filter(|_| !output.image.is_device());
        for kind in kinds {
            checksums.push(self.digests.pending_file(*kind, &options.path)?);
        }
        for checksum in checksums {
            checksum.publish(options.force)?;
        }
        output.image.publish(options.force)?;
        Ok(OutputRecord {
            path: options.path.display().to_string(),
            format: match options.format {
                OutputFormat::Raw => "raw",
                OutputFormat::Qcow2 => "qcow2",
            }
            .to_owned(),
            compression: compression_name(options).to_owned(),
            file_bytes: self.packed.file_bytes,
            virtual_bytes: self.packed.virtual_bytes,
            sha256: Some(self.digests.sha256),
            sha512: self.digests.sha512,
            backing_file: output.backing.map(|backing| backing.name),
            clusters: self.packed.clusters,
        })
    }
}

impl FileDigests {
    /// The file `IMAGE.sha256` or `IMAGE.sha512`, written and durable, without its name.
    fn pending_file(&self, kind: ChecksumKind, image: &Path) -> Result<PendingFile> {
        use std::io::Write as _;
        let digest = match kind {
            ChecksumKind::Sha256 => Some(&self.sha256),
            ChecksumKind::Sha512 => self.sha512.as_ref(),
        };
        let name = image.file_name().unwrap_or_default().to_string_lossy();
        let path = checksum_path(image, kind);
        let pending = PendingFile::create(&path)?;
        pending
            .file()
            .write_all(checksum_line(digest.map_or("", String::as_str), &name).as_bytes())
            .map_err(|source| {
                Error::new(ErrorKind::Other, format!("cannot write {}", path.display())).with_source(source)
            })?;
        pending.sync()?;
        Ok(pending)
    }
}

fn checksum_path(image: &Path, kind: ChecksumKind) -> PathBuf {
    let mut path = image.as_os_str().to_owned();
    path.push(match kind {
        ChecksumKind::Sha256 => ".sha256",
        ChecksumKind::Sha512 => ".sha512",
    });
    path.into()
}

/// Every name that a run with these options gives.
fn published_paths(options: &OutputOptions) -> Vec<PathBuf> {
    let checksums = options.checksums.iter().map(|kind| checksum_path(&options.path, *kind));
    std::iter::once(options.path.clone()).chain(checksums).collect()
}

fn compression_name(options: &OutputOptions) -> &'static str {
    let kind = options
        .compression
        .map_or(CompressionKind::Zlib, |compression| compression.kind);
    match (options.format, kind) {
        (OutputFormat::Raw, _) | (_, CompressionKind::None) => "none",
        (_, CompressionKind::Zlib) => "zlib",
        (_, CompressionKind::Zstd) => "zstd",
    }
}

/// The image's bytes for reading; a block device goes on behind them.
fn open_again(file: &std::fs::File, length: u64, path: &Path) -> Result<Slice<FileDevice>> {
    let failed = |source: imgctl_block::Error| {
        Error::new(ErrorKind::Other, format!("cannot read {}", path.display())).with_source(source)
    };
    let copy = file.try_clone().map_err(|source| {
        Error::new(ErrorKind::Other, format!("cannot open {} again", path.display())).with_source(source)
    })?;
    FileDevice::new(copy)
        .and_then(|file| Slice::new(file, 0, length))
        .map_err(failed)
}
