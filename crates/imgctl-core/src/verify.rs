//! The result, read back before it is published: by our own engines opened anew, and by a second reader where there
//! is one.

use crate::disk::{Disk, MountPoint};
use crate::guest::{Change, Snapshot};
use crate::receipt::VerifierRecord;
use crate::{Error, ErrorKind, Result};
use ext4_view::{Ext4, Ext4Error, Ext4Read, FileType};
use imgctl_block::BlockRead;
use imgctl_vfs::{FileKind, GuestPath, Tree};
use sha2::{Digest, Sha256};

const PIECE_BYTES: usize = 1 << 18;

/// A partition as ext4-view wants to read it.
struct Device<D>(D);

impl<D: BlockRead> Ext4Read for Device<D> {
    fn read(
        &mut self,
        start_byte: u64,
        dst: &mut [u8],
    ) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.read_at(start_byte, dst)?)
    }
}

/// Says that our own engines, opened anew, read every changed path.
pub(crate) fn own_reading(mounts: &[MountPoint], changes: &[Change]) -> Vec<VerifierRecord> {
    let count = |mount| {
        changes
            .iter()
            .filter(|change| owner(mounts, &change.path) == Some(mount))
            .count()
    };
    let records = mounts.iter().map(|mount| VerifierRecord {
        mount: mount.path.to_string(),
        reader: "imgctl".to_owned(),
        paths: count(mount) as u64,
        note: None,
    });
    records.filter(|record| record.paths > 0).collect()
}

/// Has ext4-view read every changed path of each ext4 filesystem, and compares what it sees with `changes`, which our
/// own engine read back.
pub(crate) fn second_opinion(
    disk: &Disk,
    tree: &Tree,
    mounts: &[MountPoint],
    changes: &[Change],
) -> Result<Vec<VerifierRecord>> {
    let mut records = Vec::new();
    for mount in mounts.iter().filter(|mount| mount.kind.is_ext()) {
        let below: Vec<&Change> = changes
            .iter()
            .filter(|change| owner(mounts, &change.path) == Some(mount))
            .collect();
        if below.is_empty() {
            continue;
        }
        let mut record = VerifierRecord {
            mount: mount.path.to_string(),
            reader: "ext4-view".to_owned(),
            paths: 0,
            note: None,
        };
        match Ext4::load(Box::new(Device(disk.device(&mount.partition)?))) {
            Ok(fs) => {
                let mut skipped = 0_u64;
                for change in below {
                    match compare(&fs, mount, change) {
                        Ok(()) => record.paths += 1,
                        Err(_) if has_unreadable_time(tree, &change.path) => skipped += 1,
                        Err(error) => return Err(error),
                    }
                }
                record.note = (skipped > 0).then(|| {
                    format!("{skipped} paths have times before 1970 or from 2038 to 2106, which it takes for damage")
                });
            }
            Err(Ext4Error::Incompatible(reason)) => {
                record.note = Some(format!("it does not read this filesystem: {reason}"));
            }
            Err(source) => return Err(refuted(mount, &mount.path, "it cannot open the filesystem").with_source(source)),
        }
        records.push(record);
    }
    Ok(records)
}

/// The innermost mount that `path` is below.
fn owner<'a>(mounts: &'a [MountPoint], path: &GuestPath) -> Option<&'a MountPoint> {
    let above = mounts.iter().filter(|mount| path.is_within(&mount.path));
    above.max_by_key(|mount| mount.path.components().count())
}

