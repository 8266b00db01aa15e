//! What is in an initramfs, against lsinitramfs and archives that cpio and the compressors make.

use super::Stage;
use crate::checks::initramfs::archive::modules;
use crate::guest::NewMetadata;
use crate::testing;
use imgctl_recipe::Check;
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::{fixture, oracle};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

fn read(bytes: &[u8]) -> Result<Vec<String>, String> {
    let found = modules(bytes, 1 << 30).map_err(|error| error.to_string())?;
    Ok(found.into_iter().map(|name| String::from_utf8(name).unwrap()).collect())
}

fn filter(program: &str, arguments: &[&str], folder: &Path, input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(oracle::require(program).unwrap());
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

/// An archive with these files, by cpio.
fn archive(files: &[(&str, usize)]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let mut list = String::new();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let noise: Vec<u8> = (0..*bytes).map(|at| (at * 31 % 251) as u8).collect();
        fs::write(path, noise).unwrap();
        list.push_str(&format!("{name}\n"));
    }
    filter("cpio", &["--quiet", "-o", "-H", "newc"], folder.path(), list.as_bytes())
}

const COMPRESSORS: [(&str, &[&str]); 8] = [
    ("gzip", &["-9", "-n"]),
    ("xz", &["--check=crc32", "--lzma2=dict=1MiB"]),
    ("xz", &["-9", "--check=crc64", "--x86", "--lzma2"]),
    ("xz", &["--format=lzma"]),
    ("zstd", &["-q", "-19", "-T2"]),
    ("zstd", &["-q", "--ultra", "-22", "--long=27"]),
    ("lz4", &["-l", "-9", "-c"]),
    ("lz4", &["-l", "-1", "-c"]),
];

fn first() -> Vec<u8> {
    archive(&[
        ("init", 10),
        ("usr/lib/modules/6.1/kernel/drivers/block/virtio_blk.ko", 20_000_001),
        ("lib/modules/6.1/kernel/fs/ext4/ext4.ko.xz", 7),
        ("lib/modules/6.1/modules.dep", 3),
        ("usr/share/decoy.ko", 3),
    ])
}

#[test]
fn every_compression_alone_and_behind_microcode() {
    let here = Path::new("/");
    let early = archive(&[("kernel/x86/microcode/GenuineIntel.bin", 5003)]);
    let (main, more) = (
        first(),
        archive(&[("usr/lib/modules/6.1/kernel/net/virtio-net.ko.zst", 9)]),
    );
    assert_eq!(read(&main).unwrap(), ["ext4", "virtio_blk"]);
    let padding = vec![0; 512 - early.len() % 512];
    for (program, arguments) in COMPRESSORS {
        let compress = |bytes: &[u8]| filter(program, arguments, here, bytes);
        let (packed, also) = (compress(&main), compress(&more));
        let what = format!("{program} {arguments:?}");
        assert_eq!(read(&packed).unwrap(), ["ext4", "virtio_blk"], "{what}");
        let whole = [&early[..], &padding, &packed].concat();
        assert_eq!(read(&whole).unwrap(), ["ext4", "virtio_blk"], "{what}");
        // Two archives in one stream; an uncompressed one behind; zeros at the end.
        let two = compress(&[&main[..], &[0; 64], &more].concat());
        assert_eq!(read(&two).unwrap(), ["ext4", "virtio_blk", "virtio_net"], "{what}");
        if program != "lz4" {
            let behind = [&packed[..], &[0; 8], &also, &[0; 4], &more, &[0; 100]].concat();
            assert_eq!(read(&behind).unwrap(), ["ext4", "virtio_blk", "virtio_net"], "{what}");
        }
        assert!(read(&packed[..packed.len() / 2]).is_err(), "{what}");
    }
}

