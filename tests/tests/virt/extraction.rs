//! Guests that were made to have something written outside of the folder that files are taken out into.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::oracle::{self, Partition};
use imgctl_testkit::tree::{self, Tree, is_below};
use imgctl_testkit::{cli, root_or_skip};
use tempfile::TempDir;

/// What is in the guest; `$O` is the folder of the host that nothing may get into.
const TRAPS: &str = r#"
mkdir -p etc trap/deep/er trap/dowm trap/many
echo ID=debian > etc/os-release
echo fixture > etc/hostname
cd trap
ln -s "$O" down
echo evil > dowm/evil
ln -s "$O/file" target
echo evil > targeu
echo evil > ..+..+evil-a
echo evil > ..+evil-b
echo evil > +tmp+evil-c
echo evil > deep/..+..+..+..+evil-d
mkdir zz; echo evil > zz/evil-e
ln -s ../../../.. up
ln -s . self
ln -s "$O" deep/er/out
echo evil > "$(printf 'control\033[2J\nname')"
echo evil > "$(printf 'bytes\377\200')"
echo evil > "$(printf 'n%.0s' $(seq 255))"
mkdir "$(printf 'd%.0s' $(seq 255))"
printf '#!/bin/sh\n' > setuid; chmod 6755 setuid
mkdir sticky; chmod 7777 sticky
mknod block b 7 200
mknod char c 1 3
mkfifo pipe
ln setuid many/again
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
truncate -s 300M sparse
"#;

/// Names as the kernel takes them, and what they are in the image.
const NAMES: &[(&str, &str)] = &[
    ("dowm", "down"),
    ("targeu", "target"),
    ("..+..+evil-a", "../../evil-a"),
    ("..+evil-b", "../evil-b"),
    ("+tmp+evil-c", "/tmp/evil-c"),
    ("..+..+..+..+evil-d", "../../../../evil-d"),
];

/// A folder of the host with something to protect around the place where files are taken out.
struct Host {
    folder: TempDir,
    before: Tree,
}

