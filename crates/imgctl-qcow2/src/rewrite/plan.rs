//! What becomes of each guest cluster: dropped, copied as it is, or encoded anew.

use crate::format::address::Geometry;
use crate::rewrite::worker::is_zero;
use crate::rewrite::{RewriteOptions, Source, Untouched};
use crate::writer::Reserve;
use crate::{Cluster, Codec, Qcow2Image, Result};
use imgctl_block::{BlockRead, Extent, ExtentKind};

/// How many bytes of the guest's disk are encoded in one piece of work, in small clusters.
const ENCODE_BYTES: u64 = 512 << 10;
/// The same for copying.
const COPY_BYTES: u64 = 4 << 20;
/// The same for what the kernel copies.
const SHARE_BYTES: u64 = 64 << 20;
/// The most clusters in one piece of work, however small they are.
const RUN_CLUSTERS: u64 = 1024;
/// How far a writer with several coroutines may place clusters out of order, in clusters.
const DISORDER: u64 = 32;
/// How far behind a plain cluster a compressed one is looked for, in clusters.
const LOOK_AHEAD: u64 = 1 << 16;

/// What is done with a run of clusters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// The base's compressed streams are copied.
    Copy,
    /// The content is read and compressed.
    Encode,
    /// The content is stored as it is, because whoever wrote the base could not compress it either.
    Keep,
    /// The base's plain cluster is copied, whatever it holds.
    Share,
    /// The zero flag is set, over whatever the backing file holds.
    Zero,
}

/// Which clusters are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// All that hold something.
    Whole,
    /// The dirty ones; the rest stays with the base, which is the backing file.
    Thin,
    /// The dirty ones, and those that the base stores itself.
    AsTheyAre {
        /// What is not stored is to be found in the backing file.
        over_backing: bool,
    },
}

impl Mode {
    pub(crate) fn of(options: &RewriteOptions<'_>) -> Self {
        match (options.untouched, &options.backing) {
            (Untouched::AsTheyAre { .. }, backing) => Self::AsTheyAre {
                over_backing: backing.is_some(),
            },
            (_, Some(_)) => Self::Thin,
            (_, None) => Self::Whole,
        }
    }
}

/// Clusters that follow each other and have one action.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Run {
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) action: Action,
}

/// Walks the guest's disk in order. Two walks over the same source give the same runs.
pub(crate) struct Plan<'a> {
    source: &'a Source<'a>,
    geometry: Geometry,
    /// The image whose streams can be copied.
    copy_from: Option<&'a Qcow2Image>,
    mode: Mode,
    next: u64,
    end: u64,
    /// The extent that was looked up last, and where it begins.
    extent: Option<(u64, Extent)>,
    /// The compressed clusters before and behind the current one, with their places in the base.
    last_stream: Option<(u64, u64)>,
    next_stream: Option<(u64, u64)>,
    /// The clusters before this one have been asked whether they are the next one.
    looked_at: u64,
    /// A run found while another one was being extended.
    ahead: Option<Run>,
    /// Clusters with data that were left out because they are wholly free.
    pub(crate) dropped: u64,
}

impl<'a> Plan<'a> {
    /// `codec` is the output's, `None` when nothing is to be compressed.
    pub(crate) fn new(source: &'a Source<'a>, geometry: Geometry, codec: Option<Codec>, mode: Mode) -> Self {
        let copy_from = source
            .base
            .filter(|base| base.geometry().cluster_bits() == geometry.cluster_bits() && codec == Some(base.codec()));
        Self {
            source,
            geometry,
            copy_from,
            mode,
            next: 0,
            end: geometry.clusters_for(source.content.len_bytes()),
            extent: None,
            last_stream: None,
            next_stream: None,
            looked_at: 0,
            ahead: None,
            dropped: 0,
        }
    }

    /// Walks to the end: the room to set aside, and the clusters that will be written.
    pub(crate) fn reserve(mut self) -> Result<Reserve> {
        let mut reserve = Reserve::default();
        while let Some(run) = self.next_run()? {
            let last = self.geometry.l1_index(run.first + run.count - 1);
            for l1_index in self.geometry.l1_index(run.first)..=last {
                if reserve.l1_indexes.last() != Some(&l1_index) {
                    reserve.l1_indexes.push(l1_index);
                }
            }
            reserve.clusters += run.count;
        }
        Ok(reserve)
    }

