//! The image header: the first cluster of the file.

use super::address::{Geometry, MAX_CLUSTER_BITS, MIN_CLUSTER_BITS};
use super::bytes::{u32_at, u64_at};
use super::extensions::{Extensions, encode_backing_format};
use crate::{Codec, Error, Result, detect};
use imgctl_block::BlockRead;

pub(crate) const INCOMPATIBLE_DIRTY: u64 = 1 << 0;
pub(crate) const INCOMPATIBLE_CORRUPT: u64 = 1 << 1;
pub(crate) const INCOMPATIBLE_DATA_FILE: u64 = 1 << 2;
pub(crate) const INCOMPATIBLE_COMPRESSION: u64 = 1 << 3;
pub(crate) const INCOMPATIBLE_EXTENDED_L2: u64 = 1 << 4;
pub(crate) const COMPATIBLE_LAZY_REFCOUNTS: u64 = 1 << 0;
pub(crate) const AUTOCLEAR_DATA_FILE_RAW: u64 = 1 << 1;

const KNOWN_INCOMPATIBLE: u64 = INCOMPATIBLE_DIRTY
    | INCOMPATIBLE_CORRUPT
    | INCOMPATIBLE_DATA_FILE
    | INCOMPATIBLE_COMPRESSION
    | INCOMPATIBLE_EXTENDED_L2;

const MAGIC: &[u8] = b"QFI\xfb";
const V2_BYTES: u32 = 72;
const V3_LEAST_BYTES: u32 = 104;
/// The header as written here: with the compression type and its padding.
const WRITTEN_BYTES: u32 = 112;

// qemu's limits.
const MAX_L1_BYTES: u64 = 32 << 20;
const MAX_REFCOUNT_TABLE_BYTES: u64 = 8 << 20;
const MAX_SNAPSHOTS: u32 = 65536;
const MAX_BACKING_NAME_BYTES: u32 = 1023;
const MAX_REFCOUNT_ORDER: u32 = 6;

/// A checked header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) geometry: Geometry,
    /// The length of the guest's disk, in whole sectors as qemu counts it.
    pub(crate) virtual_bytes: u64,
    pub(crate) crypt_method: u32,
    pub(crate) l1_entries: u32,
    pub(crate) l1_offset: u64,
    pub(crate) refcount_table_offset: u64,
    pub(crate) refcount_table_clusters: u32,
    pub(crate) snapshots: u32,
    pub(crate) snapshots_offset: u64,
    pub(crate) incompatible: u64,
    pub(crate) compatible: u64,
    pub(crate) autoclear: u64,
    /// The width of a refcount in bits, as a power of two.
    pub(crate) refcount_order: u32,
    pub(crate) codec: Codec,
    pub(crate) backing_file: Option<String>,
    pub(crate) extensions: Extensions,
}

impl Header {
    /// Reads and checks the header of the image in `file`; nothing else of the file is looked at.
    pub(crate) fn read(file: &dyn BlockRead) -> Result<Self> {
        let file_bytes = file.len_bytes();
        let read = |length: u64| {
            let length = usize::try_from(length.min(file_bytes)).unwrap_or(usize::MAX);
            file.read_vec(0, length)
        };
        let first = read(512)?;
        if let Some(format) = detect::detect_foreign(&first) {
            return Err(Error::Foreign { format });
        }
        if !first.starts_with(MAGIC) {
            return Err(Error::NotQcow2);
        }
        let cluster_bits = u32_at(&first, 20).ok_or(damaged("the file ends within it"))?;
        let first = if (MIN_CLUSTER_BITS..=MAX_CLUSTER_BITS).contains(&cluster_bits) {
            read(1_u64.wrapping_shl(cluster_bits))?
        } else {
            first
        };
        Self::parse(&first)
    }

