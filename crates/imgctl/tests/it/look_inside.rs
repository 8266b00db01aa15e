//! `inspect`, `ls` and `cat` on fixtures/mini and on what is no image.

use crate::environment::TestEnvironment;
use snapbox::str;
use std::fs;

#[test]
fn a_folder_by_names() {
    let environment = TestEnvironment::with_base();
    environment
        .imgctl("ls base.qcow2")
        .assert()
        .success()
        .stdout_eq(str![[r#"
bin
boot
dev
etc
home
lib
lib64
lost+found
mnt
opt
proc
root
run
sbin
srv
sys
tmp
usr
var
vmlinuz

"#]])
        .stderr_eq("");
}

#[test]
fn a_folder_in_full() {
    let environment = TestEnvironment::with_base();
    environment
        .imgctl("ls -l base.qcow2 /etc/ssh")
        .assert()
        .success()
        .stdout_eq(str![[r#"
-rw-------  1  0  0   545  2025-06-15 15:06:40  ssh_host_ecdsa_key
-rw-r--r--  1  0  0   206  2025-06-15 15:06:40  ssh_host_ecdsa_key.pub
-rw-------  1  0  0   444  2025-06-15 15:06:40  ssh_host_ed25519_key
-rw-r--r--  1  0  0   126  2025-06-15 15:06:40  ssh_host_ed25519_key.pub
-rw-------  1  0  0  2643  2025-06-15 15:06:40  ssh_host_rsa_key
-rw-r--r--  1  0  0   598  2025-06-15 15:06:40  ssh_host_rsa_key.pub
-rw-r--r--  1  0  0    95  2025-06-15 15:06:40  sshd_config
drwxr-xr-x  2  0  0  4096  2025-06-15 15:06:40  sshd_config.d

"#]])
        .stderr_eq("");
}

#[test]
fn a_link_is_followed_inside_of_the_guest() {
    let environment = TestEnvironment::with_base();
    let by_link = environment.imgctl("ls base.qcow2 /bin").output().unwrap();
    let direct = environment.imgctl("ls base.qcow2 /usr/bin").output().unwrap();
    assert!(by_link.status.success());
    assert_eq!(by_link.stdout, direct.stdout);
    assert!(!direct.stdout.is_empty());
}

#[test]
fn everything_below_a_folder_for_machines() {
    let environment = TestEnvironment::with_base();
    let output = environment.imgctl("ls -R --json base.qcow2 /etc").output().unwrap();
    assert!(output.status.success());
    let entries: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let entry = |path: &str| entries.iter().find(|entry| entry["path"] == path).unwrap();
    assert_eq!(entry("/etc/shadow")["type"], "file");
    assert_eq!(entry("/etc/ssh/sshd_config.d")["type"], "directory");
    let mut paths: Vec<&str> = entries.iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), entries.len());
}

#[test]
fn a_file_byte_by_byte() {
    let environment = TestEnvironment::with_base();
    environment
        .imgctl("cat base.qcow2 /etc/os-release")
        .assert()
        .success()
        .stdout_eq(str![[r#"
PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
NAME="Debian GNU/Linux"
VERSION_ID="13"
VERSION="13 (trixie)"
VERSION_CODENAME=trixie
ID=debian
HOME_URL="https://www.debian.org/"

"#]])
        .stderr_eq("");
    let twice = environment
        .imgctl("cat base.qcow2 /etc/hostname /etc/hostname")
        .output()
        .unwrap();
    let once = environment.imgctl("cat base.qcow2 /etc/hostname").output().unwrap();
    assert_eq!(twice.stdout, once.stdout.repeat(2));
}

#[test]
fn what_is_not_there() {
    let environment = TestEnvironment::with_base();
    environment
        .imgctl("cat base.qcow2 /etc/hostname /nope")
        .assert()
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot read /nope in base.qcow2
caused by: /nope does not exist

"#]]);
    environment
        .imgctl("cat base.qcow2 /etc")
        .assert()
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: /etc in base.qcow2 is a directory, not a regular file
hint: imgctl ls base.qcow2 /etc lists it

"#]]);
    environment
        .imgctl("ls base.qcow2 /etc/passwd/x")
        .assert()
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot list /etc/passwd/x in base.qcow2
caused by: /etc/passwd is not a directory, in the path /etc/passwd/x

"#]]);
    environment
        .imgctl("ls missing.qcow2")
        .assert()
        .code(1)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot open the image missing.qcow2
caused by: No such file or directory (os error 2)

"#]]);
    environment
        .imgctl("ls .")
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: . is a directory, not an image

"#]]);
}

#[test]
fn an_image_in_short() {
    let environment = TestEnvironment::with_base();
    environment.imgctl("inspect base.qcow2").assert().success().stdout_eq(str![[r#"
image            base.qcow2
format           qcow2 (version 3, cluster size 65536, compression zlib, refcount bits 16)
file             953.00 KiB
disk             192.00 MiB
partition table  gpt

nr      start        size  for               holds  label  used                    uuid                                  partuuid
 1  17.00 MiB  174.00 MiB  Linux root (x86)  ext4   -      1.46 MiB of 168.80 MiB  0e9e72f5-7a0a-4b0e-8f0f-2f6d3a5b0001  7f2e5d1c-90a1-4c3b-9a55-6b1d0c2e0001
15   1.00 MiB   16.00 MiB  EFI system        vfat   ESP    38.00 KiB of 15.95 MiB  4D49-4E49                             7f2e5d1c-90a1-4c3b-9a55-6b1d0c2e0015

features of partition 1  64bit dir_index dir_nlink ext_attr extent extra_isize filetype flex_bg has_journal huge_file large_file metadata_csum metadata_csum_seed orphan_file resize_inode sparse_super

guest     Debian GNU/Linux 13 (trixie)
hostname  mini
kernel    6.12.41+deb13-cloud-amd64
kernel    6.12.43+deb13-cloud-amd64
packages  7 (dpkg)
mount     / from partition 1 (ext4)
mount     /boot/efi from partition 15 (vfat)

"#]]).stderr_eq("");
}

#[test]
fn an_image_for_machines() {
    let environment = TestEnvironment::with_base();
    let output = environment.imgctl("inspect --json base.qcow2").output().unwrap();
    let inspection: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(inspection["format"], "qcow2");
    assert_eq!(inspection["guest"]["os"]["id"], "debian");
}

#[test]
fn truncated_images_are_damaged() {
    let environment = TestEnvironment::with_base();
    let image = fs::read(environment.path("base.qcow2")).unwrap();
    environment.write("head.qcow2", &image[..70]);
    environment.write("half.qcow2", &image[..image.len() / 2]);
    environment
        .imgctl("ls head.qcow2")
        .assert()
        .code(12)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot open the qcow2 image head.qcow2
caused by: the image header at offset 0x0 is damaged: the file ends within it

"#]]);
    environment
        .imgctl("ls half.qcow2")
        .assert()
        .code(12)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot find the partitions of half.qcow2
caused by: cannot read the partition table
caused by: the image is damaged at offset 201326080
caused by: the cluster of the guest at offset 0xbff0000 is damaged: the file ends before it does; is the image complete?

"#]]);
    environment
        .imgctl("inspect head.qcow2")
        .assert()
        .code(12)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot open the qcow2 image head.qcow2
caused by: the image header at offset 0x0 is damaged: the file ends within it

"#]]);
}

#[test]
fn what_is_no_image_has_no_guest() {
    let environment = TestEnvironment::new();
    environment.write("notes.txt", "This is not an image.\n".repeat(100));
    environment
        .imgctl("ls notes.txt")
        .assert()
        .code(12)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no operating system was found in the image
hint: a root has an /etc folder and an os-release file; the image has no partition table, and what it holds is: unknown

"#]]);
    environment
        .imgctl("ls notes.txt --input-format qcow2")
        .assert()
        .code(12)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: cannot open the qcow2 image notes.txt
caused by: not a qcow2 image: it does not begin with the bytes `QFI/xfb`
hint: leave out --input-format to have the format detected

"#]]);
    environment.write("empty.img", "");
    environment
        .imgctl("ls empty.img")
        .assert()
        .code(12)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the image empty.img is empty

"#]]);
}
