//! Packs a disk into a new image: free clusters dropped, untouched streams copied, the rest compressed in parallel.
//!
//! One thread walks the disk in order, hands out work, and places the results in order; that makes the bytes of the
//! output the same for any number of threads. The others read and compress, and read back what was placed.

mod plan;
mod raw;
mod streams;
mod verify;
mod worker;

pub use raw::{RawOptions, RawStats, write_raw};

use crate::format::address::Geometry;
use crate::writer::{self, Form, ImageWriter};
use crate::{BackingFile, Codec, Error, Qcow2Image, Result};
use crossbeam_channel::{Receiver, Sender, unbounded};
use imgctl_block::{BlockRead, DirtyRange};
use plan::{Action, Plan};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use worker::{Kind, Made, Work, Worker};

/// What is packed.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The guest's disk as it is to be.
    pub content: &'a dyn BlockRead,
    /// The image that `content` began as. Where nothing is dirty, both hold the same bytes.
    pub base: Option<&'a Qcow2Image>,
    /// Where `content` differs from `base`: in order, not overlapping. Meaningless without a base or a backing file.
    pub dirty: &'a [DirtyRange],
    /// Bytes of the disk that nobody uses: in order, merged. Clusters wholly within are left out. Elsewhere they are
    /// kept as they are, so what was freed on purpose must read as zeros already.
    pub free: &'a [Range<u64>],
}

/// How clusters are compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// Not at all.
    None,
    /// zlib, at a level from 1 to 9.
    Zlib(u32),
    /// zstd, at a level from 1 to 19.
    Zstd(u32),
}

impl Compression {
    /// The codec, if there is one.
    #[must_use]
    pub fn codec(self) -> Option<Codec> {
        match self {
            Self::None => None,
            Self::Zlib(_) => Some(Codec::Zlib),
            Self::Zstd(_) => Some(Codec::Zstd),
        }
    }

    fn level(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Zlib(level) | Self::Zstd(level) => level,
        }
    }
}

/// Which readers an image is for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Compat {
    /// Version 2: qemu before 1.1 too.
    V2,
    /// Version 3: qemu 1.1 (2012) and later.
    #[default]
    V3,
}

/// What the image is to be.
#[derive(Clone)]
pub struct RewriteOptions<'a> {
    /// How clusters are compressed.
    pub compression: Compression,
    /// The cluster size: a power of two from 512 B to 2 MiB.
    pub cluster_bytes: u64,
    /// The version of the format. Version 2 has neither zstd nor overlays with zero clusters.
    pub compat: Compat,
    /// How many threads compress; at least 1 does.
    pub threads: usize,
    /// Makes an overlay: only dirty clusters are written, the rest stays with this file, which must hold what
    /// [`Source::content`] holds wherever nothing is dirty.
    pub backing: Option<BackingFile>,
    /// Whether untouched compressed clusters of the base are copied as they are, where size and codec agree.
    pub passthrough: bool,
    /// Called with the bytes of the guest's disk that are done and those that will be, from one thread.
    pub progress: Option<&'a (dyn Fn(u64, u64) + Sync)>,
    /// Stops the work with [`Error::Cancelled`] soon after it becomes true.
    pub cancel: Option<&'a AtomicBool>,
}

impl Default for RewriteOptions<'_> {
    fn default() -> Self {
        Self {
            compression: Compression::Zlib(6),
            cluster_bytes: 64 << 10,
            compat: Compat::V3,
            threads: 1,
            backing: None,
            passthrough: true,
            progress: None,
            cancel: None,
        }
    }
}

impl fmt::Debug for RewriteOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RewriteOptions")
            .field("compression", &self.compression)
            .field("cluster_bytes", &self.cluster_bytes)
            .field("compat", &self.compat)
            .field("threads", &self.threads)
            .field("backing", &self.backing)
            .field("passthrough", &self.passthrough)
            .finish_non_exhaustive()
    }
}

/// What became of the clusters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RewriteStats {
    /// Clusters whose stream was copied from the base.
    pub copied: u64,
    /// Clusters compressed anew.
    pub compressed: u64,
    /// Clusters stored as they are, because that is smaller or was asked for.
    pub plain: u64,
    /// Clusters with data that were left out because nobody uses them.
    pub dropped_free: u64,
    /// Clusters that were read, or known to have become, all zeros.
    pub zero: u64,
    /// The bytes of copied streams.
    pub copied_bytes: u64,
    /// The bytes of streams compressed anew.
    pub compressed_bytes: u64,
    /// The length of the image file.
    pub file_bytes: u64,
}

