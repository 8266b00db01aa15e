//! A guest whose root is XFS: found, changed and packed like any other, and sound by xfs_repair's word.

use crate::swap::made;
use imgctl_recipe::OutputFormat;
use imgctl_testkit::{oracle, root_or_skip};
use std::fs::{self, File};
use std::process::Command;

fn run(program: &str, arguments: &[&str]) {
    oracle::run(program, arguments).unwrap();
}

#[test]
fn an_xfs_root_is_changed() {
    if !root_or_skip("xfs::an_xfs_root_is_changed") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [base, output, point] = ["base.raw", "output.raw", "root"].map(|name| folder.path().join(name));
    File::create(&base).unwrap().set_len(96 << 20).unwrap();
    fs::create_dir(&point).unwrap();
    let [image, baked, root] = [&base, &output, &point].map(|path| path.to_str().unwrap());
    run("mkfs.xfs", &["-q", "-f", "--unsupported", "-L", "root", image]);
    run("mount", &["-o", "loop", image, root]);
    fs::create_dir_all(point.join("etc")).unwrap();
    fs::write(point.join("etc/os-release"), "ID=rocky\nVERSION_ID=9\n").unwrap();
    fs::write(point.join("etc/fstab"), "LABEL=root / xfs defaults 0 0\n").unwrap();
    fs::write(point.join("etc/motd"), "old\n").unwrap();
    run("umount", &[root]);

    let sections = "files:\n  - { path: /etc/motd, content: \"new\\n\" }\n  - { path: /etc/made, content: made }\n";
    made(base.clone(), sections, &output, OutputFormat::Raw);
    run("xfs_repair", &["-n", "-f", baked]);
    run("mount", &["-o", "loop,ro,nouuid", baked, root]);
    let found = ["etc/motd", "etc/made"].map(|name| fs::read_to_string(point.join(name)).unwrap());
    assert!(Command::new("umount").arg(root).status().unwrap().success());
    assert_eq!(found, ["new\n", "made"]);
}
