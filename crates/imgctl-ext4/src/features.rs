//! The feature bits of the superblock, their names, and what the engine makes of each.

use crate::error::Refusal;
use bitflags::bitflags;

bitflags! {
    /// Features that an engine may ignore.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub(crate) struct Compatible: u32 {
        const DIR_PREALLOC = 0x1;
        const IMAGIC_INODES = 0x2;
        const HAS_JOURNAL = 0x4;
        const EXT_ATTR = 0x8;
        const RESIZE_INODE = 0x10;
        const DIR_INDEX = 0x20;
        const SPARSE_SUPER2 = 0x200;
        const FAST_COMMIT = 0x400;
        const STABLE_INODES = 0x800;
        const ORPHAN_FILE = 0x1000;
    }

    /// Features that a reader must know.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub(crate) struct Incompatible: u32 {
        const COMPRESSION = 0x1;
        const FILETYPE = 0x2;
        const NEEDS_RECOVERY = 0x4;
        const JOURNAL_DEV = 0x8;
        const META_BG = 0x10;
        const EXTENT = 0x40;
        const BIT64 = 0x80;
        const MMP = 0x100;
        const FLEX_BG = 0x200;
        const EA_INODE = 0x400;
        const DIRDATA = 0x1000;
        const METADATA_CSUM_SEED = 0x2000;
        const LARGE_DIR = 0x4000;
        const INLINE_DATA = 0x8000;
        const ENCRYPT = 0x1_0000;
        const CASEFOLD = 0x2_0000;
    }

    /// Features that a writer must know.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub(crate) struct ReadOnlyCompatible: u32 {
        const SPARSE_SUPER = 0x1;
        const LARGE_FILE = 0x2;
        const BTREE_DIR = 0x4;
        const HUGE_FILE = 0x8;
        const UNINIT_BG = 0x10;
        const DIR_NLINK = 0x20;
        const EXTRA_ISIZE = 0x40;
        const SNAPSHOT = 0x80;
        const QUOTA = 0x100;
        const BIGALLOC = 0x200;
        const METADATA_CSUM = 0x400;
        const REPLICA = 0x800;
        const READONLY = 0x1000;
        const PROJECT = 0x2000;
        const SHARED_BLOCKS = 0x4000;
        const VERITY = 0x8000;
        const ORPHAN_PRESENT = 0x1_0000;
    }
}

/// The three feature words of a superblock, unknown bits kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Features {
    pub(crate) compatible: Compatible,
    pub(crate) incompatible: Incompatible,
    pub(crate) read_only: ReadOnlyCompatible,
}

impl Features {
    pub(crate) fn from_words(compatible: u32, incompatible: u32, read_only: u32) -> Self {
        Self {
            compatible: Compatible::from_bits_retain(compatible),
            incompatible: Incompatible::from_bits_retain(incompatible),
            read_only: ReadOnlyCompatible::from_bits_retain(read_only),
        }
    }

    /// Whether metadata carries CRC-32C sums.
    pub(crate) fn metadata_csum(&self) -> bool {
        self.read_only.contains(ReadOnlyCompatible::METADATA_CSUM)
    }

    /// Whether group descriptors carry sums and the "uninitialised" flags.
    pub(crate) fn group_csum(&self) -> bool {
        self.read_only
            .intersects(ReadOnlyCompatible::METADATA_CSUM | ReadOnlyCompatible::UNINIT_BG)
    }

    pub(crate) fn extents(&self) -> bool {
        self.incompatible.contains(Incompatible::EXTENT)
    }

    pub(crate) fn has_64bit(&self) -> bool {
        self.incompatible.contains(Incompatible::BIT64)
    }

    pub(crate) fn needs_recovery(&self) -> bool {
        self.incompatible.contains(Incompatible::NEEDS_RECOVERY)
    }

