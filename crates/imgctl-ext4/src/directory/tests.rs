//! Directories in memory: every operation against a plain map, and damage.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::collections::BTreeMap;

use super::*;

const INODE: u32 = 12;
const PARENT: u32 = 2;

fn params(block_bytes: usize) -> DirectoryParams {
    DirectoryParams {
        block_bytes,
        checksum: Some(Checksum::with_seed(0x1234_5678)),
        hash_seed: [1, 2, 3, 4],
        hash_version: 1,
        unsigned_hash: false,
        may_index: true,
        large_dir: false,
        file_types: true,
    }
}

/// Blocks as a device would have them, brought up to date by what a directory writes.
#[derive(Default)]
struct Written(Vec<Vec<u8>>);

impl Written {
    fn update(&mut self, directory: &mut Directory) {
        for (number, block) in directory.take_dirty_blocks() {
            let at = position(number);
            if at >= self.0.len() {
                self.0.resize(at + 1, Vec::new());
            }
            self.0[at] = block;
        }
        assert_eq!(self.0.len(), position(directory.block_count()));
    }

    fn decode(&self, directory: &Directory) -> Directory {
        let indexed = directory.is_indexed();
        Directory::decode(directory.params, INODE, self.0.clone(), indexed).expect("what was written is sound")
    }
}

type Names = BTreeMap<Vec<u8>, DirectoryEntry>;

fn names_of(directory: &Directory) -> Names {
    directory
        .entries()
        .map(|(name, entry)| (name.to_vec(), entry))
        .collect()
}

/// A sequence of numbers that is the same each time.
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn name(&mut self) -> Vec<u8> {
        let length = 1 + self.below(30) * self.below(10) % 255;
        let mut name = format!("{:x}", self.below(3000)).into_bytes();
        name.resize(usize::try_from(length).expect("small").max(name.len()), 0xc3);
        name
    }
}

fn work(params: DirectoryParams, rounds: usize) -> Directory {
    let mut directory = Directory::create(params, INODE, PARENT);
    let mut model = Names::new();
    let mut written = Written::default();
    let mut sequence = Sequence(7);
    for round in 0..rounds {
        let name = sequence.name();
        let entry = DirectoryEntry {
            inode: 100 + number(round),
            file_type: if params.file_types { 1 } else { 0 },
        };
        // Phases of growth and of shrinking.
        let grow = if round / 1500 % 2 == 0 { 8 } else { 2 };
        if sequence.below(10) < grow {
            let added = directory.insert(&name, entry.inode, 1);
            assert_eq!(added.is_ok(), !model.contains_key(&name));
            model.entry(name).or_insert(entry);
        } else if sequence.below(2) == 0 {
            assert_eq!(directory.replace(&name, entry.inode, 1), model.get(&name).copied());
            model.entry(name).and_modify(|before| *before = entry);
        } else {
            assert_eq!(directory.remove(&name), model.remove(&name));
        }
        if round % 500 == 0 {
            written.update(&mut directory);
            directory = written.decode(&directory);
            assert_eq!(names_of(&directory), model);
        }
    }
    written.update(&mut directory);
    assert_eq!(names_of(&written.decode(&directory)), model);
    for name in model.keys() {
        assert!(directory.remove(name).is_some());
    }
    assert!(directory.is_empty());
    written.update(&mut directory);
    assert!(written.decode(&directory).is_empty());
    let live: usize = written.0.iter().flatten().filter(|&&byte| byte == 0xc3).count();
    if params.checksum.is_none() && !directory.is_indexed() {
        assert_eq!(live, 0, "removed names are wiped");
    }
    directory
}

#[test]
fn any_work_gives_what_a_map_gives() {
    for block_bytes in [1024, 4096, 65536] {
        for (checksum, may_index) in [(true, true), (false, true), (true, false), (false, false)] {
            for file_types in [true, false] {
                let mut params = params(block_bytes);
                params.may_index = may_index;
                params.file_types = file_types;
                if !checksum {
                    params.checksum = None;
                }
                let directory = work(params, 6000);
                assert_eq!(directory.is_indexed(), may_index && directory.block_count() > 1);
                assert!(directory.block_count() > 1);
            }
        }
    }
}

#[test]
fn fifty_thousand_names_go_in_and_come_out() {
    for (block_bytes, may_index) in [(1024, true), (4096, true), (4096, false)] {
        let mut params = params(block_bytes);
        params.may_index = may_index;
        let mut directory = Directory::create(params, INODE, PARENT);
        let mut written = Written::default();
        for at in 0..50_000 {
            let name = format!("a name of {at}");
            directory.insert(name.as_bytes(), 100 + at, 1).expect("there is room");
        }
        written.update(&mut directory);
        let mut directory = written.decode(&directory);
        for at in 0..50_000 {
            let name = format!("a name of {at}");
            assert_eq!(
                directory.remove(name.as_bytes()).map(|entry| entry.inode),
                Some(100 + at)
            );
        }
        written.update(&mut directory);
        let mut directory = written.decode(&directory);
        let before = directory.block_count();
        for at in 0..50_000 {
            let name = format!("a name of {at}");
            directory.insert(name.as_bytes(), 100 + at, 1).expect("there is room");
        }
        assert!(directory.block_count() <= before, "freed space is used again");
    }
}

