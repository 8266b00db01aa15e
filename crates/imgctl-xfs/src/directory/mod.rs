//! A directory in memory: its entries by name, and the data blocks they lie in.
//!
//! The index of hashes and the lists of free room are drawn up anew when a changed directory is written.

mod block;
mod index;

use crate::error::{Error, Result, Structure};
use crate::format::directory::{encode_short, entry_bytes, parse_short, short_bytes};
use block::DataBlock;
use imgctl_vfs::check_name;
use std::collections::{BTreeMap, BTreeSet};

/// What a directory's blocks depend on besides themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DirectoryParams {
    pub(crate) block_bytes: usize,
    pub(crate) v5: bool,
    pub(crate) file_types: bool,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) inode: u64,
    pub(crate) file_type: u8,
    /// Where it lies, in units of 8 bytes from the start of the data blocks; 0 in the form within the inode.
    at: u32,
}

/// A directory's entries.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    params: DirectoryParams,
    parent: u64,
    entries: BTreeMap<Vec<u8>, Entry>,
    name_bytes: usize,
    /// How many entries, the parent among them, have inode numbers beyond 32 bits.
    wide: usize,
    /// `None` in the form within the inode.
    blocks: Option<Blocks>,
    /// For which blocks there is room by now: places of data blocks, data blocks, index blocks, blocks of free room.
    fitted: Option<(usize, usize, u64, u64)>,
}

#[derive(Clone, Debug, Default)]
struct Blocks {
    /// By place; `None` where a block was given back.
    data: Vec<Option<DataBlock>>,
    /// How many of them there are.
    present: usize,
    /// The longest unused stretch of each block, shortest first.
    room: BTreeSet<(usize, usize)>,
}

impl Directory {
    /// An empty directory.
    pub(crate) fn create(params: DirectoryParams, parent: u64) -> Self {
        Self {
            params,
            parent,
            entries: BTreeMap::new(),
            name_bytes: 0,
            wide: usize::from(is_wide(parent)),
            blocks: None,
            fitted: None,
        }
    }

    /// Takes the form within the inode.
    pub(crate) fn decode_short(params: DirectoryParams, number: u64, raw: &[u8]) -> Result<Self> {
        let structure = Structure::Directory(number);
        let (parent, entries) =
            parse_short(raw, params.file_types).map_err(|problem| Error::corrupt(structure, problem))?;
        let mut directory = Self::create(params, parent);
        for entry in entries {
            let found = Entry {
                inode: entry.inode,
                file_type: entry.file_type,
                at: 0,
            };
            directory.take(structure, entry.name, found)?;
        }
        Ok(directory)
    }

    /// Takes data blocks with their places. In a `single` block the index at its end counts as unused.
    pub(crate) fn decode_blocks(
        params: DirectoryParams,
        number: u64,
        raw: Vec<(usize, Vec<u8>)>,
        single: bool,
    ) -> Result<Self> {
        let structure = Structure::Directory(number);
        let mut directory = Self::create(params, 0);
        let mut blocks = Blocks::default();
        let mut dots = (false, false);
        for (place, raw) in raw {
            let (block, entries) =
                DataBlock::decode(params, raw, single).map_err(|problem| Error::corrupt(structure, problem))?;
            for entry in entries {
                let found = Entry {
                    inode: entry.inode,
                    file_type: entry.file_type,
                    at: block::data_address(params, place, entry.at),
                };
                match entry.name.as_slice() {
                    b"." if entry.inode == number && !dots.0 => dots.0 = true,
                    b".." if !dots.1 => {
                        dots.1 = true;
                        directory.parent = entry.inode;
                    }
                    name => directory.take(structure, name, found)?,
                }
            }
            blocks.put(place, block);
        }
        if dots != (true, true) {
            return Err(Error::corrupt(structure, "it lacks its `.` or `..`"));
        }
        directory.wide += usize::from(is_wide(directory.parent));
        directory.blocks = Some(blocks);
        Ok(directory)
    }

    fn take(&mut self, structure: Structure, name: &[u8], entry: Entry) -> Result<()> {
        if check_name(name).is_err() {
            return Err(Error::corrupt(structure, "it has an impossible name"));
        }
        self.name_bytes += name.len();
        self.wide += usize::from(is_wide(entry.inode));
        match self.entries.insert(name.to_vec(), entry) {
            None => Ok(()),
            Some(_) => Err(Error::corrupt(structure, "it has a name twice")),
        }
    }

    pub(crate) fn parent(&self) -> u64 {
        self.parent
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn lookup(&self, name: &[u8]) -> Option<Entry> {
        self.entries.get(name).copied()
    }

    /// All entries, sorted by name, without `.` and `..`.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_slice(), *entry))
    }

    /// How much memory it takes, in entries.
    pub(crate) fn weight(&self) -> usize {
        let blocks = self.blocks.as_ref().map_or(0, |blocks| blocks.data.len());
        1 + self.entries.len() + blocks * self.params.block_bytes / 64
    }

    /// The length of the form within the inode; `None` once it has blocks.
    pub(crate) fn short_bytes(&self) -> Option<usize> {
        let fits = self.blocks.is_none() && self.single_fits();
        fits.then(|| short_bytes(self.wide > 0, self.entries.len(), self.name_bytes))
    }

