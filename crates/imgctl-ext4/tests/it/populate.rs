//! Many files, large files, full filesystems.

use crate::image::{Image, NOW};
use crate::writing::commit_and_judge;
use imgctl_testkit::listing::{find, read};
use imgctl_vfs::{ErrorKind, FileKind, NewNode, NodeId, ReadFs, WriteFs};
use std::time::Instant;

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

/// Bytes that tell their place.
pub(crate) fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn fifty_thousand_files_in_one_directory() {
    let image = Image::new(256, &["-N", "60000"]);
    let (device, mut fs) = image.open();
    let begin = Instant::now();
    let many = fs.create(fs.root(), b"many", &directory()).unwrap();
    for index in 0..50_000 {
        let node = fs.create(many, format!("file {index}").as_bytes(), &file()).unwrap();
        if index % 50 == 0 {
            fs.write_at(node, 0, b"content").unwrap();
        }
    }
    for index in (0..50_000).step_by(7) {
        fs.remove(many, format!("file {index}").as_bytes()).unwrap();
    }
    Box::new(fs).commit().unwrap();
    let took = begin.elapsed();
    image.store(&device);
    image.check();
    assert!(took.as_secs() < 10, "it took {took:?}");
    let (_, fs) = image.open();
    assert_eq!(fs.read_dir(find(&fs, "/many")).unwrap().len(), 50_000 - 7143);
}

#[test]
fn a_fragmented_file_gets_a_deep_tree_and_shrinks_again() {
    for options in [&["-b", "1024"][..], &[]] {
        let image = Image::new(64, options);
        let (device, mut fs) = image.open();
        let block = fs.statfs().unwrap().block_bytes as u64;
        let root = fs.root();
        let before = fs.statfs().unwrap();
        let node = fs.create(root, b"fragmented", &file()).unwrap();
        let count = 9000 * 1024 / block;
        // Backwards and with gaps, so that no two blocks ever merge.
        for index in (0..count).rev() {
            fs.write_at(node, index * 2 * block, &[index as u8; 100]).unwrap();
        }
        let content = read(&fs, node);
        for index in 0..count {
            assert_eq!(content[(index * 2 * block) as usize], index as u8);
        }
        Box::new(fs).commit().unwrap();
        image.store(&device);
        image.check();
        let stat = image.debugfs("dump_extents /fragmented");
        assert!(
            stat.contains(" 2/ 2"),
            "the tree has two levels below its root: {}",
            &stat[..300]
        );
        let (device, mut fs) = image.open();
        assert_eq!(read(&fs, find(&fs, "/fragmented")), content);
        let node = find(&fs, "/fragmented");
        // Filled up, then cut in steps.
        let size = content.len();
        fs.write_at(node, 0, &pattern(1, size)).unwrap();
        for part in [size / 2, size / 3 + 1, 5 * block as usize, 10] {
            fs.set_len(node, part as u64).unwrap();
            assert_eq!(read(&fs, node), pattern(1, size)[..part]);
        }
        commit_and_judge(&image, &device, fs);
        let (_, mut fs) = image.open();
        fs.remove(root, b"fragmented").unwrap();
        assert_eq!(fs.statfs().unwrap(), before);
    }
}

#[test]
fn block_maps_grow_and_shrink_at_every_depth() {
    let image = Image::new(64, &["-t", "ext2", "-b", "1024"]);
    let (device, mut fs) = image.open();
    let root = fs.root();
    let before = fs.statfs().unwrap();
    let node = fs.create(root, b"file", &file()).unwrap();
    // In the inode, behind one, two and three levels, and across each border.
    for block in [66_900, 66_500, 65_804, 65_803, 300, 268, 267, 12, 11, 0] {
        fs.write_at(node, block * 1024, &pattern(block, 1500)).unwrap();
    }
    commit_and_judge(&image, &device, fs);
    for size in [
        66_600 * 1024,
        65_805 * 1024 - 5,
        65_804 * 1024,
        269 * 1024,
        12 * 1024,
        1,
    ] {
        let (device, mut fs) = image.open();
        let node = find(&fs, "/file");
        let expected = read(&fs, node)[..size].to_vec();
        fs.set_len(node, size as u64).unwrap();
        assert!(read(&fs, node) == expected);
        commit_and_judge(&image, &device, fs);
    }
    let (_, mut fs) = image.open();
    fs.remove(root, b"file").unwrap();
    assert_eq!(fs.statfs().unwrap(), before);
}

