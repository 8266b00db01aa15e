//! What a FAT filesystem is, told without opening it.

use crate::Error;
use crate::format::boot::Geometry;
use crate::format::directory;
use imgctl_block::BlockRead;
use std::fmt;

/// Which of the three kinds it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FatKind {
    /// Entries of 12 bits.
    Fat12,
    /// Entries of 16 bits.
    Fat16,
    /// Entries of 32 bits, of which 28 count.
    Fat32,
}

/// A filesystem's kind and names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Summary {
    /// The kind.
    pub kind: FatKind,
    /// The volume label of the root directory, else of the boot sector; in the filesystem's own code page.
    pub label: Option<Vec<u8>>,
    /// The serial number; [`serial_text`](Self::serial_text) is what fstab and blkid call UUID.
    pub serial: Option<u32>,
}

impl FatKind {
    pub(crate) fn entry_bits(self) -> u64 {
        match self {
            Self::Fat12 => 12,
            Self::Fat16 => 16,
            Self::Fat32 => 32,
        }
    }
}

impl fmt::Display for FatKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FAT{}", self.entry_bits())
    }
}

impl Summary {
    /// The serial number as `XXXX-XXXX`.
    #[must_use]
    pub fn serial_text(&self) -> Option<String> {
        let serial = self.serial?;
        Some(format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff))
    }
}

/// Tells whether `device` holds a FAT filesystem with a sound boot sector, and which.
pub fn probe(device: &dyn BlockRead) -> Option<Summary> {
    let geometry = read_geometry(device).ok()?;
    let (at, length) = match geometry.kind {
        FatKind::Fat32 => (
            geometry.cluster_at(geometry.root_cluster),
            u64::from(geometry.cluster_bytes()),
        ),
        _ => (geometry.root_at, geometry.root_bytes),
    };
    let root = device.read_vec(at, usize::try_from(length).ok()?).ok()?;
    let label = directory::volume_label(&root)
        .or(geometry.label)
        .map(|label| label.trim_ascii_end().to_vec());
    Some(Summary {
        kind: geometry.kind,
        label: label.filter(|label| !label.is_empty() && label != b"NO NAME"),
        serial: geometry.serial,
    })
}

/// Reads and checks the boot sector.
pub(crate) fn read_geometry(device: &dyn BlockRead) -> Result<Geometry, Error> {
    let mut sector = [0; 512];
    if device.len_bytes() < 512 {
        return Err(Error::NotFat {
            reason: "it is shorter than a sector",
        });
    }
    device.read_at(0, &mut sector)?;
    Geometry::parse(&sector, device.len_bytes())
}
