//! What a rewritten image is to be.

use crate::format::address::Geometry;
use crate::rewrite::Source;
use crate::{BackingFile, Codec, Error, Qcow2Image, Result};
use std::fmt;
use std::fs::File;
use std::sync::atomic::AtomicBool;

/// How clusters are compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// Not at all.
    None,
    /// zlib, at a level from 1 to 9.
    Zlib(u32),
    /// zstd, at a level from 1 to 19.
    Zstd(u32),
}

impl Compression {
    /// The codec, if there is one.
    #[must_use]
    pub fn codec(self) -> Option<Codec> {
        match self {
            Self::None => None,
            Self::Zlib(_) => Some(Codec::Zlib),
            Self::Zstd(_) => Some(Codec::Zstd),
        }
    }

    pub(super) fn level(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Zlib(level) | Self::Zstd(level) => level,
        }
    }
}

/// Which readers an image is for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Compat {
    /// Version 2: qemu before 1.1 too.
    V2,
    /// Version 3: qemu 1.1 (2012) and later.
    #[default]
    V3,
}

/// What becomes of clusters that are not dirty.
#[derive(Clone, Copy, Debug, Default)]
pub enum Untouched<'a> {
    /// They are read and stored anew.
    Anew,
    /// Compressed streams of the base are copied, where size and codec agree; the rest is stored anew.
    #[default]
    Streams,
    /// All stay as they are: streams, plain clusters, and what the backing file holds. A dirty cluster that was plain
    /// stays plain.
    ///
    /// The base, its cluster size and its codec must be those of the output, whose backing file is the base's too.
    AsTheyAre {
        /// The base's file. The kernel copies plain clusters from it; only their places are read back.
        file: &'a File,
    },
}

impl Untouched<'_> {
    /// The base as far as something can be taken over from it. `thin`: the base is what lies below the output.
    pub(super) fn base<'b>(&self, base: Option<&'b Qcow2Image>, thin: bool) -> Option<&'b Qcow2Image> {
        base.filter(|_| match self {
            Self::Anew => false,
            Self::Streams => !thin,
            Self::AsTheyAre { .. } => true,
        })
    }
}

/// What the image is to be.
#[derive(Clone)]
pub struct RewriteOptions<'a> {
    /// How clusters are compressed.
    pub compression: Compression,
    /// The cluster size: a power of two from 512 B to 2 MiB.
    pub cluster_bytes: u64,
    /// The version of the format. Version 2 has neither zstd nor overlays with zero clusters.
    pub compat: Compat,
    /// How many threads compress; at least 1 does.
    pub threads: usize,
    /// Makes an overlay: only dirty clusters are written, the rest stays with this file, which must hold what
    /// [`Source::content`] holds wherever nothing is dirty.
    pub backing: Option<BackingFile>,
    /// What becomes of clusters that are not dirty.
    pub untouched: Untouched<'a>,
    /// Called with the bytes of the guest's disk that are done and those that will be, from one thread.
    pub progress: Option<&'a (dyn Fn(u64, u64) + Sync)>,
    /// Stops the work with [`Error::Cancelled`] soon after it becomes true.
    pub cancel: Option<&'a AtomicBool>,
}

impl Default for RewriteOptions<'_> {
    fn default() -> Self {
        Self {
            compression: Compression::Zlib(6),
            cluster_bytes: 64 << 10,
            compat: Compat::V3,
            threads: 1,
            backing: None,
            untouched: Untouched::default(),
            progress: None,
            cancel: None,
        }
    }
}

impl fmt::Debug for RewriteOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RewriteOptions")
            .field("compression", &self.compression)
            .field("cluster_bytes", &self.cluster_bytes)
            .field("compat", &self.compat)
            .field("threads", &self.threads)
            .field("backing", &self.backing)
            .field("untouched", &self.untouched)
            .finish_non_exhaustive()
    }
}

/// The geometry of an image with these options, if there can be one.
pub(super) fn check_options(source: &Source<'_>, options: &RewriteOptions<'_>) -> Result<Geometry> {
    let bits = options.cluster_bytes.trailing_zeros();
    let geometry = Geometry::new(bits, false).filter(|geometry| geometry.cluster_bytes() == options.cluster_bytes);
    let geometry = geometry.ok_or_else(|| Error::InvalidOption {
        what: "a cluster size",
        value: format!("{} bytes", options.cluster_bytes),
        remedy: "it must be a power of two from 512 to 2097152",
    })?;
    let level = options.compression.level();
    let levels = options.compression.codec().map_or(0..=0, |codec| 1..=codec.max_level());
    if !levels.contains(&level) {
        return Err(Error::InvalidOption {
            what: "a compression level",
            value: level.to_string(),
            remedy: "zlib has 1 to 9, zstd has 1 to 19",
        });
    }
    if options.compat == Compat::V2 {
        let needs_version_3 = |what: &str| Error::InvalidOption {
            what: "compat 0.10",
            value: what.to_owned(),
            remedy: "it needs compat 1.1",
        };
        if options.compression.codec() == Some(Codec::Zstd) {
            return Err(needs_version_3("an image compressed with zstd"));
        }
        let in_kind = matches!(options.untouched, Untouched::AsTheyAre { .. });
        if options.backing.is_some() && !in_kind {
            return Err(needs_version_3("an image that holds only the changes"));
        }
    }
    if matches!(options.untouched, Untouched::AsTheyAre { .. }) {
        check_kind(source.base, options)?;
    }
    Ok(geometry)
}

/// Clusters can only stay as they are in an image like the one they are in.
fn check_kind(base: Option<&Qcow2Image>, options: &RewriteOptions<'_>) -> Result<()> {
    let refused = |value: &str| Error::InvalidOption {
        what: "keeping clusters as they are",
        value: value.to_owned(),
        remedy: "it needs a base with the output's cluster size, codec and backing file, and all data in it",
    };
    let base = base.ok_or_else(|| refused("without a base"))?;
    let summary = base.summary();
    let codec = options.compression.codec();
    let problem = [
        (base.cluster_bytes() != options.cluster_bytes, "another cluster size"),
        (codec.is_some_and(|codec| codec != base.codec()), "another codec"),
        (summary.backing_file != options.backing, "another backing file"),
        (summary.data_file.is_some(), "an external data file"),
        (base.geometry().extended_l2(), "subclusters"),
    ];
    match problem.into_iter().find(|(found, _)| *found) {
        Some((_, value)) => Err(refused(value)),
        None => Ok(()),
    }
}
