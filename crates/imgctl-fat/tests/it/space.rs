//! Full filesystems: an operation that finds no space has changed nothing.

use crate::oracle::{DIRECTORY, FILE, KINDS, commit, device, files, fsck, holds, mkfs, open, write_file};
use imgctl_block::{BlockDevice, Fault, FaultDevice, MemoryDevice};
use imgctl_fat::{Fat, FatOptions};
use imgctl_vfs::{ErrorKind, ReadFs, WriteFs};
use std::sync::Arc;

#[test]
fn a_full_filesystem_says_so_and_stays_sound() {
    for arguments in [&["-F12", "-s1"][..], &["-F32", "-s8"]] {
        let device = device(mkfs(arguments, 1440));
        let mut fat = open(&device);
        let root = fat.root();
        let file = write_file(&mut fat, root, "large", &[1; 100]);
        let free = fat.statfs().unwrap();
        let rest = free.free_blocks * u64::from(free.block_bytes);
        let too_much = vec![2; rest as usize + u64::from(free.block_bytes) as usize];
        let before = files(&fat);
        assert_eq!(
            fat.write_at(file, 100, &too_much).unwrap_err().kind(),
            ErrorKind::NoSpace
        );
        assert_eq!(fat.set_len(file, 1 << 30).unwrap_err().kind(), ErrorKind::NoSpace);
        assert_eq!(files(&fat), before);
        fat.write_at(file, 100, &too_much[..rest as usize - 100]).unwrap();
        while fat.statfs().unwrap().free_blocks > 0 {
            let size = fat.metadata(file).unwrap().size;
            fat.set_len(file, size + 1).unwrap();
        }
        let error = fat.create(root, b"directory", &DIRECTORY).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        commit(fat, &device);
    }
}

#[test]
fn a_full_root_directory_says_so() {
    let device = device(mkfs(&["-F12", "-r16"], 1440));
    let mut fat = open(&device);
    let root = fat.root();
    let mut count = 0;
    let error = loop {
        match fat.create(root, format!("file with name {count}").as_bytes(), &FILE) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert_eq!(count, 5);
    // Renaming within the full directory uses the slots that become free.
    fat.rename(root, b"file with name 0", root, b"file with name z")
        .unwrap();
    fat.rename(root, b"file with name 1", root, b"file with name 2")
        .unwrap();
    fat.create(root, b"file with name 1", &FILE).unwrap();
    fat.rename(root, b"file with name z", root, b"FILE WITH NAME Z")
        .unwrap();
    commit(fat, &device);
}

#[test]
fn directories_grow_and_their_slots_are_used_again() {
    let device = device(mkfs(&["-F32", "-s1"], 40 << 10));
    let mut fat = open(&device);
    let root = fat.root();
    let directory = fat.create(root, b"grows", &DIRECTORY).unwrap();
    let name = |number: u32| format!("a name of several entries, number {number:04}");
    for number in 0..300 {
        fat.create(directory, name(number).as_bytes(), &FILE).unwrap();
    }
    let size = fat.metadata(directory).unwrap().size;
    for number in (0..300).step_by(2) {
        fat.remove(directory, name(number).as_bytes()).unwrap();
    }
    for number in (0..300).step_by(2) {
        fat.create(directory, name(number).as_bytes(), &FILE).unwrap();
    }
    assert_eq!(fat.metadata(directory).unwrap().size, size);
    let fat = commit(fat, &device);
    assert_eq!(files(&fat).len(), 301);
}

/// Free clusters full of something else: an old directory, whose entries must not come back to life.
#[test]
fn garbage_in_free_clusters_never_becomes_visible() {
    for (arguments, kib) in KINDS {
        let device = device(mkfs(arguments, kib));
        let free = open(&device).free_ranges().unwrap();
        let ghost: Vec<u8> = [&b"GHOST   TXT\x20"[..], &[0; 20]].concat();
        for range in free {
            let length = (range.end - range.start).min(4 << 20) as usize;
            device.write_at(range.start, &ghost.repeat(length / 32)).unwrap();
        }
        let mut fat = open(&device);
        let root = fat.root();
        let directory = fat.create(root, b"directory", &DIRECTORY).unwrap();
        for number in 0..14 {
            let name = format!("a name of several entries, number {number}");
            write_file(&mut fat, root, &name, b"x");
            write_file(&mut fat, directory, &name, b"x");
        }
        for number in 0..14 {
            let name = format!("a name of several entries, number {number}");
            let longer = format!("{name}, and now it is longer");
            fat.rename(root, name.as_bytes(), root, longer.as_bytes()).unwrap();
            fat.rename(directory, name.as_bytes(), root, name.as_bytes()).unwrap();
        }
        let file = write_file(&mut fat, root, "file", b"x");
        fat.set_len(file, 20_000).unwrap();
        assert!(crate::oracle::read_file(&fat, file)[1..].iter().all(|byte| *byte == 0));
        let fat = commit(fat, &device);
        assert_eq!(files(&fat).len(), 30, "{arguments:?}");
        let mut fat = fat;
        fat.wipe_free().unwrap();
        Box::new(fat).commit().unwrap();
        assert!(!holds(&device, b"GHOST"), "{arguments:?}");
    }
}

#[test]
fn a_device_that_fails_is_an_error_everywhere() {
    let bytes = mkfs(&["-F16"], 4096 * 4);
    let options = FatOptions::default();
    let work = |device: Arc<FaultDevice<MemoryDevice>>| -> imgctl_vfs::Result<()> {
        let mut fat = Fat::open(device, options)?;
        let root = fat.root();
        let directory = fat.create(root, b"directory", &DIRECTORY)?;
        let file = fat.create(directory, b"a file", &FILE)?;
        fat.write_at(file, 3000, &[1; 9000])?;
        fat.set_len(file, 100)?;
        fat.rename(directory, b"a file", root, b"moved")?;
        fat.remove(root, b"directory")?;
        Box::new(fat).commit()
    };
    let new = |fault| Arc::new(FaultDevice::new(MemoryDevice::from_bytes(bytes.clone()), fault));
    let sound = new(Fault::WritesFrom(u64::MAX));
    work(sound.clone()).unwrap();
    assert!(sound.writes() > 10);
    for index in 0..sound.writes() {
        let error = work(new(Fault::WritesFrom(index))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "write {index}");
    }
    for index in 0..sound.reads() {
        let error = work(new(Fault::ReadsFrom(index))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "read {index}");
    }
}

#[test]
fn a_change_that_failed_halfway_is_not_committed() {
    let bytes = mkfs(&["-F16"], 4096 * 4);
    let device = Arc::new(FaultDevice::new(MemoryDevice::from_bytes(bytes), Fault::WritesFrom(2)));
    let mut fat = Fat::open(device, FatOptions::default()).unwrap();
    let root = fat.root();
    assert_eq!(
        fat.create(root, b"directory", &DIRECTORY).unwrap_err().kind(),
        ErrorKind::Io
    );
    assert_eq!(Box::new(fat).commit().unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn large_gaps_cost_no_bytes() {
    let device = device(mkfs(&["-F32", "-s8"], 80 << 10));
    let mut fat = open(&device);
    let root = fat.root();
    let file = write_file(&mut fat, root, "sparse", b"begin");
    fat.write_at(file, 50 << 20, b"end").unwrap();
    let content = crate::oracle::read_file(&fat, file);
    assert_eq!(content.len(), (50 << 20) + 3);
    assert!(content[5..50 << 20].iter().all(|byte| *byte == 0));
    commit(fat, &device);
    fsck(&device);
}
