//! What the fuzz targets share: an image around the bytes that a fuzzer makes.
//!
//! Run with nightly Rust and cargo-fuzz, from `crates/imgctl-qcow2`: `cargo +nightly fuzz run tables`.

use imgctl_block::{BlockRead, MemoryDevice};
use imgctl_qcow2::{Qcow2Image, allocation, check, snapshots};
use std::sync::Arc;

/// The cluster size of the images made here.
pub const CLUSTER_BYTES: usize = 4096;
/// Where the refcount table lies, then its block, L1, and the first L2 table.
pub const TABLES: [usize; 4] = [CLUSTER_BYTES, 2 * CLUSTER_BYTES, 3 * CLUSTER_BYTES, 4 * CLUSTER_BYTES];

/// A device of these bytes.
#[must_use]
pub fn device(bytes: Vec<u8>) -> Arc<dyn BlockRead> {
    Arc::new(MemoryDevice::from_bytes(bytes))
}

/// A sound image of version 3 without data: a disk of 2 MiB, one L2 table, and ten clusters that are not used yet.
#[must_use]
pub fn image(zstd: bool) -> Vec<u8> {
    let mut bytes = vec![0; 15 * CLUSTER_BYTES];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, b"QFI\xfb");
    put(4, &3_u32.to_be_bytes());
    put(20, &12_u32.to_be_bytes());
    put(24, &(2_u64 << 20).to_be_bytes());
    put(36, &1_u32.to_be_bytes());
    put(40, &(TABLES[2] as u64).to_be_bytes());
    put(48, &(TABLES[0] as u64).to_be_bytes());
    put(56, &1_u32.to_be_bytes());
    put(72, &(u64::from(zstd) << 3).to_be_bytes());
    put(96, &4_u32.to_be_bytes());
    put(100, &112_u32.to_be_bytes());
    put(104, &[u8::from(zstd)]);
    put(TABLES[0], &(TABLES[1] as u64).to_be_bytes());
    for cluster in 0..5 {
        put(TABLES[1] + 2 * cluster, &1_u16.to_be_bytes());
    }
    put(TABLES[2], &(TABLES[3] as u64 | 1 << 63).to_be_bytes());
    bytes
}

/// Lays `data` over the image from `at` on, as far as both go.
pub fn lay_over(image: &mut [u8], at: usize, data: &[u8]) {
    for (byte, new) in image.iter_mut().skip(at).zip(data) {
        *byte = *new;
    }
}

/// Everything that can be asked of an image without reading all of it.
pub fn exercise(bytes: Vec<u8>) {
    let file = device(bytes);
    let _ = check(&*file, None);
    let _ = snapshots(&*file);
    let _ = allocation(Arc::clone(&file), None);
    let Ok(image) = Qcow2Image::open(file) else {
        return;
    };
    let mut offset = 0;
    for _ in 0..64 {
        match image.extent_at(offset) {
            Ok(extent) => {
                assert!(extent.length > 0 && extent.length <= image.len_bytes() - offset);
                offset += extent.length;
            }
            Err(_) => break,
        }
        if offset == image.len_bytes() {
            break;
        }
    }
    let length = image.len_bytes().min(64 * CLUSTER_BYTES as u64) as usize;
    let _ = image.read_vec(0, length);
    for index in [0, 1, image.cluster_count().saturating_sub(1)] {
        let _ = image.compressed_bytes(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_to_begin_with_is_sound() {
        for zstd in [false, true] {
            let file = device(image(zstd));
            let report = check(&*file, None).expect("a header");
            assert_eq!((report.errors, report.leaks), (0, 0), "{report:?}");
            assert!(Qcow2Image::open(file).is_ok());
            exercise(image(zstd));
        }
    }
}
