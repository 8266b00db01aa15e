//! The two traits.

use crate::{Error, Extent, ExtentKind, Result};
use std::fmt::Debug;
use std::sync::Arc;

/// A device that can be read at any byte offset.
pub trait BlockRead: Debug + Send + Sync {
    /// The device's length in bytes.
    fn len_bytes(&self) -> u64;

    /// Fills `buf` with the bytes at `offset`. Reading past the end is [`Error::OutOfBounds`].
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()>;

    /// What lies at `offset`: bytes, or a hole that reads as zeros, and how far that holds (at least one byte, never
    /// past the end). A hole is a promise; data may still happen to be all zeros.
    ///
    /// The default calls everything data.
    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self.len_bytes(), offset, 1)?;
        Ok(Extent {
            kind: ExtentKind::Data,
            length: self.len_bytes().saturating_sub(offset),
        })
    }

    /// Reads `length` bytes at `offset` into a new buffer.
    ///
    /// The range is checked before memory is taken, so a length found in an untrusted structure costs at most the
    /// device's own size.
    fn read_vec(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        check_range(self.len_bytes(), offset, length as u64)?;
        let mut buf = vec![0; length];
        self.read_at(offset, &mut buf)?;
        Ok(buf)
    }
}

/// A device that can also be written.
pub trait BlockDevice: BlockRead {
    /// Writes `data` at `offset`. Writing past the end is [`Error::OutOfBounds`]; nothing is written then.
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()>;

    /// Makes `length` bytes at `offset` read as zeros, without storing them where that is possible.
    fn discard(&self, offset: u64, length: u64) -> Result<()>;
}

impl<T: BlockRead + ?Sized> BlockRead for Arc<T> {
    fn len_bytes(&self) -> u64 {
        (**self).len_bytes()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        (**self).read_at(offset, buf)
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        (**self).extent_at(offset)
    }
}

impl<T: BlockDevice + ?Sized> BlockDevice for Arc<T> {
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        (**self).write_at(offset, data)
    }

    fn discard(&self, offset: u64, length: u64) -> Result<()> {
        (**self).discard(offset, length)
    }
}

/// Fails unless `length` bytes at `offset` lie within a device of `device_bytes`.
pub(crate) fn check_range(device_bytes: u64, offset: u64, length: u64) -> Result<()> {
    match offset.checked_add(length) {
        Some(end) if end <= device_bytes => Ok(()),
        _ => Err(Error::OutOfBounds {
            offset,
            length,
            device_bytes,
        }),
    }
}
