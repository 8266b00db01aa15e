//! What is read is what qemu-img reads.

use crate::content::Noise;
use crate::{matrix, qemu};
use imgctl_block::{BlockRead, ExtentKind, FileDevice};
use imgctl_qcow2::{Error, ExternalFiles, Qcow2Image, Summary};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

pub(crate) fn device(path: &Path) -> Arc<dyn BlockRead> {
    Arc::new(FileDevice::new(File::open(path).unwrap()).unwrap())
}

pub(crate) fn open(path: &Path) -> Qcow2Image {
    Qcow2Image::open(device(path)).unwrap()
}

/// Reads a device in `step` bytes at a time, skipping what it calls holes; `expected` must be zeros there.
fn check_whole(image: &dyn BlockRead, expected: &[u8], step: usize, name: &str) {
    let mut offset = 0;
    while offset < expected.len() {
        let extent = image.extent_at(offset as u64).unwrap();
        let end = offset + extent.length as usize;
        if extent.kind == ExtentKind::Hole {
            assert!(
                expected[offset..end].iter().all(|byte| *byte == 0),
                "{name}: hole at {offset}"
            );
        } else {
            let mut position = offset;
            while position < end {
                let length = step.min(end - position);
                let found = image.read_vec(position as u64, length).unwrap();
                assert!(found == expected[position..position + length], "{name}: {position}");
                position += length;
            }
        }
        offset = end;
    }
}

#[test]
fn every_image_reads_as_qemu_reads_it() {
    let cases = matrix::cases();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    for case in cases {
        let folder = matrix::folder();
        let path = case.make(folder.path());
        let image = open(&path);
        let name = &case.name;
        assert_eq!(image.summary(), Summary::read(&**image.file()).unwrap());
        if image.len_bytes() > 1 << 30 {
            check_far(&image, &path, name);
            continue;
        }
        let expected = qemu::raw_of(&path);
        assert_eq!(image.len_bytes(), expected.len() as u64, "{name}");
        check_whole(&image, &expected, 1 << 20, name);
        let mut noise = Noise::new(3);
        for _ in 0..200 {
            let start = noise.below(expected.len() as u64);
            let length = noise.below(5000).min(expected.len() as u64 - start) as usize;
            let found = image.read_vec(start, length).unwrap();
            assert!(
                found == expected[start as usize..start as usize + length],
                "{name}: {start}"
            );
        }
        assert!(image.read_vec(expected.len() as u64 - 1, 2).is_err());
    }
}

/// A disk too large to convert: the written piece is found by its extent.
fn check_far(image: &Qcow2Image, path: &Path, name: &str) {
    let mut offset = 0;
    let mut steps = 0;
    loop {
        let extent = image.extent_at(offset).unwrap();
        if extent.kind == ExtentKind::Data {
            break;
        }
        offset += extent.length;
        steps += 1;
        assert!(steps < 10, "{name}: holes are not merged");
    }
    assert_eq!(offset, 2 << 40, "{name}");
    assert_eq!(image.read_vec(offset, 1000).unwrap(), [5; 1000]);
    assert!(path.exists());
}

#[test]
fn an_image_that_needs_other_files_is_refused_by_their_names() {
    let folder = matrix::folder();
    let path = folder.path().join("t.qcow2");
    qemu::line("img create -q -f qcow2 -b disk.raw -F raw t.qcow2 8M", folder.path());
    qemu::line("io t.qcow2 write -q -P 5 30k 200k", folder.path());
    let error = Qcow2Image::open(device(&path)).unwrap_err();
    let Error::BackingFile { name, format } = &error else {
        panic!("{error}");
    };
    assert_eq!((name.as_str(), format.as_deref()), ("disk.raw", Some("raw")));
    let summary = Summary::read(&*device(&path)).unwrap();
    assert_eq!(summary.backing_file.unwrap().name, "disk.raw");

    // Given the file, it reads as qemu reads it: zeros beyond the end of the shorter backing file.
    let external = ExternalFiles {
        backing: Some(device(&folder.path().join("disk.raw"))),
        data: None,
    };
    let image = Qcow2Image::open_with(device(&path), external).unwrap();
    check_whole(&image, &qemu::raw_of(&path), 100_000, "backing");
}

#[test]
fn a_data_file_is_read_when_it_is_given() {
    for raw in ["off", "on"] {
        let folder = matrix::folder();
        let path = folder.path().join("t.qcow2");
        let options = format!("data_file=data.raw,data_file_raw={raw}");
        let line = format!("img create -q -f qcow2 -o {options} t.qcow2 8M");
        qemu::line(&line, folder.path());
        qemu::line("io t.qcow2 write -q -P 5 0 200k", folder.path());
        qemu::line("io t.qcow2 write -q -P 6 4M 100k", folder.path());
        qemu::line("io t.qcow2 write -q -z 64k 64k", folder.path());
        let error = Qcow2Image::open(device(&path)).unwrap_err();
        assert!(
            matches!(&error, Error::DataFile { name } if name == "data.raw"),
            "{error}"
        );
        let external = ExternalFiles {
            backing: None,
            data: Some(device(&folder.path().join("data.raw"))),
        };
        let image = Qcow2Image::open_with(device(&path), external).unwrap();
        check_whole(&image, &qemu::raw_of(&path), 100_000, raw);
    }
}

