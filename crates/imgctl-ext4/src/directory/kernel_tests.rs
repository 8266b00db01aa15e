//! Directories that the kernel wrote are read, and directories written here are accepted by e2fsck and the kernel.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::test_image::{TestImage, may_mount, word};
use super::*;

const INDEX_FLAG: u32 = 0x1000;
const SEED: &str = "hash_seed=01020304-0506-0708-090a-0b0c0d0e0f10";

/// A filesystem, and whether characters of names are unsigned in its hashes.
struct Case {
    arguments: &'static [&'static str],
    hash: &'static str,
    unsigned: bool,
}

const CASES: [Case; 7] = [
    Case {
        arguments: &["-b", "4096"],
        hash: "half_md4",
        unsigned: false,
    },
    Case {
        arguments: &["-b", "1024"],
        hash: "half_md4",
        unsigned: true,
    },
    Case {
        arguments: &["-b", "1024", "-O", "^metadata_csum"],
        hash: "tea",
        unsigned: true,
    },
    Case {
        arguments: &["-b", "2048", "-O", "metadata_csum_seed"],
        hash: "tea",
        unsigned: false,
    },
    Case {
        arguments: &["-b", "1024"],
        hash: "legacy",
        unsigned: true,
    },
    Case {
        arguments: &["-b", "1024", "-O", "^dir_index"],
        hash: "half_md4",
        unsigned: false,
    },
    Case {
        arguments: &["-b", "1024", "-O", "^filetype,^metadata_csum"],
        hash: "legacy",
        unsigned: false,
    },
];

fn image(case: &Case, megabytes: u64) -> TestImage {
    let arguments = [&["-E", SEED, "-N", "256"], case.arguments].concat();
    let image = TestImage::new(&arguments, megabytes);
    let flags = if case.unsigned { 2 } else { 1 };
    image.debugfs(&format!("ssv flags {flags}\nssv def_hash_version {}\n", case.hash));
    assert_eq!(word(&image.superblock(), 0x160), flags);
    image
}

fn params(image: &TestImage, number: u32) -> DirectoryParams {
    let superblock = image.superblock();
    DirectoryParams {
        block_bytes: image.block_bytes(),
        checksum: image.inode_seed(number),
        hash_seed: [0xec, 0xf0, 0xf4, 0xf8].map(|at| word(&superblock, at)),
        hash_version: superblock[0xfc],
        unsigned_hash: word(&superblock, 0x160) & 2 != 0,
        may_index: word(&superblock, 0x5c) & 0x20 != 0,
        large_dir: word(&superblock, 0x60) & 0x4000 != 0,
        file_types: word(&superblock, 0x60) & 2 != 0,
    }
}

/// A directory of the image with its inode and the places of its blocks.
fn read(image: &TestImage, path: &str) -> (Directory, u32, Vec<u64>) {
    let number = image.inode_number(path);
    let inode = image.inode(number);
    let block_bytes = image.block_bytes();
    let count = u64::from(word(&inode, 4)) / u64::try_from(block_bytes).expect("small");
    let places = image.block_map(number, count);
    let blocks = places.iter().map(|&place| image.read_block(place)).collect();
    let indexed = word(&inode, 0x20) & INDEX_FLAG != 0;
    let directory = Directory::decode(params(image, number), number, blocks, indexed);
    (directory.expect("the kernel's directory is sound"), number, places)
}

/// Writes a directory over the blocks that the inode has, and frees those it does not need.
fn write(image: &TestImage, directory: &mut Directory, number: u32, places: &[u64]) {
    let count = position(directory.block_count());
    assert!(
        count <= places.len(),
        "{count} blocks in {} for {} names of {}",
        places.len(),
        directory.names.len(),
        image.block_bytes()
    );
    for (logical, block) in directory.take_dirty_blocks() {
        image.write_block(places[position(logical)], &block);
    }
    let flags = word(&image.inode(number), 0x20) & !INDEX_FLAG;
    let flags = flags | if directory.is_indexed() { INDEX_FLAG } else { 0 };
    let size = count * image.block_bytes();
    let mut script = format!("sif <{number}> flags {flags}\nsif <{number}> size {size}\n");
    if count < places.len() {
        script += &format!("punch <{number}> {count}\n");
    }
    image.debugfs(&script);
}

