//! What `check` finds is what `qemu-img check` finds.

use crate::reader::device;
use crate::{matrix, qemu};
use imgctl_qcow2::{CheckReport, allocation, check, snapshots};
use std::fs;
use std::path::Path;
use std::process::Command;

/// What `qemu-img check` says, and its exit code.
fn judge(path: &Path) -> (i32, String) {
    let output = Command::new("qemu-img")
        .args(["check", "-f", "qcow2", "--output=json"])
        .arg(path)
        .output()
        .unwrap_or_else(|error| panic!("qemu-img: {error}; apt-get install qemu-utils"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), text)
}

/// A number of qemu's JSON; what it leaves out is 0.
fn number(json: &str, key: &str) -> u64 {
    let key = format!("\"{key}\": ");
    let Some((_, rest)) = json.split_once(&key) else {
        return 0;
    };
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

fn exit_code(report: &CheckReport) -> i32 {
    match report {
        report if report.unreadable > 0 => 1,
        report if report.errors > 0 => 2,
        report if report.leaks > 0 => 3,
        _ => 0,
    }
}

#[test]
fn sound_images_of_every_kind_are_sound() {
    for case in matrix::cases() {
        let folder = matrix::folder();
        let path = case.make(folder.path());
        let report = check(&*device(&path), None).unwrap();
        let (code, text) = judge(&path);
        let name = &case.name;
        assert_eq!((code, exit_code(&report)), (0, 0), "{name}: {report:?}\n{text}");
        for (key, found) in [
            ("allocated-clusters", report.allocated_clusters),
            ("compressed-clusters", report.compressed_clusters),
            ("fragmented-clusters", report.fragmented_clusters),
            ("image-end-offset", report.end_bytes),
            ("total-clusters", report.total_clusters),
        ] {
            assert_eq!(found, number(&text, key), "{name}: {key} {report:?}\n{text}");
        }
        let allocation = allocation(device(&path), None).unwrap();
        assert_eq!(allocation.total_clusters, report.total_clusters, "{name}");
        assert_eq!(allocation.compressed_clusters, report.compressed_clusters, "{name}");
    }
}

fn u64_at(image: &[u8], at: u64) -> u64 {
    u64::from_be_bytes(image[at as usize..at as usize + 8].try_into().unwrap())
}

fn put(image: &mut [u8], at: u64, value: u64) {
    image[at as usize..at as usize + 8].copy_from_slice(&value.to_be_bytes());
}

fn put_count(image: &mut [u8], block: u64, cluster: u64, count: u16) {
    let at = (block + 2 * cluster) as usize;
    image[at..at + 2].copy_from_slice(&count.to_be_bytes());
}

/// The structures that are damaged.
struct Places {
    l1: u64,
    l2: u64,
    table: u64,
    block: u64,
    /// The first two clusters of the guest.
    data: [u64; 2],
}

const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

fn places(image: &[u8]) -> Places {
    let l1 = u64_at(image, 40);
    let l2 = u64_at(image, l1) & OFFSET;
    let table = u64_at(image, 48);
    Places {
        l1,
        l2,
        table,
        block: u64_at(image, table),
        data: [u64_at(image, l2) & OFFSET, u64_at(image, l2 + 8) & OFFSET],
    }
}

type Damage = fn(&mut Vec<u8>, &Places);

const DAMAGES: &[(&str, Damage)] = &[
    ("a cluster that nobody uses", |image, at| put(image, at.l2, 0)),
    ("a refcount too low", |image, at| {
        put_count(image, at.block, at.data[0] >> 16, 0);
    }),
    ("a refcount too high", |image, at| {
        put_count(image, at.block, at.data[0] >> 16, 2);
    }),
    ("a leak only", |image, at| {
        let free = image.len() as u64 / 65536 - 1;
        put(image, at.l2 + (free << 3) % 64, 0);
    }),
    ("one cluster used twice", |image, at| {
        let entry = u64_at(image, at.l2);
        put(image, at.l2 + 8, entry);
    }),
    ("one cluster used twice, counted twice", |image, at| {
        put(image, at.l2, at.data[0]);
        put(image, at.l2 + 8, at.data[0]);
        put_count(image, at.block, at.data[0] >> 16, 2);
    }),
    ("data in the L1 table", |image, at| put(image, at.l2, at.l1 | 1 << 63)),
    ("data in the header", |image, at| {
        put(image, at.l2 + 8, 0x8000_0000_0000_0200)
    }),
    ("a cluster beyond the end", |image, at| {
        put(image, at.l2, 0x8000_1000_0000_0000)
    }),
    ("a cluster off its boundary", |image, at| {
        put(image, at.l2, (at.data[0] + 512) | 1 << 63)
    }),
    ("reserved bits", |image, at| {
        let entry = u64_at(image, at.l2);
        put(image, at.l2, entry | 4);
    }),
    ("copied flag lost", |image, at| put(image, at.l2, at.data[0])),
    ("copied flag of a table lost", |image, at| put(image, at.l1, at.l2)),
    ("reserved bits of L1", |image, at| {
        put(image, at.l1, at.l2 | 1 << 63 | 1 << 57)
    }),
    ("an L2 table off its boundary", |image, at| {
        put(image, at.l1, (at.l2 + 512) | 1 << 63)
    }),
    ("an L2 table beyond the end", |image, at| {
        put(image, at.l1, 0x8000_1000_0000_0000)
    }),
    ("an L2 table lost", |image, at| put(image, at.l1, 0)),
    ("a refcount block off its boundary", |image, at| {
        put(image, at.table, at.block + 512)
    }),
    ("a refcount block beyond the end", |image, at| {
        put(image, at.table, 1 << 40)
    }),
    ("a refcount block lost", |image, at| put(image, at.table, 0)),
    ("a compressed cluster beyond the end", |image, at| {
        put(image, at.l2, 1 << 62 | 0x10_0000_0000);
    }),
    ("a compressed cluster with the copied flag", |image, at| {
        put(image, at.l2, 3 << 62 | at.data[0]);
    }),
    ("the end cut off", |image, at| image.truncate(at.data[1] as usize)),
];

#[test]
fn damage_is_found_as_qemu_finds_it() {
    let folder = matrix::folder();
    let path = folder.path().join("t.qcow2");
    let mut seen = [0; 4];
    let mut differences = Vec::new();
    for options in ["compat=1.1", "compat=0.10", "lazy_refcounts=on"] {
        let line = format!("img convert -f raw -O qcow2 -o {options} disk.raw t.qcow2");
        qemu::line(&line, folder.path());
        let sound = fs::read(&path).unwrap();
        for (name, damage) in DAMAGES {
            let mut image = sound.clone();
            let at = places(&image);
            damage(&mut image, &at);
            fs::write(&path, &image).unwrap();
            let (code, text) = judge(&path);
            let report = check(&*device(&path), None).unwrap();
            let found = exit_code(&report);
            seen[found as usize] += 1;
            let own = (found, report.leaks, report.errors);
            let judged = (code, number(&text, "leaks"), number(&text, "corruptions"));
            // What qemu counts after it could not read a refcount, or read a table off its boundary, says little.
            let only_code = code == 1 || *name == "an L2 table off its boundary";
            let same = if only_code { found == code } else { own == judged };
            if !same {
                differences.push(format!("{options}, {name}: {own:?} instead of {judged:?}: {report:#?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(seen[1..].iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn metadata_used_twice_is_an_overlap_though_its_refcount_agrees() {
    let folder = matrix::folder();
    let path = folder.path().join("t.qcow2");
    qemu::line("img convert -f raw -O qcow2 disk.raw t.qcow2", folder.path());
    let mut image = fs::read(&path).unwrap();
    let at = places(&image);
    put(&mut image, at.l2, at.l1);
    put_count(&mut image, at.block, at.l1 >> 16, 2);
    fs::write(&path, &image).unwrap();
    let report = check(&*device(&path), None).unwrap();
    assert_eq!((report.errors, report.overlaps, report.leaks), (1, 1, 1), "{report:#?}");
}

#[test]
fn snapshots_are_listed_and_counted() {
    let folder = matrix::folder();
    let path = folder.path().join("t.qcow2");
    for line in [
        "img convert -c -f raw -O qcow2 disk.raw t.qcow2",
        "img snapshot -c before t.qcow2",
        "io t.qcow2 write -q -P 5 30k 200k",
        "img snapshot -c after-it t.qcow2",
    ] {
        qemu::line(line, folder.path());
    }
    let found = snapshots(&*device(&path)).unwrap();
    let names: Vec<(&str, &str)> = found
        .iter()
        .map(|snapshot| (snapshot.id.as_str(), snapshot.name.as_str()))
        .collect();
    assert_eq!(names, [("1", "before"), ("2", "after-it")]);
    assert!(found[0].seconds > 1_500_000_000);
    assert_eq!(found[0].virtual_bytes, Some(matrix::DISK_BYTES as u64));

    // A table that is cut, or points nowhere, is found by both.
    let sound = fs::read(&path).unwrap();
    let table = u64_at(&sound, 64);
    for (offset, value) in [(64, 1 << 50), (table, 1 << 50), (table + 8, u64::MAX)] {
        let mut image = sound.clone();
        put(&mut image, offset, value);
        fs::write(&path, &image).unwrap();
        let report = check(&*device(&path), None).unwrap();
        assert!(report.errors > 0, "{offset}: {report:?}");
        assert_ne!(judge(&path).0, 0);
    }
}
