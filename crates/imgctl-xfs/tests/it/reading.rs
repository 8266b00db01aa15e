//! What the kernel wrote, the engine reads.

use crate::image::{Image, RHEL_9, RHEL_10, may_mount, run};
use imgctl_testkit::listing::{assert_same, of_engine, of_kernel};
use imgctl_vfs::ReadFs;
use imgctl_xfs::{Xfs, XfsOptions, probe};
use std::path::Path;

/// Files of every kind: sparse, fragmented, reflinked, linked, with long names and attributes of every form.
pub(crate) fn fill(root: &Path) {
    let script = r#"
        set -e
        cd "$1"
        mkdir -p a/b/c many few middle
        echo hello > a/file
        head -c 1500000 /dev/urandom > a/big
        dd if=/dev/zero of=a/sparse bs=1 count=1 seek=5000000 status=none
        for i in $(seq 0 2 1000); do dd if=/dev/urandom of=a/holes bs=4096 count=1 seek=$i conv=notrunc status=none; done
        fallocate -l 300000 a/unwritten
        printf x | dd of=a/unwritten bs=1 seek=100000 conv=notrunc status=none
        perl -e 'for (1..4000) { open F, ">", "many/a file with a rather long name, number $_" or die }'
        perl -e 'for (1..30) { open F, ">", "few/entry $_" or die }'
        perl -e 'for (1..300) { open F, ">", "middle/entry $_" or die }'
        rm many/*7
        ln a/file a/b/hard
        ln -s target a/short
        ln -s $(printf 't%.0s' $(seq 1020)) a/long
        ln -s $(printf 't%.0s' $(seq 336)) a/l336
        ln -s $(printf 't%.0s' $(seq 337)) a/l337
        mknod a/null c 1 3
        mknod a/block b 259 70000
        mkfifo a/fifo
        chmod 6751 a/file
        chown 70000:80000 a/big
        setfattr -n user.small -v value a/file
        setfattr -n user.large -v "$(printf 'v%.0s' $(seq 800))" a/big
        setfattr -h -n security.selinux -v system_u:object_r:etc_t:s0 a/short
        setfacl -m u:7:rwx a/file
        setfacl -d -m u:7:rwx a/b
        : > a/leaf; for i in $(seq 20); do setfattr -n user.name$i -v "value $i of a leaf" a/leaf; done
        : > a/node; for i in $(seq 300); do setfattr -n user.number$i -v "$(printf "$i%.0s" $(seq 40))" a/node; done
        cp --reflink=always a/big a/shared
        printf y | dd of=a/shared bs=1 seek=500000 conv=notrunc status=none
    "#;
    run("bash", &["-c", script, "bash", root.to_str().unwrap()]);
    xattr::set(root.join("a/b"), "user.empty", b"").unwrap();
    xattr::set(root.join("a/node"), "user.remote", &[7; 50_000]).unwrap();
    xattr::set(root.join("a/b/c"), "trusted.most", &[9; 65_536]).unwrap();
    let short = root.join("a/short");
    run(
        "touch",
        &["-h", "-d", "2100-01-01 00:00:00.123456789", short.to_str().unwrap()],
    );
}

/// The layouts of filesystem that are read.
const LAYOUTS: &[&[&str]] = &[
    RHEL_9,
    RHEL_10,
    &["-b", "size=1024", "-n", "size=8192", "-m", "rmapbt=1"],
    &[
        "-i",
        "size=1024",
        "-d",
        "agcount=3",
        "-m",
        "reflink=1,inobtcount=0,bigtime=0",
    ],
];

#[test]
fn every_layout_reads_as_the_kernel_shows_it() {
    if !may_mount() {
        return;
    }
    for layout in LAYOUTS {
        let image = Image::new(96, layout);
        let mounted = image.mount("rw");
        fill(mounted.path());
        drop(mounted);
        let mounted = image.mount("ro,noatime");
        let expected = of_kernel(mounted.path());
        let full = rustix::fs::statvfs(mounted.path()).unwrap();
        drop(mounted);
        let (device, fs) = image.open_for(true);
        assert_same(&of_engine(&fs), &expected);
        assert!(expected.len() > 3800);
        fs.verify().unwrap_or_else(|problem| panic!("{layout:?}: {problem}"));

        let summary = probe(&*device).unwrap();
        assert!(!summary.needs_recovery, "{layout:?}");
        let stat = fs.statfs().unwrap();
        let free: u64 = fs
            .free_ranges()
            .unwrap()
            .iter()
            .map(|range| range.end - range.start)
            .sum();
        let free = free / u64::from(stat.block_bytes);
        // The kernel keeps some blocks back, and the free lists and trees count as free.
        assert!(free.abs_diff(stat.free_blocks) < 400, "{layout:?}: {free} of {stat:?}");
        assert_eq!(
            (stat.blocks, stat.free_blocks, u64::from(stat.block_bytes)),
            (full.f_blocks, full.f_bfree, full.f_bsize),
            "{layout:?}"
        );
        assert_eq!(stat.nodes - stat.free_nodes, full.f_files - full.f_ffree, "{layout:?}");
    }
}

#[test]
fn what_may_not_be_read_or_written_is_refused_by_name() {
    let old = Image::new(96, &["-m", "crc=0"]);
    let error = Xfs::open(old.device(), XfsOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "the XFS features v4 are not supported");
    let realtime = Image::new(96, RHEL_9);
    run(
        "xfs_db",
        &[
            "-x",
            "-c",
            "sb 0",
            "-c",
            "write -d rblocks 64",
            "-c",
            "crc -r",
            &realtime.name(),
        ],
    );
    let error = Xfs::open(realtime.device(), XfsOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "XFS with a realtime section is not supported");
    for (bits, message) in [
        (
            "0x1b",
            "XFS is marked as in need of repair; run xfs_repair on a copy of the image",
        ),
        ("0x10b", "the XFS features metadir are not supported"),
        ("0x800b", "the XFS features INCOMPAT bit 15 are not supported"),
    ] {
        let image = Image::new(96, RHEL_9);
        let request = format!("write -d features_incompat {bits}");
        run(
            "xfs_db",
            &["-x", "-c", "sb 0", "-c", &request, "-c", "crc -r", &image.name()],
        );
        let options = XfsOptions {
            read_only: true,
            ..XfsOptions::default()
        };
        let error = Xfs::open(image.device(), options).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

/// A log that the kernel left when the machine stopped.
#[test]
fn a_dirty_log_is_refused_by_name() {
    if !may_mount() {
        return;
    }
    let image = Image::new(96, RHEL_9);
    let mounted = image.mount("rw");
    std::fs::write(mounted.path().join("file"), b"content").unwrap();
    run("xfs_io", &["-x", "-c", "shutdown -f", mounted.path().to_str().unwrap()]);
    drop(mounted);
    let error = Xfs::open(image.device(), XfsOptions::default()).unwrap_err();
    assert!(
        error.to_string().starts_with("the XFS log has not been replayed"),
        "{error}"
    );
    assert!(probe(&*image.device()).unwrap().needs_recovery);
    drop(image.mount("rw"));
    image.open();
}

/// Kernels no longer mount version 4, so mkfs.xfs fills it from a list.
#[test]
fn version_4_is_read() {
    for layout in [
        &["-m", "crc=0"][..],
        &["-m", "crc=0", "-b", "size=2048", "-n", "ftype=0", "-i", "size=256"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let content = folder.path().join("content");
        std::fs::write(&content, vec![b'c'; 300_000]).unwrap();
        let mut list = "/dev/null\n0 0\nd--755 0 0\n".to_owned();
        for number in 0..900 {
            list += &format!(
                "a-rather-long-name-{number} ---640 7 8 {}\n",
                if number == 5 {
                    content.to_str().unwrap()
                } else {
                    "/dev/null"
                }
            );
        }
        list += "link l--777 0 0 target\nnull c--666 0 0 1 3\nsub d--700 1 2\nshort ---600 0 0 /dev/null\n$\n$\n";
        let path = folder.path().join("list");
        std::fs::write(&path, list).unwrap();
        let image = Image::new(96, &[layout, &["-p", path.to_str().unwrap()]].concat());
        let (_, fs) = image.open_for(true);
        fs.verify().unwrap();
        let tree = of_engine(&fs);
        assert_eq!(tree.len(), 905);
        let line = |path: &str| tree.get(path).unwrap().split(" a ").next().unwrap().to_owned();
        assert!(line("/a-rather-long-name-5").ends_with("mode 640 owner 7:8 size 300000 links 1"));
        assert!(line("/link").starts_with("link to target mode 777") && line("/null").starts_with("char 1,3 mode 666"));
        assert!(line("/sub").starts_with("directory mode 700 owner 1:2") && tree.contains_key("/sub/short"));
    }
}