impl RewriteStats {
    fn add(&mut self, made: &Made) {
        for payload in &made.clusters {
            let bytes = made.bytes(payload).len() as u64;
            match payload.kind {
                Kind::Zero => self.zero += 1,
                Kind::Plain => self.plain += 1,
                Kind::Encoded(_) => {
                    self.compressed += 1;
                    self.compressed_bytes += bytes;
                }
                Kind::Copied(_) => {
                    self.copied += 1;
                    self.copied_bytes += bytes;
                }
            }
        }
    }
}

/// Writes a qcow2 image of `source` to `file`, which must be empty (a block device: all zeros) and open for reading too.
///
/// The same source and options give the same bytes for any number of threads; without a base, the same content and free
/// ranges do, whatever the source calls a hole. Before this returns, the image's tables
/// and every cluster that was not copied have been read back and compared. The file is neither synced nor renamed.
pub fn rewrite(source: &Source<'_>, file: &File, options: &RewriteOptions<'_>) -> Result<RewriteStats> {
    let geometry = check_options(options)?;
    let codec = options.compression.codec();
    let thin = options.backing.is_some();
    let source = Source {
        base: source.base.filter(|_| options.passthrough && !thin),
        ..*source
    };
    let plan = || Plan::new(&source, geometry, codec, thin);
    let mut reserve = plan().reserve()?;
    let total = reserve.clusters * geometry.cluster_bytes();
    if source.base.is_none() && !thin {
        reserve = plan().reserve_by_content()?;
    }
    let form = Form {
        geometry,
        virtual_bytes: source.content.len_bytes().next_multiple_of(512),
        codec: codec.unwrap_or(Codec::Zlib),
        version: match options.compat {
            Compat::V2 => 2,
            Compat::V3 => 3,
        },
        backing: options.backing.clone(),
    };
    let (work_sender, work) = unbounded();
    let (report, reports) = unbounded();
    let threads = options.threads.clamp(1, 256);
    std::thread::scope(|scope| {
        for number in 0..threads {
            let (work, report) = (work.clone(), report.clone());
            let mut worker = Worker::new(&source, file, geometry.cluster_bytes(), options.compression);
            let serving = move || serve(&mut worker, &work, &report);
            match std::thread::Builder::new().spawn_scoped(scope, serving) {
                // One does all the work as well, if more slowly.
                Err(source) if number == 0 => return Err(Error::Thread { source }),
                _ => {}
            }
        }
        let placing = Placing {
            plan: plan(),
            writer: ImageWriter::create(file, form, reserve)?,
            options,
            work: work_sender,
            reports,
            limit: 3 * threads + 2,
            waiting: BTreeMap::new(),
            stats: RewriteStats::default(),
            total,
            done: 0,
        };
        placing.run(file)
    })
}

fn check_options(options: &RewriteOptions<'_>) -> Result<Geometry> {
    let bits = options.cluster_bytes.trailing_zeros();
    let geometry = Geometry::new(bits, false).filter(|geometry| geometry.cluster_bytes() == options.cluster_bytes);
    let geometry = geometry.ok_or_else(|| Error::InvalidOption {
        what: "a cluster size",
        value: format!("{} bytes", options.cluster_bytes),
        remedy: "it must be a power of two from 512 to 2097152",
    })?;
    let level = options.compression.level();
    let levels = options.compression.codec().map_or(0..=0, |codec| 1..=codec.max_level());
    if !levels.contains(&level) {
        return Err(Error::InvalidOption {
            what: "a compression level",
            value: level.to_string(),
            remedy: "zlib has 1 to 9, zstd has 1 to 19",
        });
    }
    if options.compat == Compat::V2 {
        let needs_version_3 = |what: &str| Error::InvalidOption {
            what: "compat 0.10",
            value: what.to_owned(),
            remedy: "it needs compat 1.1",
        };
        if options.compression.codec() == Some(Codec::Zstd) {
            return Err(needs_version_3("an image compressed with zstd"));
        }
        if options.backing.is_some() {
            return Err(needs_version_3("an image that holds only the changes"));
        }
    }
    Ok(geometry)
}

/// What a worker reports.
enum Report {
    Made {
        sequence: u64,
        made: Result<Made>,
    },
    Compared(Result<()>),
    /// A worker ended before its time, which only a bug does.
    Lost,
}