#[test]
fn what_is_not_read_is_named() {
    let here = Path::new("/");
    let main = archive(&[("init", 10)]);
    for (bytes, expected) in [
        (filter("lz4", &["-c"], here, &main), "lz4 frame"),
        (b"BZh91AY&SY".to_vec(), "bzip2"),
        (b"\x89LZO\0\r\n\x1a\n".to_vec(), "lzo"),
        (b"neither of them".to_vec(), "neither an archive nor compressed"),
        (filter("gzip", &[], here, b"not an archive"), "is no archive"),
        (main[..main.len() / 4].to_vec(), ""),
        (b"070701zzzzzzzz".to_vec(), ""),
    ] {
        let error = read(&bytes).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(read(&[]).unwrap(), [""; 0]);
    assert_eq!(read(&[0; 5000]).unwrap(), [""; 0]);
}

#[test]
fn bombs_and_noise_end() {
    let here = Path::new("/");
    // An archive whose one file goes on for 3 GiB of zeros, in a few hundred kilobytes.
    let mut head = archive(&[("x", 4)]);
    head.truncate(112);
    head[54..62].copy_from_slice(b"c0000000");
    let mut bomb = head.clone();
    bomb.resize(64 << 20, 0);
    for (program, arguments) in [("gzip", &["-1"][..]), ("zstd", &["-q"]), ("xz", &["-0"])] {
        let packed = filter(program, arguments, here, &bomb);
        let error = modules(&packed[..], 16 << 20).unwrap_err().to_string();
        assert!(error.contains("too much"), "{error}");
    }
    assert!(modules(&bomb[..], 16 << 20).is_err());
    let packed: Vec<Vec<u8>> = COMPRESSORS[..7]
        .iter()
        .map(|(program, arguments)| filter(program, arguments, here, &archive(&[("lib/modules/a.ko", 3000)])))
        .collect();
    let mut random = imgctl_testkit::tier::Random::new(3);
    for _ in 0..150 {
        for packed in &packed {
            let mut damaged = packed.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(damaged.len() as u64) as usize;
                damaged[at] = random.below(256) as u8;
            }
            damaged.truncate(damaged.len() - random.below(3) as usize * 7);
            let _ = modules(&damaged[..], 1 << 22);
        }
    }
}

#[test]
fn the_modules_are_those_of_lsinitramfs() {
    if !imgctl_testkit::root_or_skip("the_modules_are_those_of_lsinitramfs") || !fixture::is_wanted("debian13") {
        return;
    }
    let raw = fixture::raw("debian13").unwrap();
    let mount = Mount::new(&raw, oracle::partition(&raw, 1).unwrap(), Access::ReadOnly).unwrap();
    let boot = fs::read_dir(mount.path().join("boot"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let image = boot
        .into_iter()
        .find(|path| path.to_str().unwrap().contains("initrd.img-"))
        .unwrap();
    let listed = oracle::run("lsinitramfs", [image.as_os_str()]).unwrap();
    let names = listed
        .lines()
        .filter_map(|line| Path::new(line).file_name().and_then(OsStr::to_str));
    let expected: BTreeSet<String> = names
        .filter_map(|name| Some(name.strip_suffix(".ko.xz")?.replace('-', "_")))
        .collect();
    let found = read(&fs::read(&image).unwrap()).unwrap();
    assert!(found.len() > 100, "{}", found.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn every_kernel_has_to_have_its_own() {
    let check = |modules: &[&str]| Check::InitramfsContains {
        modules: modules.iter().map(|module| (*module).to_owned()).collect(),
    };
    let mut guest = testing::guest(&[
        "/boot/vmlinuz-6.1|k",
        "/boot/vmlinuz-6.2|k",
        "/boot/vmlinuz-0-rescue-x|k",
        "/lib/modules/6.2/modules.builtin|kernel/drivers/virtio/virtio_pci.ko\n",
    ]);
    let packed = filter(
        "gzip",
        &[],
        Path::new("/"),
        &archive(&[("lib/modules/6.1/virtio-blk.ko", 3)]),
    );
    for path in ["/boot/initrd.img-6.1", "/boot/initramfs-6.2.img"] {
        guest
            .write_file(&testing::path(path), &mut &packed[..], NewMetadata::root(0o644))
            .unwrap();
    }
    let stage = Stage::of(guest);
    assert_eq!(stage.found(check(&["virtio_blk", "virtio-blk"])), [""; 0]);
    assert_eq!(
        stage.found(check(&["virtio-blk", "virtio_pci"])),
        ["/boot/initrd.img-6.1 lacks virtio_pci"]
    );
    let found = stage.found(check(&["xfs"]));
    assert_eq!(
        found,
        ["/boot/initrd.img-6.1 lacks xfs", "/boot/initramfs-6.2.img lacks xfs"]
    );
    let found = Stage::new(&["/boot/vmlinuz-6.1|k"]).found(check(&["xfs"]));
    assert_eq!(found, ["the kernel 6.1 has no initramfs in /boot"]);
    assert_eq!(Stage::new(&[]).found(check(&["xfs"])), ["no kernel was found in /boot"]);
    let noise = Stage::new(&["/boot/vmlinuz-6.1|k", "/boot/initrd-6.1|noise"]).found(check(&["xfs"]));
    let expected = "/boot/initrd-6.1 cannot be read: it is neither an archive nor compressed in a known way";
    assert_eq!(noise, [expected]);
}
