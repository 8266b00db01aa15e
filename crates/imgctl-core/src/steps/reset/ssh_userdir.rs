//! `ssh-userdir`: who may log in to the machine that the image was made of may not to its clones.

use super::{functions, sweep, unknown_user};
use crate::guest::{Accounts, Guest, MAX_TEXT_BYTES, NewMetadata};
use crate::steps::Outcome;
use imgctl_recipe::Reset;
use imgctl_vfs::GuestPath;
use std::collections::BTreeSet;

pub(super) const NAME: &str = "ssh-userdir";

/// Files that hold keys for logging in.
const KEYS: [&str; 2] = ["authorized_keys", "authorized_keys2"];

pub(super) fn run(guest: &mut Guest, reset: &Reset) -> Outcome<()> {
    let accounts = Accounts::read(guest)?;
    let mut left = BTreeSet::new();
    for name in &reset.keep_authorized_keys {
        left.extend(home_of(guest, &accounts, name)?);
    }
    for name in &reset.ssh_authorized_keys {
        if let Some(home) = home_of(guest, &accounts, name)? {
            for file in KEYS {
                strip(guest, &functions::below(&home, &format!(".ssh/{file}"))?)?;
            }
        }
    }
    if !reset.runs(NAME) {
        return Ok(());
    }
    for home in sweep::homes(guest)?.difference(&left) {
        let folder = functions::below(home, ".ssh")?;
        // A link leads to what is not the user's alone.
        if guest.link_metadata(&folder)?.is_none() {
            continue;
        }
        for file in KEYS {
            strip(guest, &functions::below(&folder, file)?)?;
        }
        sweep::remove_tree(guest, &folder)?;
        guest.take_stayed();
    }
    Ok(())
}

/// The home directory of a user that a recipe names.
fn home_of(guest: &Guest, accounts: &Accounts, name: &str) -> Outcome<Option<GuestPath>> {
    let user = accounts.user(name).ok_or_else(|| unknown_user(accounts, name))?;
    match &user.home {
        Some(home) => Ok(guest.find(home)?.map(|found| found.path)),
        None => Ok(None),
    }
}

/// Leaves only the lines that the run asked for, and removes the file without any.
fn strip(guest: &mut Guest, path: &GuestPath) -> Outcome<()> {
    let Some(kept) = guest.kept_lines(path)? else {
        return match guest.link_metadata(path)? {
            Some(_) => sweep::remove_file(guest, path),
            None => Ok(()),
        };
    };
    let old = guest.read(path, MAX_TEXT_BYTES)?.unwrap_or_default();
    let is_kept = |line: &[u8]| kept.contains(line.strip_suffix(b"\n").unwrap_or(line));
    let lines = old.split_inclusive(|byte| *byte == b'\n');
    let new: Vec<u8> = lines.filter(|line| is_kept(line)).flatten().copied().collect();
    if new != old {
        guest.write_file(path, &mut new.as_slice(), NewMetadata::root(0o600))?;
    }
    // What is written stays; what was right already must be said to.
    guest.keep(path)?;
    Ok(())
}
