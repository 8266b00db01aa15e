//! Scripts that read guests: what the guestfs-tools print and take out is what ours must print and take out.

use anyhow::{Context as _, Result, ensure};
use imgctl_testkit::tree::{self, Tree};
use imgctl_testkit::{oracle, root_or_skip, tier};

use crate::scene::{self, Disk, Ran, Side};
use crate::trees::{self, Guest};

/// One script that only reads.
#[derive(Clone, Copy, Debug)]
struct Case {
    script: &'static str,
    judged: Judged,
}

/// What must be the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Judged {
    /// The exit status and standard output, byte by byte.
    Text,
    /// The exit status, and what lies in the folder `out`.
    Files,
    /// The exit status 1, nothing on standard output, something on standard error.
    Failure,
    /// The guest in `out/sparse`, as that of the disk, in a file that is not larger than theirs.
    Sparse,
}

const fn text(script: &'static str) -> Case {
    Case {
        script,
        judged: Judged::Text,
    }
}

const fn files(script: &'static str) -> Case {
    Case {
        script,
        judged: Judged::Files,
    }
}

const fn failure(script: &'static str) -> Case {
    Case {
        script,
        judged: Judged::Failure,
    }
}

const fn sparse(script: &'static str) -> Case {
    Case {
        script,
        judged: Judged::Sparse,
    }
}

/// The guests, in the order in which each script meets them.
const GUESTS: [&str; 3] = ["debian13", "debian12", "ubuntu-like"];

/// Run on each of [`GUESTS`]; the first one on the first guest is the sample of the bounded tier.
const CASES: &[Case] = &[
    text(
        "virt-inspector -a disk.qcow2 > x; for p in '//operatingsystem/name/text()' '//distro/text()' '//product_name/text()' \
          'concat(//major_version, \".\", //minor_version)' '//package_format' '//package_management' '//hostname' '//osinfo' '//arch' '//root' \
          'count(//application)' '//application[name=\"bash\"]/version/text()' '//mountpoints/mountpoint[@dev]' '//filesystems/filesystem/type' \
          '//filesystems/filesystem/uuid' '//applications/application[1]'; do xmllint --xpath \"$p\" x; echo; done",
    ),
    text("virt-inspector -a disk.qcow2"),
    text("virt-inspector --no-applications --no-icon disk.qcow2"),
    text("virt-filesystems -a disk.qcow2"),
    text("virt-filesystems -a disk.qcow2 --long --csv"),
    text("virt-filesystems -a disk.qcow2 --all --long --uuid -h"),
    text("virt-filesystems -a disk.qcow2 --all --long --uuid --csv"),
    text("virt-filesystems -a disk.qcow2 --filesystems --extra --long -h"),
    text(
        "virt-filesystems -a disk.qcow2 --partitions --long; virt-filesystems -a disk.qcow2 --block-devices --long --no-title",
    ),
    text("virt-df -a disk.qcow2 --csv"),
    text("virt-df -a disk.qcow2 -h; virt-df -a disk.qcow2 -i"),
    text("virt-df disk.qcow2; virt-df --csv -i --uuid -a disk.qcow2"),
    text("virt-ls -a disk.qcow2 /; virt-ls -l -a disk.qcow2 /boot"),
    text("virt-ls -a disk.qcow2 -lR --csv /"),
    text("virt-ls -a disk.qcow2 -R /etc; virt-ls -a disk.qcow2 -lRh /boot"),
    text("virt-ls -a disk.qcow2 -lR --checksum=sha256 --uids --time-t --csv /etc"),
    text("virt-ls -a disk.qcow2 -lR --times --extra-stats --checksum /boot"),
    text("virt-cat -a disk.qcow2 /etc/passwd /etc/os-release; virt-cat disk.qcow2 /etc/fstab"),
    text("virt-cat -m /dev/sda1 -a disk.qcow2 /etc/hostname"),
    text("cd out; virt-get-kernel -a ../disk.qcow2; ls"),
    files("virt-get-kernel -a disk.qcow2 -o out --unversioned-names"),
    files("virt-get-kernel --quiet -a disk.qcow2 -o out --prefix guest"),
    files("virt-copy-out -a disk.qcow2 /etc /boot out"),
    files("virt-copy-out -a disk.qcow2 /opt/fixture/deep /etc/hostname out"),
    files("virt-tar-out -a disk.qcow2 /etc - | tar xf - -C out"),
    files("virt-tar-out -a disk.qcow2 /opt etc.tar; tar xf etc.tar -C out --exclude=zero"),
    failure("virt-cat -a disk.qcow2 /no/such/file"),
    failure("virt-cat -a nosuch.qcow2 /etc/passwd"),
    failure("virt-ls -a disk.qcow2 /no/such/folder"),
    failure("truncate -s 64M empty.img; virt-cat -a empty.img /etc/passwd"),
    failure("truncate -s 64M empty.img; virt-inspector -a empty.img"),
    failure("virt-copy-out -a disk.qcow2 /no/such/file out"),
    failure("virt-filesystems --bogus -a disk.qcow2"),
    failure("virt-df -a nosuch.qcow2"),
    failure("virt-get-kernel -a disk.qcow2 -o nosuch/folder"),
    // 1.48 compares inode and device numbers, too, and its kernel sometimes gives the two disks different ones.
    text(
        "for i in 1 2 3; do virt-diff -a disk.qcow2 -A changed.qcow2 --all > x || exit; grep -q st_dev x || break; done; \
         sed 's/ st_ino//' x",
    ),
    text(
        "for i in 1 2 3; do virt-diff -a changed.qcow2 -A disk.qcow2 --checksum --csv --dir-times --dir-links > x || exit; \
         grep -q st_dev x || break; done; sed 's/,st_ino//' x",
    ),
    sparse("virt-sparsify disk.qcow2 out/sparse"),
    sparse("virt-sparsify --compress disk.qcow2 out/sparse"),
    sparse("virt-sparsify --tmp . --convert raw disk.qcow2 out/sparse"),
    sparse("cp $(readlink -f disk.qcow2) out/sparse; virt-sparsify --in-place out/sparse"),
];

