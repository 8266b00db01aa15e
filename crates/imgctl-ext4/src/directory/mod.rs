//! One directory in memory: its blocks as they are on disk, an index of its names, and the hash tree over large ones.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions, clippy::indexing_slicing)]

mod block;
mod hash;
mod htree;
#[cfg(test)]
mod kernel_tests;
mod space;
#[cfg(test)]
pub(crate) mod test_image;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use self::block::{Entry, Layout, Record, SMALLEST, needed};
use self::hash::{HashFunction, Hasher};
use self::htree::{Index, Path};
use self::space::FreeSpace;
use crate::format::checksum::Checksum;

const DIRECTORY_TYPE: u8 = 2;
/// Without `large_dir` a directory's size has 31 bits.
const MOST_BYTES: u64 = 0x7fff_ffff;
/// With it, block numbers within an index have 28 bits.
const MOST_BLOCKS: u64 = 0x0fff_ffff;

/// What a directory's blocks depend on besides themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DirectoryParams {
    /// The filesystem's block size: a power of two from 1,024 to 65,536.
    pub(crate) block_bytes: usize,
    /// The directory inode's seed; `None` without `metadata_csum`.
    pub(crate) checksum: Option<Checksum>,
    /// `s_hash_seed`.
    pub(crate) hash_seed: [u32; 4],
    /// `s_def_hash_version`: 0 to 2, or 3 to 5 for the same over unsigned characters.
    pub(crate) hash_version: u8,
    /// `s_flags` has `EXT2_FLAGS_UNSIGNED_HASH`.
    pub(crate) unsigned_hash: bool,
    /// The feature `dir_index`.
    pub(crate) may_index: bool,
    /// The feature `large_dir`: three levels of index instead of two, and more than 2 GiB.
    pub(crate) large_dir: bool,
    /// The feature `filetype`.
    pub(crate) file_types: bool,
}

/// What a name stands for. The inode number is not checked against the filesystem's inode count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct DirectoryEntry {
    pub(crate) inode: u32,
    /// As on disk (1 regular file, 2 directory, ...); 0 without the feature `filetype`.
    pub(crate) file_type: u8,
}

/// Why blocks are no sound directory.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum DirectoryDamage {
    #[error("the directory has no blocks")]
    Empty,
    #[error("directory block {block}: {what}")]
    Block { block: u32, what: &'static str },
    #[error("directory block {block}, byte {offset}: {what}")]
    Record {
        block: u32,
        offset: usize,
        what: &'static str,
    },
    #[error("the name {name} is in the directory twice")]
    Duplicate { name: String },
}

/// Why an entry cannot be added.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum DirectoryError {
    #[error("the name is in the directory already")]
    Exists,
    #[error("the directory's index is full")]
    Full,
    #[error("not a name that a directory entry can have")]
    Name,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    entry: DirectoryEntry,
    block: u32,
}

/// A directory, sound at any time: every change leaves blocks that can be written out.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    params: DirectoryParams,
    layout: Layout,
    parent: u32,
    blocks: Vec<Vec<u8>>,
    /// Free bytes per block; index nodes have none.
    space: FreeSpace,
    names: BTreeMap<Vec<u8>, Slot>,
    index: Option<Index>,
    /// Changed blocks of entries. The index keeps account of its own.
    dirty: BTreeSet<u32>,
}

fn position(block: u32) -> usize {
    usize::try_from(block).unwrap_or(usize::MAX)
}