    /// The room to set aside by what the disk holds, whatever its source calls a hole: the same for equal disks.
    ///
    /// Reads the disk up to the first cluster of each L2 table that is not all zeros.
    pub(crate) fn reserve_by_content(mut self) -> Result<Reserve> {
        let per_table = self.geometry.clusters_per_l2();
        let mut reserve = Reserve::default();
        let mut bytes = vec![0; self.geometry.cluster_bytes() as usize];
        while let Some(run) = self.next_cluster()? {
            let (start, end) = self.bytes(run.first);
            let content = &mut bytes[..(end - start) as usize];
            self.source.content.read_at(start, content)?;
            if is_zero(content) {
                continue;
            }
            let l1_index = self.geometry.l1_index(run.first);
            let table_end = (l1_index + 1).saturating_mul(per_table).min(self.end);
            reserve.l1_indexes.push(l1_index);
            reserve.clusters += table_end - l1_index * per_table;
            self.next = table_end;
        }
        Ok(reserve)
    }

    /// The next run of work; `None` at the end.
    pub(crate) fn next_run(&mut self) -> Result<Option<Run>> {
        let first = match self.ahead.take() {
            Some(run) => Some(run),
            None => self.next_cluster()?,
        };
        let Some(mut run) = first else {
            return Ok(None);
        };
        let limit = match run.action {
            Action::Encode | Action::Keep => ENCODE_BYTES / self.geometry.cluster_bytes(),
            Action::Copy => COPY_BYTES / self.geometry.cluster_bytes(),
            Action::Share => SHARE_BYTES / self.geometry.cluster_bytes(),
            Action::Zero => RUN_CLUSTERS,
        };
        let limit = limit.clamp(1, RUN_CLUSTERS);
        while run.count < limit {
            match self.next_cluster()? {
                None => break,
                Some(next) if next.action == run.action && next.first == run.first + run.count => {
                    run.count += 1;
                }
                Some(next) => {
                    self.ahead = Some(next);
                    break;
                }
            }
        }
        Ok(Some(run))
    }

    /// The next cluster that something has to be done with, as a run of one.
    fn next_cluster(&mut self) -> Result<Option<Run>> {
        loop {
            self.next = match self.mode {
                Mode::Whole => self.skip_holes()?,
                Mode::Thin => self.next_dirty(),
                Mode::AsTheyAre { .. } => self.next_stored()?,
            };
            if self.next >= self.end {
                return Ok(None);
            }
            let first = self.next;
            self.next += 1;
            if let Some(action) = self.action(first)? {
                return Ok(Some(Run {
                    first,
                    count: 1,
                    action,
                }));
            }
            self.dropped += 1;
        }
    }

    fn action(&mut self, cluster: u64) -> Result<Option<Action>> {
        let free = self.is_free(cluster);
        let mode = self.mode;
        match mode {
            Mode::Whole if free => Ok(None),
            Mode::Whole => Ok(Some(self.passthrough(cluster)?.unwrap_or(Action::Encode))),
            Mode::Thin if free || self.is_hole(cluster)? => Ok(Some(Action::Zero)),
            Mode::Thin => Ok(Some(Action::Encode)),
            Mode::AsTheyAre { over_backing } => {
                let action = if free { Action::Zero } else { self.in_kind(cluster)? };
                Ok(Some(action).filter(|action| *action != Action::Zero || over_backing))
            }
        }
    }

    /// What keeps a cluster stored as it was.
    fn in_kind(&mut self, cluster: u64) -> Result<Action> {
        let Some(base) = self.source.base else {
            return Ok(Action::Encode);
        };
        let stored = base.cluster(cluster)?;
        if self.is_dirty(cluster) && self.is_hole(cluster)? {
            return Ok(Action::Zero);
        }
        let as_it_is = self.is_whole(cluster, base) && !self.is_dirty(cluster);
        Ok(match stored {
            Cluster::Zero if !self.is_dirty(cluster) => Action::Zero,
            Cluster::Plain { .. } if as_it_is => Action::Share,
            Cluster::Plain { .. } => Action::Keep,
            Cluster::Compressed { .. } if as_it_is => Action::Copy,
            _ => Action::Encode,
        })
    }

