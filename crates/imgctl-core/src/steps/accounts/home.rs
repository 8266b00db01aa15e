//! Home directories: made from the skeleton, given to another owner, moved and removed.

use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata};
use crate::steps::{Outcome, StepFailure};
use imgctl_vfs::{FileKind, Found, GuestPath, MetadataChange};

/// The deepest and the largest skeleton that is copied.
const MAX_DEPTH: usize = 16;
const MAX_ENTRIES: usize = 10_000;

/// Makes a home directory with what the skeleton holds, as useradd(8) does: modes, times and attributes are kept, links
/// that lead into the skeleton lead into the home. Folders above it that are missing are root's.
pub(super) fn create(guest: &mut Guest, home: &GuestPath, skeleton: &GuestPath, new: NewMetadata) -> Outcome<()> {
    if let Some(parent) = home.parent() {
        guest.create_directory_all(&parent, NewMetadata::root(0o755))?;
    }
    guest.create_directory_all(home, new)?;
    let mut copy = Copy {
        skeleton,
        home,
        owner: new,
        left: MAX_ENTRIES,
    };
    if guest.is_directory(skeleton)? {
        copy.contents(guest, skeleton, home, 0)?;
    }
    Ok(())
}

struct Copy<'c> {
    skeleton: &'c GuestPath,
    home: &'c GuestPath,
    owner: NewMetadata,
    left: usize,
}

impl Copy<'_> {
    fn contents(&mut self, guest: &mut Guest, from: &GuestPath, to: &GuestPath, depth: usize) -> Outcome<()> {
        if depth > MAX_DEPTH {
            return Err(too_large(self.skeleton));
        }
        for entry in guest.read_dir(from)?.unwrap_or_default() {
            self.left = self.left.checked_sub(1).ok_or_else(|| too_large(self.skeleton))?;
            let name = entry.path.file_name().unwrap_or_default();
            let target = to.join(name);
            self.entry(guest, &entry, &target, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, guest: &mut Guest, entry: &Found, target: &GuestPath, depth: usize) -> Outcome<()> {
        let metadata = guest.metadata_of(entry)?;
        let NewMetadata { uid, gid, .. } = self.owner;
        let new = NewMetadata {
            mode: metadata.mode,
            uid,
            gid,
        };
        match metadata.kind {
            FileKind::Directory => {
                guest.create_directory_all(target, new)?;
                self.contents(guest, &entry.path, target, depth + 1)?;
            }
            FileKind::File => {
                let content = guest.read(&entry.path, MAX_TEXT_BYTES)?.unwrap_or_default();
                guest.write_file(target, &mut content.as_slice(), new)?;
            }
            FileKind::Symlink => {
                let link = guest.read_link(&entry.path)?.unwrap_or_default();
                guest.symlink(target, &self.moved(&link))?;
            }
            // Nobody's skeleton has devices or sockets.
            _ => return Ok(()),
        }
        if metadata.kind != FileKind::Symlink {
            let fs = guest.tree().fs(entry.node);
            for (name, value) in fs.xattrs(entry.node.node)? {
                guest.set_xattr(target, &name, &value)?;
            }
        }
        let change = MetadataChange {
            uid: Some(uid),
            gid: Some(gid),
            modified: Some(metadata.modified),
            ..MetadataChange::default()
        };
        Ok(guest.set_link_metadata(target, change)?)
    }

    /// Where a link leads: what is in the skeleton is in the home now.
    fn moved(&self, link: &[u8]) -> Vec<u8> {
        match link.strip_prefix(self.skeleton.as_bytes()) {
            Some(rest) if rest.first().is_none_or(|byte| *byte == b'/') => [self.home.as_bytes(), rest].concat(),
            _ => link.to_vec(),
        }
    }
}

fn too_large(skeleton: &GuestPath) -> StepFailure {
    StepFailure::refused(format!(
        "{skeleton} is too large to be the beginning of a home directory"
    ))
}

/// Gives what a user or its group had in its home to their new numbers; what others own there stays theirs.
pub(super) fn give(guest: &mut Guest, home: &GuestPath, uid: (u32, u32), gid: (u32, u32)) -> Outcome<()> {
    let Some(found) = guest.find_link(home)? else {
        return Ok(());
    };
    if guest.metadata_of(&found)?.kind != FileKind::Directory || found.path.is_root() {
        return Ok(());
    }
    let mut theirs = Vec::new();
    for entry in guest.tree().walk(&found) {
        let entry = entry?;
        // As chown -R does it: what is mounted there is another's business.
        if entry.node.mount != found.node.mount {
            continue;
        }
        let change = MetadataChange {
            uid: (entry.metadata.uid == uid.0).then_some(uid.1),
            gid: (entry.metadata.gid == gid.0).then_some(gid.1),
            ..MetadataChange::default()
        };
        if (change.uid, change.gid) != (None, None) {
            theirs.push((entry.path, entry.metadata.mode, change));
        }
    }
    for (path, _, change) in theirs {
        guest.set_link_metadata(&path, change)?;
    }
    Ok(())
}

/// Moves what is in one home directory to another place.
pub(super) fn rename(guest: &mut Guest, from: &GuestPath, to: &GuestPath) -> Outcome<()> {
    if !guest.is_directory(from)? {
        return Ok(());
    }
    if guest.exists(to)? {
        let message = format!("the home directory {from} cannot move to {to}: something is there");
        return Err(StepFailure::refused_with(
            message,
            "remove it by `files`, or leave out `move_home`",
        ));
    }
    if to.is_within(from) {
        return Err(StepFailure::refused(format!(
            "the home directory {from} cannot move into itself"
        )));
    }
    if let Some(parent) = to.parent() {
        guest.create_directory_all(&parent, NewMetadata::root(0o755))?;
    }
    Ok(guest.rename(from, to)?)
}

/// Removes a user's home directory, unless it is somebody else's, or the system's.
pub(super) fn remove(guest: &mut Guest, home: &GuestPath, uid: u32, others: &[GuestPath]) -> Outcome<()> {
    let Some(metadata) = guest.link_metadata(home)? else {
        return Ok(());
    };
    let is_shared = others.iter().any(|other| other.is_within(home));
    if home.is_root() || metadata.kind != FileKind::Directory || metadata.uid != uid || is_shared {
        guest.warn(format!(
            "the home directory {home} stays: it is not the removed user's alone"
        ));
        return Ok(());
    }
    guest.remove(home)?;
    Ok(())
}
