//! Any bytes as L1 and L2 entries; the first byte chooses where they begin.
#![no_main]

use imgctl_qcow2_fuzz::{exercise, image, lay_over, TABLES};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, entries)) = data.split_first() else {
        return;
    };
    let mut image = image(choice & 2 != 0);
    let at = if choice & 1 == 0 { TABLES[2] } else { TABLES[3] };
    lay_over(&mut image, at, entries);
    exercise(image);
});
