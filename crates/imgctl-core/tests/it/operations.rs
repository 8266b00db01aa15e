//! docs/operations.md is what the tables say.

use std::fs;
use std::path::Path;

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let made = imgctl_core::steps::flags::operations_reference();
    if std::env::var_os("IMGCTL_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        made == written,
        "docs/operations.md is out of date: IMGCTL_BLESS=1 cargo test -p imgctl-core --test it operations"
    );
}