    /// Parses the first cluster of a file, or all of the file where it is shorter.
    fn parse(bytes: &[u8]) -> Result<Self> {
        let fields = Fields::parse(bytes).ok_or(damaged("the file ends within it"))?;
        let extended_l2 = fields.incompatible & INCOMPATIBLE_EXTENDED_L2 != 0;
        let geometry = Geometry::new(fields.cluster_bits, extended_l2).ok_or(Error::Limit {
            what: "the cluster size, as a power of two,",
            value: fields.cluster_bits.into(),
            limit: MAX_CLUSTER_BITS.into(),
        })?;
        let cluster_bytes = geometry.cluster_bytes();
        if u64::from(fields.header_bytes) > cluster_bytes {
            return Err(damaged("it is longer than a cluster"));
        }
        let (backing_file, extensions_end) = backing_file(&fields, bytes, cluster_bytes)?;
        let start = usize::try_from(fields.header_bytes).unwrap_or(usize::MAX);
        let end = usize::try_from(extensions_end).unwrap_or(usize::MAX);
        let area = bytes.get(start..end.min(bytes.len())).unwrap_or_default();
        let extensions = Extensions::parse(area, fields.header_bytes.into())?;
        refuse_unknown(&fields, &extensions)?;
        fields.check_limits(geometry)?;
        Ok(Self {
            version: fields.version,
            geometry,
            virtual_bytes: fields.virtual_bytes & !511,
            crypt_method: fields.crypt_method,
            l1_entries: fields.l1_entries,
            l1_offset: fields.l1_offset,
            refcount_table_offset: fields.refcount_table_offset,
            refcount_table_clusters: fields.refcount_table_clusters,
            snapshots: fields.snapshots,
            snapshots_offset: fields.snapshots_offset,
            incompatible: fields.incompatible,
            compatible: fields.compatible,
            autoclear: fields.autoclear,
            refcount_order: fields.refcount_order,
            codec: fields.codec()?,
            backing_file,
            extensions,
        })
    }

    /// The encryption's name, if the guest's data is encrypted.
    pub(crate) fn encryption(&self) -> Option<String> {
        match self.crypt_method {
            0 => None,
            1 => Some("AES".to_owned()),
            2 => Some("LUKS".to_owned()),
            other => Some(format!("method {other}")),
        }
    }

    /// The header as bytes, extensions and backing file name included. In version 2 what only version 3 has is left out.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut extensions = Vec::new();
        if let Some(format) = &self.extensions.backing_format {
            extensions.extend(encode_backing_format(format));
        }
        extensions.extend_from_slice(&[0; 8]);
        let name = self.backing_file.as_deref().unwrap_or_default().as_bytes();
        let header_bytes = if self.version < 3 { V2_BYTES } else { WRITTEN_BYTES };
        let after = u64::from(header_bytes).saturating_add(u64::try_from(extensions.len()).unwrap_or(u64::MAX));
        let name_offset = if name.is_empty() { 0 } else { after };
        let name_bytes = u32::try_from(name.len()).unwrap_or(u32::MAX);
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes.extend_from_slice(&name_offset.to_be_bytes());
        bytes.extend_from_slice(&name_bytes.to_be_bytes());
        bytes.extend_from_slice(&self.geometry.cluster_bits().to_be_bytes());
        bytes.extend_from_slice(&self.virtual_bytes.to_be_bytes());
        bytes.extend_from_slice(&self.crypt_method.to_be_bytes());
        bytes.extend_from_slice(&self.l1_entries.to_be_bytes());
        bytes.extend_from_slice(&self.l1_offset.to_be_bytes());
        bytes.extend_from_slice(&self.refcount_table_offset.to_be_bytes());
        bytes.extend_from_slice(&self.refcount_table_clusters.to_be_bytes());
        bytes.extend_from_slice(&[0; 12]); // no snapshots
        if self.version >= 3 {
            bytes.extend_from_slice(&self.incompatible.to_be_bytes());
            bytes.extend_from_slice(&self.compatible.to_be_bytes());
            bytes.extend_from_slice(&self.autoclear.to_be_bytes());
            bytes.extend_from_slice(&self.refcount_order.to_be_bytes());
            bytes.extend_from_slice(&header_bytes.to_be_bytes());
            bytes.extend_from_slice(&[self.codec.compression_type(), 0, 0, 0, 0, 0, 0, 0]);
        }
        bytes.extend(extensions);
        bytes.extend_from_slice(name);
        bytes
    }
}

/// The fields of the header as they stand, before any check that needs another one.
struct Fields {
    version: u32,
    backing_offset: u64,
    backing_bytes: u32,
    cluster_bits: u32,
    virtual_bytes: u64,
    crypt_method: u32,
    l1_entries: u32,
    l1_offset: u64,
    refcount_table_offset: u64,
    refcount_table_clusters: u32,
    snapshots: u32,
    snapshots_offset: u64,
    incompatible: u64,
    compatible: u64,
    autoclear: u64,
    refcount_order: u32,
    header_bytes: u32,
    compression_type: u8,
}

