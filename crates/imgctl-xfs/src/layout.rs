//! Fitting a changed node into its inode: which fork keeps what where, and the blocks that takes.

use crate::alloc::{Owner, Space};
use crate::directory::Directory;
use crate::error::Result;
use crate::extents::Piece;
use crate::format::directory::{FREE_OFFSET, LEAF_OFFSET};
use crate::format::extent::Extent;
use crate::format::inode::ForkFormat;
use crate::format::record::RmapRecord;
use crate::format::remote;
use crate::node::{Fork, Node, Plan, extent_format, root_records};
use crate::tree::blocks_for;
use crate::volume::Volume;
use crate::xattr::Layout;
use imgctl_vfs::FileKind;
use std::ops::Range;

/// The least bytes of an attribute fork: the root of a tree with two children (the kernel's `MINABTPTRS`).
const LEAST_ATTRIBUTES: usize = 40;
/// The least bytes of a fork of extents: the root of a tree with three children (the kernel's `MINDBTPTRS`).
const LEAST_DATA: usize = 56;
/// What a device number takes.
const DEVICE: usize = 8;

/// Which of the two forks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Which {
    Data,
    Attributes,
}

/// A node that is being changed, with what it takes blocks from.
#[derive(Debug)]
pub(crate) struct Layouter<'a> {
    pub(crate) volume: &'a Volume,
    pub(crate) space: &'a mut Space,
    pub(crate) node: &'a mut Node,
    /// The entries, if it is a directory.
    pub(crate) directory: Option<&'a mut Directory>,
}

