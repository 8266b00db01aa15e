//! Which operating system it is, by the names that libguestfs has for them.

use super::release::{self, Release};
use super::xml::Xml;
use imgctl_vfs::{FileKind, GuestPath, Result, Tree};
use std::io::{self, Write};

const MAX_TEXT_BYTES: u64 = 1 << 20;
/// The programs whose format tells the architecture; the first that is there.
const PROGRAMS: [&str; 5] = ["/bin/bash", "/bin/ls", "/bin/echo", "/bin/rm", "/bin/sh"];
/// Machines of the ELF format (the System V ABI's registry).
const MACHINES: [(u16, bool, &str); 13] = [
    (3, false, "i386"),
    (8, false, "mips"),
    (18, false, "sparc"),
    (20, false, "ppc"),
    (21, true, "ppc64"),
    (22, true, "s390x"),
    (40, false, "arm"),
    (43, true, "sparc64"),
    (50, true, "ia64"),
    (62, true, "x86_64"),
    (183, true, "aarch64"),
    (243, true, "riscv64"),
    (258, true, "loongarch64"),
];

/// What is told of an operating system.
#[derive(Clone, Debug, Default)]
pub(super) struct OperatingSystem {
    pub(super) distro: Option<&'static str>,
    architecture: Option<String>,
    product_name: Option<String>,
    version: (u32, u32),
    hostname: Option<String>,
    build_id: Option<String>,
    has_dnf: bool,
}

impl OperatingSystem {
    pub(super) fn read(tree: &Tree) -> Result<Self> {
        let Release {
            distro,
            product_name,
            version,
            build_id,
        } = release::read(&|path| text(tree, path));
        Ok(Self {
            distro,
            architecture: PROGRAMS.iter().find_map(|path| architecture(tree, path)),
            product_name,
            version: version.unwrap_or_default(),
            hostname: hostname(tree),
            build_id,
            has_dnf: text_start(tree, "/usr/bin/dnf").is_some(),
        })
    }

    pub(super) fn write<W: Write>(&self, xml: &mut Xml<'_, W>) -> io::Result<()> {
        xml.element("name", "linux")?;
        xml.optional("arch", self.architecture.as_deref())?;
        xml.optional("distro", self.distro)?;
        xml.optional("product_name", self.product_name.as_deref())?;
        xml.element("major_version", &self.version.0.to_string())?;
        xml.element("minor_version", &self.version.1.to_string())?;
        xml.optional("package_format", self.package_format())?;
        xml.optional("package_management", self.package_management())?;
        xml.optional("hostname", self.hostname.as_deref())?;
        xml.optional("build_id", self.build_id.as_deref())?;
        xml.optional("osinfo", self.osinfo().as_deref())
    }

    fn package_format(&self) -> Option<&'static str> {
        Some(match self.distro? {
            "debian" | "kalilinux" | "linuxmint" | "ubuntu" => "deb",
            "archlinux" => "pacman",
            "gentoo" => "ebuild",
            "alpinelinux" => "apk",
            "voidlinux" => "xbps",
            "buildroot" | "cirros" | "coreos" | "slackware" => return None,
            _ => "rpm",
        })
    }

    fn package_management(&self) -> Option<&'static str> {
        let (major, _) = self.version;
        Some(match self.distro? {
            "fedora" if major >= 22 && self.has_dnf => "dnf",
            "fedora" if major >= 1 => "yum",
            "centos" | "circle" | "kylin" | "oraclelinux" | "redhat-based" | "rhel" | "rocky" | "scientificlinux" => {
                match major {
                    8.. => "dnf",
                    5..8 => "yum",
                    2..5 => "up2date",
                    _ => return None,
                }
            }
            "altlinux" | "debian" | "kalilinux" | "linuxmint" | "ubuntu" => "apt",
            "archlinux" => "pacman",
            "gentoo" => "portage",
            "mageia" => "urpmi",
            "opensuse" | "sles" | "suse-based" => "zypper",
            "alpinelinux" => "apk",
            "voidlinux" => "xbps",
            "neokylin" | "openmandriva" | "opencloudos" | "tencentos" | "openeuler" => "dnf",
            _ => return None,
        })
    }

    /// The short name that libosinfo has for it.
    fn osinfo(&self) -> Option<String> {
        let distro = self.distro?;
        let (major, minor) = self.version;
        Some(match distro {
            "centos" if major == 7 => format!("{distro}{major}.0"),
            "centos" | "circle" | "rocky" if major >= 8 => format!("{distro}{major}"),
            "debian" if major >= 4 => format!("{distro}{major}"),
            "fedora" | "mageia" => format!("{distro}{major}"),
            "sles" => {
                let base = if major >= 15 { "sle" } else { "sles" };
                match minor {
                    0 => format!("{base}{major}"),
                    _ => format!("{base}{major}sp{minor}"),
                }
            }
            "ubuntu" => format!("{distro}{major}.{minor:02}"),
            "archlinux" | "gentoo" | "voidlinux" => distro.to_owned(),
            "altlinux" if major >= 8 => format!("alt{major}.{minor}"),
            _ if major > 0 || minor > 0 => format!("{distro}{major}.{minor}"),
            _ => return None,
        })
    }
}

