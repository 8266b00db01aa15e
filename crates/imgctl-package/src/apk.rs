//! apk: `/lib/apk/db/installed`, stanzas of one-letter fields (apk-tools' documentation of the installed database).
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use crate::database::{About, Package, PackageState, fixed, push, read_file};
use crate::error::Result;
use crate::stanza::{number, stanzas, text};
use imgctl_vfs::Tree;

/// The file lists every file of every package.
const MAX_BYTES: u64 = 256 << 20;

pub(crate) fn read(tree: &Tree) -> Result<Option<Vec<Package>>> {
    for path in ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"] {
        let path = fixed(path);
        let Some(content) = read_file(tree, &path, MAX_BYTES)? else {
            continue;
        };
        let mut packages = Vec::new();
        for stanza in stanzas(&content) {
            let Some(name) = stanza.get_exact("P") else {
                continue;
            };
            let package = Package {
                name: text(name),
                version: text(stanza.get_exact("V").unwrap_or_default()),
                architecture: stanza.get_exact("A").map(text),
                installed_bytes: stanza.get_exact("I").and_then(number),
                installed_at: None,
                state: PackageState::Installed,
                about: About {
                    url: stanza.get_exact("U").map(text),
                    description: stanza.get_exact("T").map(text),
                    ..About::default()
                },
            };
            push(&mut packages, package, &path)?;
        }
        return Ok(Some(packages));
    }
    Ok(None)
}
