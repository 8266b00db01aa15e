//! What mtools wrote is read, what was written is read by mtools, and nothing is touched without need.

use crate::oracle::{
    DIRECTORY, NOW, commit, device, files, files_by_mtools, find, fsck, mkfs, mtools, mtools_kinds, open, read_file,
    run, text, write_file,
};
use imgctl_block::{BlockDevice, BlockRead, MemoryDevice};
use imgctl_fat::{Fat, FatKind, FatOptions, probe};
use imgctl_vfs::{ErrorKind, MetadataChange, ReadFs, Timestamp, WriteFs};
use std::sync::Arc;

/// An EFI system partition as mtools makes it.
fn esp(arguments: &[&str], kib: u64) -> Arc<MemoryDevice> {
    let folder = tempfile::tempdir().unwrap();
    let boot = folder.path().join("EFI/BOOT");
    std::fs::create_dir_all(&boot).unwrap();
    let loader: Vec<u8> = (0..300_000_u32).map(|index| (index * 7 / 3) as u8).collect();
    std::fs::write(boot.join("BOOTX64.EFI"), &loader).unwrap();
    std::fs::write(boot.join("grub configuration.cfg"), b"set timeout=1\n").unwrap();
    std::fs::write(folder.path().join("EFI/empty"), b"").unwrap();
    let source = folder.path().join("EFI");
    let empty = MemoryDevice::from_bytes(mkfs(arguments, kib));
    let (_, bytes) = mtools(&empty, "mcopy", &["-s", source.to_str().unwrap(), "::/"]);
    device(bytes)
}

#[test]
fn what_mtools_wrote_is_read() {
    for (arguments, kib) in mtools_kinds() {
        let device = esp(arguments, kib);
        let fat = open(&device);
        let found = files(&fat);
        assert_eq!(found, files_by_mtools(&device), "{arguments:?}");
        assert_eq!(found.len(), 5);
        assert_eq!(found["/EFI/BOOT/BOOTX64.EFI"].as_ref().unwrap().len(), 300_000);
        let root = fat.metadata(fat.root()).unwrap();
        assert_eq!((root.mode, root.links), (0o755, 3));
    }
}

#[test]
fn files_are_replaced_in_an_esp() {
    for (arguments, kib) in mtools_kinds() {
        let device = esp(arguments, kib);
        let mut fat = open(&device);
        let boot = find(&fat, "/efi/boot").unwrap();
        assert_eq!(Some(boot), find(&fat, "/EFI/BOOT"), "case does not matter");
        let grub = find(&fat, "/EFI/BOOT/grub configuration.cfg").unwrap();
        fat.set_len(grub, 0).unwrap();
        fat.write_at(grub, 0, b"set timeout=0\nset default=1\n").unwrap();
        let loader = find(&fat, "/EFI/BOOT/BOOTX64.EFI").unwrap();
        fat.write_at(loader, 299_999, &[9; 20_000]).unwrap();
        let debian = fat.create(find(&fat, "EFI").unwrap(), b"debian", &DIRECTORY).unwrap();
        write_file(&mut fat, debian, "shimx64.efi", &[3; 100_000]);
        fat.remove(find(&fat, "EFI").unwrap(), b"EMPTY").unwrap();
        let fat = commit(fat, &device);
        assert_eq!(files(&fat), files_by_mtools(&device), "{arguments:?}");
        let loader = read_file(&fat, find(&fat, "/EFI/BOOT/BOOTX64.EFI").unwrap());
        assert_eq!(loader.len(), 319_999);
        assert_eq!(loader[299_998..300_001], [(299_998_u32 * 7 / 3) as u8, 9, 9]);
    }
}

#[test]
fn a_commit_without_changes_writes_nothing() {
    for (arguments, kib) in mtools_kinds() {
        let device = esp(arguments, kib);
        let before = device.to_bytes();
        let fat = open(&device);
        files(&fat);
        Box::new(fat).commit().unwrap();
        assert!(device.to_bytes() == before, "{arguments:?}");
    }
}

#[test]
fn the_same_changes_give_the_same_bytes() {
    let images: Vec<_> = (0..2)
        .map(|_| {
            let device = device(mkfs(&["-F32", "-s1"], 40 << 10));
            let mut fat = open(&device);
            let root = fat.root();
            let directory = fat.create(root, b"d", &DIRECTORY).unwrap();
            write_file(&mut fat, directory, "a file", &[1; 5000]);
            write_file(&mut fat, root, ".env", &[2; 50]);
            commit(fat, &device);
            device.to_bytes()
        })
        .collect();
    assert!(images[0] == images[1]);
}

#[test]
fn times_are_the_reference_time_in_utc() {
    let device = device(mkfs(&["-F16"], 16 << 10));
    let mut fat = open(&device);
    let root = fat.root();
    let file = write_file(&mut fat, root, "stamped.txt", b"x");
    let directory = fat.create(root, b"stamped", &DIRECTORY).unwrap();
    let other = write_file(&mut fat, root, "other.txt", b"x");
    let change = MetadataChange {
        mode: Some(0o600),
        uid: Some(7),
        modified: Some(Timestamp {
            seconds: 1_000_000_001,
            nanoseconds: 5,
        }),
        accessed: Some(Timestamp::from_seconds(1_100_000_000)),
        ..MetadataChange::default()
    };
    fat.set_metadata(other, &change).unwrap();
    fat.set_metadata(root, &change).unwrap();
    let fat = commit(fat, &device);
    let of = |name: &str| fat.metadata(find(&fat, name).unwrap()).unwrap();
    let _ = (file, directory);
    for name in ["stamped.txt", "stamped"] {
        let found = of(name);
        assert_eq!((found.modified, found.created), (NOW, Some(NOW)), "{name}");
        assert_eq!(found.accessed.seconds, NOW.seconds / 86_400 * 86_400);
    }
    let found = of("other.txt");
    assert_eq!((found.mode, found.uid), (0o755, 0));
    assert_eq!(found.modified, Timestamp::from_seconds(1_000_000_000));
    assert_eq!(found.accessed.seconds, 1_100_000_000 / 86_400 * 86_400);
    let (listed, _) = mtools(&device, "mdir", &["::/"]);
    assert!(listed.contains("2024-02-29  12:34"), "{listed}");
    assert!(listed.contains("2001-09-09   1:46"), "{listed}");
}

