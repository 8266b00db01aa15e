//! `services.mask` and `unmask`: a link to /dev/null in the place of the unit, so that nothing can start it.

use super::scope::Scope;
use super::search::{UnitFolders, link_target};
use super::{enable, parse};
use crate::guest::Guest;
use crate::steps::{Outcome, fixed};
use imgctl_vfs::{FileKind, GuestPath};

/// Masks a unit. One that does not exist is masked too, with a warning; a file or another link in the configuration
/// folder is refused, as by `systemctl mask`.
pub(super) fn mask(guest: &mut Guest, scope: Scope, name: &str) -> Outcome<()> {
    let asked = parse(name)?;
    if UnitFolders::of(guest, scope)?.find(guest, &asked)?.is_none() {
        guest.warn(format!("the unit {name} does not exist; it is masked all the same"));
    }
    let link = fixed(scope.config()).join(asked.as_str().as_bytes());
    enable::place(guest, &link, &fixed("/dev/null"), false)
}

/// Takes a mask away, as `systemctl unmask` does. A mask elsewhere is not taken away, with a warning.
pub(super) fn unmask(guest: &mut Guest, scope: Scope, name: &str) -> Outcome<()> {
    let asked = parse(name)?;
    let mask = fixed(scope.config()).join(asked.as_str().as_bytes());
    if is_mask(guest, &mask)? {
        guest.remove(&mask)?;
    }
    match UnitFolders::of(guest, scope)?.find(guest, &asked)? {
        Some(unit) if unit.is_masked => guest.warn(format!("the unit {name} is still masked, by {}", unit.path)),
        Some(_) => {}
        None => guest.warn(format!(
            "the unit {name} does not exist; it is only not masked any more"
        )),
    }
    Ok(())
}

/// Whether a link to /dev/null or an empty file is there.
fn is_mask(guest: &Guest, path: &GuestPath) -> Outcome<bool> {
    let target = guest.read_link(path)?;
    if target.is_some_and(|target| link_target(path, &target).is_ok_and(|target| target == fixed("/dev/null"))) {
        return Ok(true);
    }
    let metadata = guest.metadata(path)?;
    Ok(metadata.is_some_and(|metadata| metadata.kind == FileKind::File && metadata.size == 0))
}
