//! Emptying folders and removing files by pattern, carefully where links and mounts are.

use crate::guest::{Accounts, Guest};
use crate::steps::{Outcome, fixed};
use imgctl_vfs::{FileKind, Found, GuestPath};
use std::collections::BTreeSet;

/// Removes every regular file that one of the globs finds; links and directories stay.
pub(super) fn remove_files(guest: &mut Guest, patterns: &[&str]) -> Outcome<()> {
    for pattern in patterns {
        for path in guest.glob(pattern)? {
            remove_file(guest, &path)?;
        }
    }
    Ok(())
}

/// Removes what is at `path` if it is a regular file.
pub(super) fn remove_file(guest: &mut Guest, path: &GuestPath) -> Outcome<()> {
    if guest
        .link_metadata(path)?
        .is_some_and(|metadata| metadata.kind == FileKind::File)
    {
        guest.remove(path)?;
    }
    Ok(())
}

/// Removes everything in a folder and keeps the folder itself, and what this run put there to stay; what is mounted below
/// is emptied as well. Nothing happens where there is no such folder.
pub(super) fn empty(guest: &mut Guest, path: &GuestPath) -> Outcome<()> {
    let Some(folder) = sweepable(guest, path)? else {
        return Ok(());
    };
    for entry in entries(guest, &folder)? {
        let holds_mount = guest
            .tree()
            .mounts()
            .any(|(_, mount)| mount.path.is_within(&entry.path));
        if guest.is_kept(&entry.path) {
            continue;
        }
        if holds_mount || guest.holds_kept(&entry.path) {
            empty(guest, &entry.path)?;
        } else {
            guest.remove(&entry.path)?;
        }
    }
    Ok(())
}

/// The files in and below a folder that are no directories, parents' before children's; empty where there is no such
/// folder.
pub(super) fn files_below(guest: &mut Guest, path: &GuestPath) -> Outcome<Vec<(GuestPath, FileKind)>> {
    let Some(folder) = sweepable(guest, path)? else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    for entry in guest.tree().walk(&folder) {
        let entry = entry?;
        if entry.metadata.kind != FileKind::Directory {
            files.push((entry.path, entry.metadata.kind));
        }
    }
    Ok(files)
}

/// The home directories of root and every user, each once, where they exist.
pub(super) fn homes(guest: &Guest) -> Outcome<BTreeSet<GuestPath>> {
    let users = Accounts::read(guest)?.users.into_iter().filter_map(|user| user.home);
    let mut paths: Vec<GuestPath> = users.collect();
    paths.push(fixed("/root"));
    paths.extend(guest.glob("/home/*")?);
    let mut homes = BTreeSet::new();
    for path in paths {
        let found = guest.find(&path)?;
        homes.extend(found.map(|found| found.path));
    }
    Ok(homes)
}

fn entries(guest: &Guest, folder: &Found) -> Outcome<Vec<Found>> {
    let is_mounted = guest.tree().mounts().any(|(_, mount)| mount.path == folder.path);
    let mut entries = guest.read_dir(&folder.path)?.unwrap_or_default();
    // fsck expects this one at the root of an ext filesystem.
    entries.retain(|entry| !is_mounted || entry.path.file_name() != Some(b"lost+found"));
    Ok(entries)
}

/// The folder at `path`, unless a link leads from there to a place that is nobody's to empty.
fn sweepable(guest: &mut Guest, path: &GuestPath) -> Outcome<Option<Found>> {
    let Some(found) = guest.find(path)? else {
        return Ok(None);
    };
    if guest.metadata_of(&found)?.kind != FileKind::Directory {
        return Ok(None);
    }
    let is_deep = found.path.components().count() > 1 || found.path == fixed("/tmp");
    let is_system = found.path.is_within(&fixed("/usr")) || found.path.is_within(&fixed("/etc"));
    if found.path != *path && (!is_deep || is_system) {
        guest.warn(format!("{path} leads to {}, which is left as it is", found.path));
        return Ok(None);
    }
    Ok(Some(found))
}