#[test]
fn encrypted_and_foreign_images_are_refused_by_name() {
    let folder = matrix::folder();
    qemu::run(
        "qemu-img",
        &[
            "create",
            "-q",
            "-f",
            "qcow2",
            "--object",
            "secret,id=s,data=x",
            "-o",
            "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10",
            "t.qcow2",
            "1M",
        ],
        folder.path(),
    );
    let path = folder.path().join("t.qcow2");
    let error = Qcow2Image::open(device(&path)).unwrap_err();
    assert!(
        matches!(&error, Error::Encrypted { method } if method == "LUKS"),
        "{error}"
    );
    assert_eq!(
        Summary::read(&*device(&path)).unwrap().encryption.as_deref(),
        Some("LUKS")
    );

    for format in ["vmdk", "vdi", "vpc", "vhdx", "qed", "qcow", "parallels"] {
        qemu::line(
            &format!("img convert -f raw -O {format} disk.raw t.{format}"),
            folder.path(),
        );
        let path = folder.path().join(format!("t.{format}"));
        let error = Qcow2Image::open(device(&path)).unwrap_err();
        let Error::Foreign { format: found } = error else {
            panic!("{format}: {error}");
        };
        assert_eq!(found.qemu_name(), format);
        assert!(
            error
                .to_string()
                .contains(&format!("qemu-img convert -f {format} -O qcow2"))
        );
    }
    let error = Qcow2Image::open(device(&folder.path().join("disk.raw"))).unwrap_err();
    assert!(matches!(error, Error::NotQcow2), "{error}");
}

#[test]
fn the_exact_stream_of_a_compressed_cluster_ends_where_the_next_begins() {
    let folder = matrix::folder();
    qemu::line("img convert -c -f raw -O qcow2 disk.raw t.qcow2", folder.path());
    let image = open(&folder.path().join("t.qcow2"));
    let mut previous: Option<(u64, u64)> = None;
    let mut neighbours = 0;
    for index in 0..image.cluster_count() {
        let imgctl_qcow2::Cluster::Compressed { host_offset, .. } = image.cluster(index).unwrap() else {
            continue;
        };
        let length = image.compressed_bytes(index).unwrap().unwrap().len() as u64;
        if let Some((start, length)) = previous
            && host_offset == start + length
        {
            neighbours += 1;
        }
        previous = Some((host_offset, length));
    }
    assert!(neighbours >= 5, "{neighbours} of {} clusters", image.cluster_count());
}

#[test]
fn a_dirty_and_corrupt_image_is_read_all_the_same() {
    let folder = matrix::folder();
    let line = "img convert -f raw -O qcow2 -o lazy_refcounts=on disk.raw t.qcow2";
    qemu::line(line, folder.path());
    let path = folder.path().join("t.qcow2");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[79] |= 3;
    std::fs::write(&path, bytes).unwrap();
    let image = open(&path);
    let features = image.summary().features;
    assert_eq!(features, ["corrupt", "dirty", "lazy refcounts"]);
    check_whole(&image, &qemu::raw_of(&path), 1 << 20, "dirty");
}

#[test]
fn the_summary_says_what_qemu_img_info_says() {
    for options in [
        "compat=0.10,cluster_size=4096",
        "compression_type=zstd,refcount_bits=64",
        "extended_l2=on,cluster_size=131072",
        "lazy_refcounts=on,refcount_bits=1",
    ] {
        let folder = matrix::folder();
        let line = format!("img create -q -f qcow2 -o {options} t.qcow2 77M");
        qemu::line(&line, folder.path());
        qemu::line("img snapshot -c one t.qcow2", folder.path());
        let path = folder.path().join("t.qcow2");
        let summary = Summary::read(&*device(&path)).unwrap();
        assert_eq!(summary.snapshots, 1);
        assert_eq!(summary.file_bytes, path.metadata().unwrap().len());
        let arguments = ["info", "--output=json", "t.qcow2"];
        let info = qemu::run("qemu-img", &arguments, folder.path());
        let info = String::from_utf8(info.stdout).unwrap();
        let has = |name: &str| summary.features.iter().any(|feature| feature == name);
        let v3 = summary.version == 3;
        let mut lines = vec![
            format!("\"virtual-size\": {}", summary.virtual_bytes),
            format!("\"cluster-size\": {}", summary.cluster_bytes),
            format!("\"compat\": \"{}\"", if v3 { "1.1" } else { "0.10" }),
            format!("\"compression-type\": \"{}\"", summary.codec),
            format!("\"refcount-bits\": {}", summary.refcount_bits),
        ];
        if v3 {
            lines.push(format!("\"lazy-refcounts\": {}", has("lazy refcounts")));
            lines.push(format!("\"extended-l2\": {}", has("extended L2")));
        }
        for line in lines {
            assert!(info.contains(&line), "{options}: {line} is not in {info}");
        }
    }
}
