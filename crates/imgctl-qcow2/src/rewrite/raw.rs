//! A raw, sparse file of a disk.

use crate::rewrite::Source;
use crate::rewrite::worker::is_zero;
use crate::writer::set_length;
use crate::{Error, Result};
use imgctl_block::ExtentKind;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Runs of zeros are left out in this unit.
const PAGE_BYTES: usize = 4096;
/// What one thread reads at once.
const CHUNK_BYTES: u64 = 1 << 20;

/// How a raw file is written.
#[derive(Clone, Default)]
pub struct RawOptions<'a> {
    /// How many threads read; at least 1 does.
    pub threads: usize,
    /// Called with the bytes that are done and those that there are, from any of the threads.
    pub progress: Option<&'a (dyn Fn(u64, u64) + Sync)>,
    /// Stops the work with [`Error::Cancelled`] soon after it becomes true.
    pub cancel: Option<&'a AtomicBool>,
}

impl fmt::Debug for RawOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawOptions")
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RawStats {
    /// The length of the file.
    pub file_bytes: u64,
    /// The bytes that are stored; the rest are holes.
    pub stored_bytes: u64,
}

/// Writes the disk to `file`, which must be empty (a block device: all zeros) and open for reading too: a sparse file without the pages that are
/// free or all zeros. What was written has been read back and compared when this returns.
pub fn write_raw(source: &Source<'_>, file: &File, options: &RawOptions<'_>) -> Result<RawStats> {
    let total = source.content.len_bytes();
    set_length(file, total)?;
    let shared = Shared {
        source,
        file,
        options,
        next: AtomicU64::new(0),
        done: AtomicU64::new(0),
        stored: AtomicU64::new(0),
        failure: Mutex::new(None),
    };
    std::thread::scope(|scope| {
        for _ in 1..options.threads.clamp(1, 256) {
            // A thread that cannot be started leaves its work to the others.
            drop(std::thread::Builder::new().spawn_scoped(scope, || shared.work()));
        }
        shared.work();
    });
    let failure = shared.failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    match failure {
        Some((_, error)) => Err(error),
        None => Ok(RawStats {
            file_bytes: total,
            stored_bytes: shared.stored.into_inner(),
        }),
    }
}

/// Writes a copy of the raw image `base` to `file`, which must be empty and open for reading too, with the source's
/// dirty ranges; whole free pages are cleared. What is not dirty is shared, or copied by the kernel, holes left out.
///
/// What was written has been read back and compared when this returns; what the kernel copied has not.
pub fn patch_raw(source: &Source<'_>, base: &File, file: &File, options: &RawOptions<'_>) -> Result<RawStats> {
    let total = source.content.len_bytes();
    if !imgctl_block::share_file(base, file) {
        copy_whole(base, file, total, options)?;
    }
    let mut stored_bytes = 0;
    for range in source.dirty {
        let end = range.offset + range.length;
        if range.kind == ExtentKind::Hole {
            imgctl_block::clear(file, range.offset, range.length)?;
            continue;
        }
        let mut position = range.offset;
        while position < end {
            let length = CHUNK_BYTES.min(end - position);
            let bytes = source.content.read_vec(position, length as usize)?;
            write_back(file, position, &bytes)?;
            stored_bytes += length;
            position += length;
        }
    }
    for range in source.free {
        let page = PAGE_BYTES as u64;
        let start = range.start.next_multiple_of(page);
        let end = match range.end {
            end if end == total => end,
            end => end / page * page,
        };
        if start < end {
            imgctl_block::clear(file, start, end - start)?;
        }
    }
    if let Some(progress) = options.progress {
        progress(total, total);
    }
    Ok(RawStats {
        file_bytes: total,
        stored_bytes,
    })
}

fn copy_whole(base: &File, file: &File, total: u64, options: &RawOptions<'_>) -> Result<()> {
    const STEP_BYTES: u64 = 64 << 20;
    set_length(file, total)?;
    let mut position = 0;
    while position < total {
        if options.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return Err(Error::Cancelled);
        }
        let length = STEP_BYTES.min(total - position);
        imgctl_block::copy_data(base, position, file, position, length)?;
        position += length;
        if let Some(progress) = options.progress {
            progress(position, total);
        }
    }
    Ok(())
}