fn names(directory: &Directory) -> BTreeSet<Vec<u8>> {
    directory.entries().map(|(name, _)| name.to_vec()).collect()
}

fn kernel_names(folder: &Path) -> BTreeSet<Vec<u8>> {
    let entries = fs::read_dir(folder).expect("the folder is read");
    entries
        .map(|entry| entry.expect("an entry is read").file_name().into_vec())
        .collect()
}

/// Names of several kinds, `count` in all: short, long, not ASCII, and pairs with one hash.
fn some_names(count: u32) -> BTreeSet<Vec<u8>> {
    let mut names = BTreeSet::new();
    for at in 0..count / 4 {
        names.insert(format!("file{at}").into_bytes());
        let mut long = format!("größer {at} ").into_bytes();
        long.resize(100 + position(at) % 156, b'\xe9');
        names.insert(long);
        let short = format!("p{at:03x}");
        names.insert(padded(short.as_bytes()));
        names.insert(short.into_bytes());
    }
    names
}

/// The 32 bytes that half-MD4 and TEA hash for `name`, padding and all: another name with the same hash.
fn padded(name: &[u8]) -> Vec<u8> {
    let length = u8::try_from(name.len()).expect("short");
    let words = name.chunks(4).map(|chunk| {
        let missing = 4 - chunk.len();
        [vec![length; missing], chunk.to_vec()].concat()
    });
    let mut padded = words.collect::<Vec<_>>().concat();
    padded.resize(32, length);
    padded
}

fn link(folder: &Path, names: &BTreeSet<Vec<u8>>) {
    for name in names {
        let link = folder.join(OsStr::from_bytes(name));
        fs::hard_link(folder.join("../target"), link).expect("a name is added");
    }
}

/// Lets the kernel look every name up, which goes by the index, and list them.
fn kernel_agrees(folder: &Path, names: &BTreeSet<Vec<u8>>) {
    assert_eq!(&kernel_names(folder), names);
    let target = fs::metadata(folder.join("../target"))
        .expect("the target is there")
        .ino();
    for name in names {
        let found = fs::symlink_metadata(folder.join(OsStr::from_bytes(name)));
        assert_eq!(found.expect("the kernel finds the name").ino(), target);
    }
}

#[test]
fn directories_of_the_kernel_are_read() {
    if !may_mount("directories_of_the_kernel_are_read") {
        return;
    }
    for case in &CASES {
        let image = image(case, 32);
        let sizes = [0, 4, 48, 4000];
        image.mounted(|root| {
            fs::write(root.join("target"), "").expect("a file is made");
            for size in sizes {
                let folder = root.join(size.to_string());
                fs::create_dir(&folder).expect("a folder is made");
                link(&folder, &some_names(size));
            }
        });
        let target = image.inode_number("/target");
        for size in sizes {
            let (directory, _, places) = read(&image, &format!("/{size}"));
            assert_eq!(names(&directory), some_names(size));
            assert_eq!(directory.parent(), 2);
            assert!(directory.entries().all(|(_, entry)| entry.inode == target));
            assert_eq!(directory.is_indexed(), directory.params.may_index && places.len() > 1);
        }
        let (root, ..) = read(&image, "/");
        assert_eq!(root.lookup(b"target").map(|entry| entry.inode), Some(target));
        assert!(root.lookup(b"lost+found").is_some());
        let (lost_found, _, places) = read(&image, "/lost+found");
        assert!(lost_found.is_empty() && places.len() > 1 && !lost_found.is_indexed());
    }
}

