//! Seeded damage: whatever the bytes, an answer or an error, and soon.

use crate::oracle::{DIRECTORY, FILE, NOW, device, files, mkfs, open, write_file};
use imgctl_block::{BlockDevice, BlockRead, MemoryDevice};
use imgctl_fat::{Error, Fat, FatOptions, probe};
use imgctl_testkit::tier::{self, Limits, Random};
use imgctl_vfs::{FileKind, ReadFs, WriteFs, check_conformance};
use std::sync::Arc;

fn sample(arguments: &[&str], kib: u64) -> Arc<MemoryDevice> {
    let device = device(mkfs(arguments, kib));
    let mut fat = open(&device);
    let root = fat.root();
    for name in ["EFI", "a directory with a long name", "third"] {
        let directory = fat.create(root, name.as_bytes(), &DIRECTORY).unwrap();
        write_file(&mut fat, directory, "file with a long name.txt", &[1; 9000]);
        write_file(&mut fat, directory, "SHORT.TXT", &[2; 100]);
        fat.create(directory, b"inner", &DIRECTORY).unwrap();
    }
    Box::new(fat).commit().unwrap();
    device
}

fn try_open(device: &Arc<MemoryDevice>) -> Result<Fat, Error> {
    let options = FatOptions {
        now: NOW,
        read_only: false,
    };
    Fat::open(device.clone(), options)
}

/// Goes through everything: reads all, writes, removes all. Errors are fine, panics are not.
fn use_up(mut fat: Fat) {
    let _ = check_conformance(&mut fat);
    let mut pending = vec![fat.root()];
    let mut directories = Vec::new();
    while let Some(directory) = pending.pop() {
        directories.push(directory);
        for entry in fat.read_dir(directory).unwrap() {
            let metadata = fat.metadata(entry.node).unwrap();
            if metadata.kind == FileKind::Directory {
                pending.push(entry.node);
                continue;
            }
            let mut buf = vec![0; 5000];
            let _ = fat.read_at(entry.node, metadata.size / 2, &mut buf);
            let _ = fat.write_at(entry.node, metadata.size.saturating_sub(1).min(1 << 20), &buf);
            let _ = fat.set_len(entry.node, metadata.size / 2);
        }
    }
    for directory in directories.iter().rev() {
        let _ = fat.create(*directory, b"one more with a long name", &FILE);
        for entry in fat.read_dir(*directory).unwrap() {
            let _ = fat.rename(*directory, &entry.name, fat.root(), b"moved");
            let _ = fat.remove(*directory, &entry.name);
        }
    }
    let _ = fat.wipe_free();
    Box::new(fat).commit().unwrap();
}

/// Changes a few bytes of the boot sector, the tables, and the directories behind them.
fn damage(sound: &MemoryDevice, random: &mut Random) -> Arc<MemoryDevice> {
    let device = device(sound.to_bytes());
    let length = sound.len_bytes();
    for _ in 0..=random.below(3) {
        let offset = match random.below(4) {
            0 => random.below(90),
            1 => random.below(8 * 512),
            _ => random.below(length.min(120 << 10)),
        };
        let bytes = match random.below(5) {
            0 => vec![0],
            1 => vec![0xff],
            2 => vec![device.read_vec(offset, 1).unwrap()[0] ^ (1 << random.below(8))],
            // A pair from the same structures: chains that cross, and circles.
            3 => {
                let from = random.below(length.min(120 << 10) - 1);
                sound.read_vec(from / 2 * 2, 2).unwrap()
            }
            _ => vec![random.draw() as u8],
        };
        // The last byte has no neighbour.
        let _ = device.write_at(offset, &bytes);
    }
    device
}

