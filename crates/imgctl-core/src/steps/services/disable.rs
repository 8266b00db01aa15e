//! `services.disable`: takes away every link by which a unit is started, as `systemctl disable` does.

use super::scope::Scope;
use super::search::{UnitFolders, link_target};
use super::unit_file::expand;
use super::unit_name::UnitName;
use super::{parse, sysv};
use crate::guest::Guest;
use crate::steps::{Outcome, fixed};
use imgctl_vfs::{FileKind, GuestPath};
use std::collections::{BTreeSet, VecDeque};

/// Names of units and paths of links that are to go.
#[derive(Default)]
struct Marked {
    names: BTreeSet<Vec<u8>>,
    paths: BTreeSet<GuestPath>,
}

/// Disables a unit and those its `Also=` names. A missing unit's links go too, with a warning.
pub(super) fn disable(guest: &mut Guest, scope: Scope, name: &str) -> Outcome<()> {
    let asked = parse(name)?;
    let has_unit = UnitFolders::of(guest, scope)?.find(guest, &asked)?.is_some();
    let has_script = scope == Scope::System && sysv::switch(guest, &asked, false, has_unit)?;
    if !has_unit && !has_script {
        guest.warn(format!(
            "the unit {name} does not exist; only links of its name are removed"
        ));
    }
    disable_natively(guest, scope, vec![asked])
}

/// Disables several units at once, without init scripts.
pub(super) fn disable_natively(guest: &mut Guest, scope: Scope, asked: Vec<UnitName>) -> Outcome<()> {
    let folders = UnitFolders::of(guest, scope)?;
    let mut marked = Marked::default();
    let mut seen = BTreeSet::new();
    let mut pending = VecDeque::from(asked);
    while let Some(next) = pending.pop_front() {
        if !seen.insert(next.clone()) {
            continue;
        }
        let Some(unit) = folders.find(guest, &next)? else {
            marked.names.insert(next.as_str().as_bytes().to_vec());
            continue;
        };
        if unit.is_masked {
            guest.warn(format!("the unit {} is masked; it is left so", next.as_str()));
            continue;
        }
        marked.names.insert(unit.name.as_str().as_bytes().to_vec());
        let default_instance = unit.install.default_instance.as_deref();
        let also = unit.install.also.iter();
        let also = also.filter_map(|also| UnitName::parse(expand(also, &unit.name, default_instance).ok()?));
        pending.extend(also);
    }
    while remove_marked(guest, scope, &mut marked)? {}
    Ok(())
}

/// Removes the marked links below the configuration folder; whether another round may find more, since links to a
/// removed link go too.
fn remove_marked(guest: &mut Guest, scope: Scope, marked: &mut Marked) -> Outcome<bool> {
    let config = fixed(scope.config());
    let mut folders = vec![config.clone()];
    let mut is_changed = false;
    while let Some(folder) = folders.pop() {
        if !guest.is_directory(&folder)? {
            continue;
        }
        let mut is_emptier = false;
        for entry in guest.read_dir(&folder)?.unwrap_or_default() {
            match guest.metadata_of(&entry)?.kind {
                FileKind::Directory => folders.push(entry.path),
                FileKind::Symlink if is_marked(guest, &entry.path, marked)? => {
                    guest.remove(&entry.path)?;
                    marked.paths.insert(entry.path);
                    is_emptier = true;
                }
                _ => {}
            }
        }
        if is_emptier {
            is_changed = true;
            remove_empty(guest, &folder, &config)?;
        }
    }
    Ok(is_changed)
}

fn is_marked(guest: &Guest, link: &GuestPath, marked: &Marked) -> Outcome<bool> {
    let name = link.file_name().unwrap_or_default();
    let Some(unit) = UnitName::parse(name) else {
        return Ok(false);
    };
    let template = unit.template();
    let template = template.as_ref().map(|template| template.as_str().as_bytes());
    if marked.names.contains(name) || template.is_some_and(|template| marked.names.contains(template)) {
        return Ok(true);
    }
    let target = guest.read_link(link)?.unwrap_or_default();
    let Ok(target) = link_target(link, &target) else {
        return Ok(false);
    };
    // A target that leads nowhere still has a name.
    let target = match guest.tree().locate(link, true) {
        Ok(resolution) => resolution.path(),
        Err(_) => target,
    };
    let is_named = target.file_name().is_some_and(|name| marked.names.contains(name));
    Ok(is_named || marked.paths.contains(&target))
}

/// Removes a `.wants` folder and the like once its last link is gone.
fn remove_empty(guest: &mut Guest, folder: &GuestPath, config: &GuestPath) -> Outcome<()> {
    let is_emptied = guest.read_dir(folder)?.is_some_and(|entries| entries.is_empty());
    if is_emptied && folder != config {
        guest.remove(folder)?;
    }
    Ok(())
}