fn compare(fs: &Ext4, mount: &MountPoint, change: &Change) -> Result<()> {
    let inner = inner_path(mount, &change.path);
    let failed = |source: Ext4Error| refuted(mount, &change.path, "it cannot read the file").with_source(source);
    let metadata = match (fs.symlink_metadata(inner.as_slice()), &change.after) {
        (Err(Ext4Error::NotFound | Ext4Error::NotADirectory), None) => return Ok(()),
        (Err(error), _) => return Err(failed(error)),
        (Ok(_), None) if is_behind_symlink(fs, &inner) => return Ok(()),
        (Ok(_), None) => return Err(refuted(mount, &change.path, "it still finds the file")),
        (Ok(metadata), Some(_)) => metadata,
    };
    let Some(after) = &change.after else {
        return Ok(());
    };
    let kind = metadata.file_type();
    let modified = metadata.modified();
    let seen = (
        metadata.mode() & 0o7777,
        metadata.uid(),
        metadata.gid(),
        modified.seconds(),
        modified.nanoseconds(),
    );
    let expected = (
        after.mode,
        after.uid,
        after.gid,
        after.modified.seconds,
        after.modified.nanoseconds,
    );
    if seen != expected || !same_kind(kind, after.kind) {
        return Err(refuted(
            mount,
            &change.path,
            "it sees another type, mode, owner or time",
        ));
    }
    match after.kind {
        FileKind::File => compare_content(fs, &inner, after).map_err(failed)?,
        FileKind::Symlink => {
            let target = fs.read_link(inner.as_slice()).map_err(failed)?;
            Some(target.as_ref()) == after.target.as_deref()
        }
        _ => true,
    }
    .then_some(())
    .ok_or_else(|| refuted(mount, &change.path, "it sees other content"))
}

fn compare_content(fs: &Ext4, inner: &[u8], after: &Snapshot) -> std::result::Result<bool, Ext4Error> {
    let mut file = fs.open(inner)?;
    let mut digest = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read_bytes(&mut piece)? {
            0 => break,
            length => digest.update(&piece[..length]),
        }
    }
    Ok(after.has_content(&digest.finalize().into()))
}

/// Whether a node at or above `path` has a time whose lowest 32 bits are negative; ext4-view refuses such inodes.
fn has_unreadable_time(tree: &Tree, path: &GuestPath) -> bool {
    let above = std::iter::successors(Some(path.clone()), GuestPath::parent);
    let nodes = above.filter_map(|path| tree.find_link(&path).ok().flatten());
    let mut metadata = nodes.filter_map(|found| tree.metadata(found.node).ok());
    metadata.any(|metadata| {
        let times = [
            Some(metadata.accessed),
            Some(metadata.modified),
            Some(metadata.changed),
            metadata.created,
        ];
        times.into_iter().flatten().any(|time| time.seconds & 0x8000_0000 != 0)
    })
}

/// Whether a folder above `inner` is a symbolic link by now, so that what is found there is somewhere else.
fn is_behind_symlink(fs: &Ext4, inner: &[u8]) -> bool {
    let slashes = (1..inner.len()).filter(|at| inner.get(*at) == Some(&b'/'));
    let mut above = slashes.filter_map(|at| inner.get(..at));
    above.any(|folder| fs.symlink_metadata(folder).is_ok_and(|metadata| metadata.is_symlink()))
}

/// The path as the filesystem itself knows it.
fn inner_path(mount: &MountPoint, path: &GuestPath) -> Vec<u8> {
    let inner = path.components().skip(mount.path.components().count());
    inner
        .fold(GuestPath::root(), |path, name| path.join(name))
        .as_bytes()
        .to_vec()
}

fn same_kind(seen: FileType, expected: FileKind) -> bool {
    match expected {
        FileKind::File => seen == FileType::Regular,
        FileKind::Directory => seen == FileType::Directory,
        FileKind::Symlink => seen == FileType::Symlink,
        FileKind::CharDevice(..) => seen == FileType::CharacterDevice,
        FileKind::BlockDevice(..) => seen == FileType::BlockDevice,
        FileKind::Fifo => seen == FileType::Fifo,
        FileKind::Socket => seen == FileType::Socket,
    }
}

fn refuted(mount: &MountPoint, path: &GuestPath, what: &str) -> Error {
    Error::new(
        ErrorKind::Verify,
        format!("ext4-view disagrees about {path} on {}: {what}", mount.path),
    )
    .with_hint("this is a bug in imgctl; nothing was published. Please report it with the recipe")
}
