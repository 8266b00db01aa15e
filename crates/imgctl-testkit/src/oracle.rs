//! The judges: other people's programs that say whether what we wrote is right.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

/// Programs the tests call, and the Debian package that has each.
pub const PROGRAMS: &[(&str, &str)] = &[
    ("attr", "attr"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("debugfs", "e2fsprogs"),
    ("dpkg", "dpkg"),
    ("dpkg-query", "dpkg"),
    ("e2fsck", "e2fsprogs"),
    ("fsck.fat", "dosfstools"),
    ("gzip", "gzip"),
    ("losetup", "mount"),
    ("lsinitramfs", "initramfs-tools-core"),
    ("lz4", "lz4"),
    ("mcopy", "mtools"),
    ("mke2fs", "e2fsprogs"),
    ("mkfs.fat", "dosfstools"),
    ("mkfs.xfs", "xfsprogs"),
    ("mount", "mount"),
    ("mtype", "mtools"),
    ("newuidmap", "uidmap"),
    ("openssl", "openssl"),
    ("partx", "util-linux"),
    ("perl", "perl-base"),
    ("prlimit", "util-linux"),
    ("python3", "python3-venv"),
    ("qemu-img", "qemu-utils"),
    ("qemu-io", "qemu-utils"),
    ("rpm", "rpm"),
    ("rpmbuild", "rpm"),
    ("setcap", "libcap2-bin"),
    ("setfacl", "acl"),
    ("setpriv", "util-linux"),
    ("sgdisk", "gdisk"),
    ("sha256sum", "coreutils"),
    ("sqlite3", "sqlite3"),
    ("ssh-keygen", "openssh-client"),
    ("strace", "strace"),
    ("systemctl", "systemd"),
    ("umount", "mount"),
    ("useradd", "passwd"),
    ("vercmp", "pacman-package-manager"),
    ("visudo", "sudo"),
    ("xfs_db", "xfsprogs"),
    ("xfs_io", "xfsprogs"),
    ("xfs_repair", "xfsprogs"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
];

/// Programs that `cargo xtask fixtures` needs besides those.
pub const FIXTURE_PROGRAMS: &[(&str, &str)] = &[
    ("mmdebstrap", "mmdebstrap"),
    ("unshare", "util-linux"),
    ("setfattr", "attr"),
    ("tar", "tar"),
];

/// Where judges lie that are not the system's: `IMGCTL_ORACLES`, else `target/oracles` of the workspace.
#[must_use]
pub fn cache() -> PathBuf {
    let told = std::env::var_os("IMGCTL_ORACLES").map(PathBuf::from);
    told.unwrap_or_else(|| crate::workspace().join("target/oracles"))
}

/// The path of `program`, looked up in `PATH` and the system folders.
///
/// # Errors
///
/// When it is not installed, with the command that installs it.
pub fn require(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    let found = std::env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    found.with_context(|| {
        let known = PROGRAMS
            .iter()
            .chain(FIXTURE_PROGRAMS)
            .chain(crate::boot::PROGRAMS)
            .chain(crate::peer::PROGRAMS)
            .find(|(name, _)| *name == program);
        let package = known.map_or(program, |(_, package)| package);
        format!("{program} is not installed: apt-get install {package}")
    })
}

/// Runs `program` and returns its output, whatever its exit status.
///
/// # Errors
///
/// When it is not installed or cannot be started.
pub fn output<I, S>(program: &str, arguments: I) -> Result<Output>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(require(program)?);
    command.args(arguments).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    command.output().with_context(|| format!("starting {program}"))
}

/// Runs `program` and returns what it printed on standard output.
///
/// # Errors
///
/// When it is not installed or exits with anything but 0; the message holds all that it printed.
pub fn run<I, S>(program: &str, arguments: I) -> Result<String>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let arguments: Vec<OsString> = arguments
        .into_iter()
        .map(|argument| argument.as_ref().to_owned())
        .collect();
    let output = output(program, &arguments)?;
    ensure!(output.status.success(), "{}", failure(program, &arguments, &output));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn failure(program: &str, arguments: &[OsString], output: &Output) -> String {
    let arguments = arguments.join(OsStr::new(" "));
    format!(
        "`{program} {}` ended with {}\n{}{}",
        arguments.display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    )
}

/// A byte range of a disk image that holds a filesystem.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Partition {
    /// The number in the partition table; 0 for a whole image.
    pub number: u32,
    /// The first byte.
    pub offset: u64,
    /// The length in bytes.
    pub len: u64,
}

