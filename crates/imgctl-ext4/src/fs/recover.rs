//! Bringing a filesystem that was not unmounted to order: the journal, then the files that wait for their removal.

use super::{Ext4, Ext4Options};
use crate::error::{Error, Refusal, Result, Structure};
use crate::extents::Piece;
use crate::features::{Incompatible, ReadOnlyCompatible};
use crate::format::inode::Time;
use crate::format::orphan::OrphanBlock;
use crate::journal;
use crate::node::Node;
use imgctl_block::BlockDevice;
use imgctl_vfs::{FileKind, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What [`recover`] did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Recovery {
    /// Transactions replayed from the journal.
    pub transactions: u32,
    /// Blocks they wrote.
    pub blocks: u64,
    /// Files removed that were deleted while open.
    pub removed: u32,
    /// Files cut that were being truncated.
    pub cut: u32,
}

/// Does on `device` what the kernel does when it mounts a filesystem that was not unmounted: replays the journal, then
/// removes the files that were deleted while open. Nothing is written if there is nothing to do.
///
/// Fails with [`Error::Refused`] where the features forbid writing, or where fast commits would have to be replayed.
pub fn recover(device: Arc<dyn BlockDevice>, now: Timestamp) -> Result<Recovery> {
    let fs = Ext4::open_any(device.clone(), Ext4Options { now, read_only: true })?;
    let features = fs.volume.superblock.features;
    if let Some(refusal) = features.refuse_writing() {
        return Err(refusal.into());
    }
    let mut recovery = Recovery::default();
    if features.needs_recovery() {
        let number = fs.volume.superblock.journal_inode();
        if number == 0 {
            return Err(Refusal::ExternalJournal.into());
        }
        let node = Node::decode(&fs.volume, number, fs.read_inode(number)?)?;
        let replayed = journal::replay(&fs.volume, &node)?;
        recovery.transactions = replayed.transactions;
        recovery.blocks = replayed.blocks;
    }
    drop(fs);
    let mut fs = Ext4::open_any(device, Ext4Options { now, read_only: false })?;
    let superblock = &mut fs.volume.superblock;
    fs.superblock_changed = superblock.features.needs_recovery();
    superblock.features.incompatible.remove(Incompatible::NEEDS_RECOVERY);
    fs.remove_orphans(&mut recovery)?;
    Box::new(fs).write_all()?;
    Ok(recovery)
}

impl Ext4 {
    fn remove_orphans(&mut self, recovery: &mut Recovery) -> Result<()> {
        let mut number = self.volume.superblock.last_orphan();
        let mut seen = BTreeSet::new();
        while number != 0 {
            self.superblock_changed = true;
            if !seen.insert(number) || !self.may_be_named(number) {
                return Err(Error::corrupt(
                    Structure::Inode(number),
                    "the list of orphans is broken",
                ));
            }
            // The next one is noted where the time of deletion will be.
            let next = self.read_inode(number)?.deletion_time();
            self.finish_orphan(number, recovery)?;
            number = next;
        }
        self.volume.superblock.clear_last_orphan();
        self.empty_orphan_file(recovery)
    }

    /// Works off the orphan file: blocks of inode numbers, 0 where there is none.
    fn empty_orphan_file(&mut self, recovery: &mut Recovery) -> Result<()> {
        let superblock = &mut self.volume.superblock;
        if !superblock
            .features
            .read_only
            .contains(ReadOnlyCompatible::ORPHAN_PRESENT)
        {
            return Ok(());
        }
        superblock.features.read_only.remove(ReadOnlyCompatible::ORPHAN_PRESENT);
        self.superblock_changed = true;
        let number = superblock.orphan_file_inode();
        let node = Node::decode(&self.volume, number, self.read_inode(number)?)?;
        let seed = node.seed(&self.volume);
        let damage = |problem: &str| Error::corrupt(Structure::Inode(number), problem);
        for logical in 0..node.map.end() {
            let Piece::Blocks { physical, .. } = node.map.at(logical) else {
                return Err(damage("the orphan file has a hole"));
            };
            let raw = self.volume.read_block(physical, "the orphan file")?;
            let mut block = OrphanBlock::parse(raw, physical, seed).map_err(damage)?;
            let orphans = block.inodes();
            for orphan in &orphans {
                if !self.may_be_named(*orphan) {
                    return Err(damage("the orphan file names an inode that is no file's"));
                }
                self.finish_orphan(*orphan, recovery)?;
            }
            if !orphans.is_empty() {
                self.volume
                    .write_block(physical, block.encode_empty(physical, seed), "the orphan file")?;
            }
        }
        Ok(())
    }

    /// Removes an inode without names, or cuts one with names to its size.
    fn finish_orphan(&mut self, number: u32, recovery: &mut Recovery) -> Result<()> {
        let inode = self.read_inode(number)?;
        if inode.is_blank() {
            return Err(Error::corrupt(Structure::Inode(number), "an orphan was never used"));
        }
        let node = Node::decode_orphan(&self.volume, number, inode)?;
        let is_directory = node.kind == FileKind::Directory;
        let has_names = node.inode.links() > 0;
        let has_content = node.kind == FileKind::File;
        let size = node.inode.size();
        self.nodes.insert(number, Arc::new(node));
        if has_names {
            self.node_mut(number)?.inode.set_deletion_time(0);
            if has_content {
                let mut content = self.content(number)?;
                content.release_from(size.div_ceil(content.volume.block_bytes()))?;
                content.set_len(size)?;
            }
            let now = self.now;
            self.node_mut(number)?.inode.set_time(Time::Changed, now);
            recovery.cut += 1;
            return Ok(());
        }
        self.drop_xattr_block(number)?;
        self.content(number)?.release()?;
        self.space.free_inode(&self.volume, number, is_directory)?;
        self.forget(number);
        self.cleared.insert(number);
        recovery.removed += 1;
        Ok(())
    }
}
