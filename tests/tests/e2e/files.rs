//! The options about files against the real tools: what `cp -a`, `tar`, `chmod`, `chown`, `setfacl`, `setcap`, `ln`, `mv`
//! and perl make of a mounted copy of the same disk is what the kernel must find in the new image.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::tree::Tree;
use imgctl_testkit::{cli, fixture, oracle, root_or_skip};

use crate::guest_disk::GuestDisk;
use crate::journey::NOW;

/// What is put into the guest first, by both sides alike.
const START: &str = r##"
mkdir -p /lab/tree/sub /lab/dest /lab/empty
printf 'one\ntwo\nthree\n' > /lab/text
printf 'a=1\r\nb=2\r\n' > /lab/dos
printf '#!/bin/sh\nexit 0\n' > /lab/tree/program
printf 'log\n' > /lab/tree/sub/a.log
printf 'log\n' > /lab/tree/sub/b.log
ln -s ../text /lab/tree/link
ln /lab/tree/program /lab/tree/sub/again
chmod 4755 /lab/tree/program
chown 7:8 /lab/tree/sub/a.log
mkfifo /lab/tree/pipe
"##;

/// Options, and the shell that does the same at `$G`; `$H` is the folder with the local files.
const CASES: &[(&[&str], &str)] = &[
    (&["--write", "/lab/new:no end"], "printf 'no end' > $G/lab/new"),
    (&["--write", "/lab/text:short"], "printf short > $G/lab/text"),
    (&["--append-line", "/lab/dos:c=3"], r"printf 'c=3\r\n' >> $G/lab/dos"),
    (&["--append-line", "/lab/new:more"], r"printf '\nmore\n' >> $G/lab/new"),
    (
        &["--upload", "program:/lab/dest"],
        "cp --preserve=mode,ownership $H/program $G/lab/dest/program",
    ),
    (
        &["--upload", "program:/lab/as"],
        "cp --preserve=mode,ownership $H/program $G/lab/as",
    ),
    (
        &["--copy-in", "local:/lab/dest"],
        "cp -a $H/local $G/lab/dest/ && setfattr -x user.origin $G/lab/dest/local/file",
    ),
    (
        &["--tar-in", "plain.tar:/lab/empty"],
        "tar -xpf $H/plain.tar -C $G/lab/empty --numeric-owner",
    ),
    (&["--mkdir", "/lab/z"], "mkdir $G/lab/z"),
    (
        &["--tar-in", "packed.tar.gz:/lab/z"],
        "tar -xpf $H/packed.tar.gz -C $G/lab/z --numeric-owner",
    ),
    (
        &["--tar-in", "packed.tar.xz:/lab/z"],
        "tar -xpf $H/packed.tar.xz -C $G/lab/z --numeric-owner",
    ),
    (
        &["--tar-in", "packed.tar.zst:/lab/z"],
        "tar -xpf $H/packed.tar.zst -C $G/lab/z --numeric-owner",
    ),
    (&["--copy", "/lab/tree:/lab/copied"], "cp -a $G/lab/tree $G/lab/copied"),
    (&["--copy", "/lab/tree:/lab/dest"], "cp -a $G/lab/tree $G/lab/dest"),
    (
        &["--move", "/lab/copied/sub:/lab/moved"],
        "mv $G/lab/copied/sub $G/lab/moved",
    ),
    (
        &["--move", "/lab/copied/link:/lab/dest"],
        "mv $G/lab/copied/link $G/lab/dest",
    ),
    (&["--delete", "/lab/moved/*.log"], "rm -rf $G/lab/moved/*.log"),
    (
        &["--link", "../text:/lab/l1:/lab/dest"],
        "ln -sf ../text $G/lab/l1; ln -sf ../text $G/lab/dest",
    ),
    (&["--chmod", "2711:/lab/tree/sub"], "chmod 2711 $G/lab/tree/sub"),
    (&["--chmod", "755:/lab/text"], "chmod 0755 $G/lab/text"),
    (&["--chmod", "u+s,go-rx:/lab/text"], "chmod u+s,go-rx $G/lab/text"),
    (
        &["--chmod-recursive", "a=rX,u+w:/lab/dest"],
        "chmod -R a=rX,u+w $G/lab/dest",
    ),
    (&["--chown", "5:6:/lab/tree/program"], "chown 5:6 $G/lab/tree/program"),
    (
        &["--chown-recursive", "9:9:/lab/dest/local"],
        "chown -hR 9:9 $G/lab/dest/local",
    ),
    (&["--touch", "/lab/touched"], "touch $G/lab/touched"),
    (&["--truncate", "/lab/as"], "truncate -s 0 $G/lab/as"),
    (
        &["--truncate-recursive", "/lab/tree/sub"],
        "find $G/lab/tree/sub -type f -exec truncate -s 0 {} +",
    ),
    (&["--scrub", "/lab/dest/program"], "rm $G/lab/dest/program"),
    (
        &["--edit", "/etc/passwd:s/^root:.*?:/root::/"],
        "perl -pe 's/^root:.*?:/root::/' $G/etc/passwd > $H/edited && cat $H/edited > $G/etc/passwd",
    ),
    (&["--write", "/lab/app:x"], "printf x > $G/lab/app"),
    (
        &["--set-acl", "/lab/app:u:7:rwX,g:8:r"],
        "setfacl -m u:7:rwX,g:8:r $G/lab/app",
    ),
    (
        &["--set-acl", "/lab/tree:u:7:rX,d:u:7:rX,d:g:8:rwx,m::r"],
        "setfacl -m u:7:rX,d:u:7:rX,d:g:8:rwx,m::r $G/lab/tree",
    ),
    (&["--set-acl", "/lab/text:u:7:r"], "setfacl -m u:7:r $G/lab/text"),
    (&["--chmod", "0640:/lab/text"], "chmod 0640 $G/lab/text"),
    (&["--set-acl", "/lab/z:o::-,g::rwx"], "setfacl -m o::-,g::rwx $G/lab/z"),
    (&["--set-acl", "/lab/dos:u:1:rw"], "setfacl -m u:1:rw $G/lab/dos"),
    (&["--set-acl", "/lab/dos:none"], "setfacl -b $G/lab/dos"),
    (
        &["--set-capabilities", "/lab/app:cap_net_bind_service,cap_net_raw+ep"],
        "setcap cap_net_bind_service,cap_net_raw+ep $G/lab/app",
    ),
    (
        &["--set-capabilities", "/lab/new:cap_bpf=eip"],
        "setcap cap_bpf=eip $G/lab/new",
    ),
    (
        &["--set-xattr", "/lab/new:user.origin=0x676f6c64"],
        "setfattr -n user.origin -v gold $G/lab/new",
    ),
    (&["--write", "/lab/program:x"], "printf x > $G/lab/program"),
    (
        &["--set-capabilities", "/lab/program:cap_kill+p"],
        "setcap cap_kill+p $G/lab/program",
    ),
    (&["--chown", "3:4:/lab/program"], "chown 3:4 $G/lab/program"),
];

