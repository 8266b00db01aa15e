//! Images changed in place: replaced whole or not at all, by one of their own kind and with all they had.

use crate::recipe::recipe;
use imgctl_core::{
    CustomizeOptions, Destination, Error, Event, InputOptions, OutputOptions, Receipt, Stage, customize,
};
use imgctl_recipe::OutputFormat;
use imgctl_testkit::{fixture, is_root, oracle, root_or_skip};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const SECTIONS: &str = "files:\n  - { path: /etc/motd, content: \"changed in place\\n\" }\n";

fn options(image: &Path, destination: Destination) -> CustomizeOptions {
    CustomizeOptions {
        base: image.to_owned(),
        input: InputOptions::default(),
        recipe: Some(recipe(SECTIONS)),
        flags: Vec::new(),
        programs: imgctl_core::ProgramOptions::default(),
        destination,
        digest_base: false,
        wipe_free: false,
        scratch: None,
        threads: None,
        reference_time: Some(1_700_000_000),
        cancel: Default::default(),
    }
}

fn change(image: &Path) -> Result<Receipt, Error> {
    customize(&options(image, Destination::InPlace), &|_| {})
}

/// A folder with `disk.raw`, the mini guest, and `expected.raw`, what it becomes.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk.raw");
    oracle::qemu_convert(&fixture::image("mini").unwrap(), &disk, "raw").unwrap();
    let output = OutputOptions {
        path: folder.path().join("expected.raw"),
        force: false,
        format: OutputFormat::Raw,
        compression: None,
        cluster_bytes: None,
        compat: imgctl_core::Compat::default(),
        recompress: false,
        thin: false,
        checksums: Vec::new(),
    };
    customize(&options(&disk, Destination::File(output)), &|_| {}).unwrap();
    folder
}

