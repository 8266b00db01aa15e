//! A device that fails on purpose.

use crate::{BlockDevice, BlockRead, Error, Extent, Result};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// When a [`FaultDevice`] begins to fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Every read from the n-th on (counted from 0) fails with EIO.
    ReadsFrom(u64),
    /// Every write or discard from the n-th on fails with ENOSPC.
    WritesFrom(u64),
}

/// Passes everything through to a device until its fault strikes; from then on it keeps failing.
#[derive(Debug)]
pub struct FaultDevice<D> {
    device: D,
    fault: Fault,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl<D> FaultDevice<D> {
    /// Wraps `device`.
    pub fn new(device: D, fault: Fault) -> Self {
        Self {
            device,
            fault,
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        }
    }

    /// How many reads were asked for so far, failed ones included.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// How many writes and discards were asked for so far, failed ones included.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    fn before_read(&self, offset: u64) -> Result<()> {
        let index = self.reads.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Fault::ReadsFrom(first) if index >= first => Err(Error::Io {
                action: "read",
                offset,
                source: io::Error::other("injected read fault"),
            }),
            _ => Ok(()),
        }
    }

    fn before_write(&self, offset: u64) -> Result<()> {
        let index = self.writes.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Fault::WritesFrom(first) if index >= first => Err(Error::Io {
                action: "write",
                offset,
                source: io::ErrorKind::StorageFull.into(),
            }),
            _ => Ok(()),
        }
    }
}

impl<D: BlockRead> BlockRead for FaultDevice<D> {
    fn len_bytes(&self) -> u64 {
        self.device.len_bytes()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.before_read(offset)?;
        self.device.read_at(offset, buf)
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        self.device.extent_at(offset)
    }
}

impl<D: BlockDevice> BlockDevice for FaultDevice<D> {
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.before_write(offset)?;
        self.device.write_at(offset, data)
    }

    fn discard(&self, offset: u64, length: u64) -> Result<()> {
        self.before_write(offset)?;
        self.device.discard(offset, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryDevice;

    #[test]
    fn the_fault_strikes_at_its_index_and_stays() {
        let device = FaultDevice::new(MemoryDevice::zeroed(64), Fault::WritesFrom(1));
        device.write_at(0, b"a").unwrap();
        let error = device.write_at(1, b"b").unwrap_err();
        assert!(error.is_no_space());
        assert!(device.discard(0, 1).is_err());
        assert_eq!(device.writes(), 3);
        let mut buf = [0; 2];
        device.read_at(0, &mut buf).unwrap();
        assert_eq!(&buf, b"a\0");
    }
}