impl Fields {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Self {
            version: u32_at(bytes, 4)?,
            backing_offset: u64_at(bytes, 8)?,
            backing_bytes: u32_at(bytes, 16)?,
            cluster_bits: u32_at(bytes, 20)?,
            virtual_bytes: u64_at(bytes, 24)?,
            crypt_method: u32_at(bytes, 32)?,
            l1_entries: u32_at(bytes, 36)?,
            l1_offset: u64_at(bytes, 40)?,
            refcount_table_offset: u64_at(bytes, 48)?,
            refcount_table_clusters: u32_at(bytes, 56)?,
            snapshots: u32_at(bytes, 60)?,
            snapshots_offset: u64_at(bytes, 64)?,
            incompatible: 0,
            compatible: 0,
            autoclear: 0,
            refcount_order: 4,
            header_bytes: V2_BYTES,
            compression_type: 0,
        };
        // Other versions are refused before these fields are used.
        if fields.version >= 3 {
            fields.incompatible = u64_at(bytes, 72)?;
            fields.compatible = u64_at(bytes, 80)?;
            fields.autoclear = u64_at(bytes, 88)?;
            fields.refcount_order = u32_at(bytes, 96)?;
            fields.header_bytes = u32_at(bytes, 100)?;
            if fields.header_bytes > V3_LEAST_BYTES {
                fields.compression_type = bytes.get(104).copied()?;
            }
        }
        Some(fields)
    }

    fn check_limits(&self, geometry: Geometry) -> Result<()> {
        let limit = |what, value: u64, limit| {
            if value > limit {
                return Err(Error::Limit { what, value, limit });
            }
            Ok(())
        };
        if self.version == 3 && self.header_bytes < V3_LEAST_BYTES {
            return Err(damaged("its length field is too small"));
        }
        limit(
            "the refcount width, as a power of two,",
            self.refcount_order.into(),
            MAX_REFCOUNT_ORDER.into(),
        )?;
        let needed = geometry.l1_entries_for(self.virtual_bytes);
        limit("the L1 size for this virtual size", needed, MAX_L1_BYTES / 8)?;
        limit("the L1 size", self.l1_entries.into(), MAX_L1_BYTES / 8)?;
        if u64::from(self.l1_entries) < needed {
            return Err(damaged("its L1 table is too small for the virtual size"));
        }
        if !geometry.is_aligned(self.l1_offset) {
            return Err(damaged("its L1 table is not at a cluster boundary"));
        }
        if self.refcount_table_clusters == 0 {
            return Err(damaged("it names no refcount table"));
        }
        limit(
            "the refcount table's length",
            u64::from(self.refcount_table_clusters).saturating_mul(geometry.cluster_bytes()),
            MAX_REFCOUNT_TABLE_BYTES.max(geometry.cluster_bytes()),
        )?;
        if !geometry.is_aligned(self.refcount_table_offset) {
            return Err(damaged("its refcount table is not at a cluster boundary"));
        }
        limit("the number of snapshots", self.snapshots.into(), MAX_SNAPSHOTS.into())
    }

    fn codec(&self) -> Result<Codec> {
        let announced = self.incompatible & INCOMPATIBLE_COMPRESSION != 0;
        match (self.compression_type, announced) {
            (0, false) => Ok(Codec::Zlib),
            (1, true) => Ok(Codec::Zstd),
            (0, true) | (1, false) => Err(damaged("its compression type and feature bit do not agree")),
            (compression, _) => Err(Error::UnsupportedCompression { compression }),
        }
    }
}

/// The backing file's name, and where the header extensions must end.
fn backing_file(fields: &Fields, bytes: &[u8], cluster_bytes: u64) -> Result<(Option<String>, u64)> {
    if fields.backing_offset == 0 {
        return Ok((None, cluster_bytes));
    }
    if fields.backing_offset > cluster_bytes {
        return Err(damaged("its backing file name lies outside the first cluster"));
    }
    if fields.backing_bytes > MAX_BACKING_NAME_BYTES {
        return Err(Error::Limit {
            what: "the length of the backing file's name",
            value: fields.backing_bytes.into(),
            limit: MAX_BACKING_NAME_BYTES.into(),
        });
    }
    let end = fields.backing_offset.saturating_add(fields.backing_bytes.into());
    let range = usize::try_from(fields.backing_offset)
        .ok()
        .zip(usize::try_from(end).ok());
    let name = range
        .and_then(|(start, end)| bytes.get(start..end))
        .ok_or(damaged("its backing file name lies outside the first cluster"))?;
    let name = (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned());
    Ok((name, fields.backing_offset))
}

