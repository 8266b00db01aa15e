//! Seeded damage: whatever the bytes, an answer or an error.

use crate::oracle::{disk, memory, run, sfdisk, sgdisk};
use imgctl_block::{BlockDevice, BlockRead, MemoryDevice};
use imgctl_volume::{Layout, identify, read_layout};

/// A small generator with a fixed seed (xorshift64*), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

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

#[test]
fn damaged_tables_never_panic() {
    let gpt = disk(4 << 20);
    sgdisk(&["-n1:1M:+1M", "-n2:2M:+1M", "-c2:name"], gpt.path());
    let mbr = disk(4 << 20);
    sfdisk(
        "label: dos\nstart=64, size=64, type=83\nstart=256, size=4000, type=5\nstart=300, size=64, type=83\n\
         start=400, size=64, type=83\nstart=600, size=64, type=83\n",
        mbr.path(),
    );
    let mut random = Random(0x1234_5678_9abc_def1);
    // Where the tables have their structures: damage elsewhere changes nothing.
    let targets: [(_, &[(u64, u64)]); 2] = [
        (
            memory(gpt.path()),
            &[(446, 66), (512, 92), (1024, 256), ((4 << 20) - 512, 92)],
        ),
        (
            memory(mbr.path()),
            &[(440, 72), (256 * 512 + 446, 66), (400 * 512 - 44 * 512 + 446, 66)],
        ),
    ];
    let (mut layouts, mut errors) = (0, 0);
    for (device, places) in &targets {
        for round in 0..4000 {
            let mut undo = Vec::new();
            for _ in 0..=random.below(3) {
                let (start, length) = places[random.below(places.len() as u64) as usize];
                let offset = start + random.below(length);
                undo.push((offset, device.read_vec(offset, 1).unwrap()));
                let byte = match random.below(3) {
                    0 => 0,
                    1 => 0xff,
                    _ => random.next() as u8,
                };
                device.write_at(offset, &[byte]).unwrap();
            }
            let signed = device.read_vec(512, 92).unwrap();
            if round % 2 == 0 && places.len() == 4 {
                sign(device);
            }
            match read_layout(device) {
                Ok(layout) => {
                    layouts += 1;
                    assert_sound(&layout, device);
                }
                Err(error) => {
                    errors += 1;
                    assert!(!error.to_string().is_empty());
                }
            }
            device.write_at(512, &signed).unwrap();
            for (offset, bytes) in undo.iter().rev() {
                device.write_at(*offset, bytes).unwrap();
            }
        }
    }
    assert!(layouts > 500 && errors > 500, "{layouts} layouts, {errors} errors");
}

#[test]
fn random_bytes_and_damaged_filesystems_never_panic() {
    let fat = disk(1 << 20);
    run("dosfstools", "mkfs.fat", &["-F12"], fat.path());
    let fat = memory(fat.path());
    let mut random = Random(0xfeed_beef);
    for _ in 0..2000 {
        let offset = random.below(512);
        let before = fat.read_vec(offset, 1).unwrap();
        fat.write_at(offset, &[random.next() as u8]).unwrap();
        identify(&fat).unwrap();
        let _ = read_layout(&fat).map(|layout| assert_sound(&layout, &fat));
        if random.below(4) > 0 {
            fat.write_at(offset, &before).unwrap();
        }
    }
    for _ in 0..200 {
        let length = random.below(140 << 10) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        if let Some(end) = bytes.get_mut(510..512) {
            end.copy_from_slice(&[0x55, 0xaa]);
        }
        let device = MemoryDevice::from_bytes(bytes);
        identify(&device).unwrap();
        let _ = read_layout(&device).map(|layout| assert_sound(&layout, &device));
    }
}
