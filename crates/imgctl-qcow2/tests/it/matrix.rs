//! Images of every feature, each made by qemu's own tools.

use crate::{content, qemu};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The disk the images are made from; not a whole number of clusters.
pub(crate) const DISK_BYTES: usize = (3 << 20) + 5 * 512;

/// How an image is made: its name, and the lines that make `t.qcow2` from `disk.raw`.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    lines: Vec<String>,
}

impl Case {
    fn new(name: &str, lines: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    /// Makes the image in `folder`.
    pub(crate) fn make(&self, folder: &Path) -> PathBuf {
        for line in &self.lines {
            qemu::line(line, folder);
        }
        folder.join("t.qcow2")
    }
}

/// A folder that holds `disk.raw`.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let disk = content::disk(DISK_BYTES, 1);
    std::fs::write(folder.path().join("disk.raw"), disk).unwrap();
    folder
}

/// Every case.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = allocated_in_every_way();
    cases.extend(with_a_history());
    for bits in 9..=21 {
        let size = 1 << bits;
        cases.push(converted(&format!("cluster_size={size}"), "-c "));
        cases.push(converted(&format!("cluster_size={size}"), ""));
        cases.push(converted(&format!("cluster_size={size},compression_type=zstd"), "-c "));
    }
    for bits in [1, 2, 4, 8, 16, 32, 64] {
        cases.push(converted(&format!("refcount_bits={bits}"), "-c "));
    }
    for options in [
        "compat=0.10",
        "compat=0.10,cluster_size=4096",
        "lazy_refcounts=on",
        "extended_l2=on",
        "extended_l2=on,cluster_size=16384",
        "extended_l2=on,cluster_size=2097152",
    ] {
        cases.push(converted(options, "-c "));
        cases.push(converted(options, ""));
    }
    cases.push(converted("cluster_size=65536", "-c -W -m 16 "));
    cases
}

fn converted(options: &str, flags: &str) -> Case {
    Case::new(
        &format!("convert {flags}-o {options}"),
        &[&format!(
            "img convert {flags}-f raw -O qcow2 -o {options} disk.raw t.qcow2"
        )],
    )
}

/// Clusters and subclusters of every kind.
fn allocated_in_every_way() -> Vec<Case> {
    let mut cases = Vec::new();
    for preallocation in ["off", "metadata", "falloc", "full"] {
        cases.push(Case::new(
            &format!("preallocation={preallocation}"),
            &[
                &format!("img create -q -f qcow2 -o preallocation={preallocation} t.qcow2 5M"),
                "io t.qcow2 write -q -P 7 100k 300k",
            ],
        ));
    }
    cases.extend([
        Case::new("empty", &["img create -q -f qcow2 t.qcow2 1G"]),
        Case::new(
            "zero clusters, kept and freed",
            &[
                "img convert -f raw -O qcow2 disk.raw t.qcow2",
                "io t.qcow2 write -q -z 64k 128k",
                "io t.qcow2 write -q -z -u 512k 256k",
                "io t.qcow2 discard -q 1M 128k",
            ],
        ),
        Case::new(
            "subclusters of every kind",
            &[
                "img create -q -f qcow2 -o extended_l2=on t.qcow2 4M",
                "io t.qcow2 write -q -P 1 0 2k",
                "io t.qcow2 write -q -P 2 10k 4k",
                "io t.qcow2 write -q -z 20k 6k",
                "io t.qcow2 write -q -P 3 64k 64k",
                "io t.qcow2 write -q -z 70k 2k",
                "io t.qcow2 write -q -z 128k 64k",
                "io t.qcow2 write -q -z 200k 2k",
            ],
        ),
    ]);
    cases
}

/// Images that were resized, snapshotted or marked after they were made.
fn with_a_history() -> Vec<Case> {
    vec![
        Case::new(
            "grown",
            &[
                "img convert -c -f raw -O qcow2 disk.raw t.qcow2",
                "img resize -q t.qcow2 700M",
                "io t.qcow2 write -q -P 9 600M 10k",
            ],
        ),
        Case::new(
            "shrunk",
            &[
                "img convert -c -f raw -O qcow2 -o cluster_size=512 disk.raw t.qcow2",
                "img resize -q --shrink t.qcow2 1M",
            ],
        ),
        Case::new(
            "internal snapshots",
            &[
                "img convert -c -f raw -O qcow2 disk.raw t.qcow2",
                "img snapshot -c one t.qcow2",
                "io t.qcow2 write -q -P 5 30k 200k",
                "img snapshot -c two t.qcow2",
                "io t.qcow2 write -q -P 6 1M 70k",
            ],
        ),
        Case::new(
            "persistent bitmap",
            &[
                "img convert -c -f raw -O qcow2 disk.raw t.qcow2",
                "img bitmap --add t.qcow2 marks",
                "io t.qcow2 write -q -P 5 30k 200k",
            ],
        ),
        Case::new(
            "3 TiB",
            &["img create -q -f qcow2 t.qcow2 3T", "io t.qcow2 write -q -P 5 2T 200k"],
        ),
    ]
}
