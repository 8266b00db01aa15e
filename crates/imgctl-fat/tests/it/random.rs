//! Conformance, and random operations against the model.

use crate::oracle::{
    DIRECTORY, KINDS, NOW, SMALL_FAT32, commit, device, files, files_by_crate, files_by_mtools, find, mkfs, open,
    write_file,
};
use imgctl_testkit::tier::{self, Limits};
use imgctl_vfs::{ModelFs, ReadFs, WriteFs, check_conformance, random_operations};

#[test]
fn every_kind_conforms() {
    for (arguments, kib) in KINDS {
        let device = device(mkfs(arguments, kib));
        let mut fat = open(&device);
        check_conformance(&mut fat).unwrap_or_else(|fault| panic!("{arguments:?}: {fault}"));
        let fat = commit(fat, &device);
        if arguments != SMALL_FAT32.0 {
            assert_eq!(files(&fat), files_by_mtools(&device), "{arguments:?}");
        }
    }
}

#[test]
fn random_operations_equal_the_model() {
    // The last one is so small that it fills up.
    let small: (&[&str], u64) = (&["-F12", "-s1"], 300);
    let kinds: Vec<_> = KINDS.into_iter().chain([small]).collect();
    let mut full = 0;
    for seed in tier::seeds(0..16) {
        let (arguments, kib) = kinds[seed as usize % kinds.len()];
        full += u32::from(!tier::case("fat-random", seed, Limits::LARGE, || {
            round(arguments, kib, seed)
        }));
    }
    assert!(full > 0 || tier::is_long(), "some run filled its filesystem");
    assert!(full < 12 || tier::is_long(), "{full} runs ended early");
}

/// Whether the round went through; `false` when the filesystem was full before.
fn round(arguments: &[&str], kib: u64, seed: u64) -> bool {
    let device = device(mkfs(arguments, kib));
    let mut fat = open(&device);
    let mut model = ModelFs::new(NOW);
    let outcome = random_operations(&mut fat, &mut model, seed, 1000, 120_000);
    let went_through = outcome.unwrap_or_else(|fault| panic!("{arguments:?} {seed}: {fault}"));
    assert_eq!(files(&fat), files(&model), "{arguments:?} {seed}");
    let fat = commit(fat, &device);
    if arguments != SMALL_FAT32.0 {
        assert_eq!(files(&fat), files_by_mtools(&device), "{arguments:?} {seed}");
        assert_eq!(files(&fat), files_by_crate(&device), "{arguments:?} {seed}");
    }
    went_through
}

/// Several sessions on one filesystem, each starting from what the one before left.
#[test]
fn sessions_follow_each_other() {
    let device = device(mkfs(&["-F32", "-s1"], 40 << 10));
    for seed in 0..5 {
        let mut fat = open(&device);
        let root = fat.root();
        let place = fat
            .create(root, format!("session {seed}").as_bytes(), &DIRECTORY)
            .unwrap();
        write_file(&mut fat, place, "content", &[seed; 70_000]);
        if seed > 1 {
            let old = format!("session {}", seed - 2);
            let node = find(&fat, &old).unwrap();
            fat.remove(node, b"content").unwrap();
            fat.remove(root, old.as_bytes()).unwrap();
        }
        commit(fat, &device);
    }
    let fat = open(&device);
    assert_eq!(files(&fat), files_by_mtools(&device));
    assert_eq!(files(&fat).len(), 4);
}
