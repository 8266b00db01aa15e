//! Command lines of every family, as their images have them.

use super::*;
use crate::testing::{edited, guest, text};

fn wanted(ensure: &[&str], remove: &[&str]) -> Wanted {
    let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect();
    Wanted {
        ensure: owned(ensure),
        remove: owned(remove),
    }
}

/// Runs twice: the second time changes nothing.
fn run(guest: &mut Guest, wanted: &Wanted) -> Vec<String> {
    let changes = edited(guest, |guest| set(guest, wanted).unwrap());
    let before = crate::testing::listing(guest.tree());
    set(guest, wanted).unwrap();
    assert_eq!(
        before,
        crate::testing::listing(guest.tree()),
        "a second run changes nothing"
    );
    changes
}

#[test]
fn debian_gets_defaults_and_configuration() {
    let mut guest = guest(&[
        "/etc/os-release|ID=debian\n",
        "/etc/default/grub|GRUB_CMDLINE_LINUX_DEFAULT=\"\"\nGRUB_CMDLINE_LINUX=\"\"\n",
        "/etc/default/grub.d/10_cloud.cfg|GRUB_CMDLINE_LINUX=\"console=tty0 console=ttyS0,115200\"\n",
        "/boot/grub/grub.cfg|\tlinux\t/boot/vmlinuz-6.1 root=UUID=1 ro console=tty0 console=ttyS0,115200 \n",
    ]);
    let changes = run(&mut guest, &wanted(&["intel_iommu=on"], &["console=tty0"]));
    assert_eq!(changes, ["~/boot/grub/grub.cfg", "~/etc/default/grub.d/10_cloud.cfg"]);
    assert_eq!(
        text(&guest, "/etc/default/grub.d/10_cloud.cfg"),
        "GRUB_CMDLINE_LINUX=\"console=ttyS0,115200 intel_iommu=on\"\n"
    );
    assert_eq!(
        text(&guest, "/boot/grub/grub.cfg"),
        "\tlinux\t/boot/vmlinuz-6.1 root=UUID=1 ro console=ttyS0,115200 intel_iommu=on \n"
    );
}

#[test]
fn rocky_nine_gets_entries_defaults_and_the_line_for_later_kernels() {
    let polluted = "root=UUID=1 ro console=ttyS0 selinux=0 guestfs_network=1";
    let mut guest = guest(&[
        "/etc/os-release|ID=rocky\n",
        "/usr/bin/kernel-install|",
        "/usr/sbin/grub2-mkconfig|#!/bin/sh\n. /etc/default/grub\n",
        "/etc/default/grub|GRUB_CMDLINE_LINUX=\"console=ttyS0\"\nGRUB_ENABLE_BLSCFG=true\n",
        "/etc/default/grub.d/x.cfg|GRUB_CMDLINE_LINUX=\"not read\"\n",
        "/boot/grub2/grub.cfg|set default_kernelopts=\"root=UUID=1 ro console=ttyS0\"\ninsmod blscfg\nblscfg\n",
        &format!("/boot/loader/entries/x-5.14.0.conf|title x\nlinux /vmlinuz-5.14.0\noptions {polluted}\n"),
        &format!("/boot/loader/entries/x-0-rescue.conf|linux /vmlinuz-0-rescue-x\noptions {polluted} $tuned_params\n"),
    ]);
    let wanted = wanted(&["net.ifnames=0"], &["selinux", "guestfs_network"]);
    let changes = run(&mut guest, &wanted);
    assert_eq!(
        changes,
        [
            "~/boot/grub2/grub.cfg",
            "~/boot/loader/entries/x-0-rescue.conf",
            "~/boot/loader/entries/x-5.14.0.conf",
            "~/etc",
            "~/etc/default/grub",
            "+/etc/kernel",
            "+/etc/kernel/cmdline",
        ]
    );
    assert_eq!(
        text(&guest, "/etc/kernel/cmdline"),
        "root=UUID=1 ro console=ttyS0 net.ifnames=0\n"
    );
    assert_eq!(
        text(&guest, "/boot/loader/entries/x-5.14.0.conf"),
        "title x\nlinux /vmlinuz-5.14.0\noptions root=UUID=1 ro console=ttyS0 net.ifnames=0\n"
    );
    assert_eq!(
        text(&guest, "/etc/default/grub"),
        "GRUB_CMDLINE_LINUX=\"console=ttyS0 net.ifnames=0\"\nGRUB_ENABLE_BLSCFG=true\n"
    );
}

