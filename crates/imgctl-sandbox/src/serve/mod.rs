//! The guest's tree as a FUSE filesystem: read-only, and never different while it is served.

mod attributes;
mod extract;
mod injected;
mod listing;

use crate::request::InjectedFile;
use attributes::{attr_of, errno_of, is_served};
use fuser::{
    Errno, FileAttr, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig, LockOwner,
    OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyStatfs, ReplyXattr, Request,
};
use imgctl_vfs::{FileKind, MountIndex, NodeId, Tree, TreeNode};
use injected::Injected;
pub(crate) use injected::{MARK, NODE};
use listing::Listings;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Nothing changes while it is served.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The most that one request reads.
const READ_BYTES: u32 = 1 << 20;

/// Nodes have 48 bits of an inode number, what they are on has the others: the root filesystem none, so that its numbers
/// fit into the 32 bits that old programs know.
const NODE_BITS: u32 = 48;
const NODE_MASK: u64 = (1 << NODE_BITS) - 1;
const INJECTED: u64 = 0xffff;

/// The first thing that could not be read, for the message of the step that failed by it.
pub(crate) type FirstError = Arc<Mutex<Option<String>>>;

/// What an inode number leads to.
#[derive(Clone, Copy, Debug)]
enum Target {
    Node(TreeNode),
    Injected(usize),
}

#[derive(Debug)]
pub(crate) struct GuestFs {
    tree: Arc<Tree>,
    injected: Injected,
    mounts: Vec<MountIndex>,
    positions: BTreeMap<MountIndex, u64>,
    listings: Listings,
    first_error: FirstError,
}

impl GuestFs {
    pub(crate) fn new(tree: Arc<Tree>, injected: &[InjectedFile], first_error: FirstError) -> Self {
        let mounts: Vec<MountIndex> = tree.mounts().map(|(index, _)| index).collect();
        Self {
            injected: Injected::new(&tree, injected),
            positions: (0..).zip(&mounts).map(|(position, index)| (*index, position)).collect(),
            mounts,
            tree,
            listings: Listings::default(),
            first_error,
        }
    }

    fn number(&self, target: Target) -> Option<INodeNo> {
        let number = match target {
            Target::Node(node) if node == self.tree.root().node => return Some(INodeNo::ROOT),
            Target::Node(node) => {
                let position = *self.positions.get(&node.mount)?;
                (node.node.0 <= NODE_MASK && node.node.0 > 1 || position > 0)
                    .then_some(position << NODE_BITS | node.node.0)?
            }
            Target::Injected(index) => INJECTED << NODE_BITS | index as u64,
        };
        Some(INodeNo(number))
    }

    fn target(&self, number: INodeNo) -> Result<Target, Errno> {
        if number == INodeNo::ROOT {
            return Ok(Target::Node(self.tree.root().node));
        }
        let (position, node) = (number.0 >> NODE_BITS, number.0 & NODE_MASK);
        let index = usize::try_from(position).unwrap_or(usize::MAX);
        if position == INJECTED {
            return Ok(Target::Injected(usize::try_from(node).unwrap_or(usize::MAX)));
        }
        let mount = *self.mounts.get(index).ok_or(Errno::ESTALE)?;
        let node = NodeId(node);
        Ok(Target::Node(TreeNode { mount, node }))
    }

    fn node(&self, number: INodeNo) -> Result<TreeNode, Errno> {
        match self.target(number)? {
            Target::Node(node) => Ok(node),
            Target::Injected(_) => Err(Errno::ENOTDIR),
        }
    }

