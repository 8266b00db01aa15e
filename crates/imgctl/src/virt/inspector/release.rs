//! What a guest's release files say: os-release, lsb-release, and the older ones of each distribution.

use std::collections::BTreeMap;

/// What they say, as far as they do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Release {
    pub(super) distro: Option<&'static str>,
    pub(super) product_name: Option<String>,
    pub(super) version: Option<(u32, u32)>,
    pub(super) build_id: Option<String>,
}

/// `ID` of os-release and libguestfs' name for it.
const IDS: [(&str, &str); 26] = [
    ("alpine", "alpinelinux"),
    ("altlinux", "altlinux"),
    ("arch", "archlinux"),
    ("centos", "centos"),
    ("circle", "circle"),
    ("coreos", "coreos"),
    ("debian", "debian"),
    ("fedora", "fedora"),
    ("gentoo", "gentoo"),
    ("kali", "kalilinux"),
    ("kylin", "kylin"),
    ("mageia", "mageia"),
    ("neokylin", "neokylin"),
    ("openEuler", "openeuler"),
    ("opencloudos", "opencloudos"),
    ("openmandriva", "openmandriva"),
    ("opensuse", "opensuse"),
    ("opensuse-leap", "opensuse"),
    ("opensuse-tumbleweed", "opensuse"),
    ("rhel", "rhel"),
    ("rocky", "rocky"),
    ("sled", "sles"),
    ("sles", "sles"),
    ("tencentos", "tencentos"),
    ("ubuntu", "ubuntu"),
    ("void", "voidlinux"),
];

/// `DISTRIB_ID` of lsb-release.
const LSB_IDS: [(&str, &str); 4] = [
    ("CoreOS", "coreos"),
    ("LinuxMint", "linuxmint"),
    ("Mageia", "mageia"),
    ("Ubuntu", "ubuntu"),
];

/// Release files in the order they count: what the first line must begin with or hold, and whose they are. An empty
/// mark fits every line.
const FILES: [(&str, &str, &str); 19] = [
    ("/etc/openmandriva-release", "OpenMandriva", "openmandriva"),
    ("/etc/opencloudos-release", "OpenCloudOS", "opencloudos"),
    ("/etc/tencentos-release", "TencentOS", "tencentos"),
    ("/etc/oracle-release", "Oracle Linux", "oraclelinux"),
    ("/etc/centos-release", "CentOS", "centos"),
    ("/etc/circle-release", "Circle Linux", "circle"),
    ("/etc/rocky-release", "Rocky Linux", "rocky"),
    ("/etc/altlinux-release", "", "altlinux"),
    ("/etc/redhat-release", "Fedora", "fedora"),
    ("/etc/redhat-release", "Red Hat", "rhel"),
    ("/etc/redhat-release", "CentOS", "centos"),
    ("/etc/redhat-release", "Circle Linux", "circle"),
    ("/etc/redhat-release", "Rocky Linux", "rocky"),
    ("/etc/redhat-release", "Scientific Linux", "scientificlinux"),
    ("/etc/redhat-release", "", "redhat-based"),
    ("/etc/debian_version", "", "debian"),
    ("/etc/gentoo-release", "", "gentoo"),
    ("/etc/slackware-version", "", "slackware"),
    ("/etc/alpine-release", "", "alpinelinux"),
];

/// Reads the files that `text` gives, until one says enough.
pub(super) fn read(text: &dyn Fn(&str) -> Option<String>) -> Release {
    let mut release = Release::default();
    let os_release = text("/etc/os-release");
    if os_release.is_some_and(|text| release.os_release(&text)) {
        return release;
    }
    if text("/etc/lsb-release").is_some_and(|text| release.lsb_release(&text)) {
        return release;
    }
    for (path, mark, distro) in FILES {
        let line = text(path).and_then(|text| text.lines().next().map(str::to_owned));
        let Some(line) = line.filter(|line| !line.is_empty() && line.contains(mark)) else {
            continue;
        };
        // After "release" where a distribution's name is asked for, so that numbers in names do not count.
        let numbers = match line.split_once("release ") {
            Some((_, rest)) if !mark.is_empty() => rest,
            _ => line.as_str(),
        };
        release.version = version_in(numbers).or(release.version);
        release.distro = Some(distro);
        release.product_name = Some(line);
        return release;
    }
    if text("/etc/arch-release").is_some() {
        release.distro = Some("archlinux");
    }
    release
}

impl Release {
    /// Takes what os-release(5) says; whether that is enough.
    fn os_release(&mut self, text: &str) -> bool {
        let mut values = assignments(text);
        let id = values.remove("ID").unwrap_or_default();
        let distro = find(&IDS, &id).or_else(|| id.starts_with("opensuse-").then_some("opensuse"));
        self.distro = distro;
        self.product_name = values.remove("PRETTY_NAME");
        self.version = values.remove("VERSION_ID").and_then(|version| version_in(&version));
        self.build_id = values.remove("BUILD_ID");
        let (Some(distro), Some(_)) = (distro, &self.product_name) else {
            return false;
        };
        match (distro, self.version) {
            // Their os-release has the first number only; older files have the whole version.
            ("debian" | "centos" | "circle" | "rocky", Some((_, 0))) => false,
            ("archlinux" | "gentoo" | "voidlinux", None) => {
                self.version = Some((0, 0));
                true
            }
            (_, version) => version.is_some(),
        }
    }

