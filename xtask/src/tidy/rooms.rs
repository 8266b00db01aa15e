//! The dependency table: which crate may use which other crate of this workspace.

use super::Finding;
use super::workspace::Package;

/// Each crate and the crates of this workspace it may depend on. Tests may add `imgctl-testkit`.
const ROOMS: &[(&str, &[&str])] = &[
    ("imgctl-block", &[]),
    ("imgctl-vfs", &[]),
    ("imgctl-qcow2", &["imgctl-block"]),
    ("imgctl-volume", &["imgctl-block"]),
    ("imgctl-ext4", &["imgctl-block", "imgctl-vfs"]),
    ("imgctl-xfs", &["imgctl-block", "imgctl-vfs"]),
    ("imgctl-fat", &["imgctl-block", "imgctl-vfs"]),
    ("imgctl-package", &["imgctl-vfs"]),
    ("imgctl-deflate", &[]),
    ("imgctl-recipe", &[]),
    ("imgctl-sandbox", &["imgctl-vfs"]),
    (
        "imgctl-core",
        &[
            "imgctl-block",
            "imgctl-vfs",
            "imgctl-qcow2",
            "imgctl-volume",
            "imgctl-ext4",
            "imgctl-xfs",
            "imgctl-fat",
            "imgctl-package",
            "imgctl-deflate",
            "imgctl-recipe",
            "imgctl-sandbox",
        ],
    ),
    ("imgctl", &["imgctl-core", "imgctl-recipe"]),
    ("imgctl-testkit", &["imgctl-block", "imgctl-vfs"]),
];

/// Packages that hold no product code: they may use everything, and `anyhow`.
const TOOLING: &[&str] = &["xtask", "imgctl-tests", "imgctl-benches", "imgctl-testkit"];

/// Async runtimes: there are none here.
const BANNED: &[&str] = &["async-std", "futures", "smol", "tokio"];

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
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
    let room = ROOMS.iter().find(|(name, _)| *name == package.name);
    let allowed = match room {
        Some((_, allowed)) => *allowed,
        None if is_tooling => return findings,
        None => {
            find(format!(
                "the table of rooms has no {} (xtask/src/tidy/rooms.rs)",
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
        .filter(|name| !allowed.contains(&name.as_str()))
    {
        find(format!("depends on {name}, which the table of rooms does not allow"));
    }
    for name in package.dev_dependencies.iter().filter(internal) {
        if name != "imgctl-testkit" && !allowed.contains(&name.as_str()) {
            find(format!(
                "its tests depend on {name}, which the table of rooms does not allow"
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

    fn messages(package: &Package) -> Vec<String> {
        check_package(package)
            .into_iter()
            .map(|finding| finding.message)
            .collect()
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
