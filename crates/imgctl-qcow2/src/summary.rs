//! What an image says of itself, without anything else being opened.

use crate::format::header::{
    AUTOCLEAR_DATA_FILE_RAW, COMPATIBLE_LAZY_REFCOUNTS, Header, INCOMPATIBLE_CORRUPT, INCOMPATIBLE_DATA_FILE,
    INCOMPATIBLE_DIRTY,
};
use crate::{Codec, Result};
use imgctl_block::BlockRead;

/// What an image's header says. Names come from the image and are untrusted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// 2 or 3.
    pub version: u32,
    /// The length of the guest's disk.
    pub virtual_bytes: u64,
    /// The length of the image file.
    pub file_bytes: u64,
    /// The cluster size.
    pub cluster_bytes: u64,
    /// The codec of compressed clusters.
    pub codec: Codec,
    /// The width of a refcount.
    pub refcount_bits: u32,
    /// The names of the features in use, sorted.
    pub features: Vec<String>,
    /// How many internal snapshots there are.
    pub snapshots: u32,
    /// How many persistent bitmaps there are.
    pub bitmaps: u32,
    /// The backing file, if the image is an overlay.
    pub backing_file: Option<BackingFile>,
    /// The external data file's name, if the data is kept in one; empty when the image does not name it.
    pub data_file: Option<String>,
    /// The encryption's name, if the data is encrypted.
    pub encryption: Option<String>,
}

/// The file below an overlay.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BackingFile {
    /// Its name, relative to the image's folder unless absolute.
    pub name: String,
    /// Its format, where the image names one.
    pub format: Option<String>,
}

impl Summary {
    /// Reads the header of the image in `file`. Backing files, data files and encryption are no obstacle here.
    pub fn read(file: &dyn BlockRead) -> Result<Self> {
        Ok(Self::of(&Header::read(file)?, file.len_bytes()))
    }

    pub(crate) fn of(header: &Header, file_bytes: u64) -> Self {
        let extensions = &header.extensions;
        Self {
            version: header.version,
            virtual_bytes: header.virtual_bytes,
            file_bytes,
            cluster_bytes: header.geometry.cluster_bytes(),
            codec: header.codec,
            refcount_bits: 1 << header.refcount_order,
            features: features(header),
            snapshots: header.snapshots,
            bitmaps: extensions.bitmaps,
            backing_file: header.backing_file.clone().map(|name| BackingFile {
                name,
                format: extensions.backing_format.clone(),
            }),
            data_file: header.data_file(),
            encryption: header.encryption(),
        }
    }
}

impl Header {
    /// The external data file's name; empty when there is one without a name.
    pub(crate) fn data_file(&self) -> Option<String> {
        (self.incompatible & INCOMPATIBLE_DATA_FILE != 0).then(|| self.extensions.data_file.clone().unwrap_or_default())
    }
}

fn features(header: &Header) -> Vec<String> {
    let known = [
        (header.extensions.bitmaps != 0, "bitmaps"),
        (header.incompatible & INCOMPATIBLE_CORRUPT != 0, "corrupt"),
        (header.incompatible & INCOMPATIBLE_DATA_FILE != 0, "data file"),
        (header.autoclear & AUTOCLEAR_DATA_FILE_RAW != 0, "data file raw"),
        (header.incompatible & INCOMPATIBLE_DIRTY != 0, "dirty"),
        (header.geometry.extended_l2(), "extended L2"),
        (header.compatible & COMPATIBLE_LAZY_REFCOUNTS != 0, "lazy refcounts"),
    ];
    known
        .into_iter()
        .filter(|(present, _)| *present)
        .map(|(_, name)| name.to_owned())
        .collect()
}
