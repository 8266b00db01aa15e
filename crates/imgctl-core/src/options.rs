//! What a caller asks for.

use crate::ImageFormat;
use crate::programs::ProgramOptions;
use crate::steps::flags::Flag;
use imgctl_qcow2::Compat;
use imgctl_recipe::{ChecksumKind, Compression, OutputFormat, Recipe};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How an image is opened.
#[derive(Clone, Debug, Default)]
pub struct InputOptions {
    /// The image's format; `None` detects it by content.
    pub format: Option<ImageFormat>,
    /// Go on although another program has the image open for writing.
    pub force_share: bool,
    /// The number of the partition that holds the guest's root; `None` finds it.
    pub root: Option<u32>,
    /// The folders in and below which backing and data files may be opened; without any, none are.
    pub allow_backing: Vec<PathBuf>,
    /// The format of backing files for images that do not name it. It is never guessed.
    pub backing_format: Option<ImageFormat>,
    /// Follow the image's own backing chain without `allow_backing`, as its virtual machine does: regular files whose
    /// formats the images state, but no data files. Only for what stays in the image; a copy could carry any file away.
    pub own_chain: bool,
}

/// What becomes of the changes.
#[derive(Clone, Debug)]
pub enum Destination {
    /// They are shown, and nothing is written.
    DryRun,
    /// A new image is written.
    File(OutputOptions),
    /// The image itself is replaced, atomically, by one of its own kind: format, cluster size, backing file, compressed
    /// and plain clusters stay what they are, and so do owner, mode, ACL, label and a symbolic link that names it. If
    /// nothing changed in the guest, it is not replaced. `own_chain` is understood, and `force_share` does nothing.
    InPlace,
}

impl Destination {
    /// The new image, if one is written.
    #[must_use]
    pub fn file(&self) -> Option<&OutputOptions> {
        match self {
            Self::File(output) => Some(output),
            Self::DryRun | Self::InPlace => None,
        }
    }
}

/// Where and how an image is written.
#[derive(Clone, Debug)]
pub struct OutputOptions {
    /// The file to write.
    pub path: PathBuf,
    /// Replace it if it exists.
    pub force: bool,
    /// Its format.
    pub format: OutputFormat,
    /// The compression of qcow2 clusters; `None`: zlib at its default level.
    pub compression: Option<Compression>,
    /// The cluster size of qcow2; `None`: 64 KiB.
    pub cluster_bytes: Option<u64>,
    /// The version of qcow2.
    pub compat: Compat,
    /// Compress every cluster anew, also those that could be copied as they are.
    pub recompress: bool,
    /// Write only what changed, as an overlay of the base.
    pub thin: bool,
    /// Digests to write beside it.
    pub checksums: Vec<ChecksumKind>,
}

/// What [`customize`](crate::customize) does.
#[derive(Clone, Debug)]
pub struct CustomizeOptions {
    /// The image to begin with.
    pub base: PathBuf,
    /// How it is opened.
    pub input: InputOptions,
    /// What should be so in the guest; `None` changes nothing. Its conditions are judged once the guest is known.
    pub recipe: Option<Recipe>,
    /// Options of the command line that change the guest: after the recipe's sections, before its `reset`.
    pub flags: Vec<Flag>,
    /// How programs of the guest run, where something needs them.
    pub programs: ProgramOptions,
    /// What becomes of the changes.
    pub destination: Destination,
    /// Digest the base, for the receipt: all of it is read once, beside the other work.
    pub digest_base: bool,
    /// Make every free block of the guest's filesystems zero, not only those freed by this run.
    pub wipe_free: bool,
    /// The folder of the scratch file; `None`: beside the output, or beside the base in a dry run.
    pub scratch: Option<PathBuf>,
    /// Worker threads; `None`: one per processor. The output does not depend on it.
    pub threads: Option<NonZeroUsize>,
    /// The run's only clock, in seconds since 1970 (SOURCE_DATE_EPOCH); `None`: the newest time that the guest's
    /// filesystems record of themselves.
    pub reference_time: Option<i64>,
    /// Set it to end the run early; nothing is left behind then.
    pub cancel: Arc<AtomicBool>,
}

/// What [`convert`](crate::convert) does.
#[derive(Clone, Debug)]
pub struct ConvertOptions {
    /// The image to read.
    pub image: PathBuf,
    /// How it is opened.
    pub input: InputOptions,
    /// What is written. `thin` and a dry run are not possible here.
    pub destination: Destination,
    /// Leave out what clean ext4, XFS and FAT filesystems do not use.
    pub sparsify: bool,
    /// Leave out what swap partitions hold; their headers stay.
    pub drop_swap: bool,
    /// Partitions, by number, that are left as they are.
    pub ignored: Vec<u32>,
    /// Partitions, by number, of which nothing is kept: they read as zeros.
    pub zeroed: Vec<u32>,
    /// Worker threads; `None`: one per processor. The output does not depend on it.
    pub threads: Option<NonZeroUsize>,
    /// Set it to end the run early.
    pub cancel: Arc<AtomicBool>,
}
