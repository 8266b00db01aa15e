//! What becomes of each guest cluster: dropped, copied as it is, or encoded anew.

use crate::format::address::Geometry;
use crate::rewrite::Source;
use crate::writer::Reserve;
use crate::{Cluster, Codec, Qcow2Image, Result};
use imgctl_block::{BlockRead, Extent, ExtentKind};

/// How many bytes of the guest's disk are encoded in one piece of work, in small clusters.
const ENCODE_BYTES: u64 = 512 << 10;
/// The same for copying.
const COPY_BYTES: u64 = 4 << 20;
/// The most clusters in one piece of work, however small they are.
const RUN_CLUSTERS: u64 = 1024;

/// What is done with a run of clusters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// The base's compressed streams are copied.
    Copy,
    /// The content is read and compressed.
    Encode,
    /// The zero flag is set, over whatever the backing file holds.
    Zero,
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
    /// Only what is dirty is written; the rest stays with the backing file.
    thin: bool,
    next: u64,
    end: u64,
    /// The extent that was looked up last, and where it begins.
    extent: Option<(u64, Extent)>,
    /// A run found while another one was being extended.
    ahead: Option<Run>,
    /// Clusters with data that were left out because they are wholly free.
    pub(crate) dropped: u64,
}

impl<'a> Plan<'a> {
    /// `codec` is the output's, `None` when nothing is to be compressed.
    pub(crate) fn new(source: &'a Source<'a>, geometry: Geometry, codec: Option<Codec>, thin: bool) -> Self {
        let copy_from = source
            .base
            .filter(|base| base.geometry().cluster_bits() == geometry.cluster_bits() && codec == Some(base.codec()));
        Self {
            source,
            geometry,
            copy_from,
            thin,
            next: 0,
            end: geometry.clusters_for(source.content.len_bytes()),
            extent: None,
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
            Action::Encode => ENCODE_BYTES / self.geometry.cluster_bytes(),
            Action::Copy => COPY_BYTES / self.geometry.cluster_bytes(),
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
            self.next = if self.thin {
                self.next_dirty()
            } else {
                self.skip_holes()?
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
        if self.thin {
            let zero = free || self.is_hole(cluster)?;
            return Ok(Some(if zero { Action::Zero } else { Action::Encode }));
        }
        if free {
            return Ok(None);
        }
        Ok(Some(if self.can_copy(cluster)? {
            Action::Copy
        } else {
            Action::Encode
        }))
    }

    /// Whether the base holds exactly this cluster, compressed as the output is.
    fn can_copy(&self, cluster: u64) -> Result<bool> {
        let Some(base) = self.copy_from else {
            return Ok(false);
        };
        let (_, end) = self.bytes(cluster);
        // Behind the end of a disk a stream may hold bytes that nobody has seen.
        let whole = end == (cluster + 1) * self.geometry.cluster_bytes() && end <= base.len_bytes();
        if !whole || self.is_dirty(cluster) {
            return Ok(false);
        }
        Ok(matches!(base.cluster(cluster)?, Cluster::Compressed { .. }))
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