#[test]
fn kind_label_and_serial_are_told() {
    for (arguments, kind) in [
        (&["-F12", "-nMY LABEL"][..], FatKind::Fat12),
        (&["-F16"], FatKind::Fat16),
        (&["-F32", "-s1", "-nEFI"], FatKind::Fat32),
    ] {
        let device = device(mkfs(arguments, if kind == FatKind::Fat12 { 2048 } else { 40 << 10 }));
        let summary = probe(&device).unwrap();
        assert_eq!(summary.kind, kind);
        assert_eq!(summary.serial_text().as_deref(), Some("1234-ABCD"));
        let label = arguments.iter().find_map(|argument| argument.strip_prefix("-n"));
        assert_eq!(summary.label.as_deref(), label.map(str::as_bytes));
        assert_eq!(open(&device).summary(), summary);
    }
    assert_eq!(probe(&MemoryDevice::zeroed(1 << 20)), None);
    assert_eq!(probe(&MemoryDevice::zeroed(10)), None);
}

#[test]
fn a_dirty_filesystem_is_opened_and_left_clean() {
    for (arguments, kib, state, table_bit) in [
        (&["-F16"][..], 16 << 10, 0x25, (3, 0x80)),
        (&["-F32", "-s1"], 40 << 10, 0x41, (7, 0x08)),
    ] {
        let device = device(mkfs(arguments, kib));
        let reserved = u16::from_le_bytes(device.read_vec(14, 2).unwrap().try_into().unwrap());
        device.write_at(state, &[1]).unwrap();
        let at = u64::from(reserved) * 512 + table_bit.0;
        let byte = device.read_vec(at, 1).unwrap()[0];
        device.write_at(at, &[byte & !table_bit.1]).unwrap();
        let mut fat = open(&device);
        let root = fat.root();
        write_file(&mut fat, root, "x", b"x");
        commit(fat, &device);
    }
}

#[test]
fn a_second_table_that_differs_is_made_alike() {
    let device = esp(&["-F16"], 16 << 10);
    // The second table of this size begins after the first one's 32 sectors or so: find it by its first bytes.
    let length = u64::from(u16::from_le_bytes(device.read_vec(22, 2).unwrap().try_into().unwrap())) * 512;
    let reserved = u64::from(u16::from_le_bytes(device.read_vec(14, 2).unwrap().try_into().unwrap())) * 512;
    device.write_at(reserved + length + 100, &[0x55; 9]).unwrap();
    let mut fat = open(&device);
    let root = fat.root();
    write_file(&mut fat, root, "x", b"x");
    commit(fat, &device);
}

#[test]
fn a_read_only_filesystem_refuses_every_change() {
    let device = esp(&["-F16"], 16 << 10);
    let options = FatOptions {
        now: NOW,
        read_only: true,
    };
    let mut fat = Fat::open(device.clone(), options).unwrap();
    let root = fat.root();
    let file = find(&fat, "/EFI/empty").unwrap();
    let outcomes = [
        fat.create(root, b"x", &DIRECTORY).map(|_| ()),
        fat.write_at(file, 0, b"x"),
        fat.set_len(file, 1),
        fat.set_metadata(file, &MetadataChange::default()),
        fat.rename(root, b"EFI", root, b"x"),
        fat.remove(root, b"EFI"),
        fat.wipe_free(),
    ];
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unsupported);
    }
}

#[test]
fn unmounted_by_others_after_us() {
    // mtools writes into a filesystem that was changed here, and it is read here again.
    let device = device(mkfs(&["-F32", "-s1"], 40 << 10));
    let mut fat = open(&device);
    let root = fat.root();
    let directory = fat.create(root, b"ours", &DIRECTORY).unwrap();
    write_file(&mut fat, directory, "file with a long name", &[1; 9000]);
    commit(fat, &device);
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("theirs with a long name");
    std::fs::write(&source, [5; 12_345]).unwrap();
    let (_, bytes) = mtools(&device, "mcopy", &[source.to_str().unwrap(), "::/ours/"]);
    let device = self::device(bytes);
    fsck(&device);
    let fat = open(&device);
    assert_eq!(files(&fat)["/ours/theirs with a long name"], Some(vec![5; 12_345]));
    assert_eq!(files(&fat).len(), 3);
}

#[test]
fn statfs_agrees_with_fsck() {
    let device = esp(&["-F16"], 16 << 10);
    let fat = open(&device);
    let stat = fat.statfs().unwrap();
    let file = crate::oracle::image(&device);
    let said = text(&run("dosfstools", "fsck.fat", &["-n", file.path().to_str().unwrap()]));
    let used = stat.blocks - stat.free_blocks;
    assert!(said.contains(&format!("{used}/{} clusters", stat.blocks)), "{said}");
    let free: u64 = fat
        .free_ranges()
        .unwrap()
        .iter()
        .map(|range| range.end - range.start)
        .sum();
    assert_eq!(free, stat.free_blocks * u64::from(stat.block_bytes));
}