#[test]
fn a_full_filesystem_says_so_and_goes_on_after_a_removal() {
    for options in [
        &["-b", "1024", "-N", "256"][..],
        &["-N", "3000"],
        &["-t", "ext3", "-b", "1024"],
    ] {
        let image = Image::new(8, options);
        let (device, mut fs) = image.open();
        let root = fs.root();
        let mut made = Vec::new();
        let mut failure = None;
        for index in 0..100_000_u64 {
            let name = format!("{index:0200}");
            let step = fs.create(root, name.as_bytes(), &file());
            let step = step.and_then(|node| {
                made.push(name);
                fs.write_at(node, 0, &pattern(index, 100 + (index as usize * 3000) % 30_000))
            });
            if let Err(error) = step {
                failure = Some(error);
                break;
            }
        }
        assert_eq!(failure.unwrap().kind(), ErrorKind::NoSpace);
        // Every kind of growth, until nothing at all is left.
        for index in 0..3000 {
            let name = format!("d{index:0150}");
            let made_directory = fs.create(root, name.as_bytes(), &directory()).is_ok();
            let node = fs.create(root, format!("f{index:0150}").as_bytes(), &file());
            if let Ok(node) = node {
                let _ = fs.set_xattr(node, b"user.large", &[1; 600]);
                let _ = fs.write_at(node, index * 5000, b"x");
            } else if !made_directory {
                break;
            }
        }
        for name in made.iter().step_by(2) {
            fs.remove(root, name.as_bytes()).unwrap();
        }
        let node = fs.create(root, b"after", &file()).unwrap();
        fs.write_at(node, 0, &pattern(5, 100_000)).unwrap();
        commit_and_judge(&image, &device, fs);
    }
}

#[test]
fn unwritten_extents_are_written_over() {
    if !crate::image::may_mount() {
        return;
    }
    let image = Image::new(64, &[]);
    let mounted = image.mount("rw");
    let name = mounted.path().join("file");
    crate::image::run("fallocate", &["-l", "8000000", name.to_str().unwrap()]);
    let kept = mounted.path().join("kept");
    std::fs::write(&kept, b"").unwrap();
    crate::image::run("fallocate", &["-n", "-l", "200000", kept.to_str().unwrap()]);
    drop(mounted);
    let (device, mut fs) = image.open();
    let node = find(&fs, "/file");
    let mut expected = vec![0; 8_000_000];
    for index in 0..400_u64 {
        let at = (index * 19_997) as usize;
        let data = pattern(index, 1 + index as usize * 20);
        fs.write_at(node, at as u64, &data).unwrap();
        expected[at..at + data.len()].copy_from_slice(&data);
    }
    assert!(read(&fs, node) == expected);
    fs.write_at(find(&fs, "/kept"), 10_000, b"inside").unwrap();
    commit_and_judge(&image, &device, fs);
}

