//! A folder in which a script runs: a disk, local files, and the programs of one side first in `PATH`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::{cli, fixture, oracle, peer};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// The disk's name in the folder.
pub(crate) const DISK: &str = "disk.qcow2";

/// A copy of the disk with a changed guest, for scripts that name it.
const CHANGED: &str = "changed.qcow2";

/// The fixture whose fstab names filesystems by PARTUUID: 1.48 passes over them, ours and later releases do not.
const BY_PARTUUID: &str = "debian13";

/// Whose programs a script runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    /// The guestfs-tools.
    Theirs,
    /// imgctl, called by their names.
    Ours,
}

/// How the disk comes into the folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Disk {
    /// A symbolic link to the fixture, for scripts that only read.
    Link,
    /// A copy of the fixture.
    Copy,
    /// A qcow2 overlay of the fixture.
    Overlay,
}

/// What came of a script.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) folder: TempDir,
    /// The exit status; none after a signal.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Ran {
    pub(crate) fn disk(&self) -> PathBuf {
        self.folder.path().join(DISK)
    }

    /// The folder in which scripts leave what they took out of the guest.
    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    pub(crate) fn describe(&self) -> String {
        format!(
            "status {:?}\n--- stdout\n{}--- stderr\n{}",
            self.status,
            String::from_utf8_lossy(&self.stdout),
            String::from_utf8_lossy(&self.stderr)
        )
    }
}

/// Runs `script` in a new folder.
pub(crate) fn run(side: Side, script: &str, fixture_name: &str, disk: Disk) -> Result<Ran> {
    let base = fixture::image(fixture_name)?.canonicalize()?;
    let folder = tempfile::Builder::new().prefix("imgctl-virt-").tempdir()?;
    local_files(folder.path()).context("making the local files")?;
    let place = folder.path().join(DISK);
    let cache = (side == Side::Theirs)
        .then(|| Cache::of(script, fixture_name, disk))
        .flatten();
    if let Some(ran) = cache.as_ref().and_then(|cache| cache.load(&folder)) {
        return Ok(Ran { folder, ..ran? });
    }
    match disk {
        Disk::Link if fixture_name == BY_PARTUUID => by_uuid(&base, folder.path())?,
        Disk::Link => symlink(&base, &place)?,
        Disk::Copy => drop(fs::copy(&base, &place)?),
        Disk::Overlay => peer::overlay(&base, &place)?,
    }
    if script.contains(CHANGED) {
        change(&place, folder.path())?;
    }
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("umask 022\n{script}")])
        .current_dir(folder.path())
        .env("HOME", folder.path().join("home"))
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env_remove("SOURCE_DATE_EPOCH")
        .envs(peer::ENVIRONMENT.iter().copied())
        .stdin(Stdio::null());
    match side {
        Side::Theirs => peer::require()?,
        Side::Ours => drop(command.env("PATH", our_path(folder.path())?)),
    }
    let output = command.output().context("starting sh")?;
    let ran = Ran {
        folder,
        status: output.status.code(),
        stdout: output.stdout,
        stderr: output.stderr,
    };
    if let Some(cache) = cache {
        cache.store(&ran)?;
    }
    Ok(ran)
}

/// Makes the disk a copy whose fstab names filesystems by UUID, which 1.48 mounts.
fn by_uuid(base: &Path, folder: &Path) -> Result<()> {
    fs::copy(base, folder.join(DISK))?;
    let edit = "/etc/fstab:s/^PARTUUID=\\S+f001 /UUID=6d1c1b5e-5d5e-4a61-9a4f-0a1f7c7b1301 /; s/^PARTUUID=\\S+f015 /UUID=F1E5-1A17 /";
    cli::run(folder, &["virt-customize", "-q", "-a", DISK, "--edit", edit]).map(drop)
}

/// Makes the changed disk, the same for both sides.
fn change(base: &Path, folder: &Path) -> Result<()> {
    fs::copy(base, folder.join(CHANGED))?;
    let edits = [
        ["--write", "/etc/motd:changed\nno end"],
        ["--append-line", "/etc/services:imgctl 7777/tcp"],
        ["--edit", "/etc/ssh/sshd_config:s/^#//"],
        ["--chmod", "0600:/etc/hosts"],
        ["--chown", "1:2:/etc/issue"],
        ["--delete", "/etc/issue.net"],
        ["--delete", "/var/backups"],
        ["--mkdir", "/srv/a/b"],
        ["--write", "/srv/a/a name, with \"quotes\":x"],
        ["--link", "/nowhere:/srv/link"],
        ["--upload", "setuid:/srv/setuid"],
        ["--truncate", "/var/lib/dpkg/status-old"],
    ];
    let edits = edits.iter().flatten().copied();
    let arguments: Vec<&str> = ["virt-customize", "-q", "-a", CHANGED]
        .into_iter()
        .chain(edits)
        .collect();
    cli::run(folder, &arguments).map(drop)
}

