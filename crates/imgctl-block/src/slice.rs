//! A byte range of a device, as a device.

use crate::device::check_range;
use crate::{BlockDevice, BlockRead, Extent, Result};

/// A partition or logical volume: `length` bytes of `device`, starting at `start`.
#[derive(Clone, Debug)]
pub struct Slice<D> {
    device: D,
    start: u64,
    length: u64,
}

impl<D: BlockRead> Slice<D> {
    /// A window on `device`. Fails if the window does not lie within it.
    pub fn new(device: D, start: u64, length: u64) -> Result<Self> {
        check_range(device.len_bytes(), start, length)?;
        Ok(Self { device, start, length })
    }

    /// Where the slice begins on its device.
    pub fn start(&self) -> u64 {
        self.start
    }
}

impl<D: BlockRead> BlockRead for Slice<D> {
    fn len_bytes(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.length, offset, buf.len() as u64)?;
        self.device.read_at(self.start + offset, buf)
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self.length, offset, 1)?;
        let extent = self.device.extent_at(self.start + offset)?;
        Ok(extent.capped(self.length - offset))
    }
}

impl<D: BlockDevice> BlockDevice for Slice<D> {
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        check_range(self.length, offset, data.len() as u64)?;
        self.device.write_at(self.start + offset, data)
    }

    fn discard(&self, offset: u64, length: u64) -> Result<()> {
        check_range(self.length, offset, length)?;
        self.device.discard(self.start + offset, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, MemoryDevice};

    #[test]
    fn a_slice_never_reaches_outside_its_window() {
        let slice = Slice::new(MemoryDevice::from_bytes((0..=255).collect()), 16, 32).unwrap();
        let mut buf = [0; 4];
        slice.read_at(28, &mut buf).unwrap();
        assert_eq!(buf, [44, 45, 46, 47]);
        for offset in [29, 32, u64::MAX] {
            assert!(matches!(
                slice.read_at(offset, &mut buf),
                Err(Error::OutOfBounds { .. })
            ));
            assert!(slice.write_at(offset, &buf).is_err());
            assert!(slice.discard(offset, 4).is_err());
        }
    }

    #[test]
    fn a_window_past_the_end_is_refused() {
        assert!(Slice::new(MemoryDevice::zeroed(100), 90, 11).is_err());
        assert!(Slice::new(MemoryDevice::zeroed(100), u64::MAX, 2).is_err());
    }
}
