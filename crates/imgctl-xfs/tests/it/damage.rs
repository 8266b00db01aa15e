//! Damaged images and failing devices: an error at worst, never a panic, a hang or a lost byte.

use crate::image::{Image, NOW, RHEL_9, RHEL_10};
use crate::writing::{directory, file};
use imgctl_block::{Fault, FaultDevice, MemoryDevice};
use imgctl_testkit::listing::find;
use imgctl_testkit::tier::{self, Limits, Random};
use imgctl_vfs::{FileKind, NewNode, NodeId, ReadFs, WriteFs};
use imgctl_xfs::{Xfs, XfsOptions, probe};
use std::sync::Arc;

const OPTIONS: XfsOptions = XfsOptions {
    now: NOW,
    read_only: false,
};

/// A small image with one of everything.
fn varied(options: &[&str]) -> Vec<u8> {
    let image = Image::new(16, options);
    let (device, mut fs) = image.open();
    let root = fs.root();
    let many = fs.create(root, b"many", &directory()).unwrap();
    for index in 0..400 {
        fs.create(many, format!("{index:0100}").as_bytes(), &file()).unwrap();
    }
    let few = fs.create(root, b"few", &directory()).unwrap();
    for index in 0..20 {
        fs.create(few, format!("{index:030}").as_bytes(), &file()).unwrap();
    }
    let node = fs.create(root, b"fragmented", &file()).unwrap();
    for index in 0..100 {
        fs.write_at(node, index * 8192, b"x").unwrap();
    }
    fs.set_xattr(node, b"user.large", &[1; 700]).unwrap();
    fs.set_xattr(node, b"user.remote", &[1; 5000]).unwrap();
    fs.set_xattr(many, b"security.selinux", b"label").unwrap();
    let link = NewNode {
        kind: FileKind::Symlink,
        target: vec![b't'; 600],
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
    let found = |fs: &mut dyn WriteFs, name: &[u8]| fs.lookup(root, name).ok().flatten().unwrap_or(NodeId(128));
    let _ = fs.remove(root, b"link");
    let fragmented = found(fs, b"fragmented");
    let _ = fs.set_xattr(fragmented, b"user.other", &[2; 500]);
    let _ = fs.write_at(fragmented, 1000, &[3; 5000]);
    let _ = fs.set_len(fragmented, 300_000);
    let many = found(fs, b"many");
    let few = found(fs, b"few");
    for index in 0..20 {
        let _ = fs.remove(many, format!("{index:0100}").as_bytes());
        let _ = fs.create(many, format!("another {index}").as_bytes(), &directory());
        let _ = fs.rename(
            few,
            format!("{index:030}").as_bytes(),
            many,
            format!("moved {index}").as_bytes(),
        );
    }
    let node = fs.create(root, b"new", &file())?;
    fs.write_at(node, 0, &[4; 200_000])
}

/// Where the structure that holds `at` begins, how long it is, and where its sum lies.
fn sealed(bytes: &[u8], at: usize) -> Option<(usize, usize, usize)> {
    let (sector, block) = (at / 512 * 512, at / 4096 * 4096);
    let magic = |at: usize| bytes.get(at..at + 4).unwrap_or_default();
    let of_sector = match magic(sector) {
        b"XFSB" => Some(224),
        b"XAGF" => Some(216),
        b"XAGI" => Some(312),
        b"XAFL" => Some(32),
        [b'I', b'N', ..] => Some(100),
        _ => None,
    };
    if let Some(field) = of_sector {
        return Some((sector, 512, field));
    }
    let field = match magic(block) {
        b"AB3B" | b"AB3C" | b"IAB3" | b"FIB3" | b"RMB3" | b"R3FC" => 52,
        b"BMA3" => 64,
        b"XDB3" | b"XDD3" | b"XDF3" => 4,
        b"XSLM" | b"XARM" => 12,
        _ if matches!(bytes.get(block + 8..block + 10), Some([0x3d | 0x3e | 0x3b, _])) => 12,
        _ => return None,
    };
    Some((block, 4096, field))
}

/// Changes up to four places that mean something; in half of the cases the sums are made right again.
fn flip(sound: &[u8], held: &[usize], random: &mut Random) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    let repaired = random.below(2) == 0;
    for _ in 0..=random.below(4) {
        let at = *random.pick(held);
        let from = *random.pick(held) / 4 * 4;
        let word = at / 4 * 4;
        match random.below(4) {
            0 => bytes[word..word + 4].fill(*random.pick(&[0, 0xff])),
            1 => bytes[word..word + 4].copy_from_slice(&sound[from..from + 4]),
            _ => bytes[at] ^= random.draw() as u8 | 1,
        }
        if repaired && let Some((start, length, field)) = sealed(sound, at) {
            bytes[start + field..start + field + 4].fill(0);
            let sum = crc32c::crc32c(&bytes[start..start + length]);
            bytes[start + field..start + field + 4].copy_from_slice(&sum.to_le_bytes());
        }
    }
    bytes
}

