//! Any text as a condition, and as a value with references.
#![no_main]

use imgctl_recipe::Settings;
use imgctl_recipe_fuzz::{HEAD, exercise};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let quoted = text.replace('\'', "''").replace(['\n', '\r'], " ");
    let recipe = format!(
        "{HEAD}vars: {{ a: x, l: {{ type: list, default: [a] }} }}\nsecrets: {{ s: {{ env: S }} }}\nfiles:\n  \
         - {{ path: /a, when: '{quoted}', content: '{quoted}' }}\n  - {{ path: /b, template: t }}\n"
    );
    exercise(recipe.as_bytes(), text.as_bytes(), &Settings::default());
});
