//! Scripts that have the guest's own package manager install packages.

use crate::guest::{Guest, OsFamily, OsRelease};
use crate::steps::{Outcome, StepFailure, fixed};

/// A program, and the lines that come before its names of packages.
type Installer = (&'static str, &'static str);

/// In the order in which they are looked for. An installation that was interrupted is finished first where the manager
/// would not do so itself; configuration files that are there stay.
const MANAGERS: [Installer; 11] = [
    (
        "apt-get",
        "export DEBIAN_FRONTEND=noninteractive\n\
         dpkg --force-confdef --force-confold --configure -a\n\
         apt-get -q -y update\n\
         apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef \\\n    \
         -o Dpkg::Options::=--force-confold install",
    ),
    ("dnf", "dnf -y install"),
    ("dnf5", "dnf5 -y install"),
    ("microdnf", "microdnf -y install"),
    ("yum", "yum -y install"),
    ("zypper", "zypper -n install -l"),
    ("apk", "apk update\napk add"),
    // What the image knows of the mirrors is too old to find anything there.
    ("pacman", "pacman -Sy --noconfirm --needed"),
    ("xbps-install", "xbps-install -Sy"),
    ("pisi", "pisi -y install"),
    ("urpmi", "urpmi --auto"),
];

/// The script for these packages.
pub(super) fn script(guest: &Guest, packages: &[String]) -> Outcome<String> {
    let family = OsRelease::read(guest.tree())?.unwrap_or_default().family;
    let mut managers = MANAGERS;
    if family == OsFamily::Suse {
        managers.sort_by_key(|(program, _)| *program != "zypper");
    }
    for (program, lines) in managers {
        for folder in ["/usr/bin", "/bin", "/usr/sbin", "/sbin"] {
            if guest.exists(&fixed(folder).join(program.as_bytes()))? {
                let names: Vec<String> = packages.iter().map(|name| format!("'{name}'")).collect();
                return Ok(format!("#!/bin/sh -e\n{lines} {}\n", names.join(" ")));
            }
        }
    }
    Err(StepFailure::refused_with(
        "the guest has no package manager that is known, so nothing can be installed at its first boot",
        "write what it needs as a `script`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::guest;

    #[test]
    fn each_family_by_its_own_program() {
        for (entries, expected) in [
            (
                &["/etc/os-release|ID=debian\n", "/usr/bin/apt-get|x"][..],
                "-o Dpkg::Options::=--force-confold install 'a' 'b'\n",
            ),
            (&["/usr/bin/dnf|x", "/usr/bin/yum|x"], "dnf -y install 'a' 'b'\n"),
            (
                &["/etc/os-release|ID=sles\n", "/usr/bin/zypper|x", "/usr/bin/dnf|x"],
                "zypper -n install -l 'a' 'b'\n",
            ),
            (&["/sbin/apk|x"], "apk update\napk add 'a' 'b'\n"),
            (&["/usr/bin/pacman|x"], "pacman -Sy --noconfirm --needed 'a' 'b'\n"),
        ] {
            let script = script(&guest(entries), &["a".to_owned(), "b".to_owned()]).unwrap();
            assert!(
                script.starts_with("#!/bin/sh -e\n") && script.ends_with(expected),
                "{script}"
            );
        }
        assert!(script(&guest(&[]), &[]).is_err());
    }
}
