//! Any bytes as refcount table and block, of any width.
#![no_main]

use imgctl_qcow2_fuzz::{exercise, image, lay_over, TABLES};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((order, counts)) = data.split_first() else {
        return;
    };
    let mut image = image(false);
    image[99] = order % 8;
    lay_over(&mut image, TABLES[0], counts);
    exercise(image);
});
