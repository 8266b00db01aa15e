//! Any bytes as a recipe, and as all the files that it names.
#![no_main]

use imgctl_recipe::Settings;
use imgctl_recipe_fuzz::{HEAD, exercise};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let settings = Settings::default();
    exercise(data, data, &settings);
    exercise(&[HEAD.as_bytes(), data].concat(), data, &settings);
});
