//! The drop-in tools that only read: what they print of fixtures/mini, and what they leave on the host.

use crate::environment::TestEnvironment;
use snapbox::str;
use std::os::unix::fs::MetadataExt as _;

#[test]
fn virt_filesystems_lists_what_the_disks_hold() {
    let environment = TestEnvironment::with_base();
    environment
        .imgctl("virt-filesystems -a base.qcow2")
        .assert()
        .success()
        .stdout_eq("/dev/sda1\n/dev/sda15\n")
        .stderr_eq("");
    environment
        .imgctl("virt-filesystems -a base.qcow2 --all --long --uuid")
        .assert()
        .success()
        .stdout_eq(str![[r#"
Name       Type       VFS  Label MBR Size      Parent   UUID
/dev/sda1  filesystem ext4 -     -   177004544 -        0e9e72f5-7a0a-4b0e-8f0f-2f6d3a5b0001
/dev/sda15 filesystem vfat ESP   -   16726016  -        4D49-4E49
/dev/sda1  partition  -    -     -   182452224 /dev/sda -
/dev/sda15 partition  -    -     -   16777216  /dev/sda -
/dev/sda   device     -    -     -   201326592 -        -

"#]]);
    environment
        .imgctl("virt-filesystems -a base.qcow2 --parts -l --csv --no-title")
        .assert()
        .success()
        .stdout_eq("/dev/sda1,partition,,182452224,/dev/sda\n/dev/sda15,partition,,16777216,/dev/sda\n");
    environment.write("empty.img", vec![0; 1 << 20]);
    environment
        .imgctl("virt-filesystems -a base.qcow2 --format=raw -a empty.img --extra --blkdevs -lh")
        .assert()
        .success()
        .stdout_eq(str![[r#"
Name        Type        VFS      Label  Size  Parent
/dev/sdb    filesystem  unknown  -      1.0M  -
/dev/sda1   filesystem  ext4     -      169M  -
/dev/sda15  filesystem  vfat     ESP    16M   -
/dev/sda    device      -        -      192M  -
/dev/sdb    device      -        -      1.0M  -

"#]]);
    environment
        .imgctl("virt-filesystems -a base.qcow2 -h --csv")
        .assert()
        .code(1)
        .stderr_eq("virt-filesystems: error: -h and --csv cannot be used together\n");
}

#[test]
fn virt_df_shows_how_full_they_are() {
    let environment = TestEnvironment::with_base();
    for arguments in ["virt-df -a base.qcow2", "virt-df base.qcow2 -P 4 --uuid"] {
        environment.imgctl(arguments).assert().success().stdout_eq(str![[r#"
Filesystem                           1K-blocks       Used  Available  Use%
base.qcow2:/dev/sda1                    172856       1492     166024    1%
base.qcow2:/dev/sda15                    16334         38      16296    1%

"#]]);
    }
    environment
        .imgctl("virt-df -a base.qcow2 -a base.qcow2 --csv")
        .assert()
        .success()
        .stdout_eq(str![[r#"
VirtualMachine,Filesystem,1K-blocks,Used,Available,Use%
base.qcow2+,/dev/sda1,172856,1492,166024,0.9
base.qcow2+,/dev/sda15,16334,38,16296,0.2
base.qcow2+,/dev/sdb1,172856,1492,166024,0.9
base.qcow2+,/dev/sdb15,16334,38,16296,0.2

"#]]);
}

#[test]
fn virt_ls_lists_folders() {
    let environment = TestEnvironment::with_base();
    environment
        .imgctl("virt-ls -a base.qcow2 /etc/cloud /missing /boot/grub")
        .assert()
        .code(1)
        .stdout_eq("cloud.cfg\ncloud.cfg.d\ngrub.cfg\n")
        .stderr_eq("virt-ls: error: cannot list /missing\nvirt-ls: caused by: /missing does not exist\n");
    environment
        .imgctl("virt-ls -a base.qcow2 -R /etc/cloud")
        .assert()
        .success()
        .stdout_eq("/cloud.cfg\n/cloud.cfg.d\n/cloud.cfg.d/05_logging.cfg\n/cloud.cfg.d/90_dpkg.cfg\n");
    environment
        .imgctl("virt-ls -a base.qcow2 -m /dev/sda15 -lR --csv --uids --times --extra-stats --checksum=sha1 /EFI/debian")
        .assert()
        .success()
        .stdout_eq(str![[r#"
d,0755,2048,   0,   0,2025-06-15 00:00:00,2025-06-15 15:06:40,2025-06-15 15:06:40,8:15,[..],2,0:0,4,,/EFI/debian
-,0755,114,   0,   0,2025-06-15 00:00:00,2025-06-15 15:06:40,2025-06-15 15:06:40,8:15,[..],1,0:0,4,cc187ea3578b0b00d27f2559bb7f7429ccd86362,/EFI/debian/grub.cfg

"#]]);
    environment
        .imgctl("virt-ls -a base.qcow2 -lR --checksum /etc/systemd/system/getty.target.wants")
        .assert()
        .success()
        .stdout_eq(str![[r#"
d 0755       4096 /etc/systemd/system/getty.target.wants
l 0777         38 /etc/systemd/system/getty.target.wants/getty@tty1.service -> /usr/lib/systemd/system/getty@.service

"#]]);
    environment
        .imgctl("virt-ls -a base.qcow2 -l /etc/cloud")
        .assert()
        .success()
        .stdout_eq(str![[r#"
total 16
drwxr-xr-x  3 0 0 4096 Jun 15  2025 .
drwxr-xr-x 10 0 0 4096 Jun 15  2025 ..
-rw-r--r--  1 0 0  231 Jun 15  2025 cloud.cfg
drwxr-xr-x  2 0 0 4096 Jun 15  2025 cloud.cfg.d

"#]]);
    environment
        .imgctl("virt-ls -a base.qcow2 --csv /etc")
        .assert()
        .code(1)
        .stderr_eq("virt-ls: error: one of the options can only be used with -lR\n...\n");
}

#[test]
fn mounts_are_those_that_are_named() {
    let environment = TestEnvironment::with_base();
    environment
        .imgctl("virt-cat -a base.qcow2 -m /dev/vda15:/ /EFI/debian/grub.cfg")
        .assert()
        .success();
    environment
        .imgctl("virt-ls -a base.qcow2 -m /dev/sda1 -m /dev/sda15:/boot/efi:ro:vfat /boot/efi")
        .assert()
        .success()
        .stdout_eq("EFI\n");
    environment
        .imgctl("virt-ls -a base.qcow2 --mount /dev/sda1 /boot/efi")
        .assert()
        .success()
        .stdout_eq("");
    for wrong in ["/dev/sda9", "/dev/sdb1", "/dev/sda1:/boot", "/dev/vg/root"] {
        environment
            .imgctl(&format!("virt-cat -a base.qcow2 -m {wrong} /etc/hostname"))
            .assert()
            .code(1);
    }
}

#[test]
fn virt_cat_prints_what_is_there() {
    let environment = TestEnvironment::with_base();
    environment
        .imgctl("virt-cat -a base.qcow2 /etc/hostname /etc/nothing /etc/hostname")
        .assert()
        .code(1)
        .stdout_eq("mini\nmini\n");
}

#[test]
fn virt_log_prints_nothing_where_there_is_no_log() {
    // The fixture's journal is noise, which journalctl passes over as well.
    let environment = TestEnvironment::with_base();
    environment
        .imgctl("virt-log -a base.qcow2")
        .assert()
        .success()
        .stdout_eq("")
        .stderr_eq("");
}

#[test]
fn virt_get_kernel_copies_the_newest() {
    let environment = TestEnvironment::with_base();
    environment
        .imgctl("virt-get-kernel -a base.qcow2")
        .assert()
        .success()
        .stdout_eq(str![[r#"
download: /boot/vmlinuz-6.12.43+deb13-cloud-amd64 -> ./vmlinuz-6.12.43+deb13-cloud-amd64
download: /boot/initrd.img-6.12.43+deb13-cloud-amd64 -> ./initrd.img-6.12.43+deb13-cloud-amd64

"#]]);
    std::fs::create_dir(environment.path("out")).unwrap();
    environment
        .imgctl("virt-get-kernel -add base.qcow2 -output out -unversioned-names -prefix new -quiet")
        .assert()
        .success()
        .stdout_eq("");
    let length = |name: &str| std::fs::metadata(environment.path(name)).unwrap().len();
    assert_eq!(
        (length("out/new-vmlinuz"), length("out/new-initrd.img")),
        (60_000, 90_000)
    );
    environment
        .imgctl("virt-get-kernel --machine-readable")
        .assert()
        .success()
        .stdout_eq("virt-get-kernel\n");
}

#[test]
fn virt_copy_out_copies_files_and_folders() {
    let environment = TestEnvironment::with_base();
    std::fs::create_dir(environment.path("out")).unwrap();
    environment
        .imgctl("virt-copy-out -a base.qcow2 /etc/hostname /etc/ssh/ out")
        .assert()
        .success()
        .stdout_eq("")
        .stderr_eq("");
    let read = |name: &str| std::fs::read_to_string(environment.path(name)).unwrap();
    assert_eq!(read("out/hostname"), "mini\n");
    let key = std::fs::metadata(environment.path("out/ssh/ssh_host_rsa_key")).unwrap();
    assert_eq!((key.mode() & 0o7777, key.mtime()), (0o600, 1_750_000_000));
    // Again, over what is there.
    environment
        .imgctl("virt-copy-out -a base.qcow2 /etc/hostname /etc/ssh out")
        .assert()
        .success();
    for (arguments, expected) in [
        (
            "/etc/missing out",
            "virt-copy-out: error: cannot copy /etc/missing\n...\n",
        ),
        (
            "/vmlinuz out",
            "virt-copy-out: error: /vmlinuz is a symlink, neither a file nor a folder\n...\n",
        ),
        (
            "/etc/hostname nowhere",
            "virt-copy-out: error: cannot open the folder nowhere\n...\n",
        ),
        (
            "/etc/hostname",
            "virt-copy-out: error: a path inside the guest and a folder of the host are needed\n...\n",
        ),
    ] {
        environment
            .imgctl(&format!("virt-copy-out -a base.qcow2 {arguments}"))
            .assert()
            .code(1)
            .stderr_eq(expected);
    }
}

#[test]
fn virt_tar_out_writes_what_tar_reads() {
    let environment = TestEnvironment::with_base();
    let listed = |arguments: &str, flags: &str| {
        environment
            .imgctl(&format!("virt-tar-out -a base.qcow2 /etc/ssh {arguments}"))
            .assert()
            .success()
            .stderr_eq("");
        let tar = std::process::Command::new("tar")
            .args(["--utc", "--numeric-owner", flags, "x.tar"])
            .current_dir(environment.path("."))
            .output()
            .unwrap();
        assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
        String::from_utf8(tar.stdout).unwrap()
    };
    let expected = listed("x.tar", "-tvf");
    snapbox::assert_data_eq!(
        expected.clone(),
        str![[r#"
drwxr-xr-x 0/0               0 2025-06-15 15:06 ./
...
-rw------- 0/0 [..] 2025-06-15 15:06 ./ssh_host_rsa_key
...
drwxr-xr-x 0/0               0 2025-06-15 15:06 ./sshd_config.d/
...
"#]]
    );
    assert_eq!(listed("x.tar compress:gzip", "-tvzf"), expected);
    environment
        .imgctl("virt-tar-out -a base.qcow2 /etc/hostname -")
        .assert()
        .code(1)
        .stdout_eq("")
        .stderr_eq("virt-tar-out: error: /etc/hostname is not a folder\n...\n");
    assert_eq!(environment.names(), ["base.qcow2", "x.tar"]);
}

#[test]
fn virt_inspector_tells_what_it_is() {
    let environment = TestEnvironment::with_base();
    environment
        .imgctl("virt-inspector -a base.qcow2 --no-applications")
        .assert()
        .success()
        .stdout_eq(str![[r#"
<?xml version="1.0"?>
<operatingsystems>
  <operatingsystem>
    <root>/dev/sda1</root>
    <name>linux</name>
...
    <distro>debian</distro>
    <product_name>[..]</product_name>
    <major_version>13</major_version>
    <minor_version>[..]</minor_version>
    <package_format>deb</package_format>
    <package_management>apt</package_management>
    <hostname>mini</hostname>
    <osinfo>debian13</osinfo>
    <mountpoints>
      <mountpoint dev="/dev/sda1">/</mountpoint>
      <mountpoint dev="/dev/sda15">/boot/efi</mountpoint>
    </mountpoints>
    <filesystems>
      <filesystem dev="/dev/sda1">
        <type>ext4</type>
        <uuid>0e9e72f5-7a0a-4b0e-8f0f-2f6d3a5b0001</uuid>
      </filesystem>
      <filesystem dev="/dev/sda15">
        <type>vfat</type>
        <label>ESP</label>
        <uuid>4D49-4E49</uuid>
      </filesystem>
    </filesystems>
  </operatingsystem>
</operatingsystems>

"#]]);
    environment
        .imgctl("virt-inspector --xpath //name")
        .assert()
        .code(1)
        .stderr_eq("virt-inspector: error: --xpath is not supported\n...\n");
}