impl Host {
    /// With a guest in which one name was changed.
    fn new(change: Option<(&str, &str)>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("imgctl-traps-").tempdir()?;
        fs::create_dir_all(folder.path().join("box/in/out"))?;
        fs::create_dir(folder.path().join("outside"))?;
        for file in ["outside/file", "box/evil-a", "box/in/file"] {
            fs::write(folder.path().join(file), "untouched\n")?;
        }
        make_image(folder.path(), change)?;
        let mut host = Self {
            folder,
            before: Tree::default(),
        };
        host.before = host.tree()?;
        Ok(host)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Everything but what is in the place that files are taken out into.
    fn tree(&self) -> Result<Tree> {
        let mut tree = Tree::read(self.folder.path())?;
        tree.entries
            .retain(|path, _| path == b"/box/in/out" || !is_below(path, b"/box/in/out"));
        if let Some(out) = tree.entries.get_mut(b"/box/in/out".as_slice()) {
            (out.mode, out.mtime) = (0, (0, 0));
        }
        Ok(tree)
    }

    fn run(&self, arguments: &[&str]) -> Result<Output> {
        Ok(cli::command(&self.path("box/in"))?.args(arguments).output()?)
    }

    /// Fails if anything outside was made, changed or removed.
    fn check(&self, what: &str) -> Result<()> {
        let found = self.before.difference(&self.tree()?);
        ensure!(found.is_empty(), "{what} got out:\n{}", tree::report(&found, 20));
        ensure!(!Path::new("/tmp/evil-c").exists(), "{what} made /tmp/evil-c");
        Ok(())
    }
}

/// An ext4 without checksums, in which a name was changed behind the kernel's back.
fn make_image(folder: &Path, change: Option<(&str, &str)>) -> Result<()> {
    let image = folder.join("guest.raw");
    fs::File::create(&image)?.set_len(48 << 20)?;
    let options = ["-q", "-t", "ext4", "-O", "^metadata_csum,^dir_index,^has_journal"].map(std::ffi::OsStr::new);
    oracle::run("mke2fs", options.into_iter().chain([image.as_os_str()]))?;
    let mount = Mount::new(&image, Partition::whole(&image)?, Access::ReadWrite)?;
    let status = Command::new("sh")
        .args(["-ec", TRAPS])
        .env("O", folder.join("outside"))
        .current_dir(mount.path())
        .status()?;
    ensure!(status.success(), "setting the traps ended with {status}");
    mount.unmount()?;
    if let Some((old, new)) = change {
        let mut bytes = fs::read(&image)?;
        // Length and kind of the name come before it.
        let find = |bytes: &[u8], from: usize| {
            let places = bytes.windows(old.len()).enumerate().skip(from);
            let mut places = places
                .filter(|(_, window)| *window == old.as_bytes())
                .map(|(place, _)| place);
            places.find(|place| bytes.get(place.wrapping_sub(2)).copied() == u8::try_from(old.len()).ok())
        };
        let place = find(&bytes, 0).with_context(|| format!("{old} is not in the image"))?;
        bytes[place..place + new.len()].copy_from_slice(new.as_bytes());
        fs::write(&image, bytes)?;
    }
    Ok(())
}

#[test]
fn nothing_gets_out_of_the_folder() -> Result<()> {
    if !root_or_skip("nothing_gets_out_of_the_folder") {
        return Ok(());
    }
    let changes = NAMES.iter().map(|change| Some(*change));
    for change in [None].into_iter().chain(changes) {
        let host = Host::new(change)?;
        let taken = take_out(&host).with_context(|| format!("{change:?}"))?;
        // Nothing was tested if nothing works; of damage, as much as may be is refused.
        ensure!(taken > 4 || change.is_some(), "only {taken} paths could be taken out");
    }
    Ok(())
}

/// How many of the paths could be taken out.
fn take_out(host: &Host) -> Result<usize> {
    let image = host.path("guest.raw").display().to_string();
    let paths = [
        "/",
        "/trap",
        "/trap/deep",
        "/trap/down",
        "/trap/up",
        "/trap/target",
        "/trap/setuid",
        "/trap/many",
        "/trap/sticky",
    ];
    let mut taken = 0;
    for path in paths {
        let output = host.run(&["virt-copy-out", "-a", &image, path, "out"])?;
        ensure!(matches!(output.status.code(), Some(0 | 1)), "{path}: {output:?}");
        taken += usize::from(output.status.success());
        host.check(&format!("virt-copy-out {path}"))?;
        // Once more, on top of what is there.
        host.run(&["virt-copy-out", "-a", &image, path, "out"])?;
        host.check(&format!("virt-copy-out {path} again"))?;
    }
    Ok(taken)
}

#[test]
fn links_that_were_put_there_before_lead_nowhere() -> Result<()> {
    if !root_or_skip("links_that_were_put_there_before_lead_nowhere") {
        return Ok(());
    }
    let host = Host::new(None)?;
    let image = host.path("guest.raw").display().to_string();
    let outside = host.path("outside");
    for (link, path) in [
        ("etc", "/etc"),
        ("hostname", "/etc/hostname"),
        ("many", "/trap/many"),
        ("setuid", "/trap/setuid"),
    ] {
        let place = host.path("box/in/out").join(link);
        symlink(
            if path.contains("hostname") {
                outside.join("file")
            } else {
                outside.clone()
            },
            &place,
        )?;
        host.run(&["virt-copy-out", "-a", &image, path, "out"])?;
        host.check(&format!("virt-copy-out {path} onto a link"))?;
    }
    Ok(())
}

#[test]
fn archives_have_no_names_that_lead_out() -> Result<()> {
    if !root_or_skip("archives_have_no_names_that_lead_out") {
        return Ok(());
    }
    let changes = NAMES.iter().map(|change| Some(*change));
    for change in [None].into_iter().chain(changes) {
        let host = Host::new(change)?;
        archive(&host).with_context(|| format!("{change:?}"))?;
    }
    Ok(())
}

fn archive(host: &Host) -> Result<()> {
    let image = host.path("guest.raw").display().to_string();
    let output = host.run(&["virt-tar-out", "-a", &image, "/etc", "-"])?;
    ensure!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
    for folder in ["/trap", "/trap/deep", "/"] {
        let archive = host.path("box/in/out/trap.tar");
        let output = host.run(&["virt-tar-out", "-a", &image, folder, "out/trap.tar"])?;
        host.check(&format!("virt-tar-out {folder}"))?;
        if !output.status.success() {
            ensure!(!archive.exists(), "a failed run has left half an archive");
            continue;
        }
        let names = oracle::run(
            "tar",
            ["--quoting-style=escape".as_ref(), "-tf".as_ref(), archive.as_os_str()],
        )?;
        for name in names.lines() {
            let leads_out = name.starts_with('/') || name.split('/').any(|part| part == "..");
            ensure!(!leads_out, "virt-tar-out {folder}: {name}");
        }
        fs::remove_file(&archive)?;
    }
    Ok(())
}
