//! What filesystems are, compared with blkid.

use crate::oracle::{blkid, device, disk, run};
use imgctl_block::{BlockDevice, MemoryDevice};
use imgctl_volume::{ContentKind, identify};

const MIB: u64 = 1 << 20;

/// Package, program, arguments, what it makes, and of how many MiB.
type Maker = (&'static str, &'static str, &'static [&'static str], ContentKind, u64);

const MAKERS: [Maker; 12] = [
    (
        "e2fsprogs",
        "mke2fs",
        &["-q", "-F", "-text2", "-Lroot"],
        ContentKind::Ext2,
        16,
    ),
    (
        "e2fsprogs",
        "mke2fs",
        &["-q", "-F", "-text3", "-Lroot"],
        ContentKind::Ext3,
        16,
    ),
    (
        "e2fsprogs",
        "mke2fs",
        &["-q", "-F", "-text4", "-Lsixteen bytes ok"],
        ContentKind::Ext4,
        16,
    ),
    ("e2fsprogs", "mke2fs", &["-q", "-F", "-text4"], ContentKind::Ext4, 16),
    ("dosfstools", "mkfs.fat", &["-F12", "-nESP"], ContentKind::Fat, 4),
    ("dosfstools", "mkfs.fat", &["-F16"], ContentKind::Fat, 16),
    (
        "dosfstools",
        "mkfs.fat",
        &["-F32", "-nEFI SYSTEM"],
        ContentKind::Fat,
        64,
    ),
    ("xfsprogs", "mkfs.xfs", &["-q", "-f", "-Lxlabel"], ContentKind::Xfs, 320),
    (
        "btrfs-progs",
        "mkfs.btrfs",
        &["-q", "-Lb label"],
        ContentKind::Btrfs,
        128,
    ),
    ("util-linux", "mkswap", &["-Lswapspace"], ContentKind::Swap, 16),
    ("util-linux", "mkswap", &["-p65536"], ContentKind::Swap, 16),
    ("util-linux", "mkswap", &[], ContentKind::Swap, 16),
];

#[test]
fn kinds_labels_and_uuids_equal_blkids() {
    for (package, program, arguments, kind, size) in MAKERS {
        let file = disk(size * MIB);
        run(package, program, arguments, file.path());
        let content = identify(&device(file.path())).unwrap();
        let what = format!("{program} {arguments:?}");
        assert_eq!(content.kind, kind, "{what}");
        assert_eq!(content.kind.name(), blkid("TYPE", file.path()), "{what}");
        assert_eq!(content.uuid.unwrap_or_default(), blkid("UUID", file.path()), "{what}");
        let label = content.label.unwrap_or_default();
        assert_eq!(String::from_utf8(label).unwrap(), blkid("LABEL", file.path()), "{what}");
    }
}

/// Formats that need programs of their own to be made: their first bytes as the specifications give them.
#[test]
fn magic_numbers_suffice_for_what_is_only_refused() {
    let samples: [(u64, &[u8], ContentKind); 7] = [
        (0, b"LUKS\xba\xbe\x00\x02", ContentKind::Luks),
        (0, b"hsqs", ContentKind::Squashfs),
        (3, b"NTFS    ", ContentKind::Ntfs),
        (32769, b"CD001", ContentKind::Iso9660),
        (4096 - 10, b"SWAPSPACE2", ContentKind::Swap),
        (
            512,
            b"LABELONE\x01\0\0\0\0\0\0\0\0\0\0\0\x20\0\0\0LVM2 001abcdefghijklmnopqrstuvwxyzABCDEF",
            ContentKind::Lvm2,
        ),
        (40, b"something else", ContentKind::Unknown),
    ];
    for (offset, bytes, kind) in samples {
        let device = MemoryDevice::zeroed(1 << 20);
        device.write_at(offset, bytes).unwrap();
        let content = identify(&device).unwrap();
        assert_eq!(content.kind, kind);
        if kind == ContentKind::Lvm2 {
            assert_eq!(content.uuid.as_deref(), Some("abcdef-ghij-klmn-opqr-stuv-wxyz-ABCDEF"));
        }
    }
    assert_eq!(
        identify(&MemoryDevice::zeroed(3 << 20)).unwrap().kind,
        ContentKind::Empty
    );
}

#[test]
fn a_raid_member_is_not_its_filesystem() {
    let file = disk(16 * MIB);
    run("e2fsprogs", "mke2fs", &["-q", "-F", "-text4"], file.path());
    let device = crate::oracle::memory(file.path());
    // Version 1.0: the superblock is 8 KiB before the end and says so in its sector field.
    let sector = 16 * MIB / 512 - 16;
    device.write_at(sector * 512, &0xa92b_4efc_u32.to_le_bytes()).unwrap();
    device.write_at(sector * 512 + 4, &1_u32.to_le_bytes()).unwrap();
    device.write_at(sector * 512 + 144, &sector.to_le_bytes()).unwrap();
    assert_eq!(identify(&device).unwrap().kind, ContentKind::MdRaid);
}
