//! An inode in memory, with its forks decoded.

use crate::error::{Error, Refusal, Result, Structure};
use crate::extents::{ExtentMap, Piece};
use crate::format::btree::{TreeFormat, TreeKind};
use crate::format::extent::Extent;
use crate::format::fields::{u16_at, u64_at};
use crate::format::inode::{ForkFormat, Inode, Time, flags, type_bits};
use crate::format::remote::{self, RemoteKind};
use crate::tree::{TreeRoot, read_tree};
use crate::volume::Volume;
use crate::xattr::{self, Xattrs};
use imgctl_vfs::{FileKind, NewNode, Timestamp};

/// The longest target of a symbolic link.
pub(crate) const MOST_TARGET: usize = 1023;

/// The blocks of content or of attributes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fork {
    pub(crate) map: ExtentMap,
    /// The blocks of the extent tree.
    pub(crate) tree_blocks: Vec<u64>,
    /// Whether the map is another than the one on the device.
    pub(crate) changed: bool,
}

/// How an inode's two forks share its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Plan {
    /// Where the attribute fork begins; 0 when there is none.
    pub(crate) offset: usize,
    pub(crate) data: ForkFormat,
    pub(crate) attributes: ForkFormat,
}

impl Fork {
    /// All its blocks.
    pub(crate) fn blocks(&self) -> u64 {
        self.map.blocks() + self.tree_blocks.len() as u64
    }
}

/// An inode that is in use.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) number: u64,
    pub(crate) kind: FileKind,
    pub(crate) inode: Inode,
    pub(crate) data: Fork,
    pub(crate) attributes: Fork,
    /// What the record is to look like; the record itself follows when it is written.
    pub(crate) plan: Plan,
    /// A symbolic link's target.
    pub(crate) target: Vec<u8>,
    /// The attributes, once they were changed.
    pub(crate) xattrs: Option<Xattrs>,
    /// Whether what lies behind the content's end in its blocks is known to be zeros.
    pub(crate) tail_is_zero: bool,
}

impl Node {
    /// Takes an inode with all its blocks.
    pub(crate) fn decode(volume: &Volume, number: u64, inode: Inode) -> Result<Self> {
        let damage = |problem: &str| Error::corrupt(Structure::Inode(number), problem);
        if inode.is_free() {
            return Err(damage("it is in use by a name, but free by its own word"));
        }
        let kind = inode.kind().ok_or_else(|| damage("its type is unknown"))?;
        refuse_flags(number, &inode)?;
        let format = inode
            .format()
            .ok_or_else(|| damage("the format of its content is unknown"))?;
        let fits = match kind {
            FileKind::File => matches!(format, ForkFormat::Extents | ForkFormat::Tree),
            FileKind::Directory => format != ForkFormat::Device,
            FileKind::Symlink => matches!(format, ForkFormat::Local | ForkFormat::Extents),
            _ => format == ForkFormat::Device,
        };
        if !fits {
            return Err(damage("the format of its content does not suit its type"));
        }
        let data = read_fork(volume, number, format, inode.data_fork(), inode.extents())?;
        let attributes = match (inode.fork_offset(), inode.attribute_format()) {
            (0, _) => Fork::default(),
            (_, None | Some(ForkFormat::Device)) => return Err(damage("the format of its attributes is unknown")),
            (_, Some(format)) => {
                let count = inode.attribute_extents().into();
                read_fork(volume, number, format, inode.attribute_fork(), count)?
            }
        };
        let attribute_format = match (inode.fork_offset(), inode.attribute_format()) {
            (0, _) | (_, None) => ForkFormat::Extents,
            (_, Some(format)) => format,
        };
        let mut node = Self {
            number,
            kind,
            plan: Plan {
                offset: inode.fork_offset(),
                data: format,
                attributes: attribute_format,
            },
            inode,
            data,
            attributes,
            target: Vec::new(),
            xattrs: None,
            tail_is_zero: false,
        };
        if kind == FileKind::Symlink {
            node.target = node.read_target(volume, format)?;
        }
        Ok(node)
    }

    /// How much memory the node takes, in units of its record.
    pub(crate) fn weight(&self) -> usize {
        1 + (self.data.map.len() + self.attributes.map.len()) / 8
    }

    /// Whether content that is not in blocks lies in the inode.
    pub(crate) fn is_local(&self) -> bool {
        self.plan.data == ForkFormat::Local
    }

