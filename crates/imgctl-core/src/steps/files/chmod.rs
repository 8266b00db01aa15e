//! `--chmod`, `--chown`, and their recursive forms: octal modes are octal, symbolic ones and names work, too.

use super::acl;
use super::principals::{accounts_for, gid_of, uid_of};
use crate::guest::Guest;
use crate::steps::flags::{FlagArgument, FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use crate::steps::{Outcome, Step, StepFailure};
use imgctl_recipe::{ModeChange, Principal};
use imgctl_vfs::{FileKind, Found, GuestPath, MetadataChange};
use std::sync::Arc;

pub(super) const CHMOD: FlagSpec = FlagSpec {
    name: "chmod",
    value: "PERM:FILE",
    group: FlagGroup::Files,
    help: "Set permission bits: octal digits, or symbolic like u+x,go-w",
    example: "0755:/usr/local/bin/agent",
    recipe: "files[].mode",
    peer: Peer::Better(
        "755 is octal, as 0755 is, where virt-customize takes it as a decimal number; symbolic modes work",
    ),
    deed: FlagDeed::Step(|argument| chmod_step(argument, false)),
};

pub(super) const CHMOD_RECURSIVE: FlagSpec = FlagSpec {
    name: "chmod-recursive",
    value: "PERM:PATH",
    group: FlagGroup::Files,
    help: "Set permission bits at and below a path, not through links",
    example: "u=rwX,go=rX:/srv/www",
    recipe: "files[].recursive",
    peer: Peer::Ours,
    deed: FlagDeed::Step(|argument| chmod_step(argument, true)),
};

pub(super) const CHOWN: FlagSpec = FlagSpec {
    name: "chown",
    value: "USER:GROUP:PATH",
    group: FlagGroup::Files,
    help: "Set owner and group, by number or by name",
    example: "root:adm:/var/log/agent",
    recipe: "files[].owner",
    peer: Peer::Better("names work, too"),
    deed: FlagDeed::Step(|argument| chown_step(argument, false)),
};

pub(super) const CHOWN_RECURSIVE: FlagSpec = FlagSpec {
    name: "chown-recursive",
    value: "USER:GROUP:PATH",
    group: FlagGroup::Files,
    help: "Set owner and group at and below a path, of links their own",
    example: "www-data:www-data:/srv/www",
    recipe: "files[].recursive",
    peer: Peer::Ours,
    deed: FlagDeed::Step(|argument| chown_step(argument, true)),
};

fn chmod_step(argument: &FlagArgument<'_>, is_recursive: bool) -> Result<Arc<dyn Step>, FlagError> {
    let (mode, path) = argument.split()?;
    let change = ModeChange::parse(mode).ok_or_else(|| {
        FlagError::with_hint(
            format!("`{mode}` is not a mode"),
            "write up to four octal digits like 0755, or clauses like u+x,go-w",
        )
    })?;
    let value = (change, argument.guest_path(path)?, is_recursive);
    Ok(argument.step(value, |(change, path, is_recursive), guest| {
        let entries = entries(guest, path, *is_recursive)?;
        entries.iter().try_for_each(|found| chmod(guest, found, change))
    }))
}

fn chown_step(argument: &FlagArgument<'_>, is_recursive: bool) -> Result<Arc<dyn Step>, FlagError> {
    let mut fields = argument.text.splitn(3, ':');
    let (Some(user), Some(group), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(FlagError::with_hint(
            format!("`{}` has not three parts", argument.text),
            format!(
                "write --{} USER:GROUP:PATH, like {}",
                argument.flag.name, argument.flag.example
            ),
        ));
    };
    let principal = |text: &str| {
        Principal::parse(text).ok_or_else(|| FlagError::new(format!("`{text}` is neither a name nor a number")))
    };
    let value = (
        principal(user)?,
        principal(group)?,
        argument.guest_path(path)?,
        is_recursive,
    );
    Ok(argument.step(value, |(user, group, path, is_recursive), guest| {
        let accounts = accounts_for(guest, &[&Some(user.clone()), &Some(group.clone())])?;
        let (uid, gid) = (uid_of(&accounts, user)?, gid_of(&accounts, group)?);
        let entries = entries(guest, path, *is_recursive)?;
        entries.iter().try_for_each(|found| chown(guest, found, uid, gid))
    }))
}

/// What `path` leads to, and with `is_recursive` everything below.
pub(super) fn entries(guest: &Guest, path: &GuestPath, is_recursive: bool) -> Outcome<Vec<Found>> {
    let Some(found) = guest.find(path)? else {
        return Err(StepFailure::refused(format!("{path} does not exist")));
    };
    if !is_recursive {
        return Ok(vec![found]);
    }
    let mut entries = Vec::new();
    for entry in guest.tree().walk(&found) {
        let entry = entry?;
        entries.push(Found {
            path: entry.path,
            node: entry.node,
        });
    }
    Ok(entries)
}

/// Sets the permission bits of what was found, unless it is a link.
pub(super) fn chmod(guest: &mut Guest, found: &Found, change: &ModeChange) -> Outcome<()> {
    let metadata = guest.metadata_of(found)?;
    if metadata.kind == FileKind::Symlink {
        return Ok(());
    }
    let mode = change.apply(metadata.mode, metadata.kind == FileKind::Directory);
    acl::set_mode(guest, &found.path, mode)
}

/// Sets owner and group as chown(2) does: a program loses its set-user-ID bits and capabilities, so that it does not run
/// with the rights of its new owner.
fn chown(guest: &mut Guest, found: &Found, uid: u32, gid: u32) -> Outcome<()> {
    let metadata = guest.metadata_of(found)?;
    let change = MetadataChange {
        uid: Some(uid),
        gid: Some(gid),
        ..MetadataChange::default()
    };
    guest.set_link_metadata(&found.path, change)?;
    if metadata.kind == FileKind::File {
        let group_runs = metadata.mode & 0o010 != 0;
        let lost = 0o4000 | if group_runs { 0o2000 } else { 0 };
        guest.set_mode(&found.path, metadata.mode & !lost)?;
        if guest.stores_xattrs(found) {
            guest.remove_xattr(&found.path, super::xattr::CAPABILITY)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{guest, mode, path};

    #[test]
    fn trees_are_changed_without_their_links() {
        let mut guest = guest(&["/d/f 4755 1 1|x", "/d/l -> /etc/x", "/etc/x 0600|", "/d/s/ 0700"]);
        for found in entries(&guest, &path("/d"), true).unwrap() {
            chmod(&mut guest, &found, &ModeChange::parse("a=rX").unwrap()).unwrap();
            chown(&mut guest, &found, 7, 8).unwrap();
        }
        let modes: Vec<String> = ["/d", "/d/f", "/d/l", "/d/s", "/etc/x"]
            .iter()
            .map(|name| mode(&guest, name))
            .collect();
        assert_eq!(modes, ["0555 7:8", "0555 7:8", "0777 7:8", "0555 7:8", "0600 0:0"]);
        entries(&guest, &path("/no"), false).unwrap_err();
    }
}
