//! Any bytes as the first cluster: header, extensions, names.
#![no_main]

use imgctl_qcow2_fuzz::{exercise, image, lay_over};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut image = image(false);
    lay_over(&mut image, 0, data);
    exercise(image);
});
