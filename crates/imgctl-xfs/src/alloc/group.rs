//! An allocation group in memory: free space, inode chunks, owners, shared blocks, and the blocks of their trees.

use super::free::FreeSpace;
use super::owners::Owners;
use super::shared::Shared;
use crate::error::{Error, Result, Structure};
use crate::format::agf::{Agf, AgfField};
use crate::format::agfl::Agfl;
use crate::format::agi::{Agi, AgiField, NULL_AGINO};
use crate::format::btree::TreeKind;
use crate::format::record::{CHUNK_INODES, FreeRecord, InodeRecord, RefcountRecord, RmapRecord};
use crate::tree::{TreeRoot, read_tree};
use crate::volume::Volume;
use std::collections::{BTreeMap, BTreeSet};

/// What of a group was changed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Changes {
    pub(crate) free: bool,
    pub(crate) inodes: bool,
    pub(crate) owners: bool,
    pub(crate) shared: bool,
}

/// A group with everything its trees say.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) number: u32,
    pub(crate) agf: Agf,
    pub(crate) agi: Agi,
    pub(crate) agfl: Agfl,
    pub(crate) free: FreeSpace,
    /// By first inode.
    pub(crate) chunks: BTreeMap<u32, InodeRecord>,
    /// Those of them with free inodes.
    pub(crate) roomy: BTreeSet<u32>,
    pub(crate) owners: Option<Owners>,
    pub(crate) shared: Option<Shared>,
    /// The blocks of each tree, by filesystem number.
    pub(crate) trees: BTreeMap<TreeKind, Vec<u64>>,
    pub(crate) changes: Changes,
    /// What became free in this run and still is: to be discarded.
    pub(crate) freed: FreeSpace,
}

/// Reads the headers of a group.
pub(crate) fn read_headers(volume: &Volume, number: u32) -> Result<(Agf, Agi, Agfl)> {
    let uuid = volume.meta_uuid();
    let sector = |index: u32| {
        let length = volume.superblock.sector_bytes as usize;
        volume
            .device
            .read_vec(volume.header_offset(number, index), length)
            .map_err(Error::device("read the headers of an allocation group"))
    };
    let agf = Agf::parse(sector(1)?, uuid).map_err(|problem| Error::corrupt(Structure::Agf(number), problem))?;
    let agi = Agi::parse(sector(2)?, uuid).map_err(|problem| Error::corrupt(Structure::Agi(number), problem))?;
    let agfl = Agfl::parse(sector(3)?, uuid).map_err(|problem| Error::corrupt(Structure::Agfl(number), problem))?;
    let expected = (number, volume.group_blocks(number));
    if (agf.get(AgfField::Sequence), agf.get(AgfField::Length)) != expected {
        return Err(Error::corrupt(Structure::Agf(number), "its number or length is wrong"));
    }
    if (agi.get(AgiField::Sequence), agi.get(AgiField::Length)) != expected {
        return Err(Error::corrupt(Structure::Agi(number), "its number or length is wrong"));
    }
    Ok((agf, agi, agfl))
}

/// The runs of free blocks of a group, without anything else of it.
pub(crate) fn read_free(volume: &Volume, number: u32) -> Result<FreeSpace> {
    let (agf, ..) = read_headers(volume, number)?;
    let mut reader = Reader {
        volume,
        number,
        strict: false,
        trees: BTreeMap::new(),
    };
    reader.free(&agf)
}

/// Whether a group has inodes that were deleted while open.
pub(crate) fn has_unlinked(agi: &Agi) -> bool {
    agi.unlinked().any(|head| head != NULL_AGINO)
}

