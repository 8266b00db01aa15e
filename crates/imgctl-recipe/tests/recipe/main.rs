//! Recipes as their writers have them: cases with their findings, the examples, and hostile input.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

mod cases;
mod examples;
mod host;
mod hostile;
mod import;
mod language;
mod mutations;
mod reference;
mod schema;

use std::fs;
use std::path::{Path, PathBuf};

/// Set to write expected files anew instead of comparing with them.
const BLESS: &str = "IMGCTL_BLESS";

/// Compares with a stored file, or stores it.
fn compare(path: &Path, actual: &str) -> Result<(), String> {
    if std::env::var_os(BLESS).is_some() {
        fs::write(path, actual).map_err(|error| format!("{}: {error}", path.display()))?;
        return Ok(());
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == actual {
        return Ok(());
    }
    Err(format!(
        "{} is not what comes out now (see it with {BLESS}=1 and git diff)\n--- expected\n{expected}--- actual\n{actual}",
        path.display()
    ))
}

/// A path from the repository's root.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The files of a folder that end like this, sorted.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths.sort();
    paths
}