    /// Whether a cluster lies within the disk. Behind its end there may be bytes that nobody has seen.
    fn is_whole(&self, cluster: u64, base: &Qcow2Image) -> bool {
        let (_, end) = self.bytes(cluster);
        end == (cluster + 1) * self.geometry.cluster_bytes() && end <= base.len_bytes()
    }

    /// The first cluster from `next` on that is dirty or stored in the base.
    fn next_stored(&mut self) -> Result<u64> {
        let dirty = self.next_dirty();
        let Some(base) = self.source.base else {
            return Ok(dirty);
        };
        let mut cluster = self.next;
        while cluster < dirty {
            let l1_index = self.geometry.l1_index(cluster);
            if base.l2_offset(l1_index)?.is_none() {
                cluster = (l1_index + 1).saturating_mul(self.geometry.clusters_per_l2());
            } else if base.cluster(cluster)? == Cluster::Unallocated {
                cluster += 1;
            } else {
                break;
            }
        }
        Ok(cluster.min(dirty))
    }

    /// What can be taken over from the base, which holds exactly this cluster and has the output's codec.
    fn passthrough(&mut self, cluster: u64) -> Result<Option<Action>> {
        let Some(base) = self.copy_from else {
            return Ok(None);
        };
        if !self.is_whole(cluster, base) || self.is_dirty(cluster) {
            return Ok(None);
        }
        match base.cluster(cluster)? {
            Cluster::Compressed { host_offset, .. } => {
                self.last_stream = Some((cluster, host_offset));
                Ok(Some(Action::Copy))
            }
            Cluster::Plain { host_offset } if self.is_among_streams(base, cluster, host_offset) => {
                Ok(Some(Action::Keep))
            }
            _ => Ok(None),
        }
    }

    /// Whether a plain cluster was written between its compressed neighbours, by a writer that compresses what it can.
    ///
    /// What a guest wrote into the image later lies behind them, and is worth compressing.
    fn is_among_streams(&mut self, base: &Qcow2Image, cluster: u64, host_offset: u64) -> bool {
        let Some(before) = self.last_stream else {
            return false;
        };
        let Some(behind) = self.stream_behind(base, cluster) else {
            return false;
        };
        let size = self.geometry.cluster_bytes();
        let disorder = DISORDER * size;
        let fits = |from: (u64, u64), to: (u64, u64)| {
            let room = (to.0 - from.0) * size + disorder;
            to.1 + disorder >= from.1 && to.1.saturating_sub(from.1) <= room
        };
        let here = (cluster, host_offset);
        fits(before, here) && fits(here, behind) && fits(before, behind)
    }

    /// The next compressed cluster of the base behind `cluster`.
    fn stream_behind(&mut self, base: &Qcow2Image, cluster: u64) -> Option<(u64, u64)> {
        if let Some((found, _)) = self.next_stream
            && found > cluster
        {
            return self.next_stream;
        }
        self.next_stream = None;
        let limit = self.end.min(cluster.saturating_add(LOOK_AHEAD));
        // Where was looked once, nothing is found again: the whole walk costs one look at each cluster.
        for index in self.looked_at.max(cluster + 1)..limit {
            self.looked_at = index + 1;
            // As with a damaged one: whoever reads it is told.
            if let Ok(Cluster::Compressed { host_offset, .. }) = base.cluster(index) {
                self.next_stream = Some((index, host_offset));
                break;
            }
        }
        self.next_stream
    }

    /// The bytes of the disk that a cluster holds.
    fn bytes(&self, cluster: u64) -> (u64, u64) {
        let size = self.geometry.cluster_bytes();
        let end = (cluster + 1).saturating_mul(size);
        (cluster * size, end.min(self.source.content.len_bytes()))
    }

    fn is_free(&self, cluster: u64) -> bool {
        let (start, end) = self.bytes(cluster);
        let free = self.source.free;
        let at = free.partition_point(|range| range.end <= start);
        free.get(at)
            .is_some_and(|range| range.start <= start && end <= range.end)
    }

    fn is_dirty(&self, cluster: u64) -> bool {
        let (start, end) = self.bytes(cluster);
        let dirty = self.source.dirty;
        let at = dirty.partition_point(|range| range.offset + range.length <= start);
        dirty.get(at).is_some_and(|range| range.offset < end)
    }

