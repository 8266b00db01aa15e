//! The guestfs-tools, which the virt-* commands stand in for: whether they are there, and how they are started.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use crate::oracle;

/// The programs, and the Debian package that has each.
pub const PROGRAMS: &[(&str, &str)] = &[
    ("virt-customize", "guestfs-tools"),
    ("virt-copy-out", "guestfish"),
    ("xmllint", "libxml2-utils"),
];

/// The package with a kernel for libguestfs's appliance, which must lie in `/boot` with its modules.
pub const KERNEL: &str = "linux-image-cloud-amd64";

/// What makes the tools start qemu themselves, and emulate: a machine may have a KVM that does not work.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("LIBGUESTFS_BACKEND", "direct"),
    ("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg"),
];

/// Whether the tools and a kernel for their appliance are installed.
///
/// # Errors
///
/// When something is missing, with the command that installs it.
pub fn require() -> Result<()> {
    for (program, _) in PROGRAMS {
        oracle::require(program)?;
    }
    ensure!(
        has_kernel(),
        "libguestfs has no kernel in /boot: apt-get install {KERNEL}"
    );
    Ok(())
}

/// Whether `/boot` has a kernel whose modules are installed.
#[must_use]
pub fn has_kernel() -> bool {
    let Ok(entries) = fs::read_dir("/boot") else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let version = name.to_str().and_then(|name| name.strip_prefix("vmlinuz-"));
        version.is_some_and(|version| Path::new("/lib/modules").join(version).is_dir())
    })
}

/// Makes a qcow2 overlay of a qcow2 `base`, for tools that write where they are told to.
///
/// # Errors
///
/// When qemu-img fails.
pub fn overlay(base: &Path, overlay: &Path) -> Result<()> {
    let arguments = ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"].map(OsStr::new);
    let places = [base.as_os_str(), overlay.as_os_str()];
    oracle::run("qemu-img", arguments.into_iter().chain(places)).map(drop)
}