#[test]
fn flipped_bytes_are_an_error_at_worst() {
    let sound = [RHEL_9, RHEL_10].map(varied);
    // The log is left out: it is large, and only its last record counts.
    let held = sound.each_ref().map(|bytes| -> Vec<usize> {
        let held = (0..bytes.len()).filter(|at| bytes[*at] != 0 && sealed(bytes, *at).is_some());
        held.collect()
    });
    for seed in tier::seeds(0..300) {
        let kind = (seed % 2) as usize;
        let mut random = Random::new(seed);
        let bytes = flip(&sound[kind], &held[kind], &mut random);
        tier::case("xfs-damage", seed, Limits::SMALL, || {
            let device = Arc::new(MemoryDevice::from_bytes(bytes));
            let _ = probe(&*device);
            let Ok(mut fs) = Xfs::open(device.clone(), OPTIONS) else {
                return;
            };
            read_everything(&fs);
            let _ = fs.verify();
            let _ = change_something(&mut fs);
            let _ = Box::new(fs).commit();
        });
    }
}

#[test]
fn a_failing_device_is_reported_wherever_it_fails() {
    let sound = varied(RHEL_10);
    let run = |fault| {
        let device = Arc::new(FaultDevice::new(MemoryDevice::from_bytes(sound.clone()), fault));
        let result = Xfs::open(device.clone(), OPTIONS)
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
    for index in (0..reads).step_by(5) {
        let _ = run(Fault::ReadsFrom(index));
    }
}

#[test]
fn what_is_no_xfs_is_told_apart() {
    for length in [0, 511, 512, 100_000] {
        let device = Arc::new(MemoryDevice::zeroed(length));
        assert!(probe(&*device).is_none());
        let error = Xfs::open(device, XfsOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), "there is no XFS filesystem on this device");
    }
}

/// Free space in so small pieces that only parts of chunks of inodes fit, in a directory of many files.
#[test]
fn inodes_are_found_in_crumbs_of_space() {
    let image = Image::new(64, RHEL_10);
    let (device, mut fs) = image.open();
    let root = fs.root();
    let stat = fs.statfs().unwrap();
    let blocks = stat.free_blocks.saturating_sub(2500);
    let filler = fs.create(root, b"filler", &file()).unwrap();
    let all = blocks * 4096;
    fs.write_at(filler, 0, &vec![1; all as usize]).unwrap();
    let crumbs = fs.create(root, b"crumbs", &directory()).unwrap();
    let mut made = 0;
    while fs
        .create(crumbs, format!("crumb {made}").as_bytes(), &file())
        .and_then(|node| fs.write_at(node, 0, &[2; 28_672]))
        .is_ok()
    {
        made += 1;
    }
    for number in (0..made).step_by(2) {
        fs.remove(crumbs, format!("crumb {number}").as_bytes()).unwrap();
    }
    let more = fs.create(root, b"more", &directory()).unwrap();
    let mut count = 0;
    while count < 2000 && fs.create(more, format!("file {count}").as_bytes(), &file()).is_ok() {
        count += 1;
    }
    crate::writing::commit_and_judge(&image, &device, fs);
    let (_, fs) = image.open();
    assert!(
        fs.read_dir(find(&fs, "/more")).unwrap().len() >= 500,
        "{count} of {made}"
    );
}

/// The cost of one more file is the same in an empty directory and in one of tens of thousands.
#[test]
fn a_directory_of_tens_of_thousands() {
    let image = Image::new(160, RHEL_9);
    let (device, mut fs) = image.open();
    let top = fs.create(fs.root(), b"top", &directory()).unwrap();
    let mut times = Vec::new();
    for part in 0..10 {
        let started = std::time::Instant::now();
        for number in 0..3000 {
            let name = format!("file {part} {number}");
            fs.create(top, name.as_bytes(), &file()).unwrap();
        }
        times.push(started.elapsed());
    }
    eprintln!("3000 files each: {times:?}");
    crate::writing::commit_and_judge(&image, &device, fs);
}
