//! The log: whether everything in it has been done.

use crate::error::{Error, Refusal, Result, Structure};
use crate::format::log::{RecordHeader, SECTOR, cycle, is_unmount};
use crate::format::superblock::Superblock;
use crate::volume;
use imgctl_block::BlockRead;

/// The largest record: 256 KiB of data with its headers, in sectors.
const MOST_SECTORS: u64 = 1024;

/// Whether the last thing in the log is the record that an unmount leaves.
pub(crate) fn is_clean(device: &dyn BlockRead, superblock: &Superblock) -> Result<bool> {
    if superblock.log_start == 0 {
        return Err(Refusal::ExternalLog.into());
    }
    let start = volume::offset(superblock, superblock.log_start);
    let bytes = u64::from(superblock.log_blocks) * u64::from(superblock.block_bytes);
    let (group, within) = volume::split(superblock, superblock.log_start);
    let end = u64::from(within) + u64::from(superblock.log_blocks);
    let is_inside = group < superblock.groups && within > 0 && end <= superblock.group_blocks.into();
    if bytes == 0 || !is_inside || start + bytes > device.len_bytes() {
        return Err(Error::corrupt(Structure::Superblock, "its log lies outside"));
    }
    let sectors = bytes / SECTOR as u64;
    Log { device, start, sectors }.is_clean()
}

struct Log<'a> {
    device: &'a dyn BlockRead,
    /// Where the log begins on the device, in bytes.
    start: u64,
    sectors: u64,
}

impl Log<'_> {
    fn read(&self, sector: u64) -> Result<Vec<u8>> {
        let offset = self.start + sector * SECTOR as u64;
        self.device
            .read_vec(offset, SECTOR)
            .map_err(Error::device("read the XFS log"))
    }

    /// The sector that would be written next: the first of the older cycle.
    fn head(&self) -> Result<u64> {
        let first = cycle(&self.read(0)?);
        let last = cycle(&self.read(self.sectors - 1)?);
        if first == last {
            return Ok(0);
        }
        let (mut newer, mut older) = (0, self.sectors - 1);
        while older - newer > 1 {
            let middle = newer + (older - newer) / 2;
            if cycle(&self.read(middle)?) == first {
                newer = middle;
            } else {
                older = middle;
            }
        }
        Ok(older)
    }

    fn is_clean(&self) -> Result<bool> {
        let head = self.head()?;
        // The last record's header lies before the head, maybe at the log's end.
        for back in 1..=MOST_SECTORS.min(self.sectors) {
            let at = (head + self.sectors - back) % self.sectors;
            let Some(header) = RecordHeader::parse(&self.read(at)?) else {
                continue;
            };
            if header.header_sectors() + header.data_sectors() != back || header.operations != 1 {
                return Ok(false);
            }
            let data = self.read((at + header.header_sectors()) % self.sectors)?;
            return Ok(is_unmount(&data));
        }
        Ok(false)
    }
}
