//! `--write` and `--upload`, `content` and `source`: whole files.

use super::Owner;
use crate::guest::{Guest, NewMetadata};
use crate::steps::files::acl;
use crate::steps::flags::{FlagDeed, FlagGroup, FlagSpec, Peer};
use crate::steps::{Outcome, StepFailure};
use imgctl_vfs::{GuestPath, MetadataChange};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

pub(super) const WRITE: FlagSpec = FlagSpec {
    name: "write",
    value: "FILE:CONTENT",
    group: FlagGroup::Files,
    help: "Write a file with exactly this content; one that is there keeps its mode and owner",
    example: "/etc/motd:made with imgctl",
    recipe: "files[].content",
    peer: Peer::Same,
    deed: FlagDeed::Step(|argument| {
        let (path, content) = argument.split()?;
        let value = (argument.guest_path(path)?, content.to_owned());
        Ok(argument.step(value, |(path, content), guest| {
            guest.write_file(path, &mut content.as_bytes(), NewMetadata::root(0o644))?;
            Ok(())
        }))
    }),
};

pub(super) const UPLOAD: FlagSpec = FlagSpec {
    name: "upload",
    value: "FILE:DEST",
    group: FlagGroup::Files,
    help: "Copy a local file with its mode and numeric owner; into DEST if that is a directory",
    example: "agent.service:/etc/systemd/system/agent.service",
    recipe: "files[].source",
    peer: Peer::Better("set-user-ID and set-group-ID bits are kept"),
    deed: FlagDeed::Step(|argument| {
        let (local, path) = argument.split()?;
        let value = (argument.host_file(local)?, argument.guest_path(path)?);
        Ok(argument.step(value, |(local, path), guest| upload(guest, local, path)))
    }),
};

pub(super) fn open_host_file(path: &Path) -> Outcome<File> {
    File::open(path).map_err(|source| StepFailure::HostFile {
        path: path.to_owned(),
        source,
    })
}

fn upload(guest: &mut Guest, local: &Path, path: &GuestPath) -> Outcome<()> {
    let mut file = open_host_file(local)?;
    let metadata = file.metadata().map_err(|source| StepFailure::HostFile {
        path: local.to_owned(),
        source,
    })?;
    let path = match (guest.is_directory(path)?, local.file_name()) {
        (true, Some(name)) => path.join(name.as_bytes()),
        _ => path.clone(),
    };
    let new = NewMetadata {
        mode: u16::try_from(metadata.mode() & 0o7777).unwrap_or(0),
        uid: metadata.uid(),
        gid: metadata.gid(),
    };
    let found = guest.write_file(&path, &mut file, new)?;
    let owner = MetadataChange {
        uid: Some(new.uid),
        gid: Some(new.gid),
        ..MetadataChange::default()
    };
    guest.set_metadata(&found.path, owner)?;
    acl::set_mode(guest, &found.path, new.mode)
}

/// Writes the content that `open` gives, unless it is there already.
pub(super) fn put_content<'a>(
    guest: &mut Guest,
    path: &GuestPath,
    owner: &Owner,
    open: impl Fn() -> Outcome<Box<dyn Read + 'a>>,
) -> Outcome<()> {
    match guest.find(path)? {
        Some(found) => drop(guest.ensure_content(&found, &mut *open()?)?),
        None => {
            super::make_parents(guest, path)?;
            guest.write_file(path, &mut *open()?, owner.for_new(0o644, false))?;
        }
    }
    Ok(())
}
