//! Checks of fstab, boot entries and what they name.

use super::Stage;
use imgctl_recipe::Check;

fn fstab(text: &str, further: &[&str]) -> Vec<String> {
    let file = format!("/etc/fstab|{text}");
    let mut entries = vec![file.as_str(), "/boot/efi/", "/data/"];
    entries.extend(further);
    Stage::new(&entries).found(Check::FstabMountsResolve)
}

#[test]
fn every_source_and_mount_point_of_fstab() {
    let right = "UUID=aaaa-1111 / ext4 defaults 0 1\nPARTUUID=abcd1234-02 /boot/efi vfat x 0 2\nLABEL=swap none swap sw\n\
                 PARTLABEL=part-1 /data auto defaults\n/dev/vda2 /data vfat\ntmpfs /data tmpfs\nserver:/x /data nfs _netdev\n\
                 UUID=gone /data ext4 nofail\n/dev/sr0 /data iso9660 noauto\n/data /data none bind\nUUID=bbbb-2222 /data msdos\n";
    assert_eq!(fstab(right, &[]), [""; 0]);
    for (line, expected) in [
        ("UUID=gone / ext4", "line 1: UUID=gone is not on this disk"),
        ("LABEL=gone / ext4", "line 1: LABEL=gone is not on this disk"),
        (
            "PARTUUID=abcd1234-09 / ext4",
            "line 1: PARTUUID=abcd1234-09 is not on this disk",
        ),
        ("PARTLABEL=gone / ext4", "line 1: PARTLABEL=gone is not on this disk"),
        ("/dev/vda9 / ext4", "line 1: /dev/vda9 is not on this disk"),
        (
            "/dev/mapper/rl-root / xfs",
            "line 1: /dev/mapper/rl-root is not on this disk",
        ),
        ("UUID=aaaa-1111 / xfs", "line 1: partition 1 holds ext4, not xfs"),
        ("LABEL=root none swap", "line 1: partition 1 holds ext4, not swap"),
        (
            "\nUUID=aaaa-1111 /gone ext4",
            "line 2: the mount point /gone is not there",
        ),
        ("tmpfs /file tmpfs", "line 1: the mount point /file is a file"),
        ("/swapfile none swap", "line 1: /swapfile is not there"),
        ("/gone /data none bind", "line 1: /gone is not there"),
    ] {
        assert_eq!(fstab(line, &["/file|"]), [expected], "{line}");
    }
    assert_eq!(fstab("/swapfile none swap", &["/swapfile|x"]), [""; 0]);
    assert_eq!(Stage::new(&[]).found(Check::FstabMountsResolve), [""; 0]);
}

const GRUB: &str = "/boot/grub/grub.cfg|set x=ro\nmenuentry a {\n search --fs-uuid --set=root aaaa-1111\n \
                    linux /k root=UUID=aaaa-1111 $x quiet console=ttyS0,115200\n}\nmenuentry b {\n linux /k root=/dev/vda1 ro single\n}\n";

#[test]
fn arguments_of_every_entry() {
    let check = |present, args: &[&str]| Check::KernelCmdline {
        present,
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
    };
    let stage = Stage::new(&[GRUB]);
    assert_eq!(
        stage.found(check(true, &["quiet", "console=ttyS0,115200", "ro"])),
        [""; 0]
    );
    assert_eq!(
        stage.found(check(true, &["quiet", "console=ttyS0", "x"])),
        ["/boot/grub/grub.cfg:4 lacks console=ttyS0 x"]
    );
    assert_eq!(stage.found(check(false, &["debug"])), [""; 0]);
    let found = stage.found(check(false, &["ro"]));
    assert_eq!(found, ["/boot/grub/grub.cfg:4 has ro", "/boot/grub/grub.cfg:7 has ro"]);
    // Each entry counts, whichever file it is in.
    let entry = "/boot/loader/entries/x.conf|linux /k\noptions root=UUID=aaaa-1111 ro\n";
    assert_eq!(
        Stage::new(&[GRUB, entry]).found(check(true, &["quiet"])),
        ["/boot/loader/entries/x.conf lacks quiet"]
    );
    let none = Stage::new(&["/etc/default/grub|GRUB_CMDLINE_LINUX=quiet\n"]).found(check(true, &["quiet"]));
    assert_eq!(none, ["no boot entry was found (GRUB, Boot Loader Specification)"]);
}

#[test]
fn roots_and_searches() {
    let found = |entries: &[&str]| Stage::new(entries).found(Check::BootloaderRootMatches);
    let future = "/etc/kernel/cmdline|root=PARTUUID=abcd1234-01 ro\n";
    let esp = "/boot/efi/EFI/x/grub.cfg|search.fs_uuid bbbb-2222 root\n";
    assert_eq!(found(&[GRUB, future, esp]), [""; 0]);
    let entry = |root: &str| format!("/boot/loader/entries/x.conf|linux /k\noptions root={root} ro\n");
    for (root, expected) in [
        ("UUID=gone", "root=UUID=gone is not on this disk"),
        (
            "UUID=BBBB-2222",
            "root=UUID=BBBB-2222 is partition 2, not the root filesystem",
        ),
        ("/dev/mapper/rl-root", "root=/dev/mapper/rl-root is not on this disk"),
        ("LABEL=swap", "root=LABEL=swap is partition 3, not the root filesystem"),
    ] {
        let expected = format!("/boot/loader/entries/x.conf: {expected}");
        assert_eq!(found(&[GRUB, &entry(root)]), [expected], "{root}");
    }
    let gone = "/boot/efi/EFI/x/grub.cfg|search.fs_uuid gone root\n";
    let expected = "/boot/efi/EFI/x/grub.cfg:1: no filesystem of this disk has the UUID gone";
    assert_eq!(found(&[GRUB, gone]), [expected]);
    let future = "/etc/kernel/cmdline|root=UUID=gone\n";
    assert_eq!(
        found(&[GRUB, future]),
        ["/etc/kernel/cmdline: root=UUID=gone is not on this disk"]
    );
    assert_eq!(
        found(&[]),
        ["no boot entry with root= was found (GRUB, Boot Loader Specification)"]
    );
}
