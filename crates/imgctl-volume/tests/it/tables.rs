//! Layouts against sgdisk and sfdisk.

use crate::oracle::{blkid, device, disk, memory, run, sfdisk, sgdisk};
use imgctl_block::{BlockDevice, BlockRead, MemoryDevice, Slice};
use imgctl_volume::{ContentKind, Error, Layout, Scheme, Warning, identify, read_layout};
use std::path::Path;

const MIB: u64 = 1 << 20;

/// The partitions of a Debian cloud image, smaller.
fn cloud_disk() -> tempfile::NamedTempFile {
    let file = disk(64 * MIB);
    sgdisk(
        &[
            "-n1:32M:0",
            "-t1:8304",
            "-c1:root",
            "-n14:1M:+3M",
            "-t14:ef02",
            "-n15:4M:+20M",
            "-t15:ef00",
            "-c15:Ünï ESP",
            "-A1:set:2",
        ],
        file.path(),
    );
    file
}

/// Compares with what sfdisk reads: number, first sector, sectors, id.
fn assert_equals_sfdisk(layout: &Layout, path: &Path) {
    let dump = run("fdisk", "sfdisk", &["--dump"], path);
    let mut expected = Vec::new();
    for line in dump.lines() {
        let Some((name, fields)) = line.split_once(" : ") else {
            continue;
        };
        let number: u32 = name
            .trim_start_matches(path.to_str().unwrap())
            .trim()
            .trim_start_matches('p')
            .parse()
            .unwrap();
        let field = |key: &str| {
            let (_, rest) = fields.split_once(key).unwrap();
            rest.split(',').next().unwrap().trim().trim_matches('"').to_owned()
        };
        if ["5", "f", "85"].contains(&field("type=").as_str()) {
            continue;
        }
        let start: u64 = field("start=").parse().unwrap();
        let sectors: u64 = field("size=").parse().unwrap();
        expected.push((number, start * 512, sectors * 512));
    }
    let found: Vec<_> = layout
        .partitions
        .iter()
        .map(|partition| (partition.number, partition.start, partition.length))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_cloud_image_is_read_as_sgdisk_wrote_it() {
    let file = cloud_disk();
    let layout = read_layout(&device(file.path())).unwrap();
    assert_eq!(layout.scheme, Scheme::Gpt);
    assert_eq!(layout.warnings, []);
    assert_equals_sfdisk(&layout, file.path());
    assert_eq!(layout.disk_id.unwrap().to_string(), blkid("PTUUID", file.path()));
    let root = layout.partition(1).unwrap();
    assert_eq!(root.name.as_deref(), Some("root"));
    assert_eq!(root.kind.to_string(), "Linux root (x86-64)");
    assert!(root.bootable);
    let info = sgdisk(&["-i1"], file.path());
    let guid = info.split("unique GUID: ").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(root.id.unwrap().to_string(), guid.to_lowercase());
    assert_eq!(layout.partition(14).unwrap().kind.name(), Some("BIOS boot"));
    assert_eq!(layout.partition(14).unwrap().name, None);
    let esp = layout.partition(15).unwrap();
    assert_eq!(esp.kind.name(), Some("EFI system"));
    assert_eq!(esp.name.as_deref(), Some("Ünï ESP"));
    assert_eq!((esp.start, esp.length), (4 * MIB, 20 * MIB));
}

#[test]
fn one_bad_gpt_header_is_a_warning() {
    let file = cloud_disk();
    let sound = read_layout(&device(file.path())).unwrap();
    let last = 64 * MIB - 512;
    // Both headers and both entry arrays, in turn.
    for (offset, is_primary) in [
        (512 + 20, true),
        (1024 + 3, true),
        (last + 60, false),
        (last - 32 * 512, false),
    ] {
        let bad = memory(file.path());
        bad.write_at(offset, &[0xaa]).unwrap();
        let layout = read_layout(&bad).unwrap();
        assert_eq!(layout.partitions, sound.partitions);
        assert_eq!(layout.disk_id, sound.disk_id);
        match &layout.warnings[..] {
            [Warning::PrimaryHeaderDamaged { .. }] if is_primary => {}
            [Warning::BackupHeaderDamaged { .. }] if !is_primary => {}
            other => panic!("{offset}: {other:?}"),
        }
    }
}

#[test]
fn two_bad_gpt_headers_are_an_error() {
    let file = cloud_disk();
    for (first, second) in [
        (512, 64 * MIB - 512),
        (530, 64 * MIB - 100 - 400),
        (1024, 64 * MIB - 33 * 512),
    ] {
        let bad = memory(file.path());
        bad.write_at(first, &[0xaa]).unwrap();
        bad.write_at(second, &[0xaa]).unwrap();
        let error = read_layout(&bad).unwrap_err();
        assert!(matches!(error, Error::BothHeadersDamaged { .. }), "{first}: {error}");
    }
}

#[test]
fn a_truncated_image_names_the_partition_that_is_cut() {
    let file = cloud_disk();
    file.as_file().set_len(60 * MIB).unwrap();
    let error = read_layout(&device(file.path())).unwrap_err();
    assert!(matches!(error, Error::OutsideDisk { number: 1, .. }), "{error}");
}

#[test]
fn a_grown_disk_is_a_warning() {
    let file = cloud_disk();
    file.as_file().set_len(80 * MIB).unwrap();
    let layout = read_layout(&device(file.path())).unwrap();
    assert_eq!(layout.warnings, [Warning::BackupNotAtEnd { offset: 64 * MIB - 512 }]);
    assert_eq!(layout.partitions.len(), 3);
}

#[test]
fn missing_and_hybrid_protective_records_are_warnings() {
    let file = cloud_disk();
    let blank = memory(file.path());
    blank.write_at(0, &[0; 512]).unwrap();
    let layout = read_layout(&blank).unwrap();
    assert_eq!(layout.warnings, [Warning::ProtectiveMbrMissing]);
    assert_eq!(layout.partitions.len(), 3);

    sgdisk(&["-h15"], file.path());
    let layout = read_layout(&device(file.path())).unwrap();
    assert_eq!(layout.warnings, [Warning::HybridMbr]);
    assert_eq!(layout.scheme, Scheme::Gpt);
}

#[test]
fn an_mbr_written_over_a_gpt_wins() {
    let file = cloud_disk();
    let record = disk(64 * MIB);
    sfdisk("label: dos\nstart=2048, size=4096, type=83\n", record.path());
    let mixed = memory(file.path());
    mixed
        .write_at(0, &device(record.path()).read_vec(0, 512).unwrap())
        .unwrap();
    let layout = read_layout(&mixed).unwrap();
    assert_eq!(layout.scheme, Scheme::Mbr);
    assert_eq!(layout.warnings, [Warning::StaleGpt]);
    assert_eq!(layout.partitions.len(), 1);
}

#[test]
fn sectors_of_4096_bytes_are_read() {
    // No tool here writes 4096-byte sectors into a file, so the crate that reads them writes them.
    let mut bytes = std::io::Cursor::new(vec![0; 32 << 20]);
    gpt::mbr::ProtectiveMBR::with_lb_size((32 << 20) / 4096 - 1)
        .overwrite_lba0(&mut bytes)
        .unwrap();
    let mut table = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(gpt::disk::LogicalBlockSize::Lb4096)
        .create_from_device(bytes, None)
        .unwrap();
    table
        .add_partition("data", 1 << 20, gpt::partition_types::LINUX_FS, 0, None)
        .unwrap();
    let device = MemoryDevice::from_bytes(table.write().unwrap().into_inner());
    let layout = read_layout(&device).unwrap();
    assert_eq!((layout.sector_bytes, layout.warnings.len()), (4096, 0));
    assert_eq!(layout.partitions[0].length, 1 << 20);
    assert_eq!(layout.partitions[0].start % 4096, 0);
}

/// Rewrites both checksums of the primary header after its entries were changed.
fn sign(device: &MemoryDevice) {
    let entries = crc32fast::hash(&device.read_vec(1024, 128 * 128).unwrap());
    device.write_at(512 + 88, &entries.to_le_bytes()).unwrap();
    device.write_at(512 + 16, &[0; 4]).unwrap();
    let header = crc32fast::hash(&device.read_vec(512, 92).unwrap());
    device.write_at(512 + 16, &header.to_le_bytes()).unwrap();
}

#[test]
fn impossible_partitions_are_named() {
    let file = cloud_disk();
    let with_range = |first: u64, last: u64| {
        let device = memory(file.path());
        // The fourteenth entry is the BIOS boot partition.
        device.write_at(1024 + 13 * 128 + 32, &first.to_le_bytes()).unwrap();
        device.write_at(1024 + 13 * 128 + 40, &last.to_le_bytes()).unwrap();
        sign(&device);
        read_layout(&device).unwrap_err()
    };
    assert!(matches!(
        with_range(65536, 65536),
        Error::Overlap { first: 1, second: 14 }
    ));
    assert!(matches!(with_range(8192, 8192), Error::Overlap { .. }));
    assert!(matches!(
        with_range(2048, u64::MAX / 512),
        Error::OutsideDisk { number: 14, .. } | Error::ImpossibleRange { number: 14 }
    ));
    assert!(matches!(with_range(3000, 2999), Error::ImpossibleRange { number: 14 }));
    assert!(matches!(with_range(0, u64::MAX), Error::ImpossibleRange { number: 14 }));
    assert!(matches!(
        with_range(u64::MAX, u64::MAX),
        Error::ImpossibleRange { number: 14 }
    ));
    assert!(matches!(with_range(33, 40), Error::CoversTable { number: 14 }));
}

#[test]
fn primary_and_logical_partitions_are_read_as_sfdisk_wrote_them() {
    let file = disk(64 * MIB);
    sfdisk(
        "label: dos\nlabel-id: 0xdeadbeef\n\
         start=2048, size=4096, type=c, bootable\n\
         start=8192, size=2048, type=82\n\
         start=16384, size=100000, type=f\n\
         start=118784, size=2048, type=83\n\
         start=18432, size=4096, type=83\n\
         start=24576, size=4096, type=8e\n\
         start=32768, size=4096, type=fd\n",
        file.path(),
    );
    let layout = read_layout(&device(file.path())).unwrap();
    assert_eq!(layout.scheme, Scheme::Mbr);
    assert_equals_sfdisk(&layout, file.path());
    assert_eq!(layout.disk_id.unwrap().to_string(), "deadbeef");
    let numbers: Vec<_> = layout.partitions.iter().map(|partition| partition.number).collect();
    assert_eq!(numbers, [1, 2, 4, 5, 6, 7]);
    let first = layout.partition(1).unwrap();
    assert_eq!(first.id.unwrap().to_string(), "deadbeef-01");
    assert!(first.bootable);
    assert_eq!(layout.partition(7).unwrap().id.unwrap().to_string(), "deadbeef-07");
    assert_eq!(layout.partition(6).unwrap().kind.name(), Some("Linux LVM"));
}

#[test]
fn a_chain_of_logical_partitions_that_bites_its_tail_is_an_error() {
    let file = disk(32 * MIB);
    sfdisk(
        "label: dos\nstart=2048, size=60000, type=5\nstart=4096, size=2048, type=83\nstart=8192, size=2048, type=83\n",
        file.path(),
    );
    let sound = memory(file.path());
    assert_eq!(read_layout(&sound).unwrap().partitions.len(), 2);
    // The second entry of the first record leads to the next one, relative to the extended partition.
    let link = 2048 * 512 + 446 + 16 + 8;
    for (target, what) in [(0_u32, "back"), (3, "no boot record"), (70000, "outside")] {
        let bad = memory(file.path());
        bad.write_at(link, &target.to_le_bytes()).unwrap();
        let error = read_layout(&bad).unwrap_err();
        assert!(matches!(error, Error::BadChain { .. }), "{what}: {error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn an_mbr_partition_outside_the_disk_is_named() {
    let file = disk(32 * MIB);
    sfdisk("label: dos\nstart=2048, size=60000, type=83\n", file.path());
    file.as_file().set_len(16 * MIB).unwrap();
    let error = read_layout(&device(file.path())).unwrap_err();
    assert!(matches!(error, Error::OutsideDisk { number: 1, .. }), "{error}");
}

#[test]
fn bare_filesystems_are_one_partition() {
    let makers: [(&str, &str, &[&str], ContentKind); 4] = [
        ("dosfstools", "mkfs.fat", &["-F32"], ContentKind::Fat),
        ("dosfstools", "mkfs.fat", &["-F16"], ContentKind::Fat),
        ("e2fsprogs", "mke2fs", &["-q", "-F", "-text4"], ContentKind::Ext4),
        ("util-linux", "mkswap", &[], ContentKind::Swap),
    ];
    for (package, program, arguments, kind) in makers {
        let file = disk(64 * MIB);
        run(package, program, arguments, file.path());
        if kind == ContentKind::Ext4 {
            // A boot loader's sector in front of the filesystem.
            let mut sector = [0; 512];
            sector[510..].copy_from_slice(&[0x55, 0xaa]);
            std::os::unix::fs::FileExt::write_all_at(file.as_file(), &sector, 0).unwrap();
        }
        let device = device(file.path());
        let layout = read_layout(&device).unwrap();
        assert_eq!(layout.scheme, Scheme::Bare, "{program}");
        assert_eq!(layout.partitions.len(), 1);
        let whole = &layout.partitions[0];
        assert_eq!((whole.number, whole.start, whole.length), (0, 0, 64 * MIB));
        assert_eq!(identify(&device).unwrap().kind, kind);
    }
}

#[test]
fn the_parameters_of_an_old_fat_do_not_hide_a_table() {
    let file = disk(64 * MIB);
    run("dosfstools", "mkfs.fat", &["-F32"], file.path());
    let old = device(file.path()).read_vec(0, 446).unwrap();
    let table = disk(64 * MIB);
    sfdisk("label: dos\nstart=2048, size=4096, type=83\n", table.path());
    let mixed = memory(table.path());
    mixed.write_at(0, &old).unwrap();
    assert_eq!(read_layout(&mixed).unwrap().scheme, Scheme::Mbr);
}

#[test]
fn a_partition_is_identified_through_a_slice() {
    let file = cloud_disk();
    let layout = read_layout(&device(file.path())).unwrap();
    let esp = layout.partition(15).unwrap();
    let slice = Slice::new(device(file.path()), esp.start, esp.length).unwrap();
    assert_eq!(identify(&slice).unwrap().kind, ContentKind::Empty);
}

#[test]
fn a_tiny_device_is_bare() {
    for length in [0, 1, 511, 512, 513, 1024, 1500] {
        let layout = read_layout(&MemoryDevice::zeroed(length)).unwrap();
        assert_eq!(layout.scheme, Scheme::Bare);
    }
}
