//! The workspace task runner: `cargo xtask <task>`.

fn main() {}