/// `PATH` with links to imgctl by the tools' names before everything else.
fn our_path(folder: &Path) -> Result<OsString> {
    let links = folder.join("links");
    fs::create_dir(&links)?;
    cli::run(folder, &["install-links".as_ref(), links.as_os_str()])?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(
        [links].into_iter().chain(std::env::split_paths(&path)),
    )?)
}

/// What scripts put into guests.
fn local_files(folder: &Path) -> Result<()> {
    let write = |name: &str, content: &str, mode: u32| -> Result<()> {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().context("no folder")?)?;
        fs::write(&path, content)?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(mode))?)
    };
    write("motd", "Welcome to the golden image.\n", 0o644)?;
    write("script.sh", "#!/bin/sh\necho done > /var/lib/first\n", 0o755)?;
    write("setuid", "#!/bin/sh\n", 0o4755)?;
    write("password.txt", "from a file\nsecond line\n", 0o600)?;
    write(
        "id.pub",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/i0RmS9xQFtA1Wl3o4VqpaF7U5kN8jd0bTPgyRrWlO ops@example\n",
        0o644,
    )?;
    write(
        "home/.ssh/id_ed25519.pub",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOIhcnHkUXb0cC6hI1hOeV2xS0yzb5f5nFh5h0Zx9l5z me@home\n",
        0o644,
    )?;
    write("tree/etc/app.conf", "listen = 80\n", 0o640)?;
    write("tree/bin/app", "#!/bin/sh\nexit 0\n", 0o755)?;
    symlink("../etc/app.conf", folder.join("tree/bin/conf"))?;
    write(
        "commands.txt",
        "# what a node needs\nhostname from-commands\n\nmkdir /srv/app\nwrite /srv/app/env:A=1\nchmod 0640:/srv/app/env\n",
        0o644,
    )?;
    fs::create_dir(folder.join("out"))?;
    if imgctl_testkit::is_root() {
        chown(folder.join("tree/bin/app"), Some(1000), Some(1000))?;
        chown(folder.join("motd"), Some(0), Some(4))?;
    }
    for program in ["tar", "find"] {
        oracle::require(program)?;
    }
    let age = "find motd script.sh setuid tree -depth -exec touch -h -d '2020-01-02 03:04:05' {} +; tar --numeric-owner -cf files.tar tree motd";
    let status = Command::new("sh").args(["-ec", age]).current_dir(folder).status()?;
    ensure!(status.success(), "making the local files ended with {status}");
    Ok(())
}

/// What the guestfs-tools did with a script before, for whoever works on these tests: a run takes them 10 to 60 seconds.
///
/// `IMGCTL_PEER_CACHE` names the folder; without it they always run.
struct Cache {
    folder: PathBuf,
}

impl Cache {
    fn of(script: &str, fixture_name: &str, disk: Disk) -> Option<Self> {
        let folder = PathBuf::from(std::env::var_os("IMGCTL_PEER_CACHE")?);
        let mut digest = Sha256::new();
        digest.update(format!("{script}\0{fixture_name}\0{disk:?}"));
        let digest = oracle::hex(&digest.finalize());
        Some(Self {
            folder: folder.join(digest.get(..24)?),
        })
    }

    fn load(&self, folder: &TempDir) -> Option<Result<Ran>> {
        let status = fs::read_to_string(self.folder.join("status")).ok()?;
        Some(self.restore(folder.path(), &status))
    }

    fn restore(&self, folder: &Path, status: &str) -> Result<Ran> {
        let copy = format!("cp -a {}/files/. .", self.folder.display());
        let copied = Command::new("sh").args(["-ec", &copy]).current_dir(folder).status()?;
        ensure!(copied.success(), "copying from {}", self.folder.display());
        Ok(Ran {
            folder: tempfile::tempdir()?,
            status: status.trim().parse().ok(),
            stdout: fs::read(self.folder.join("stdout"))?,
            stderr: fs::read(self.folder.join("stderr"))?,
        })
    }

    fn store(&self, ran: &Ran) -> Result<()> {
        let files = self.folder.join("files");
        fs::create_dir_all(&files)?;
        let copy = format!("cp -a . {}/", files.display());
        let copied = Command::new("sh")
            .args(["-ec", &copy])
            .current_dir(ran.folder.path())
            .status()?;
        ensure!(copied.success(), "copying into {}", self.folder.display());
        fs::write(self.folder.join("stdout"), &ran.stdout)?;
        fs::write(self.folder.join("stderr"), &ran.stderr)?;
        // Last, as it says that all is there.
        fs::write(self.folder.join("status"), ran.status.unwrap_or(255).to_string())?;
        Ok(())
    }
}
