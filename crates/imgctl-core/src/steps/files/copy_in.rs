//! `--copy-in` and `tree`: files and trees of this machine.

use super::place::{Later, Source, Wanted, place};
use super::principals::{gid_of, uid_of};
use crate::guest::{Accounts, Guest, NewMetadata};
use crate::steps::flags::{FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use crate::steps::{Outcome, StepFailure};
use imgctl_recipe::{FileEntry, HostFileError, ModeChange, Preserve};
use imgctl_vfs::{FileKind, GuestPath, Timestamp};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// As deep as directories of this machine may nest.
const MAX_DEPTH: usize = 1000;

/// The largest extended attribute of Linux, and the longest list of their names, in bytes.
const MAX_XATTR_BYTES: usize = 65_536;

pub(super) const FLAG: FlagSpec = FlagSpec {
    name: "copy-in",
    value: "LOCAL:DIR",
    group: FlagGroup::Files,
    help: "Copy a local file or tree into a directory of the guest, with its modes, times and numeric owners",
    example: "files/etc:/",
    recipe: "files[].tree",
    peer: Peer::Better(
        "extended attributes are copied, too, with --preserve-xattrs; directories that are there keep their mode and \
         owner; a link to a directory stays one",
    ),
    deed: FlagDeed::Step(|argument| {
        let (local, directory) = argument.split()?;
        let source = PathBuf::from(local);
        match argument.host.check_file(&source) {
            Ok(()) | Err(HostFileError::IsADirectory) => {}
            Err(error) => return Err(FlagError::new(format!("cannot read the local file {local}: {error}"))),
        }
        if source.file_name().is_none() {
            return Err(FlagError::with_hint(
                format!("`{local}` has no name that it could keep in the guest"),
                "name a directory, like --copy-in files/etc:/",
            ));
        }
        let value = CopyIn {
            source,
            directory: argument.guest_path(directory)?,
            preserve: Preserve {
                owners: true,
                times: true,
                xattrs: argument.settings.preserves_xattrs,
            },
        };
        Ok(argument.step(value, |value, guest| value.run(guest)))
    }),
};

/// The option that has attributes kept.
pub(super) const PRESERVE: FlagSpec = FlagSpec {
    name: "preserve-xattrs",
    value: "",
    group: FlagGroup::Files,
    help: "Have --copy-in and --tar-in keep extended attributes, access control lists and capabilities",
    example: "",
    recipe: "files[].preserve",
    peer: Peer::Ours,
    deed: FlagDeed::Setting(|_, settings| {
        settings.preserves_xattrs = true;
        Ok(())
    }),
};

struct CopyIn {
    source: PathBuf,
    directory: GuestPath,
    preserve: Preserve,
}

impl CopyIn {
    fn run(&self, guest: &mut Guest) -> Outcome<()> {
        if !guest.is_directory(&self.directory)? {
            return Err(StepFailure::refused_with(
                format!("{} is no directory of the guest", self.directory),
                "make it by --mkdir before",
            ));
        }
        let name = self.source.file_name().unwrap_or_default();
        let path = self.directory.join(name.as_bytes());
        let mut copying = Copying {
            preserve: self.preserve,
            mode: None,
            owner: (0, 0),
            linked: BTreeMap::new(),
            later: Later::default(),
        };
        copying.entry(guest, &self.source, &path, 0)?;
        copying.later.finish(guest)
    }
}

/// What a recipe asks for: all that the local directory holds, in `path`.
pub(super) fn tree(
    guest: &mut Guest,
    path: &GuestPath,
    source: &Path,
    preserve: Preserve,
    entry: &FileEntry,
) -> Outcome<()> {
    let accounts = super::principals::accounts_for(guest, &[&entry.owner, &entry.group])?;
    let mut copying = Copying {
        preserve,
        mode: entry.mode.clone().filter(|_| entry.recursive),
        owner: owner_of_new(&accounts, entry)?,
        linked: BTreeMap::new(),
        later: Later::default(),
    };
    let (uid, gid) = copying.owner;
    let mode = entry.mode.as_ref().map_or(0o755, |mode| mode.apply(0o755, true));
    guest.create_directory_all(path, NewMetadata { mode, uid, gid })?;
    copying.children(guest, source, path, 0)?;
    copying.later.finish(guest)
}

/// The owner that an entry gives to what is new.
pub(super) fn owner_of_new(accounts: &Accounts, entry: &FileEntry) -> Outcome<(u32, u32)> {
    let uid = entry.owner.as_ref().map(|user| uid_of(accounts, user)).transpose()?;
    let gid = entry.group.as_ref().map(|group| gid_of(accounts, group)).transpose()?;
    Ok((uid.unwrap_or(0), gid.unwrap_or(0)))
}

struct Copying {
    preserve: Preserve,
    /// What becomes of this machine's modes.
    mode: Option<ModeChange>,
    /// Owner and group of what is new, where this machine's are not kept.
    owner: (u32, u32),
    /// Files with several names: where the first of them was put.
    linked: BTreeMap<(u64, u64), GuestPath>,
    later: Later,
}

impl Copying {
    fn children(&mut self, guest: &mut Guest, source: &Path, path: &GuestPath, depth: usize) -> Outcome<()> {
        if depth > MAX_DEPTH {
            return Err(StepFailure::refused(format!("{} nests too deeply", source.display())));
        }
        let entries = std::fs::read_dir(source).map_err(|error| failed(source, error))?;
        let names: io::Result<Vec<_>> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
        let mut names = names.map_err(|error| failed(source, error))?;
        names.sort();
        for name in names {
            self.entry(guest, &source.join(&name), &path.join(name.as_bytes()), depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, guest: &mut Guest, source: &Path, path: &GuestPath, depth: usize) -> Outcome<()> {
        let metadata = std::fs::symlink_metadata(source).map_err(|error| failed(source, error))?;
        let Some(kind) = kind_of(&metadata) else {
            guest.warn(format!("{} is a socket, which is left out", source.display()));
            return Ok(());
        };
        let wanted = self.wanted(source, &metadata, kind)?;
        if kind != FileKind::Directory && metadata.nlink() > 1 {
            let key = (metadata.dev(), metadata.ino());
            if let Some(first) = self.linked.get(&key) {
                return link(guest, &first.clone(), path);
            }
            self.linked.insert(key, path.clone());
        }
        match kind {
            FileKind::Directory => {
                let is_new = place(guest, path, &wanted, Source::Nothing)?;
                self.children(guest, source, path, depth + 1)?;
                // A directory that was there is the guest's: /etc does not become whose files/etc is.
                if is_new {
                    self.later.push(path.clone(), wanted);
                }
            }
            FileKind::File => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = rustix::fs::open(source, flags, Mode::empty());
                let mut file = File::from(file.map_err(|error| failed(source, error.into()))?);
                place(guest, path, &wanted, Source::Reader(&mut file))?;
            }
            _ => drop(place(guest, path, &wanted, Source::Nothing)?),
        }
        Ok(())
    }

    fn wanted(&self, source: &Path, metadata: &Metadata, kind: FileKind) -> Outcome<Wanted> {
        let (uid, gid) = match self.preserve.owners {
            true => (metadata.uid(), metadata.gid()),
            false => self.owner,
        };
        let target = match kind {
            FileKind::Symlink => {
                let target = std::fs::read_link(source).map_err(|error| failed(source, error))?;
                target.into_os_string().into_vec()
            }
            _ => Vec::new(),
        };
        let nanoseconds = u32::try_from(metadata.mtime_nsec()).unwrap_or(0);
        let modified = Timestamp {
            seconds: metadata.mtime(),
            nanoseconds,
        };
        let mode = u16::try_from(metadata.mode() & 0o7777).unwrap_or(0);
        let change = self.mode.as_ref();
        Ok(Wanted {
            kind,
            mode: change.map_or(mode, |change| change.apply(mode, kind == FileKind::Directory)),
            uid,
            gid,
            owns: self.preserve.owners,
            modified: self.preserve.times.then_some(modified),
            links: metadata.nlink(),
            target,
            xattrs: match self.preserve.xattrs {
                true => xattrs(source).map_err(|error| failed(source, error))?,
                false => BTreeMap::new(),
            },
        })
    }
}

fn failed(source: &Path, error: io::Error) -> StepFailure {
    StepFailure::HostFile {
        path: source.to_owned(),
        source: error,
    }
}

fn kind_of(metadata: &Metadata) -> Option<FileKind> {
    let kind = metadata.file_type();
    let device = metadata.rdev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    Some(if kind.is_dir() {
        FileKind::Directory
    } else if kind.is_symlink() {
        FileKind::Symlink
    } else if kind.is_file() {
        FileKind::File
    } else if kind.is_fifo() {
        FileKind::Fifo
    } else if kind.is_char_device() {
        FileKind::CharDevice(major, minor)
    } else if kind.is_block_device() {
        FileKind::BlockDevice(major, minor)
    } else {
        return None;
    })
}

/// Gives what is at `first` the further name `path`.
pub(super) fn link(guest: &mut Guest, first: &GuestPath, path: &GuestPath) -> Outcome<()> {
    let there = guest.find_link(path)?;
    let wanted = guest.find_link(first)?;
    if let (Some(there), Some(wanted)) = (&there, &wanted)
        && there.node == wanted.node
    {
        return Ok(());
    }
    let old = there.map(|there| guest.metadata_of(&there)).transpose()?;
    super::place::make_room(guest, path, old.as_ref())?;
    Ok(guest.link(first, path)?)
}

/// The attributes of a file of this machine that mean something elsewhere, a link's own.
fn xattrs(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut names = vec![0; MAX_XATTR_BYTES];
    let length = match rustix::fs::llistxattr(path, names.as_mut_slice()) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    names.truncate(length);
    for name in names.split(|byte| *byte == 0).filter(|name| is_portable(name)) {
        let mut value = vec![0; MAX_XATTR_BYTES];
        let length = rustix::fs::lgetxattr(path, name, value.as_mut_slice())?;
        value.truncate(length);
        found.insert(name.to_vec(), value);
    }
    Ok(found)
}

/// Whether an attribute is not of this machine alone, as labels of its security policy are.
pub(super) fn is_portable(name: &[u8]) -> bool {
    name.starts_with(b"user.")
        || [
            b"security.capability".as_slice(),
            super::acl::ACCESS,
            super::acl::DEFAULT,
        ]
        .contains(&name)
}
