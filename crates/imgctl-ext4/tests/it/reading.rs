//! What the kernel wrote, the engine reads.

use crate::image::{Image, may_mount, run};
use imgctl_ext4::{Ext4, Ext4Options, probe};
use imgctl_testkit::listing::{assert_same, find, of_engine, of_kernel};
use imgctl_vfs::ReadFs;
use std::path::Path;

/// The layouts of filesystem that are tested: Debian 12, Debian 13, and what else is in use.
pub(crate) const LAYOUTS: &[&[&str]] = &[
    &[],
    &["-O", "metadata_csum_seed,orphan_file"],
    &["-b", "1024", "-O", "metadata_csum_seed,orphan_file"],
    &["-b", "2048"],
    &["-b", "1024", "-O", "^64bit,^metadata_csum,uninit_bg"],
    &["-I", "128", "-O", "^flex_bg,^resize_inode,^metadata_csum,sparse_super2"],
    &["-O", "meta_bg,^resize_inode"],
    &["-t", "ext3", "-I", "256"],
    &["-t", "ext2", "-I", "256", "-b", "1024"],
];

/// Files of every kind: sparse, fragmented, linked, with long names and attributes.
fn fill(root: &Path, wide: bool) {
    let script = r#"
        set -e
        cd "$1"
        mkdir -p a/b/c many
        echo hello > a/file
        head -c 1500000 /dev/urandom > a/big
        dd if=/dev/zero of=a/sparse bs=1 count=1 seek=5000000 status=none
        for i in $(seq 0 2 40); do dd if=/dev/urandom of=a/holes bs=4096 count=1 seek=$i conv=notrunc status=none; done
        fallocate -l 300000 a/unwritten 2>/dev/null || : > a/unwritten
        printf x | dd of=a/unwritten bs=1 seek=100000 conv=notrunc status=none
        for i in $(seq 2000); do : > "many/a file with a rather long name, number $i"; done
        ln a/file a/b/hard
        ln -s target a/short
        ln -s $(printf 't%.0s' $(seq 900)) a/long
        ln -s $(printf 't%.0s' $(seq 59)) a/l59
        ln -s $(printf 't%.0s' $(seq 60)) a/l60
        mknod a/null c 1 3
        mknod a/block b 259 70000
        mkfifo a/fifo
        chmod 6751 a/file
        chown 70000:80000 a/big
        setfattr -n user.small -v value a/file
        setfattr -n user.large -v "$(printf 'v%.0s' $(seq 800))" a/big
        setfattr -h -n security.selinux -v system_u:object_r:etc_t:s0 a/short
    "#;
    run("bash", &["-c", script, "bash", root.to_str().unwrap()]);
    if wide {
        run(
            "touch",
            &[
                "-h",
                "-d",
                "2100-01-01 00:00:00.123456789",
                root.join("a/short").to_str().unwrap(),
            ],
        );
    }
    xattr::set(root.join("a/b"), "user.empty", b"").unwrap();
    xattr::set(root.join("a/b"), "trusted.t", &[7; 90]).unwrap();
}

#[test]
fn every_layout_reads_as_the_kernel_shows_it() {
    if !may_mount() {
        return;
    }
    for layout in LAYOUTS {
        let image = Image::new(48, layout);
        let mounted = image.mount("rw");
        fill(mounted.path(), !layout.contains(&"128"));
        drop(mounted);
        let mounted = image.mount("ro,noatime");
        let expected = of_kernel(mounted.path());
        let full = rustix::fs::statvfs(mounted.path()).unwrap();
        drop(mounted);
        let (device, fs) = image.open();
        assert_same(&of_engine(&fs), &expected);
        assert!(expected.len() > 2000);

        let summary = probe(&*device).unwrap();
        assert!(!summary.needs_recovery && summary.is_clean && !summary.has_orphans);
        let free: u64 = fs
            .free_ranges()
            .unwrap()
            .iter()
            .map(|range| range.end - range.start)
            .sum();
        let stat = fs.statfs().unwrap();
        assert_eq!(free / u64::from(stat.block_bytes), stat.free_blocks, "{layout:?}");
        let counts = (stat.blocks, stat.free_blocks, stat.nodes, stat.free_nodes);
        assert_eq!(
            counts,
            (full.f_blocks, full.f_bfree, full.f_files, full.f_ffree),
            "{layout:?}"
        );
    }
}

#[test]
fn block_maps_are_read_at_every_depth() {
    if !may_mount() {
        return;
    }
    for layout in [&["-t", "ext3", "-b", "1024"][..], &["-t", "ext2"]] {
        let image = Image::new(48, layout);
        let mounted = image.mount("rw");
        let script = r#"cd "$1"; mkdir d; head -c 6000000 /dev/urandom > d/big
            dd if=/dev/urandom of=d/sparse bs=1024 count=3 seek=70000 status=none; ln -s x d/l"#;
        run("bash", &["-c", script, "bash", mounted.path().to_str().unwrap()]);
        drop(mounted);
        let mounted = image.mount("ro,noatime");
        let expected = of_kernel(mounted.path());
        drop(mounted);
        let options = Ext4Options {
            read_only: true,
            ..Ext4Options::default()
        };
        let fs = Ext4::open(image.device(), options).unwrap();
        assert_same(&of_engine(&fs), &expected);
    }
}

#[test]
fn a_path_leads_to_its_node() {
    let image = Image::new(16, &[]);
    let (_, fs) = image.open();
    assert_eq!(fs.metadata(find(&fs, "/lost+found")).unwrap().mode, 0o700);
}
