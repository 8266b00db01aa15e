//! What the engine wrote, e2fsck passes, the kernel reads and goes on writing, and the model agrees with.

use crate::image::{Image, NOW, may_mount, run};
use crate::reading::LAYOUTS;
use imgctl_block::Overlay;
use imgctl_ext4::{Ext4, Ext4Options};
use imgctl_testkit::listing::{Tree, assert_same, find, of_engine, of_kernel, read};
use imgctl_vfs::{FileKind, MetadataChange, ModelFs, ReadFs, Timestamp, WriteFs, check_conformance, random_operations};
use std::sync::Arc;

/// Commits, has the image judged, and compares what the kernel and a fresh engine see.
pub(crate) fn commit_and_judge(image: &Image, device: &imgctl_block::MemoryDevice, fs: Ext4) {
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

#[test]
fn every_layout_conforms() {
    for layout in LAYOUTS.iter().filter(|layout| !layout.contains(&"128")) {
        let image = Image::new(16, layout);
        let (device, mut fs) = image.open();
        check_conformance(&mut fs).unwrap_or_else(|problem| panic!("{layout:?}: {problem}"));
        commit_and_judge(&image, &device, fs);
    }
}

#[test]
fn the_kernel_goes_on_where_the_engine_stopped() {
    if !may_mount() {
        return;
    }
    for layout in LAYOUTS {
        let image = Image::new(64, layout);
        for round in 0..2 {
            let (device, mut fs) = image.open();
            let mut model = ModelFs::new(NOW);
            if round == 0 && !layout.contains(&"128") {
                random_operations(&mut fs, &mut model, 77, 500, 200_000).unwrap();
            } else {
                let root = fs.root();
                for name in [&b"x"[..], b"y"] {
                    fs.create(root, name, &super::populate::file()).ok();
                }
            }
            Box::new(fs).commit().unwrap();
            image.store(&device);
            image.check();
            let mounted = image.mount("rw");
            let script = r#"cd "$1"; set -e; mkdir -p k/$2; for i in $(seq 400); do echo $i > k/$2/$i; done; cp -r /etc/[a-d]* k/$2/ 2>/dev/null || true
                rm -rf k/$2/1*; head -c 5000000 /dev/urandom > k/$2/big; sync"#;
            run(
                "bash",
                &[
                    "-c",
                    script,
                    "bash",
                    mounted.path().to_str().unwrap(),
                    &round.to_string(),
                ],
            );
            drop(mounted);
            image.check();
        }
    }
}

#[test]
fn what_may_not_be_written_is_refused_by_name() {
    for (options, message) in [
        (&["-O", "bigalloc"][..], "the ext4 features bigalloc are not supported"),
        (&["-O", "quota"], "the ext4 features quota are not supported"),
        (
            &["-O", "ea_inode,inline_data"],
            "the ext4 features ea_inode, inline_data are not supported",
        ),
        (&["-O", "mmp"], "the ext4 features mmp are not supported"),
    ] {
        let image = Image::new(64, options);
        let options = Ext4Options {
            now: NOW,
            read_only: false,
        };
        let error = Ext4::open(image.device(), options).unwrap_err();
        assert_eq!(error.to_string(), message);
        let options = Ext4Options {
            read_only: true,
            ..options
        };
        Ext4::open(image.device(), options).unwrap();
    }
    let image = Image::new(64, &["-O", "casefold"]);
    let options = Ext4Options {
        read_only: true,
        ..Ext4Options::default()
    };
    let error = Ext4::open(image.device(), options).unwrap_err();
    assert_eq!(error.to_string(), "the ext4 features casefold are not supported");
}

#[test]
fn nothing_is_written_when_nothing_changes_and_little_when_little_does() {
    let image = Image::new(512, &[]);
    let device = image.device();
    let overlay = Arc::new(Overlay::new(device.clone()));
    let open = || {
        Ext4::open(
            overlay.clone(),
            Ext4Options {
                now: NOW,
                read_only: false,
            },
        )
        .unwrap()
    };
    Box::new(open()).commit().unwrap();
    assert_eq!(overlay.dirty_ranges(), []);
    let mut fs = open();
    let node = fs.create(fs.root(), b"file", &super::populate::file()).unwrap();
    fs.write_at(node, 0, b"content").unwrap();
    Box::new(fs).commit().unwrap();
    // Superblock and descriptors, two bitmaps, the inode's table block, the root directory, the content.
    let dirty: u64 = overlay.dirty_ranges().iter().map(|range| range.length).sum();
    assert!(dirty <= 8 * 4096, "{:?}", overlay.dirty_ranges());
    open().verify().unwrap();
}

#[test]
fn equal_runs_give_equal_images() {
    let image = Image::new(64, &["-O", "metadata_csum_seed,orphan_file"]);
    let run = || {
        let (device, mut fs) = image.open();
        random_operations(&mut fs, &mut ModelFs::new(NOW), 9, 1000, 100_000).unwrap();
        Box::new(fs).commit().unwrap();
        device.to_bytes()
    };
    assert!(run() == run());
}

#[test]
fn access_lists_and_permission_bits_stay_in_step() {
    if !may_mount() {
        return;
    }
    let image = Image::new(64, &[]);
    let mounted = image.mount("rw,acl");
    let path = |name: &str| mounted.path().join(name).to_str().unwrap().to_owned();
    for name in ["mode", "list"] {
        std::fs::write(path(name), b"").unwrap();
    }
    // The owner, user 7, the group, the mask and the others, as getxattr(2) gives them.
    let mut list = vec![2, 0, 0, 0];
    for (tag, bits, id) in [
        (1, 6, u32::MAX),
        (2, 7, 7),
        (4, 5, u32::MAX),
        (0x10, 7, u32::MAX),
        (0x20, 4, u32::MAX),
    ] {
        list.extend([tag, 0, bits, 0]);
        list.extend(u32::to_le_bytes(id));
    }
    xattr::set(path("mode"), "system.posix_acl_access", &list).unwrap();
    drop(mounted);

    let (device, mut fs) = image.open();
    let change = MetadataChange {
        mode: Some(0o2710),
        ..MetadataChange::default()
    };
    fs.set_metadata(find(&fs, "/mode"), &change).unwrap();
    fs.set_xattr(find(&fs, "/list"), b"system.posix_acl_access", &list)
        .unwrap();
    commit_and_judge(&image, &device, fs);

    let mounted = image.mount("rw,acl");
    let before = of_kernel(mounted.path());
    run("chmod", &["2710", mounted.path().join("mode").to_str().unwrap()]);
    xattr::set(mounted.path().join("list"), "system.posix_acl_access", &list).unwrap();
    let after = of_kernel(mounted.path());
    for name in ["/mode", "/list"] {
        let known = |tree: &Tree| {
            let line = tree.get(name).unwrap().clone();
            let (start, rest) = line.split_once(" a ").unwrap();
            format!("{start} {}", rest.split_once(" x ").unwrap().1)
        };
        assert_eq!(known(&before), known(&after), "the kernel has nothing to change");
    }
}

/// ext4-view is another reader altogether; the tool has it read every output.
#[test]
fn a_second_reader_agrees() {
    for layout in [&[][..], &["-O", "metadata_csum_seed,orphan_file"], &["-b", "1024"]] {
        let image = Image::new(64, layout);
        let device = image.device();
        // It takes times after 2038 for damage, so this test lives before.
        let options = Ext4Options {
            now: Timestamp::from_seconds(1_700_000_000),
            read_only: false,
        };
        let mut fs = Ext4::open(device.clone(), options).unwrap();
        random_operations(&mut fs, &mut ModelFs::new(options.now), 21, 1500, 300_000).unwrap();
        let mut pending = vec![fs.root()];
        while let Some(node) = pending.pop() {
            let change = MetadataChange {
                accessed: Some(options.now),
                modified: Some(options.now),
                ..MetadataChange::default()
            };
            fs.set_metadata(node, &change).unwrap();
            if fs.metadata(node).unwrap().kind == FileKind::Directory {
                pending.extend(fs.read_dir(node).unwrap().iter().map(|entry| entry.node));
            }
        }
        Box::new(fs).commit().unwrap();
        image.store(&device);
        let (_, fs) = image.open();
        let view = ext4_view::Ext4::load(Box::new(device.to_bytes())).unwrap();
        let mut files = 0;
        let mut pending = vec![(b"/".to_vec(), fs.root())];
        while let Some((path, node)) = pending.pop() {
            let metadata = fs.metadata(node).unwrap();
            let other = ext4_view::Path::new(&path);
            let seen = view.symlink_metadata(other).unwrap();
            assert_eq!((seen.mode() & 0o7777, seen.uid()), (metadata.mode, metadata.uid));
            match metadata.kind {
                FileKind::Directory => {
                    let entries = fs.read_dir(node).unwrap();
                    assert_eq!(view.read_dir(other).unwrap().count(), entries.len() + 2);
                    pending.extend(entries.into_iter().map(|entry| {
                        let slash = if path == b"/" { &b""[..] } else { b"/" };
                        ([&path, slash, &entry.name].concat(), entry.node)
                    }));
                }
                FileKind::File => {
                    assert!(view.read(other).unwrap() == read(&fs, node));
                    files += 1;
                }
                FileKind::Symlink => {
                    assert_eq!(view.read_link(other).unwrap().as_ref(), fs.read_link(node).unwrap());
                }
                _ => {}
            }
        }
        assert!(files > 20);
    }
}
