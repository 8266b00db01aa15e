//! A device in memory, for tests and small scratch work.

use crate::device::check_range;
use crate::{BlockDevice, BlockRead, Result};
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// A device whose bytes live in memory.
pub struct MemoryDevice {
    bytes: RwLock<Vec<u8>>,
}

impl MemoryDevice {
    /// A device of `length` zero bytes.
    #[must_use]
    pub fn zeroed(length: usize) -> Self {
        Self::from_bytes(vec![0; length])
    }

    /// A device that holds `bytes`.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self {
            bytes: RwLock::new(bytes),
        }
    }

    /// A copy of everything on the device.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for MemoryDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDevice")
            .field("length", &self.len_bytes())
            .finish()
    }
}

impl BlockRead for MemoryDevice {
    fn len_bytes(&self) -> u64 {
        self.bytes.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let bytes = self.bytes.read().unwrap_or_else(PoisonError::into_inner);
        check_range(bytes.len() as u64, offset, buf.len() as u64)?;
        let start = offset as usize;
        buf.copy_from_slice(&bytes[start..start + buf.len()]);
        Ok(())
    }
}

impl BlockDevice for MemoryDevice {
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        let mut bytes = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
        check_range(bytes.len() as u64, offset, data.len() as u64)?;
        let start = offset as usize;
        bytes[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn discard(&self, offset: u64, length: u64) -> Result<()> {
        let mut bytes = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
        check_range(bytes.len() as u64, offset, length)?;
        bytes[offset as usize..(offset + length) as usize].fill(0);
        Ok(())
    }
}