impl Group {
    /// Reads a group with all its trees. `strict` also compares keys and the trees with one another.
    pub(crate) fn read(volume: &Volume, number: u32, strict: bool) -> Result<Self> {
        let (agf, agi, agfl) = read_headers(volume, number)?;
        let features = volume.superblock.features;
        let mut reader = Reader {
            volume,
            number,
            strict,
            trees: BTreeMap::new(),
        };
        let free = reader.free(&agf)?;
        reader.free_by_length(&agf, &free)?;
        let chunks = reader.inodes(TreeKind::Inodes, &agi)?;
        let roomy: BTreeMap<u32, InodeRecord> = chunks
            .iter()
            .filter(|(_, chunk)| chunk.free_count > 0)
            .map(|(first, chunk)| (*first, *chunk))
            .collect();
        if features.has_free_inode_tree() && reader.inodes(TreeKind::FreeInodes, &agi)? != roomy {
            return Err(reader.damage(TreeKind::FreeInodes, "it does not agree with the tree of inodes"));
        }
        let owners = features.has_owner_tree().then(|| reader.owners(&agf)).transpose()?;
        let shared = features.has_shared_blocks().then(|| reader.shared(&agf)).transpose()?;
        let group = Self {
            number,
            free,
            roomy: roomy.into_keys().collect(),
            chunks,
            owners,
            shared,
            trees: reader.trees,
            changes: Changes::default(),
            freed: FreeSpace::default(),
            agf,
            agi,
            agfl,
        };
        group.check_counts()?;
        Ok(group)
    }

    fn check_counts(&self) -> Result<()> {
        let agf = |problem: &str| Error::corrupt(Structure::Agf(self.number), problem);
        if self.agf.get(AgfField::FreeBlocks) != self.free.total()
            || self.agf.get(AgfField::Longest) != self.free.longest()
        {
            return Err(agf("its count of free blocks is not that of its tree"));
        }
        let count: u32 = self.chunks.values().map(|chunk| u32::from(chunk.count)).sum();
        let free: u32 = self.chunks.values().map(|chunk| u32::from(chunk.free_count)).sum();
        if (self.agi.get(AgiField::Count), self.agi.get(AgiField::FreeCount)) != (count, free) {
            let structure = Structure::Agi(self.number);
            return Err(Error::corrupt(
                structure,
                "its counts of inodes are not those of its tree",
            ));
        }
        self.kept_blocks().map(drop)
    }

    /// The blocks that are kept for the trees of free space and owners, in their order.
    pub(crate) fn kept_blocks(&self) -> Result<Vec<u32>> {
        let size = self.agfl.size();
        let (first, last, count) = (
            self.agf.get(AgfField::ListFirst),
            self.agf.get(AgfField::ListLast),
            self.agf.get(AgfField::ListCount),
        );
        let damage = |problem: &str| Error::corrupt(Structure::Agfl(self.number), problem);
        if first >= size || last >= size || count > size {
            return Err(damage("its ends lie outside"));
        }
        let spans = (last + size - first) % size + 1;
        if count > 0 && spans != count {
            return Err(damage("its ends do not fit its length"));
        }
        let blocks = (0..count).map(|index| self.agfl.get((first + index) % size));
        let blocks: Vec<u32> = blocks.collect();
        let length = self.agf.get(AgfField::Length);
        if blocks.iter().any(|block| *block >= length) {
            return Err(damage("it has a block outside the group"));
        }
        Ok(blocks)
    }

    /// The inodes of a chunk that are in use.
    pub(crate) fn used_inodes(chunk: InodeRecord) -> impl Iterator<Item = u32> {
        (0..CHUNK_INODES)
            .filter(move |bit| chunk.free & (1 << bit) == 0)
            .map(move |bit| chunk.first + bit)
    }
}

struct Reader<'a> {
    volume: &'a Volume,
    number: u32,
    strict: bool,
    trees: BTreeMap<TreeKind, Vec<u64>>,
}