/// Says so if its thread panics, so that nobody waits for it.
struct LastWords<'a>(&'a Sender<Report>);

impl Drop for LastWords<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.send(Report::Lost);
        }
    }
}

/// Works until there will be no more work. Reports that nobody waits for any more are lost on purpose.
fn serve(worker: &mut Worker<'_>, work: &Receiver<Work>, report: &Sender<Report>) {
    let _last_words = LastWords(report);
    for work in work {
        let _ = report.send(match work {
            Work::Make { sequence, run } => Report::Made {
                sequence,
                made: worker.make(run),
            },
            Work::Compare(made, places) => Report::Compared(worker.compare(made, &places)),
        });
    }
}

/// The ordered placement. Dropping it ends the workers.
struct Placing<'a> {
    plan: Plan<'a>,
    writer: ImageWriter<'a>,
    options: &'a RewriteOptions<'a>,
    work: Sender<Work>,
    reports: Receiver<Report>,
    /// How many pieces of work may be under way: what bounds the memory.
    limit: usize,
    /// Results whose turn has not come.
    waiting: BTreeMap<u64, Result<Made>>,
    stats: RewriteStats,
    total: u64,
    done: u64,
}

impl Placing<'_> {
    fn run(mut self, file: &File) -> Result<RewriteStats> {
        let mut sent = 0;
        let mut placed = 0;
        let mut under_way = 0;
        let mut more = true;
        loop {
            self.check_cancelled()?;
            while more && under_way < self.limit {
                match self.plan.next_run()? {
                    None => more = false,
                    Some(run) if run.action == Action::Zero => {
                        self.waiting.insert(sent, Ok(Made::zeros(run)));
                        under_way += 1;
                        sent += 1;
                    }
                    Some(run) => {
                        self.send(Work::Make { sequence: sent, run })?;
                        under_way += 1;
                        sent += 1;
                    }
                }
            }
            while let Some(made) = self.waiting.remove(&placed) {
                if !self.place(made?)? {
                    under_way -= 1;
                }
                placed += 1;
            }
            if under_way == 0 {
                if more {
                    continue;
                }
                break;
            }
            if more && under_way < self.limit {
                continue;
            }
            match self.reports.recv() {
                Ok(Report::Made { sequence, made }) => {
                    self.waiting.insert(sequence, made);
                }
                Ok(Report::Compared(compared)) => {
                    compared?;
                    under_way -= 1;
                }
                Ok(Report::Lost) | Err(_) => return Err(lost()),
            }
        }
        self.stats.dropped_free = self.plan.dropped;
        let written = self.writer.finish()?;
        verify::tables(file, &written)?;
        self.stats.file_bytes = written.file_bytes;
        Ok(self.stats)
    }

    /// Places a run's payloads. Returns whether they are being compared now.
    fn place(&mut self, made: Made) -> Result<bool> {
        let thin = self.options.backing.is_some();
        let mut places = Vec::with_capacity(made.clusters.len());
        let mut compare = false;
        for payload in &made.clusters {
            let bytes = made.bytes(payload);
            let stored = match payload.kind {
                // Without a backing file, nothing stored reads as zeros.
                Kind::Zero if !thin => {
                    places.push(0);
                    continue;
                }
                Kind::Zero => writer::Payload::Zero,
                Kind::Plain => writer::Payload::Plain(bytes),
                Kind::Encoded(_) | Kind::Copied(_) => writer::Payload::Stream(bytes),
            };
            compare |= matches!(payload.kind, Kind::Plain | Kind::Encoded(_));
            places.push(self.writer.place(payload.guest, stored)?);
        }
        self.stats.add(&made);
        self.done += made.clusters.len() as u64 * self.options.cluster_bytes;
        if let Some(progress) = self.options.progress {
            progress(self.done, self.total);
        }
        if compare {
            self.writer.flush()?;
            self.send(Work::Compare(made, places))?;
        }
        Ok(compare)
    }

    fn send(&self, work: Work) -> Result<()> {
        self.work.send(work).map_err(|_| lost())
    }

    fn check_cancelled(&self) -> Result<()> {
        match self.options.cancel {
            Some(cancel) if cancel.load(Ordering::Relaxed) => Err(Error::Cancelled),
            _ => Ok(()),
        }
    }
}

/// The panic that made it so ends the whole scope, so this error is not seen.
fn lost() -> Error {
    Error::Cancelled
}