    /// A new node, without names and content.
    pub(crate) fn new(volume: &Volume, number: u64, generation: u32, new: &NewNode, now: Timestamp) -> Self {
        let superblock = &volume.superblock;
        let mut inode = Inode::blank(superblock.inode_bytes.into(), number, superblock.meta_uuid, generation);
        let features = superblock.features;
        let mut flags2 = 0;
        if features.has_bigtime() {
            flags2 |= flags::BIGTIME;
        }
        if features.has_large_extent_counts() {
            flags2 |= flags::LARGE_COUNTS;
        }
        inode.set_flags2(flags2);
        let permissions = if new.kind == FileKind::Symlink {
            0o777
        } else {
            new.mode & 0o7777
        };
        inode.set_mode(type_bits(new.kind) | permissions);
        inode.set_uid(new.uid);
        inode.set_gid(new.gid);
        inode.set_links(1);
        for time in [Time::Accessed, Time::Modified, Time::Changed, Time::Created] {
            inode.set_time(time, now);
        }
        let data = match new.kind {
            FileKind::File => ForkFormat::Extents,
            FileKind::Directory | FileKind::Symlink => ForkFormat::Local,
            _ => ForkFormat::Device,
        };
        let target = match new.kind {
            FileKind::Symlink => new.target.clone(),
            _ => Vec::new(),
        };
        inode.set_size(target.len() as u64);
        Self {
            number,
            kind: new.kind,
            inode,
            data: Fork::default(),
            attributes: Fork::default(),
            plan: Plan {
                offset: 0,
                data,
                attributes: ForkFormat::Extents,
            },
            target,
            xattrs: None,
            tail_is_zero: true,
        }
    }

    /// The attributes' length in the form within the inode: `None` if they do not fit into it, 0 without any.
    pub(crate) fn short_attributes(&self) -> Option<usize> {
        match (&self.xattrs, self.plan.attributes) {
            (Some(xattrs), _) if xattrs.is_empty() => Some(0),
            (Some(xattrs), _) => xattr::short_bytes(xattrs),
            (None, ForkFormat::Local) => Some(u16_at(self.inode.attribute_fork(), 0).into()),
            (None, _) if self.attributes.map.len() == 0 => Some(0),
            (None, _) => None,
        }
    }

    fn read_target(&self, volume: &Volume, format: ForkFormat) -> Result<Vec<u8>> {
        let damage = |problem: &str| Error::corrupt(Structure::Symlink(self.number), problem);
        let length = usize::try_from(self.inode.size()).unwrap_or(usize::MAX);
        if length == 0 || length > MOST_TARGET + 1 {
            return Err(damage("its target has an impossible length"));
        }
        let target = if format == ForkFormat::Local {
            let held = self.inode.data_fork().get(..length);
            held.ok_or_else(|| damage("its target does not fit into the inode"))?
                .to_vec()
        } else {
            self.read_remote_target(volume, length)
                .map_err(damage_of(Structure::Symlink(self.number)))?
        };
        if target.contains(&0) {
            return Err(damage("it holds a NUL byte"));
        }
        Ok(target)
    }
}

impl Node {
    /// Reads a target from blocks: a header begins each run of them.
    fn read_remote_target(&self, volume: &Volume, length: usize) -> std::result::Result<Vec<u8>, ReadError> {
        let most = remote::block_count(MOST_TARGET + 1, volume.block_len(), volume.is_v5());
        if self.data.map.blocks() > most as u64 {
            return Err("it has more blocks than a target takes".into());
        }
        let mut target = Vec::new();
        for extent in self.data.map.iter() {
            let raw = volume.read_blocks(extent.physical, extent.length, "a symbolic link");
            let raw = raw.map_err(ReadError::Device)?;
            let place = volume.place(extent.physical, self.number);
            target.extend_from_slice(remote::parse(&raw, RemoteKind::Symlink, place, target.len())?);
        }
        if target.len() < length {
            return Err("its target is shorter than it should be".into());
        }
        target.truncate(length);
        Ok(target)
    }
}

fn refuse_flags(number: u64, inode: &Inode) -> Result<()> {
    let refuse = |flag| Err(Refusal::InodeFlags { inode: number, flag }.into());
    if inode.flags() & flags::REALTIME != 0 {
        return refuse("a file of the realtime section");
    }
    if inode.flags2() & flags::METADATA != 0 {
        return refuse("one of the filesystem's own (metadir)");
    }
    Ok(())
}

