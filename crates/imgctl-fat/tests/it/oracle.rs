//! The tools that make and judge the filesystems of these tests.

use imgctl_block::{BlockRead, MemoryDevice};
use imgctl_fat::{Fat, FatOptions};
use imgctl_vfs::{FileKind, NewNode, NodeId, ReadFs, Timestamp, WriteFs};
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use tempfile::NamedTempFile;

/// 2024-02-29T12:34:56Z.
pub(crate) const NOW: Timestamp = Timestamp {
    seconds: 1_709_210_096,
    nanoseconds: 0,
};

/// The kinds and sizes that the tests go through: arguments of mkfs.fat and KiB.
pub(crate) const KINDS: [(&[&str], u64); 7] = [
    (&["-F12"], 2048),
    (&["-F12", "-s1"], 1440),
    (&["-F16"], 16 << 10),
    (&["-F16", "-S1024", "-s4"], 32 << 10),
    (&["-F32", "-s1"], 36 << 10),
    (&["-F32", "-f1", "-s1", "-R64"], 36 << 10),
    SMALL_FAT32,
];

/// Fewer clusters than the `fatfs` crate allows a FAT32 to have, and mtools too; the Linux kernel does not mind.
pub(crate) const SMALL_FAT32: (&[&str], u64) = (&["-F32", "-s8"], 24 << 10);

/// The kinds that mtools knows.
pub(crate) fn mtools_kinds() -> impl Iterator<Item = (&'static [&'static str], u64)> {
    KINDS.into_iter().filter(|kind| *kind != SMALL_FAT32)
}

/// Runs a tool. A missing tool fails the test.
pub(crate) fn run(package: &str, program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .env("TZ", "UTC")
        .env("LC_ALL", "C.UTF-8")
        .env("MTOOLS_SKIP_CHECK", "1")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; install it: apt-get install {package}"))
}

pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

pub(crate) fn mkfs(arguments: &[&str], kib: u64) -> Vec<u8> {
    let file = NamedTempFile::new().unwrap();
    file.as_file().set_len(kib << 10).unwrap();
    let path = file.path().to_str().unwrap();
    let mut all = vec!["-i", "1234abcd", "--invariant"];
    all.extend(arguments);
    all.push(path);
    let output = run("dosfstools", "mkfs.fat", &all);
    assert!(output.status.success(), "{}", text(&output));
    std::fs::read(file.path()).unwrap()
}

pub(crate) fn open(device: &Arc<MemoryDevice>) -> Fat {
    let options = FatOptions {
        now: NOW,
        read_only: false,
    };
    Fat::open(device.clone(), options).unwrap()
}

pub(crate) fn device(bytes: Vec<u8>) -> Arc<MemoryDevice> {
    Arc::new(MemoryDevice::from_bytes(bytes))
}

pub(crate) fn image(device: &MemoryDevice) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    let bytes = device.to_bytes();
    file.as_file().set_len(bytes.len() as u64).unwrap();
    for (number, piece) in bytes.chunks(4096).enumerate() {
        if piece.iter().any(|byte| *byte != 0) {
            file.as_file().write_all_at(piece, number as u64 * 4096).unwrap();
        }
    }
    file
}

/// What fsck.fat says of a FAT32 with few clusters.
const FEW_CLUSTERS: [&str; 3] = [
    "Filesystem is FAT32 according to fat_length",
    "less than the required minimum of 65525",
    "This may lead to problems on some systems",
];

/// fsck.fat must find nothing to say but its summary.
pub(crate) fn fsck(device: &MemoryDevice) {
    let file = image(device);
    let output = run("dosfstools", "fsck.fat", &["-n", "-V", file.path().to_str().unwrap()]);
    let said = text(&output);
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| {
            !line.starts_with("fsck.fat ")
                && !line.starts_with("Starting check/repair pass.")
                && !line.starts_with("Starting verification pass.")
                && !line.contains(" files, ")
                // What mkfs.fat was asked for is none of our faults.
                && !FEW_CLUSTERS.iter().any(|part| line.contains(part))
        })
        .collect();
    assert!(output.status.success() && lines.is_empty(), "{said}");
}

/// Runs an mtools command on a device and gives back what it printed and the changed bytes.
pub(crate) fn mtools(device: &MemoryDevice, program: &str, arguments: &[&str]) -> (String, Vec<u8>) {
    let file = image(device);
    let mut all = vec!["-i", file.path().to_str().unwrap()];
    all.extend(arguments);
    let output = run("mtools", program, &all);
    assert!(output.status.success(), "{program} {arguments:?}: {}", text(&output));
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        std::fs::read(file.path()).unwrap(),
    )
}

