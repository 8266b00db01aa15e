//! The boot sector: where everything is, checked before anything else is read.
//!
//! Facts (Microsoft FAT specification, Linux fs/fat): the parameter block begins at 11; FAT32 is recognised by a 16-bit
//! table size of zero and moves its extended block from 36 to 64. FAT12 has at most 4084 clusters. Which of the two
//! others it is does not follow from the number of clusters for the Linux kernel, nor here: small FAT32 filesystems exist.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

use super::{array_at, u16_at, u32_at};
use crate::{Error, FatKind};

/// Bounds the table held in memory to 64 MiB; a FAT32 of 512 GiB has as many clusters.
const MAX_CLUSTERS: u64 = 1 << 24;
const FAT12_MAX_CLUSTERS: u64 = 4084;
const FAT16_MAX_CLUSTERS: u64 = 65_524;

/// Where the parts of a filesystem are; all of them within the device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Geometry {
    pub(crate) kind: FatKind,
    pub(crate) sector_bytes: u32,
    pub(crate) cluster_sectors: u32,
    /// How many clusters there are; they are numbered from 2.
    pub(crate) clusters: u32,
    pub(crate) media: u8,
    /// The first table's offset.
    pub(crate) table_at: u64,
    /// One table's length.
    pub(crate) table_bytes: u64,
    /// How many tables there are.
    pub(crate) tables: u8,
    /// The one table in use, if they are not kept alike.
    pub(crate) active_table: Option<u8>,
    /// FAT12 and FAT16: the root directory's place. Empty for FAT32.
    pub(crate) root_at: u64,
    pub(crate) root_bytes: u64,
    /// FAT32: the root directory's first cluster, 0 otherwise.
    pub(crate) root_cluster: u32,
    /// Where cluster 2 begins.
    pub(crate) data_at: u64,
    /// FAT32: the information sector's offset.
    pub(crate) info_at: Option<u64>,
    /// FAT32: the backup boot sector's offset.
    pub(crate) backup_at: Option<u64>,
    /// The offset within a boot sector of the byte whose bit 0 says that the filesystem was not unmounted.
    pub(crate) state_offset: u64,
    pub(crate) serial: Option<u32>,
    pub(crate) label: Option<[u8; 11]>,
}

/// The numbers of the parameter block, unchecked.
#[derive(Debug)]
struct Parameters {
    sector_bytes: u64,
    cluster_sectors: u64,
    reserved: u64,
    tables: u8,
    root_entries: u64,
    total_sectors: u64,
    table_sectors: u64,
    is_fat32: bool,
}

impl Parameters {
    fn parse(sector: &[u8]) -> Option<Self> {
        let short_table = u16_at(sector, 22)?;
        let is_fat32 = short_table == 0;
        Some(Self {
            sector_bytes: u64::from(u16_at(sector, 11)?),
            cluster_sectors: u64::from(*sector.get(13)?),
            reserved: u64::from(u16_at(sector, 14)?),
            tables: *sector.get(16)?,
            root_entries: u64::from(u16_at(sector, 17)?),
            total_sectors: match u16_at(sector, 19)? {
                0 => u64::from(u32_at(sector, 32)?),
                short => u64::from(short),
            },
            table_sectors: if is_fat32 {
                u64::from(u32_at(sector, 36)?)
            } else {
                u64::from(short_table)
            },
            is_fat32,
        })
    }

    /// What makes these no parameters of a FAT filesystem.
    fn fault(&self) -> Option<&'static str> {
        if !matches!(self.sector_bytes, 512 | 1024 | 2048 | 4096) {
            return Some("the sector size is not 512, 1024, 2048 or 4096");
        }
        if !self.cluster_sectors.is_power_of_two() {
            return Some("the cluster size is not a power of two");
        }
        if self.reserved == 0 {
            return Some("there is no reserved sector");
        }
        if !matches!(self.tables, 1..=4) {
            return Some("there are not 1 to 4 tables");
        }
        if self.table_sectors == 0 {
            return Some("the table is empty");
        }
        if self.is_fat32 != (self.root_entries == 0) {
            return Some("the root directory's size does not fit the kind");
        }
        let entries_per_sector = self.sector_bytes.checked_div(32)?;
        if self.root_entries.checked_rem(entries_per_sector)? != 0 {
            return Some("the root directory does not end with a sector");
        }
        None
    }
}

impl Geometry {
    /// Reads the first sector (512 bytes suffice) of a filesystem on a device of `device_bytes`.
    pub(crate) fn parse(sector: &[u8], device_bytes: u64) -> Result<Self, Error> {
        let not_fat = |reason| Error::NotFat { reason };
        if u16_at(sector, 510) != Some(0xaa55) {
            return Err(not_fat("the boot sector is not signed"));
        }
        let parameters = Parameters::parse(sector).ok_or(not_fat("the boot sector is too short"))?;
        if let Some(reason) = parameters.fault() {
            return Err(not_fat(reason));
        }
        let geometry = Self::place(&parameters, sector).ok_or(not_fat("its parts do not fit into it"))?;
        let total_bytes = parameters
            .total_sectors
            .checked_mul(parameters.sector_bytes)
            .ok_or(not_fat("its size overflows"))?;
        if total_bytes > device_bytes {
            return Err(Error::Truncated {
                total_bytes,
                device_bytes,
            });
        }
        geometry.check_clusters()?;
        Ok(geometry)
    }

