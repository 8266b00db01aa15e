//! Any bytes as the stream of the first cluster, of either codec.
#![no_main]

use imgctl_qcow2_fuzz::{exercise, image, lay_over, CLUSTER_BYTES, TABLES};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((codec, stream)) = data.split_first() else {
        return;
    };
    let mut image = image(codec & 1 != 0);
    let at = 5 * CLUSTER_BYTES;
    let sectors = (stream.len().div_ceil(512).clamp(1, 16) - 1) as u64;
    let entry = 1_u64 << 62 | sectors << 58 | at as u64;
    image[TABLES[3]..TABLES[3] + 8].copy_from_slice(&entry.to_be_bytes());
    lay_over(&mut image, at, stream);
    exercise(image);
});
