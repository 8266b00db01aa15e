//! pacman: `/var/lib/pacman/local/NAME-VERSION/desc`, `%FIELD%` lines with their values below (libalpm).
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use crate::database::{About, MAX_PACKAGES, Package, PackageState, find, fixed, names, push, read_file};
use crate::error::{Error, Result};
use crate::stanza::{number, text};
use imgctl_vfs::Tree;

const MAX_DESC_BYTES: u64 = 4 << 20;

pub(crate) fn read(tree: &Tree) -> Result<Option<Vec<Package>>> {
    let local = fixed("/var/lib/pacman/local");
    if find(tree, &local)?.is_none() {
        return Ok(None);
    }
    let entries = names(tree, &local)?;
    if entries.len() > MAX_PACKAGES {
        return Err(Error::corrupt(
            &local,
            format!("it lists more than {MAX_PACKAGES} packages"),
        ));
    }
    let mut packages = Vec::new();
    for entry in entries {
        let path = local.join(&entry).join(b"desc");
        let Some(content) = read_file(tree, &path, MAX_DESC_BYTES)? else {
            continue;
        };
        let Some(name) = field(&content, b"%NAME%") else {
            return Err(Error::corrupt(&path, "it has no %NAME%"));
        };
        let package = Package {
            name: text(name),
            version: text(field(&content, b"%VERSION%").unwrap_or_default()),
            architecture: field(&content, b"%ARCH%").map(text),
            installed_bytes: field(&content, b"%SIZE%").and_then(number),
            installed_at: field(&content, b"%INSTALLDATE%").and_then(number),
            state: PackageState::Installed,
            about: About {
                url: field(&content, b"%URL%").map(text),
                description: field(&content, b"%DESC%").map(text),
                ..About::default()
            },
        };
        push(&mut packages, package, &path)?;
    }
    Ok(Some(packages))
}

/// The first value of a field.
fn field<'t>(content: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    let mut lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.find(|line| *line == name)?;
    lines.next().filter(|value| !value.is_empty())
}