    /// Lays out the parts; `None` where they overflow or do not fit into the sectors there are.
    fn place(parameters: &Parameters, sector: &[u8]) -> Option<Self> {
        let unit = parameters.sector_bytes;
        let tables_sectors = u64::from(parameters.tables).checked_mul(parameters.table_sectors)?;
        let root_sector = parameters.reserved.checked_add(tables_sectors)?;
        let root_bytes = parameters.root_entries.checked_mul(32)?;
        let data_sector = root_sector.checked_add(root_bytes.checked_div(unit)?)?;
        let data_sectors = parameters.total_sectors.checked_sub(data_sector)?;
        let clusters = data_sectors.checked_div(parameters.cluster_sectors)?;
        let is_fat32 = parameters.is_fat32;
        let flags = if is_fat32 { u16_at(sector, 40)? } else { 0 };
        let extended: usize = if is_fat32 { 64 } else { 36 };
        let signed = sector.get(extended.checked_add(2)?) == Some(&0x29);
        let within_reserved = |at| -> Option<u64> {
            let number = u64::from(u16_at(sector, at)?);
            (is_fat32 && number > 0 && number < parameters.reserved).then(|| number.checked_mul(unit))?
        };
        Some(Self {
            kind: if is_fat32 {
                FatKind::Fat32
            } else if clusters <= FAT12_MAX_CLUSTERS {
                FatKind::Fat12
            } else {
                FatKind::Fat16
            },
            sector_bytes: u32::try_from(unit).ok()?,
            cluster_sectors: u32::try_from(parameters.cluster_sectors).ok()?,
            clusters: u32::try_from(clusters).ok()?,
            media: *sector.get(21)?,
            table_at: parameters.reserved.checked_mul(unit)?,
            table_bytes: parameters.table_sectors.checked_mul(unit)?,
            tables: parameters.tables,
            active_table: if flags & 0x80 == 0 {
                None
            } else {
                u8::try_from(flags & 0x0f).ok()
            },
            root_at: root_sector.checked_mul(unit)?,
            root_bytes,
            root_cluster: if is_fat32 { u32_at(sector, 44)? } else { 0 },
            data_at: data_sector.checked_mul(unit)?,
            info_at: within_reserved(48),
            backup_at: within_reserved(50),
            state_offset: u64::try_from(extended).ok()?.checked_add(1)?,
            serial: u32_at(sector, extended.checked_add(3)?).filter(|_| signed),
            label: array_at(sector, extended.checked_add(7)?).filter(|_| signed),
        })
    }

    fn check_clusters(&self) -> Result<(), Error> {
        let clusters = u64::from(self.clusters);
        if clusters > MAX_CLUSTERS {
            return Err(Error::TooLarge { clusters });
        }
        let not_fat = |reason| Err(Error::NotFat { reason });
        if clusters == 0 {
            return not_fat("there is no cluster");
        }
        if self.kind == FatKind::Fat16 && clusters > FAT16_MAX_CLUSTERS {
            return not_fat("there are too many clusters for FAT16");
        }
        let needed = clusters.saturating_add(2).saturating_mul(self.kind.entry_bits());
        if self.table_bytes.saturating_mul(8) < needed {
            return not_fat("the table is too small for the clusters");
        }
        if self.kind == FatKind::Fat32 && !self.has_cluster(self.root_cluster) {
            return not_fat("the root directory's cluster does not exist");
        }
        match self.active_table {
            Some(active) if active >= self.tables => not_fat("the table in use does not exist"),
            _ => Ok(()),
        }
    }

    /// Whether this is the number of a cluster.
    pub(crate) fn has_cluster(&self, cluster: u32) -> bool {
        cluster.checked_sub(2).is_some_and(|index| index < self.clusters)
    }

    pub(crate) fn cluster_bytes(&self) -> u32 {
        // At most 128 sectors of 4096 bytes.
        self.sector_bytes.saturating_mul(self.cluster_sectors)
    }

    /// Where a cluster begins. Only for numbers that [`has_cluster`](Self::has_cluster) holds of.
    pub(crate) fn cluster_at(&self, cluster: u32) -> u64 {
        let index = u64::from(cluster.saturating_sub(2));
        let within = index.saturating_mul(u64::from(self.cluster_bytes()));
        self.data_at.saturating_add(within)
    }

    /// Where the tables are that have to be kept up to date.
    pub(crate) fn tables_at(&self) -> Vec<u64> {
        let at = |number: u8| {
            let within = self.table_bytes.saturating_mul(u64::from(number));
            self.table_at.saturating_add(within)
        };
        match self.active_table {
            Some(active) => vec![at(active)],
            None => (0..self.tables).map(at).collect(),
        }
    }
}