impl Reader<'_> {
    fn damage(&self, kind: TreeKind, problem: &str) -> Error {
        let structure = Structure::Tree {
            name: kind.name(),
            group: self.number,
        };
        Error::corrupt(structure, problem)
    }

    fn records(&mut self, kind: TreeKind, root: u32, levels: u32) -> Result<Vec<u8>> {
        let Some(level) = levels.checked_sub(1).and_then(|level| u16::try_from(level).ok()) else {
            return Err(self.damage(kind, "it has an impossible number of levels"));
        };
        let root = TreeRoot {
            kind,
            owner: self.number.into(),
            group: Some(self.number),
            top: vec![root.into()],
            level,
            structure: Structure::Tree {
                name: kind.name(),
                group: self.number,
            },
        };
        let tree = read_tree(self.volume, &root, self.strict)?;
        self.trees.insert(kind, tree.blocks);
        Ok(tree.records)
    }

    /// Fails unless the blocks lie in the group and behind `end`.
    fn check_run(&self, kind: TreeKind, start: u32, length: u32, end: u32) -> Result<u32> {
        let until = start
            .checked_add(length)
            .filter(|until| *until <= self.volume.group_blocks(self.number));
        match until {
            Some(until) if length > 0 && start >= end => Ok(until),
            _ => Err(self.damage(kind, "its records overlap or lie outside the group")),
        }
    }

    fn free(&mut self, agf: &Agf) -> Result<FreeSpace> {
        let kind = TreeKind::FreeByBlock;
        let raw = self.records(kind, agf.get(AgfField::BnoRoot), agf.get(AgfField::BnoLevel))?;
        let mut free = FreeSpace::default();
        let mut end = self.volume.header_blocks();
        for raw in raw.chunks_exact(FreeRecord::BYTES) {
            let record = FreeRecord::parse(raw);
            // Neighbours would be one run.
            let apart = end + u32::from(free.len() > 0);
            end = self.check_run(kind, record.start, record.length, apart)?;
            free.add(record.start, record.length);
        }
        Ok(free)
    }

    fn free_by_length(&mut self, agf: &Agf, free: &FreeSpace) -> Result<()> {
        let kind = TreeKind::FreeByLength;
        let raw = self.records(kind, agf.get(AgfField::CntRoot), agf.get(AgfField::CntLevel))?;
        let found = raw.chunks_exact(FreeRecord::BYTES).map(|raw| {
            let record = FreeRecord::parse(raw);
            (record.length, record.start)
        });
        if found.eq(free.by_length()) {
            return Ok(());
        }
        Err(self.damage(kind, "it does not agree with the tree of free space by block"))
    }

    fn inodes(&mut self, kind: TreeKind, agi: &Agi) -> Result<BTreeMap<u32, InodeRecord>> {
        let (root, levels) = match kind {
            TreeKind::FreeInodes => (AgiField::FreeRoot, AgiField::FreeLevel),
            _ => (AgiField::Root, AgiField::Level),
        };
        let raw = self.records(kind, agi.get(root), agi.get(levels))?;
        let sparse = self.volume.superblock.features.has_sparse_inodes();
        let most = u64::from(self.volume.group_blocks(self.number)) << self.volume.superblock.inodes_per_block_log;
        let mut chunks = BTreeMap::new();
        let mut end = 0;
        for raw in raw.chunks_exact(InodeRecord::BYTES) {
            let chunk = InodeRecord::parse(raw, sparse);
            let last = 63 - (!chunk.absent()).leading_zeros().min(63);
            let lies_inside = u64::from(chunk.first) + u64::from(last) < most;
            if !chunk.is_sound() || chunk.first < end || !lies_inside {
                return Err(self.damage(kind, "a record makes no sense"));
            }
            end = chunk.first.saturating_add(CHUNK_INODES);
            chunks.insert(chunk.first, chunk);
        }
        Ok(chunks)
    }

    fn owners(&mut self, agf: &Agf) -> Result<Owners> {
        let kind = TreeKind::Owners;
        let raw = self.records(kind, agf.get(AgfField::RmapRoot), agf.get(AgfField::RmapLevel))?;
        let mut owners = Owners::default();
        let mut last = None;
        for raw in raw.chunks_exact(RmapRecord::BYTES) {
            let record = RmapRecord::parse(raw);
            self.check_run(kind, record.start, record.length, 0)?;
            if last >= Some(record.low_key()) {
                return Err(self.damage(kind, "its records are out of order"));
            }
            last = Some(record.low_key());
            owners.put(record);
        }
        Ok(owners)
    }

    fn shared(&mut self, agf: &Agf) -> Result<Shared> {
        let kind = TreeKind::Refcounts;
        let raw = self.records(kind, agf.get(AgfField::RefcountRoot), agf.get(AgfField::RefcountLevel))?;
        let mut shared = Shared::default();
        let (mut end, mut copies) = (0, false);
        for raw in raw.chunks_exact(RefcountRecord::BYTES) {
            let record = RefcountRecord::parse(raw);
            let is_copy = record.start & RefcountRecord::COPIES != 0;
            if is_copy && !copies {
                (end, copies) = (0, true);
            }
            let start = record.start & !RefcountRecord::COPIES;
            end = self.check_run(kind, start, record.length, end)?;
            if is_copy != copies || record.count < if is_copy { 1 } else { 2 } {
                return Err(self.damage(kind, "a record makes no sense"));
            }
            shared.put(record);
        }
        Ok(shared)
    }
}
