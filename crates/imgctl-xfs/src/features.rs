//! The feature bits of the superblock, their names, and what the engine makes of each.

use crate::error::Refusal;

/// The version bit that says that some file has attributes.
pub(crate) const ATTRIBUTES: u16 = 0x10;

const VERSION_MASK: u16 = 0xf;
const ALIGN: u16 = 0x80;
const DIRECTORY_V2: u16 = 0x2000;
const MORE_BITS: u16 = 0x8000;
const ASCII_CI: u16 = 0x4000;
const FTYPE_V4: u32 = 0x200;

const FTYPE: u32 = 0x1;
const SPARSE_INODES: u32 = 0x2;
const META_UUID: u32 = 0x4;
const BIGTIME: u32 = 0x8;
const NEEDSREPAIR: u32 = 0x10;
const NREXT64: u32 = 0x20;
const EXCHANGE: u32 = 0x40;
const PARENT: u32 = 0x80;

const FINOBT: u32 = 0x1;
const RMAPBT: u32 = 0x2;
const REFLINK: u32 = 0x4;
const INOBTCOUNT: u32 = 0x8;

/// The feature words of a superblock, unknown bits kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Features {
    pub(crate) version: u16,
    more: u32,
    incompatible: u32,
    read_only: u32,
    log: u32,
}

impl Features {
    pub(crate) fn from_words(version: u16, more: u32, incompatible: u32, read_only: u32, log: u32) -> Self {
        let is_v5 = version & VERSION_MASK == 5;
        let of_v5 = |word| if is_v5 { word } else { 0 };
        Self {
            version,
            more: if version & MORE_BITS != 0 { more } else { 0 },
            incompatible: of_v5(incompatible),
            read_only: of_v5(read_only),
            log: of_v5(log),
        }
    }

    /// Whether structures carry sums, owners and places.
    pub(crate) fn is_v5(&self) -> bool {
        self.version & VERSION_MASK == 5
    }

    pub(crate) fn has_meta_uuid(&self) -> bool {
        self.incompatible & META_UUID != 0
    }

    /// Whether directory entries tell the type of what they name.
    pub(crate) fn has_file_types(&self) -> bool {
        if self.is_v5() {
            self.incompatible & FTYPE != 0
        } else {
            self.more & FTYPE_V4 != 0
        }
    }

    pub(crate) fn has_sparse_inodes(&self) -> bool {
        self.incompatible & SPARSE_INODES != 0
    }

    pub(crate) fn has_bigtime(&self) -> bool {
        self.incompatible & BIGTIME != 0
    }

    pub(crate) fn has_large_extent_counts(&self) -> bool {
        self.incompatible & NREXT64 != 0
    }

    pub(crate) fn has_free_inode_tree(&self) -> bool {
        self.read_only & FINOBT != 0
    }

    pub(crate) fn has_owner_tree(&self) -> bool {
        self.read_only & RMAPBT != 0
    }

    pub(crate) fn has_shared_blocks(&self) -> bool {
        self.read_only & REFLINK != 0
    }

    pub(crate) fn has_inode_tree_counts(&self) -> bool {
        self.read_only & INOBTCOUNT != 0
    }

    /// Whether inode chunks are aligned.
    pub(crate) fn has_alignment(&self) -> bool {
        self.version & ALIGN != 0
    }