fn check(case: Case, guest: &str) -> Result<()> {
    let ours = scene::run(Side::Ours, case.script, guest, Disk::Link)?;
    let theirs = scene::run(Side::Theirs, case.script, guest, Disk::Link)?;
    let told = || format!("theirs: {}\nours: {}", head(&theirs), head(&ours));
    ensure!(ours.status == theirs.status, "{}", told());
    match case.judged {
        Judged::Text => {
            ensure!(theirs.status == Some(0), "{}", told());
            ensure!(!theirs.stdout.is_empty(), "{}", told());
            same_text(&theirs.stdout, &ours.stdout)
        }
        Judged::Failure => {
            ensure!(
                theirs.status == Some(1) && theirs.stdout == ours.stdout && !ours.stderr.is_empty(),
                "{}",
                told()
            );
            Ok(())
        }
        Judged::Files => {
            ensure!(theirs.status == Some(0), "{}", told());
            let mut trees = [Tree::read(&theirs.out())?, Tree::read(&ours.out())?];
            for tree in &mut trees {
                ensure!(tree.entries.len() > 1, "nothing was taken out\n{}", told());
                if let Some(root) = tree.entries.get_mut(b"/".as_slice()) {
                    root.mtime = (0, 0);
                }
            }
            if case.script.contains("virt-get-kernel") {
                // These are files of the run.
                trees
                    .iter_mut()
                    .flat_map(|tree| tree.entries.values_mut())
                    .for_each(|entry| entry.mtime = (0, 0));
            }
            let [theirs, ours] = trees;
            let found = theirs.difference(&ours);
            ensure!(
                found.is_empty(),
                "theirs → ours: {} differences\n{}",
                found.len(),
                tree::report(&found, 30)
            );
            Ok(())
        }
        Judged::Sparse => {
            let (their_image, our_image) = (theirs.out().join("sparse"), ours.out().join("sparse"));
            let (before, after) = (Guest::open(&ours.disk())?, Guest::open(&our_image)?);
            after.check()?;
            trees::ensure_none(&trees::compare(&before.tree, &before, &after, &[])?, "before → after")?;
            let bytes = [used_bytes(&their_image)?, used_bytes(&our_image)?];
            let [theirs, ours] = bytes;
            ensure!(ours <= theirs + theirs / 50, "ours takes {ours} bytes, theirs {theirs}");
            Ok(())
        }
    }
}

fn used_bytes(path: &std::path::Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(path
        .metadata()
        .with_context(|| format!("examining {}", path.display()))?
        .blocks()
        * 512)
}

fn head(ran: &Ran) -> String {
    ran.describe().chars().take(1500).collect()
}

/// Fails with the first lines that differ.
fn same_text(theirs: &[u8], ours: &[u8]) -> Result<()> {
    if theirs == ours {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let paths = ["theirs", "ours"].map(|name| folder.path().join(name));
    std::fs::write(&paths[0], theirs)?;
    std::fs::write(&paths[1], ours)?;
    let difference = oracle::output(
        "diff",
        ["-u", "--label=theirs", "--label=ours"]
            .map(Into::into)
            .into_iter()
            .chain(paths),
    )?;
    let text = String::from_utf8_lossy(&difference.stdout).into_owned();
    let shown: Vec<&str> = text.lines().take(40).collect();
    anyhow::bail!(
        "the texts differ in {} lines\n{}",
        text.lines().count(),
        shown.join("\n")
    )
}

#[test]
fn scripts_print_the_same() -> Result<()> {
    if !root_or_skip("scripts_print_the_same") {
        return Ok(());
    }
    let mut failures = Vec::new();
    for index in tier::seeds(0..1) {
        let number = usize::try_from(index)?;
        let guest = GUESTS[number % GUESTS.len()];
        let case = *CASES.get(number / GUESTS.len()).context("no such case")?;
        if let Err(error) = tier::try_case("virt-outputs", index, tier::Limits::LARGE, || check(case, guest)) {
            failures.push(format!("{guest}: {}\n{error:#}\n", case.script));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}
