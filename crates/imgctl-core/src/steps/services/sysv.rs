//! Init scripts without a unit: their links in /etc/rc?.d, from which systemd's generator makes units.

use super::unit_name::UnitName;
use crate::guest::{Guest, MAX_TEXT_BYTES};
use crate::steps::{Outcome, fixed};
use imgctl_vfs::GuestPath;

/// The runlevels in which systemd starts services.
const START: &str = "2345";

/// Makes the script of this name start; whether there is one.
pub(super) fn enable(guest: &mut Guest, unit: &UnitName) -> Outcome<bool> {
    let Some(script) = script(guest, unit)? else {
        return Ok(false);
    };
    let text = guest.read(&fixed("/etc/init.d").join(script.as_bytes()), MAX_TEXT_BYTES)?;
    let levels = default_start(&text.unwrap_or_default()).unwrap_or_else(|| START.to_owned());
    for level in levels.chars() {
        let folder = GuestPath::new(format!("/etc/rc{level}.d"))?;
        if !guest.is_directory(&folder)? || link_in(guest, &folder, 'S', &script)?.is_some() {
            continue;
        }
        if let Some(stopped) = link_in(guest, &folder, 'K', &script)? {
            guest.remove(&stopped)?;
        }
        let target = format!("../init.d/{script}");
        guest.symlink(&folder.join(format!("S01{script}").as_bytes()), target.as_bytes())?;
    }
    Ok(true)
}

/// Keeps the script of this name from starting; whether there is one.
pub(super) fn disable(guest: &mut Guest, unit: &UnitName) -> Outcome<bool> {
    let Some(script) = script(guest, unit)? else {
        return Ok(false);
    };
    for level in START.chars() {
        let folder = GuestPath::new(format!("/etc/rc{level}.d"))?;
        if let Some(started) = link_in(guest, &folder, 'S', &script)? {
            guest.rename(&started, &folder.join(format!("K01{script}").as_bytes()))?;
        }
    }
    Ok(true)
}

/// Whether the script of this name starts; `None` when there is none.
pub(super) fn is_enabled(guest: &Guest, unit: &UnitName) -> Outcome<Option<bool>> {
    let Some(script) = script(guest, unit)? else {
        return Ok(None);
    };
    for level in START.chars() {
        let folder = GuestPath::new(format!("/etc/rc{level}.d"))?;
        if guest.is_directory(&folder)? && link_in(guest, &folder, 'S', &script)?.is_some() {
            return Ok(Some(true));
        }
    }
    Ok(Some(false))
}

fn script(guest: &Guest, unit: &UnitName) -> Outcome<Option<String>> {
    if unit.suffix() != "service" || unit.instance().is_some() || unit.is_template() {
        return Ok(None);
    }
    let found = guest.exists(&fixed("/etc/init.d").join(unit.prefix().as_bytes()))?;
    Ok(found.then(|| unit.prefix().to_owned()))
}

/// The link `S??name` or `K??name` in a runlevel's folder.
fn link_in(guest: &Guest, folder: &GuestPath, kind: char, script: &str) -> Outcome<Option<GuestPath>> {
    let entries = guest.read_dir(folder)?.unwrap_or_default();
    let is_link = |name: &[u8]| match name {
        [first, tens, ones, rest @ ..] => {
            char::from(*first) == kind && tens.is_ascii_digit() && ones.is_ascii_digit() && rest == script.as_bytes()
        }
        _ => false,
    };
    let mut links = entries.into_iter().map(|entry| entry.path);
    Ok(links.find(|path| path.file_name().is_some_and(is_link)))
}

/// The runlevels of the script's `Default-Start:` line.
fn default_start(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.trim_start_matches(['#', ' ']).strip_prefix("Default-Start:"))?;
    let levels: String = line.chars().filter(|level| START.contains(*level)).collect();
    Some(levels)
}
