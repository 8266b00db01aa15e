//! `xattrs`, `remove_xattrs`, `acl`, `capabilities` and their options.

use super::{acl, chmod};
use crate::guest::Guest;
use crate::steps::flags::{FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use crate::steps::{Outcome, StepFailure};
use imgctl_recipe::{AclChange, FileEntry};
use imgctl_vfs::{FileKind, Found, GuestPath};
use serde_json::{Value, json};

pub(super) const CAPABILITY: &[u8] = b"security.capability";

pub(super) const SET_XATTR: FlagSpec = FlagSpec {
    name: "set-xattr",
    value: "PATH:NAME=VALUE",
    group: FlagGroup::Files,
    help: "Set an extended attribute: text, or 0x.. in hexadecimal, or 0s.. in base64",
    example: "/srv/data:user.origin=golden",
    recipe: "files[].xattrs",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|text| {
        let (path, attribute) = split(text)?;
        let (name, value) = attribute.split_once('=').ok_or_else(|| {
            FlagError::with_hint(
                "there is no `=` in it",
                "write PATH:NAME=VALUE, like /srv/data:user.origin=golden",
            )
        })?;
        Ok(json!({ "files": [{ "path": path, "xattrs": { name: value } }] }))
    }),
};

pub(super) const REMOVE_XATTR: FlagSpec = FlagSpec {
    name: "remove-xattr",
    value: "PATH:NAME",
    group: FlagGroup::Files,
    help: "Remove an extended attribute",
    example: "/srv/data:user.origin",
    recipe: "files[].remove_xattrs",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|text| entry(text, |name| json!({ "remove_xattrs": [name] }))),
};

pub(super) const SET_ACL: FlagSpec = FlagSpec {
    name: "set-acl",
    value: "PATH:ENTRY[,ENTRY..]",
    group: FlagGroup::Files,
    help: "Set entries of access control lists, as setfacl -m takes them; none removes all",
    example: "/srv/www:u:www-data:rX,d:u:www-data:rX",
    recipe: "files[].acl",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|text| entry(text, |acl| json!({ "acl": acl.split(',').collect::<Vec<_>>() }))),
};

pub(super) const SET_CAPABILITIES: FlagSpec = FlagSpec {
    name: "set-capabilities",
    value: "FILE:CAPS",
    group: FlagGroup::Files,
    help: "Set the capabilities a program gets, as setcap takes them; none removes them",
    example: "/usr/bin/agent:cap_net_bind_service+ep",
    recipe: "files[].capabilities",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|text| entry(text, |text| json!({ "capabilities": text }))),
};

fn split(text: &str) -> Result<(&str, &str), FlagError> {
    let no_colon = || FlagError::with_hint("there is no colon in it", "write the path, a colon and the value");
    text.split_once(':').ok_or_else(no_colon)
}

/// `PATH:VALUE` as an entry of `files`.
fn entry(text: &str, keys: impl FnOnce(&str) -> Value) -> Result<Value, FlagError> {
    let (path, value) = split(text)?;
    let mut entry = keys(value);
    if let Value::Object(entry) = &mut entry {
        entry.insert("path".to_owned(), path.into());
    }
    Ok(json!({ "files": [entry] }))
}

/// Sets what an entry says of attributes, lists and capabilities.
pub(super) fn put(guest: &mut Guest, path: &GuestPath, entry: &FileEntry) -> Outcome<()> {
    let is_silent = entry.acl.is_none()
        && entry.capabilities.is_none()
        && entry.xattrs.is_empty()
        && entry.removed_xattrs.is_empty();
    if is_silent {
        return Ok(());
    }
    for found in chmod::entries(guest, path, entry.recursive)? {
        let is_below = entry.recursive;
        match &entry.acl {
            Some(AclChange::Set(entries)) => acl::modify(guest, &found, entries, is_below)?,
            Some(AclChange::Clear) => acl::clear(guest, &found)?,
            None => {}
        }
        set_xattrs(guest, &found, entry)?;
    }
    if let (Some(capabilities), Some(found)) = (entry.capabilities, guest.find(path)?) {
        if guest.metadata_of(&found)?.kind != FileKind::File {
            return Err(StepFailure::refused(format!(
                "{path} is no program, and only programs have capabilities"
            )));
        }
        match capabilities {
            Some(capabilities) => guest.set_xattr(&found.path, CAPABILITY, &capabilities.to_bytes())?,
            None => guest.remove_xattr(&found.path, CAPABILITY)?,
        }
    }
    Ok(())
}

fn set_xattrs(guest: &mut Guest, found: &Found, entry: &FileEntry) -> Outcome<()> {
    let kind = guest.metadata_of(found)?.kind;
    for (name, value) in &entry.xattrs {
        let is_possible = matches!(kind, FileKind::File | FileKind::Directory) || !name.starts_with("user.");
        // Linux has no user attributes on anything else.
        if is_possible {
            guest.set_xattr(&found.path, name.as_bytes(), value)?;
        }
    }
    for name in &entry.removed_xattrs {
        guest.remove_xattr(&found.path, name.as_bytes())?;
    }
    Ok(())
}
