//! What the engine wrote, xfs_repair passes, the kernel reads and goes on writing, and the model agrees with.

use crate::image::{Image, NOW, RHEL_9, RHEL_10, may_mount, run};
use crate::reading::fill;
use imgctl_block::{BlockRead, FileDevice, MemoryDevice, Overlay};
use imgctl_testkit::listing::{assert_same, find, of_engine, of_kernel, read};
use imgctl_vfs::{FileKind, MetadataChange, ModelFs, NewNode, ReadFs, WriteFs, check_conformance, random_operations};
use imgctl_xfs::{Xfs, XfsOptions};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

pub(crate) fn file() -> NewNode {
    NewNode {
        kind: FileKind::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        target: Vec::new(),
    }
}

pub(crate) fn directory() -> NewNode {
    NewNode {
        kind: FileKind::Directory,
        mode: 0o755,
        ..file()
    }
}

/// Commits, has the image judged, and compares what the kernel and a fresh engine see.
pub(crate) fn commit_and_judge(image: &Image, device: &MemoryDevice, fs: Xfs) {
    let expected = of_engine(&fs);
    Box::new(fs).commit().unwrap();
    image.store(device);
    image.check();
    let (_, fresh) = image.open();
    fresh.verify().unwrap();
    assert_same(&of_engine(&fresh), &expected);
    if may_mount() {
        let mounted = image.mount("ro,noatime");
        assert_same(&of_kernel(mounted.path()), &expected);
    }
}

/// Has the kernel make and remove thousands of files, and the image judged again.
fn kernel_goes_on(image: &Image) {
    if !may_mount() {
        return;
    }
    let mounted = image.mount("rw");
    let script = r#"cd "$1"; set -e; mkdir -p k/sub
        perl -e 'for (1..3000) { open F, ">", "k/file $_" or die; print F "x" x ($_ % 9000) }'
        perl -e 'for (1..3000) { if ($_ % 7) { unlink "k/file $_" or die } }'
        for i in $(seq 40); do setfattr -n user.a$i -v "$(printf 'v%.0s' $(seq 200))" k/sub; done
        head -c 5000000 /dev/urandom > k/big; cp --reflink=auto k/big k/copy; rm k/big; sync"#;
    run("bash", &["-c", script, "bash", mounted.path().to_str().unwrap()]);
    drop(mounted);
    image.check();
    image.open().1.verify().unwrap();
}

const LAYOUTS: [&[&str]; 4] = [
    RHEL_9,
    RHEL_10,
    &["-b", "size=1024", "-m", "rmapbt=1"],
    &["-m", "reflink=0,finobt=0,inobtcount=0", "-i", "sparse=0,size=1024"],
];

#[test]
fn every_layout_conforms() {
    for layout in LAYOUTS {
        let image = Image::new(64, layout);
        let (device, mut fs) = image.open();
        check_conformance(&mut fs).unwrap_or_else(|problem| panic!("{layout:?}: {problem}"));
        commit_and_judge(&image, &device, fs);
        kernel_goes_on(&image);
    }
}

#[test]
fn directories_of_every_size_grow_and_shrink() {
    for layout in LAYOUTS {
        let image = Image::new(64, layout);
        let name = |number: u32| format!("an entry with the number {number}").into_bytes();
        let (device, mut fs) = image.open();
        let top = fs.create(fs.root(), b"top", &directory()).unwrap();
        for number in 0..3000 {
            let length = number % 3 * 2000;
            let node = fs.create(top, &name(number), &file()).unwrap();
            fs.write_at(node, 0, &vec![number as u8; length as usize]).unwrap();
        }
        commit_and_judge(&image, &device, fs);
        for left in [1000, 60, 5, 0] {
            let (device, mut fs) = image.open();
            let top = find(&fs, "/top");
            for number in left..3000 {
                fs.remove(top, &name(number)).ok();
            }
            commit_and_judge(&image, &device, fs);
        }
        kernel_goes_on(&image);
    }
}

