//! `cargo xtask oracles`: which judges of the tests this machine has, in which versions, and how to get the rest.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::oracle::{self, FIXTURE_PROGRAMS, PROGRAMS, Partition};
use imgctl_testkit::{boot, debian13, fixture, is_root, json_schema, peer};

use crate::say;

/// Programs that single tests or people need besides those of the testkit.
const FURTHER: &[(&str, &str)] = &[
    ("busybox", "busybox-static"),
    ("getcap", "libcap2-bin"),
    ("cloud-init", "cloud-init"),
    ("findmnt", "util-linux"),
    ("getfacl", "acl"),
    ("getfattr", "attr"),
    ("gpg", "gpg"),
    ("groff", "groff"),
    ("grub-script-check", "grub-common"),
    ("mandoc", "mandoc"),
    ("mdir", "mtools"),
    ("perl", "perl"),
    ("mkfs.btrfs", "btrfs-progs"),
    ("mkfs.xfs", "xfsprogs"),
    ("modprobe", "kmod"),
    ("netplan", "netplan.io"),
    ("nmcli", "network-manager"),
    ("openssl", "openssl"),
    ("python3", "python3"),
    ("sfdisk", "fdisk"),
    ("sysctl", "procps"),
    ("xfs_db", "xfsprogs"),
    ("xfs_repair", "xfsprogs"),
];

/// What to do about missing judges.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Install what is missing by apt-get (root).
    #[arg(long)]
    install: bool,
    /// Build the chroot with Debian 13's programs, unless it is there.
    #[arg(long)]
    debian13: bool,
}

/// Prints what is there and what is missing.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut missing = missing_packages();
    if arguments.install && !missing.is_empty() {
        install(&missing)?;
        missing = missing_packages();
    }
    if arguments.install {
        json_schema::install()?;
        open_fuse()?;
    }
    let programs = programs();
    let packages: BTreeSet<&str> = programs
        .iter()
        .map(|(_, package)| *package)
        .chain(["ovmf", peer::KERNEL])
        .collect();
    for package in packages {
        let state = if missing.contains(package) {
            "MISSING".to_owned()
        } else {
            version(package)
        };
        let of_package = programs.iter().filter(|(_, of)| *of == package);
        let names: Vec<&str> = of_package.map(|(program, _)| *program).collect();
        say(&format!("{package:<16} {state:<36} {}", names.join(" ")));
    }
    let mut passed = missing.is_empty();
    if !passed {
        let names: Vec<&str> = missing.into_iter().collect();
        say(&format!(
            "missing: apt-get install {}\n         (or: cargo xtask oracles --install)",
            names.join(" ")
        ));
    }
    for (name, finding) in [
        ("kernel, ext4", kernel_mounts_ext4()),
        ("FUSE", fuse()),
        ("JSON schema", schema_validator()),
        ("Debian 13", newer_programs(arguments.debian13)),
        ("fixtures", Ok(fixtures())),
    ] {
        match finding {
            Ok(text) => say(&format!("{name:<16} {text}")),
            Err(error) => {
                passed = false;
                say(&format!("{name:<16} FAILED: {error:#}"));
            }
        }
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn programs() -> BTreeSet<(&'static str, &'static str)> {
    let lists = [PROGRAMS, FIXTURE_PROGRAMS, boot::PROGRAMS, peer::PROGRAMS, FURTHER];
    lists.into_iter().flatten().copied().collect()
}

/// The packages of all programs that the tests need and this machine lacks.
pub(crate) fn missing_packages() -> BTreeSet<&'static str> {
    let programs = programs().into_iter();
    let absent = programs.filter(|(program, _)| oracle::require(program).is_err());
    let firmware = boot::ovmf().is_err().then_some("ovmf");
    let kernel = (!peer::has_kernel()).then_some(peer::KERNEL);
    absent
        .map(|(_, package)| package)
        .chain(firmware)
        .chain(kernel)
        .collect()
}

/// The version of an installed package, where dpkg knows it.
fn version(package: &str) -> String {
    let options = ["--show", "--showformat=${Version}", package];
    let known = oracle::run("dpkg-query", options).ok();
    known
        .filter(|version| !version.is_empty())
        .unwrap_or_else(|| "found".to_owned())
}

/// Installs packages by apt-get, from the backports suite where the host's qemu comes from there.
fn install(packages: &BTreeSet<&str>) -> Result<()> {
    ensure!(is_root(), "installing packages needs root");
    let mut target = Vec::new();
    // A newer qemu-utils than the release's cannot live with the release's qemu-system-x86.
    if version("qemu-utils").contains("~bpo") {
        let suite = backports_suite()?;
        add_suite(Path::new("/etc/apt/sources.list.d"), &suite)?;
        target = vec!["-t".to_owned(), suite];
    }
    apt_get(&["update".to_owned()])?;
    let install = ["install", "-y", "--no-install-recommends"].map(str::to_owned);
    let packages = packages.iter().map(|package| (*package).to_owned());
    apt_get(&install.into_iter().chain(target).chain(packages).collect::<Vec<_>>())
}

fn apt_get(arguments: &[String]) -> Result<()> {
    say(&format!("apt-get {}", arguments.join(" ")));
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("starting apt-get")?;
    ensure!(status.success(), "apt-get ended with {status}");
    Ok(())
}

fn backports_suite() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").context("reading /etc/os-release")?;
    let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let codename = codename.context("/etc/os-release has no VERSION_CODENAME")?;
    Ok(format!("{}-backports", codename.trim_matches('"')))
}

