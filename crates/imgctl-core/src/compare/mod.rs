//! Whether two images hold the same disk, and if not, what the first difference belongs to.

mod locate;

use crate::image::BaseImage;
use crate::stages::cancelled;
use crate::{Error, ErrorKind, Event, InputOptions, Result, Stage};
use crossbeam_channel::bounded;
use imgctl_block::{BlockRead, ExtentKind};
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many bytes are compared in one piece.
const PIECE_BYTES: u64 = 1 << 20;

/// What [`compare`] does.
#[derive(Clone, Debug)]
pub struct CompareOptions {
    /// The two images.
    pub images: [PathBuf; 2],
    /// How each is opened.
    pub inputs: [InputOptions; 2],
    /// Disks of different length differ. Otherwise the shorter one counts as followed by zeros.
    pub strict: bool,
    /// Worker threads; `None`: one per processor.
    pub threads: Option<NonZeroUsize>,
    /// Set it to end the run early.
    pub cancel: Arc<AtomicBool>,
}

/// The result.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Whether the guest sees the same.
    pub equal: bool,
    /// The lengths of the disks.
    pub virtual_bytes: [u64; 2],
    /// The first difference; `None` when there is none, or only the lengths differ.
    pub first_difference: Option<Difference>,
}

/// Where the first difference is.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Its offset on the disk.
    pub offset: u64,
    /// The partition it lies in, by the first image's table; 0 for a disk without a table.
    pub partition: Option<u32>,
    /// Its offset in that partition.
    pub partition_offset: Option<u64>,
    /// What it belongs to: a file, a directory, free space, the partition table, as far as that is known.
    pub place: Option<String>,
    /// The path of the file or directory, from the root of its filesystem.
    pub path: Option<String>,
}

/// Compares the disks of two images as their guests see them.
pub fn compare(options: &CompareOptions, on_event: &(dyn Fn(Event) + Sync)) -> Result<Comparison> {
    on_event(Event::Stage(Stage::Open));
    let open = |number: usize| BaseImage::open(&options.images[number], &options.inputs[number]);
    let (one, other) = (open(0)?, open(1)?);
    let disks = [one.disk.device(), other.disk.device()];
    let virtual_bytes = [disks[0].len_bytes(), disks[1].len_bytes()];
    on_event(Event::Stage(Stage::Compare));
    let search = Search {
        disks: [&*disks[0], &*disks[1]],
        total: virtual_bytes[0].max(virtual_bytes[1]),
        first: AtomicU64::new(u64::MAX),
        failure: Mutex::new(None),
        cancel: &options.cancel,
        on_event,
    };
    let only_length = options.strict && virtual_bytes[0] != virtual_bytes[1];
    let found = search.run(options)?;
    one.check_unchanged()?;
    other.check_unchanged()?;
    Ok(Comparison {
        equal: found.is_none() && !only_length,
        virtual_bytes,
        first_difference: found.map(|offset| {
            let [one, other] = disks;
            locate::locate(one, other, offset)
        }),
    })
}

/// The search for the first difference.
struct Search<'a> {
    disks: [&'a dyn BlockRead; 2],
    total: u64,
    /// The lowest offset found so far.
    first: AtomicU64,
    /// The failure at the lowest offset.
    failure: Mutex<Option<(u64, Error)>>,
    cancel: &'a AtomicBool,
    on_event: &'a (dyn Fn(Event) + Sync),
}

impl Search<'_> {
    fn run(&self, options: &CompareOptions) -> Result<Option<u64>> {
        let threads = options
            .threads
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get)
            .min(256);
        let (sender, pieces) = bounded::<(u64, u64)>(2 * threads);
        let walked = std::thread::scope(move |scope| {
            for _ in 0..threads {
                let pieces = pieces.clone();
                scope.spawn(move || {
                    for (offset, length) in pieces {
                        if offset < self.first.load(Ordering::Relaxed)
                            && let Err(error) = self.compare_piece(offset, length)
                        {
                            self.fail(offset, error);
                        }
                    }
                });
            }
            drop(pieces);
            // Dropped at the end of this scope, which is what ends the workers.
            let sender = sender;
            self.walk(&|offset, length| sender.send((offset, length)).is_ok())
        });
        let first = self.first.load(Ordering::Relaxed);
        if let Err((offset, error)) = walked {
            self.fail(offset, error);
        }
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        match failure {
            // What cannot be read behind the first difference does not matter.
            Some((offset, error)) if offset < first || error.kind() == ErrorKind::Cancelled => Err(error),
            _ => Ok((first != u64::MAX).then_some(first)),
        }
    }

    fn fail(&self, offset: u64, error: Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.as_ref().is_none_or(|(found, _)| offset < *found) {
            *failure = Some((offset, error));
        }
    }

    /// Hands out everything that is not a hole in both.
    fn walk(&self, hand_out: &dyn Fn(u64, u64) -> bool) -> std::result::Result<(), (u64, Error)> {
        let mut offset = 0;
        while offset < self.total {
            if self.cancel.load(Ordering::Relaxed) {
                return Err((0, cancelled()));
            }
            let failed = self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some();
            if failed || offset >= self.first.load(Ordering::Relaxed) {
                break;
            }
            let mut length = self.total - offset;
            let mut holes = 0;
            for number in 0..2 {
                let disk = self.disks[number];
                if offset >= disk.len_bytes() {
                    holes += 1;
                    continue;
                }
                let extent = disk.extent_at(offset).map_err(|source| (offset, unreadable(source)))?;
                holes += u32::from(extent.kind == ExtentKind::Hole);
                length = length.min(extent.length);
            }
            if holes < 2 {
                length = length.min(PIECE_BYTES - offset % PIECE_BYTES);
                if !hand_out(offset, length) {
                    break;
                }
            }
            offset += length;
            (self.on_event)(Event::Progress {
                stage: Stage::Compare,
                done: offset,
                total: self.total,
            });
        }
        Ok(())
    }

    fn compare_piece(&self, offset: u64, length: u64) -> Result<()> {
        let read = |disk: &dyn BlockRead| {
            let mut bytes = vec![0; length as usize];
            let available = disk.len_bytes().saturating_sub(offset).min(length) as usize;
            if available > 0 {
                disk.read_at(offset, &mut bytes[..available]).map_err(unreadable)?;
            }
            Ok::<_, Error>(bytes)
        };
        let (one, other) = (read(self.disks[0])?, read(self.disks[1])?);
        if one != other {
            let at = one.iter().zip(&other).position(|(one, other)| one != other);
            self.first.fetch_min(offset + at.unwrap_or(0) as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn unreadable(source: imgctl_block::Error) -> Error {
    let kind = match source {
        imgctl_block::Error::Damaged { .. } => ErrorKind::Image,
        _ => ErrorKind::Other,
    };
    Error::new(kind, "cannot read the disk of an image").with_source(source)
}