#[test]
fn rocky_eight_keeps_them_in_the_environment_block() {
    let mut block = "# GRUB Environment Block\nsaved_entry=x\nkernelopts=root=UUID=1 ro quiet\n".to_owned();
    block.push_str(&"#".repeat(1024 - block.len()));
    let mut guest = guest(&[
        "/etc/os-release|ID=rocky\n",
        "/usr/bin/kernel-install|",
        &format!("/boot/efi/EFI/rocky/grubenv|{block}"),
        "/boot/grub2/grubenv -> ../efi/EFI/rocky/grubenv",
        "/boot/grub2/grub.cfg|if [ -z \"${kernelopts}\" ]; then\n  set kernelopts=\"root=UUID=1 ro quiet \"\nfi\nblscfg\n",
        "/boot/loader/entries/x-4.18.conf|linux /vmlinuz-4.18\noptions $kernelopts $tuned_params\n",
    ]);
    let changes = run(&mut guest, &wanted(&["a=1"], &["quiet"]));
    assert_eq!(changes, ["~/boot/efi/EFI/rocky/grubenv", "~/boot/grub2/grub.cfg"]);
    let block = text(&guest, "/boot/efi/EFI/rocky/grubenv");
    assert_eq!(block.len(), 1024);
    assert!(block.contains("\nkernelopts=root=UUID=1 ro a=1\n"), "{block}");
    assert!(text(&guest, "/boot/grub2/grub.cfg").contains("set kernelopts=\"root=UUID=1 ro a=1\""));
}

#[test]
fn other_loaders_of_alpine_arch_and_suse() {
    let mut alpine = guest(&[
        "/etc/os-release|ID=alpine\n",
        "/etc/update-extlinux.conf|# c\ndefault_kernel_opts=\"quiet rootfstype=ext4\"\nmodules=ext4\n",
        "/boot/extlinux.conf|LABEL virt\n  LINUX vmlinuz-virt\n  APPEND root=UUID=1 modules=ext4 quiet rootfstype=ext4\n",
    ]);
    let wanted = wanted(&["console=ttyS0"], &["quiet"]);
    run(&mut alpine, &wanted);
    assert_eq!(
        text(&alpine, "/etc/update-extlinux.conf"),
        "# c\ndefault_kernel_opts=\"rootfstype=ext4 console=ttyS0\"\nmodules=ext4\n"
    );
    assert!(
        text(&alpine, "/boot/extlinux.conf")
            .ends_with("APPEND root=UUID=1 modules=ext4 rootfstype=ext4 console=ttyS0\n")
    );
    let mut arch = guest(&[
        "/etc/os-release|ID=arch\n",
        "/boot/loader/entries/arch.conf|title Arch\nlinux /vmlinuz-linux\noptions root=/dev/vda2 rw",
        "/boot/loader/entries/bare.conf|linux /vmlinuz-linux\n",
        "/boot/EFI/Linux/arch.efi|MZ",
    ]);
    run(&mut arch, &wanted);
    assert_eq!(
        text(&arch, "/boot/loader/entries/arch.conf"),
        "title Arch\nlinux /vmlinuz-linux\noptions root=/dev/vda2 rw console=ttyS0"
    );
    assert_eq!(
        text(&arch, "/boot/loader/entries/bare.conf"),
        "linux /vmlinuz-linux\noptions console=ttyS0\n"
    );
    assert_eq!(arch.warnings().len(), 1);
    let mut suse = guest(&[
        "/etc/os-release|ID=opensuse-leap\n",
        "/usr/sbin/grub2-mkconfig|",
        "/boot/grub2/grub.cfg|\tlinux /boot/vmlinuz-6.4 root=UUID=1 splash=silent quiet security=apparmor\n",
    ]);
    run(&mut suse, &wanted);
    assert_eq!(
        text(&suse, "/etc/default/grub"),
        "GRUB_CMDLINE_LINUX=\"console=ttyS0\"\n"
    );
    assert_eq!(
        text(&suse, "/boot/grub2/grub.cfg"),
        "\tlinux /boot/vmlinuz-6.4 root=UUID=1 splash=silent security=apparmor console=ttyS0\n"
    );
}

#[test]
fn what_cannot_be_made_so_is_refused() {
    let wanted = wanted(&["a=1"], &[]);
    let mut nothing = guest(&["/etc/os-release|ID=debian\n"]);
    let error = set(&mut nothing, &wanted).unwrap_err();
    assert_eq!(error.to_string(), "the guest has no boot entry to give arguments to");
    let mut unseen = guest(&["/boot/grub/grub.cfg|set kernel=linux\nlinux /k $x\nlinux /k $(y)\n"]);
    let by_variable = Wanted {
        ensure: Vec::new(),
        remove: vec!["b".to_owned()],
    };
    set(&mut unseen, &by_variable).unwrap();
    let mut hidden = guest(&["/boot/grub/grub.cfg|set x=\"ro b\"\nlinux /k $x\n"]);
    let error = set(&mut hidden, &by_variable).unwrap_err();
    assert_eq!(error.to_string(), "the boot entry /boot/grub/grub.cfg:2 still has b");
}
