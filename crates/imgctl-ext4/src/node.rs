//! An inode in memory together with where its content lies.

use crate::error::{Error, Refusal, Result, Structure};
use crate::extents::{ExtentMap, read_block_map, read_tree};
use crate::features::ReadOnlyCompatible;
use crate::format::checksum::Checksum;
use crate::format::inode::{BLOCK_AREA, Inode, InodeFlags, Time};
use crate::volume::Volume;
use imgctl_vfs::{FileKind, NewNode, Timestamp};

/// Where a node keeps its content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Storage {
    /// In the inode's 60 bytes: short link targets, device numbers, tiny files with `inline_data`.
    InInode,
    /// In blocks, found by an extent tree.
    Extents,
    /// In blocks, found by a block map (ext2, ext3).
    BlockMap,
}

/// An inode that is in use.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) number: u32,
    pub(crate) inode: Inode,
    pub(crate) kind: FileKind,
    pub(crate) storage: Storage,
    /// Where the content's blocks lie.
    pub(crate) map: ExtentMap,
    /// The blocks that the extent tree or block map itself takes.
    pub(crate) tree_blocks: Vec<u64>,
    /// Whether the tree has to be written again.
    pub(crate) map_changed: bool,
    /// Whether the last block is known to be zero behind the content's end.
    pub(crate) tail_is_zero: bool,
}

impl Node {
    /// Reads the node of an inode record that was found on the device.
    pub(crate) fn decode(volume: &Volume, number: u32, inode: Inode) -> Result<Self> {
        let damage = |problem: &str| Error::corrupt(Structure::Inode(number), problem);
        if inode.is_blank() {
            return Err(damage("a directory names it, but it is not in use"));
        }
        if inode.links() == 0 {
            return Err(damage("a directory names it, but it is deleted"));
        }
        let node = Self::decode_orphan(volume, number, inode)?;
        node.check_size(volume)?;
        Ok(node)
    }

    /// Reads the node of an inode record that may have no names, and a content longer than its size.
    pub(crate) fn decode_orphan(volume: &Volume, number: u32, inode: Inode) -> Result<Self> {
        let damage = |problem: &str| Error::corrupt(Structure::Inode(number), problem);
        if volume.seed.is_some_and(|seed| !inode.checksum_matches(seed, number)) {
            return Err(damage("its checksum does not match"));
        }
        let kind = inode.kind().ok_or_else(|| damage("its type is unknown"))?;
        if inode.extra_bytes().is_none() {
            return Err(damage("its extra fields are longer than its record"));
        }
        let storage = storage_of(volume, number, &inode, kind)?;
        let (map, tree_blocks) = match storage {
            Storage::InInode => (ExtentMap::default(), Vec::new()),
            Storage::Extents => {
                let seed = volume.seed.map(|seed| inode.seed(seed, number));
                let tree = read_tree(volume, number, &inode.block_area(), seed)?;
                (tree.map, tree.blocks)
            }
            Storage::BlockMap => read_block_map(volume, number, &inode.block_area())?,
        };
        Ok(Self {
            number,
            inode,
            kind,
            storage,
            map,
            tree_blocks,
            map_changed: false,
            tail_is_zero: false,
        })
    }

    /// A node that does not exist yet, with every time set to `now` and one link.
    pub(crate) fn new(volume: &Volume, number: u32, new: &NewNode, now: Timestamp) -> Self {
        let superblock = &volume.superblock;
        let mut inode = Inode::new(superblock.inode_bytes.into(), superblock.want_extra_bytes());
        let mode = if new.kind == FileKind::Symlink { 0o777 } else { new.mode };
        inode.set_kind(new.kind, mode);
        inode.set_uid(new.uid);
        inode.set_gid(new.gid);
        inode.set_links(1);
        for time in [Time::Accessed, Time::Changed, Time::Modified, Time::Created] {
            inode.set_time(time, now);
        }
        inode.set_generation(generation(volume, number, now));
        let short = new.kind == FileKind::Symlink && new.target.len() < BLOCK_AREA;
        let has_blocks = matches!(new.kind, FileKind::File | FileKind::Directory | FileKind::Symlink) && !short;
        let storage = match (has_blocks, superblock.features.extents()) {
            (false, _) => Storage::InInode,
            (true, true) => Storage::Extents,
            (true, false) => Storage::BlockMap,
        };
        if storage == Storage::Extents {
            inode.set_flags(InodeFlags::EXTENTS);
        }
        if short {
            inode.set_block_area(&new.target);
            inode.set_size(new.target.len() as u64);
        }
        Self {
            number,
            inode,
            kind: new.kind,
            storage,
            map: ExtentMap::default(),
            tree_blocks: Vec::new(),
            map_changed: has_blocks,
            tail_is_zero: true,
        }
    }

