//! The guest's files piece by piece, for a machine without FUSE: just what would be served.

use super::{GuestFs, READ_BYTES, Target};
use crate::wire::{Piece, PieceNode};
use fuser::{Errno, FileAttr, FileType, INodeNo};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of one message, about.
const BATCH_BYTES: usize = 1 << 20;

/// What sends pieces on.
pub(crate) type Send<'a> = &'a mut dyn FnMut(Vec<Piece>) -> io::Result<()>;

struct Batch<'a> {
    send: Send<'a>,
    pieces: Vec<Piece>,
    bytes: usize,
}

impl Batch<'_> {
    fn add(&mut self, piece: Piece) -> io::Result<()> {
        self.bytes += match &piece {
            Piece::Content(content) => content.len(),
            Piece::Node(node) => node.path.len() + 200,
            Piece::Hole(_) => 10,
        };
        self.pieces.push(piece);
        match self.bytes >= BATCH_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.bytes = 0;
        (self.send)(std::mem::take(&mut self.pieces))
    }
}

impl GuestFs {
    /// Sends everything, parents first.
    pub(crate) fn extract(&self, send: Send<'_>) -> io::Result<()> {
        let mut batch = Batch {
            send,
            pieces: Vec::new(),
            bytes: 0,
        };
        let mut pending = vec![(b"/".to_vec(), Target::Node(self.tree.root().node))];
        let (mut folders, mut names) = (BTreeSet::new(), BTreeMap::new());
        while let Some((path, target)) = pending.pop() {
            let attr = self.attributes(target).map_err(io_error)?;
            if attr.kind == FileType::Directory {
                if !folders.insert(attr.ino.0) {
                    return Err(io::Error::other("a directory has more than one name"));
                }
                let entries = self.list(attr.ino).map_err(io_error)?;
                let below = |name: Vec<u8>| [path.strip_suffix(b"/").unwrap_or(&path), b"/", &name].concat();
                pending.extend(entries.into_iter().rev().map(|(name, target)| (below(name), target)));
            }
            let first = match attr.nlink > 1 && attr.kind != FileType::Directory {
                true => names.insert(attr.ino.0, path.clone()),
                false => None,
            };
            let is_link = first.is_some();
            if let Some(first) = &first {
                names.insert(attr.ino.0, first.clone());
            }
            batch.add(Piece::Node(self.piece(path, target, &attr, first)?))?;
            if attr.kind == FileType::RegularFile && !is_link {
                self.content(attr.ino, attr.size, &mut batch)?;
            }
        }
        batch.flush()
    }

    fn piece(&self, path: Vec<u8>, target: Target, attr: &FileAttr, same_as: Option<Vec<u8>>) -> io::Result<PieceNode> {
        let mut xattrs = Vec::new();
        let link = match (attr.kind, target) {
            (FileType::Symlink, Target::Node(node)) => {
                let link = self.tree.fs(node).read_link(node.node);
                link.map_err(|error| io_error(self.failed(&error)))?
            }
            _ => Vec::new(),
        };
        if matches!(attr.kind, FileType::RegularFile | FileType::Directory) {
            let names = self.attribute_names(attr.ino).map_err(io_error)?;
            for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
                let value = self.attribute(attr.ino, name).map_err(io_error)?;
                xattrs.push((name.to_vec(), value));
            }
        }
        let (seconds, nanoseconds) = since_epoch(attr.mtime);
        Ok(PieceNode {
            path,
            kind: match attr.kind {
                FileType::RegularFile => b'f',
                FileType::Directory => b'd',
                FileType::Symlink => b'l',
                FileType::NamedPipe => b'p',
                FileType::Socket => b's',
                FileType::CharDevice | FileType::BlockDevice => b'b',
            },
            mode: u32::from(attr.perm),
            uid: attr.uid,
            gid: attr.gid,
            seconds,
            nanoseconds,
            target: link,
            xattrs,
            same_as,
        })
    }

    fn content(&self, number: INodeNo, size: u64, batch: &mut Batch<'_>) -> io::Result<()> {
        let mut offset = 0;
        while offset < size {
            let bytes = self.read_file(number, offset, READ_BYTES).map_err(io_error)?;
            if bytes.is_empty() {
                break;
            }
            offset += bytes.len() as u64;
            batch.add(match bytes.iter().all(|byte| *byte == 0) {
                true => Piece::Hole(bytes.len() as u64),
                false => Piece::Content(bytes),
            })?;
        }
        Ok(())
    }
}

fn io_error(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.code())
}

fn since_epoch(time: SystemTime) -> (i64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (i64::try_from(after.as_secs()).unwrap_or(i64::MAX), after.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX).wrapping_neg();
            match before.subsec_nanos() {
                0 => (seconds, 0),
                nanoseconds => (seconds - 1, 1_000_000_000 - nanoseconds),
            }
        }
    }
}
