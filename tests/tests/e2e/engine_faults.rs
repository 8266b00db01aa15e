//! Engines on a device that fails at any read or write.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use imgctl_block::{BlockDevice, BlockRead, Fault, FaultDevice, FileDevice, MemoryDevice, Overlay};
use imgctl_ext4::{Ext4, Ext4Options};
use imgctl_fat::{Fat, FatOptions};
use imgctl_testkit::tier::{self, Limits};
use imgctl_testkit::{fixture, oracle};
use imgctl_vfs::{FileKind, MetadataChange, NewNode, NodeId, Timestamp, WriteFs};

type Device = FaultDevice<Overlay>;
type Open = fn(Arc<Device>) -> imgctl_vfs::Result<Box<dyn WriteFs>>;

const NOW: Timestamp = Timestamp {
    seconds: 1_763_000_000,
    nanoseconds: 0,
};

fn open_ext4(device: Arc<Device>) -> imgctl_vfs::Result<Box<dyn WriteFs>> {
    let options = Ext4Options {
        now: NOW,
        ..Ext4Options::default()
    };
    Ok(Box::new(Ext4::open(device, options)?))
}

fn open_fat(device: Arc<Device>) -> imgctl_vfs::Result<Box<dyn WriteFs>> {
    let options = FatOptions {
        now: NOW,
        ..FatOptions::default()
    };
    Ok(Box::new(Fat::open(device, options)?))
}

/// A partition of the mini image, in memory.
fn partition(number: u32) -> Result<Arc<MemoryDevice>> {
    let raw = fixture::raw("mini")?;
    let partition = oracle::partition(&raw, number)?;
    let file = FileDevice::new(std::fs::File::open(&raw)?)?;
    let bytes = file.read_vec(partition.offset, usize::try_from(partition.len)?)?;
    Ok(Arc::new(MemoryDevice::from_bytes(bytes)))
}

fn new(kind: FileKind) -> NewNode {
    NewNode {
        kind,
        mode: 0o644,
        uid: 0,
        gid: 0,
        target: match kind {
            FileKind::Symlink => vec![b't'; 100],
            _ => Vec::new(),
        },
    }
}

/// Something of everything that the filesystem can do.
fn edit(fs: &mut dyn WriteFs) -> imgctl_vfs::Result<()> {
    let root = fs.root();
    let directory = fs.create(root, b"faults", &new(FileKind::Directory))?;
    let mut files = Vec::new();
    for index in 0..40 {
        let name = format!("a file with a name of some length {index}");
        let file = fs.create(directory, name.as_bytes(), &new(FileKind::File))?;
        fs.write_at(file, 0, &vec![b'x'; index * 700])?;
        files.push(name);
    }
    let big = fs.create(directory, b"big", &new(FileKind::File))?;
    fs.write_at(big, 0, &vec![1; 300_000])?;
    fs.set_len(big, 100_001)?;
    let change = MetadataChange {
        modified: Some(NOW),
        ..MetadataChange::default()
    };
    fs.set_metadata(big, &change)?;
    for name in files.iter().step_by(3) {
        fs.remove(directory, name.as_bytes())?;
    }
    fs.rename(directory, b"big", root, b"bigger")?;
    let capabilities = fs.capabilities();
    if capabilities.special_files {
        fs.create(directory, b"link", &new(FileKind::Symlink))?;
    }
    if capabilities.hard_links {
        fs.link(big, directory, b"other name")?;
    }
    if capabilities.xattrs {
        fs.set_xattr(big, b"user.fault", &[7; 500])?;
    }
    clear_first_directories(fs, root, 3)
}

/// Removes every file of the first few directories of the image that hold any.
fn clear_first_directories(fs: &mut dyn WriteFs, directory: NodeId, depth: u32) -> imgctl_vfs::Result<()> {
    for entry in fs.read_dir(directory)?.into_iter().take(12) {
        match fs.metadata(entry.node)?.kind {
            FileKind::Directory if depth > 0 => clear_first_directories(fs, entry.node, depth - 1)?,
            FileKind::File if depth < 2 => fs.remove(directory, &entry.name)?,
            _ => {}
        }
    }
    Ok(())
}

fn attempt(base: &Arc<MemoryDevice>, open: Open, fault: Fault) -> (imgctl_vfs::Result<()>, Arc<Device>) {
    let device = Arc::new(FaultDevice::new(Overlay::new(base.clone()), fault));
    let result = open(device.clone()).and_then(|mut fs| {
        edit(&mut *fs)?;
        fs.commit()
    });
    (result, device)
}

/// Seeds that are next to each other cut far apart; with as many seeds as there are calls, each call is cut.
const FAR: u64 = 7919;

/// Cuts the run at reads (odd seeds) and at writes (even seeds): a cut is an error, never a panic and never a success.
fn a_cut_is_an_error(number: u32, kind: &str, open: Open) -> Result<()> {
    let base = partition(number)?;
    let before = base.to_bytes();
    let (sound, device) = attempt(&base, open, Fault::WritesFrom(u64::MAX));
    sound.context("without a fault")?;
    let (reads, writes) = (device.reads(), device.writes());
    ensure!(
        reads > 10 && writes > 10,
        "{reads} reads and {writes} writes prove little"
    );
    for seed in tier::seeds(0..300) {
        let place = seed / 2 * FAR;
        let (what, index, fault) = match seed % 2 {
            0 => ("write", place % writes, Fault::WritesFrom(place % writes)),
            _ => ("read", place % reads, Fault::ReadsFrom(place % reads)),
        };
        tier::try_case(kind, seed, Limits::SMALL, || {
            let (result, _) = attempt(&base, open, fault);
            ensure!(result.is_err(), "{what} {index} failed, and nobody noticed");
            Ok(())
        })?;
    }
    ensure!(base.to_bytes() == before, "the base has changed");
    let (again, second) = attempt(&base, open, Fault::WritesFrom(u64::MAX));
    again.context("after all the faults")?;
    ensure!(
        same_bytes(&*device, &*second)?,
        "the same edits gave other bytes after the faults"
    );
    #[allow(clippy::print_stderr, reason = "the count belongs into the runner's log")]
    {
        eprintln!("partition {number}: {reads} reads, {writes} writes");
    }
    Ok(())
}

fn same_bytes(one: &dyn BlockDevice, other: &dyn BlockDevice) -> Result<bool> {
    const PIECE: u64 = 1 << 20;
    for offset in (0..one.len_bytes()).step_by(1 << 20) {
        let length = usize::try_from(PIECE.min(one.len_bytes() - offset))?;
        if one.read_vec(offset, length)? != other.read_vec(offset, length)? {
            return Ok(false);
        }
    }
    Ok(one.len_bytes() == other.len_bytes())
}

#[test]
fn ext4() -> Result<()> {
    a_cut_is_an_error(1, "ext4-cut", open_ext4)
}

#[test]
fn fat() -> Result<()> {
    a_cut_is_an_error(15, "fat-cut", open_fat)
}