#[test]
fn options_do_what_the_tools_do() -> Result<()> {
    if !root_or_skip("options_do_what_the_tools_do") {
        return Ok(());
    }
    for program in [
        "setfacl", "getfacl", "setcap", "getcap", "setfattr", "perl", "tar", "xz", "zstd",
    ] {
        oracle::require(program)?;
    }
    let folder = tempfile::Builder::new().prefix("imgctl-files-").tempdir()?;
    local_files(folder.path())?;
    let start = folder.path().join("start.raw");
    oracle::qemu_convert(&fixture::image("mini")?, &start, "raw")?;
    on_guest(&start, folder.path(), &START.replace(" /lab", " $G/lab"))?;

    let expected = folder.path().join("expected.raw");
    fs::copy(&start, &expected)?;
    let script: Vec<&str> = CASES.iter().map(|(_, shell)| *shell).collect();
    on_guest(&expected, folder.path(), &script.join("\n"))?;

    let arguments = CASES.iter().flat_map(|(options, _)| options.iter().copied());
    let got = customize(folder.path(), &start, "got.raw", &arguments.collect::<Vec<_>>())?;
    let (expected, got) = (GuestDisk::open(&expected)?, GuestDisk::open(&got)?);
    got.check()?;
    let expected = Mount::new(&expected.raw, expected.root, Access::ReadOnly)?;
    let got = Mount::new(&got.raw, got.root, Access::ReadOnly)?;
    let (mut wanted, mut made) = (Tree::read(expected.path())?, Tree::read(got.path())?);
    forget_times(&mut wanted);
    forget_times(&mut made);
    let difference = wanted.difference(&made);
    ensure!(
        difference.is_empty(),
        "the real tools make another tree:\n{}",
        imgctl_testkit::tree::report(&difference, 40)
    );
    for (program, arguments) in [("getfacl", &["-R", "-n", "-p"][..]), ("getcap", &["-r", "-n"])] {
        let told = |root: &Path| -> Result<String> {
            let output = Command::new(program)
                .args(arguments)
                .arg(".")
                .current_dir(root.join("lab"))
                .output()?;
            ensure!(
                output.status.success(),
                "{program}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            // The order is that of the directories' entries.
            let separator = if program == "getfacl" { "\n\n" } else { "\n" };
            let told = String::from_utf8(output.stdout)?;
            let mut parts: Vec<&str> = told.split(separator).collect();
            parts.sort_unstable();
            Ok(parts.join(separator))
        };
        let told_of_made = told(got.path())?;
        ensure!(
            told_of_made.contains("cap_bpf") || told_of_made.contains("user:7:"),
            "{told_of_made}"
        );
        ensure!(
            told_of_made == told(expected.path())?,
            "{program} tells another story:\n{told_of_made}"
        );
    }
    Ok(())
}

#[test]
fn recipes_are_at_rest_on_their_own_output() -> Result<()> {
    const RECIPE: &str = r#"
apiVersion: imgctl/v1
kind: Recipe
files:
  - { path: /srv/tree, tree: local, preserve: [owners, times, xattrs] }
  - { path: /srv/plain, tree: local, mode: 'u=rwX,go=rX', owner: 7, recursive: true }
  - { path: /srv/z, archive: packed.tar.zst, strip_components: 1 }
  - { path: /srv/moved, move: /srv/plain/file }
  - { path: /srv/tree/empty, type: file }
  - { path: /etc/passwd, edit: 's/^(root):[^:]*:/$1:x:/' }
  - { path: /srv/config, line: a=1 }
  - { path: /srv/config, line: b=2, insert_before: '^a=' }
  - { path: /srv/config, line: c=3, insert_after: '^b=' }
  - { path: /srv/tree/file, mode: u+x, acl: ['u:7:rw', 'g:root:r'], xattrs: { user.origin: golden } }
  - { path: /srv/tree, acl: ['d:u:7:rX'] }
  - { path: /srv/z, acl: ['u:7:rX'], recursive: true }
  - { path: /srv/copy, copy: /srv/tree }
  - { path: /srv/copy/file, capabilities: cap_net_bind_service+ep }
  - { path: /srv/copy/*.log, state: empty }
"#;
    let folder = tempfile::Builder::new().prefix("imgctl-files-").tempdir()?;
    local_files(folder.path())?;
    fs::write(folder.path().join("recipe.yaml"), RECIPE)?;
    // What was moved away comes back from the tree otherwise.
    fs::write(
        folder.path().join("again.yaml"),
        RECIPE.replace(
            "  - { path: /srv/plain, tree: local, mode: 'u=rwX,go=rX', owner: 7, recursive: true }\n",
            "",
        ),
    )?;
    let base = fixture::image("mini")?.canonicalize()?;
    let out = customize(folder.path(), &base, "out.raw", &["--recipe", "recipe.yaml"])?;
    let disk = GuestDisk::open(&out)?;
    disk.check()?;
    customize(
        folder.path(),
        &out,
        "again.raw",
        &["--recipe", "again.yaml", "--receipt", "receipt.json"],
    )?;
    let receipt: serde_json::Value = serde_json::from_slice(&fs::read(folder.path().join("receipt.json"))?)?;
    ensure!(receipt["changes"] == serde_json::json!([]), "{:#}", receipt["changes"]);
    if !root_or_skip("recipes_are_at_rest_on_their_own_output") {
        return Ok(());
    }
    let mount = Mount::new(&disk.raw, disk.root, Access::ReadOnly)?;
    let config = fs::read_to_string(mount.path().join("srv/config"))?;
    ensure!(config == "b=2\nc=3\na=1\n", "{config}");
    let kept = fs::symlink_metadata(mount.path().join("srv/tree/link"))?.modified()?;
    ensure!(kept == fs::symlink_metadata(folder.path().join("local/link"))?.modified()?);
    Ok(())
}

/// The local files that options and entries name.
fn local_files(folder: &Path) -> Result<()> {
    let local = folder.join("local");
    fs::create_dir_all(local.join("deep/er"))?;
    fs::write(local.join("file"), "content\n")?;
    fs::write(local.join("x.log"), "log\n")?;
    fs::write(local.join("deep/er/big"), vec![7; 700_000])?;
    fs::hard_link(local.join("file"), local.join("deep/other"))?;
    symlink("/etc/passwd", local.join("link"))?;
    fs::set_permissions(local.join("deep"), fs::Permissions::from_mode(0o2750))?;
    fs::write(folder.join("program"), "#!/bin/sh\n")?;
    fs::set_permissions(folder.join("program"), fs::Permissions::from_mode(0o6755))?;
    if imgctl_testkit::is_root() {
        chown(local.join("deep/er"), Some(1234), Some(70_000))?;
        shell("setfattr -n user.origin -v here $H/local/file", folder, folder)?;
    }
    let age = "find $H/local $H/program -depth -exec touch -h -d '2020-01-02 03:04:05.123456789' {} +";
    shell(age, folder, folder)?;
    let pack = "cd $H && tar --numeric-owner -cf plain.tar local program \
        && tar --format=pax -czf packed.tar.gz local && tar --format=gnu -cJf packed.tar.xz local \
        && tar --zstd --format=ustar -cf packed.tar.zst local";
    shell(pack, folder, folder)
}

/// Runs a script with `$G` as the mounted root of the disk.
fn on_guest(raw: &Path, host: &Path, script: &str) -> Result<()> {
    let disk = GuestDisk::open(raw)?;
    let mount = Mount::new(raw, disk.root, Access::ReadWrite)?;
    shell(script, mount.path(), host)?;
    mount.unmount()
}

fn shell(script: &str, guest: &Path, host: &Path) -> Result<()> {
    let mut command = Command::new("sh");
    command
        .args(["-ec", &format!("umask 022\n{script}")])
        .env("G", guest)
        .env("H", host);
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "{script}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// A raw image made of `base` in the folder.
fn customize(folder: &Path, base: &Path, name: &str, arguments: &[&str]) -> Result<std::path::PathBuf> {
    let mut command = cli::command(folder)?;
    command
        .arg("customize")
        .arg(base)
        .args(arguments)
        .args(["--format", "raw", "-o", name]);
    let output = command
        .env("SOURCE_DATE_EPOCH", NOW.to_string())
        .output()
        .context("starting imgctl")?;
    ensure!(
        output.status.success(),
        "{:?}\n{}",
        arguments.iter().map(OsStr::new).collect::<Vec<_>>(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(folder.join(name))
}

/// Times of files made in the test are the host's on one side and the run's on the other; those that tools keep are old.
fn forget_times(tree: &mut Tree) {
    for entry in tree.entries.values_mut() {
        if entry.mtime.0 >= NOW {
            entry.mtime = (0, 0);
        }
    }
}
