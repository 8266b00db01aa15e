//! Entries of trees that come from elsewhere: from this machine, an archive, or another place of the guest.

use super::acl;
use crate::guest::{Guest, NewMetadata};
use crate::steps::{Outcome, StepFailure};
use imgctl_vfs::{FileKind, Found, GuestPath, Metadata, MetadataChange, Timestamp};
use std::collections::BTreeMap;
use std::io::Read;

/// What an entry is to be, besides its content.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) kind: FileKind,
    pub(super) mode: u16,
    /// Owner and group of what is new, and of what is there with [`Wanted::owns`].
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Whether what is there gets the owner, too.
    pub(super) owns: bool,
    pub(super) modified: Option<Timestamp>,
    /// How many names it has where it comes from.
    pub(super) links: u64,
    /// A symbolic link's target.
    pub(super) target: Vec<u8>,
    /// Attributes that it must have, others may be there.
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Where the content of a regular file comes from.
pub(super) enum Source<'s> {
    Reader(&'s mut dyn Read),
    Guest(&'s Found),
    Nothing,
}

/// Directories whose metadata is set when all is in them, since that changes their times.
#[derive(Debug, Default)]
pub(super) struct Later(Vec<(GuestPath, Wanted)>);

impl Later {
    pub(super) fn push(&mut self, path: GuestPath, wanted: Wanted) {
        self.0.push((path, wanted));
    }

    /// Sets it, the deepest first.
    pub(super) fn finish(self, guest: &mut Guest) -> Outcome<()> {
        for (path, wanted) in self.0.into_iter().rev() {
            set(guest, &path, &wanted, false)?;
        }
        Ok(())
    }
}

/// Makes `path`, whose parent exists, what is wanted. A symbolic link there is replaced, not followed, except by a
/// directory. Whether a directory was made.
pub(super) fn place(guest: &mut Guest, path: &GuestPath, wanted: &Wanted, source: Source<'_>) -> Outcome<bool> {
    let old = guest.find_link(path)?;
    let old_metadata = old.as_ref().map(|found| guest.metadata_of(found)).transpose()?;
    match wanted.kind {
        FileKind::Directory => return directory(guest, path, wanted, old_metadata.as_ref()),
        FileKind::File => file(guest, path, wanted, old, old_metadata.as_ref(), source)?,
        FileKind::Symlink => {
            let is_there = guest.read_link(path)?.is_some_and(|target| target == wanted.target);
            if !is_there {
                make_room(guest, path, old_metadata.as_ref())?;
                guest.symlink(path, &wanted.target)?;
            }
            set(guest, path, wanted, !is_there)?;
        }
        kind => {
            let is_there = old_metadata.is_some_and(|old| old.kind == kind);
            if !is_there {
                let old = guest.link_metadata(path)?;
                make_room(guest, path, old.as_ref())?;
                guest.make_node(path, kind, new(wanted))?;
            }
            set(guest, path, wanted, !is_there)?;
        }
    }
    Ok(false)
}

fn new(wanted: &Wanted) -> NewMetadata {
    NewMetadata {
        mode: wanted.mode,
        uid: wanted.uid,
        gid: wanted.gid,
    }
}

fn directory(guest: &mut Guest, path: &GuestPath, wanted: &Wanted, old: Option<&Metadata>) -> Outcome<bool> {
    // A link to a directory stays: it is how /lib came to be in /usr.
    if guest.is_directory(path)? {
        return Ok(false);
    }
    make_room(guest, path, old)?;
    guest.create_directory_all(path, new(wanted))?;
    Ok(true)
}

fn file(
    guest: &mut Guest,
    path: &GuestPath,
    wanted: &Wanted,
    old: Option<Found>,
    old_metadata: Option<&Metadata>,
    source: Source<'_>,
) -> Outcome<()> {
    // Other names of a file are not to change with it.
    let is_own = old_metadata
        .is_some_and(|old| old.kind == FileKind::File && (old.links == 1 || u64::from(old.links) == wanted.links));
    let (found, is_new) = match old {
        Some(found) if is_own => (found, false),
        _ => {
            make_room(guest, path, old_metadata)?;
            (guest.write_file(path, &mut std::io::empty(), new(wanted))?, true)
        }
    };
    match source {
        Source::Reader(reader) => drop(guest.ensure_content(&found, reader)?),
        Source::Guest(from) => drop(guest.ensure_copy(from, &found)?),
        Source::Nothing => {}
    }
    set(guest, path, wanted, is_new)
}

/// Removes what is no directory with entries.
pub(super) fn make_room(guest: &mut Guest, path: &GuestPath, old: Option<&Metadata>) -> Outcome<()> {
    let Some(old) = old else {
        return Ok(());
    };
    let holds_entries =
        old.kind == FileKind::Directory && guest.read_dir(path)?.is_some_and(|entries| !entries.is_empty());
    if holds_entries {
        return Err(StepFailure::refused(format!(
            "{path} is a directory that holds entries"
        )));
    }
    guest.remove(path)?;
    Ok(())
}

/// Sets mode, owner, attributes and times of what is at `path`.
fn set(guest: &mut Guest, path: &GuestPath, wanted: &Wanted, is_new: bool) -> Outcome<()> {
    let path = match wanted.kind {
        // A link to a directory leads to what is meant.
        FileKind::Directory => match guest.find(path)? {
            Some(found) => found.path,
            None => return Ok(()),
        },
        _ => path.clone(),
    };
    let owner = wanted.owns || is_new;
    guest.set_link_metadata(
        &path,
        MetadataChange {
            uid: owner.then_some(wanted.uid),
            gid: owner.then_some(wanted.gid),
            ..MetadataChange::default()
        },
    )?;
    if wanted.kind != FileKind::Symlink {
        acl::set_mode(guest, &path, wanted.mode)?;
    }
    set_xattrs(guest, &path, &wanted.xattrs)?;
    guest.set_link_metadata(
        &path,
        MetadataChange {
            modified: wanted.modified,
            ..MetadataChange::default()
        },
    )?;
    Ok(())
}

fn set_xattrs(guest: &mut Guest, path: &GuestPath, xattrs: &BTreeMap<Vec<u8>, Vec<u8>>) -> Outcome<()> {
    if xattrs.is_empty() {
        return Ok(());
    }
    if let Some(found) = guest.find_link(path)?
        && !guest.stores_xattrs(&found)
    {
        guest.warn(format!(
            "{path} loses its extended attributes, which its filesystem does not store"
        ));
        return Ok(());
    }
    for (name, value) in xattrs {
        guest.set_xattr(path, name, value)?;
    }
    Ok(())
}
