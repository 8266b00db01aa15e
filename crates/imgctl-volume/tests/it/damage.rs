//! Seeded damage: whatever the bytes, an answer or an error.

use crate::oracle::{disk, memory, run, sfdisk, sgdisk};
use imgctl_block::{BlockDevice, BlockRead, MemoryDevice};
use imgctl_testkit::tier::{self, Limits, Random};
use imgctl_volume::{Layout, identify, read_layout};

/// What must hold of every layout that is given out.
fn assert_sound(layout: &Layout, device: &MemoryDevice) {
    let mut ends = Vec::new();
    for partition in &layout.partitions {
        let end = partition.start.checked_add(partition.length).unwrap();
        assert!(end <= device.len_bytes());
        ends.push((partition.start, end));
    }
    ends.sort_unstable();
    for pair in ends.windows(2) {
        assert!(pair[0].1 <= pair[1].0);
    }
}

/// Signs a GPT so that damage reaches what the checksums guard.
fn sign(device: &MemoryDevice) {
    let entries = crc32fast::hash(&device.read_vec(1024, 128 * 128).unwrap());
    device.write_at(512 + 88, &entries.to_le_bytes()).unwrap();
    device.write_at(512 + 16, &[0; 4]).unwrap();
    let header = crc32fast::hash(&device.read_vec(512, 92).unwrap());
    device.write_at(512 + 16, &header.to_le_bytes()).unwrap();
}

/// A disk whose tables are damaged, and where they are: damage elsewhere changes nothing.
type Target = (MemoryDevice, &'static [(u64, u64)]);

fn targets() -> [Target; 2] {
    let gpt = disk(4 << 20);
    sgdisk(&["-n1:1M:+1M", "-n2:2M:+1M", "-c2:name"], gpt.path());
    let mbr = disk(4 << 20);
    sfdisk(
        "label: dos\nstart=64, size=64, type=83\nstart=256, size=4000, type=5\nstart=300, size=64, type=83\n\
         start=400, size=64, type=83\nstart=600, size=64, type=83\n",
        mbr.path(),
    );
    [
        (
            memory(gpt.path()),
            &[(446, 66), (512, 92), (1024, 256), ((4 << 20) - 512, 92)],
        ),
        (
            memory(mbr.path()),
            &[(440, 72), (256 * 512 + 446, 66), (400 * 512 - 44 * 512 + 446, 66)],
        ),
    ]
}

/// Damages the tables, reads them, and puts the bytes back. Whether there was a layout.
fn is_read((device, places): &Target, seed: u64) -> bool {
    let mut random = Random::new(seed);
    let mut undo = Vec::new();
    for _ in 0..=random.below(3) {
        let (start, length) = *random.pick(places);
        let offset = start + random.below(length);
        undo.push((offset, device.read_vec(offset, 1).unwrap()));
        let byte = match random.below(3) {
            0 => 0,
            1 => 0xff,
            _ => random.draw() as u8,
        };
        device.write_at(offset, &[byte]).unwrap();
    }
    let signed = device.read_vec(512, 92).unwrap();
    if random.below(2) == 0 && places.len() == 4 {
        sign(device);
    }
    let layout = read_layout(device);
    match &layout {
        Ok(layout) => assert_sound(layout, device),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    device.write_at(512, &signed).unwrap();
    for (offset, bytes) in undo.iter().rev() {
        device.write_at(*offset, bytes).unwrap();
    }
    layout.is_ok()
}

#[test]
fn damaged_tables_never_panic() {
    let targets = targets();
    let (mut layouts, mut errors) = (0, 0);
    for seed in tier::seeds(0..4000) {
        let target = &targets[seed as usize % 2];
        let read = tier::case("table-damage", seed, Limits::SMALL, || is_read(target, seed));
        layouts += u32::from(read);
        errors += u32::from(!read);
    }
    let shown = layouts > 500 && errors > 500;
    assert!(shown || tier::is_long(), "{layouts} layouts, {errors} errors");
}

#[test]
fn damaged_filesystems_never_panic() {
    let fat = disk(1 << 20);
    run("dosfstools", "mkfs.fat", &["-F12"], fat.path());
    let fat = memory(fat.path());
    let mut random = Random::new(0xfeed_beef);
    for _ in 0..2000 {
        let offset = random.below(512);
        let before = fat.read_vec(offset, 1).unwrap();
        fat.write_at(offset, &[random.draw() as u8]).unwrap();
        identify(&fat).unwrap();
        let _ = read_layout(&fat).map(|layout| assert_sound(&layout, &fat));
        if random.below(4) > 0 {
            fat.write_at(offset, &before).unwrap();
        }
    }
}

#[test]
fn random_bytes_never_panic() {
    for seed in tier::seeds(0..200) {
        let mut random = Random::new(seed);
        let length = random.below(140 << 10) as usize;
        let mut bytes = random.bytes(length);
        if let Some(end) = bytes.get_mut(510..512) {
            end.copy_from_slice(&[0x55, 0xaa]);
        }
        let device = MemoryDevice::from_bytes(bytes);
        tier::case("table-noise", seed, Limits::SMALL, || {
            identify(&device).unwrap();
            let _ = read_layout(&device).map(|layout| assert_sound(&layout, &device));
        });
    }
}