    /// The first cluster from `next` on that a dirty range touches.
    fn next_dirty(&self) -> u64 {
        let start = self.next * self.geometry.cluster_bytes();
        let dirty = self.source.dirty;
        let at = dirty.partition_point(|range| range.offset + range.length <= start);
        dirty
            .get(at)
            .map_or(self.end, |range| self.geometry.cluster_of(range.offset).max(self.next))
    }

    /// The first cluster from `next` on that is not wholly a hole.
    fn skip_holes(&mut self) -> Result<u64> {
        let mut cluster = self.next;
        while cluster < self.end {
            let (start, end) = self.bytes(cluster);
            let (begin, extent) = self.extent_at(start)?;
            if extent.kind == ExtentKind::Data {
                return Ok(cluster);
            }
            let hole_end = begin + extent.length;
            if hole_end >= end {
                let whole = hole_end >= self.source.content.len_bytes();
                cluster = if whole {
                    self.end
                } else {
                    self.geometry.cluster_of(hole_end)
                };
            } else if self.is_hole(cluster)? {
                cluster += 1;
            } else {
                return Ok(cluster);
            }
        }
        Ok(self.end)
    }

    fn is_hole(&mut self, cluster: u64) -> Result<bool> {
        let (mut position, end) = self.bytes(cluster);
        while position < end {
            let (begin, extent) = self.extent_at(position)?;
            if extent.kind == ExtentKind::Data {
                return Ok(false);
            }
            position = begin + extent.length;
        }
        Ok(true)
    }

    fn extent_at(&mut self, offset: u64) -> Result<(u64, Extent)> {
        if let Some((begin, extent)) = self.extent
            && begin <= offset
            && offset - begin < extent.length
        {
            return Ok((begin, extent));
        }
        let found = (offset, self.source.content.extent_at(offset)?);
        self.extent = Some(found);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compression, RewriteOptions, rewrite};
    use imgctl_block::{FileDevice, MemoryDevice};
    use std::sync::Arc;

    const CLUSTER: usize = 4096;

    /// Alternately two clusters of text and one of noise.
    fn disk() -> MemoryDevice {
        let mut state = 1_u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let bytes = (0..60 * CLUSTER).map(|at| {
            if at / CLUSTER % 3 == 2 {
                noise()
            } else {
                (at / 100) as u8
            }
        });
        MemoryDevice::from_bytes(bytes.collect())
    }

    fn source<'a>(content: &'a MemoryDevice, base: Option<&'a Qcow2Image>) -> Source<'a> {
        Source {
            content,
            base,
            dirty: &[],
            free: &[],
        }
    }

    /// What becomes of each cluster when the disk, written with `compression`, is written again with zlib.
    fn actions(compression: Compression) -> Vec<Action> {
        let disk = disk();
        let file = tempfile::tempfile().unwrap();
        let options = RewriteOptions {
            compression,
            cluster_bytes: CLUSTER as u64,
            ..RewriteOptions::default()
        };
        rewrite(&source(&disk, None), &file, &options).unwrap();
        let base = Qcow2Image::open(Arc::new(FileDevice::new(file).unwrap())).unwrap();
        let source = source(&disk, Some(&base));
        let mut plan = Plan::new(&source, base.geometry(), Some(Codec::Zlib), Mode::Whole);
        let mut actions = Vec::new();
        while let Some(run) = plan.next_run().unwrap() {
            actions.extend((0..run.count).map(|_| run.action));
        }
        actions
    }

    #[test]
    fn what_a_compressing_writer_left_plain_stays_plain() {
        let actions = actions(Compression::Zlib(6));
        for (index, action) in actions.iter().enumerate() {
            let expected = match index % 3 {
                2 if index < 59 => Action::Keep,
                // Nothing compressed is behind the last one.
                2 => Action::Encode,
                _ => Action::Copy,
            };
            assert_eq!(*action, expected, "{index}");
        }
    }

    #[test]
    fn what_was_never_tried_is_compressed() {
        assert!(
            actions(Compression::None)
                .iter()
                .all(|action| *action == Action::Encode)
        );
    }
}
