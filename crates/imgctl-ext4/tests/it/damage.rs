//! Damaged images and failing devices: an error at worst, never a panic, a hang or a lost byte.

use crate::image::{Image, NOW};
use crate::populate::{directory, file, pattern};
use imgctl_block::{Fault, FaultDevice, MemoryDevice};
use imgctl_ext4::{Ext4, Ext4Options, probe};
use imgctl_testkit::tier::{self, Limits, Random};
use imgctl_vfs::{FileKind, NewNode, NodeId, ReadFs, WriteFs};
use std::sync::Arc;

/// A small image with one of everything.
fn varied(options: &[&str]) -> Vec<u8> {
    let image = Image::new(4, options);
    let (device, mut fs) = image.open();
    let root = fs.root();
    let many = fs.create(root, b"many", &directory()).unwrap();
    for index in 0..120 {
        fs.create(many, format!("{index:0100}").as_bytes(), &file()).unwrap();
    }
    let node = fs.create(root, b"fragmented", &file()).unwrap();
    for index in 0..200 {
        fs.write_at(node, index * 2048, b"x").unwrap();
    }
    fs.set_xattr(node, b"user.large", &[1; 700]).unwrap();
    fs.set_xattr(node, b"security.selinux", b"label").unwrap();
    let link = NewNode {
        kind: FileKind::Symlink,
        target: vec![b't'; 300],
        ..file()
    };
    fs.create(root, b"link", &link).unwrap();
    Box::new(fs).commit().unwrap();
    device.to_bytes()
}

/// Everything that can be read, as far as it can; returns how many reads failed.
fn read_everything(fs: &dyn ReadFs) -> usize {
    let mut failures = 0;
    let mut pending = vec![fs.root()];
    let mut steps = 0;
    while let Some(node) = pending.pop() {
        steps += 1;
        if steps > 1000 {
            break;
        }
        let mut buf = vec![0; 100_000];
        failures += usize::from(fs.xattrs(node).is_err());
        match fs.metadata(node).map(|metadata| metadata.kind) {
            Ok(FileKind::Directory) => match fs.read_dir(node) {
                Ok(entries) => pending.extend(entries.iter().map(|entry| entry.node)),
                Err(_) => failures += 1,
            },
            Ok(FileKind::File) => failures += usize::from(fs.read_at(node, 0, &mut buf).is_err()),
            Ok(FileKind::Symlink) => failures += usize::from(fs.read_link(node).is_err()),
            Ok(_) => {}
            Err(_) => failures += 1,
        }
    }
    failures + usize::from(fs.free_ranges().is_err())
}

fn change_something(fs: &mut dyn WriteFs) -> imgctl_vfs::Result<()> {
    let root = fs.root();
    let found = |fs: &mut dyn WriteFs, name: &[u8]| fs.lookup(root, name).ok().flatten().unwrap_or(NodeId(2));
    let _ = fs.remove(root, b"link");
    let fragmented = found(fs, b"fragmented");
    let _ = fs.set_xattr(fragmented, b"user.other", &[2; 500]);
    let _ = fs.write_at(fragmented, 1000, &pattern(1, 5000));
    let _ = fs.set_len(fragmented, 30_000);
    let many = found(fs, b"many");
    for index in 0..20 {
        let _ = fs.remove(many, format!("{index:0100}").as_bytes());
        let _ = fs.create(many, format!("another {index}").as_bytes(), &directory());
    }
    let node = fs.create(root, b"new", &file())?;
    fs.write_at(node, 0, &pattern(2, 200_000))
}

/// The filesystems that are damaged: without checksums, and with them.
const DAMAGED: [&[&str]; 4] = [
    &["-b", "1024", "-O", "^metadata_csum,^has_journal"],
    &["-b", "1024", "-O", "^has_journal"],
    &["-b", "4096", "-O", "^metadata_csum"],
    &["-b", "2048", "-O", "metadata_csum_seed,orphan_file"],
];

/// Changes up to four places that mean something, or their neighbours.
fn flip(sound: &[u8], held: &[usize], random: &mut Random) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for _ in 0..=random.below(4) {
        let at = *random.pick(held) + random.below(3) as usize;
        // Words of one structure are plausible in another: links that cross, and circles.
        let from = *random.pick(held) / 4 * 4;
        match random.below(4) {
            0 => write(&mut bytes, at / 4 * 4, &[*random.pick(&[0, 0xff]); 4]),
            1 => write(&mut bytes, at / 4 * 4, &sound[from..from + 4]),
            _ => {
                let byte = bytes.get(at).copied().unwrap_or(0) ^ (random.draw() as u8 | 1);
                write(&mut bytes, at, &[byte]);
            }
        }
    }
    bytes
}

