//! A whole Debian tree, written by the ext4 engine into an empty filesystem and read back by the kernel.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use imgctl_block::{BlockRead as _, ExtentKind, FileDevice, Overlay};
use imgctl_ext4::{Ext4, Ext4Options};
use imgctl_testkit::mount::{Access, Mount};
use imgctl_testkit::oracle::{self, Partition};
use imgctl_testkit::tree::{Entry, Kind, Tree, report};
use imgctl_testkit::{fixture, root_or_skip};
use imgctl_vfs::{FileKind, MetadataChange, NewNode, NodeId, ReadFs as _, Timestamp, WriteFs};

use crate::guest_disk::GuestDisk;

const SIZE: u64 = 2 << 30;
const PIECE_BYTES: usize = 1 << 20;

#[test]
fn debian13_tree() -> Result<()> {
    if !root_or_skip("debian13_tree") || !fixture::is_wanted("debian13") {
        return Ok(());
    }
    let disk = GuestDisk::open(&fixture::raw("debian13")?)?;
    let source = Mount::new(&disk.raw, disk.root, Access::ReadOnly)?;
    let expected = Tree::read(source.path())?;
    ensure!(
        expected.entries.len() > 15_000,
        "{} entries prove little",
        expected.entries.len()
    );

    let folder = tempfile::tempdir()?;
    let image = folder.path().join("root.img");
    File::create(&image)?.set_len(SIZE)?;
    let features = "metadata_csum_seed,orphan_file";
    oracle::run(
        "mke2fs",
        ["-q", "-F", "-t", "ext4", "-O", features, &image.to_string_lossy()],
    )?;
    populate(&image, source.path(), &expected)?;

    let whole = Partition::whole(&image)?;
    oracle::e2fsck(&image, whole)?;
    let written = Mount::new(&image, whole, Access::ReadOnly)?;
    let difference = expected.difference(&Tree::read(written.path())?);
    ensure!(
        difference.is_empty(),
        "the kernel reads another tree:\n{}",
        report(&difference, 40)
    );
    Ok(())
}

/// Writes every entry of `tree`, whose files lie below `source`, into the empty filesystem in `image`.
fn populate(image: &Path, source: &Path, tree: &Tree) -> Result<()> {
    let base = Arc::new(FileDevice::new(File::open(image)?)?);
    let overlay = Arc::new(Overlay::new(base));
    let options = Ext4Options {
        now: Timestamp::from_seconds(1_763_000_001),
        read_only: false,
    };
    let mut fs = Ext4::open(overlay.clone(), options)?;
    let mut nodes = BTreeMap::from([(b"/".to_vec(), fs.root())]);
    for (path, entry) in &tree.entries {
        let node = match nodes.get(path) {
            Some(node) => *node,
            None => create(&mut fs, &nodes, source, path, entry)?,
        };
        nodes.insert(path.clone(), node);
    }
    // Last, because every new entry stamps its directory.
    for (path, entry) in &tree.entries {
        set_metadata(&mut fs, nodes[path], entry).with_context(|| path.escape_ascii().to_string())?;
    }
    Box::new(fs).commit()?;
    write_back(&overlay, image)
}

fn create(
    fs: &mut Ext4,
    nodes: &BTreeMap<Vec<u8>, NodeId>,
    source: &Path,
    path: &[u8],
    entry: &Entry,
) -> Result<NodeId> {
    let slash = path
        .iter()
        .rposition(|byte| *byte == b'/')
        .context("a path begins with a slash")?;
    let parent = nodes.get(&path[..slash.max(1)]).context("parents come first")?;
    let name = &path[slash + 1..];
    if path == b"/lost+found" {
        return fs.lookup(*parent, name)?.context("mke2fs makes lost+found");
    }
    if let Some(first) = &entry.same_as
        && let Some(node) = nodes.get(first)
    {
        fs.link(*node, *parent, name)?;
        return Ok(*node);
    }
    let new = NewNode {
        kind: file_kind(entry)?,
        mode: entry.mode as u16,
        uid: entry.uid,
        gid: entry.gid,
        target: entry.target.clone().unwrap_or_default(),
    };
    let node = fs.create(*parent, name, &new)?;
    if entry.kind == Kind::File {
        let relative = path.strip_prefix(b"/").unwrap_or(path);
        copy(fs, node, &source.join(PathBuf::from(OsStr::from_bytes(relative))))?;
    }
    Ok(node)
}

fn file_kind(entry: &Entry) -> Result<FileKind> {
    Ok(match entry.kind {
        Kind::File => FileKind::File,
        Kind::Directory => FileKind::Directory,
        Kind::Symlink => FileKind::Symlink,
        Kind::Fifo => FileKind::Fifo,
        Kind::Socket => FileKind::Socket,
        Kind::CharDevice => FileKind::CharDevice(rustix::fs::major(entry.rdev), rustix::fs::minor(entry.rdev)),
        Kind::BlockDevice => FileKind::BlockDevice(rustix::fs::major(entry.rdev), rustix::fs::minor(entry.rdev)),
    })
}

fn copy(fs: &mut Ext4, node: NodeId, from: &Path) -> Result<()> {
    let file = File::open(from).with_context(|| from.display().to_string())?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut offset = 0;
    loop {
        match file.read_at(&mut piece, offset)? {
            0 => break,
            length => {
                fs.write_at(node, offset, &piece[..length])?;
                offset += length as u64;
            }
        }
    }
    ensure!(
        offset == file.metadata()?.len(),
        "{} changed while it was read",
        from.display()
    );
    Ok(())
}

fn set_metadata(fs: &mut Ext4, node: NodeId, entry: &Entry) -> Result<()> {
    for (name, value) in &entry.xattrs {
        fs.set_xattr(node, name, value)?;
    }
    let (seconds, nanoseconds) = entry.mtime;
    let modified = Timestamp {
        seconds,
        nanoseconds: u32::try_from(nanoseconds)?,
    };
    let change = MetadataChange {
        mode: (entry.kind != Kind::Symlink).then_some(entry.mode as u16),
        uid: Some(entry.uid),
        gid: Some(entry.gid),
        accessed: None,
        modified: Some(modified),
    };
    Ok(fs.set_metadata(node, &change)?)
}

/// Puts what the overlay holds into the image itself.
fn write_back(overlay: &Overlay, image: &Path) -> Result<()> {
    let file = File::options().write(true).open(image)?;
    for range in overlay.dirty_ranges() {
        if range.kind == ExtentKind::Hole {
            bail!("an empty filesystem has nothing to free, yet {range:?} was discarded");
        }
        let mut offset = range.offset;
        while offset < range.offset + range.length {
            let length = (range.offset + range.length - offset).min(PIECE_BYTES as u64);
            let bytes = overlay.read_vec(offset, usize::try_from(length)?)?;
            file.write_all_at(&bytes, offset)?;
            offset += length;
        }
    }
    Ok(())
}
