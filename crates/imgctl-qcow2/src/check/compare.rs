//! What was counted against what is stored.

use super::stored::StoredCounts;
use super::{CheckReport, Counts, FindingKind};
use crate::Result;
use crate::format::header::Header;

/// Compares the clusters of one window.
pub(super) fn compare(
    header: &Header,
    stored: &StoredCounts<'_>,
    counts: &Counts,
    report: &mut CheckReport,
) -> Result<()> {
    let size = header.geometry.cluster_bytes();
    let mut leak = Leak::default();
    for (cluster, used, overlap) in counts.iter() {
        let offset = cluster * size;
        let found = stored.get(cluster)?;
        if found != 0 || used != 0 {
            report.end_bytes = report.end_bytes.max(offset + size);
        }
        if found < used {
            report.error(format_args!(
                "the cluster at {offset:#x} is used {used} times, its refcount is {found}"
            ));
        } else if overlap {
            report.error(format_args!(
                "the cluster at {offset:#x} is used {used} times, though one of its users needs it for itself"
            ));
        }
        report.overlaps += u64::from(overlap);
        if found > used {
            report.leaks += 1;
            leak.add(cluster, size, report);
        }
    }
    leak.end(size, report);
    Ok(())
}

/// Leaked clusters that follow each other.
#[derive(Default)]
struct Leak {
    first: u64,
    count: u64,
}

impl Leak {
    fn add(&mut self, cluster: u64, size: u64, report: &mut CheckReport) {
        if self.count == 0 || cluster != self.first + self.count {
            self.end(size, report);
            *self = Self {
                first: cluster,
                count: 0,
            };
        }
        self.count += 1;
    }

    fn end(&mut self, size: u64, report: &mut CheckReport) {
        let offset = self.first * size;
        match self.count {
            0 => {}
            1 => report.keep(FindingKind::Leak, format_args!("the cluster at {offset:#x} is leaked")),
            count => report.keep(
                FindingKind::Leak,
                format_args!("{count} clusters from {offset:#x} on are leaked"),
            ),
        }
        self.count = 0;
    }
}