/// Whether the filesystem could be opened. Then it was used up, and can be opened again: nothing was made worse.
fn survives(device: &Arc<MemoryDevice>) -> bool {
    let _ = probe(device);
    match try_open(device) {
        Ok(fat) => {
            use_up(fat);
            try_open(device).unwrap();
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

#[test]
fn damage_never_panics_and_what_is_opened_can_be_used() {
    let kinds: [(&[&str], u64); 3] = [
        (&["-F12", "-s1"], 400),
        (&["-F16", "-s1"], 4 << 10),
        (&["-F32", "-s1", "-R8"], 600),
    ];
    let sound = kinds.map(|(arguments, kib)| sample(arguments, kib));
    let (mut opened, mut refused) = ([0; 3], [0; 3]);
    for seed in tier::seeds(0..900) {
        let kind = (seed % 3) as usize;
        let device = damage(&sound[kind], &mut Random::new(seed));
        let survived = tier::case("fat-damage", seed, Limits::SMALL, || survives(&device));
        opened[kind] += u32::from(survived);
        refused[kind] += u32::from(!survived);
    }
    let shown = opened.iter().all(|count| *count > 50) && refused.iter().all(|count| *count > 10);
    assert!(shown || tier::is_long(), "{opened:?} opened, {refused:?} refused");
}

#[test]
fn random_bytes_behind_a_boot_sector_never_panic() {
    let sound = mkfs(&["-F12", "-s1"], 400);
    for seed in tier::seeds(0..200) {
        let mut random = Random::new(seed);
        let mut bytes = sound.clone();
        for _ in 0..40 {
            // Whole slots and table entries of anything.
            let start = 512 + 16 * random.below(1500) as usize;
            bytes[start..start + 16].copy_from_slice(&random.bytes(16));
        }
        let device = device(bytes);
        tier::case("fat-noise", seed, Limits::SMALL, || {
            try_open(&device).map(use_up).is_ok()
        });
    }
}

/// The first entry of the table that belongs to a file of several clusters, on a FAT16.
fn chain_of(device: &MemoryDevice, path: &str) -> (u64, u16) {
    let fat = open(&Arc::new(MemoryDevice::from_bytes(device.to_bytes())));
    let _ = crate::oracle::find(&fat, path).unwrap();
    let reserved = u64::from(u16::from_le_bytes(device.read_vec(14, 2).unwrap().try_into().unwrap()));
    // Two neighbouring entries that follow each other belong to a long file.
    let table = device.read_vec(reserved * 512, 2000).unwrap();
    let entry = |index: usize| u16::from_le_bytes([table[index * 2], table[index * 2 + 1]]);
    let first = (2..900).find(|index| entry(*index) == *index as u16 + 1).unwrap();
    (reserved * 512 + first as u64 * 2, first as u16)
}

#[test]
fn broken_chains_are_refused_by_name() {
    let sound = sample(&["-F16", "-s1"], 4 << 10);
    let (at, first) = chain_of(&sound, "EFI/SHORT.TXT");
    for (value, reason) in [
        (first, "belongs to two files"),
        (0, "needs more clusters"),
        (1, "does not exist"),
        (0xfff6, "does not exist"),
        (0xfff7, "needs more clusters"),
        (0xffff, "needs more clusters"),
        (first + 2000, "is free"),
    ] {
        let bad = device(sound.to_bytes());
        bad.write_at(at, &value.to_le_bytes()).unwrap();
        let error = try_open(&bad).unwrap_err().to_string();
        let expected = error.contains(reason) || error.contains("is free") || error.contains("marked bad");
        assert!(expected, "{value:#x}: {error}");
        assert!(error.contains("file with a long name.txt"), "{error}");
    }
}

#[test]
fn a_directory_that_contains_itself_is_refused() {
    let sound = sample(&["-F16", "-s1"], 4 << 10);
    let bytes = sound.to_bytes();
    // The entries of the three directories named "inner" hold their clusters; let one name its parent's.
    let at = bytes.windows(11).position(|window| window == b"INNER      ").unwrap();
    let parent = bytes.windows(11).position(|window| window == b"EFI        ").unwrap();
    let bad = device(bytes.clone());
    bad.write_at(at as u64 + 26, &bytes[parent + 26..parent + 28]).unwrap();
    let error = try_open(&bad).unwrap_err().to_string();
    assert!(error.contains("/EFI/inner") && error.contains("two files"), "{error}");
    // A directory without a cluster is the root to the `fatfs` crate.
    bad.write_at(at as u64 + 26, &[0, 0]).unwrap();
    assert!(try_open(&bad).unwrap_err().to_string().contains("no cluster"));
}

#[test]
fn ambiguous_and_impossible_names_are_refused() {
    let sound = sample(&["-F16", "-s1"], 4 << 10);
    let bytes = sound.to_bytes();
    let third = bytes.windows(11).position(|window| window == b"THIRD      ").unwrap();
    for (name, reason) in [
        (b"EFI        ", "another entry"),
        (b"A/B        ", "its name"),
        (b"           ", "its name"),
    ] {
        let bad = device(bytes.clone());
        // Without its long name, which no longer fits by its checksum.
        bad.write_at(third as u64, name).unwrap();
        let error = try_open(&bad).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn bytes_behind_the_end_of_a_directory_stay_hidden() {
    let device = device(mkfs(&["-F16", "-s4"], 16 << 10));
    let mut fat = open(&device);
    let root = fat.root();
    fat.create(root, b"d", &DIRECTORY).unwrap();
    Box::new(fat).commit().unwrap();
    // An entry behind the end mark, which a new entry before it would bring to light.
    let bytes = device.to_bytes();
    let dots = bytes.windows(11).position(|window| window == b"..         ").unwrap();
    let mut ghost = [0; 32];
    ghost[..11].copy_from_slice(b"GHOST   TXT");
    for slot in [3, 4, 5] {
        device.write_at(dots as u64 + slot * 32, &ghost).unwrap();
    }
    let mut fat = open(&device);
    let d = crate::oracle::find(&fat, "d").unwrap();
    write_file(&mut fat, d, "x", b"x");
    assert_eq!(files(&fat).len(), 2);
    let fat = crate::oracle::commit(fat, &device);
    assert_eq!(files(&fat).len(), 2);
}

#[test]
fn truncated_filesystems_are_refused() {
    let bytes = mkfs(&["-F32", "-s1"], 40 << 10);
    for length in [0, 100, 512, 4096, 1 << 20, bytes.len() - 1] {
        let device = device(bytes[..length].to_vec());
        assert!(try_open(&device).is_err());
        assert!(probe(&device).is_none());
    }
}
