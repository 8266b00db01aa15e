//! Damaged and malicious images: an error or the bytes qemu would read, never a panic and never a hang.

use crate::content::{self, Noise};
use crate::qemu;
use imgctl_block::{BlockRead, FileDevice, MemoryDevice};
use imgctl_qcow2::{Cluster, Qcow2Image, RewriteOptions, Source, Summary, allocation, check, rewrite, snapshots};
use imgctl_testkit::tier::{self, Limits};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// What is read of a disk that claims to be huge.
const MOST_BYTES: u64 = 4 << 20;

/// Small images of different kinds, as bytes.
fn seeds() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("disk.raw"), content::disk(300 << 10, 5)).unwrap();
    let forms = [
        "-c -o cluster_size=512",
        "-c -o cluster_size=4096",
        "-c -o cluster_size=65536",
        "-c -o cluster_size=4096,compression_type=zstd",
        "-c -o cluster_size=4096,compat=0.10",
        "-o cluster_size=16384,extended_l2=on",
        "-o cluster_size=4096,refcount_bits=1",
    ];
    let read = |form: &&str| {
        let line = format!("img convert {form} -f raw -O qcow2 disk.raw t.qcow2");
        qemu::line(&line, folder.path());
        fs::read(folder.path().join("t.qcow2")).unwrap()
    };
    forms.iter().map(read).collect()
}

/// Where the structures of an image lie: header, L1, L2 tables, and everything.
fn targets(image: &[u8]) -> Vec<(u64, u64)> {
    let u64_at = |at: usize| u64::from_be_bytes(image[at..at + 8].try_into().unwrap());
    let l1 = u64_at(40);
    let l1_bytes = 8 * u64::from(u32::from_be_bytes(image[36..40].try_into().unwrap()));
    let l2 = u64_at(l1 as usize) & 0x00ff_ffff_ffff_fe00;
    vec![(0, 200), (l1, l1_bytes), (l2, 512), (l2, 512), (0, image.len() as u64)]
}

fn mutate(image: &mut [u8], noise: &mut Noise) {
    let targets = targets(image);
    for _ in 0..=noise.below(3) {
        let (start, length) = targets[noise.below(targets.len() as u64) as usize];
        let at = (start + noise.below(length)) as usize;
        match noise.below(4) {
            0 => image[at] ^= 1 << noise.below(8),
            1 => image[at] = noise.next() as u8,
            // Numbers that break sums: all ones, the sign bit, and offsets near the file's end.
            kind => {
                let value = match noise.below(5) {
                    0 => u64::MAX,
                    1 => 1 << 63,
                    2 => u64::MAX >> noise.below(64),
                    3 => image.len() as u64 / 512 * 512,
                    _ => noise.next() | 1 << 62,
                };
                let at = if kind == 2 { at / 8 * 8 } else { at / 4 * 4 };
                let bytes = value.to_be_bytes();
                let room = bytes.len().min(image.len() - at);
                image[at..at + room].copy_from_slice(&bytes[..room]);
            }
        }
    }
}

/// Does everything that can be done with an image; returns what its first bytes are, if they can be read.
fn exercise(bytes: &[u8], noise: &mut Noise) -> Option<Vec<u8>> {
    let file: Arc<dyn BlockRead> = Arc::new(MemoryDevice::from_bytes(bytes.to_vec()));
    let _ = Summary::read(&*file);
    let _ = check(&*file, None);
    let _ = snapshots(&*file);
    let _ = allocation(Arc::clone(&file), None);
    let image = Qcow2Image::open(file).ok()?;
    let length = image.len_bytes();
    let mut offset = 0;
    for _ in 0..100 {
        let Ok(extent) = image.extent_at(offset) else {
            break;
        };
        assert!(extent.length > 0 && extent.length <= length - offset);
        offset += extent.length;
        if offset == length {
            break;
        }
    }
    for _ in 0..20 {
        let at = noise.below(length.max(1));
        let _ = image.read_vec(at, noise.below(9000) as usize);
        let _ = image.extent_at(at);
    }
    for index in [0, 1, noise.below(80), image.cluster_count(), u64::MAX] {
        let _ = image.cluster(index);
        let _ = image.compressed_bytes(index);
    }
    if length <= MOST_BYTES {
        let source = Source {
            content: &image,
            base: Some(&image),
            dirty: &[],
            free: &[],
        };
        let options = RewriteOptions {
            cluster_bytes: image.cluster_bytes(),
            ..RewriteOptions::default()
        };
        let out = tempfile::tempfile().unwrap();
        let rewritten = rewrite(&source, &out, &options);
        let content = image.read_vec(0, length as usize).ok()?;
        // What can be read can be packed, and is the same then.
        rewritten.unwrap();
        let packed = Qcow2Image::open(Arc::new(FileDevice::new(out).unwrap())).unwrap();
        assert!(packed.read_vec(0, length as usize).unwrap() == content);
        return Some(content);
    }
    image.read_vec(0, MOST_BYTES as usize).ok()
}

