//! Any text as `--set`, and as a file of `--vars`.
#![no_main]

use imgctl_recipe::Settings;
use imgctl_recipe_fuzz::{HEAD, exercise};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let recipe = format!(
        "{HEAD}vars:\n  a: x\n  i: {{ type: integer, default: 1 }}\n  b: {{ type: boolean, default: true }}\n  \
         l: {{ type: list, default: [a] }}\n  u: {{ type: url, required: true }}\nfiles:\n  \
         - {{ path: /a, content: \"${{{{ vars.a }}}} ${{{{ vars.i }}}}\", when: vars.b and \"a\" in vars.l }}\n"
    );
    let settings = Settings {
        set: text.split('\u{1}').map(str::to_owned).collect(),
        files: vec!["vars.yaml".into()],
    };
    exercise(recipe.as_bytes(), text.as_bytes(), &settings);
});