impl Partition {
    /// A whole image as one filesystem.
    ///
    /// # Errors
    ///
    /// When the file cannot be examined.
    pub fn whole(image: &Path) -> Result<Self> {
        let len = std::fs::metadata(image)
            .with_context(|| format!("examining {}", image.display()))?
            .len();
        Ok(Self {
            number: 0,
            offset: 0,
            len,
        })
    }
}

/// The partitions of a raw image as the kernel's tools see them, in the table's order.
///
/// # Errors
///
/// When `partx` fails or finds none.
pub fn partitions(raw: &Path) -> Result<Vec<Partition>> {
    let options = ["--raw", "--noheadings", "--output", "NR,START,SECTORS"];
    let text = run("partx", options.iter().map(OsStr::new).chain([raw.as_os_str()]))?;
    let mut found = Vec::new();
    for line in text.lines() {
        let fields: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [number, start, sectors] = fields.as_slice() else {
            bail!("partx printed `{line}`")
        };
        found.push(Partition {
            number: u32::try_from(*number)?,
            offset: start * 512,
            len: sectors * 512,
        });
    }
    ensure!(!found.is_empty(), "{} has no partitions", raw.display());
    Ok(found)
}

/// The partition with this number.
///
/// # Errors
///
/// When there is none.
pub fn partition(raw: &Path, number: u32) -> Result<Partition> {
    let found = partitions(raw)?
        .into_iter()
        .find(|partition| partition.number == number);
    found.with_context(|| format!("{} has no partition {number}", raw.display()))
}

/// Copies a partition's bytes into a file of their own, sparsely.
///
/// # Errors
///
/// When `dd` fails.
pub fn extract(raw: &Path, partition: Partition, destination: &Path) -> Result<()> {
    let arguments = [
        format!("if={}", raw.display()),
        format!("of={}", destination.display()),
        "bs=1M".to_owned(),
        "iflag=skip_bytes,count_bytes".to_owned(),
        format!("skip={}", partition.offset),
        format!("count={}", partition.len),
        "conv=sparse".to_owned(),
        "status=none".to_owned(),
    ];
    run("dd", arguments)?;
    // A sparse copy that ends in a hole must still have its full length.
    let file = File::options().write(true).open(destination)?;
    file.set_len(partition.len)
        .with_context(|| format!("sizing {}", destination.display()))
}

/// e2fsprogs' spelling of a filesystem inside an image.
fn at_offset(raw: &Path, partition: Partition) -> OsString {
    let mut name = raw.as_os_str().to_owned();
    if partition.offset != 0 {
        name.push(format!("?offset={}", partition.offset));
    }
    name
}

/// `e2fsck -fn`: the ext4 filesystem has no fault.
///
/// # Errors
///
/// When e2fsck finds any fault, with all it printed.
pub fn e2fsck(raw: &Path, partition: Partition) -> Result<()> {
    let name = at_offset(raw, partition);
    let arguments = [OsStr::new("-fn"), &name];
    let result = output("e2fsck", arguments)?;
    // Some faults ("optimized" extents, wrong counts answered with no) are printed and still end with status 0.
    let printed = String::from_utf8_lossy(&result.stdout);
    let clean = result.status.success() && !printed.contains("? no") && !printed.contains("WARNING");
    ensure!(clean, "{}", failure("e2fsck", &arguments.map(OsStr::to_owned), &result));
    Ok(())
}

