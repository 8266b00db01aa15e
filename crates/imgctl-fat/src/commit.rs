//! Leaving a clean filesystem: freed bytes zeroed, tables, the information sector and the state of the volume written.

use crate::format::boot::Geometry;
use crate::format::directory::{self, DELETED, SLOT_BYTES};
use crate::fs::{Fat, device_error};
use crate::nodes::ROOT;
use crate::{Error, FatKind};
use imgctl_block::{BlockDevice, BlockRead};
use imgctl_vfs::{NodeId, Result};

/// FAT32's information sector (Microsoft FAT specification): signatures, free clusters at 488, where to look first at 492.
const INFO_SIGNATURES: [(usize, [u8; 4]); 2] = [(0, *b"RRaA"), (484, *b"rrAa")];
const FREE_AT: usize = 488;
const NEXT_AT: usize = 492;

/// Reads a signed information sector.
fn read_info(
    device: &dyn BlockRead,
    geometry: &Geometry,
) -> std::result::Result<Option<(u64, [u8; 512])>, imgctl_block::Error> {
    let Some(at) = geometry.info_at else {
        return Ok(None);
    };
    let mut sector = [0; 512];
    device.read_at(at, &mut sector)?;
    let signed = INFO_SIGNATURES
        .iter()
        .all(|(offset, bytes)| sector[*offset..].starts_with(bytes));
    Ok(signed.then_some((at, sector)))
}

/// Where FAT32 says a free cluster may be found.
pub(crate) fn next_free_hint(device: &dyn BlockRead, geometry: &Geometry) -> std::result::Result<Option<u32>, Error> {
    let hint = read_info(device, geometry)?.and_then(|(_, sector)| {
        let bytes = sector.get(NEXT_AT..NEXT_AT + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    });
    Ok(hint.filter(|cluster| geometry.has_cluster(*cluster)))
}

impl Fat {
    /// Makes every cluster that is free now read as zeros, also those that were free before.
    pub fn wipe_free(&mut self) -> Result<()> {
        self.check_writable()?;
        self.discard(false)
    }

    fn discard(&self, only_used: bool) -> Result<()> {
        for range in self.byte_ranges(self.table.free_runs(only_used)) {
            let length = range.end - range.start;
            self.device.discard(range.start, length).map_err(device_error)?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> Result<()> {
        self.check_whole()?;
        if !self.changed {
            return Ok(());
        }
        for node in &self.touched_files {
            self.zero_slack(*node)?;
        }
        for node in &self.touched_directories {
            self.scrub_directory(*node)?;
        }
        self.discard(true)?;
        self.table.mark_clean();
        self.table.write(&self.device, &self.geometry).map_err(device_error)?;
        self.write_info().map_err(device_error)?;
        self.write_state().map_err(device_error)
    }

    /// Zeroes what follows a file's last byte in its last cluster.
    fn zero_slack(&self, node: NodeId) -> Result<()> {
        let fields = self.file_fields(node)?;
        let cluster_bytes = self.geometry.cluster_bytes();
        let within = fields.size % cluster_bytes;
        if within == 0 {
            return Ok(());
        }
        let index = (fields.size / cluster_bytes) as usize;
        if let Some(Ok(cluster)) = self.table.chain(fields.cluster).nth(index) {
            let at = self.geometry.cluster_at(cluster) + u64::from(within);
            let length = u64::from(cluster_bytes - within);
            self.device.discard(at, length).map_err(device_error)?;
        }
        Ok(())
    }

    /// Zeroes what deleted entries say, and what lies behind a directory's end.
    fn scrub_directory(&self, node: NodeId) -> Result<()> {
        let directory = self.listing(node)?.directory;
        let end = directory::end_slot(&directory.bytes);
        for (number, slot) in directory.bytes.chunks_exact(SLOT_BYTES).enumerate() {
            let mut clean = [0; SLOT_BYTES];
            if number < end {
                if slot[0] != DELETED {
                    continue;
                }
                clean[0] = DELETED;
            }
            if slot != clean {
                self.device
                    .write_at(directory.position(number), &clean)
                    .map_err(device_error)?;
            }
        }
        Ok(())
    }

    fn write_info(&self) -> std::result::Result<(), imgctl_block::Error> {
        if let Some((at, mut sector)) = read_info(&self.device, &self.geometry)? {
            let next = self
                .table
                .next_free
                .filter(|cluster| self.geometry.has_cluster(*cluster))
                .unwrap_or(u32::MAX);
            sector[FREE_AT..NEXT_AT].copy_from_slice(&self.table.free_clusters().to_le_bytes());
            sector[NEXT_AT..NEXT_AT + 4].copy_from_slice(&next.to_le_bytes());
            self.device.write_at(at, &sector)?;
        }
        Ok(())
    }

    /// Clears the bit that says the filesystem is mounted, where it is set.
    fn write_state(&self) -> std::result::Result<(), imgctl_block::Error> {
        if self.geometry.kind == FatKind::Fat12 {
            return Ok(());
        }
        for boot in [Some(0), self.geometry.backup_at].into_iter().flatten() {
            let at = boot + self.geometry.state_offset;
            let mut state = [0];
            self.device.read_at(at, &mut state)?;
            if state[0] & 1 != 0 {
                self.device.write_at(at, &[state[0] & !1])?;
            }
        }
        Ok(())
    }

    /// The cluster that `..` of a directory in `parent` names: 0 for the root, whatever its kind.
    pub(crate) fn dotdot_cluster(&self, parent: NodeId) -> Result<u32> {
        match parent {
            ROOT => Ok(0),
            parent => Ok(self.directory_cluster(parent)?.unwrap_or(0)),
        }
    }
}
