//! No source is forgotten: each is part of a target, by `mod` declarations from the target's root.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Finding;
use super::scan::code_only;
use super::workspace::Workspace;

pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let files: BTreeSet<&Path> = workspace.sources().collect();
    let mut reached = BTreeSet::new();
    let mut findings = Vec::new();
    for package in &workspace.packages {
        for (_, root) in &package.targets {
            reach(root, true, &files, &mut reached, &|file| workspace.text(file))?;
        }
        let tests: Vec<_> = package.targets.iter().filter(|(kind, _)| kind == "test").collect();
        if package.folder.starts_with("crates") && tests.len() > 1 {
            let message = format!(
                "{} integration test programs; one, with modules, links faster",
                tests.len()
            );
            findings.push(Finding::new(package.folder.join("tests"), 0, message));
        }
    }
    for file in files {
        if !reached.contains(file) {
            findings.push(Finding::new(
                file,
                0,
                "no target includes this file (a `mod` is missing)",
            ));
        }
    }
    Ok(findings)
}

type ReadText<'a> = &'a dyn Fn(&Path) -> Result<String>;

/// Adds `file` and what it declares to `reached`.
fn reach(
    file: &Path,
    is_root: bool,
    files: &BTreeSet<&Path>,
    reached: &mut BTreeSet<PathBuf>,
    read: ReadText<'_>,
) -> Result<()> {
    if !files.contains(file) || !reached.insert(file.to_path_buf()) {
        return Ok(());
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let owns_folder = is_root || file.file_name().is_some_and(|name| name == "mod.rs");
    let folder = if owns_folder {
        folder.to_path_buf()
    } else {
        folder.join(file.file_stem().unwrap_or_default())
    };
    for name in declared_modules(&read(file)?) {
        reach(&folder.join(format!("{name}.rs")), false, files, reached, read)?;
        reach(&folder.join(&name).join("mod.rs"), false, files, reached, read)?;
    }
    Ok(())
}

/// The names in `mod name;`.
fn declared_modules(text: &str) -> Vec<String> {
    let code = code_only(text);
    let declared = code.lines().filter_map(|line| {
        let line = line.trim();
        let (_, after) = line
            .split_once("mod ")
            .filter(|(before, _)| before.is_empty() || before.ends_with(' '))?;
        Some(after.strip_suffix(';')?.trim().to_owned())
    });
    declared.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_declarations() {
        let text =
            "//! A.\nmod one;\npub(crate) mod two;\n#[cfg(test)]\nmod tests {\n}\n// mod three;\nlet modulus = a;\n";
        assert_eq!(declared_modules(text), ["one", "two"]);
    }

    #[test]
    fn follows_modules_through_folders() {
        let contents = |file: &Path| {
            Ok(match file.to_str() {
                Some("t/main.rs") => "mod a;\nmod b;\n",
                Some("t/a.rs") => "mod inner;\n",
                Some("t/b/mod.rs") => "mod deep;\n",
                _ => "",
            }
            .to_owned())
        };
        let all = [
            "t/main.rs",
            "t/a.rs",
            "t/a/inner.rs",
            "t/b/mod.rs",
            "t/b/deep.rs",
            "t/forgotten.rs",
            "t/inner.rs",
        ];
        let files: BTreeSet<&Path> = all.iter().map(Path::new).collect();
        let mut reached = BTreeSet::new();
        reach(Path::new("t/main.rs"), true, &files, &mut reached, &contents).unwrap();
        let missed: Vec<_> = files.iter().filter(|file| !reached.contains(**file)).collect();
        assert_eq!(
            missed,
            [Path::new("t/forgotten.rs"), Path::new("t/inner.rs")]
                .iter()
                .collect::<Vec<_>>()
        );
    }
}
