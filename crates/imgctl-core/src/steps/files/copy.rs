//! `--copy` and `copy`, `--move` and `move`: from one place of the guest to another.

use super::copy_in::link;
use super::place::{Later, Source, Wanted, place};
use crate::guest::Guest;
use crate::steps::flags::{FlagDeed, FlagGroup, FlagSpec, Peer};
use crate::steps::{Outcome, StepFailure};
use imgctl_vfs::{FileKind, Found, GuestPath, Metadata};
use std::collections::BTreeMap;

pub(super) const COPY: FlagSpec = FlagSpec {
    name: "copy",
    value: "SRC:DEST",
    group: FlagGroup::Files,
    help: "Copy a file or tree inside the guest with all that belongs to it; into DEST if that is a directory",
    example: "/etc/skel:/root/skel",
    recipe: "files[].copy",
    peer: Peer::Same,
    deed: FlagDeed::Step(|argument| {
        let (from, to) = argument.split()?;
        let value = (argument.guest_path(from)?, argument.guest_path(to)?);
        Ok(argument.step(value, |(from, to), guest| {
            let to = within(guest, from, to)?;
            copy(guest, from, &to)
        }))
    }),
};

pub(super) const MOVE: FlagSpec = FlagSpec {
    name: "move",
    value: "SRC:DEST",
    group: FlagGroup::Files,
    help: "Move a file or directory inside the guest; into DEST if that is a directory",
    example: "/etc/motd:/etc/motd.old",
    recipe: "files[].move",
    peer: Peer::Same,
    deed: FlagDeed::Step(|argument| {
        let (from, to) = argument.split()?;
        let value = (argument.guest_path(from)?, argument.guest_path(to)?);
        Ok(argument.step(value, |(from, to), guest| {
            let to = within(guest, from, to)?;
            rename(guest, from, &to)
        }))
    }),
};

/// Where something goes that is copied or moved to `to`: into it, if it is a directory.
fn within(guest: &Guest, from: &GuestPath, to: &GuestPath) -> Outcome<GuestPath> {
    match (guest.is_directory(to)?, from.file_name()) {
        (true, Some(name)) => Ok(to.join(name)),
        _ => Ok(to.clone()),
    }
}

/// Makes `to` a copy of `from`, a link itself; directories are merged.
pub(super) fn copy(guest: &mut Guest, from: &GuestPath, to: &GuestPath) -> Outcome<()> {
    let Some(source) = guest.find_link(from)? else {
        return Err(StepFailure::refused(format!("{from} does not exist")));
    };
    let to = match to.parent().map(|parent| guest.find(&parent)).transpose()?.flatten() {
        Some(parent) => parent.path.join(to.file_name().unwrap_or_default()),
        None => to.clone(),
    };
    if to.is_within(&source.path) {
        return Err(StepFailure::refused(format!("{from} cannot be copied into itself")));
    }
    let mut entries = Vec::new();
    for entry in guest.tree().walk(&source) {
        let entry = entry?;
        entries.push((entry.path, entry.node, entry.metadata));
    }
    let mut linked: BTreeMap<imgctl_vfs::TreeNode, GuestPath> = BTreeMap::new();
    let mut later = Later::default();
    for (path, node, metadata) in entries {
        let rest = path.as_bytes().get(source.path.as_bytes().len()..).unwrap_or_default();
        let target = GuestPath::new([to.as_bytes(), rest].concat())?;
        let found = Found { path, node };
        if metadata.kind != FileKind::Directory && metadata.links > 1 {
            if let Some(first) = linked.get(&node) {
                link(guest, &first.clone(), &target)?;
                continue;
            }
            linked.insert(node, target.clone());
        }
        let wanted = wanted(guest, &found, &metadata)?;
        match metadata.kind {
            FileKind::Directory => {
                place(guest, &target, &wanted, Source::Nothing)?;
                later.push(target, wanted);
            }
            FileKind::File => drop(place(guest, &target, &wanted, Source::Guest(&found))?),
            _ => drop(place(guest, &target, &wanted, Source::Nothing)?),
        }
    }
    later.finish(guest)
}

fn wanted(guest: &Guest, found: &Found, metadata: &Metadata) -> Outcome<Wanted> {
    Ok(Wanted {
        kind: metadata.kind,
        mode: metadata.mode,
        uid: metadata.uid,
        gid: metadata.gid,
        owns: true,
        modified: Some(metadata.modified),
        links: u64::from(metadata.links),
        target: guest.read_link(&found.path)?.unwrap_or_default(),
        xattrs: guest.xattrs(&found.path)?,
    })
}

/// Moves `from` to `to`, which is replaced; to another filesystem it is copied.
pub(super) fn rename(guest: &mut Guest, from: &GuestPath, to: &GuestPath) -> Outcome<()> {
    let Some(source) = guest.find_link(from)? else {
        return Err(StepFailure::refused(format!("{from} does not exist")));
    };
    let parent = match to.parent() {
        Some(parent) => guest.find(&parent)?,
        None => None,
    };
    match parent {
        Some(parent) if parent.node.mount != source.node.mount => {
            copy(guest, from, to)?;
            guest.remove(from)?;
            Ok(())
        }
        _ => Ok(guest.rename(from, to)?),
    }
}

/// What a recipe asks for: nothing at `from`, and at `to` what was there.
pub(super) fn ensure_moved(guest: &mut Guest, from: &GuestPath, to: &GuestPath) -> Outcome<()> {
    if guest.find_link(from)?.is_some() {
        return rename(guest, from, to);
    }
    match guest.find_link(to)? {
        Some(_) => Ok(()),
        None => Err(StepFailure::refused(format!("neither {from} nor {to} exists"))),
    }
}
