//! One bounded pass over all directories and chains before anything is done with them.

use crate::format::boot::Geometry;
use crate::format::directory::{self, Record};
use crate::fs::Directory;
use crate::table::{ChainFault, Table};
use crate::{Error, FatKind};
use imgctl_block::BlockRead;
use std::collections::BTreeSet;

/// No path of Linux has more components: each takes at least two of its 4096 bytes.
const MAX_DEPTH: u16 = 2048;

/// A directory that was met, and through which one.
#[derive(Clone, Copy, Debug)]
struct Met {
    parent: usize,
    /// Its first cluster; `None` for the root.
    cluster: Option<u32>,
    depth: u16,
}

struct Check<'a> {
    device: &'a dyn BlockRead,
    geometry: &'a Geometry,
    table: &'a Table,
    /// One bit per cluster: whether something has it already.
    taken: Vec<u64>,
    met: Vec<Met>,
}

/// Why an entry is refused.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Chain(#[from] ChainFault),
    #[error("cluster {0} belongs to two files")]
    Shared(u32),
    #[error("its size of {0} bytes needs more clusters than it has")]
    Short(u32),
    #[error("it has no cluster")]
    NoCluster,
    #[error("its name cannot be used")]
    Name,
    #[error("another entry answers to its name")]
    Ambiguous,
    #[error("its directories are nested too deep")]
    Deep,
}

/// Fails unless all chains end and are apart, files have the clusters they need, and names are valid and unambiguous.
///
/// Each cluster is looked at once, so the work is bounded by the filesystem's size. Clusters that belong to nothing are
/// not searched for; they do no harm.
pub(crate) fn check(device: &dyn BlockRead, geometry: &Geometry, table: &Table) -> Result<(), Error> {
    let words = (geometry.clusters as usize + 2).div_ceil(64);
    let mut check = Check {
        device,
        geometry,
        table,
        taken: vec![0; words],
        met: vec![Met {
            parent: 0,
            cluster: None,
            depth: 0,
        }],
    };
    if geometry.kind == FatKind::Fat32 {
        check
            .take_chain(geometry.root_cluster)
            .map_err(|fault| Error::Damaged {
                path: "/".to_owned(),
                reason: fault.to_string(),
            })?;
    }
    let mut next = 0;
    while next < check.met.len() {
        check.directory(next)?;
        next += 1;
    }
    Ok(())
}

impl Check<'_> {
    fn records(&self, met: Met) -> Result<Vec<Record>, Error> {
        let directory = Directory::read(self.device, self.geometry, self.table, met.cluster)?;
        Ok(directory::records(
            &directory.bytes,
            self.geometry.kind == FatKind::Fat32,
        ))
    }

    fn directory(&mut self, index: usize) -> Result<(), Error> {
        let met = self.met[index];
        let mut names = BTreeSet::new();
        for record in self.records(met)? {
            let outcome = self
                .name(&record, &mut names)
                .and_then(|()| self.content(&record, index, met.depth));
            if let Err(fault) = outcome {
                return Err(Error::Damaged {
                    path: self.path(index, &record.name)?,
                    reason: fault.to_string(),
                });
            }
        }
        Ok(())
    }

    fn name(&self, record: &Record, names: &mut BTreeSet<String>) -> Result<(), Fault> {
        let name = &record.name;
        let usable = !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\0']);
        if !usable {
            return Err(Fault::Name);
        }
        let [long, short] = record.folded_names();
        if long != short && !names.insert(short) {
            return Err(Fault::Ambiguous);
        }
        match names.insert(long) {
            true => Ok(()),
            false => Err(Fault::Ambiguous),
        }
    }

    fn content(&mut self, record: &Record, parent: usize, depth: u16) -> Result<(), Fault> {
        let fields = &record.fields;
        if fields.is_directory() {
            if fields.cluster == 0 {
                return Err(Fault::NoCluster);
            }
            if depth >= MAX_DEPTH {
                return Err(Fault::Deep);
            }
            self.take_chain(fields.cluster)?;
            self.met.push(Met {
                parent,
                cluster: Some(fields.cluster),
                depth: depth + 1,
            });
            return Ok(());
        }
        let clusters = self.take_chain(fields.cluster)?;
        let bytes = u64::from(clusters) * u64::from(self.geometry.cluster_bytes());
        match u64::from(fields.size) <= bytes {
            true => Ok(()),
            false => Err(Fault::Short(fields.size)),
        }
    }

    /// Marks the clusters of a chain as taken and counts them.
    fn take_chain(&mut self, first: u32) -> Result<u32, Fault> {
        let mut count = 0;
        for cluster in self.table.chain(first) {
            let cluster = cluster?;
            let word = &mut self.taken[cluster as usize / 64];
            let bit = 1 << (cluster % 64);
            if *word & bit != 0 {
                return Err(Fault::Shared(cluster));
            }
            *word |= bit;
            count += 1;
        }
        Ok(count)
    }

    /// The path of `name` in a directory that was met: each directory's name is looked up in its parent.
    fn path(&self, index: usize, name: &str) -> Result<String, Error> {
        let mut path = format!("/{}", name.escape_debug());
        let mut current = self.met[index];
        while current.cluster.is_some() {
            let parent = self.met[current.parent];
            let records = self.records(parent)?;
            let found = records
                .iter()
                .find(|record| Some(record.fields.cluster) == current.cluster);
            let name = found.map_or("?", |record| record.name.as_str());
            path.insert_str(0, &format!("/{}", name.escape_debug()));
            current = parent;
        }
        Ok(path)
    }
}
