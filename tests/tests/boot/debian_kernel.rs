//! The kernel of the fixture does what the host's may not: here, mount a FAT filesystem.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::time::Duration;

use imgctl_testkit::boot::with_debian_kernel;
use imgctl_testkit::oracle::{self, Partition};
use imgctl_testkit::{fixture, workspace};

#[test]
fn it_reads_and_writes_our_disks() {
    if !fixture::is_wanted("debian13") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("fat.img");
    let file = folder.path().join("a-long-name.txt");
    File::create(&disk).unwrap().set_len(8 << 20).unwrap();
    fs::write(&file, "from outside\n").unwrap();
    oracle::run("mkfs.fat", [disk.as_os_str()]).unwrap();
    let copy = [OsStr::new("-i"), disk.as_os_str(), file.as_os_str(), OsStr::new("::")];
    oracle::run("mcopy", copy).unwrap();

    let logs = workspace().join("target/boot-test");
    fs::create_dir_all(&logs).unwrap();
    let log = logs.join("debian-kernel.log");
    let seen = with_debian_kernel(&[&disk], &log, Duration::from_secs(400), |shell| {
        shell.expect("mount -t vfat /dev/vdb /mnt")?;
        shell.expect("echo 'from inside' >/mnt/another-long-name.txt")?;
        let seen = shell.expect("cat /mnt/a-long-name.txt")?;
        shell.expect("umount /mnt")?;
        Ok(seen)
    });
    assert_eq!(seen.unwrap(), "from outside");
    let show = [
        OsStr::new("-i"),
        disk.as_os_str(),
        OsStr::new("::another-long-name.txt"),
    ];
    assert_eq!(oracle::run("mtype", show).unwrap(), "from inside\n");
    oracle::fsck_fat(&disk, Partition::whole(&disk).unwrap()).unwrap();
}