#[test]
fn a_full_index_says_so_and_stays_sound() {
    let mut directory = Directory::create(params(1024), INODE, PARENT);
    let mut written = Written::default();
    let name = |at: u32| format!("{at:0250}").into_bytes();
    let failed = (0..100_000).find(|&at| directory.insert(&name(at), 100, 1).is_err());
    let failed = failed.expect("two levels of 1 KiB blocks hold fewer");
    assert_eq!(directory.insert(&name(failed), 100, 1), Err(DirectoryError::Full));
    written.update(&mut directory);
    let mut again = written.decode(&directory);
    assert_eq!(again.entries().count(), usize::try_from(failed).expect("small"));
    assert_eq!(again.insert(&name(failed), 100, 1), Err(DirectoryError::Full));

    let mut params = params(1024);
    params.large_dir = true;
    let mut directory = Directory::create(params, INODE, PARENT);
    for at in 0..=failed {
        directory.insert(&name(at), 100, 1).expect("three levels hold more");
    }
    let mut written = Written::default();
    written.update(&mut directory);
    written.decode(&directory);
}

#[test]
fn names_that_none_may_have_are_refused() {
    let mut directory = Directory::create(params(1024), INODE, PARENT);
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0", &[b'x'; 256]] {
        assert_eq!(directory.insert(name, 100, 1), Err(DirectoryError::Name));
    }
    assert_eq!(directory.insert(b"a", 0, 1), Err(DirectoryError::Name));
    assert_eq!(directory.insert(b"a", 100, 1), Ok(()));
    assert_eq!(directory.insert(b"a", 101, 1), Err(DirectoryError::Exists));
    assert_eq!(directory.insert(&[b'x'; 255], 100, 1), Ok(()));
    assert_eq!(directory.lookup(b"a").map(|entry| entry.inode), Some(100));
    assert_eq!(directory.replace(b"b", 100, 1), None);
    assert_eq!(directory.remove(b"b"), None);
}

#[test]
fn the_parent_is_kept_through_the_conversion() {
    let mut directory = Directory::create(params(1024), INODE, PARENT);
    directory.set_parent(77);
    let mut written = Written::default();
    for at in 0..200 {
        directory
            .insert(format!("name {at}").as_bytes(), 100, 1)
            .expect("there is room");
    }
    assert!(directory.is_indexed());
    written.update(&mut directory);
    let mut directory = written.decode(&directory);
    assert_eq!(directory.parent(), 77);
    directory.set_parent(78);
    let dirty = directory.take_dirty_blocks();
    assert_eq!(dirty.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0]);
    written.0[0] = dirty[0].1.clone();
    assert_eq!(written.decode(&directory).parent(), 78);
}

/// Whatever the bytes, decoding ends and never panics, and what it accepts can be worked on.
#[test]
fn damage_is_found_or_harmless() {
    let mut without_checksums = params(1024);
    without_checksums.checksum = None;
    for params in [params(1024), without_checksums] {
        let mut directory = Directory::create(params, INODE, PARENT);
        for at in 0..4000 {
            directory
                .insert(format!("name {at}").as_bytes(), 100, 1)
                .expect("there is room");
        }
        let mut written = Written::default();
        written.update(&mut directory);
        let mut sequence = Sequence(3);
        let mut refused = 0;
        for round in 0..1000 {
            let mut blocks = written.0.clone();
            let ends = [u64::try_from(blocks.len()).expect("small"), 3];
            let block = usize::try_from(sequence.below(ends[round % 2])).expect("small");
            let at = usize::try_from(sequence.below(1024) >> (round % 7)).expect("small");
            let bit = 1 << sequence.below(8);
            blocks[block][at] ^= bit;
            match Directory::decode(params, INODE, blocks, true) {
                Err(damage) => {
                    refused += 1;
                    assert!(!damage.to_string().is_empty());
                }
                Ok(mut directory) => {
                    for at in 4000..4100 {
                        directory
                            .insert(format!("name {at}").as_bytes(), 100, 1)
                            .expect("there is room");
                    }
                }
            }
        }
        assert!(refused > 300, "{refused}");
        if params.checksum.is_some() {
            assert!(refused > 900, "{refused}");
        }
    }
}

#[test]
fn malformed_blocks_are_named() {
    let params = params(1024);
    let sound = || {
        let mut directory = Directory::create(params, INODE, PARENT);
        directory.insert(b"first", 100, 1).expect("there is room");
        directory.insert(b"other", 101, 1).expect("there is room");
        directory.take_dirty_blocks().remove(0).1
    };
    let cases: [(usize, &[u8], &str); 9] = [
        (0, &[13], "the entry . is another inode"),
        (8, b"x", "the first entry is not ."),
        (20, b"x", "the second entry is not .."),
        (24 + 4, &[8], "too small"),
        (24 + 4, &[18], "multiple of four"),
        (24 + 6, &[9], "a name is longer than its entry"),
        (24 + 8, b"other", "the name other is in the directory twice"),
        (24 + 8, b"fi/st", "a name that none may have"),
        (40 + 5, &[4], "crosses the block's end"),
    ];
    for (at, bytes, message) in cases {
        let mut block = sound();
        block[at..at + bytes.len()].copy_from_slice(bytes);
        let wrong = Directory::decode(params, INODE, vec![block.clone()], false).expect_err("the checksum is wrong");
        assert!(!wrong.to_string().is_empty());
        params.layout().seal(&mut block);
        let damage = Directory::decode(params, INODE, vec![block], false).expect_err(message);
        assert!(damage.to_string().contains(message), "{damage} instead of {message}");
    }
    let mut block = sound();
    block[30] ^= 1;
    let damage = Directory::decode(params, INODE, vec![block.clone()], false).expect_err("changed");
    assert!(damage.to_string().contains("the checksum is wrong") || damage.to_string().contains("longer"));
    assert_eq!(
        Directory::decode(params, INODE, Vec::new(), false).err(),
        Some(DirectoryDamage::Empty)
    );
    block.pop();
    assert!(Directory::decode(params, INODE, vec![block], true).is_err());
}