    fn lsb_release(&mut self, text: &str) -> bool {
        let mut values = assignments(text);
        let id = values.remove("DISTRIB_ID").unwrap_or_default();
        let distro = find(&LSB_IDS, &id);
        let name = values.remove("DISTRIB_DESCRIPTION");
        let version = values
            .remove("DISTRIB_RELEASE")
            .and_then(|version| version_in(&version));
        let is_enough = distro.is_some() || name.is_some();
        self.version = version.or(self.version);
        self.distro = distro.or(self.distro);
        self.product_name = name.or(self.product_name.take());
        is_enough
    }
}

fn find(names: &[(&str, &'static str)], id: &str) -> Option<&'static str> {
    names.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
}

/// `KEY=value` lines; values in quotes without them.
fn assignments(text: &str) -> BTreeMap<&str, String> {
    let assignment = |line: &'_ str| -> Option<(usize, String)> {
        let (key, value) = line.split_once('=')?;
        let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
        Some((key.len(), value.to_owned()))
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| assignment(line).map(|(length, value)| (&line[..length], value)))
        .collect()
}

/// The first two numbers with a dot between them, else the first number and 0.
fn version_in(text: &str) -> Option<(u32, u32)> {
    let runs = || {
        let bytes = text.as_bytes();
        let is_start =
            move |place: &usize| bytes[*place].is_ascii_digit() && (*place == 0 || !bytes[*place - 1].is_ascii_digit());
        (0..bytes.len()).filter(is_start).map(|place| &text[place..])
    };
    let number = |text: &str| -> Option<(u32, usize)> {
        let length = text.bytes().take_while(u8::is_ascii_digit).count();
        Some((text[..length].parse().ok()?, length))
    };
    let pair = |text: &str| {
        let (major, length) = number(text)?;
        let (minor, _) = number(text[length..].strip_prefix('.')?)?;
        Some((major, minor))
    };
    let single = || runs().next().and_then(number).map(|(major, _)| (major, 0));
    runs().find_map(pair).or_else(single)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(files: &[(&str, &str)]) -> Release {
        read(&|path| {
            let file = files.iter().find(|(name, _)| *name == path);
            file.map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn debian_tells_its_version_elsewhere() {
        let os_release = (
            "/etc/os-release",
            "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_ID=\"12\"\n",
        );
        let found = release(&[os_release, ("/etc/debian_version", "12.15\n")]);
        assert_eq!((found.distro, found.version), (Some("debian"), Some((12, 15))));
        assert_eq!(found.product_name.as_deref(), Some("12.15"));
        let found = release(&[os_release, ("/etc/debian_version", "trixie/sid\n")]);
        assert_eq!(found.version, Some((12, 0)));
    }

    #[test]
    fn others_tell_it_in_os_release() {
        let found = release(&[(
            "/etc/os-release",
            "# x\nID=ubuntu\nPRETTY_NAME='Ubuntu 24.04 LTS'\nVERSION_ID=24.04\nBUILD_ID=b\n",
        )]);
        let expected = Release {
            distro: Some("ubuntu"),
            product_name: Some("Ubuntu 24.04 LTS".to_owned()),
            version: Some((24, 4)),
            build_id: Some("b".to_owned()),
        };
        assert_eq!(found, expected);
        let found = release(&[("/etc/os-release", "ID=arch\nPRETTY_NAME=Arch\n")]);
        assert_eq!((found.distro, found.version), (Some("archlinux"), Some((0, 0))));
    }

    #[test]
    fn unknown_relatives_of_red_hat_are_told_as_such() {
        let found = release(&[
            (
                "/etc/os-release",
                "ID=almalinux\nPRETTY_NAME=AlmaLinux 9.4\nVERSION_ID=9.4\n",
            ),
            ("/etc/redhat-release", "AlmaLinux release 9.4 (Seafoam Ocelot)\n"),
        ]);
        assert_eq!((found.distro, found.version), (Some("redhat-based"), Some((9, 4))));
        let found = release(&[("/etc/redhat-release", "CentOS Linux release 7.9.2009 (Core)\n")]);
        assert_eq!((found.distro, found.version), (Some("centos"), Some((7, 9))));
    }

    #[test]
    fn versions_are_found_in_text() {
        assert_eq!(version_in("Alpine 3.20.1"), Some((3, 20)));
        assert_eq!(version_in("x 7 y"), Some((7, 0)));
        assert_eq!(version_in("1 2.3"), Some((2, 3)));
        assert_eq!(version_in("none"), None);
        assert_eq!(version_in("99999999999.1"), None);
    }
}