/// Adds `suite` to apt's sources, as a copy of the first source with the other suite.
fn add_suite(folder: &Path, suite: &str) -> Result<()> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sources") {
            sources.push(fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?);
        }
    }
    let lines = |text: &str, key: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with(key));
        lines.map(str::to_owned).collect()
    };
    let suites = sources.iter().flat_map(|text| lines(text, "Suites:"));
    if suites.flat_map(|line| words(&line)).any(|word| word == suite) {
        return Ok(());
    }
    let stanza = sources.iter().flat_map(|text| text.split("\n\n")).find(|stanza| {
        let own = lines(stanza, "Suites:").iter().flat_map(|line| words(line)).next();
        own.is_some_and(|first| format!("{first}-backports") == suite)
    });
    let stanza = stanza.with_context(|| format!("no source in {} to copy for {suite}", folder.display()))?;
    let copy: String = stanza
        .lines()
        .map(|line| {
            if line.starts_with("Suites:") {
                format!("Suites: {suite}\n")
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    let path = folder.join(format!("{suite}.sources"));
    fs::write(&path, copy).with_context(|| format!("writing {}", path.display()))
}

/// The values of a field's line.
fn words(line: &str) -> Vec<String> {
    line.split_whitespace().skip(1).map(str::to_owned).collect()
}

/// Whether the kernel mounts an ext4 partition by `losetup --offset`.
fn kernel_mounts_ext4() -> Result<String> {
    if !is_root() {
        return Ok("not tried: needs root".to_owned());
    }
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("disk");
    let (offset, len) = (1 << 20, 8 << 20);
    fs::File::create(&image)?.set_len(offset + len)?;
    let place = format!("offset={offset}");
    let size = format!("{}k", len >> 10);
    let arguments = [
        OsStr::new("-q"),
        OsStr::new("-text4"),
        OsStr::new("-E"),
        place.as_ref(),
        image.as_os_str(),
    ];
    oracle::run("mke2fs", arguments.into_iter().chain([OsStr::new(&size)]))?;
    let partition = Partition { number: 1, offset, len };
    let mount = Mount::new(&image, partition, Access::ReadWrite)?;
    fs::write(mount.path().join("file"), "text")?;
    drop(mount);
    oracle::e2fsck(&image, partition)?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let known = fs::read_to_string("/proc/filesystems")?;
    let lacks: Vec<&str> = ["vfat", "xfs"]
        .into_iter()
        .filter(|name| !known.split_whitespace().any(|word| word == *name))
        .collect();
    let lacks = if lacks.is_empty() {
        String::new()
    } else {
        format!(
            "; not {} (for those: the kernel of the fixture debian13 under qemu)",
            lacks.join(" ")
        )
    };
    Ok(format!(
        "{} mounts partitions by losetup --offset{lacks}",
        release.trim()
    ))
}

/// Lets normal users open the device, as distributions do.
fn open_fuse() -> Result<()> {
    if fuse().is_err() && is_root() {
        oracle::run("chmod", ["0666", FUSE])?;
    }
    Ok(())
}

/// Whether normal users can open the device of the sandbox.
fn fuse() -> Result<String> {
    let mode = fs::metadata(FUSE)
        .with_context(|| format!("{FUSE} is not there: modprobe fuse"))?
        .permissions()
        .mode();
    ensure!(
        mode & 0o006 == 0o006,
        "normal users cannot open {FUSE}: chmod 0666 {FUSE}"
    );
    Ok(format!("{FUSE} is open to everybody"))
}

/// The validator of JSON schemas, which is no package of Debian.
fn schema_validator() -> Result<String> {
    ensure!(
        json_schema::is_installed(),
        "check-jsonschema is not installed (cargo xtask oracles --install)"
    );
    let output = json_schema::check(&["--version"], [])?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The versions of Debian 13's programs.
fn newer_programs(build: bool) -> Result<String> {
    if !build && !debian13::is_built() {
        return Ok("not built (--debian13 builds it, or the first test that needs it)".to_owned());
    }
    let mke2fs = debian13::command("mke2fs")?.arg("-V").output()?;
    let mke2fs = String::from_utf8_lossy(&mke2fs.stderr).into_owned();
    let xfs = debian13::run("xfs_repair", ["-V"])?;
    Ok(format!(
        "{}, {} in {}",
        mke2fs.lines().next().unwrap_or_default(),
        xfs.trim(),
        debian13::folder()?.display()
    ))
}

fn fixtures() -> String {
    let cache = fixture::cache();
    let state = fixture::BUILT.map(|name| {
        let exists = cache.join(format!("{name}.qcow2")).is_file();
        format!("{name} {}", if exists { "built" } else { "not built" })
    });
    format!("{} in {}", state.join(", "), cache.display())
}

/// The device of filesystems in user space.
const FUSE: &str = "/dev/fuse";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_suite_is_added_as_a_copy_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let source = "Types: deb\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n\
                      Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main\n";
        fs::write(folder.path().join("debian.sources"), source).unwrap();
        add_suite(folder.path(), "bookworm-backports").unwrap();
        let added = folder.path().join("bookworm-backports.sources");
        assert_eq!(
            fs::read_to_string(&added).unwrap(),
            "Types: deb\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm-backports\nComponents: main\n"
        );
        fs::rename(&added, folder.path().join("other.sources")).unwrap();
        add_suite(folder.path(), "bookworm-backports").unwrap();
        assert!(!added.exists());
        assert!(add_suite(folder.path(), "trixie-backports").is_err());
    }
}