    /// The answer to an error of the engine, which is kept if it is not the program's own.
    fn failed(&self, error: &imgctl_vfs::Error) -> Errno {
        let errno = errno_of(error);
        if errno.code() == Errno::EIO.code() {
            let mut first = self.first_error.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| match std::error::Error::source(error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            });
        }
        errno
    }

    fn attributes(&self, target: Target) -> Result<FileAttr, Errno> {
        let number = self.number(target).ok_or(Errno::EOVERFLOW)?;
        match target {
            Target::Injected(index) => {
                let file = self.injected.get(index).ok_or(Errno::ESTALE)?;
                Ok(attr_of(number, &file.metadata()))
            }
            Target::Node(node) => {
                let metadata = self.tree.metadata(node).map_err(|error| self.failed(&error))?;
                Ok(attr_of(number, &metadata))
            }
        }
    }

    fn find(&self, parent: INodeNo, name: &OsStr) -> Result<Option<FileAttr>, Errno> {
        let Ok(parent) = self.node(parent) else {
            return Ok(None);
        };
        if let Some(index) = self.injected.find(parent, name.as_bytes()) {
            return self.attributes(Target::Injected(index)).map(Some);
        }
        let found = self.tree.lookup(parent, name.as_bytes());
        let found = found.map_err(|error| self.failed(&error))?;
        found.map(|node| self.attributes(Target::Node(node))).transpose()
    }

    fn read_file(&self, number: INodeNo, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
        let size = usize::try_from(size.min(READ_BYTES)).unwrap_or(0);
        let node = match self.target(number)? {
            Target::Injected(index) => {
                let content = &self.injected.get(index).ok_or(Errno::ESTALE)?.content;
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
                let end = start.saturating_add(size).min(content.len());
                return Ok(content.get(start..end).unwrap_or_default().to_vec());
            }
            Target::Node(node) => node,
        };
        let fs = self.tree.fs(node);
        let mut buffer = vec![0; size];
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let read = fs.read_at(node.node, offset.saturating_add(done as u64), rest);
            match read.map_err(|error| self.failed(&error))? {
                0 => break,
                count => done += count,
            }
        }
        buffer.truncate(done);
        Ok(buffer)
    }

    fn attribute(&self, number: INodeNo, name: &[u8]) -> Result<Vec<u8>, Errno> {
        match self.target(number)? {
            Target::Injected(_) if name == MARK => Ok(b"1".to_vec()),
            Target::Node(node) if name == NODE => self.identity(node)?.ok_or(Errno::ENODATA),
            Target::Node(node) if is_served(name) => {
                let xattrs = self.tree.fs(node).xattrs(node.node);
                let mut xattrs = xattrs.map_err(|error| self.failed(&error))?;
                xattrs.remove(name).ok_or(Errno::ENODATA)
            }
            _ => Err(Errno::ENODATA),
        }
    }

    fn attribute_names(&self, number: INodeNo) -> Result<Vec<u8>, Errno> {
        let mut names = Vec::new();
        match self.target(number)? {
            Target::Injected(_) => names.extend([MARK, b"\0"].concat()),
            Target::Node(node) => {
                let xattrs = self.tree.fs(node).xattrs(node.node);
                let xattrs = xattrs.map_err(|error| self.failed(&error))?;
                if self.identity(node)?.is_some() {
                    names.extend([NODE, b"\0"].concat());
                }
                for name in xattrs.keys().filter(|name| is_served(name)) {
                    names.extend_from_slice(name);
                    names.push(0);
                }
            }
        }
        Ok(names)
    }

    /// What a file with several names is known by when it is copied up.
    fn identity(&self, node: TreeNode) -> Result<Option<Vec<u8>>, Errno> {
        let metadata = self.tree.metadata(node).map_err(|error| self.failed(&error))?;
        let has_names = metadata.kind == FileKind::File && metadata.links > 1;
        let position = self.positions.get(&node.mount).filter(|_| has_names);
        Ok(position.map(|position| format!("{position} {}", node.node.0).into_bytes()))
    }

    /// Every name of a directory with its target, injected ones among them.
    fn list(&self, number: INodeNo) -> Result<Vec<(Vec<u8>, Target)>, Errno> {
        let directory = match self.target(number)? {
            Target::Node(node) => node,
            Target::Injected(_) => return Ok(Vec::new()),
        };
        let entries = self.tree.read_dir(directory).map_err(|error| self.failed(&error))?;
        let mut entries: BTreeMap<Vec<u8>, Target> = entries
            .into_iter()
            .map(|(name, node)| (name, Target::Node(node)))
            .collect();
        for (name, index) in self.injected.below(directory) {
            entries.insert(name.to_vec(), Target::Injected(index));
        }
        Ok(entries.into_iter().collect())
    }
}