    /// The names `mkfs.xfs` and `xfs_info` know the features by, sorted; unknown bits by word and number.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = word_names("INCOMPAT", self.incompatible, incompatible_name);
        names.extend(word_names("RO_COMPAT", self.read_only, read_only_name));
        names.extend(word_names("LOG_INCOMPAT", self.log, log_name));
        let by_version = [
            (self.is_v5(), "crc"),
            (!self.is_v5() && self.has_file_types(), "ftype"),
            (self.version & ASCII_CI != 0, "ascii-ci"),
            (!self.is_v5(), "v4"),
        ];
        names.extend(
            by_version
                .iter()
                .filter(|(is, _)| *is)
                .map(|(_, name)| (*name).to_owned()),
        );
        names.sort();
        names
    }

    /// Why the filesystem cannot be read.
    pub(crate) fn refuse_reading(&self) -> Option<Refusal> {
        let mut names = Vec::new();
        match self.version & VERSION_MASK {
            5 => {}
            4 if self.version & DIRECTORY_V2 != 0 => {}
            4 => names.push("directories of version 1".to_owned()),
            version => names.push(format!("version {version}")),
        }
        if self.version & ASCII_CI != 0 {
            names.push("ascii-ci".to_owned());
        }
        if self.incompatible & NEEDSREPAIR != 0 {
            return Some(Refusal::NeedsRepair);
        }
        let known = FTYPE | SPARSE_INODES | META_UUID | BIGTIME | NREXT64 | EXCHANGE | PARENT;
        names.extend(word_names("INCOMPAT", self.incompatible & !known, incompatible_name));
        (!names.is_empty()).then(|| Refusal::Features(names.join(", ")))
    }

    /// Why the filesystem cannot be written, beyond what already forbids reading.
    pub(crate) fn refuse_writing(&self) -> Option<Refusal> {
        let mut names = Vec::new();
        if !self.is_v5() {
            names.push("v4".to_owned());
        }
        names.extend(word_names("INCOMPAT", self.incompatible & PARENT, incompatible_name));
        let known = FINOBT | RMAPBT | REFLINK | INOBTCOUNT;
        names.extend(word_names("RO_COMPAT", self.read_only & !known, read_only_name));
        names.extend(word_names("LOG_INCOMPAT", self.log & !1, log_name));
        (!names.is_empty()).then(|| Refusal::Features(names.join(", ")))
    }
}

/// The names of the bits set in `word`.
fn word_names(class: &str, word: u32, name: fn(u32) -> Option<&'static str>) -> Vec<String> {
    (0..u32::BITS)
        .filter(|bit| word & (1 << bit) != 0)
        .map(|bit| match name(1 << bit) {
            Some(name) => name.to_owned(),
            None => format!("{class} bit {bit}"),
        })
        .collect()
}

fn incompatible_name(bit: u32) -> Option<&'static str> {
    Some(match bit {
        FTYPE => "ftype",
        SPARSE_INODES => "sparse",
        META_UUID => "meta_uuid",
        BIGTIME => "bigtime",
        NEEDSREPAIR => "needsrepair",
        NREXT64 => "nrext64",
        EXCHANGE => "exchange",
        PARENT => "parent",
        0x100 => "metadir",
        0x200 => "zoned",
        0x400 => "zone_gaps",
        _ => return None,
    })
}

fn read_only_name(bit: u32) -> Option<&'static str> {
    Some(match bit {
        FINOBT => "finobt",
        RMAPBT => "rmapbt",
        REFLINK => "reflink",
        INOBTCOUNT => "inobtcount",
        _ => return None,
    })
}

fn log_name(bit: u32) -> Option<&'static str> {
    (bit == 1).then_some("logged attributes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rhel_9_is_read_and_written_and_others_are_refused_by_name() {
        let rhel = Features::from_words(0xb4a5, 0x18a, 0xb, 0xd, 0);
        assert_eq!(rhel.refuse_reading().or(rhel.refuse_writing()), None);
        assert_eq!(
            rhel.names(),
            ["bigtime", "crc", "finobt", "ftype", "inobtcount", "reflink", "sparse"]
        );
        let of = |incompatible, read_only| Features::from_words(0xb4a5, 0x18a, incompatible, read_only, 0);
        let name = |refusal: Option<Refusal>| refusal.map(|refusal| refusal.to_string()).unwrap_or_default();
        assert_eq!(
            name(of(0x4100, 0).refuse_reading()),
            "the XFS features metadir, INCOMPAT bit 14 are not supported"
        );
        assert_eq!(of(0x10, 0).refuse_reading(), Some(Refusal::NeedsRepair));
        assert_eq!(
            name(of(0x80, 0x20).refuse_writing()),
            "the XFS features parent, RO_COMPAT bit 5 are not supported"
        );
        let old = Features::from_words(0xb4a4, 0x8a, 0xffff, 0, 0);
        assert_eq!(old.refuse_reading(), None);
        assert_eq!(name(old.refuse_writing()), "the XFS features v4 are not supported");
    }
}