    /// The names `mke2fs -O` knows the features by, sorted; unknown bits as `FEATURE_<word><bit>`.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        names.extend(word_names("C", self.compatible.bits(), compatible_name));
        names.extend(word_names("I", self.incompatible.bits(), incompatible_name));
        names.extend(word_names("R", self.read_only.bits(), read_only_name));
        names.sort();
        names
    }

    /// Why the filesystem cannot be read.
    pub(crate) fn refuse_reading(&self) -> Option<Refusal> {
        let known = Incompatible::FILETYPE
            | Incompatible::NEEDS_RECOVERY
            | Incompatible::META_BG
            | Incompatible::EXTENT
            | Incompatible::BIT64
            | Incompatible::MMP
            | Incompatible::FLEX_BG
            | Incompatible::EA_INODE
            | Incompatible::METADATA_CSUM_SEED
            | Incompatible::LARGE_DIR
            | Incompatible::INLINE_DATA;
        let unknown = self.incompatible.bits() & !known.bits();
        let names = word_names("I", unknown, incompatible_name);
        (!names.is_empty()).then(|| Refusal::Features(names.join(", ")))
    }

    /// Why the filesystem cannot be written, beyond what already forbids reading.
    pub(crate) fn refuse_writing(&self) -> Option<Refusal> {
        let no_write = Incompatible::MMP | Incompatible::EA_INODE | Incompatible::LARGE_DIR | Incompatible::INLINE_DATA;
        let known = ReadOnlyCompatible::SPARSE_SUPER
            | ReadOnlyCompatible::LARGE_FILE
            | ReadOnlyCompatible::HUGE_FILE
            | ReadOnlyCompatible::UNINIT_BG
            | ReadOnlyCompatible::DIR_NLINK
            | ReadOnlyCompatible::EXTRA_ISIZE
            | ReadOnlyCompatible::METADATA_CSUM
            | ReadOnlyCompatible::ORPHAN_PRESENT;
        let mut names = word_names("I", self.incompatible.bits() & no_write.bits(), incompatible_name);
        let unknown = self.read_only.bits() & !known.bits();
        names.extend(word_names("R", unknown, read_only_name));
        (!names.is_empty()).then(|| Refusal::Features(names.join(", ")))
    }
}

/// The names of the bits set in `word`.
fn word_names(class: &str, word: u32, name: fn(u32) -> Option<&'static str>) -> Vec<String> {
    (0..u32::BITS)
        .filter(|bit| word & (1 << bit) != 0)
        .map(|bit| match name(1 << bit) {
            Some(name) => name.to_owned(),
            None => format!("FEATURE_{class}{bit}"),
        })
        .collect()
}

fn compatible_name(bit: u32) -> Option<&'static str> {
    Some(match bit {
        0x1 => "dir_prealloc",
        0x2 => "imagic_inodes",
        0x4 => "has_journal",
        0x8 => "ext_attr",
        0x10 => "resize_inode",
        0x20 => "dir_index",
        0x40 => "lazy_bg",
        0x100 => "snapshot_bitmap",
        0x200 => "sparse_super2",
        0x400 => "fast_commit",
        0x800 => "stable_inodes",
        0x1000 => "orphan_file",
        _ => return None,
    })
}

fn incompatible_name(bit: u32) -> Option<&'static str> {
    Some(match bit {
        0x1 => "compression",
        0x2 => "filetype",
        0x4 => "needs_recovery",
        0x8 => "journal_dev",
        0x10 => "meta_bg",
        0x40 => "extent",
        0x80 => "64bit",
        0x100 => "mmp",
        0x200 => "flex_bg",
        0x400 => "ea_inode",
        0x1000 => "dirdata",
        0x2000 => "metadata_csum_seed",
        0x4000 => "large_dir",
        0x8000 => "inline_data",
        0x1_0000 => "encrypt",
        0x2_0000 => "casefold",
        _ => return None,
    })
}

fn read_only_name(bit: u32) -> Option<&'static str> {
    Some(match bit {
        0x1 => "sparse_super",
        0x2 => "large_file",
        0x4 => "btree_dir",
        0x8 => "huge_file",
        0x10 => "uninit_bg",
        0x20 => "dir_nlink",
        0x40 => "extra_isize",
        0x80 => "snapshot",
        0x100 => "quota",
        0x200 => "bigalloc",
        0x400 => "metadata_csum",
        0x800 => "replica",
        0x1000 => "read-only",
        0x2000 => "project",
        0x4000 => "shared_blocks",
        0x8000 => "verity",
        0x1_0000 => "orphan_present",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_bits_are_refused_by_name() {
        let features = Features::from_words(0x8000_0000, 0x4000_0042, 0);
        assert_eq!(features.names(), ["FEATURE_C31", "FEATURE_I30", "extent", "filetype"]);
        assert_eq!(features.refuse_reading(), Some(Refusal::Features("FEATURE_I30".into())));
    }

    #[test]
    fn bigalloc_and_unknown_read_only_bits_forbid_writing_only() {
        let features = Features::from_words(0, 0x42, 0x8000_0201);
        assert_eq!(features.refuse_reading(), None);
        assert_eq!(
            features.refuse_writing(),
            Some(Refusal::Features("bigalloc, FEATURE_R31".into()))
        );
    }
}
