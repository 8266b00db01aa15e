//! How much memory a run takes for small and for huge disks.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Result;
use imgctl_testkit::{fixture, oracle};

use crate::measure::{Program, median};
use crate::rounds::{customize, imgctl};
use crate::say;

/// Peak memory by image.
#[derive(Debug)]
pub(crate) struct MemoryFigure {
    /// What the image is.
    pub(crate) what: &'static str,
    /// The peak of a run, in bytes.
    pub(crate) peak_bytes: u64,
}

const GIB: u64 = 1 << 30;

/// Measures each image three times.
pub(crate) fn measure(folder: &Path) -> Result<Vec<MemoryFigure>> {
    let images = [
        ("Debian 13 on a disk of 4 GiB", grown(folder, "4G")?),
        ("Debian 13 on a disk of 500 GiB", grown(folder, "500G")?),
        ("an ext4 filesystem of 500 GiB", huge_ext4(folder)?),
    ];
    let mut figures = Vec::new();
    for (what, image) in images {
        let output = folder.join("out.qcow2");
        let receipt = folder.join("receipt.json");
        let mut peaks = Vec::new();
        for _ in 0..3 {
            peaks.push(customize(&image, folder, &output, &[])?.cost(&receipt)?.peak_bytes);
        }
        fs::remove_file(&image)?;
        say(&format!("memory: {what}"));
        figures.extend(median(peaks).map(|peak_bytes| MemoryFigure { what, peak_bytes }));
    }
    figures.extend(converted(folder)?);
    Ok(figures)
}

/// Measures a conversion of a small and of a huge disk, which compresses everything anew.
fn converted(folder: &Path) -> Result<Vec<MemoryFigure>> {
    let images = [
        ("`convert --recompress` of a disk of 4 GiB", grown(folder, "4G")?),
        ("`convert --recompress` of a disk of 1 TiB", grown(folder, "1T")?),
    ];
    let mut figures = Vec::new();
    for (what, image) in images {
        let output = folder.join("out.qcow2");
        let arguments = [imgctl()?, "convert".into(), image.clone(), output];
        let arguments = arguments.into_iter().map(PathBuf::into_os_string);
        let program = Program::new(arguments.chain(["--force", "--recompress"].map(Into::into)));
        let peak_bytes = program.cost(&folder.join("receipt.json"))?.peak_bytes;
        fs::remove_file(&image)?;
        say(&format!("memory: {what}"));
        figures.push(MemoryFigure { what, peak_bytes });
    }
    Ok(figures)
}

/// The Debian 13 image with a larger disk around it.
fn grown(folder: &Path, size: &str) -> Result<PathBuf> {
    let image = folder.join(format!("grown-{size}.qcow2"));
    fs::copy(fixture::image("debian13")?, &image)?;
    let arguments = ["resize", "-q", &image.display().to_string(), size].map(str::to_owned);
    oracle::run("qemu-img", arguments)?;
    Ok(image)
}

/// A disk without partitions that one filesystem fills, with just enough of a guest for the workload.
fn huge_ext4(folder: &Path) -> Result<PathBuf> {
    let tree = folder.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    for name in [
        "etc/default",
        "etc/sysctl.d",
        "usr/local/bin",
        "opt",
        "srv",
        "var/lib/apt/lists",
    ] {
        fs::create_dir_all(tree.join(name))?;
    }
    for (name, text) in [
        ("etc/os-release", "ID=debian\nVERSION_ID=\"13\"\n"),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("etc/group", "root:x:0:\n"),
        ("etc/shadow", "root:*::0:::::\n"),
        ("etc/fstab", "/dev/vda / ext4 defaults 0 1\n"),
        ("etc/default/grub", "GRUB_TIMEOUT=5\n"),
        ("etc/profile", "umask 022\n"),
        ("etc/issue.net", "Debian\n"),
    ] {
        fs::write(tree.join(name), text)?;
    }
    let raw = folder.join("huge.raw");
    let image = folder.join("huge.qcow2");
    File::create(&raw)?.set_len(500 * GIB)?;
    let arguments = [
        "-q",
        "-t",
        "ext4",
        "-F",
        "-d",
        &tree.display().to_string(),
        &raw.display().to_string(),
    ];
    oracle::run("mke2fs", arguments)?;
    // A raw base is digested whole, and half a terabyte of holes takes minutes.
    oracle::qemu_convert(&raw, &image, "qcow2")?;
    fs::remove_file(&raw)?;
    fs::remove_dir_all(&tree)?;
    Ok(image)
}