/// Writes, and reads back.
fn write_back(file: &File, offset: u64, bytes: &[u8]) -> Result<()> {
    let output = |action| move |source| Error::Output { action, offset, source };
    file.write_all_at(bytes, offset).map_err(output("write"))?;
    let mut found = vec![0; bytes.len()];
    file.read_exact_at(&mut found, offset).map_err(output("read back"))?;
    match found == bytes {
        true => Ok(()),
        false => Err(Error::VerifyFailed {
            what: "the disk",
            offset,
        }),
    }
}

struct Shared<'a> {
    source: &'a Source<'a>,
    file: &'a File,
    options: &'a RawOptions<'a>,
    /// Where the next chunk begins.
    next: AtomicU64,
    done: AtomicU64,
    stored: AtomicU64,
    /// The failure at the lowest offset, and that offset.
    failure: Mutex<Option<(u64, Error)>>,
}

impl Shared<'_> {
    fn work(&self) {
        let total = self.source.content.len_bytes();
        loop {
            let start = self.next.fetch_add(CHUNK_BYTES, Ordering::Relaxed);
            if start >= total {
                return;
            }
            let end = (start + CHUNK_BYTES).min(total);
            let skipped = match self.copy(start, end) {
                Ok(hole_end) => self.skip_to(hole_end),
                Err(error) => {
                    self.fail(start, error);
                    return;
                }
            };
            let now = end - start + skipped;
            let done = self.done.fetch_add(now, Ordering::Relaxed) + now;
            if let Some(progress) = self.options.progress {
                progress(done, total);
            }
        }
    }

    fn fail(&self, start: u64, error: Error) {
        // No new chunks: but those below this one, which others work on, still may fail first.
        self.next.store(u64::MAX - (1 << 40), Ordering::Relaxed);
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.as_ref().is_none_or(|(found, _)| start < *found) {
            *failure = Some((start, error));
        }
    }

    /// Lets nobody look at the chunks that lie wholly before `hole_end`; returns their bytes.
    fn skip_to(&self, hole_end: u64) -> u64 {
        let total = self.source.content.len_bytes();
        let target = match hole_end {
            hole_end if hole_end >= total => total.next_multiple_of(CHUNK_BYTES),
            hole_end => hole_end / CHUNK_BYTES * CHUNK_BYTES,
        };
        let next = self.next.fetch_max(target, Ordering::Relaxed);
        target.min(total).saturating_sub(next)
    }

    /// Copies a chunk; returns where the hole ends that it ends in, else 0.
    fn copy(&self, start: u64, end: u64) -> Result<u64> {
        if self.options.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return Err(Error::Cancelled);
        }
        let mut position = start;
        while position < end {
            let extent = self.source.content.extent_at(position)?;
            if extent.kind == ExtentKind::Hole {
                position += extent.length;
                continue;
            }
            let extent = extent.capped(end - position);
            let bytes = self.source.content.read_vec(position, extent.length as usize)?;
            self.store(position, bytes)?;
            position += extent.length;
            if position >= end {
                return Ok(0);
            }
        }
        Ok(position)
    }

    /// Writes the pages of `bytes` that hold something.
    fn store(&self, offset: u64, mut bytes: Vec<u8>) -> Result<()> {
        self.clear_free_pages(offset, &mut bytes);
        let mut start = 0;
        let mut position = 0;
        while position < bytes.len() {
            // Pages are counted from the disk's start, wherever this extent begins.
            let to_boundary = PAGE_BYTES - (offset as usize + position) % PAGE_BYTES;
            let end = bytes.len().min(position + to_boundary);
            if is_zero(&bytes[position..end]) {
                self.write(offset + start as u64, &bytes[start..position])?;
                start = end;
            }
            position = end;
        }
        self.write(offset + start as u64, &bytes[start..])
    }

    fn clear_free_pages(&self, offset: u64, bytes: &mut [u8]) {
        let end = offset + bytes.len() as u64;
        let page = PAGE_BYTES as u64;
        let free = self.source.free;
        let first = free.partition_point(|range| range.end <= offset);
        for range in free[first..].iter().take_while(|range| range.start < end) {
            let start = range.start.max(offset).next_multiple_of(page);
            let stop = range.end.min(end);
            let stop = if stop == self.source.content.len_bytes() {
                stop
            } else {
                stop / page * page
            };
            if start < stop {
                bytes[(start - offset) as usize..(stop - offset) as usize].fill(0);
            }
        }
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        write_back(self.file, offset, bytes)?;
        self.stored.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}
