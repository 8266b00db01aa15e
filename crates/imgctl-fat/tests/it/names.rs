//! Names: case, code pages, short names, and what FAT cannot store.

use crate::oracle::{
    DIRECTORY, FILE, SMALL_FAT32, commit, device, files, files_by_mtools, find, mkfs, open, write_file,
};
use imgctl_vfs::{ErrorKind, FileKind, NewNode, ReadFs, WriteFs};

#[test]
fn names_keep_their_case_but_are_found_in_any() {
    let device = device(mkfs(&["-F16"], 16 << 10));
    let mut fat = open(&device);
    let root = fat.root();
    let node = write_file(&mut fat, root, "Grub.cfg", b"1");
    assert_eq!(fat.lookup(root, b"GRUB.CFG").unwrap(), Some(node));
    let taken = fat.create(root, b"grub.CFG", &FILE).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    fat.rename(root, b"grub.cfg", root, b"GRUB.cfg").unwrap();
    assert_eq!(fat.read_dir(root).unwrap()[0].name, b"GRUB.cfg");
    assert_eq!(fat.lookup(root, b"grub.cfg").unwrap(), Some(node), "the id stays");
    assert_eq!(crate::oracle::read_file(&fat, node), b"1");
    let fat = commit(fat, &device);
    assert_eq!(files(&fat), files_by_mtools(&device));
}

#[test]
fn a_short_name_names_the_same_file() {
    let device = device(mkfs(&["-F16"], 16 << 10));
    let mut fat = open(&device);
    let root = fat.root();
    let node = write_file(&mut fat, root, "a rather long name.conf", b"1");
    assert_eq!(fat.lookup(root, b"ARATHE~1.CON").unwrap(), Some(node));
    fat.rename(root, b"a rather long name.conf", root, b"arathe~1.con")
        .unwrap();
    let names: Vec<_> = fat
        .read_dir(root)
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    assert_eq!(names, [b"arathe~1.con"]);
    commit(fat, &device);
}

#[test]
fn names_of_every_sort_are_stored() {
    let names = [
        ".env",
        ".a",
        ".gitignore",
        "..two",
        "x.tar.gz",
        "no extension at all",
        "UPPER",
        "lower.txt",
        "Mixed.Txt",
        "a+b=c,[d];e",
        "öäü.ß",
        "日本語.txt",
        "résumé",
        "~tilde~1.txt",
        "{x}",
        "a b",
        " leading space",
        "CON",
        "12345678.123",
        "123456789.123",
        "12345678.1234",
        "thirteen long",
        "twenty-six characters long",
    ];
    for arguments in [&["-F12"][..], SMALL_FAT32.0] {
        let device = device(mkfs(arguments, 24 << 10));
        let mut fat = open(&device);
        let root = fat.root();
        let directory = fat.create(root, b"names", &DIRECTORY).unwrap();
        for name in names {
            write_file(&mut fat, directory, name, name.as_bytes());
        }
        for name in names {
            let node = find(&fat, &format!("names/{name}")).unwrap();
            assert_eq!(crate::oracle::read_file(&fat, node), name.as_bytes());
        }
        let fat = commit(fat, &device);
        assert_eq!(files(&fat).len(), names.len() + 1);
        if arguments != SMALL_FAT32.0 {
            assert_eq!(files(&fat), files_by_mtools(&device));
        }
    }
}

#[test]
fn many_names_that_shorten_alike() {
    let device = device(mkfs(&["-F16"], 16 << 10));
    let mut fat = open(&device);
    let root = fat.root();
    let directory = fat.create(root, b"many", &DIRECTORY).unwrap();
    for number in 0..60 {
        write_file(&mut fat, directory, &format!("configuration {number}.cfg"), b"");
    }
    for number in 0..15 {
        write_file(&mut fat, directory, &format!(".{}", "a".repeat(number + 1)), b"");
    }
    let fat = commit(fat, &device);
    assert_eq!(files(&fat).len(), 76);
}

#[test]
fn what_fat_cannot_store_is_refused() {
    let device = device(mkfs(&["-F16"], 16 << 10));
    let mut fat = open(&device);
    let root = fat.root();
    let before = device.to_bytes();
    for name in [
        &b"a:b"[..],
        b"a*b",
        b"a?b",
        b"a\"b",
        b"a<b",
        b"a>b",
        b"a|b",
        b"a\\b",
        b"a\nb",
        b"a\x7fb",
        b"\xff\xfe",
        b"dot.",
        b"space ",
        b"...",
        b" ",
        "\u{1f600}".as_bytes(),
    ] {
        let error = fat.create(root, name, &FILE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{}", name.escape_ascii());
        assert_eq!(fat.lookup(root, name).unwrap(), None);
    }
    for kind in [FileKind::Symlink, FileKind::Fifo, FileKind::CharDevice(1, 3)] {
        let new = NewNode {
            kind,
            target: b"x".to_vec(),
            ..FILE
        };
        assert_eq!(fat.create(root, b"x", &new).unwrap_err().kind(), ErrorKind::Unsupported);
    }
    Box::new(fat).commit().unwrap();
    assert!(device.to_bytes() == before);
    let mut fat = open(&device);
    let file = write_file(&mut fat, root, "file", b"");
    assert_eq!(
        fat.link(file, root, b"other").unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(
        fat.set_xattr(file, b"user.x", b"").unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    let huge = fat.set_len(file, 1 << 32).unwrap_err();
    assert_eq!(huge.kind(), ErrorKind::LimitReached);
}

#[test]
fn a_directory_that_moves_knows_its_new_parent() {
    for arguments in [&["-F16"][..], &["-F32", "-s1"]] {
        let device = device(mkfs(arguments, 40 << 10));
        let mut fat = open(&device);
        let root = fat.root();
        let a = fat.create(root, b"a", &DIRECTORY).unwrap();
        let b = fat.create(a, b"b", &DIRECTORY).unwrap();
        let c = fat.create(b, b"c", &DIRECTORY).unwrap();
        write_file(&mut fat, c, "file", b"deep");
        fat.rename(b, b"c", root, b"c").unwrap();
        fat.rename(root, b"a", c, b"moved").unwrap();
        assert_eq!(find(&fat, "c/moved/b"), Some(b));
        assert_eq!(
            fat.rename(root, b"c", b, b"loop").unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        write_file(&mut fat, b, "after", b"x");
        let fat = commit(fat, &device);
        assert_eq!(files(&fat), files_by_mtools(&device));
    }
}
