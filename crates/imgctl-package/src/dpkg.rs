//! dpkg: `/var/lib/dpkg/status`, its journal in `updates/`, and distroless images' `status.d/`.
//!
//! Facts: deb822(5), dpkg(1); the journal's files have names of digits only and hold whole stanzas that replace those of
//! the status file (dpkg's own reader).
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use crate::database::{About, Package, PackageState, find, fixed, names, push, read_file};
use crate::error::Result;
use crate::stanza::{Stanza, number, stanzas, text};
use imgctl_vfs::{GuestPath, Tree};
use std::collections::BTreeMap;

/// A status file of all of Debian has about this size.
const MAX_STATUS_BYTES: u64 = 128 << 20;
const MAX_STANZA_BYTES: u64 = 4 << 20;
/// As many files of a journal or of `status.d` as are read.
const MAX_FILES: usize = 1 << 14;

/// Packages by name and architecture; a later stanza replaces an earlier one. `None` stands for a purged one.
type Found = BTreeMap<(String, Option<String>), Option<Package>>;

pub(crate) fn read(tree: &Tree) -> Result<Option<Vec<Package>>> {
    let status = fixed("/var/lib/dpkg/status");
    let parts = fixed("/var/lib/dpkg/status.d");
    let content = read_file(tree, &status, MAX_STATUS_BYTES)?;
    if content.is_none() && find(tree, &parts)?.is_none() {
        return Ok(None);
    }
    let mut found = Found::new();
    add(&content.unwrap_or_default(), false, &mut found);
    let updates = fixed("/var/lib/dpkg/updates");
    let is_update = |name: &[u8]| name.iter().all(u8::is_ascii_digit);
    add_files(tree, &updates, is_update, false, &mut found)?;
    let is_part = |name: &[u8]| !name.ends_with(b".md5sums");
    add_files(tree, &parts, is_part, true, &mut found)?;
    let mut packages = Vec::new();
    for package in found.into_values().flatten() {
        push(&mut packages, package, &status)?;
    }
    Ok(Some(packages))
}

fn add_files(
    tree: &Tree,
    folder: &GuestPath,
    is_wanted: impl Fn(&[u8]) -> bool,
    without_state: bool,
    found: &mut Found,
) -> Result<()> {
    let names = names(tree, folder)?;
    for name in names.into_iter().filter(|name| is_wanted(name)).take(MAX_FILES) {
        let content = read_file(tree, &folder.join(&name), MAX_STANZA_BYTES)?;
        add(&content.unwrap_or_default(), without_state, found);
    }
    Ok(())
}

fn add(content: &[u8], without_state: bool, found: &mut Found) {
    for stanza in stanzas(content) {
        let Some(name) = stanza.get("Package") else {
            continue;
        };
        let architecture = stanza.get("Architecture").map(text);
        let state = match without_state {
            true => Some(PackageState::Installed),
            false => state(&stanza),
        };
        let package = state.map(|state| Package {
            name: text(name),
            version: text(
                stanza
                    .get("Version")
                    .or(stanza.get("Config-Version"))
                    .unwrap_or_default(),
            ),
            architecture: architecture.clone(),
            // In KiB.
            installed_bytes: stanza
                .get("Installed-Size")
                .and_then(number)
                .and_then(|kib| kib.checked_mul(1024)),
            installed_at: None,
            state,
            about: About {
                url: stanza.get("Homepage").map(text),
                // With the version in brackets where that is another one.
                source: stanza
                    .get("Source")
                    .map(|source| text(source.split(|byte| *byte == b' ').next().unwrap_or_default())),
                summary: stanza.get("Description").map(text),
                description: stanza.description(),
            },
        });
        found.insert((text(name), architecture), package);
    }
}

/// The last word of `Status: install ok installed`; `None` for what is not there at all.
fn state(stanza: &Stanza<'_>) -> Option<PackageState> {
    let status = stanza.get("Status").unwrap_or_default();
    match status.split(u8::is_ascii_whitespace).rfind(|word| !word.is_empty())? {
        b"installed" | b"triggers-awaited" | b"triggers-pending" => Some(PackageState::Installed),
        b"unpacked" | b"half-configured" => Some(PackageState::Unpacked),
        b"half-installed" => Some(PackageState::Broken),
        b"config-files" => Some(PackageState::ConfigFiles),
        _ => None,
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn later_stanzas_replace_earlier_ones() {
        let mut found = Found::new();
        add(
            b"Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nInstalled-Size: 2\n\n\
              Package: a\nStatus: install ok installed\nArchitecture: i386\nVersion: 1\n\n\
              Package: b\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 3\n\n\
              Package: c\nStatus: install ok installed\nArchitecture: all\nVersion: 3\n\n",
            false,
            &mut found,
        );
        add(
            b"Package: a\nStatus: install ok unpacked\nArchitecture: amd64\nVersion: 2\n\n\
              Package: c\nStatus: purge ok not-installed\nArchitecture: all\n",
            false,
            &mut found,
        );
        let packages: Vec<_> = found.into_values().flatten().collect();
        let told: Vec<_> = packages
            .iter()
            .map(|package| (package.name.as_str(), package.version.as_str(), package.state))
            .collect();
        assert_eq!(
            told,
            [
                ("a", "2", PackageState::Unpacked),
                ("a", "1", PackageState::Installed),
                ("b", "3", PackageState::ConfigFiles),
            ]
        );
    }
}
