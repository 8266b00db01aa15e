//! The work that runs beside the ordered placement: reading, compressing, and reading back.

use crate::codec::{Decoder, Encoder};
use crate::rewrite::plan::{Action, Run};
use crate::rewrite::streams;
use crate::rewrite::{RewriteOptions, Source, Untouched};
use crate::{Cluster, Codec, Error, Qcow2Image, Result};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// A piece of work for whichever thread is free.
#[derive(Debug)]
pub(crate) enum Work {
    /// Make the payloads of a run.
    Make { sequence: u64, run: Run },
    /// Compare what was placed with what it was made from.
    Compare(Made, Vec<u64>),
}

/// The payloads of a run, in order.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) clusters: Vec<Payload>,
    /// The run's content; empty for copied runs.
    raw: Vec<u8>,
    streams: Vec<u8>,
}

/// What is to be stored for one guest cluster.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    pub(crate) guest: u64,
    pub(crate) kind: Kind,
    /// Where its content lies in `raw`; empty for copied streams.
    content: Range<usize>,
}

/// How it is to be stored. The ranges lie in `streams`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Zero,
    Plain,
    /// Copied from the base's file, where it lies at this offset.
    Kept {
        host_offset: u64,
    },
    Encoded(Range<usize>),
    Copied(Range<usize>),
}

impl Made {
    /// Clusters that need nothing but the zero flag.
    pub(crate) fn zeros(run: Run) -> Self {
        let clusters = (run.first..run.first + run.count).map(|guest| Payload {
            guest,
            kind: Kind::Zero,
            content: 0..0,
        });
        Self {
            clusters: clusters.collect(),
            raw: Vec::new(),
            streams: Vec::new(),
        }
    }

    /// The bytes to store for one of the payloads.
    pub(crate) fn bytes(&self, payload: &Payload) -> &[u8] {
        match &payload.kind {
            Kind::Zero | Kind::Kept { .. } => &[],
            Kind::Plain => &self.raw[payload.content.clone()],
            Kind::Encoded(range) | Kind::Copied(range) => &self.streams[range.clone()],
        }
    }
}

/// A thread's tools.
pub(crate) struct Worker<'a> {
    source: &'a Source<'a>,
    output: &'a File,
    /// The base's file, when plain clusters are copied from it.
    base_file: Option<&'a File>,
    cluster_bytes: usize,
    encoder: Option<Encoder>,
    decoder: Decoder,
    /// Buffers of payloads that are done with: the kernel clears fresh ones page by page.
    spare: Vec<Buffers>,
}

/// A run's content and its streams.
#[derive(Debug, Default)]
struct Buffers {
    raw: Vec<u8>,
    streams: Vec<u8>,
}

/// How many spare buffers a worker keeps. What it makes and what it compares are about as many.
const SPARE: usize = 2;

impl<'a> Worker<'a> {
    pub(crate) fn new(source: &'a Source<'a>, output: &'a File, options: &RewriteOptions<'a>) -> Self {
        let codec = options.compression.codec();
        Self {
            source,
            output,
            base_file: match options.untouched {
                Untouched::AsTheyAre { file } => Some(file),
                _ => None,
            },
            cluster_bytes: options.cluster_bytes as usize,
            encoder: codec.map(|codec| Encoder::new(codec, options.compression.level())),
            decoder: Decoder::new(codec.unwrap_or(Codec::Zlib)),
            spare: Vec::new(),
        }
    }

    pub(crate) fn make(&mut self, run: Run) -> Result<Made> {
        match (run.action, self.source.base) {
            (Action::Zero, _) => Ok(Made::zeros(run)),
            (Action::Copy, Some(base)) => self.copy(base, run),
            (Action::Share, Some(base)) => share(base, run),
            (Action::Keep, _) => self.keep(run),
            _ => self.encode(run),
        }
    }

    fn encode(&mut self, run: Run) -> Result<Made> {
        let Buffers { mut raw, mut streams } = self.spare.pop().unwrap_or_default();
        streams.clear();
        let mut made = Made {
            clusters: Vec::with_capacity(run.count as usize),
            raw: Vec::new(),
            streams,
        };
        self.read(run.first, run.count, &mut raw)?;
        for (guest, start) in (run.first..).zip((0..raw.len()).step_by(self.cluster_bytes)) {
            let content = start..start + self.cluster_bytes;
            let kind = self.encode_cluster(guest, &raw[content.clone()], &mut made.streams)?;
            made.clusters.push(Payload { guest, kind, content });
        }
        made.raw = raw;
        Ok(made)
    }

    /// Takes a run's content over as it is.
    fn keep(&mut self, run: Run) -> Result<Made> {
        let Buffers { mut raw, mut streams } = self.spare.pop().unwrap_or_default();
        streams.clear();
        self.read(run.first, run.count, &mut raw)?;
        let starts = (run.first..).zip((0..raw.len()).step_by(self.cluster_bytes));
        let clusters = starts.map(|(guest, start)| {
            let content = start..start + self.cluster_bytes;
            let kind = if is_zero(&raw[content.clone()]) {
                Kind::Zero
            } else {
                Kind::Plain
            };
            Payload { guest, kind, content }
        });
        Ok(Made {
            clusters: clusters.collect(),
            raw,
            streams,
        })
    }

