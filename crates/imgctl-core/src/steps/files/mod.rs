//! `files`: contents, directories, links and single lines.

use super::{Outcome, Step, StepError, StepFailure, StepSpec};
use crate::guest::{Accounts, Guest, MAX_TEXT_BYTES, NewMetadata};
use imgctl_recipe::{Content, FileAction, FileEntry, LinePattern, Plan, Principal, Sourced};
use imgctl_vfs::{GuestPath, MetadataChange};
use std::fs::File;
use std::io::Read;
use std::path::Path;

pub(super) const SPEC: StepSpec = StepSpec {
    name: "files",
    section: "files",
    help: "put files, directories, links and lines in place, and remove what should not be there",
    build: |plan: &Plan| {
        let entries = plan.files.clone();
        (!entries.is_empty()).then(|| Box::new(Files { entries }) as Box<dyn Step>)
    },
};

#[derive(Debug)]
struct Files {
    entries: Vec<Sourced<FileEntry>>,
}

impl Step for Files {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        for entry in &self.entries {
            put_hidden(guest, &entry.value).map_err(|failure| {
                let path = GuestPath::new(&entry.value.path).ok();
                failure.at(SPEC.name, Some(&entry.origin)).about(path)
            })?;
        }
        Ok(())
    }
}

/// Puts an entry in place; of one with a secret nothing is told but that it changed.
fn put_hidden(guest: &mut Guest, entry: &FileEntry) -> Outcome<()> {
    put(guest, entry)?;
    let path = GuestPath::new(&entry.path)?;
    if entry.sensitive {
        guest.hide(&path)?;
    }
    if !matches!(
        entry.action,
        FileAction::Absent | FileAction::Metadata | FileAction::Directory
    ) {
        guest.keep(&path)?;
    }
    Ok(())
}

fn put(guest: &mut Guest, entry: &FileEntry) -> Outcome<()> {
    if entry.action == FileAction::Absent {
        for path in guest.glob(&entry.path)? {
            guest.remove(&path)?;
        }
        return Ok(());
    }
    let path = GuestPath::new(&entry.path)?;
    let owner = Owner::look_up(guest, entry)?;
    match &entry.action {
        FileAction::Absent => {}
        FileAction::Content(Content::Inline(text)) => {
            put_content(guest, &path, &owner, || Ok(Box::new(text.as_bytes()) as Box<dyn Read>))?;
        }
        FileAction::Content(Content::Source(file)) => {
            put_content(guest, &path, &owner, || open_host_file(file))?;
        }
        FileAction::Append(text) => edit_text(guest, &path, &owner, |old| appended(old, text.as_bytes()))?,
        FileAction::Line { line, replaces } => {
            edit_text(guest, &path, &owner, |old| {
                with_line(old, line.as_bytes(), replaces.as_ref())
            })?;
        }
        FileAction::Directory => {
            make_parents(guest, &path)?;
            guest.create_directory_all(&path, owner.for_new(0o755))?;
        }
        FileAction::Symlink(target) => {
            make_parents(guest, &path)?;
            guest.symlink(&path, target.as_bytes())?;
            let MetadataChange { uid, gid, .. } = owner.change;
            return Ok(guest.set_link_metadata(
                &path,
                MetadataChange {
                    uid,
                    gid,
                    ..Default::default()
                },
            )?);
        }
        FileAction::Metadata => {}
    }
    Ok(guest.set_metadata(&path, owner.change)?)
}

/// Mode and owner that an entry asks for.
struct Owner {
    change: MetadataChange,
}