fn number(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// Whether an entry besides `.` and `..` may have this name.
fn is_name(name: &[u8]) -> bool {
    let length = 1..=block::NAME_MAX;
    length.contains(&name.len()) && name != b"." && name != b".." && !name.iter().any(|byte| matches!(byte, 0 | b'/'))
}

impl Directory {
    /// Checks the whole directory of `inode` and indexes its names.
    ///
    /// `blocks` are all its blocks in logical order, each of `block_bytes`; `indexed` is the inode flag
    /// `EXT4_INDEX_FL`.
    pub(crate) fn decode(
        params: DirectoryParams,
        inode: u32,
        blocks: Vec<Vec<u8>>,
        indexed: bool,
    ) -> Result<Self, DirectoryDamage> {
        let mut directory = Self::unread(params, blocks)?;
        if indexed {
            if !params.may_index {
                let what = "it is indexed, but the filesystem lacks the feature dir_index";
                return Err(DirectoryDamage::Block { block: 0, what });
            }
            directory.index = Some(Index::decode(directory.layout, params.large_dir, &directory.blocks)?);
        }
        directory.parent = directory.decode_dots(inode)?;
        directory.decode_blocks()?;
        if let Some(index) = &directory.index {
            directory.check_hashes(index)?;
        }
        Ok(directory)
    }

    /// A new directory with nothing but `.` and `..`, in one block, which is dirty.
    pub(crate) fn create(params: DirectoryParams, inode: u32, parent: u32) -> Self {
        let dots = [(&b"."[..], inode), (b"..", parent)].map(|(name, inode)| Entry {
            name: name.to_vec(),
            inode,
            file_type: DIRECTORY_TYPE,
        });
        let layout = params.layout();
        let block = layout.build(&dots);
        let mut space = FreeSpace::new();
        space.push(layout.free_bytes(&block));
        Self {
            params,
            layout,
            parent,
            blocks: vec![block],
            space,
            names: BTreeMap::new(),
            index: None,
            dirty: BTreeSet::from([0]),
        }
    }

    fn unread(params: DirectoryParams, blocks: Vec<Vec<u8>>) -> Result<Self, DirectoryDamage> {
        if blocks.is_empty() {
            return Err(DirectoryDamage::Empty);
        }
        if let Some(at) = blocks.iter().position(|block| block.len() != params.block_bytes) {
            let what = "it is not one block long";
            return Err(DirectoryDamage::Block {
                block: number(at),
                what,
            });
        }
        Ok(Self {
            params,
            layout: params.layout(),
            parent: 0,
            blocks,
            space: FreeSpace::new(),
            names: BTreeMap::new(),
            index: None,
            dirty: BTreeSet::new(),
        })
    }

    /// Checks that `.` and `..` come first and returns the parent.
    fn decode_dots(&self, inode: u32) -> Result<u32, DirectoryDamage> {
        let block = self.blocks.first().ok_or(DirectoryDamage::Empty)?;
        let record = |offset, end, name: &[u8], missing| {
            let found = self.layout.record_at(block, offset, end);
            let found = found.and_then(|record| {
                let right = !record.is_free() && record.name == name;
                right.then_some(record).ok_or(missing)
            });
            found.map_err(|what| DirectoryDamage::Record { block: 0, offset, what })
        };
        let end = match self.index {
            Some(_) => self.layout.block_bytes,
            None => self.layout.usable(),
        };
        let dot = record(0, end, b".", "the first entry is not .")?;
        let dotdot = record(dot.end(), end, b"..", "the second entry is not ..")?;
        if dot.inode != inode {
            let what = "the entry . is another inode";
            return Err(DirectoryDamage::Record {
                block: 0,
                offset: 0,
                what,
            });
        }
        Ok(dotdot.inode)
    }

    fn decode_blocks(&mut self) -> Result<(), DirectoryDamage> {
        for (at, block) in self.blocks.iter().enumerate() {
            let number = number(at);
            if self.index.as_ref().is_some_and(|index| index.is_node(number)) {
                self.space.push(0);
                continue;
            }
            self.layout
                .verify(block)
                .map_err(|what| DirectoryDamage::Block { block: number, what })?;
            let dots = if at == 0 { 2 } else { 0 };
            for (order, record) in self.layout.checked_records(block).enumerate() {
                let record = record.map_err(|(offset, what)| DirectoryDamage::Record {
                    block: number,
                    offset,
                    what,
                })?;
                if order >= dots && !record.is_free() {
                    add_name(&mut self.names, number, record)?;
                }
            }
            self.space.push(self.layout.free_bytes(block));
        }
        Ok(())
    }

    fn check_hashes(&self, index: &Index) -> Result<(), DirectoryDamage> {
        let hasher = self.params.hasher(index.function);
        for leaf in index.leaves() {
            let block = self.blocks.get(position(leaf.block)).map_or(&[][..], Vec::as_slice);
            for record in self.layout.records(block) {
                if !record.is_free() && !leaf.may_hold(hasher.hash(record.name)) {
                    return Err(DirectoryDamage::Record {
                        block: leaf.block,
                        offset: record.offset,
                        what: "the name's hash belongs in another block",
                    });
                }
            }
        }
        Ok(())
    }

    /// What `name` stands for; `.` and `..` are not looked up.
    pub(crate) fn lookup(&self, name: &[u8]) -> Option<DirectoryEntry> {
        self.names.get(name).map(|slot| slot.entry)
    }

    /// The entries besides `.` and `..`, in the order of their names' bytes.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], DirectoryEntry)> {
        self.names.iter().map(|(name, slot)| (name.as_slice(), slot.entry))
    }

    /// The inode of `..`.
    pub(crate) fn parent(&self) -> u32 {
        self.parent
    }

    /// Points `..` at another inode.
    pub(crate) fn set_parent(&mut self, inode: u32) {
        self.parent = inode;
        let end = self.layout.block_bytes;
        let Some(block) = self.blocks.first_mut() else {
            return;
        };
        let dot = self.layout.record_at(block, 0, end);
        let offset = dot.map_or(SMALLEST, |dot| dot.end());
        let file_type = if self.params.file_types { DIRECTORY_TYPE } else { 0 };
        self.layout.write_target(block, offset, inode, file_type);
        self.touch(0);
    }

    /// Whether there is nothing but `.` and `..`.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether the directory has an index, and its inode the flag `EXT4_INDEX_FL`.
    pub(crate) fn is_indexed(&self) -> bool {
        self.index.is_some()
    }

    /// How many blocks the directory has; an insertion may add up to four, nothing takes any away.
    pub(crate) fn block_count(&self) -> u32 {
        number(self.blocks.len())
    }

    /// Adds an entry. `inode` must not be 0. On failure the names are as before.
    pub(crate) fn insert(&mut self, name: &[u8], inode: u32, file_type: u8) -> Result<(), DirectoryError> {
        if !is_name(name) || inode == 0 {
            return Err(DirectoryError::Name);
        }
        if self.names.contains_key(name) {
            return Err(DirectoryError::Exists);
        }
        let target = self.block_for(name)?;
        let entry = Entry {
            name: name.to_vec(),
            inode,
            file_type: if self.params.file_types { file_type } else { 0 },
        };
        // Nothing may come between `.` and `..`.
        let pinned = usize::from(target == 0);
        if let Some(block) = self.blocks.get_mut(position(target)) {
            self.layout.insert(block, pinned, &entry);
        }
        self.touch(target);
        let free = self.space.get(position(target));
        let free = free.saturating_sub(needed(name.len()));
        self.space.set(position(target), free);
        let slot = Slot {
            entry: DirectoryEntry {
                inode,
                file_type: entry.file_type,
            },
            block: target,
        };
        self.names.insert(entry.name, slot);
        Ok(())
    }

    /// Points the entry `name` at another inode and returns what it was; does nothing if there is none.
    pub(crate) fn replace(&mut self, name: &[u8], inode: u32, file_type: u8) -> Option<DirectoryEntry> {
        let slot = self.names.get_mut(name)?;
        let file_type = if self.params.file_types { file_type } else { 0 };
        let before = std::mem::replace(&mut slot.entry, DirectoryEntry { inode, file_type });
        let target = slot.block;
        if let Some(block) = self.blocks.get_mut(position(target)) {
            self.layout.replace(block, name, inode, file_type);
        }
        self.touch(target);
        Some(before)
    }

    /// Takes the entry `name` out, its bytes wiped. The blocks stay.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<DirectoryEntry> {
        let slot = self.names.remove(name)?;
        if let Some(block) = self.blocks.get_mut(position(slot.block)) {
            self.layout.remove(block, name);
        }
        self.touch(slot.block);
        let free = self.space.get(position(slot.block));
        let free = free.saturating_add(needed(name.len()));
        self.space.set(position(slot.block), free);
        Some(slot.entry)
    }

    /// The blocks changed since the last time, in logical order, ready to be written.
    pub(crate) fn take_dirty_blocks(&mut self) -> Vec<(u32, Vec<u8>)> {
        let mut dirty = std::mem::take(&mut self.dirty);
        if let Some(index) = &mut self.index {
            dirty.extend(index.take_dirty());
        }
        let mut written = Vec::with_capacity(dirty.len());
        for number in dirty {
            let Some(block) = self.blocks.get_mut(position(number)) else {
                continue;
            };
            match &self.index {
                Some(index) if index.is_node(number) => index.encode(number, block),
                _ => self.layout.seal(block),
            }
            written.push((number, block.clone()));
        }
        written
    }

    fn touch(&mut self, block: u32) {
        self.dirty.insert(block);
    }

    /// A block with room for `name`, made if need be.
    fn block_for(&mut self, name: &[u8]) -> Result<u32, DirectoryError> {
        let need = needed(name.len());
        if self.index.is_none() {
            if let Some(at) = self.space.first_with(need) {
                return Ok(number(at));
            }
            match self.params.index_function() {
                Some(function) if self.blocks.len() == 1 => self.make_index(function)?,
                _ => return self.append(&[]),
            }
        }
        self.leaf_for(name, need)
    }

    /// The leaf for `name`, split until it has room. Twice is enough for any names; the bound is against endless work.
    fn leaf_for(&mut self, name: &[u8], need: usize) -> Result<u32, DirectoryError> {
        for _ in 0..16 {
            let Some(index) = &self.index else {
                break;
            };
            let hasher = self.params.hasher(index.function);
            let path = index.path(hasher.hash(name));
            if self.space.get(position(path.leaf)) >= need {
                return Ok(path.leaf);
            }
            match index.obstacle(&path).map_err(|_| DirectoryError::Full)? {
                None => self.split_leaf(&path, hasher)?,
                Some(obstacle) => {
                    let block = self.append_node()?;
                    if let Some(index) = &mut self.index {
                        index.relieve(&path, obstacle, block);
                    }
                }
            }
        }
        Err(DirectoryError::Full)
    }

    /// Moves the entries of the only block to a second one and makes the first the root of an index.
    fn make_index(&mut self, function: HashFunction) -> Result<(), DirectoryError> {
        let block = self.blocks.first().map_or(&[][..], Vec::as_slice);
        let entries = self.layout.entries(block);
        let (dots, entries) = entries.split_at_checked(2).ok_or(DirectoryError::Full)?;
        let leaf = self.append(entries)?;
        let mut root = vec![0; self.layout.block_bytes];
        let rest = self.layout.block_bytes.saturating_sub(SMALLEST);
        for (dot, (offset, bytes)) in dots.iter().zip([(0, SMALLEST), (SMALLEST, rest)]) {
            self.layout.write_record(&mut root, offset, bytes, dot);
        }
        if let Some(block) = self.blocks.first_mut() {
            *block = root;
        }
        self.space.set(0, 0);
        self.index = Some(Index::new(self.layout, function, self.params.large_dir, leaf));
        Ok(())
    }

    /// Moves the upper half of the path's leaf, by hash, to a new one.
    fn split_leaf(&mut self, path: &Path, hasher: Hasher) -> Result<(), DirectoryError> {
        let block = self.blocks.get(position(path.leaf)).map_or(&[][..], Vec::as_slice);
        let mut lower: Vec<_> = self
            .layout
            .entries(block)
            .into_iter()
            .map(|entry| (hasher.hash(&entry.name), entry))
            .collect();
        lower.sort_by(|(a, left), (b, right)| a.cmp(b).then_with(|| left.name.cmp(&right.name)));
        let upper = lower.split_off(middle(&lower));
        let (Some((below, _)), Some((hash, _))) = (lower.last(), upper.first()) else {
            return Err(DirectoryError::Full);
        };
        let pointer = hash | u32::from(below == hash);
        let [lower, upper] = [lower, upper].map(|half| half.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>());
        let leaf = self.append(&upper)?;
        self.set_entries(path.leaf, &lower);
        if let Some(index) = &mut self.index {
            index.insert_leaf(path, pointer, leaf);
        }
        Ok(())
    }

    fn set_entries(&mut self, number: u32, entries: &[Entry]) {
        let built = self.layout.build(entries);
        self.space.set(position(number), self.layout.free_bytes(&built));
        if let Some(block) = self.blocks.get_mut(position(number)) {
            *block = built;
        }
        self.touch(number);
    }

    /// A new block at the end, holding `entries`, which leave the block they were in.
    fn append(&mut self, entries: &[Entry]) -> Result<u32, DirectoryError> {
        let number = self.append_node()?;
        for entry in entries {
            if let Some(slot) = self.names.get_mut(&entry.name) {
                slot.block = number;
            }
        }
        self.set_entries(number, entries);
        Ok(number)
    }

    /// A new block at the end, as yet of no use.
    fn append_node(&mut self) -> Result<u32, DirectoryError> {
        let at = self.blocks.len();
        let number = u32::try_from(at).map_err(|_| DirectoryError::Full)?;
        if u64::from(number) >= self.params.most_blocks() {
            return Err(DirectoryError::Full);
        }
        self.blocks.push(vec![0; self.layout.block_bytes]);
        self.space.push(0);
        Ok(number)
    }
}