#[test]
fn what_was_removed_is_nowhere_on_the_device() {
    let image = Image::new(64, &["-O", "metadata_csum_seed,orphan_file"]);
    let (device, mut fs) = image.open();
    let root = fs.root();
    let d = fs.create(root, b"SECRET-DIRECTORY", &directory()).unwrap();
    let node = fs.create(d, b"SECRET-FILE", &file()).unwrap();
    fs.write_at(node, 0, &b"SECRET-CONTENT".repeat(1000)).unwrap();
    fs.set_xattr(node, b"user.SECRET", b"SECRET-VALUE").unwrap();
    fs.set_xattr(node, b"user.SECRET2", &b"SECRET-VALUE".repeat(50))
        .unwrap();
    let link = NewNode {
        kind: FileKind::Symlink,
        target: b"SECRET-TARGET".to_vec(),
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

#[test]
fn more_subdirectories_than_links_can_count() {
    let image = Image::new(128, &["-b", "1024", "-N", "67000"]);
    let (device, mut fs) = image.open();
    let top = fs.create(fs.root(), b"top", &directory()).unwrap();
    let name = |index: u32| format!("d{index}").into_bytes();
    for index in 0..65_100 {
        fs.create(top, &name(index), &directory()).unwrap();
    }
    assert_eq!(fs.metadata(top).unwrap().links, 1);
    for index in 0..200 {
        fs.remove(top, &name(index)).unwrap();
    }
    assert_eq!(fs.metadata(top).unwrap().links, 1, "once lost, the count stays so");
    Box::new(fs).commit().unwrap();
    image.store(&device);
    image.check();
}

#[test]
fn wiping_leaves_nothing_of_what_was_ever_removed() {
    if !crate::image::may_mount() {
        return;
    }
    let image = Image::new(64, &[]);
    let mounted = image.mount("rw");
    let directory = mounted.path().join("SECRET-DIRECTORY");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(mounted.path().join("kept"), b"kept").unwrap();
    for index in 0..30 {
        std::fs::write(directory.join(format!("SECRET-{index}")), b"SECRET".repeat(5000)).unwrap();
    }
    crate::image::run("sync", &["-f", directory.to_str().unwrap()]);
    std::fs::remove_dir_all(&directory).unwrap();
    drop(mounted);
    let count = |bytes: &[u8]| bytes.windows(6).filter(|window| *window == b"SECRET").count();
    let (device, mut fs) = image.open();
    assert!(count(&device.to_bytes()) > 30, "in freed blocks and in the journal");
    fs.wipe_free().unwrap();
    // The name in the root directory itself is the kernel's to wipe, which it does only for deleted blocks.
    let root = fs.root();
    for name in [&b"SECRET-DIRECTORY"[..], b"other"] {
        fs.create(root, name, &file()).unwrap();
        fs.remove(root, name).unwrap();
    }
    commit_and_judge(&image, &device, fs);
    assert_eq!(count(&device.to_bytes()), 0);
    let mounted = image.mount("rw");
    assert_eq!(std::fs::read(mounted.path().join("kept")).unwrap(), b"kept");
    std::fs::write(mounted.path().join("more"), b"more").unwrap();
    drop(mounted);
    image.check();
}

/// Populating as an unpacked operating system would, with a tenth of its content.
#[test]
fn twenty_thousand_entries_take_seconds() {
    let image = Image::new(256, &["-N", "32768"]);
    let (device, mut fs) = image.open();
    let content = pattern(3, 200_000);
    let begin = Instant::now();
    let mut parents: Vec<NodeId> = vec![fs.root()];
    for index in 0..22_000_usize {
        let parent = parents[index * 31 % parents.len()];
        let name = format!("an entry called {index}");
        if index % 10 == 0 {
            parents.push(fs.create(parent, name.as_bytes(), &directory()).unwrap());
        } else {
            let node = fs.create(parent, name.as_bytes(), &file()).unwrap();
            let length = index * 7919 % 5_400;
            for (number, chunk) in content[..length].chunks(4000).enumerate() {
                fs.write_at(node, number as u64 * 4000, chunk).unwrap();
            }
            fs.set_metadata(
                node,
                &imgctl_vfs::MetadataChange {
                    modified: Some(NOW),
                    ..Default::default()
                },
            )
            .unwrap();
        }
    }
    Box::new(fs).commit().unwrap();
    let took = begin.elapsed();
    assert!(took.as_secs() < 10, "it took {took:?}");
    image.store(&device);
    image.check();
    image.open().1.verify().unwrap();
}
