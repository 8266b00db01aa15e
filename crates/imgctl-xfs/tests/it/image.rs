//! Images made by mkfs.xfs, judged by xfs_repair, mounted by the kernel.

use imgctl_block::MemoryDevice;
use imgctl_vfs::Timestamp;
use imgctl_xfs::{Xfs, XfsOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;

/// The clock of all runs: after 2038, so that the large times are used.
pub(crate) const NOW: Timestamp = Timestamp {
    seconds: 2_300_000_000,
    nanoseconds: 987_654_321,
};

/// What RHEL 9's mkfs.xfs makes.
pub(crate) const RHEL_9: &[&str] = &[
    "-m",
    "crc=1,finobt=1,reflink=1,rmapbt=0,bigtime=1,inobtcount=1",
    "-i",
    "sparse=1,nrext64=0",
];
/// What RHEL 10's makes.
pub(crate) const RHEL_10: &[&str] = &[
    "-m",
    "crc=1,finobt=1,reflink=1,rmapbt=1,bigtime=1,inobtcount=1",
    "-i",
    "sparse=1,nrext64=1",
];

/// An image file in a folder of its own.
pub(crate) struct Image {
    folder: TempDir,
}

/// Runs a program and fails the test with its output unless it succeeds.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; apt-get install xfsprogs mount"));
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{text}",
        output.status
    );
    text
}

/// Whether the kernel can mount here. Without root a test that needs it fails, unless told by name to do without.
pub(crate) fn may_mount() -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let told = std::env::var_os("IMGCTL_TEST_NO_ROOT").is_some_and(|value| value == "1");
    assert!(
        told,
        "this test mounts images: run it as root, or set IMGCTL_TEST_NO_ROOT=1 to skip it"
    );
    eprintln!("skipped for want of root: the comparison with the kernel");
    false
}

impl Image {
    /// An empty filesystem of `megabytes`, made with more `options` of mkfs.xfs.
    pub(crate) fn new(megabytes: u64, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = Self { folder };
        let file = std::fs::File::create(image.path()).unwrap();
        file.set_len(megabytes << 20).unwrap();
        // Small images keep the tests quick; the kernel takes them as well as others.
        let mut arguments = vec!["-q", "-f", "--unsupported"];
        arguments.extend(options);
        let name = image.name();
        arguments.push(&name);
        run("mkfs.xfs", &arguments);
        image
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    pub(crate) fn name(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    /// The image's bytes as a device.
    pub(crate) fn device(&self) -> Arc<MemoryDevice> {
        Arc::new(MemoryDevice::from_bytes(std::fs::read(self.path()).unwrap()))
    }

    pub(crate) fn open(&self) -> (Arc<MemoryDevice>, Xfs) {
        self.open_for(false)
    }

    pub(crate) fn open_for(&self, read_only: bool) -> (Arc<MemoryDevice>, Xfs) {
        let device = self.device();
        let options = XfsOptions { now: NOW, read_only };
        let fs = Xfs::open(device.clone(), options).unwrap();
        (device, fs)
    }

    /// Writes a device's bytes back to the image file, which stays sparse.
    pub(crate) fn store(&self, device: &MemoryDevice) {
        const CHUNK: usize = 1 << 16;
        let bytes = device.to_bytes();
        let file = std::fs::File::create(self.path()).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
            if chunk != &[0; CHUNK][..chunk.len()] {
                file.write_all_at(chunk, (index * CHUNK) as u64).unwrap();
            }
        }
    }

    /// Has xfs_repair look for the least fault.
    pub(crate) fn check(&self) {
        run("xfs_repair", &["-n", "-f", &self.name()]);
    }

    /// Mounts the image until the guard is dropped.
    pub(crate) fn mount(&self, options: &str) -> Mounted {
        let point = tempfile::tempdir().unwrap();
        let path = point.path().to_str().unwrap().to_owned();
        run(
            "mount",
            &[
                "-t",
                "xfs",
                "-o",
                &format!("loop,nouuid,{options}"),
                &self.name(),
                &path,
            ],
        );
        Mounted { point }
    }
}

/// A mount that is undone when dropped.
pub(crate) struct Mounted {
    point: TempDir,
}

impl Mounted {
    pub(crate) fn path(&self) -> &Path {
        self.point.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Programs that other tests are starting may hold it for a moment.
        for _ in 0..40 {
            let output = Command::new("umount").arg(self.point.path()).output();
            if matches!(output, Ok(output) if output.status.success()) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        // Still busy: detach it, so that nothing stays behind.
        let _ = Command::new("umount").arg("-l").arg(self.point.path()).status();
    }
}