/// The most records an extent tree's root holds in a fork of this many bytes.
pub(crate) fn root_records(fork_bytes: usize) -> usize {
    fork_bytes.saturating_sub(4) / 16
}

/// Reads the extents of a fork.
fn read_fork(volume: &Volume, number: u64, format: ForkFormat, raw: &[u8], count: u64) -> Result<Fork> {
    let structure = Structure::Extents(number);
    let damage = |problem: &str| Error::corrupt(structure, problem);
    let fork = match format {
        ForkFormat::Device | ForkFormat::Local => Fork::default(),
        ForkFormat::Extents => {
            let length = usize::try_from(count)
                .unwrap_or(usize::MAX)
                .saturating_mul(Extent::BYTES);
            let records = raw
                .get(..length)
                .ok_or_else(|| damage("it does not fit into the inode"))?;
            Fork {
                map: ExtentMap::parse(volume, records, structure)?,
                ..Fork::default()
            }
        }
        ForkFormat::Tree => {
            let (level, records) = (u16_at(raw, 0), usize::from(u16_at(raw, 2)));
            let most = root_records(raw.len());
            if level == 0 || records == 0 || records > most {
                return Err(damage("the root of its tree makes no sense"));
            }
            let pointers = raw.get(4 + most * 8..).unwrap_or_default();
            let root = TreeRoot {
                kind: TreeKind::Extents,
                owner: number,
                group: None,
                top: pointers
                    .chunks_exact(8)
                    .take(records)
                    .map(|raw| u64_at(raw, 0))
                    .collect(),
                level: level - 1,
                structure,
            };
            let tree = read_tree(volume, &root, false)?;
            Fork {
                map: ExtentMap::parse(volume, &tree.records, structure)?,
                tree_blocks: tree.blocks,
                changed: false,
            }
        }
    };
    if fork.map.len() as u64 != count {
        return Err(damage("it has another number of extents than the inode says"));
    }
    Ok(fork)
}

/// The layout of a tree of extents on this volume.
pub(crate) fn extent_format(volume: &Volume) -> TreeFormat {
    crate::tree::format_of(volume, TreeKind::Extents)
}

/// A function for `map_err` on plain problems.
pub(crate) fn damage_of(structure: Structure) -> impl Fn(ReadError) -> Error {
    move |error| match error {
        ReadError::Damage(problem) => Error::corrupt(structure, problem),
        ReadError::Device(error) => error,
    }
}

/// Why blocks of a fork could not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    Damage(&'static str),
    Device(Error),
}

impl From<&'static str> for ReadError {
    fn from(problem: &'static str) -> Self {
        Self::Damage(problem)
    }
}

/// Reads blocks of a fork, which have to be there, and tells where the first one lies.
pub(crate) fn read_fork_blocks(
    volume: &Volume,
    fork: &Fork,
    first: u64,
    count: u64,
) -> std::result::Result<(u64, Vec<u8>), ReadError> {
    let mut raw = Vec::new();
    let mut start = None;
    let mut at = first;
    while at < first + count {
        let Piece::Blocks {
            physical,
            length,
            unwritten: false,
        } = fork.map.at(at)
        else {
            return Err(ReadError::Damage("a block of it is missing"));
        };
        let length = length.min(first + count - at);
        raw.extend(
            volume
                .read_blocks(physical, length, "a block of metadata")
                .map_err(ReadError::Device)?,
        );
        start.get_or_insert(physical);
        at += length;
    }
    Ok((start.unwrap_or(0), raw))
}

/// Reads a value that lies in blocks with headers of their own. The length was checked to be a small one.
pub(crate) fn read_remote(
    volume: &Volume,
    number: u64,
    fork: &Fork,
    kind: RemoteKind,
    first: u64,
    length: usize,
) -> std::result::Result<Vec<u8>, ReadError> {
    let mut value = Vec::new();
    let blocks = remote::block_count(length, volume.block_len(), volume.is_v5());
    for index in 0..blocks as u64 {
        let (block, raw) = read_fork_blocks(volume, fork, first.saturating_add(index), 1)?;
        let part = remote::parse(&raw, kind, volume.place(block, number), value.len())?;
        let rest = length - value.len();
        value.extend_from_slice(part.get(..rest.min(part.len())).unwrap_or_default());
    }
    if value.len() == length {
        Ok(value)
    } else {
        Err(ReadError::Damage("a value is shorter than it should be"))
    }
}
