//! `package_cache`: downloaded packages and lists, which a package manager fetches again.

use super::Operation;
use super::sweep;
use crate::guest::Guest;
use crate::steps::{Outcome, StepSpec, fixed};
use imgctl_recipe::{Plan, ResetOperation};
use imgctl_vfs::FileKind;

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "package-cache",
    section: "reset",
    help: "remove downloaded packages and package lists",
    build: |plan: &Plan| Operation::build(plan, &SPEC, ResetOperation::PackageCache, run),
};

/// Folders whose files go, at any depth; the folders stay, since some belong to users of their own.
const CACHES: [&str; 4] = [
    "/var/cache/apt/archives",
    "/var/lib/apt/lists",
    "/var/cache/pacman/pkg",
    "/var/cache/apk",
];

/// Folders that go with all they hold.
const EMPTIED: [&str; 5] = [
    "/var/cache/dnf",
    "/var/cache/yum",
    "/var/cache/libdnf5",
    "/var/cache/PackageKit",
    "/var/cache/zypp",
];

pub(super) fn run(guest: &mut Guest) -> Outcome<()> {
    for folder in CACHES {
        for (path, kind) in sweep::files_below(guest, &fixed(folder))? {
            // The empty lock file is part of the folder's layout.
            if kind == FileKind::File && path.file_name() != Some(b"lock") {
                guest.remove(&path)?;
            }
        }
    }
    for folder in EMPTIED {
        sweep::empty(guest, &fixed(folder))?;
    }
    sweep::remove_files(guest, &["/var/cache/apt/*.bin", "/var/lib/yum/uuid"])
}
