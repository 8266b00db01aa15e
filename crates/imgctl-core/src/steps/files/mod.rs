//! `files`: contents, trees, archives, lines, modes, lists, and the options that change files.

mod acl;
mod append_line;
mod archive;
mod chmod;
mod copy;
mod copy_in;
mod edit;
mod line_in_file;
mod make;
mod place;
mod principals;
mod remove;
mod tar_in;
mod write;
mod xattr;

use super::flags::FlagSpec;
use super::{Outcome, Step, StepError, StepSpec};
use crate::guest::{Guest, NewMetadata};
use imgctl_recipe::{Content, FileAction, FileEntry, ModeChange, Plan, Sourced};
use imgctl_vfs::{GuestPath, MetadataChange};
use line_in_file::{appended, edit_text, with_line};
use principals::{accounts_for, gid_of, uid_of};
use std::io::Read;
use write::{open_host_file, put_content};

pub(super) const SPEC: StepSpec = StepSpec {
    name: "files",
    section: "files",
    help: "put files, directories, links and lines in place, and remove what should not be there",
    build: |plan: &Plan| {
        let entries = plan.files.clone();
        (!entries.is_empty()).then(|| Box::new(Files { entries }) as Box<dyn Step>)
    },
};

/// The options about files, those of virt-customize first.
pub(super) const FLAGS: &[FlagSpec] = &[
    append_line::FLAG,
    chmod::CHMOD,
    chmod::CHOWN,
    copy::COPY,
    copy_in::FLAG,
    remove::DELETE,
    edit::FLAG,
    make::LINK,
    make::MKDIR,
    copy::MOVE,
    remove::SCRUB,
    tar_in::FLAG,
    make::TOUCH,
    remove::TRUNCATE,
    remove::TRUNCATE_RECURSIVE,
    write::UPLOAD,
    write::WRITE,
    line_in_file::ENSURE,
    line_in_file::REPLACE,
    line_in_file::BEFORE,
    line_in_file::AFTER,
    chmod::CHMOD_RECURSIVE,
    chmod::CHOWN_RECURSIVE,
    xattr::SET_ACL,
    xattr::SET_CAPABILITIES,
    xattr::SET_XATTR,
    xattr::REMOVE_XATTR,
    copy_in::PRESERVE,
];

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
    match entry.action {
        FileAction::Absent => return remove::delete(guest, &entry.path),
        FileAction::Empty => return remove::empty_all(guest, &entry.path, entry.recursive),
        _ => {}
    }
    let path = GuestPath::new(&entry.path)?;
    let owner = Owner::look_up(guest, entry)?;
    act(guest, &path, entry, &owner)?;
    if let FileAction::Symlink(_) = entry.action {
        return Ok(guest.set_link_metadata(&path, owner.change())?);
    }
    finish(guest, &path, entry, &owner)?;
    xattr::put(guest, &path, entry)
}

/// Makes what the entry says be at its path.
fn act(guest: &mut Guest, path: &GuestPath, entry: &FileEntry, owner: &Owner) -> Outcome<()> {
    match &entry.action {
        FileAction::Absent | FileAction::Empty | FileAction::Metadata => {}
        FileAction::Content(Content::Inline(text)) => {
            put_content(guest, path, owner, || Ok(Box::new(text.as_bytes()) as Box<dyn Read>))?;
        }
        FileAction::Content(Content::Source(file)) => {
            put_content(guest, path, owner, || {
                Ok(Box::new(open_host_file(file)?) as Box<dyn Read>)
            })?;
        }
        FileAction::File => {
            if !guest.exists(path)? {
                make_parents(guest, path)?;
                guest.write_file(path, &mut std::io::empty(), owner.for_new(0o644, false))?;
            }
        }
        FileAction::Append(text) => edit_text(guest, path, owner, |old| appended(old, text.as_bytes()))?,
        FileAction::Line { line, replaces, near } => {
            edit_text(guest, path, owner, |old| {
                with_line(old, line.as_bytes(), replaces.as_ref(), near.as_ref())
            })?;
        }
        FileAction::Edit(script) => edit::edit(guest, path, script, true)?,
        FileAction::Directory => {
            make_parents(guest, path)?;
            guest.create_directory_all(path, owner.for_new(0o755, true))?;
        }
        FileAction::Symlink(target) => {
            make_parents(guest, path)?;
            guest.symlink(path, target.as_bytes())?;
        }
        FileAction::Copy(from) => {
            make_parents(guest, path)?;
            copy::copy(guest, &GuestPath::new(from)?, path)?;
        }
        FileAction::Move(from) => {
            make_parents(guest, path)?;
            copy::ensure_moved(guest, &GuestPath::new(from)?, path)?;
        }
        FileAction::Tree { source, preserve } => copy_in::tree(guest, path, source, *preserve, entry)?,
        FileAction::Archive { source, strip } => {
            guest.create_directory_all(path, owner.for_new(0o755, true))?;
            tar_in::unpack(guest, source, path, *strip, true)?;
        }
    }
    Ok(())
}

/// Sets mode and owner, at the path or also of everything below.
fn finish(guest: &mut Guest, path: &GuestPath, entry: &FileEntry, owner: &Owner) -> Outcome<()> {
    if entry.mode.is_none() && owner.change() == MetadataChange::default() {
        return match guest.exists(path)? {
            true => Ok(()),
            false => Ok(guest.set_metadata(path, MetadataChange::default())?),
        };
    }
    if !entry.recursive {
        // The error for what is missing names the filesystem.
        guest.set_metadata(path, owner.change())?;
    }
    for found in chmod::entries(guest, path, entry.recursive)? {
        guest.set_link_metadata(&found.path, owner.change())?;
        if let Some(mode) = &entry.mode {
            chmod::chmod(guest, &found, mode)?;
        }
    }
    Ok(())
}

/// Mode and owner that an entry asks for.
struct Owner {
    mode: Option<ModeChange>,
    uid: Option<u32>,
    gid: Option<u32>,
}

impl Owner {
    fn look_up(guest: &Guest, entry: &FileEntry) -> Outcome<Self> {
        let accounts = accounts_for(guest, &[&entry.owner, &entry.group])?;
        let uid = entry.owner.as_ref().map(|user| uid_of(&accounts, user)).transpose()?;
        let gid = entry.group.as_ref().map(|group| gid_of(&accounts, group)).transpose()?;
        Ok(Self {
            mode: entry.mode.clone(),
            uid,
            gid,
        })
    }

    fn change(&self) -> MetadataChange {
        MetadataChange {
            uid: self.uid,
            gid: self.gid,
            ..MetadataChange::default()
        }
    }

    fn for_new(&self, mode: u16, is_directory: bool) -> NewMetadata {
        NewMetadata {
            mode: self
                .mode
                .as_ref()
                .map_or(mode, |change| change.apply(mode, is_directory)),
            uid: self.uid.unwrap_or(0),
            gid: self.gid.unwrap_or(0),
        }
    }
}

fn make_parents(guest: &mut Guest, path: &GuestPath) -> Outcome<()> {
    if let Some(parent) = path.parent() {
        guest.create_directory_all(&parent, NewMetadata::root(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
