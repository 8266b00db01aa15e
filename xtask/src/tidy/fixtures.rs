//! Fixtures: each folder holds the script that made the image.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Finding;
use super::workspace::Workspace;

/// An image in version control has at most this many bytes.
const MOST_BYTES: u64 = 4 << 20;

pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = check_scripts(&workspace.files);
    for file in workspace.files.iter().filter(|file| file.starts_with("fixtures")) {
        let metadata = workspace.root.join(file).metadata()?;
        if metadata.len() > MOST_BYTES {
            findings.push(Finding::new(
                file,
                0,
                format!("{} bytes are too many for version control", metadata.len()),
            ));
        }
        let is_script = file.extension().is_some_and(|extension| extension == "sh");
        if is_script && metadata.permissions().mode() & 0o111 == 0 {
            findings.push(Finding::new(file, 0, "a script must be executable"));
        }
    }
    Ok(findings)
}

fn check_scripts(files: &[PathBuf]) -> Vec<Finding> {
    let mut has_script: BTreeMap<&Path, bool> = BTreeMap::new();
    for file in files {
        let mut parts = file.iter();
        let is_fixture = parts.next().is_some_and(|part| part == "fixtures") && file.iter().count() > 2;
        if let Some(name) = parts.next().filter(|_| is_fixture) {
            *has_script.entry(Path::new(name)).or_default() |= parts.next().is_some_and(|part| part == "gen.sh");
        }
    }
    let without = has_script.into_iter().filter(|(_, has_script)| !has_script);
    without
        .map(|(name, _)| {
            Finding::new(
                Path::new("fixtures").join(name),
                0,
                "a fixture needs the gen.sh that made it",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixture_without_its_script_is_found() {
        let files = [
            "fixtures/a/gen.sh",
            "fixtures/a/image.qcow2",
            "fixtures/b/image.qcow2",
            "fixtures/shared.sh",
        ];
        let found = check_scripts(&files.map(PathBuf::from));
        assert_eq!(
            found,
            [Finding::new("fixtures/b", 0, "a fixture needs the gen.sh that made it")]
        );
    }
}
