//! Reads a finished image's tables back.

use crate::format::refcount;
use crate::writer::{Written, is_block_device};
use crate::{Error, ExternalFiles, Qcow2Image, Result};
use imgctl_block::{BlockRead, FileDevice, MemoryDevice};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Fails unless the image in `file` has the tables and refcounts that were written.
pub(crate) fn tables(file: &File, written: &Written) -> Result<()> {
    let copy = file.try_clone().map_err(|source| Error::Output {
        action: "open",
        offset: 0,
        source,
    })?;
    let device: Arc<dyn BlockRead> = Arc::new(FileDevice::new(copy)?);
    let differs = |what| Error::VerifyFailed { what, offset: 0 };
    let is_device = is_block_device(file).unwrap_or(false);
    if device.len_bytes() != written.file_bytes && !(is_device && device.len_bytes() > written.file_bytes) {
        return Err(differs("the file's length"));
    }
    // Nothing of the backing file is read here.
    let external = ExternalFiles {
        backing: Some(Arc::new(MemoryDevice::zeroed(0))),
        data: None,
    };
    let image = Qcow2Image::open_with(Arc::clone(&device), external)?;
    let mut digest = DefaultHasher::new();
    image.for_each_entry(|guest, entry| (guest, entry).hash(&mut digest))?;
    if digest.finish() != written.entries_digest {
        return Err(differs("a table entry"));
    }
    refcounts(&image, &*device, &written.refcounts)
}

fn refcounts(image: &Qcow2Image, device: &dyn BlockRead, expected: &[u16]) -> Result<()> {
    let per_block = refcount::counts_per_block(image.geometry()) as usize;
    let offsets = image.refcount_blocks(expected.len().div_ceil(per_block))?;
    for (counts, offset) in expected.chunks(per_block).zip(offsets) {
        let bytes = refcount::encode_counts(counts);
        if device.read_vec(offset, bytes.len())? != bytes {
            return Err(Error::VerifyFailed {
                what: "a refcount block",
                offset,
            });
        }
    }
    Ok(())
}
