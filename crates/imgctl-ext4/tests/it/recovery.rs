//! Images copied while the kernel was writing: after the replay they are what e2fsck makes of them.

use crate::image::{Image, NOW, may_mount, run};
use crate::populate::pattern;
use imgctl_block::MemoryDevice;
use imgctl_ext4::{Ext4, Ext4Options, probe, recover};
use imgctl_testkit::listing::{assert_same, of_engine, of_kernel};
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

/// An image as it would be found after a power cut: much in the journal alone, files deleted while open.
fn interrupted(layout: &[&str]) -> Image {
    let image = Image::new(48, layout);
    let mounted = image.mount("rw");
    let root = mounted.path().to_owned();
    let path = |name: String| root.join(name);
    std::fs::create_dir(path("d".into())).unwrap();
    for index in 0..400 {
        std::fs::write(path(format!("d/{index}")), vec![index as u8; 500 * (index % 20)]).unwrap();
    }
    run("sync", &["-f", root.to_str().unwrap()]);
    let mut held = Vec::new();
    for round in 0..4 {
        for index in (round * 60..round * 60 + 50).step_by(2) {
            std::fs::remove_file(path(format!("d/{index}"))).unwrap();
            std::fs::write(path(format!("d/new {index}")), b"new").unwrap();
        }
        // Blocks of directories are freed and used for content again: this makes revoke records.
        std::fs::create_dir(path(format!("gone {round}"))).unwrap();
        for index in 0..100 {
            std::fs::write(path(format!("gone {round}/{index}")), b"").unwrap();
        }
        run("sync", &["-f", root.to_str().unwrap()]);
        std::fs::remove_dir_all(path(format!("gone {round}"))).unwrap();
        let mut file = File::create(path(format!("big {round}"))).unwrap();
        // The journal's own magic number, which it must escape if this is ever metadata.
        file.write_all(&[0xc0, 0x3b, 0x39, 0x98].repeat(200_000)).unwrap();
        file.sync_all().unwrap();
        let name = path(format!("held {round}"));
        let mut file = File::create(&name).unwrap();
        file.write_all(&vec![7; 3_000_000]).unwrap();
        file.sync_all().unwrap();
        std::fs::remove_file(&name).unwrap();
        held.push(file);
        File::open(&root).unwrap().sync_all().unwrap();
    }
    let copy = Image::new(1, &["-b", "1024"]);
    std::fs::copy(image.path(), copy.path()).unwrap();
    drop(held);
    drop(mounted);
    copy
}

#[test]
fn an_interrupted_filesystem_is_brought_to_order() {
    if !may_mount() {
        return;
    }
    for layout in [
        &["-O", "metadata_csum_seed,orphan_file"][..],
        &["-b", "1024"],
        &["-O", "^metadata_csum,^64bit"],
        &["-t", "ext3"],
    ] {
        let image = interrupted(layout);
        let device = image.device();
        assert!(probe(&*device).unwrap().needs_recovery);
        let options = Ext4Options {
            now: NOW,
            read_only: true,
        };
        let error = Ext4::open(device.clone(), options).unwrap_err();
        assert!(error.to_string().starts_with("the ext4 journal has not been replayed"));

        let recovery = recover(device.clone(), NOW).unwrap();
        assert!(recovery.transactions > 0 && recovery.blocks > 0, "{recovery:?}");
        assert_eq!(recovery.removed, 4, "{recovery:?}");
        let fs = Ext4::open(device.clone(), options).unwrap();
        fs.verify().unwrap();
        let recovered = of_engine(&fs);
        assert_eq!(
            recover(device.clone(), NOW).unwrap(),
            Default::default(),
            "nothing is left to do"
        );

        // What e2fsck makes of the same image.
        let status = std::process::Command::new("e2fsck")
            .args(["-fy", &image.name()])
            .output()
            .unwrap();
        assert!(status.status.code().is_some_and(|code| code < 4));
        let mounted = image.mount("ro,noatime");
        assert_same(&recovered, &of_kernel(mounted.path()));
        drop(mounted);

        image.store(&device);
        image.check();
        let mounted = image.mount("rw");
        run("cp", &["-r", "/etc/default", mounted.path().to_str().unwrap()]);
        drop(mounted);
        image.check();
    }
}

#[test]
fn a_damaged_journal_is_an_error_at_worst() {
    if !may_mount() {
        return;
    }
    let image = interrupted(&["-b", "1024"]);
    let sound = image.device().to_bytes();
    let is_header = |block: &[u8]| block.starts_with(&[0xc0, 0x3b, 0x39, 0x98, 0, 0, 0]) && (1..=5).contains(&block[7]);
    let headers: Vec<usize> = (0..sound.len() / 1024)
        .filter(|block| is_header(&sound[block * 1024..]))
        .collect();
    assert!(headers.len() > 10, "the journal's blocks are found");
    for seed in 0..60_u64 {
        let mut bytes = sound.clone();
        let draws = pattern(seed + 1, 16);
        let at = headers[(draws[0] as usize | (draws[1] as usize) << 8) % headers.len()] * 1024;
        // Mostly in the header and the first tags.
        bytes[at + draws[2] as usize % 64] ^= draws[3] | 1;
        let device = Arc::new(MemoryDevice::from_bytes(bytes));
        if recover(device.clone(), NOW).is_ok()
            && let Ok(fs) = Ext4::open(
                device,
                Ext4Options {
                    now: NOW,
                    read_only: true,
                },
            )
        {
            let _ = fs.verify();
        }
    }
}

/// Fast commits are of another make than the rest of the journal.
#[test]
fn fast_commits_are_refused() {
    if !may_mount() {
        return;
    }
    let image = Image::new(96, &["-O", "fast_commit"]);
    let mounted = image.mount("rw");
    let root = mounted.path().to_owned();
    std::fs::create_dir(root.join("d")).unwrap();
    run("sync", &["-f", root.to_str().unwrap()]);
    let mut file = File::create(root.join("d/file")).unwrap();
    file.write_all(b"content").unwrap();
    file.sync_all().unwrap();
    let device = image.device();
    drop(file);
    drop(mounted);
    let error = recover(device, NOW).unwrap_err();
    assert!(
        error.to_string().starts_with("the ext4 journal holds fast commits"),
        "{error}"
    );
}