impl DirectoryParams {
    fn layout(&self) -> Layout {
        Layout {
            block_bytes: self.block_bytes,
            checksum: self.checksum,
            file_types: self.file_types,
        }
    }

    /// The hash function of new indexes, if there may be any.
    fn index_function(&self) -> Option<HashFunction> {
        let version = self.hash_version;
        let base = if version > 2 { version.checked_sub(3)? } else { version };
        HashFunction::from_root(base).filter(|_| self.may_index)
    }

    fn hasher(&self, function: HashFunction) -> Hasher {
        Hasher {
            function,
            unsigned: self.unsigned_hash || self.hash_version > 2,
            seed: self.hash_seed,
        }
    }

    fn most_blocks(&self) -> u64 {
        let block_bytes = u64::try_from(self.block_bytes).unwrap_or(u64::MAX);
        if self.large_dir {
            MOST_BLOCKS
        } else {
            MOST_BYTES.checked_div(block_bytes).unwrap_or(0)
        }
    }
}

fn add_name(names: &mut BTreeMap<Vec<u8>, Slot>, block: u32, record: Record<'_>) -> Result<(), DirectoryDamage> {
    if !is_name(record.name) {
        return Err(DirectoryDamage::Record {
            block,
            offset: record.offset,
            what: "an entry has a name that none may have",
        });
    }
    let entry = DirectoryEntry {
        inode: record.inode,
        file_type: record.file_type,
    };
    match names.insert(record.name.to_vec(), Slot { entry, block }) {
        None => Ok(()),
        Some(_) => Err(DirectoryDamage::Duplicate {
            name: record.name.escape_ascii().to_string(),
        }),
    }
}

/// Where to divide entries, sorted by hash, so that neither half takes much more than half a block.
fn middle(entries: &[(u32, Entry)]) -> usize {
    let size = |entry: &Entry| needed(entry.name.len());
    let total = entries
        .iter()
        .map(|(_, entry)| size(entry))
        .fold(0, usize::saturating_add);
    let mut lower: usize = 0;
    let mut at: usize = 0;
    for (_, entry) in entries {
        if lower.saturating_add(size(entry) >> 1) > total >> 1 {
            break;
        }
        lower = lower.saturating_add(size(entry));
        at = at.saturating_add(1);
    }
    at.clamp(1, entries.len().saturating_sub(1).max(1))
}
