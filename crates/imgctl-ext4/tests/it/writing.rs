//! What the engine wrote, e2fsck passes, the kernel reads and goes on writing, and the model agrees with.

use crate::image::{Image, NOW, may_mount, run};
use crate::reading::LAYOUTS;
use crate::tree::{assert_same, of_engine, of_kernel};
use imgctl_ext4::{Ext4, Ext4Options};
use imgctl_vfs::{ModelFs, WriteFs, check_conformance, compare_filesystems, random_operations};

/// Commits, has the image judged, and compares what the kernel and a fresh engine see.
pub(crate) fn commit_and_judge(image: &Image, device: &imgctl_block::MemoryDevice, fs: Ext4) {
    let expected = of_engine(&fs);
    Box::new(fs).commit().unwrap();
    image.store(device);
    image.check();
    let (_, fresh) = image.open();
    assert_same(&of_engine(&fresh), &expected);
    if may_mount() {
        let mounted = image.mount("ro,noatime");
        assert_same(&of_kernel(mounted.path()), &expected);
    }
}

#[test]
fn every_layout_conforms() {
    for layout in LAYOUTS.iter().filter(|layout| !layout.contains(&"128")) {
        let image = Image::new(64, layout);
        let (device, mut fs) = image.open();
        check_conformance(&mut fs).unwrap_or_else(|problem| panic!("{layout:?}: {problem}"));
        commit_and_judge(&image, &device, fs);
    }
}

#[test]
fn random_operations_agree_with_the_model() {
    for (seed, layout) in (1..).zip(LAYOUTS.iter().filter(|layout| !layout.contains(&"128"))) {
        let image = Image::new(128, layout);
        let (device, mut fs) = image.open();
        let mut model = ModelFs::new(NOW);
        let finished = random_operations(&mut fs, &mut model, seed, 2000, 300_000);
        assert_eq!(finished, Ok(true), "{layout:?}");
        compare_filesystems(&fs, &model).unwrap();
        commit_and_judge(&image, &device, fs);
    }
}

#[test]
fn the_kernel_goes_on_where_the_engine_stopped() {
    if !may_mount() {
        return;
    }
    for layout in LAYOUTS {
        let image = Image::new(96, layout);
        for round in 0..2 {
            let (device, mut fs) = image.open();
            let mut model = ModelFs::new(NOW);
            if round == 0 && !layout.contains(&"128") {
                random_operations(&mut fs, &mut model, 77, 500, 200_000).unwrap();
            } else {
                let root = imgctl_vfs::ReadFs::root(&fs);
                for name in [&b"x"[..], b"y"] {
                    fs.create(root, name, &super::populate::file()).ok();
                }
            }
            Box::new(fs).commit().unwrap();
            image.store(&device);
            image.check();
            let mounted = image.mount("rw");
            let script = r#"cd "$1"; set -e; mkdir -p k/$2; for i in $(seq 400); do echo $i > k/$2/$i; done; cp -r /etc/[a-m]* k/$2/ 2>/dev/null || true
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