#[test]
fn directories_written_here_are_accepted() {
    if !may_mount("directories_written_here_are_accepted") {
        return;
    }
    for case in &CASES {
        let image = image(case, 32);
        let wanted = some_names(2400);
        image.mounted(|root| {
            fs::write(root.join("target"), "").expect("a file is made");
            let folder = root.join("folder");
            fs::create_dir(&folder).expect("a folder is made");
            // As many links as will be, under names that take more blocks.
            let long = (0..wanted.len()).map(|at| format!("{at:0>200}").into_bytes());
            link(&folder, &long.collect());
        });
        let (_, number, places) = read(&image, "/folder");
        let target = image.inode_number("/target");
        let mut directory = Directory::create(params(&image, number), number, 2);
        for name in &wanted {
            directory.insert(name, target, 1).expect("there is room");
        }
        write(&image, &mut directory, number, &places);
        image.check();
        // The kernel goes on with it.
        let (gone, more): (BTreeSet<_>, BTreeSet<_>) = some_names(4000)
            .into_iter()
            .partition(|name| wanted.contains(name) && name.len() % 2 == 0);
        let all: BTreeSet<_> = more
            .union(&wanted)
            .filter(|name| !gone.contains(*name))
            .cloned()
            .collect();
        image.mounted(|root| {
            let folder = root.join("folder");
            kernel_agrees(&folder, &wanted);
            for name in &gone {
                fs::remove_file(folder.join(OsStr::from_bytes(name))).expect("a name is removed");
            }
            link(&folder, &more.difference(&wanted).cloned().collect());
            kernel_agrees(&folder, &all);
        });
        image.check();
        let (mut directory, number, places) = read(&image, "/folder");
        assert_eq!(names(&directory), all);
        // And back: what the kernel left is changed within its blocks.
        for (_, name) in all.iter().enumerate().filter(|(at, _)| at % 4 != 0) {
            assert!(directory.remove(name).is_some());
        }
        let gone: Vec<_> = gone.into_iter().collect();
        for some in gone.chunks(20) {
            let saved = directory.clone();
            for name in some {
                directory.insert(name, target, 1).expect("there is room");
            }
            if position(directory.block_count()) > places.len() {
                directory = saved;
                break;
            }
        }
        let left = names(&directory);
        image.debugfs(&format!("sif <{target}> links_count {}\n", left.len() + 1));
        write(&image, &mut directory, number, &places);
        image.check();
        image.mounted(|root| kernel_agrees(&root.join("folder"), &left));
    }
}

#[test]
fn fifty_thousand_names_are_read_and_written() {
    if !may_mount("fifty_thousand_names_are_read_and_written") {
        return;
    }
    let image = image(&CASES[0], 32);
    let fifty_thousand = |prefix| (0..50_000).map(move |at| format!("{prefix}{at}").into_bytes());
    // The kernel's names are longer, so that the blocks suffice.
    let [before, wanted]: [BTreeSet<_>; 2] = ["a longer name ", "name "].map(|prefix| fifty_thousand(prefix).collect());
    image.mounted(|root| {
        fs::write(root.join("target"), "").expect("a file is made");
        fs::create_dir(root.join("folder")).expect("a folder is made");
        link(&root.join("folder"), &before);
    });
    let (read_back, number, places) = read(&image, "/folder");
    assert_eq!(names(&read_back), before);
    let target = image.inode_number("/target");
    let mut directory = Directory::create(params(&image, number), number, 2);
    for name in &wanted {
        directory.insert(name, target, 1).expect("there is room");
    }
    write(&image, &mut directory, number, &places);
    image.check();
    image.mounted(|root| kernel_agrees(&root.join("folder"), &wanted));
}