#[test]
fn attributes_of_every_size() {
    for layout in LAYOUTS {
        let image = Image::new(64, layout);
        let (device, mut fs) = image.open();
        let root = fs.root();
        let many = fs.create(root, b"many", &file()).unwrap();
        for number in 0..300_usize {
            let name = format!("user.attribute {number}");
            fs.set_xattr(many, name.as_bytes(), &vec![number as u8; number * 7 % 400])
                .unwrap();
        }
        let large = fs.create(root, b"large", &directory()).unwrap();
        fs.set_xattr(large, b"trusted.large", &[5; 65_536]).unwrap();
        fs.set_xattr(large, b"user.medium", &[6; 3_000]).unwrap();
        let link = NewNode {
            kind: FileKind::Symlink,
            target: vec![b't'; 330],
            ..file()
        };
        let link = fs.create(root, b"link", &link).unwrap();
        fs.set_xattr(link, b"security.selinux", b"system_u:object_r:etc_t:s0\0")
            .unwrap();
        fs.set_xattr(root, b"security.selinux", b"system_u:object_r:root_t:s0\0")
            .unwrap();
        let device_node = NewNode {
            kind: FileKind::CharDevice(1, 3),
            ..file()
        };
        let device_node = fs.create(root, b"null", &device_node).unwrap();
        fs.set_xattr(device_node, b"security.selinux", &[b's'; 290]).unwrap();
        commit_and_judge(&image, &device, fs);

        let (device, mut fs) = image.open();
        for number in (0..300).filter(|number| number % 100 != 0) {
            let name = format!("user.attribute {number}");
            fs.remove_xattr(find(&fs, "/many"), name.as_bytes()).unwrap();
        }
        fs.remove_xattr(find(&fs, "/large"), b"trusted.large").unwrap();
        fs.remove_xattr(find(&fs, "/link"), b"security.selinux").unwrap();
        commit_and_judge(&image, &device, fs);
        kernel_goes_on(&image);
    }
}

#[test]
fn what_the_kernel_made_is_changed() {
    if !may_mount() {
        return;
    }
    for layout in [RHEL_9, RHEL_10] {
        let image = Image::new(160, layout);
        let mounted = image.mount("rw");
        fill(mounted.path());
        drop(mounted);
        let (device, mut fs) = image.open();
        // Shared blocks, in both files; a file of many extents; blocks that were never written.
        let before = read(&fs, find(&fs, "/a/big"));
        fs.write_at(find(&fs, "/a/shared"), 70_000, &[1; 100_000]).unwrap();
        assert!(read(&fs, find(&fs, "/a/big")) == before);
        fs.write_at(find(&fs, "/a/big"), 1_000_001, b"unaligned").unwrap();
        fs.set_len(find(&fs, "/a/shared"), 600_001).unwrap();
        fs.write_at(find(&fs, "/a/holes"), 4096 * 31, &[9; 60_000]).unwrap();
        fs.write_at(find(&fs, "/a/unwritten"), 200_001, b"inside").unwrap();
        fs.set_len(find(&fs, "/a/sparse"), 9_000_000).unwrap();
        fs.set_xattr(find(&fs, "/a/node"), b"user.number7", b"changed").unwrap();
        fs.set_xattr(find(&fs, "/a/leaf"), b"user.name7", b"changed").unwrap();
        fs.set_xattr(find(&fs, "/many"), b"user.of a directory", b"value")
            .unwrap();
        let many = find(&fs, "/many");
        for number in 0..500 {
            fs.create(many, format!("new {number}").as_bytes(), &file()).unwrap();
        }
        let change = MetadataChange {
            mode: Some(0o2710),
            ..MetadataChange::default()
        };
        fs.set_metadata(find(&fs, "/a/file"), &change).unwrap();
        fs.remove(find(&fs, "/few"), b"entry 3").unwrap();
        fs.rename(find(&fs, "/a/b"), b"c", find(&fs, "/few"), b"moved").unwrap();
        commit_and_judge(&image, &device, fs);
        kernel_goes_on(&image);
    }
}

#[test]
fn small_appends_make_few_extents() {
    let image = Image::new(64, RHEL_10);
    let (device, mut fs) = image.open();
    let node = fs.create(fs.root(), b"log", &file()).unwrap();
    let other = fs.create(fs.root(), b"other", &file()).unwrap();
    for index in 0..4000_u64 {
        fs.write_at(node, index * 5000, &[index as u8; 5000]).unwrap();
        if index % 1000 == 0 {
            fs.write_at(other, index * 10, &[1; 10_000]).unwrap();
        }
    }
    commit_and_judge(&image, &device, fs);
    let printed = run(
        "xfs_db",
        &["-r", "-c", "inode 131", "-c", "print core.nextents", &image.name()],
    );
    let extents: u64 = printed.trim().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(extents < 20, "{printed}");
}

#[test]
fn nothing_is_written_when_nothing_changes_and_little_when_little_does() {
    let image = Image::new(96, RHEL_9);
    let overlay = Arc::new(Overlay::new(image.device()));
    let open = || {
        let options = XfsOptions {
            now: NOW,
            read_only: false,
        };
        Xfs::open(overlay.clone(), options).unwrap()
    };
    Box::new(open()).commit().unwrap();
    assert_eq!(overlay.dirty_ranges(), []);
    let mut fs = open();
    let node = fs.create(fs.root(), b"file", &file()).unwrap();
    fs.write_at(node, 0, b"content").unwrap();
    Box::new(fs).commit().unwrap();
    // Headers, four trees, the block of inodes, the content.
    let dirty: u64 = overlay.dirty_ranges().iter().map(|range| range.length).sum();
    assert!(dirty <= 8 * 4096, "{:?}", overlay.dirty_ranges());
    open().verify().unwrap();
}

