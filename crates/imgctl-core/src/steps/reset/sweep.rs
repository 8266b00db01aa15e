//! Removing by pattern and emptying folders, carefully where links and mounts are, and past what the run was asked for.

use crate::guest::{Accounts, Guest};
use crate::steps::{Outcome, fixed};
use imgctl_vfs::{FileKind, Found, GuestPath};
use std::collections::BTreeSet;

/// Removes what the globs find, directories with all they hold, as `rm -rf` does.
pub(super) fn remove_all(guest: &mut Guest, patterns: &[&str]) -> Outcome<()> {
    for pattern in patterns {
        for path in found_by(guest, pattern)? {
            remove_tree(guest, &path)?;
        }
    }
    Ok(())
}

/// Removes every regular file that one of the globs finds; links and directories stay.
pub(super) fn remove_files(guest: &mut Guest, patterns: &[&str]) -> Outcome<()> {
    for pattern in patterns {
        for path in found_by(guest, pattern)? {
            remove_file(guest, &path)?;
        }
    }
    Ok(())
}

/// Cuts every regular file that one of the globs finds down to nothing.
pub(super) fn truncate_files(guest: &mut Guest, patterns: &[&str]) -> Outcome<()> {
    for pattern in patterns {
        for path in found_by(guest, pattern)? {
            if is_file(guest, &path)? && !left(guest, &path) {
                guest.truncate(&path)?;
            }
        }
    }
    Ok(())
}

/// Removes what is at `path` if it is a regular file that nobody asked for in this run.
pub(super) fn remove_file(guest: &mut Guest, path: &GuestPath) -> Outcome<()> {
    if let Some(found) = guest.find_link(path)?
        && guest.metadata_of(&found)?.kind == FileKind::File
        && !left(guest, &found.path)
    {
        guest.remove(&found.path)?;
    }
    Ok(())
}

/// Removes what is at a path free of links, with all it holds, but for mount points and what was asked for in this run.
pub(super) fn remove_tree(guest: &mut Guest, path: &GuestPath) -> Outcome<()> {
    if left(guest, path) {
        return Ok(());
    }
    let mut mounts = guest.tree().mounts();
    let is_obstructed = mounts.any(|(_, mount)| mount.path.is_within(path)) || guest.holds_kept(path);
    drop(mounts);
    if !is_obstructed {
        guest.remove(path)?;
        return Ok(());
    }
    let entries = guest.read_dir(path)?.unwrap_or_default();
    for entry in without_lost_and_found(guest, path, entries) {
        remove_tree(guest, &entry.path)?;
    }
    Ok(())
}

/// Removes everything in a folder and keeps the folder itself, and what this run put there to stay; what is mounted below
/// is emptied as well. Nothing happens where there is no such folder.
pub(super) fn empty(guest: &mut Guest, path: &GuestPath) -> Outcome<()> {
    let Some(folder) = sweepable(guest, path)? else {
        return Ok(());
    };
    let entries = guest.read_dir(&folder.path)?.unwrap_or_default();
    for entry in without_lost_and_found(guest, &folder.path, entries) {
        remove_tree(guest, &entry.path)?;
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

/// Whether the path was asked for in this run, so that it stays.
fn left(guest: &mut Guest, path: &GuestPath) -> bool {
    let is_kept = guest.is_kept(path);
    if is_kept {
        guest.leave(path);
    }
    is_kept
}

fn is_file(guest: &Guest, path: &GuestPath) -> Outcome<bool> {
    Ok(guest
        .link_metadata(path)?
        .is_some_and(|metadata| metadata.kind == FileKind::File))
}

/// What a glob finds, unless a link before its first wildcard leads to a place that is nobody's to sweep.
fn found_by(guest: &mut Guest, pattern: &str) -> Outcome<Vec<GuestPath>> {
    let paths = guest.glob(pattern)?;
    if paths.is_empty() {
        return Ok(paths);
    }
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let is_wild = |part: &&str| part.contains(['*', '?', '[', '{']);
    let literal = parts.iter().position(is_wild).unwrap_or(parts.len());
    let folder = &parts[..literal.min(parts.len().saturating_sub(1))];
    let folder = GuestPath::new(format!("/{}", folder.join("/")))?;
    match folder.is_root() || sweepable(guest, &folder)?.is_some() {
        true => Ok(paths),
        false => Ok(Vec::new()),
    }
}

fn without_lost_and_found(guest: &Guest, folder: &GuestPath, mut entries: Vec<Found>) -> Vec<Found> {
    let is_mounted = guest.tree().mounts().any(|(_, mount)| mount.path == *folder);
    // fsck expects this one at the root of an ext filesystem.
    entries.retain(|entry| !is_mounted || entry.path.file_name() != Some(b"lost+found"));
    entries
}

/// The folder at `path`, unless a link leads from there to a place that is nobody's to empty.
fn sweepable(guest: &mut Guest, path: &GuestPath) -> Outcome<Option<Found>> {
    let Some(found) = guest.find(path)? else {
        return Ok(None);
    };
    if guest.metadata_of(&found)?.kind != FileKind::Directory {
        return Ok(None);
    }
    let is_deep = found.path.components().count() > 1 || ["/tmp", "/run"].map(fixed).contains(&found.path);
    let is_system = found.path.is_within(&fixed("/usr")) || found.path.is_within(&fixed("/etc"));
    if found.path != *path && (!is_deep || is_system) {
        guest.warn(format!("{path} leads to {}, which is left as it is", found.path));
        return Ok(None);
    }
    Ok(Some(found))
}