    /// Copies the streams of a run. A stream that has no end of its own is encoded anew.
    fn copy(&mut self, base: &Qcow2Image, run: Run) -> Result<Made> {
        let found = streams::read(base, run.first, run.count)?;
        let mut cluster = Vec::new();
        let mut made = Made {
            clusters: Vec::with_capacity(run.count as usize),
            raw: Vec::new(),
            streams: found.bytes,
        };
        for (guest, range) in (run.first..).zip(found.ranges) {
            let fits = range.filter(|range| (1..self.cluster_bytes).contains(&range.len()));
            let (kind, content) = match fits {
                Some(range) => (Kind::Copied(range), 0..0),
                None => {
                    let start = made.raw.len();
                    self.read(guest, 1, &mut cluster)?;
                    made.raw.extend_from_slice(&cluster);
                    let content = start..made.raw.len();
                    let raw = &made.raw[content.clone()];
                    (self.encode_cluster(guest, raw, &mut made.streams)?, content)
                }
            };
            made.clusters.push(Payload { guest, kind, content });
        }
        Ok(made)
    }

    /// Reads whole clusters into `raw`, whatever it held; zeros follow the disk's end.
    fn read(&self, first: u64, count: u64, raw: &mut Vec<u8>) -> Result<()> {
        let start = first * self.cluster_bytes as u64;
        raw.resize(count as usize * self.cluster_bytes, 0);
        let available = self.source.content.len_bytes() - start;
        let length = available.min(raw.len() as u64) as usize;
        let (stored, beyond) = raw.split_at_mut(length);
        self.source.content.read_at(start, stored)?;
        beyond.fill(0);
        Ok(())
    }

    /// Compresses one cluster behind `streams`, if that makes it smaller.
    fn encode_cluster(&mut self, guest: u64, raw: &[u8], streams: &mut Vec<u8>) -> Result<Kind> {
        if is_zero(raw) {
            return Ok(Kind::Zero);
        }
        let Some(encoder) = &mut self.encoder else {
            return Ok(Kind::Plain);
        };
        let start = streams.len();
        let encoded = encoder.encode(raw, streams);
        let length = encoded.map_err(|_| Error::Encoder {
            guest_offset: guest * raw.len() as u64,
        })?;
        Ok(length.map_or(Kind::Plain, |length| Kind::Encoded(start..start + length)))
    }

    /// Reads back what was placed at `places` and compares it with the content it was made from.
    pub(crate) fn compare(&mut self, made: Made, places: &[u64]) -> Result<()> {
        self.fetch_kept(&made, places)?;
        self.compare_payloads(&made, places)?;
        if self.spare.len() < SPARE {
            let Made { raw, streams, .. } = made;
            self.spare.push(Buffers { raw, streams });
        }
        Ok(())
    }

    /// Has the kernel copy the base's plain clusters to their places, neighbours together.
    fn fetch_kept(&self, made: &Made, places: &[u64]) -> Result<()> {
        let Some(file) = self.base_file else {
            return Ok(());
        };
        let size = self.cluster_bytes as u64;
        let mut pieces: Vec<(u64, u64, u64)> = Vec::new();
        for (payload, place) in made.clusters.iter().zip(places) {
            let Kind::Kept { host_offset } = payload.kind else {
                continue;
            };
            match pieces.last_mut() {
                Some((from, to, length)) if *from + *length == host_offset && *to + *length == *place => {
                    *length += size
                }
                _ => pieces.push((host_offset, *place, size)),
            }
        }
        for (from, to, length) in pieces {
            imgctl_block::copy_data(file, from, self.output, to, length)?;
        }
        Ok(())
    }

    fn compare_payloads(&mut self, made: &Made, places: &[u64]) -> Result<()> {
        let mut stored = Vec::new();
        let mut decoded = vec![0; self.cluster_bytes];
        for (payload, place) in made.clusters.iter().zip(places) {
            let expected = &made.raw[payload.content.clone()];
            let found = match &payload.kind {
                Kind::Zero | Kind::Copied(_) | Kind::Kept { .. } => continue,
                Kind::Plain => {
                    self.read_back(*place, expected.len(), &mut stored)?;
                    &stored
                }
                Kind::Encoded(range) => {
                    self.read_back(*place, range.len(), &mut stored)?;
                    let end = self.decoder.decode(&stored, &mut decoded);
                    if end != Ok(Some(range.len())) {
                        return Err(self.differs(payload));
                    }
                    &decoded
                }
            };
            if found != expected {
                return Err(self.differs(payload));
            }
        }
        Ok(())
    }

    fn read_back(&self, place: u64, length: usize, stored: &mut Vec<u8>) -> Result<()> {
        stored.resize(length, 0);
        let read = self.output.read_exact_at(stored, place);
        read.map_err(|source| Error::Output {
            action: "read back",
            offset: place,
            source,
        })
    }

    fn differs(&self, payload: &Payload) -> Error {
        Error::VerifyFailed {
            what: "the cluster",
            offset: payload.guest * self.cluster_bytes as u64,
        }
    }
}

/// The places of a run's plain clusters in the base.
fn share(base: &Qcow2Image, run: Run) -> Result<Made> {
    let mut clusters = Vec::with_capacity(run.count as usize);
    for guest in run.first..run.first + run.count {
        let host_offset = base.plain_place(guest)?;
        clusters.push(Payload {
            guest,
            kind: Kind::Kept { host_offset },
            content: 0..0,
        });
    }
    Ok(Made {
        clusters,
        raw: Vec::new(),
        streams: Vec::new(),
    })
}

/// Whether nothing but zeros is there.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROS.len()).all(|chunk| chunk == &ZEROS[..chunk.len()])
}

/// Where a compressed cluster's stream begins, and the most bytes it can have.
pub(crate) fn stream_area(cluster: Cluster) -> Option<(u64, u64)> {
    match cluster {
        Cluster::Compressed { host_offset, sectors } => {
            Some((host_offset, Cluster::stream_bound(host_offset, sectors)))
        }
        _ => None,
    }
}
