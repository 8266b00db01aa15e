//! A host file as a read-only device.

use crate::device::check_range;
use crate::{BlockRead, Error, Extent, ExtentKind, Result};
use rustix::buffer::spare_capacity;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A raw image file. Its holes are found with SEEK_DATA and SEEK_HOLE.
#[derive(Debug)]
pub struct FileDevice {
    file: File,
    length: u64,
}

impl FileDevice {
    /// Takes an open file; its length is read once, now.
    pub fn new(file: File) -> Result<Self> {
        // Seeking instead of metadata: a block device has no length in its metadata.
        let length = seek(&file, SeekFrom::End(0)).map_err(|errno| Error::Io {
            action: "find the end of the file",
            offset: 0,
            source: errno.into(),
        })?;
        Ok(Self { file, length })
    }

    /// The file itself.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    fn seek(&self, action: &'static str, offset: u64, from: SeekFrom) -> Result<Option<u64>> {
        match seek(&self.file, from) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NXIO) => Ok(None),
            // Block devices, and a few filesystems, cannot tell: everything is data.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(match from {
                SeekFrom::Data(offset) => Some(offset),
                _ => None,
            }),
            Err(errno) => Err(Error::Io {
                action,
                offset,
                source: errno.into(),
            }),
        }
    }
}

impl BlockRead for FileDevice {
    fn len_bytes(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.length, offset, buf.len() as u64)?;
        self.file.read_exact_at(buf, offset).map_err(|source| Error::Io {
            action: "read",
            offset,
            source,
        })
    }

    fn read_vec(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        check_range(self.length, offset, length as u64)?;
        // Memory that is about to be filled need not be cleared before.
        let mut buf = Vec::with_capacity(length);
        while buf.len() < length {
            let position = offset + buf.len() as u64;
            let read = match rustix::io::pread(&self.file, spare_capacity(&mut buf), position) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Err(Errno::INTR) => Ok(0),
                read => read.map_err(io::Error::from),
            };
            read.map_err(|source| Error::Io {
                action: "read",
                offset,
                source,
            })?;
        }
        // There may be more room than was asked for.
        buf.truncate(length);
        Ok(buf)
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self.length, offset, 1)?;
        let data = self.seek("look for data", offset, SeekFrom::Data(offset))?;
        let (kind, end) = match data {
            None => (ExtentKind::Hole, self.length),
            Some(start) if start > offset => (ExtentKind::Hole, start),
            Some(_) => {
                let hole = self.seek("look for a hole", offset, SeekFrom::Hole(offset))?;
                (ExtentKind::Data, hole.unwrap_or(self.length))
            }
        };
        Ok(Extent {
            kind,
            length: end.min(self.length).saturating_sub(offset).max(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_of_a_sparse_file_are_seen() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4 << 20).unwrap();
        file.write_all_at(&[1; 65536], 1 << 20).unwrap();
        let device = FileDevice::new(file).unwrap();
        assert_eq!(device.len_bytes(), 4 << 20);
        assert_eq!(
            device.extent_at(0).unwrap(),
            Extent {
                kind: ExtentKind::Hole,
                length: 1 << 20
            }
        );
        assert_eq!(
            device.extent_at((1 << 20) + 5).unwrap(),
            Extent {
                kind: ExtentKind::Data,
                length: 65531
            }
        );
        assert_eq!(device.extent_at(2 << 20).unwrap().kind, ExtentKind::Hole);
        assert!(device.extent_at(4 << 20).is_err());
    }
}
