//! What was deleted or replaced is nowhere on the device afterwards.

use crate::oracle::{
    DIRECTORY, KINDS, commit, device, files, find, fsck, holds, mkfs, mtools, mtools_kinds, open, write_file,
};
use imgctl_block::{BlockDevice, MemoryDevice};
use imgctl_vfs::{ReadFs, WriteFs};

const SECRET: &[u8] = b"-----BEGIN PRIVATE KEY-----";

/// The secret in UTF-16, as long names hold it.
fn wide(name: &str) -> Vec<u8> {
    name.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn deleted_files_leave_neither_content_nor_name() {
    for (arguments, kib) in mtools_kinds() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("host key secret");
        std::fs::write(&source, SECRET.repeat(200)).unwrap();
        let empty = MemoryDevice::from_bytes(mkfs(arguments, kib));
        let (_, bytes) = mtools(&empty, "mcopy", &[source.to_str().unwrap(), "::/"]);
        let device = device(bytes);
        let mut fat = open(&device);
        let root = fat.root();
        let directory = fat.create(root, b"kept", &DIRECTORY).unwrap();
        // Made and removed within the run, in a directory that stays and in one that goes.
        write_file(&mut fat, directory, "passing secret", &SECRET.repeat(50));
        let gone = fat.create(root, b"gone with secret", &DIRECTORY).unwrap();
        write_file(&mut fat, gone, "inner secret", &SECRET.repeat(50));
        assert!(holds(&device, SECRET) && holds(&device, &wide("host ")));
        fat.remove(root, b"host key secret").unwrap();
        fat.remove(directory, b"passing secret").unwrap();
        fat.remove(gone, b"inner secret").unwrap();
        fat.remove(root, b"gone with secret").unwrap();
        commit(fat, &device);
        assert!(!holds(&device, &SECRET[..8]), "{arguments:?}");
        for name in ["host", "pass", "inner", "gone"] {
            assert!(!holds(&device, &wide(name)), "{arguments:?} {name}");
        }
        for short in [b"OSTKEY", b"ASSING", b"NNERSE", b"ONEWIT"] {
            assert!(!holds(&device, short), "{arguments:?}");
        }
    }
}

#[test]
fn shortened_and_replaced_files_leave_nothing() {
    for (arguments, kib) in KINDS {
        let device = device(mkfs(arguments, kib));
        let mut fat = open(&device);
        let root = fat.root();
        for name in ["cut", "replaced", "grown"] {
            write_file(&mut fat, root, name, &SECRET.repeat(500));
        }
        let mut fat = commit(fat, &device);
        let cut = find(&fat, "cut").unwrap();
        fat.set_len(cut, 5).unwrap();
        write_file(&mut fat, root, "new", b"harmless");
        fat.rename(root, b"new", root, b"replaced").unwrap();
        let grown = find(&fat, "grown").unwrap();
        fat.set_len(grown, 2).unwrap();
        fat.set_len(grown, 3000).unwrap();
        let fat = commit(fat, &device);
        assert!(!holds(&device, &SECRET[5..20]), "{arguments:?}");
        assert_eq!(files(&fat)["/cut"], Some(SECRET[..5].to_vec()));
        let mut grown = SECRET[..2].to_vec();
        grown.resize(3000, 0);
        assert_eq!(files(&fat)["/grown"], Some(grown));
    }
}

#[test]
fn clusters_that_are_used_again_show_nothing_of_before() {
    let device = device(mkfs(&["-F12", "-s8"], 1440));
    let mut fat = open(&device);
    let root = fat.root();
    let stat = fat.statfs().unwrap();
    let all = (stat.free_blocks * u64::from(stat.block_bytes)) as usize;
    write_file(&mut fat, root, "all", &SECRET.repeat(all / SECRET.len()));
    fat.remove(root, b"all").unwrap();
    for number in 0..20 {
        write_file(&mut fat, root, &format!("small {number}"), b"x");
    }
    commit(fat, &device);
    assert!(!holds(&device, &SECRET[..8]));
}

#[test]
fn wiping_reaches_what_was_free_before() {
    let device = device(mkfs(&["-F32", "-s1"], 40 << 10));
    let fat = open(&device);
    let free = fat.free_ranges().unwrap();
    let last = free.last().unwrap();
    device.write_at(last.end - 100, SECRET).unwrap();
    let mut fat = open(&device);
    let root = fat.root();
    write_file(&mut fat, root, "x", b"x");
    let mut fat = commit(fat, &device);
    assert!(holds(&device, SECRET), "it was free before");
    fat.wipe_free().unwrap();
    Box::new(fat).commit().unwrap();
    assert!(!holds(&device, SECRET));
    fsck(&device);
}