/// The first line of the first of these files that is neither empty nor a comment, or what Red Hat's network file says.
fn hostname(tree: &Tree) -> Option<String> {
    let first_line = |path: &str| {
        let text = text(tree, path)?;
        let mut lines = text.lines();
        lines
            .find(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::to_owned)
    };
    let from_network = || {
        let text = text(tree, "/etc/sysconfig/network")?;
        let value = text.lines().find_map(|line| line.strip_prefix("HOSTNAME="))?;
        Some(value.trim_matches('"').to_owned())
    };
    first_line("/etc/HOSTNAME")
        .or_else(|| first_line("/etc/hostname"))
        .or_else(from_network)
}

/// The architecture of a program.
fn architecture(tree: &Tree, path: &str) -> Option<String> {
    let start = text_start(tree, path)?;
    if !start.starts_with(b"\x7fELF") {
        return None;
    }
    let (is_64, is_big) = (*start.get(4)? == 2, *start.get(5)? == 2);
    let machine: [u8; 2] = start.get(18..20)?.try_into().ok()?;
    let machine = match is_big {
        true => u16::from_be_bytes(machine),
        false => u16::from_le_bytes(machine),
    };
    let (_, _, name) = MACHINES
        .iter()
        .find(|(number, wide, _)| *number == machine && *wide == is_64)?;
    let little = if *name == "ppc64" && !is_big { "le" } else { "" };
    Some(format!("{name}{little}"))
}

/// The first bytes of a regular file.
fn text_start(tree: &Tree, path: &str) -> Option<Vec<u8>> {
    let found = tree.find(&GuestPath::new(path).ok()?).ok()??;
    if tree.metadata(found.node).ok()?.kind != FileKind::File {
        return None;
    }
    let mut start = vec![0; 64];
    let count = tree.fs(found.node).read_at(found.node.node, 0, &mut start).ok()?;
    start.truncate(count);
    Some(start)
}

/// A small text file; what is not UTF-8 is replaced.
fn text(tree: &Tree, path: &str) -> Option<String> {
    let found = tree.find(&GuestPath::new(path).ok()?).ok()??;
    if tree.metadata(found.node).ok()?.kind != FileKind::File {
        return None;
    }
    let content = tree.read_file(found.node, MAX_TEXT_BYTES).ok()?;
    Some(String::from_utf8_lossy(&content).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(distro: &'static str, version: (u32, u32)) -> (Option<&'static str>, Option<&'static str>, Option<String>) {
        let os = OperatingSystem {
            distro: Some(distro),
            version,
            ..OperatingSystem::default()
        };
        (os.package_format(), os.package_management(), os.osinfo())
    }

    #[test]
    fn names_follow_from_the_distribution() {
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(told("debian", (12, 15)), (Some("deb"), Some("apt"), name("debian12")));
        assert_eq!(told("ubuntu", (24, 4)), (Some("deb"), Some("apt"), name("ubuntu24.04")));
        assert_eq!(told("rocky", (9, 4)), (Some("rpm"), Some("dnf"), name("rocky9")));
        assert_eq!(told("rhel", (9, 4)), (Some("rpm"), Some("dnf"), name("rhel9.4")));
        assert_eq!(told("centos", (7, 9)), (Some("rpm"), Some("yum"), name("centos7.0")));
        assert_eq!(told("sles", (15, 5)), (Some("rpm"), Some("zypper"), name("sle15sp5")));
        assert_eq!(told("fedora", (40, 0)), (Some("rpm"), Some("yum"), name("fedora40")));
        assert_eq!(
            told("archlinux", (0, 0)),
            (Some("pacman"), Some("pacman"), name("archlinux"))
        );
        assert_eq!(told("redhat-based", (0, 0)), (Some("rpm"), None, None));
    }
}