fn run(folder: &Path, program: &str, arguments: &str) -> String {
    let output = Command::new(program)
        .args(arguments.split(' '))
        .current_dir(folder)
        .output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; apt-get install qemu-utils acl attr"));
    assert!(output.status.success(), "{program} {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What the guest says in `/etc/motd`.
fn is_changed(folder: &Path, image: &Path) -> bool {
    let raw = folder.join("look.raw");
    oracle::qemu_convert(image, &raw, "raw").unwrap();
    // Free clusters that were dropped read as zeros in one of them, so the files are compared.
    let changed = std::fs::read(&raw)
        .unwrap()
        .windows(16)
        .any(|window| window == b"changed in place");
    let partitions = oracle::partitions(&raw).unwrap();
    oracle::e2fsck(&raw, partitions[0]).unwrap();
    std::fs::remove_file(&raw).unwrap();
    changed
}

/// The storage that `qemu-img info` tells of, without what a change may alter.
fn kind(folder: &Path, image: &str) -> String {
    let info = run(folder, "qemu-img", &format!("info --force-share {image}"));
    let keep = |line: &&str| !line.contains("disk size") && !line.contains("file length");
    info.lines().filter(keep).collect::<Vec<_>>().join("\n")
}

/// How many clusters are stored compressed.
fn compressed(image: &Path) -> u64 {
    let info = imgctl_core::info(image, &InputOptions::default(), &false.into()).unwrap();
    info.allocation.unwrap().compressed
}

#[test]
fn every_kind_of_image_stays_of_its_kind() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    for (flags, options) in [
        ("", "cluster_size=65536"),
        ("-c ", "cluster_size=65536"),
        ("-c ", "compression_type=zstd,lazy_refcounts=on"),
        ("-c ", "cluster_size=4096"),
        ("-c ", "compat=0.10"),
        ("", "cluster_size=2097152"),
        ("", "preallocation=metadata"),
    ] {
        run(
            folder.path(),
            "qemu-img",
            &format!("convert {flags}-O qcow2 -o {options} disk.raw disk.qcow2"),
        );
        let image = path("disk.qcow2");
        let (before, streams) = (kind(folder.path(), "disk.qcow2"), compressed(&image));
        let receipt = change(&image).unwrap();
        assert!(!receipt.dry_run && receipt.output.is_some(), "{options}");
        oracle::qemu_check(&image).unwrap();
        assert_eq!(kind(folder.path(), "disk.qcow2"), before, "{options}");
        assert!(is_changed(folder.path(), &image), "{options}");
        assert_eq!(compressed(&image) > 0, streams > 0, "{options}");
        assert_eq!(names(folder.path()), ["disk.qcow2", "disk.raw", "expected.raw"]);
    }
    change(&path("disk.raw")).unwrap();
    assert!(is_changed(folder.path(), &path("disk.raw")));
    assert_eq!(
        path("disk.raw").metadata().unwrap().len(),
        path("expected.raw").metadata().unwrap().len()
    );
    assert!(path("disk.raw").metadata().unwrap().blocks() * 512 < path("disk.raw").metadata().unwrap().len());
}

#[test]
fn a_link_owner_mode_acl_and_attributes_stay() {
    let folder = folder();
    let image = folder.path().join("disk.raw");
    std::os::unix::fs::symlink("disk.raw", folder.path().join("link")).unwrap();
    if is_root() {
        std::os::unix::fs::chown(&image, Some(64_055), Some(104)).unwrap();
    }
    std::fs::set_permissions(&image, PermissionsExt::from_mode(0o640)).unwrap();
    run(folder.path(), "setfacl", "-m u:7:rw disk.raw");
    run(folder.path(), "setfattr", "-n user.origin -v golden disk.raw");
    let told = || {
        let acl = run(folder.path(), "getfacl", "-n disk.raw");
        let attributes = run(folder.path(), "getfattr", "-d -m - disk.raw");
        let metadata = image.metadata().unwrap();
        (acl, attributes, metadata.uid(), metadata.gid(), metadata.mode())
    };
    let (before, inode) = (told(), image.metadata().unwrap().ino());
    change(&folder.path().join("link")).unwrap();
    assert_eq!(told(), before);
    assert!(folder.path().join("link").is_symlink());
    let replaced = image.metadata().unwrap().ino();
    assert_ne!(replaced, inode);
    assert!(is_changed(folder.path(), &image));

    // Nothing changes by the same run, so nothing is replaced.
    let receipt = change(&image).unwrap();
    assert!(receipt.output.is_none() && !receipt.dry_run && receipt.changes.is_empty());
    assert_eq!(image.metadata().unwrap().ino(), replaced);
    assert_eq!(names(folder.path()), ["disk.raw", "expected.raw", "link"]);
}

#[test]
fn an_overlay_keeps_its_chain_and_gets_only_what_changed() {
    let folder = folder();
    let digest = oracle::sha256(&folder.path().join("disk.raw")).unwrap();
    for line in [
        "create -q -f qcow2 -F raw -b disk.raw middle.qcow2",
        "create -q -f qcow2 -F qcow2 -b ./middle.qcow2 top.qcow2",
    ] {
        run(folder.path(), "qemu-img", line);
    }
    let top = folder.path().join("top.qcow2");
    let before = kind(folder.path(), "top.qcow2");
    let plain = customize(&options(&top, Destination::DryRun), &|_| {}).unwrap_err();
    assert!(plain.hint().unwrap().contains("--allow-backing"), "{plain}");
    change(&top).unwrap();
    assert_eq!(kind(folder.path(), "top.qcow2"), before);
    oracle::qemu_check(&top).unwrap();
    assert!(is_changed(folder.path(), &top));
    assert!(
        top.metadata().unwrap().len() < 4 << 20,
        "{}",
        top.metadata().unwrap().len()
    );
    assert_eq!(oracle::sha256(&folder.path().join("disk.raw")).unwrap(), digest);

    // The chain is followed in a dry run of such a change as well.
    let mut dry = options(&top, Destination::DryRun);
    dry.input.own_chain = true;
    customize(&dry, &|_| {}).unwrap();
}

#[test]
fn chains_that_lead_anywhere_else_are_not_followed() {
    let folder = folder();
    let image = folder.path().join("top.qcow2");
    let refuse = |line: &str, expected: &str| {
        let _ = std::fs::remove_file(&image);
        run(
            folder.path(),
            "qemu-img",
            line.trim_end_matches(" (without its format)"),
        );
        if line.ends_with(" (without its format)") {
            // The header extension becomes one that nobody knows: qemu-img writes no such images any more.
            let mut bytes = std::fs::read(&image).unwrap();
            let place = bytes
                .windows(4)
                .position(|window| window == [0xe2, 0x79, 0x2a, 0xca])
                .unwrap();
            bytes[place] = 0x12;
            std::fs::write(&image, bytes).unwrap();
        }
        let digest = oracle::sha256(&image).unwrap();
        let error = change(&image).unwrap_err();
        let told = format!("{error} {:?} {:?}", std::error::Error::source(&error), error.hint());
        assert!(told.contains(expected), "{line}: {told}");
        assert_eq!(oracle::sha256(&image).unwrap(), digest);
    };
    let size = folder.path().join("disk.raw").metadata().unwrap().len();
    refuse(
        &format!("create -q -f qcow2 -u -F raw -b disk.raw top.qcow2 {size} (without its format)"),
        "does not say which format",
    );
    refuse(
        &format!("create -q -f qcow2 -u -F raw -b nbd://localhost/x top.qcow2 {size}"),
        "is a protocol",
    );
    refuse(
        &format!(
            "create -q -f qcow2 -u -F raw -b json:{{\"driver\":\"file\",\"filename\":\"disk.raw\"}} top.qcow2 {size}"
        ),
        "is a protocol",
    );
    refuse(
        &format!("create -q -f qcow2 -u -F raw -b /dev/zero top.qcow2 {size}"),
        "neither a regular file",
    );
    refuse(
        &format!("create -q -f qcow2 -u -F vmdk -b disk.raw top.qcow2 {size}"),
        "not supported",
    );
}

#[test]
fn what_would_be_lost_is_refused_by_name() {
    let folder = folder();
    let image = folder.path().join("disk.qcow2");
    let refuse = |lines: &[&str], expected: &str| {
        let _ = std::fs::remove_file(&image);
        for line in lines {
            run(folder.path(), "qemu-img", line);
        }
        let (digest, inode) = (oracle::sha256(&image).unwrap(), image.metadata().unwrap().ino());
        let error = change(&image).unwrap_err();
        assert!(
            error.to_string().contains(expected) && error.hint().is_some(),
            "{error}"
        );
        assert_eq!(
            (oracle::sha256(&image).unwrap(), image.metadata().unwrap().ino()),
            (digest, inode)
        );
    };
    const CONVERT: &str = "convert -O qcow2 disk.raw disk.qcow2";
    refuse(&[CONVERT, "snapshot -c before disk.qcow2"], "internal snapshots");
    refuse(&[CONVERT, "bitmap --add disk.qcow2 backup"], "persistent bitmaps");
    refuse(
        &["convert -O qcow2 -o data_file=disk.data,data_file_raw=on disk.raw disk.qcow2"],
        "an external data file",
    );
    refuse(
        &["convert -O qcow2 -o extended_l2=on disk.raw disk.qcow2"],
        "subclusters",
    );

    run(folder.path(), "qemu-img", CONVERT);
    std::fs::hard_link(&image, folder.path().join("other")).unwrap();
    let error = change(&image).unwrap_err();
    assert!(error.to_string().contains("2 names"), "{error}");
    let error = change(folder.path()).unwrap_err();
    assert!(error.to_string().contains("is a directory"), "{error}");
}

#[test]
fn a_block_device_is_refused() {
    if !root_or_skip("in_place::a_block_device_is_refused") {
        return;
    }
    let folder = folder();
    let disk = folder.path().join("disk.raw");
    let whole = oracle::Partition::whole(&disk).unwrap();
    let device =
        imgctl_testkit::mount::LoopDevice::attach(&disk, whole, imgctl_testkit::mount::Access::ReadWrite).unwrap();
    let error = change(device.path()).unwrap_err();
    assert!(
        error.to_string().contains("block device") && error.hint().is_some(),
        "{error}"
    );
}

#[test]
fn an_image_in_use_is_refused_and_one_under_way_is_locked() {
    let folder = folder();
    let image = folder.path().join("disk.raw");
    for flags in ["-f raw", "-r -f raw"] {
        let mut holder = Command::new("qemu-io")
            .args(flags.split(' '))
            .args(["-c", "sleep 60000", "disk.raw"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut told = None;
        for _ in 0..100 {
            std::thread::sleep(Duration::from_millis(50));
            // Only in its first moments is the file not held yet.
            let mut dry = options(&image, Destination::InPlace);
            dry.recipe = None;
            if let Err(error) = customize(&dry, &|_| {}) {
                told = Some(error.to_string());
                break;
            }
        }
        holder.kill().unwrap();
        holder.wait().unwrap();
        let told = told.unwrap();
        assert!(told.contains("open in another program"), "{told}");
    }

    let refused = |stage: Event| {
        if matches!(stage, Event::Stage(Stage::Edit | Stage::Publish)) {
            let mut reader = Command::new("qemu-io");
            let output = reader
                .args(["-r", "-f", "raw", "-c", "read 0 512"])
                .arg(&image)
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && told.contains("lock"), "{output:?}");
        }
    };
    let mut forced = options(&image, Destination::InPlace);
    forced.input.force_share = true;
    customize(&forced, &refused).unwrap();
    run(folder.path(), "qemu-io", "-f raw -c quit disk.raw");
}

#[test]
fn a_failing_run_leaves_nothing() {
    let folder = folder();
    let image: PathBuf = folder.path().join("disk.raw");
    let digest = oracle::sha256(&image).unwrap();
    let mut failing = options(&image, Destination::InPlace);
    failing.recipe = Some(recipe(
        "files:\n  - { path: /etc/motd, content: x }\n  - { path: /etc/motd/below, content: x }\n",
    ));
    customize(&failing, &|_| {}).unwrap_err();
    let cancelled = options(&image, Destination::InPlace);
    let cancel = cancelled.cancel.clone();
    let at_packing = |event: Event| {
        if matches!(event, Event::Stage(Stage::Pack)) {
            cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    };
    customize(&cancelled, &at_packing).unwrap_err();
    assert_eq!(oracle::sha256(&image).unwrap(), digest);
    assert_eq!(names(folder.path()), ["disk.raw", "expected.raw"]);
}