fn refuse_unknown(fields: &Fields, extensions: &Extensions) -> Result<()> {
    if !matches!(fields.version, 2 | 3) {
        return Err(Error::UnsupportedVersion {
            version: fields.version,
        });
    }
    let unknown = fields.incompatible & !KNOWN_INCOMPATIBLE;
    if unknown == 0 {
        return Ok(());
    }
    let names = (0..64_u8)
        .filter(|bit| unknown.wrapping_shr((*bit).into()) & 1 == 1)
        .map(|bit| {
            let row = extensions
                .feature_names
                .iter()
                .find(|row| row.kind == 0 && row.bit == bit && !row.name.is_empty());
            row.map_or_else(
                || format!("incompatible feature bit {bit}"),
                |row| format!("{:?}", row.name),
            )
        })
        .collect();
    Err(Error::UnknownFeatures { names })
}

fn damaged(problem: &'static str) -> Error {
    Error::Damaged {
        structure: "image header",
        offset: 0,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn header() -> Header {
        Header {
            version: 3,
            geometry: Geometry::new(16, false).unwrap(),
            virtual_bytes: 1 << 30,
            crypt_method: 0,
            l1_entries: 2,
            l1_offset: 0x30000,
            refcount_table_offset: 0x10000,
            refcount_table_clusters: 1,
            snapshots: 0,
            snapshots_offset: 0,
            incompatible: 0,
            compatible: 0,
            autoclear: 0,
            refcount_order: 4,
            codec: Codec::Zlib,
            backing_file: None,
            extensions: Extensions::default(),
        }
    }

    #[test]
    fn what_is_encoded_parses_to_the_same_header() {
        let mut expected = header();
        assert_eq!(Header::parse(&expected.encode()).unwrap(), expected);
        expected.backing_file = Some("base image.qcow2".to_owned());
        expected.extensions.backing_format = Some("qcow2".to_owned());
        expected.version = 2;
        assert_eq!(Header::parse(&expected.encode()).unwrap(), expected);
        expected.version = 3;
        expected.codec = Codec::Zstd;
        expected.incompatible = INCOMPATIBLE_COMPRESSION;
        assert_eq!(Header::parse(&expected.encode()).unwrap(), expected);
    }

    #[test]
    fn unknown_features_are_refused_by_the_name_the_image_gives_them() {
        let mut bytes = header().encode();
        bytes[72..80].copy_from_slice(&(1_u64 << 9 | 1 << 40).to_be_bytes());
        let mut row = vec![0, 9];
        row.extend_from_slice(b"time travel");
        row.resize(48, 0);
        bytes.truncate(112);
        bytes.extend_from_slice(&0x6803_f857_u32.to_be_bytes());
        bytes.extend_from_slice(&48_u32.to_be_bytes());
        bytes.extend_from_slice(&row);
        bytes.extend_from_slice(&[0; 8]);
        let Err(Error::UnknownFeatures { names }) = Header::parse(&bytes) else {
            panic!("an unknown feature was accepted");
        };
        assert_eq!(names, ["\"time travel\"", "incompatible feature bit 40"]);
    }

    #[test]
    fn each_field_past_its_limit_is_refused() {
        let cases: [(usize, &[u8]); 10] = [
            (4, &[0, 0, 0, 4]),
            (20, &[0, 0, 0, 8]),
            (20, &[0, 0, 0, 22]),
            (24, &[0x40, 0, 0, 0]),
            (36, &[0, 0, 0, 1]),
            (40, &[0, 0, 0, 0, 0, 3, 0, 1]),
            (56, &[0, 0, 0, 0]),
            (60, &[0, 1, 0, 1]),
            (96, &[0, 0, 0, 7]),
            (104, &[1]),
        ];
        for (offset, field) in cases {
            let mut bytes = header().encode();
            bytes[offset..offset + field.len()].copy_from_slice(field);
            assert!(Header::parse(&bytes).is_err(), "offset {offset}: {field:?}");
        }
        let whole = header().encode();
        for length in 0..104 {
            assert!(Header::parse(&whole[..length]).is_err());
        }
    }
}