/// `fsck.fat -n`: the FAT filesystem has no fault.
///
/// # Errors
///
/// When fsck.fat finds any fault, with all it printed.
pub fn fsck_fat(raw: &Path, partition: Partition) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("fat.img");
    extract(raw, partition, &copy)?;
    run("fsck.fat", [OsStr::new("-n"), copy.as_os_str()]).map(drop)
}

/// The answer of `debugfs` to one request, like `stat <12>`.
///
/// # Errors
///
/// When debugfs fails; it also prints many of its complaints with status 0 on standard error, which are errors here.
pub fn debugfs(raw: &Path, partition: Partition, request: &str) -> Result<String> {
    let name = at_offset(raw, partition);
    let arguments = [OsStr::new("-R"), OsStr::new(request), &name];
    let result = output("debugfs", arguments)?;
    let complaints = String::from_utf8_lossy(&result.stderr);
    let quiet = complaints.lines().all(|line| line.starts_with("debugfs 1."));
    ensure!(
        result.status.success() && quiet,
        "{}",
        failure("debugfs", &arguments.map(OsStr::to_owned), &result)
    );
    Ok(String::from_utf8_lossy(&result.stdout).into_owned())
}

/// `qemu-img check`: no error and no leaked cluster.
///
/// # Errors
///
/// When qemu-img finds any fault, with all it printed.
pub fn qemu_check(image: &Path) -> Result<()> {
    run("qemu-img", [OsStr::new("check"), image.as_os_str()]).map(drop)
}

/// `qemu-img compare`: two images, in any formats, have the same content.
///
/// # Errors
///
/// When they differ, with the place.
pub fn qemu_compare(first: &Path, second: &Path) -> Result<()> {
    run(
        "qemu-img",
        [OsStr::new("compare"), first.as_os_str(), second.as_os_str()],
    )
    .map(drop)
}

/// `qemu-img convert -O FORMAT`.
///
/// # Errors
///
/// When qemu-img fails.
pub fn qemu_convert(source: &Path, destination: &Path, format: &str) -> Result<()> {
    let arguments = ["convert", "-O", format].map(OsStr::new);
    run(
        "qemu-img",
        arguments
            .into_iter()
            .chain([source.as_os_str(), destination.as_os_str()]),
    )
    .map(drop)
}

/// SHA-256 of a file.
///
/// # Errors
///
/// When it cannot be read.
pub fn sha256(path: &Path) -> Result<[u8; 32]> {
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file
            .read(&mut buffer)
            .with_context(|| format!("reading {}", path.display()))?;
        if count == 0 {
            return Ok(hasher.finalize().into());
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
}

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_the_command_that_installs_it() {
        let error = require("no-such-program-here").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no-such-program-here is not installed: apt-get install no-such-program-here"
        );
    }

    #[test]
    fn e2fsck_passes_a_fresh_filesystem_and_refuses_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("ext4.img");
        File::create(&image).unwrap().set_len(16 << 20).unwrap();
        run(
            "mke2fs",
            [
                OsStr::new("-q"),
                OsStr::new("-t"),
                OsStr::new("ext4"),
                image.as_os_str(),
            ],
        )
        .unwrap();
        let whole = Partition::whole(&image).unwrap();
        e2fsck(&image, whole).unwrap();
        let requests = ["-w", "-R", "set_inode_field <2> links_count 7"].map(OsStr::new);
        run("debugfs", requests.into_iter().chain([image.as_os_str()])).unwrap();
        assert!(e2fsck(&image, whole).unwrap_err().to_string().contains("ref count"));
    }

    #[test]
    fn hexadecimal_digits() {
        assert_eq!(hex(&[0, 0x9f, 255]), "009fff");
    }
}
