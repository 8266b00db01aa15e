//! Programs of Debian 13 on an older host: newer e2fsprogs and xfsprogs from a chroot that is built once and cached.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::oracle;

/// What the chroot has, besides what that depends on.
const PACKAGES: &str = "e2fsprogs,xfsprogs";

/// Whether the chroot has been built.
#[must_use]
pub fn is_built() -> bool {
    fs::read_to_string(oracle::cache().join("debian13.stamp")).is_ok_and(|stamp| stamp == PACKAGES)
}

/// The chroot's folder; it is built now if it is missing (needs mmdebstrap and a Debian mirror; half a minute).
///
/// Several processes may ask at once: one builds, the others wait.
///
/// # Errors
///
/// When it cannot be built.
pub fn folder() -> Result<PathBuf> {
    let cache = oracle::cache();
    fs::create_dir_all(&cache).with_context(|| format!("creating {}", cache.display()))?;
    let cache = cache.canonicalize()?;
    let lock = cache.join(".debian13.lock");
    let lock = File::create(&lock).with_context(|| format!("creating {}", lock.display()))?;
    lock.lock().context("waiting for another build of the chroot")?;
    let folder = cache.join("debian13");
    let stamp = cache.join("debian13.stamp");
    if fs::read_to_string(&stamp).ok().as_deref() != Some(PACKAGES) {
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
        }
        // Unpacked, not configured: the programs are started from outside.
        let include = format!("--include={PACKAGES}");
        let arguments = ["--quiet", "--variant=extract", &include, "trixie"].map(OsStr::new);
        oracle::run("mmdebstrap", arguments.into_iter().chain([folder.as_os_str()]))?;
        fs::write(&stamp, PACKAGES).with_context(|| format!("writing {}", stamp.display()))?;
    }
    Ok(folder)
}

/// A command that starts `program` (like `mke2fs`, `xfs_repair`) of Debian 13. It sees the host's files, as any program.
///
/// # Errors
///
/// When the chroot cannot be built or has no such program.
pub fn command(program: &str) -> Result<Command> {
    let root = folder()?;
    let file = ["usr/sbin", "usr/bin"]
        .iter()
        .map(|place| root.join(place).join(program))
        .find(|file| file.is_file())
        .with_context(|| format!("the Debian 13 chroot has no {program}: its packages are {PACKAGES}"))?;
    let libraries = libraries(&root)?;
    // Debian 13's own dynamic linker and libraries: no chroot(2), so paths are the host's and nobody needs to be root.
    let mut command = Command::new(linker(&libraries)?);
    command
        .arg("--library-path")
        .arg(&libraries)
        .args(["--argv0", program])
        .arg(file)
        .stdin(Stdio::null())
        .env("MKE2FS_CONFIG", root.join("etc/mke2fs.conf"))
        .env("LC_ALL", "C.UTF-8");
    Ok(command)
}

/// Runs `program` of Debian 13; what it printed on standard output.
///
/// # Errors
///
/// When it exits with anything but 0; the message holds all that it printed.
pub fn run<I, S>(program: &str, arguments: I) -> Result<String>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let output = command(program)?.args(arguments).output();
    let output = output.with_context(|| format!("starting Debian 13's {program}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "Debian 13's {program} ended with {}\n{printed}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(printed)
}

/// The folder of the architecture's libraries.
fn libraries(root: &Path) -> Result<PathBuf> {
    let places = fs::read_dir(root.join("usr/lib")).context("reading the chroot's usr/lib")?;
    let mut folders = places.filter_map(|entry| Some(entry.ok()?.path()));
    folders
        .find(|folder| folder.join("libc.so.6").exists())
        .context("the chroot has no C library")
}

fn linker(libraries: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(libraries).with_context(|| format!("reading {}", libraries.display()))?;
    let mut files = files.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .find(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("ld-linux") || name.starts_with("ld64.so")
        })
        .context("the chroot has no dynamic linker")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Partition;

    #[test]
    fn its_programs_make_filesystems_with_newer_features() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        let size = |bytes| File::create(&image).unwrap().set_len(bytes).unwrap();
        size(64 << 20);
        run("mke2fs", [OsStr::new("-q"), OsStr::new("-text4"), image.as_os_str()]).unwrap();
        let stats = oracle::debugfs(&image, Partition::whole(&image).unwrap(), "stats").unwrap();
        assert!(stats.contains("orphan_file"), "{stats}");
        run("e2fsck", [OsStr::new("-fn"), image.as_os_str()]).unwrap();
        size(0);
        size(512 << 20);
        let made = run("mkfs.xfs", [image.as_os_str()]).unwrap();
        assert!(made.contains("nrext64=1") && made.contains("exchange="), "{made}");
        run("xfs_repair", [OsStr::new("-n"), image.as_os_str()]).unwrap();
        assert!(run("xfs_repair", ["/dev/null"]).is_err());
    }

    #[test]
    fn an_unknown_program_is_named() {
        let error = command("no-such-program").unwrap_err().to_string();
        assert!(error.contains("has no no-such-program"), "{error}");
    }
}