pub(crate) const FILE: NewNode = NewNode {
    kind: FileKind::File,
    mode: 0o644,
    uid: 0,
    gid: 0,
    target: Vec::new(),
};

pub(crate) const DIRECTORY: NewNode = NewNode {
    kind: FileKind::Directory,
    mode: 0o755,
    uid: 0,
    gid: 0,
    target: Vec::new(),
};

pub(crate) fn write_file(fat: &mut Fat, directory: NodeId, name: &str, content: &[u8]) -> NodeId {
    let node = fat.create(directory, name.as_bytes(), &FILE).unwrap();
    fat.write_at(node, 0, content).unwrap();
    node
}

pub(crate) fn find(fs: &dyn ReadFs, path: &str) -> Option<NodeId> {
    let mut node = fs.root();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        node = fs.lookup(node, name.as_bytes()).unwrap()?;
    }
    Some(node)
}

pub(crate) fn read_file(fs: &dyn ReadFs, node: NodeId) -> Vec<u8> {
    let mut content = vec![0xee; fs.metadata(node).unwrap().size as usize];
    let mut done = 0;
    while done < content.len() {
        let read = fs.read_at(node, done as u64, &mut content[done..]).unwrap();
        assert!(read > 0);
        done += read;
    }
    content
}

/// Every path with its content; `None` for directories.
pub(crate) type Files = BTreeMap<String, Option<Vec<u8>>>;

pub(crate) fn files(fs: &dyn ReadFs) -> Files {
    let mut found = BTreeMap::new();
    let mut pending = vec![(String::new(), fs.root())];
    while let Some((path, directory)) = pending.pop() {
        for entry in fs.read_dir(directory).unwrap() {
            let path = format!("{path}/{}", String::from_utf8(entry.name).unwrap());
            let is_directory = fs.metadata(entry.node).unwrap().kind == FileKind::Directory;
            let content = (!is_directory).then(|| read_file(fs, entry.node));
            found.insert(path.clone(), content);
            if is_directory {
                pending.push((path, entry.node));
            }
        }
    }
    found
}

/// Everything on a filesystem as mtools reads it.
pub(crate) fn files_by_mtools(device: &MemoryDevice) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().to_str().unwrap();
    if files(&open(&self::device(device.to_bytes()))).is_empty() {
        return BTreeMap::new();
    }
    mtools(device, "mcopy", &["-s", "-n", "-Q", "::/*", target]);
    let mut found = BTreeMap::new();
    collect(folder.path(), "", &mut found);
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut Files) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.insert(path.clone(), None);
            collect(&entry.path(), &path, found);
        } else {
            found.insert(path, Some(std::fs::read(entry.path()).unwrap()));
        }
    }
}

/// Every path with its content as the `fatfs` crate reads it, straight from the image.
pub(crate) fn files_by_crate(device: &MemoryDevice) -> Files {
    let bytes = std::io::Cursor::new(device.to_bytes());
    let fs = fatfs::FileSystem::new(bytes, fatfs::FsOptions::new()).unwrap();
    let mut found = BTreeMap::new();
    let mut pending = vec![(String::new(), fs.root_dir())];
    while let Some((path, directory)) = pending.pop() {
        for entry in directory.iter() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            if name == "." || name == ".." {
                continue;
            }
            let path = format!("{path}/{name}");
            if entry.is_dir() {
                found.insert(path.clone(), None);
                pending.push((path, entry.to_dir()));
            } else {
                let mut content = Vec::new();
                std::io::Read::read_to_end(&mut entry.to_file(), &mut content).unwrap();
                found.insert(path, Some(content));
            }
        }
    }
    found
}

/// Commits, judges the result, and gives back the filesystem as it is then.
pub(crate) fn commit(fat: Fat, device: &Arc<MemoryDevice>) -> Fat {
    let before = files(&fat);
    Box::new(fat).commit().unwrap();
    fsck(device);
    let fat = open(device);
    assert_eq!(files(&fat), before);
    fat
}

/// Whether `needle` is anywhere on the device.
pub(crate) fn holds(device: &MemoryDevice, needle: &[u8]) -> bool {
    let length = device.len_bytes() as usize;
    let bytes = device.read_vec(0, length).unwrap();
    let mut rest = &bytes[..];
    while let Some(at) = rest.iter().position(|byte| *byte == needle[0]) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}