impl Owner {
    fn look_up(guest: &Guest, entry: &FileEntry) -> Outcome<Self> {
        let is_named = |principal: &Option<Principal>| matches!(principal, Some(Principal::Name(_)));
        let accounts = match is_named(&entry.owner) || is_named(&entry.group) {
            true => Accounts::read(guest)?,
            false => Accounts::default(),
        };
        let uid = match &entry.owner {
            None => None,
            Some(Principal::Id(id)) => Some(*id),
            Some(Principal::Name(name)) => Some(match accounts.user(name) {
                Some(user) => user.uid,
                None => {
                    let known = accounts.users.iter().map(|user| user.name.as_slice());
                    return Err(StepFailure::unknown("user", name, known));
                }
            }),
        };
        let gid = match &entry.group {
            None => None,
            Some(Principal::Id(id)) => Some(*id),
            Some(Principal::Name(name)) => Some(match accounts.group(name) {
                Some(group) => group.gid,
                None => {
                    let known = accounts.groups.iter().map(|group| group.name.as_slice());
                    return Err(StepFailure::unknown("group", name, known));
                }
            }),
        };
        let change = MetadataChange {
            mode: entry.mode,
            uid,
            gid,
            ..MetadataChange::default()
        };
        Ok(Self { change })
    }

    fn for_new(&self, mode: u16) -> NewMetadata {
        NewMetadata {
            mode: self.change.mode.unwrap_or(mode),
            uid: self.change.uid.unwrap_or(0),
            gid: self.change.gid.unwrap_or(0),
        }
    }
}

fn open_host_file(path: &Path) -> Outcome<Box<dyn Read>> {
    match File::open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(source) => Err(StepFailure::HostFile {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Writes the content that `open` gives, unless it is there already.
fn put_content<'a>(
    guest: &mut Guest,
    path: &GuestPath,
    owner: &Owner,
    open: impl Fn() -> Outcome<Box<dyn Read + 'a>>,
) -> Outcome<()> {
    if guest.has_content(path, &mut *open()?)? {
        return Ok(());
    }
    make_parents(guest, path)?;
    guest.write_file(path, &mut *open()?, owner.for_new(0o644))?;
    Ok(())
}

/// Replaces the text of a file, which may be missing, by what `edit` makes of it; `None` leaves it.
fn edit_text(
    guest: &mut Guest,
    path: &GuestPath,
    owner: &Owner,
    edit: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> Outcome<()> {
    let old = guest.read(path, MAX_TEXT_BYTES)?;
    if let Some(new) = edit(old.as_deref().unwrap_or_default()) {
        make_parents(guest, path)?;
        guest.write_file(path, &mut new.as_slice(), owner.for_new(0o644))?;
    }
    Ok(())
}

fn make_parents(guest: &mut Guest, path: &GuestPath) -> Outcome<()> {
    if let Some(parent) = path.parent() {
        guest.create_directory_all(&parent, NewMetadata::root(0o755))?;
    }
    Ok(())
}

/// The text with `addition` at its end, unless its lines are in it already, in this order and without others between.
fn appended(old: &[u8], addition: &[u8]) -> Option<Vec<u8>> {
    let wanted = lines(addition);
    if wanted.is_empty() || lines(old).windows(wanted.len()).any(|window| window == wanted) {
        return None;
    }
    let mut new = terminated(old);
    new.extend_from_slice(addition);
    Some(terminated(&new))
}

/// The text with `line` in place of the last line that the pattern finds, else at its end unless it is there already.
fn with_line(old: &[u8], line: &[u8], replaces: Option<&LinePattern>) -> Option<Vec<u8>> {
    let present = lines(old);
    let replaced = replaces.and_then(|pattern| present.iter().rposition(|line| pattern.0.is_match(line)));
    match replaced {
        Some(index) if present[index] == line => None,
        Some(index) => {
            let start: usize = old
                .split_inclusive(|byte| *byte == b'\n')
                .take(index)
                .map(<[u8]>::len)
                .sum();
            let end = start + present[index].len();
            Some([&old[..start], line, &old[end..]].concat())
        }
        None if present.contains(&line) => None,
        None => Some([&terminated(old), line, b"\n"].concat()),
    }
}

/// The lines of a text without their ends, `\n` or `\r\n`.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines
        .map(|line| {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            line.strip_suffix(b"\r").unwrap_or(line)
        })
        .collect()
}

/// The text, its last line ended.
fn terminated(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    if text.last().is_some_and(|byte| *byte != b'\n') {
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests;