/// Writes what fits.
fn write(bytes: &mut [u8], at: usize, new: &[u8]) {
    for (place, byte) in bytes.iter_mut().skip(at).zip(new) {
        *place = *byte;
    }
}

/// Reads, changes and commits; whether any of it failed.
fn is_noticed(bytes: Vec<u8>) -> bool {
    let device = Arc::new(MemoryDevice::from_bytes(bytes));
    let _ = probe(&*device);
    let options = Ext4Options {
        now: NOW,
        read_only: false,
    };
    let Ok(mut fs) = Ext4::open(device, options) else {
        return true;
    };
    let failures = read_everything(&fs);
    let changed = change_something(&mut fs);
    let committed = Box::new(fs).commit();
    failures > 0 || changed.is_err() || committed.is_err()
}

#[test]
fn flipped_bytes_are_an_error_at_worst() {
    let sound = DAMAGED.map(varied);
    let held = sound.each_ref().map(|bytes| -> Vec<usize> {
        let held = (0..bytes.len()).filter(|at| bytes[*at] != 0);
        held.collect()
    });
    let seeds = tier::seeds(0..800);
    let (mut guarded, mut noticed) = (0, 0);
    for seed in seeds {
        let kind = (seed % 4) as usize;
        let mut random = Random::new(seed);
        let bytes = flip(&sound[kind], &held[kind], &mut random);
        let seen = tier::case("ext4-damage", seed, Limits::SMALL, || is_noticed(bytes));
        guarded += u32::from(kind == 1);
        noticed += u32::from(kind == 1 && seen);
    }
    assert!(
        guarded < 100 || noticed > guarded * 3 / 4,
        "checksums notice most damage: {noticed} of {guarded}"
    );
}

#[test]
fn overwritten_blocks_are_an_error_at_worst() {
    let sound = varied(&["-b", "1024", "-O", "^metadata_csum,^has_journal"]);
    for block in (0..2000).chain(0..40) {
        let mut bytes = sound.clone();
        let at = block * 1024;
        if bytes[at..at + 1024].iter().all(|byte| *byte == 0) {
            continue;
        }
        bytes[at..at + 1024].copy_from_slice(&pattern(block as u64, 1024));
        let options = Ext4Options {
            now: NOW,
            read_only: false,
        };
        if let Ok(mut fs) = Ext4::open(Arc::new(MemoryDevice::from_bytes(bytes)), options) {
            read_everything(&fs);
            let _ = change_something(&mut fs);
            let _ = Box::new(fs).commit();
        }
    }
}

#[test]
fn a_failing_device_is_reported_wherever_it_fails() {
    let sound = varied(&["-b", "1024"]);
    let run = |fault| {
        let device = Arc::new(FaultDevice::new(MemoryDevice::from_bytes(sound.clone()), fault));
        let options = Ext4Options {
            now: NOW,
            read_only: false,
        };
        let result = Ext4::open(device.clone(), options)
            .map_err(imgctl_vfs::Error::from)
            .and_then(|mut fs| {
                change_something(&mut fs)?;
                Box::new(fs).commit()
            });
        (result, device.reads(), device.writes())
    };
    let (result, reads, writes) = run(Fault::WritesFrom(u64::MAX));
    result.unwrap();
    assert!(reads > 20 && writes > 20);
    for index in (0..writes).step_by(3).chain([writes - 1]) {
        assert!(run(Fault::WritesFrom(index)).0.is_err(), "write {index} of {writes}");
    }
    for index in (0..reads).step_by(3) {
        let _ = run(Fault::ReadsFrom(index));
    }
}

#[test]
fn what_is_no_ext4_is_told_apart() {
    for length in [0, 1024, 2047, 2048, 100_000] {
        let device = Arc::new(MemoryDevice::zeroed(length));
        assert!(probe(&*device).is_none());
        let error = Ext4::open(device, Ext4Options::default()).unwrap_err();
        assert_eq!(error.to_string(), "there is no ext4 filesystem on this device");
    }
}
