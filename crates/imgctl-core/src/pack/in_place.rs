//! An image that is replaced by its changed self: of the same kind, with the same attributes, at the same place.

use super::publish::PendingFile;
use super::{PackSource, attributes, cannot_write, threads};
use crate::image::{BaseDisk, BaseImage};
use crate::receipt::{ClusterRecord, OutputRecord};
use crate::{Error, ErrorKind, Event, Result, Stage};
use imgctl_block::BlockRead;
use imgctl_qcow2::{
    Compat, Compression, Qcow2Image, RawOptions, RewriteOptions, RewriteStats, Source, Untouched, allocation,
    patch_raw, rewrite,
};
use std::os::unix::fs::MetadataExt;

/// An image's successor that has its place and its attributes, but no content yet.
#[derive(Debug)]
pub(crate) struct Replacement<'a> {
    base: &'a BaseImage,
    file: PendingFile,
}

impl<'a> Replacement<'a> {
    /// Takes the place beside the image. What cannot be kept is found here, before the work.
    pub(crate) fn create(base: &'a BaseImage) -> Result<Self> {
        let path = &base.path;
        let real = path.canonicalize().map_err(|source| {
            Error::new(ErrorKind::Other, format!("cannot find the image {}", path.display())).with_source(source)
        })?;
        let file = PendingFile::create(&real)?;
        let old = base.file().file();
        attributes::keep(old, file.file(), path)?;
        let devices = old
            .metadata()
            .and_then(|old| Ok((old.dev(), file.file().metadata()?.dev())));
        match devices {
            Ok((old, new)) if old == new => Ok(Self { base, file }),
            _ => Err(Error::new(
                ErrorKind::Usage,
                format!("the image {} is a mount point of its own", path.display()),
            )
            .with_hint("it cannot be replaced by a new file; mount its folder, or work on a copy")),
        }
    }

    /// Writes the successor: what is not dirty stays as it is stored, `source.free` is given back.
    pub(crate) fn pack(self, source: &PackSource<'_>) -> Result<Successor<'a>> {
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
        let old = self.base.file().file();
        let written = match &self.base.disk {
            BaseDisk::Raw(_) => {
                let options = RawOptions {
                    threads: 1,
                    progress: Some(&progress),
                    cancel: Some(source.cancel),
                };
                patch_raw(&content, old, self.file.file(), &options).map(|stats| Written {
                    compression: Compression::None,
                    clusters: ClusterRecord::default(),
                    file_bytes: stats.file_bytes,
                })
            }
            BaseDisk::Qcow2(image) => compression_of(image, source).and_then(|compression| {
                let summary = image.summary();
                let options = RewriteOptions {
                    compression,
                    cluster_bytes: summary.cluster_bytes,
                    compat: match summary.version {
                        2 => Compat::V2,
                        _ => Compat::V3,
                    },
                    threads: threads(source.threads),
                    backing: summary.backing_file,
                    untouched: Untouched::AsTheyAre { file: old },
                    progress: Some(&progress),
                    cancel: Some(source.cancel),
                };
                let stats = rewrite(&content, self.file.file(), &options)?;
                Ok(Written::of(compression, &stats))
            }),
        };
        Ok(Successor {
            written: written.map_err(|error| cannot_write(error, &self.base.path))?,
            virtual_bytes: source.overlay.len_bytes(),
            replacement: self,
        })
    }
}

/// An image without compressed clusters gets none.
fn compression_of(image: &Qcow2Image, source: &PackSource<'_>) -> imgctl_qcow2::Result<Compression> {
    let stored = allocation(image.file().clone(), Some(source.cancel))?;
    Ok(match (stored.compressed_clusters, image.codec()) {
        (0, _) => Compression::None,
        (_, imgctl_qcow2::Codec::Zlib) => Compression::Zlib(6),
        (_, imgctl_qcow2::Codec::Zstd) => Compression::Zstd(3),
    })
}

#[derive(Debug)]
struct Written {
    compression: Compression,
    clusters: ClusterRecord,
    file_bytes: u64,
}

impl Written {
    fn of(compression: Compression, stats: &RewriteStats) -> Self {
        Self {
            compression,
            clusters: ClusterRecord {
                copied: stats.copied + stats.kept,
                compressed: stats.compressed,
                plain: stats.plain,
                free: stats.dropped_free,
                zero: stats.zero,
            },
            file_bytes: stats.file_bytes,
        }
    }
}

/// A written successor without a name.
#[derive(Debug)]
pub(crate) struct Successor<'a> {
    replacement: Replacement<'a>,
    written: Written,
    virtual_bytes: u64,
}

impl Successor<'_> {
    /// Makes it durable and gives it the image's name; from then on it is the image.
    pub(crate) fn publish(self) -> Result<OutputRecord> {
        let Replacement { base, file } = self.replacement;
        file.sync()?;
        // Whoever opens the new file finds it locked until the run is over.
        base.lock_successor(file.file())?;
        file.publish(true)?;
        Ok(OutputRecord {
            path: base.path.display().to_string(),
            format: base.format().to_string(),
            compression: match self.written.compression {
                Compression::None => "none",
                Compression::Zlib(_) => "zlib",
                Compression::Zstd(_) => "zstd",
            }
            .to_owned(),
            file_bytes: self.written.file_bytes,
            virtual_bytes: self.virtual_bytes,
            sha256: None,
            sha512: None,
            backing_file: base
                .disk
                .qcow2()
                .and_then(|image| image.summary().backing_file)
                .map(|backing| backing.name),
            clusters: self.written.clusters,
        })
    }
}