    fn check_size(&self, volume: &Volume) -> Result<()> {
        let size = self.inode.size();
        let fits = match self.kind {
            FileKind::Directory => {
                size.is_multiple_of(volume.block_bytes()) && size / volume.block_bytes() == self.map.end()
            }
            FileKind::Symlink => size > 0 && size <= volume.block_bytes(),
            FileKind::File => self.storage != Storage::InInode || size <= BLOCK_AREA as u64,
            _ => true,
        };
        let longest = volume.block_bytes() << 32;
        if fits && size <= longest {
            Ok(())
        } else {
            Err(Error::corrupt(
                Structure::Inode(self.number),
                format!("its size {size} is impossible"),
            ))
        }
    }

    /// What the checksums of this inode's blocks start from.
    pub(crate) fn seed(&self, volume: &Volume) -> Option<Checksum> {
        volume.seed.map(|seed| self.inode.seed(seed, self.number))
    }

    /// About how much memory the node takes, in units of an inode record.
    pub(crate) fn weight(&self) -> usize {
        1 + self.map.len() / 8 + self.tree_blocks.len() / 64
    }

    /// Counts the blocks anew and records their number in the inode.
    pub(crate) fn update_stored_blocks(&mut self, volume: &Volume) -> Result<()> {
        let own = self.map.blocks() + self.tree_blocks.len() as u64;
        let blocks = own + u64::from(self.inode.xattr_block() != 0);
        let sectors = blocks * (volume.block_bytes() / 512);
        let huge = volume
            .superblock
            .features
            .read_only
            .contains(ReadOnlyCompatible::HUGE_FILE);
        let mut flags = self.inode.flags();
        flags.remove(InodeFlags::HUGE_FILE);
        if sectors <= u64::from(u32::MAX) || (huge && sectors < 1 << 48) {
            self.inode.set_stored_blocks(sectors);
        } else if huge {
            flags.insert(InodeFlags::HUGE_FILE);
            self.inode.set_stored_blocks(blocks);
        } else {
            return Err(Error::request(
                imgctl_vfs::ErrorKind::LimitReached,
                "the file is too large for a filesystem without the huge_file feature",
            ));
        }
        self.inode.set_flags(flags);
        Ok(())
    }
}

/// A number that tells a reused inode from the one before, for NFS. The kernel draws it; here it follows from the
/// filesystem, the inode and the reference time, so that equal runs give equal images.
fn generation(volume: &Volume, number: u32, now: Timestamp) -> u32 {
    let seed = volume.superblock.hash_seed();
    let sum = seed
        .iter()
        .fold(Checksum::new(), |sum, word| sum.update(&word.to_le_bytes()));
    sum.update(&number.to_le_bytes())
        .update(&now.seconds.to_le_bytes())
        .value()
}

/// Where an inode keeps its content, by its flags.
fn storage_of(volume: &Volume, number: u32, inode: &Inode, kind: FileKind) -> Result<Storage> {
    let flags = inode.flags();
    for (flag, name) in [
        (InodeFlags::ENCRYPT, "encrypted"),
        (InodeFlags::EA_INODE, "an attribute's value"),
        (InodeFlags::CASEFOLD, "case-folding"),
    ] {
        if flags.contains(flag) {
            return Err(Refusal::InodeFlags {
                inode: number,
                flag: name,
            }
            .into());
        }
    }
    let has_content = matches!(kind, FileKind::File | FileKind::Directory | FileKind::Symlink);
    if flags.contains(InodeFlags::INLINE_DATA) && has_content {
        return if kind != FileKind::Directory && inode.size() <= BLOCK_AREA as u64 {
            Ok(Storage::InInode)
        } else {
            Err(Refusal::InodeFlags {
                inode: number,
                flag: "stored with its attributes (inline_data)",
            }
            .into())
        };
    }
    if !has_content {
        return Ok(Storage::InInode);
    }
    if flags.contains(InodeFlags::EXTENTS) {
        return Ok(Storage::Extents);
    }
    let xattr_sectors = if inode.xattr_block() == 0 {
        0
    } else {
        volume.block_bytes() / 512
    };
    let is_short = inode.size() < BLOCK_AREA as u64 && inode.stored_blocks() <= xattr_sectors;
    if kind == FileKind::Symlink && is_short {
        return Ok(Storage::InInode);
    }
    Ok(Storage::BlockMap)
}
