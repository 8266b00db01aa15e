//! The dependency table of ARCHITECTURE.md: which crate may use which other crate of this workspace.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};

use super::Finding;
use super::workspace::{Package, Workspace};

/// Each crate and the crates of this workspace it may depend on. Tests may add `imgctl-testkit`.
type Rooms = BTreeMap<String, Vec<String>>;

/// Packages that hold no product code: they may use everything, and `anyhow`.
const TOOLING: &[&str] = &["xtask", "imgctl-tests", "imgctl-benches", "imgctl-testkit"];

/// Async runtimes: there are none here.
const BANNED: &[&str] = &["async-std", "futures", "smol", "tokio"];

pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let rooms = read_table(&workspace.text(Path::new("ARCHITECTURE.md"))?);
    ensure!(!rooms.is_empty(), "ARCHITECTURE.md has no table of crates");
    Ok(workspace
        .packages
        .iter()
        .flat_map(|package| check_package(package, &rooms))
        .collect())
}

/// Reads rows like `| imgctl-ext4*, imgctl-fat* | one engine each | block, vfs |`. `all above` means what it says.
fn read_table(text: &str) -> Rooms {
    let mut rooms = Rooms::new();
    for line in text.lines().filter(|line| line.starts_with("| imgctl")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let (Some(names), Some(allowed)) = (cells.first(), cells.last()) else {
            continue;
        };
        let allowed: Vec<String> = match *allowed {
            "all above" => rooms.keys().cloned().collect(),
            listed => words(listed).map(|word| format!("imgctl-{word}")).collect(),
        };
        rooms.extend(words(names).map(|name| (name.to_owned(), allowed.clone())));
    }
    rooms
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    let names = list.split(',').map(|word| word.trim().trim_end_matches('*'));
    names.filter(|word| word.starts_with(|letter: char| letter.is_ascii_lowercase()))
}

fn check_package(package: &Package, rooms: &Rooms) -> Vec<Finding> {
    let manifest = package.folder.join("Cargo.toml");
    let mut findings = Vec::new();
    let mut find = |message: String| findings.push(Finding::new(manifest.clone(), 0, message));
    let is_tooling = TOOLING.contains(&package.name.as_str());
    for name in package.dependencies.iter().chain(&package.dev_dependencies) {
        if BANNED.contains(&name.as_str()) {
            find(format!("depends on {name}: there is no async in this workspace"));
        }
    }
    if !is_tooling && package.dependencies.contains("anyhow") {
        find("depends on anyhow: libraries have error enums (thiserror)".to_owned());
    }
    let allowed = match rooms.get(&package.name) {
        Some(allowed) => allowed,
        None if is_tooling => return findings,
        None => {
            find(format!(
                "the table of crates in ARCHITECTURE.md has no {}",
                package.name
            ));
            return findings;
        }
    };
    let internal = |name: &&String| name.starts_with("imgctl");
    for name in package
        .dependencies
        .iter()
        .filter(internal)
        .filter(|name| !allowed.contains(name))
    {
        find(format!("depends on {name}, which ARCHITECTURE.md does not allow"));
    }
    for name in package.dev_dependencies.iter().filter(internal) {
        if name != "imgctl-testkit" && !allowed.contains(name) {
            find(format!(
                "its tests depend on {name}, which ARCHITECTURE.md does not allow"
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[&str], dev_dependencies: &[&str]) -> Package {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Package {
            name: name.to_owned(),
            dependencies: owned(dependencies),
            dev_dependencies: owned(dev_dependencies),
            ..Package::default()
        }
    }

    const TABLE: &str = "
| crate | holds | may depend on |
|---|---|---|
| imgctl-block* | devices | - |
| imgctl-vfs* | paths | - |
| imgctl-ext4*, imgctl-fat* | one engine each | block, vfs |
| imgctl-core* | everything | all above |
| imgctl | the command line | core |
";

    fn messages(package: &Package) -> Vec<String> {
        check_package(package, &read_table(TABLE))
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn reads_the_table() {
        let rooms = read_table(TABLE);
        assert_eq!(rooms["imgctl-block"], Vec::<String>::new());
        assert_eq!(rooms["imgctl-fat"], ["imgctl-block", "imgctl-vfs"]);
        assert_eq!(
            rooms["imgctl-core"],
            ["imgctl-block", "imgctl-ext4", "imgctl-fat", "imgctl-vfs"]
        );
        assert_eq!(rooms["imgctl"], ["imgctl-core"]);
    }

    #[test]
    fn what_the_table_allows_passes() {
        let ext4 = package(
            "imgctl-ext4",
            &["imgctl-block", "imgctl-vfs", "thiserror"],
            &["imgctl-testkit", "proptest"],
        );
        assert!(messages(&ext4).is_empty());
        assert!(messages(&package("imgctl-tests", &[], &["anyhow", "imgctl-core"])).is_empty());
    }

    #[test]
    fn a_forbidden_room_is_named() {
        let found = messages(&package("imgctl-ext4", &["imgctl-qcow2"], &["imgctl-core"]));
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("depends on imgctl-qcow2"));
        assert!(found[1].starts_with("its tests depend on imgctl-core"));
    }

    #[test]
    fn the_testkit_is_for_tests_only() {
        assert_eq!(messages(&package("imgctl-fat", &["imgctl-testkit"], &[])).len(), 1);
    }

    #[test]
    fn anyhow_async_and_unknown_crates_are_refused() {
        assert_eq!(messages(&package("imgctl-core", &["anyhow", "tokio"], &[])).len(), 2);
        assert!(messages(&package("imgctl-new", &[], &[]))[0].contains("has no imgctl-new"));
    }
}
