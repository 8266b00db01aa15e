//! What a recipe's conditions ask of the guest.

use super::OsRelease;
use crate::{Error, ErrorKind};
use imgctl_recipe::{GuestFacts, Plan, Recipe};
use imgctl_vfs::{GuestPath, Tree};

/// Programs that nearly every guest has one of, built for the machine that it runs on.
const PROGRAMS: [&str; 5] = [
    "/usr/lib/systemd/systemd",
    "/sbin/init",
    "/bin/sh",
    "/usr/bin/env",
    "/bin/busybox",
];

/// What the recipe asks for in this guest.
pub(crate) fn plan_for(recipe: &Recipe, tree: &Tree) -> crate::Result<Plan> {
    recipe.plan(&facts(tree)).map_err(|findings| {
        Error::new(ErrorKind::Usage, "the recipe contradicts itself in this guest").with_findings(findings)
    })
}

/// The facts, as far as the guest tells them: what cannot be read is empty, and equals nothing that a condition names.
pub(crate) fn facts(tree: &Tree) -> GuestFacts {
    let os = OsRelease::read(tree).ok().flatten().unwrap_or_default();
    GuestFacts {
        os: os.id,
        os_like: os.id_like,
        version: os.version_id,
        arch: architecture(tree).unwrap_or_default().to_owned(),
    }
}

/// The architecture of the guest's programs, as `uname -m` says it.
fn architecture(tree: &Tree) -> Option<&'static str> {
    PROGRAMS.iter().find_map(|path| {
        let found = tree.find(&GuestPath::new(path).ok()?).ok()??;
        let mut header = [0; 20];
        let count = tree.fs(found.node).read_at(found.node.node, 0, &mut header).ok()?;
        machine(header.get(..count)?)
    })
}

/// The machine that an ELF program is for (elf(5), `e_ident` and `e_machine`).
fn machine(header: &[u8]) -> Option<&'static str> {
    let is_elf = header.starts_with(b"\x7fELF");
    let (class, order) = (header.get(4)?, header.get(5)?);
    let bytes = [*header.get(18)?, *header.get(19)?];
    let is_little = *order == 1;
    let number = match is_little {
        true => u16::from_le_bytes(bytes),
        false => u16::from_be_bytes(bytes),
    };
    match (number, *class) {
        _ if !is_elf => None,
        (3, _) => Some("i686"),
        (21, _) if is_little => Some("ppc64le"),
        (21, _) => Some("ppc64"),
        (22, _) => Some("s390x"),
        (40, _) => Some("armv7l"),
        (62, _) => Some("x86_64"),
        (183, _) => Some("aarch64"),
        (243, 2) => Some("riscv64"),
        (258, 2) => Some("loongarch64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn programs_tell_their_machine() {
        let header = |class, order, machine: [u8; 2]| {
            let mut header = *b"\x7fELF................";
            (header[4], header[5]) = (class, order);
            header[18..20].copy_from_slice(&machine);
            header
        };
        for (class, order, bytes, expected) in [
            (2, 1, [62, 0], Some("x86_64")),
            (2, 1, [183, 0], Some("aarch64")),
            (2, 2, [0, 22], Some("s390x")),
            (2, 1, [21, 0], Some("ppc64le")),
            (2, 1, [99, 99], None),
        ] {
            assert_eq!(machine(&header(class, order, bytes)), expected);
        }
        assert_eq!(machine(b"#!/bin/sh\n and more of it"), None);
        assert_eq!(machine(b"\x7fELF"), None);
    }

    #[test]
    fn a_guest_without_programs_has_no_machine() {
        let guest = testing::guest(&["/etc/os-release|ID=rocky\nID_LIKE=\"rhel centos\"\nVERSION_ID=\"9.6\"\n"]);
        let facts = facts(guest.tree());
        assert_eq!(
            (facts.os.as_str(), facts.version.as_str(), facts.arch.as_str()),
            ("rocky", "9.6", "")
        );
        assert_eq!(facts.os_like, ["rhel", "centos"]);
    }
}