    /// Whether the entries of the form within the inode would fit into one block with their index.
    fn single_fits(&self) -> bool {
        if self.entries.len() >= 255 {
            return false;
        }
        let each: usize = self.entries.keys().map(|name| entry_bytes(name.len(), true) + 8).sum();
        each + 64 + 32 + 16 + 8 <= self.params.block_bytes
    }

    /// The form within the inode.
    pub(crate) fn encode_short(&self) -> Vec<u8> {
        let entries = self.entries.iter();
        let entries = entries.map(|(name, entry)| (name.as_slice(), entry.inode, entry.file_type));
        encode_short(self.parent, self.wide > 0, entries)
    }

    /// Gives it blocks: it no longer fits into its inode.
    pub(crate) fn use_blocks(&mut self, number: u64) {
        if self.blocks.is_some() {
            return;
        }
        let mut blocks = Blocks::default();
        blocks.put(0, DataBlock::first(self.params, number, self.parent));
        for (name, entry) in &mut self.entries {
            entry.at = blocks.insert(self.params, name, entry.inode, entry.file_type);
        }
        self.blocks = Some(blocks);
    }

    /// Adds a name that is not there.
    pub(crate) fn insert(&mut self, name: &[u8], inode: u64, file_type: u8) {
        let at = match &mut self.blocks {
            Some(blocks) => blocks.insert(self.params, name, inode, file_type),
            None => 0,
        };
        self.name_bytes += name.len();
        self.wide += usize::from(is_wide(inode));
        self.entries.insert(name.to_vec(), Entry { inode, file_type, at });
    }

    /// Takes a name away.
    pub(crate) fn remove(&mut self, name: &[u8]) {
        let Some(entry) = self.entries.remove(name) else {
            return;
        };
        self.name_bytes -= name.len();
        self.wide -= usize::from(is_wide(entry.inode));
        if let Some(blocks) = &mut self.blocks {
            blocks.remove(self.params, entry.at, name.len());
        }
    }

    /// Has a name stand for another inode.
    pub(crate) fn replace(&mut self, name: &[u8], inode: u64, file_type: u8) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        self.wide += usize::from(is_wide(inode));
        self.wide -= usize::from(is_wide(entry.inode));
        (entry.inode, entry.file_type) = (inode, file_type);
        if let Some(blocks) = &mut self.blocks {
            blocks.rewrite(self.params, entry.at, name, inode, file_type);
        }
    }

    /// Changes what `..` stands for.
    pub(crate) fn set_parent(&mut self, parent: u64) {
        self.wide += usize::from(is_wide(parent));
        self.wide -= usize::from(is_wide(self.parent));
        self.parent = parent;
        let at = block::dot_dot_address(self.params);
        if let Some(blocks) = &mut self.blocks {
            blocks.rewrite(self.params, at, b"..", parent, 2);
        }
    }
}

fn is_wide(inode: u64) -> bool {
    inode > u64::from(u32::MAX)
}

impl Blocks {
    fn put(&mut self, place: usize, block: DataBlock) {
        if self.data.len() <= place {
            self.data.resize(place + 1, None);
        }
        self.room.insert((block.best(), place));
        self.present += 1;
        if let Some(slot) = self.data.get_mut(place) {
            *slot = Some(block);
        }
    }

    /// Changes a block and keeps the record of its room.
    fn change<T>(&mut self, place: usize, change: impl FnOnce(&mut DataBlock) -> T) -> Option<T> {
        let block = self.data.get_mut(place)?.as_mut()?;
        let before = block.best();
        let outcome = change(block);
        let after = block.best();
        if before != after {
            self.room.remove(&(before, place));
            self.room.insert((after, place));
        }
        Some(outcome)
    }

    fn insert(&mut self, params: DirectoryParams, name: &[u8], inode: u64, file_type: u8) -> u32 {
        let length = entry_bytes(name.len(), true);
        let found = self.room.range((length, 0)..).next().copied();
        let place = match found {
            Some((_, place)) => place,
            None => {
                let hole = self.data.iter().position(Option::is_none);
                let place = hole.unwrap_or(self.data.len());
                self.put(place, DataBlock::empty(params));
                place
            }
        };
        let at = self.change(place, |block| block.insert(name, inode, file_type));
        block::data_address(params, place, at.unwrap_or(0))
    }

    fn remove(&mut self, params: DirectoryParams, address: u32, name: usize) {
        let (place, at) = block::split_address(params, address);
        let is_empty = self.change(place, |block| {
            block.remove(at, entry_bytes(name, true));
            block.is_empty(params)
        });
        if place > 0
            && is_empty == Some(true)
            && let Some(slot) = self.data.get_mut(place)
            && let Some(block) = slot.take()
        {
            self.room.remove(&(block.best(), place));
            self.present -= 1;
            while matches!(self.data.last(), Some(None)) {
                self.data.pop();
            }
        }
    }

    fn rewrite(&mut self, params: DirectoryParams, address: u32, name: &[u8], inode: u64, file_type: u8) {
        let (place, at) = block::split_address(params, address);
        self.change(place, |block| block.rewrite(at, name, inode, file_type));
    }
}
