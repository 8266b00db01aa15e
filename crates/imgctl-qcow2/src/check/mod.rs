//! Whether an image's tables and refcounts hold together. Nothing is repaired.
//!
//! Every use of a host cluster is counted and compared with the stored refcount, as `qemu-img check` does. Counting goes
//! by windows of the file, so memory does not grow with the image.

mod compare;
mod references;
mod stored;

use crate::format::header::Header;
use crate::{Error, Result};
use imgctl_block::BlockRead;
use references::Walk;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use stored::StoredCounts;

/// How many host clusters are counted in one pass; 4 bytes each.
const WINDOW_CLUSTERS: u64 = 8 << 20;
/// The most passes over the tables: past that the file is larger than any image that was ever made.
const MAX_PASSES: u64 = 256;
/// How many findings are kept; all are counted.
const MAX_FINDINGS: usize = 1000;

/// What is wrong with one place of an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Whether data may be damaged, or only space is wasted.
    pub kind: FindingKind,
    /// What it is, with the place.
    pub message: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FindingKind {
    /// Two structures contradict each other: data may be damaged, or will be by the next write.
    Error,
    /// Clusters that nothing uses any more.
    Leak,
}

/// The result of a check.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Errors found.
    pub errors: u64,
    /// Of them, clusters that two structures use of which one must have them for itself.
    pub overlaps: u64,
    /// Leaked clusters.
    pub leaks: u64,
    /// Parts of the refcounts that could not be looked at, so that the rest says less.
    pub unreadable: u64,
    /// The first thousand of both.
    pub findings: Vec<Finding>,
    /// The guest's clusters.
    pub total_clusters: u64,
    /// Of them, those with bytes of their own.
    pub allocated_clusters: u64,
    /// Of them, those that do not follow their predecessor.
    pub fragmented_clusters: u64,
    /// Of them, the compressed ones.
    pub compressed_clusters: u64,
    /// Where the last used cluster of the file ends.
    pub end_bytes: u64,
}

impl CheckReport {
    fn error(&mut self, message: impl fmt::Display) {
        self.errors += 1;
        self.keep(FindingKind::Error, message);
    }

    fn keep(&mut self, kind: FindingKind, message: impl fmt::Display) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding {
                kind,
                message: message.to_string(),
            });
        }
    }
}

/// Checks the image in `file`. A damaged header is an [`Err`]; everything behind it is a finding.
///
/// Backing and data files are neither needed nor opened. `cancel` stops the work with [`Error::Cancelled`].
pub fn check(file: &dyn BlockRead, cancel: Option<&AtomicBool>) -> Result<CheckReport> {
    let header = Header::read(file)?;
    let mut report = CheckReport {
        total_clusters: header.geometry.clusters_for(header.virtual_bytes),
        ..CheckReport::default()
    };
    let stored = StoredCounts::open(file, &header, &mut report)?;
    let clusters = header.geometry.clusters_for(file.len_bytes()) + 1;
    let mut windows: BTreeSet<u64> = stored.blocks().map(|cluster| cluster / WINDOW_CLUSTERS).collect();
    windows.insert(0);
    let mut counts = Counts::new(0, clusters);
    let mut first = true;
    let mut done = 0;
    while let Some(window) = windows.iter().copied().find(|window| first || *window > done) {
        check_cancelled(cancel)?;
        if windows.len() as u64 > MAX_PASSES {
            return Err(Error::Limit {
                what: "the number of passes that a check takes",
                value: windows.len() as u64,
                limit: MAX_PASSES,
            });
        }
        counts.begin(window, clusters);
        let mut walk = Walk::new(file, &header, &stored, cancel);
        walk.visit = first.then_some((&mut report, &mut windows));
        walk.run(&mut counts)?;
        compare::compare(&header, &stored, &counts, &mut report)?;
        done = window;
        first = false;
    }
    Ok(report)
}

fn check_cancelled(cancel: Option<&AtomicBool>) -> Result<()> {
    match cancel {
        Some(cancel) if cancel.load(Ordering::Relaxed) => Err(Error::Cancelled),
        _ => Ok(()),
    }
}

/// What uses a cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum User {
    /// A structure that has its clusters for itself.
    Only,
    /// An L2 table, which snapshots share.
    Table,
    /// Bytes of the guest, which snapshots share, and of which compressed ones lie beside each other.
    Data,
}

/// The uses of the clusters of one window.
struct Counts {
    first: u64,
    uses: Vec<u32>,
}

impl Counts {
    const ONLY: u32 = 1 << 31;
    const TABLE: u32 = 1 << 30;
    const DATA: u32 = 1 << 29;
    const COUNT: u32 = Self::DATA - 1;

    fn new(window: u64, clusters: u64) -> Self {
        let mut counts = Self {
            first: 0,
            uses: Vec::new(),
        };
        counts.begin(window, clusters);
        counts
    }

    fn begin(&mut self, window: u64, clusters: u64) {
        self.first = window * WINDOW_CLUSTERS;
        let length = clusters.saturating_sub(self.first).min(WINDOW_CLUSTERS);
        self.uses.clear();
        self.uses.resize(length as usize, 0);
    }

    fn add(&mut self, cluster: u64, user: User) {
        let at = cluster.checked_sub(self.first).map(|at| at as usize);
        let Some(uses) = at.and_then(|at| self.uses.get_mut(at)) else {
            return;
        };
        if *uses & Self::COUNT < Self::COUNT {
            *uses += 1;
        }
        *uses |= match user {
            User::Only => Self::ONLY,
            User::Table => Self::TABLE,
            User::Data => Self::DATA,
        };
    }

    /// The clusters of the window with the number of their uses, and whether two of them exclude each other.
    fn iter(&self) -> impl Iterator<Item = (u64, u64, bool)> {
        (self.first..).zip(&self.uses).map(|(cluster, uses)| {
            let count = u64::from(uses & Self::COUNT);
            let mixed = uses & Self::TABLE != 0 && uses & Self::DATA != 0;
            let overlap = uses & Self::ONLY != 0 && count > 1 || mixed;
            (cluster, count, overlap)
        })
    }
}
