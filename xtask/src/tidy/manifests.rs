//! Manifests: shared versions and lints, and what a published crate must say of itself.

use anyhow::Result;

use super::Finding;
use super::workspace::Workspace;

pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        let manifest = package.folder.join("Cargo.toml");
        let text = workspace.text(&manifest)?;
        findings.extend(
            check_text(&text)
                .into_iter()
                .map(|(line, message)| Finding::new(&manifest, line, message)),
        );
        if package.published && !package.described {
            findings.push(Finding::new(
                &manifest,
                0,
                "a published crate needs a description and a license",
            ));
        }
        let folder = package.folder.file_name().and_then(|name| name.to_str());
        if package.folder.starts_with("crates") && folder != Some(&package.name) {
            findings.push(Finding::new(&manifest, 0, "the folder must have the crate's name"));
        }
        for name in package.dependencies.iter().chain(&package.dev_dependencies) {
            if !is_named_in_sources(workspace, package, name)? {
                findings.push(Finding::new(
                    &manifest,
                    0,
                    format!("depends on {name}, but no source names it"),
                ));
            }
        }
    }
    Ok(findings)
}

fn is_named_in_sources(workspace: &Workspace, package: &super::workspace::Package, name: &str) -> Result<bool> {
    // The library of md-5 is called md5.
    let identifiers = [name.replace('-', "_"), name.replace('-', "")];
    for file in workspace.sources().filter(|file| file.starts_with(&package.folder)) {
        let text = workspace.text(file)?;
        let is_word = |text: &str| {
            text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .any(|word| identifiers.iter().any(|identifier| word == identifier))
        };
        if is_word(&text) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn check_text(text: &str) -> Vec<(usize, String)> {
    let mut findings = Vec::new();
    let mut section = String::new();
    let mut has_lints = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let shared = line.contains("workspace = true");
        has_lints |= section == "lints" && shared;
        if section.ends_with("dependencies") && !shared {
            let name = line.split(['=', '.']).next().unwrap_or(line).trim();
            findings.push((
                index + 1,
                format!("the version of {name} belongs into the workspace's manifest"),
            ));
        }
    }
    if !has_lints {
        findings.push((
            0,
            "the workspace's lints are not taken: [lints] workspace = true".to_owned(),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_versions_and_lints_pass() {
        let text = "[package]\nname = \"x\"\n\n[dependencies]\na.workspace = true\n# note\nb = { workspace = true, features = [\"c\"] }\n\n[lints]\nworkspace = true\n";
        assert_eq!(check_text(text), []);
    }

    #[test]
    fn own_versions_and_missing_lints_are_found() {
        let found = check_text("[package]\nname = \"x\"\n[dev-dependencies]\ntempfile = \"3\"\n");
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0],
            (
                4,
                "the version of tempfile belongs into the workspace's manifest".to_owned()
            )
        );
    }
}
