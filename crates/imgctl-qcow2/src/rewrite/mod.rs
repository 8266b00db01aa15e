//! Packs a disk into a new image: free clusters dropped, untouched streams copied, the rest compressed in parallel.
//!
//! One thread walks the disk in order, hands out work, and places the results in order; that makes the bytes of the
//! output the same for any number of threads. The others read and compress, and read back what was placed.

mod options;
mod plan;
mod raw;
mod streams;
mod verify;
mod worker;

pub use options::{Compat, Compression, RewriteOptions, Untouched};
pub use raw::{RawOptions, RawStats, patch_raw, write_raw};

use crate::format::address::Geometry;
use crate::writer::{self, Form, ImageWriter};
use crate::{Codec, Error, Qcow2Image, Result};
use crossbeam_channel::{Receiver, Sender, unbounded};
use imgctl_block::{BlockRead, DirtyRange};
use options::check_options;
use plan::{Action, Mode, Plan};
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::Ordering;
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

/// What became of the clusters.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RewriteStats {
    /// Clusters whose stream was copied from the base.
    pub copied: u64,
    /// Plain clusters of the base that stayed as they were.
    pub kept: u64,
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
                Kind::Kept { .. } => self.kept += 1,
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
    let geometry = check_options(source, options)?;
    let codec = options.compression.codec();
    let mode = Mode::of(options);
    let source = Source {
        base: options.untouched.base(source.base, mode == Mode::Thin),
        ..*source
    };
    let plan = || Plan::new(&source, geometry, codec, mode);
    let mut reserve = plan().reserve()?;
    let total = reserve.clusters * geometry.cluster_bytes();
    if source.base.is_none() && mode == Mode::Whole {
        reserve = plan().reserve_by_content()?;
    }
    let form = form(&source, options, geometry);
    let (work_sender, work) = unbounded();
    let (report, reports) = unbounded();
    let threads = options.threads.clamp(1, 256);
    std::thread::scope(|scope| {
        for number in 0..threads {
            let (work, report) = (work.clone(), report.clone());
            let mut worker = Worker::new(&source, file, options);
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

/// What the image is to be, as far as it does not depend on the content.
fn form(source: &Source<'_>, options: &RewriteOptions<'_>, geometry: Geometry) -> Form {
    let kept = match options.untouched {
        Untouched::AsTheyAre { .. } => source.base,
        _ => None,
    };
    Form {
        geometry,
        virtual_bytes: source.content.len_bytes().next_multiple_of(512),
        // What has no compressed cluster yet may get some.
        codec: kept.map_or(options.compression.codec().unwrap_or(Codec::Zlib), Qcow2Image::codec),
        version: match options.compat {
            Compat::V2 => 2,
            Compat::V3 => 3,
        },
        lazy_refcounts: kept.is_some_and(Qcow2Image::has_lazy_refcounts),
        backing: options.backing.clone(),
    }
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
        let over_backing = self.options.backing.is_some();
        // Version 2 has no zero flag.
        let zeros = match self.options.compat {
            Compat::V2 if over_backing => vec![0; self.options.cluster_bytes as usize],
            _ => Vec::new(),
        };
        let mut places = Vec::with_capacity(made.clusters.len());
        let mut compare = false;
        for payload in &made.clusters {
            let bytes = made.bytes(payload);
            let stored = match payload.kind {
                // Without a backing file, nothing stored reads as zeros.
                Kind::Zero if !over_backing => {
                    places.push(0);
                    continue;
                }
                Kind::Zero if zeros.is_empty() => writer::Payload::Zero,
                Kind::Zero => writer::Payload::Plain(&zeros),
                Kind::Kept { .. } => writer::Payload::PlainLater,
                Kind::Plain => writer::Payload::Plain(bytes),
                Kind::Encoded(_) | Kind::Copied(_) => writer::Payload::Stream(bytes),
            };
            compare |= matches!(payload.kind, Kind::Plain | Kind::Encoded(_) | Kind::Kept { .. });
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
