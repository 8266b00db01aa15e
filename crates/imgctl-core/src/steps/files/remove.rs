//! `--delete`, `--scrub`, `--truncate`, `--truncate-recursive`, `state: absent` and `state: empty`.

use crate::guest::Guest;
use crate::steps::flags::{FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use crate::steps::{Outcome, StepFailure};
use imgctl_vfs::{FileKind, Found, GuestPath};

pub(super) const DELETE: FlagSpec = FlagSpec {
    name: "delete",
    value: "PATH",
    group: FlagGroup::Files,
    help: "Remove what a shell's glob finds, directories with all they hold; finding nothing is fine",
    example: "/var/cache/apt/*.bin",
    recipe: "files[].state",
    peer: Peer::Better("what was removed is gone: its blocks become zero"),
    deed: FlagDeed::Step(|argument| {
        if !argument.text.starts_with('/') {
            return Err(FlagError::with_hint(
                format!("the path {} is not absolute", argument.text),
                "paths inside the guest begin with a slash: /etc/motd",
            ));
        }
        Ok(argument.step(argument.text.to_owned(), |pattern, guest| delete(guest, pattern)))
    }),
};

pub(super) const SCRUB: FlagSpec = FlagSpec {
    name: "scrub",
    value: "FILE",
    group: FlagGroup::Files,
    help: "Remove a regular file so that nothing is left of its content",
    example: "/root/.bash_history",
    recipe: "files[].state",
    peer: Peer::Better("nothing needs to be overwritten first: freed blocks become zero in the new image"),
    deed: FlagDeed::Step(|argument| {
        let path = argument.guest_path(argument.text)?;
        Ok(argument.step(path, |path, guest| {
            regular(guest, path)?;
            guest.remove(path)?;
            Ok(())
        }))
    }),
};

pub(super) const TRUNCATE: FlagSpec = FlagSpec {
    name: "truncate",
    value: "FILE",
    group: FlagGroup::Files,
    help: "Leave a file without content; it keeps its mode and owner",
    example: "/etc/machine-id",
    recipe: "files[].state",
    peer: Peer::Same,
    deed: FlagDeed::Step(|argument| {
        let path = argument.guest_path(argument.text)?;
        Ok(argument.step(path, |path, guest| {
            if !guest.exists(path)? {
                return Err(StepFailure::refused(format!("{path} does not exist")));
            }
            Ok(guest.truncate(path)?)
        }))
    }),
};

pub(super) const TRUNCATE_RECURSIVE: FlagSpec = FlagSpec {
    name: "truncate-recursive",
    value: "PATH",
    group: FlagGroup::Files,
    help: "Leave every regular file at and below a path without content",
    example: "/var/log",
    recipe: "files[].state",
    peer: Peer::Same,
    deed: FlagDeed::Step(|argument| {
        let path = argument.guest_path(argument.text)?;
        Ok(argument.step(path, |path, guest| match guest.find(path)? {
            Some(found) => empty(guest, &found, true),
            None => Err(StepFailure::refused(format!("{path} does not exist"))),
        }))
    }),
};

/// Removes what the glob finds.
pub(super) fn delete(guest: &mut Guest, pattern: &str) -> Outcome<()> {
    for path in guest.glob(pattern)? {
        guest.remove(&path)?;
    }
    Ok(())
}

/// Empties what the glob finds: files, and with `is_recursive` all files below directories.
pub(super) fn empty_all(guest: &mut Guest, pattern: &str, is_recursive: bool) -> Outcome<()> {
    for path in guest.glob(pattern)? {
        if let Some(found) = guest.find(&path)? {
            empty(guest, &found, is_recursive)?;
        }
    }
    Ok(())
}

fn empty(guest: &mut Guest, found: &Found, is_recursive: bool) -> Outcome<()> {
    let is_directory = guest.metadata_of(found)?.kind == FileKind::Directory;
    if !is_directory {
        return Ok(guest.truncate(&found.path)?);
    }
    if !is_recursive {
        return Err(StepFailure::refused_with(
            format!("{} is a directory", found.path),
            "write `recursive: true` to empty all files below it",
        ));
    }
    let mut files = Vec::new();
    for entry in guest.tree().walk(found) {
        let entry = entry?;
        if entry.metadata.kind == FileKind::File && entry.metadata.size > 0 {
            files.push(entry.path);
        }
    }
    for file in files {
        guest.truncate(&file)?;
    }
    Ok(())
}

/// Refuses what is no regular file.
fn regular(guest: &Guest, path: &GuestPath) -> Outcome<()> {
    match guest.link_metadata(path)? {
        Some(metadata) if metadata.kind == FileKind::File => Ok(()),
        Some(_) => Err(StepFailure::refused(format!("{path} is not a regular file"))),
        None => Err(StepFailure::refused(format!("{path} does not exist"))),
    }
}