#[test]
fn equal_runs_give_equal_images() {
    let image = Image::new(64, RHEL_10);
    let run = || {
        let (device, mut fs) = image.open();
        random_operations(&mut fs, &mut ModelFs::new(NOW), 9, 1000, 100_000).unwrap();
        Box::new(fs).commit().unwrap();
        device.to_bytes()
    };
    assert!(run() == run());
}

#[test]
fn what_was_removed_is_nowhere_on_the_device() {
    let image = Image::new(64, RHEL_10);
    let (device, mut fs) = image.open();
    let root = fs.root();
    let d = fs.create(root, b"SECRET-DIRECTORY", &directory()).unwrap();
    let node = fs.create(d, b"SECRET-FILE", &file()).unwrap();
    fs.write_at(node, 0, &b"SECRET-CONTENT".repeat(1000)).unwrap();
    fs.set_xattr(node, b"user.SECRET", b"SECRET-VALUE").unwrap();
    fs.set_xattr(node, b"user.SECRET2", &b"SECRET-VALUE".repeat(500))
        .unwrap();
    let link = NewNode {
        kind: FileKind::Symlink,
        target: b"SECRET-TARGET".repeat(50),
        ..file()
    };
    fs.create(d, b"SECRET-LINK", &link).unwrap();
    let cut = fs.create(root, b"cut", &file()).unwrap();
    fs.write_at(cut, 0, b"public SECRET-TAIL").unwrap();
    Box::new(fs).commit().unwrap();
    let text = String::from_utf8_lossy(&device.to_bytes()).into_owned();
    assert!(text.matches("SECRET").count() > 1000);
    image.store(&device);

    let (device, mut fs) = image.open();
    let d = find(&fs, "/SECRET-DIRECTORY");
    fs.remove(d, b"SECRET-FILE").unwrap();
    fs.remove(d, b"SECRET-LINK").unwrap();
    fs.remove(fs.root(), b"SECRET-DIRECTORY").unwrap();
    fs.set_len(find(&fs, "/cut"), 7).unwrap();
    commit_and_judge(&image, &device, fs);
    let bytes = device.to_bytes();
    assert!(!bytes.windows(6).any(|window| window == b"SECRET"));
}

/// A volume so large that inode numbers take more than 32 bits; the kernel spreads directories over all groups.
#[test]
fn four_terabytes_are_written_in_all_their_groups() {
    if !may_mount() {
        return;
    }
    let image = Image::new(4 << 20, &[RHEL_10, &["-l", "size=64m"]].concat());
    let mounted = image.mount("rw");
    for number in 0..12 {
        std::fs::create_dir(mounted.path().join(format!("d{number}"))).unwrap();
    }
    drop(mounted);
    let base = FileDevice::new(std::fs::File::open(image.path()).unwrap()).unwrap();
    let overlay = Arc::new(Overlay::new(Arc::new(base)));
    let options = XfsOptions {
        now: NOW,
        read_only: false,
    };
    let mut fs = Xfs::open(overlay.clone(), options).unwrap();
    let mut wide = 0;
    for number in 0..12 {
        let parent = find(&fs, &format!("/d{number}"));
        for index in 0..100 {
            let node = fs.create(parent, format!("file {index}").as_bytes(), &file()).unwrap();
            fs.write_at(node, 0, &vec![index as u8; index * 300]).unwrap();
            wide += u32::from(node.0 > u32::MAX.into());
        }
        fs.create(parent, b"sub", &directory()).unwrap();
        fs.set_xattr(parent, b"security.selinux", b"system_u:object_r:etc_t:s0\0")
            .unwrap();
    }
    assert!(wide > 0, "no inode number is wide");
    let root = fs.root();
    fs.rename(find(&fs, "/d11"), b"sub", root, b"moved to the root")
        .unwrap();
    fs.rename(root, b"d10", find(&fs, "/d1"), b"moved").unwrap();
    let expected = of_engine(&fs);
    Box::new(fs).commit().unwrap();
    let target = std::fs::File::options().write(true).open(image.path()).unwrap();
    for range in overlay.dirty_ranges() {
        let raw = overlay.read_vec(range.offset, range.length as usize).unwrap();
        target.write_all_at(&raw, range.offset).unwrap();
    }
    image.check();
    let mounted = image.mount("rw,noatime");
    assert_same(&of_kernel(mounted.path()), &expected);
    run(
        "bash",
        &[
            "-c",
            "cd \"$1\"; for d in d*; do for i in $(seq 50); do echo $i > $d/k$i; done; rm -r $d; done",
            "bash",
            mounted.path().to_str().unwrap(),
        ],
    );
    drop(mounted);
    image.check();
}