fn reply_xattr(reply: ReplyXattr, size: u32, value: Result<Vec<u8>, Errno>) {
    match value {
        Err(errno) => reply.error(errno),
        Ok(value) if size == 0 => reply.size(u32::try_from(value.len()).unwrap_or(u32::MAX)),
        Ok(value) if value.len() > size as usize => reply.error(Errno::ERANGE),
        Ok(value) => reply.data(&value),
    }
}

impl Filesystem for GuestFs {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for capability in [
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_CACHE_SYMLINKS,
            InitFlags::FUSE_NO_OPEN_SUPPORT,
            InitFlags::FUSE_POSIX_ACL,
            InitFlags::FUSE_ASYNC_DIO,
        ] {
            // An older kernel asks more often.
            let _ = config.add_capabilities(capability);
        }
        let _ = config.set_max_write(READ_BYTES);
        if let Err(most) = config.set_max_readahead(READ_BYTES) {
            let _ = config.set_max_readahead(most);
        }
        let _ = config.set_max_background(64);
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.find(parent, name) {
            Ok(Some(attr)) => reply.entry(&FOREVER, &attr, Generation(0)),
            // An entry of number 0 says that there is none, and that this may be remembered.
            Ok(None) => reply.entry(&FOREVER, &attributes::none(), Generation(0)),
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, _request: &Request, number: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        match self.target(number).and_then(|target| self.attributes(target)) {
            Ok(attr) => reply.attr(&FOREVER, &attr),
            Err(errno) => reply.error(errno),
        }
    }

    fn readlink(&self, _request: &Request, number: INodeNo, reply: ReplyData) {
        let target = self.node(number).and_then(|node| {
            let target = self.tree.fs(node).read_link(node.node);
            target.map_err(|error| self.failed(&error))
        });
        match target {
            Ok(target) => reply.data(&target),
            Err(errno) => reply.error(errno),
        }
    }

    fn open(&self, _request: &Request, _number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        // From the first such answer on the kernel opens files without asking, and keeps what it read.
        reply.error(Errno::ENOSYS);
    }

    fn read(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.read_file(number, offset, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        }
    }

    fn opendir(&self, _request: &Request, number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.list(number) {
            Ok(entries) => {
                let handle = self.listings.insert(entries);
                reply.opened(
                    FileHandle(handle),
                    FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR,
                );
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn readdir(&self, _request: &Request, number: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let Some(entries) = self.listings.get(handle.0) else {
            return reply.error(Errno::EBADF);
        };
        for (next, name, target) in entries.from(offset) {
            let attr = match target {
                None => self.target(number).and_then(|target| self.attributes(target)),
                Some(target) => self.attributes(target),
            };
            match attr {
                Ok(attr) if reply.add(attr.ino, next, attr.kind, OsStr::from_bytes(name)) => break,
                Ok(_) => {}
                Err(errno) => return reply.error(errno),
            }
        }
        reply.ok();
    }

    fn readdirplus(
        &self,
        _request: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let Some(entries) = self.listings.get(handle.0) else {
            return reply.error(Errno::EBADF);
        };
        for (next, name, target) in entries.from(offset) {
            let attr = match target {
                None => self.target(number).and_then(|target| self.attributes(target)),
                Some(target) => self.attributes(target),
            };
            match attr {
                Ok(attr) => {
                    let name = OsStr::from_bytes(name);
                    if reply.add(attr.ino, next, name, &FOREVER, &attr, Generation(0)) {
                        break;
                    }
                }
                Err(errno) => return reply.error(errno),
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.listings.remove(handle.0);
        reply.ok();
    }

    fn statfs(&self, _request: &Request, _number: INodeNo, reply: ReplyStatfs) {
        let root = self.tree.root().node;
        match self.tree.fs(root).statfs() {
            Ok(stat) => reply.statfs(
                stat.blocks,
                stat.free_blocks,
                stat.available_blocks,
                stat.nodes,
                stat.free_nodes,
                stat.block_bytes,
                255,
                stat.block_bytes,
            ),
            Err(error) => reply.error(self.failed(&error)),
        }
    }

    fn getxattr(&self, _request: &Request, number: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        reply_xattr(reply, size, self.attribute(number, name.as_bytes()));
    }

    fn listxattr(&self, _request: &Request, number: INodeNo, size: u32, reply: ReplyXattr) {
        reply_xattr(reply, size, self.attribute_names(number));
    }
}