/// Pairs of strings of which either may follow what came before without a change to the state of the legacy hash.
///
/// A first character changes the state in few bits, two more take the change back.
fn same_hash() -> Vec<[Vec<u8>; 2]> {
    let product = |byte: u8| i32::from(byte.cast_signed()).cast_unsigned().wrapping_mul(7_152_373);
    let step = |(current, previous): (u32, u32), byte: u8| {
        let next = previous.wrapping_add(current ^ product(byte));
        let folded = if next < 0x8000_0000 { next } else { next - 0x7fff_ffff };
        (folded, current)
    };
    let bytes = || (1..=255_u8).filter(|&byte| byte != b'/');
    let mut alike: Vec<[u8; 2]> = bytes()
        .flat_map(|a| bytes().filter(move |&b| a < b).map(move |b| [a, b]))
        .collect();
    alike.sort_by_key(|[a, b]| (product(*a) ^ product(*b)).count_ones());
    alike.truncate(40);
    let mut state = (0x12a3_fe2d, 0x37ab_e8f9);
    let mut pairs = Vec::new();
    while pairs.len() < 9 {
        let prefixes =
            (0..1_u32 << 18).map(|at| [at & 63, at >> 6 & 63, at >> 12].map(|part| 48 + part.to_le_bytes()[0]));
        let mut trials = prefixes.flat_map(|prefix| {
            let ends = alike
                .iter()
                .flat_map(|&[a, b]| [[[a, a, b], [b, b, a]], [[a, b, a], [b, a, b]], [[a, b, b], [b, a, a]]]);
            ends.map(move |ends| ends.map(|end| [prefix, end].concat()))
                .collect::<Vec<_>>()
        });
        let after = |text: &[u8]| text.iter().fold(state, |state, &byte| step(state, byte));
        let pair = trials.find(|[left, right]| after(left) == after(right));
        let pair = pair.expect("one prefix in a few thousand has such a pair");
        state = after(&pair[0]);
        pairs.push(pair);
    }
    pairs
}

/// Hundreds of names with one hash: more than an index node's worth of leaves that differ in nothing.
#[test]
fn names_of_one_hash_span_leaves() {
    if !may_mount("names_of_one_hash_span_leaves") {
        return;
    }
    let case = Case {
        arguments: &["-b", "1024"],
        hash: "legacy",
        unsigned: false,
    };
    let image = image(&case, 16);
    let pairs = same_hash();
    let mut wanted: BTreeSet<Vec<u8>> = (0..512_usize)
        .map(|choice| {
            let parts = pairs
                .iter()
                .enumerate()
                .map(|(at, pair)| pair[choice >> at & 1].clone());
            let mut name = parts.collect::<Vec<_>>().concat();
            name.resize(250, b'x');
            name
        })
        .collect();
    assert_eq!(wanted.len(), 512);
    wanted.extend((0..300).map(|at| format!("{at:0>200}").into_bytes()));
    image.mounted(|root| {
        fs::write(root.join("target"), "").expect("a file is made");
        let folder = root.join("folder");
        fs::create_dir(&folder).expect("a folder is made");
        link(
            &folder,
            &(0..812).map(|at| format!("{at:0>255}").into_bytes()).collect(),
        );
    });
    let (_, number, places) = read(&image, "/folder");
    let target = image.inode_number("/target");
    let mut directory = Directory::create(params(&image, number), number, 2);
    for name in &wanted {
        directory.insert(name, target, 1).expect("there is room");
    }
    write(&image, &mut directory, number, &places);
    image.check();
    let index = directory.index.as_ref().expect("it has an index");
    let continued = index.leaves().iter().filter(|leaf| leaf.low & 1 == 1).count();
    assert!(
        continued > 126,
        "{continued} leaves go on with the hash of the one before"
    );
    let removed: BTreeSet<_> = wanted.iter().step_by(3).cloned().collect();
    let left = wanted.difference(&removed).cloned().collect();
    image.mounted(|root| {
        let folder = root.join("folder");
        kernel_agrees(&folder, &wanted);
        for name in &removed {
            fs::remove_file(folder.join(OsStr::from_bytes(name))).expect("a name is removed");
        }
        kernel_agrees(&folder, &left);
        link(&folder, &removed);
        kernel_agrees(&folder, &wanted);
    });
    image.check();
    assert_eq!(names(&read(&image, "/folder").0), wanted);
}