impl Layouter<'_> {
    /// Makes everything fit: forms, blocks of directory, link and attributes, and blocks of extent trees.
    pub(crate) fn fit(&mut self) -> Result<()> {
        let (data_local, attributes_local) = self.settle_forms()?;
        self.fit_data(data_local)?;
        self.fit_attributes(attributes_local)?;
        self.fit_forks(data_local, attributes_local)
    }

    /// Settles how the two forks share the inode, when only the content's extents have changed.
    pub(crate) fn fit_extents(&mut self) -> Result<()> {
        let (_, attributes_local) = self.settle_forms()?;
        self.fit_forks(false, attributes_local)
    }

    /// Chooses where content and attributes lie. Attributes that have to leave the inode are brought into memory.
    fn settle_forms(&mut self) -> Result<(bool, bool)> {
        let forms = self.choose_forms();
        let moves_out = !forms.1 && self.node.plan.attributes == ForkFormat::Local;
        if moves_out && self.node.xattrs.is_none() {
            self.node.xattrs = Some(crate::xattr::read(self.volume, self.node)?);
        }
        Ok(forms)
    }

    /// How many bytes content within the inode takes; `None` if it has (or must have) blocks.
    fn local_bytes(&self) -> Option<usize> {
        match self.node.kind {
            FileKind::Symlink => Some(self.node.target.len()),
            FileKind::Directory => self.directory.as_ref().and_then(|directory| directory.short_bytes()),
            _ => None,
        }
    }

    fn is_device(&self) -> bool {
        !matches!(self.node.kind, FileKind::File | FileKind::Directory | FileKind::Symlink)
    }

    /// Whether content and attributes lie within the inode.
    fn choose_forms(&self) -> (bool, bool) {
        let all = self.node.inode.literal_bytes();
        let least_data = if self.is_device() { DEVICE } else { LEAST_DATA };
        let local = self.local_bytes().map(|bytes| bytes.next_multiple_of(8));
        let fits = |room: usize| local.is_some_and(|bytes| bytes <= room);
        match self.node.short_attributes() {
            Some(0) => (fits(all), true),
            Some(bytes) => {
                let bytes = bytes.next_multiple_of(8).max(LEAST_ATTRIBUTES);
                if fits(all.saturating_sub(bytes)) {
                    (true, true)
                } else if bytes + least_data > all {
                    (fits(all - LEAST_ATTRIBUTES), false)
                } else {
                    (false, true)
                }
            }
            None => (fits(all - LEAST_ATTRIBUTES), false),
        }
    }

    fn fit_data(&mut self, local: bool) -> Result<()> {
        match self.node.kind {
            FileKind::Directory => self.fit_directory(local),
            // A target that would fit into the inode may not lie outside.
            FileKind::Symlink if local => self.map_exactly(Which::Data, &[]),
            FileKind::Symlink => {
                let length = self.node.target.len();
                let blocks = remote::block_count(length, self.volume.block_len(), true) as u64;
                self.map_exactly(Which::Data, std::slice::from_ref(&(0..blocks)))
            }
            _ => Ok(()),
        }
    }

    fn fit_directory(&mut self, local: bool) -> Result<()> {
        let number = self.node.number;
        let Some(directory) = self.directory.as_mut() else {
            return Ok(());
        };
        if local {
            let size = directory.short_bytes().unwrap_or(0) as u64;
            self.node.inode.set_size(size);
            return self.map_exactly(Which::Data, &[]);
        }
        directory.use_blocks(number);
        let size = directory.data_length() * self.volume.directory_len() as u64;
        self.node.inode.set_size(size);
        if !directory.has_new_shape() {
            return Ok(());
        }
        let Some(shape) = directory.shape() else {
            return Ok(());
        };
        let per_block = self.volume.directory_blocks();
        let log = self.volume.superblock.block_log;
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for place in shape.data {
            let start = place * per_block;
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end += per_block,
                _ => ranges.push(start..start + per_block),
            }
        }
        for (offset, count) in [(LEAF_OFFSET, shape.index), (FREE_OFFSET, shape.free)] {
            let start = offset >> log;
            if count > 0 {
                ranges.push(start..start + count * per_block);
            }
        }
        self.map_exactly(Which::Data, &ranges)?;
        if let Some(directory) = self.directory.as_mut() {
            directory.keep_shape();
        }
        Ok(())
    }

    fn fit_attributes(&mut self, local: bool) -> Result<()> {
        if local {
            return self.map_exactly(Which::Attributes, &[]);
        }
        let Some(xattrs) = &self.node.xattrs else {
            return Ok(());
        };
        let blocks = Layout::new(xattrs, self.volume.block_len()).blocks;
        self.map_exactly(Which::Attributes, std::slice::from_ref(&(0..blocks)))
    }

    fn fit_forks(&mut self, data_local: bool, attributes_local: bool) -> Result<()> {
        let node = &*self.node;
        let all = node.inode.literal_bytes();
        let attribute_bytes = match node.short_attributes() {
            Some(0) => 0,
            Some(bytes) if attributes_local => bytes.next_multiple_of(8).max(LEAST_ATTRIBUTES),
            _ => LEAST_ATTRIBUTES,
        };
        let data_bytes = match self.local_bytes() {
            Some(bytes) if data_local => bytes,
            _ => LEAST_DATA,
        };
        let held = node.plan.offset;
        let offset = if attribute_bytes == 0 {
            0
        } else if self.is_device() {
            DEVICE
        } else if held > 0 && held >= data_bytes && all - held >= attribute_bytes {
            held
        } else {
            all - attribute_bytes
        };
        let room = if offset == 0 { all } else { offset };
        let data = if self.is_device() {
            ForkFormat::Device
        } else {
            format_for(data_local, &node.data, room)
        };
        let attributes_local = attributes_local && attribute_bytes > 0;
        let attributes = format_for(attributes_local, &node.attributes, all - room);
        self.fit_tree(Which::Data, data, room)?;
        self.fit_tree(Which::Attributes, attributes, all - room)?;
        self.node.plan = Plan {
            offset,
            data,
            attributes,
        };
        Ok(())
    }

    fn fork(&mut self, which: Which) -> &mut Fork {
        match which {
            Which::Data => &mut self.node.data,
            Which::Attributes => &mut self.node.attributes,
        }
    }

    /// What owns a fork's block.
    fn owner(&self, which: Which, offset: u64, unwritten: bool) -> Owner {
        let mark = match which {
            Which::Data => 0,
            Which::Attributes => RmapRecord::ATTRIBUTES,
        };
        Owner {
            number: self.node.number,
            offset: offset | mark,
            unwritten,
        }
    }

    /// Where the node itself lies.
    pub(crate) fn home(&self) -> u64 {
        match self.volume.split_inode(self.node.number) {
            Some((group, within)) => self.volume.inode_place(group, within).0,
            None => 0,
        }
    }

    /// Gives the tree of a fork as many blocks as it needs.
    fn fit_tree(&mut self, which: Which, format: ForkFormat, fork_bytes: usize) -> Result<()> {
        let volume = self.volume;
        let owner = self.owner(which, RmapRecord::TREE_BLOCK, false);
        let home = self.home();
        let fork = self.fork(which);
        let needed = match format {
            ForkFormat::Tree => blocks_for(extent_format(volume), fork.map.len(), root_records(fork_bytes)),
            _ => 0,
        };
        let held = fork.tree_blocks.len();
        fork.changed |= held != needed;
        for _ in held..needed {
            let (block, _) = self.space.allocate(volume, home, 1, owner)?;
            self.fork(which).tree_blocks.push(block);
        }
        for _ in needed..held {
            if let Some(block) = self.fork(which).tree_blocks.pop() {
                self.space.release(volume, block, 1, owner)?;
            }
        }
        Ok(())
    }

    /// Has a fork's blocks lie at exactly these places.
    fn map_exactly(&mut self, which: Which, ranges: &[Range<u64>]) -> Result<()> {
        let mut end = 0;
        for range in ranges {
            self.unmap(which, end..range.start)?;
            end = range.end;
        }
        self.unmap(which, end..u64::MAX)?;
        for range in ranges {
            let mut at = range.start;
            while at < range.end {
                let length = match self.fork(which).map.at(at) {
                    Piece::Blocks { length, .. } => length,
                    Piece::Hole { length } => self.map_new(which, at, length.min(range.end - at))?.1,
                };
                at = at.saturating_add(length);
            }
        }
        Ok(())
    }

    /// Takes up to `wanted` blocks for the hole at `logical`.
    pub(crate) fn map_new(&mut self, which: Which, logical: u64, wanted: u64) -> Result<(u64, u64)> {
        let home = self.home();
        let goal = self.fork(which).map.block_after(logical).unwrap_or(home);
        let owner = self.owner(which, logical, false);
        let (physical, length) = self.space.allocate(self.volume, goal, wanted, owner)?;
        let volume = self.volume;
        let fork = self.fork(which);
        fork.changed = true;
        fork.map.insert(
            volume,
            Extent {
                logical,
                physical,
                length,
                unwritten: false,
            },
        );
        Ok((physical, length))
    }

    /// Gives blocks of a fork back.
    pub(crate) fn unmap(&mut self, which: Which, range: Range<u64>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        for extent in self.fork(which).map.remove(range) {
            self.fork(which).changed = true;
            let owner = self.owner(which, extent.logical, extent.unwritten);
            self.space.release(self.volume, extent.physical, extent.length, owner)?;
        }
        Ok(())
    }

    /// Gives everything back: the node is no more.
    pub(crate) fn release_all(&mut self) -> Result<()> {
        for which in [Which::Data, Which::Attributes] {
            self.unmap(which, 0..u64::MAX)?;
            self.fit_tree(which, ForkFormat::Extents, 0)?;
        }
        Ok(())
    }

    /// Notes that a range of the content has been written.
    pub(crate) fn mark_written(&mut self, range: Range<u64>) -> Result<()> {
        for extent in self.node.data.map.remove(range) {
            let written = Extent {
                unwritten: false,
                ..extent
            };
            if extent.unwritten {
                let owner = self.owner(Which::Data, extent.logical, false);
                self.space
                    .mark_written(self.volume, extent.physical, extent.length, owner)?;
            }
            self.node.data.map.insert(self.volume, written);
        }
        self.node.data.changed = true;
        Ok(())
    }
}

/// The form of a fork: its own bytes, a list of extents, or a tree of them.
fn format_for(local: bool, fork: &Fork, room: usize) -> ForkFormat {
    if local {
        ForkFormat::Local
    } else if fork.map.len() * Extent::BYTES <= room || fork.map.len() == 0 {
        ForkFormat::Extents
    } else {
        ForkFormat::Tree
    }
}