/// The first bytes of an image as qemu reads it; `None` when qemu refuses it.
fn qemu_reads(path: &Path, length: usize) -> Option<Vec<u8>> {
    let raw = path.with_extension("raw");
    let output = Command::new("timeout")
        .args(["20", "qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=512"])
        .arg(format!("count={}", length / 512))
        .arg(format!("if={}", path.display()))
        .arg(format!("of={}", raw.display()))
        .output()
        .unwrap();
    assert_ne!(output.status.code(), Some(127), "apt-get install qemu-utils");
    let bytes = output.status.success().then(|| fs::read(&raw).unwrap());
    let _ = fs::remove_file(&raw);
    bytes
}

#[test]
fn mutants_are_refused_or_read_as_qemu_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mutant.qcow2");
    let forms = seeds();
    let (mut opened, mut compared) = (0, 0);
    for seed in tier::seeds(0..700) {
        let mut noise = Noise::new(seed + 1);
        let mut image = forms[seed as usize % forms.len()].clone();
        mutate(&mut image, &mut noise);
        // Asking qemu takes longer than all the rest: not every time.
        let ask = (seed / forms.len() as u64).is_multiple_of(4);
        tier::case("qcow2-mutant", seed, Limits::SMALL, || {
            let Some(read) = exercise(&image, &mut noise) else {
                return;
            };
            opened += 1;
            if !ask || read.is_empty() {
                return;
            }
            fs::write(&path, &image).unwrap();
            if let Some(expected) = qemu_reads(&path, read.len()) {
                assert!(read == expected, "mutant {seed} differs from what qemu reads");
                compared += 1;
            }
        });
    }
    let shown = opened > 200 && compared > 40;
    assert!(shown || tier::is_long(), "{opened} opened, {compared} compared");
}

/// The table of a disk of five clusters has room for more; what an entry there says concerns nobody.
#[test]
fn entries_behind_the_end_of_the_disk_are_not_looked_at() {
    let mut image = seeds().swap_remove(2);
    let sound = exercise(&image, &mut Noise::new(1)).unwrap();
    let (l2, _) = targets(&image)[2];
    for (index, entry) in [(5, 1_u64 << 63 | 0x68800), (19, u64::MAX), (20, 0x0068_8000)] {
        let at = l2 as usize + 8 * index;
        image[at..at + 8].copy_from_slice(&entry.to_be_bytes());
        let opened = Qcow2Image::open(Arc::new(MemoryDevice::from_bytes(image.clone()))).unwrap();
        assert_eq!(opened.cluster(index as u64).unwrap(), Cluster::Unallocated);
        assert!(exercise(&image, &mut Noise::new(1)).unwrap() == sound);
    }
}

#[test]
fn a_file_cut_anywhere_is_no_panic() {
    for image in seeds() {
        let mut noise = Noise::new(image.len() as u64);
        for _ in 0..30 {
            let length = noise.below(image.len() as u64) as usize;
            exercise(&image[..length], &mut noise);
        }
        for length in 0..120 {
            assert!(exercise(&image[..length], &mut noise).is_none());
        }
    }
}
