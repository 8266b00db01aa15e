//! Init scripts: their links in /etc/rc?.d, as update-rc.d (Debian) and chkconfig (Red Hat) make them. systemd's generator
//! makes units of those without one.

use super::unit_name::UnitName;
use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata};
use crate::steps::{Outcome, StepFailure, fixed};
use imgctl_vfs::GuestPath;

/// The runlevels in which services start.
const START: &str = "2345";

/// What systemctl calls for scripts; where it is missing, a unit's script is left alone.
const SYSV_INSTALL: [&str; 2] = [
    "/usr/lib/systemd/systemd-sysv-install",
    "/lib/systemd/systemd-sysv-install",
];

/// Makes the script of this name start, or not; whether there is one. A script beside a unit only follows it.
pub(super) fn switch(guest: &mut Guest, unit: &UnitName, is_on: bool, has_unit: bool) -> Outcome<bool> {
    let Some(script) = script(guest, unit)? else {
        return Ok(false);
    };
    if has_unit {
        let mut is_synchronized = false;
        for program in SYSV_INSTALL {
            is_synchronized |= guest.exists(&fixed(program))?;
        }
        if !is_synchronized {
            return Ok(true);
        }
    }
    let header = Header::read(guest, &script)?;
    match &header.chkconfig {
        Some(chkconfig) if is_red_hat(guest)? => switch_by_chkconfig(guest, &script, chkconfig, is_on)?,
        _ => switch_by_lsb(guest, &script, &header, is_on, has_unit)?,
    }
    Ok(true)
}

/// Whether the script of this name starts; `None` when there is none.
pub(super) fn is_enabled(guest: &Guest, unit: &UnitName) -> Outcome<Option<bool>> {
    let Some(script) = script(guest, unit)? else {
        return Ok(None);
    };
    for level in START.chars() {
        let folder = folder_of(guest, level)?;
        if guest.is_directory(&folder)? && link_in(guest, &folder, "S", &script)?.is_some() {
            return Ok(Some(true));
        }
    }
    Ok(Some(false))
}

/// The names of all init scripts, for suggestions.
pub(super) fn names(guest: &Guest) -> Outcome<Vec<Vec<u8>>> {
    let folder = fixed("/etc/init.d");
    if !guest.is_directory(&folder)? {
        return Ok(Vec::new());
    }
    let entries = guest.read_dir(&folder)?.unwrap_or_default();
    let names = entries.iter().filter_map(|entry| entry.path.file_name());
    Ok(names.map(<[u8]>::to_vec).collect())
}

/// As `update-rc.d NAME defaults` and then `enable` or `disable`: a script without links gets those of its header; then
/// the links of the runlevels in which it starts are renamed.
fn switch_by_lsb(guest: &mut Guest, script: &str, header: &Header, is_on: bool, has_unit: bool) -> Outcome<()> {
    let mut has_links = false;
    for level in "0123456S".chars() {
        let folder = folder_of(guest, level)?;
        has_links |= guest.is_directory(&folder)? && link_in(guest, &folder, "SK", script)?.is_some();
    }
    if !has_links {
        let starts = header.starts.chars().map(|level| (level, 'S'));
        let stops = header.stops.chars().map(|level| (level, 'K'));
        for (level, kind) in starts.chain(stops) {
            let folder = folder_of(guest, level)?;
            guest.create_directory_all(&folder, NewMetadata::root(0o755))?;
            let name = format!("{kind}01{script}");
            guest.symlink(&folder.join(name.as_bytes()), format!("../init.d/{script}").as_bytes())?;
        }
    }
    let (from, to) = if is_on { ("K", 'S') } else { ("S", 'K') };
    let mut has_level = false;
    for level in header.starts.chars().filter(|level| "S2345".contains(*level)) {
        let folder = folder_of(guest, level)?;
        if !guest.is_directory(&folder)? {
            continue;
        }
        has_level |= link_in(guest, &folder, "SK", script)?.is_some();
        if let Some(link) = link_in(guest, &folder, from, script)? {
            let name = link.file_name().unwrap_or_default();
            let mut renamed = name.to_vec();
            renamed.splice(0..1, [to as u8]);
            guest.rename(&link, &folder.join(&renamed))?;
        }
    }
    if !has_level && !has_unit {
        let message = format!("the init script {script} has no links in the runlevels in which it would start");
        return Err(StepFailure::refused(message));
    }
    Ok(())
}

/// As `chkconfig NAME on` or `off`, which adds the script first: links of its priorities in every runlevel, and those of
/// 2 to 5 as asked.
fn switch_by_chkconfig(guest: &mut Guest, script: &str, chkconfig: &Chkconfig, is_on: bool) -> Outcome<()> {
    let Chkconfig { levels, start, stop } = chkconfig;
    for level in "0123456".chars() {
        let folder = folder_of(guest, level)?;
        let present = match guest.is_directory(&folder)? {
            true => link_in(guest, &folder, "SK", script)?,
            false => None,
        };
        let starts = match START.contains(level) {
            true => is_on,
            // What is there in the other runlevels stays.
            false if present.is_some() => continue,
            false => levels.contains(level),
        };
        let name = match starts {
            true => format!("S{start:02}{script}"),
            false => format!("K{stop:02}{script}"),
        };
        if present.as_ref().and_then(GuestPath::file_name) == Some(name.as_bytes()) {
            continue;
        }
        if let Some(present) = present {
            guest.remove(&present)?;
        }
        guest.create_directory_all(&folder, NewMetadata::root(0o755))?;
        guest.symlink(&folder.join(name.as_bytes()), format!("../init.d/{script}").as_bytes())?;
    }
    Ok(())
}

fn script(guest: &Guest, unit: &UnitName) -> Outcome<Option<String>> {
    if unit.suffix() != "service" || unit.instance().is_some() || unit.is_template() {
        return Ok(None);
    }
    let found = guest.exists(&fixed("/etc/init.d").join(unit.prefix().as_bytes()))?;
    Ok(found.then(|| unit.prefix().to_owned()))
}

/// The folder of a runlevel; Red Hat has them one level further down.
fn folder_of(guest: &Guest, level: char) -> Outcome<GuestPath> {
    let name = format!("rc{level}.d");
    Ok(match is_red_hat(guest)? {
        true => fixed("/etc/rc.d").join(name.as_bytes()),
        false => fixed("/etc").join(name.as_bytes()),
    })
}

fn is_red_hat(guest: &Guest) -> Outcome<bool> {
    Ok(guest.is_directory(&fixed("/etc/rc.d/rc3.d"))?)
}

/// The link `S??name` or `K??name` in a runlevel's folder.
fn link_in(guest: &Guest, folder: &GuestPath, kinds: &str, script: &str) -> Outcome<Option<GuestPath>> {
    let entries = guest.read_dir(folder)?.unwrap_or_default();
    let is_link = |name: &[u8]| match name {
        [first, tens, ones, rest @ ..] => {
            kinds.contains(char::from(*first))
                && tens.is_ascii_digit()
                && ones.is_ascii_digit()
                && rest == script.as_bytes()
        }
        _ => false,
    };
    let mut links = entries.into_iter().map(|entry| entry.path);
    Ok(links.find(|path| path.file_name().is_some_and(is_link)))
}

/// What a script says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Header {
    /// The runlevels in which it starts.
    starts: String,
    /// Those in which it stops.
    stops: String,
    /// What it says to Red Hat's tool, if anything.
    chkconfig: Option<Chkconfig>,
}

/// chkconfig's line: runlevels, and the priorities of starting and stopping.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Chkconfig {
    levels: String,
    start: u8,
    stop: u8,
}

impl Header {
    fn read(guest: &Guest, script: &str) -> Outcome<Self> {
        let path = fixed("/etc/init.d").join(script.as_bytes());
        let text = guest.read(&path, MAX_TEXT_BYTES)?.unwrap_or_default();
        Ok(Self::parse(&String::from_utf8_lossy(&text)))
    }

    /// Reads LSB's block and chkconfig's line; a script with neither starts in 2 to 5.
    fn parse(text: &str) -> Self {
        let mut starts = None;
        let mut stops = None;
        let mut chkconfig = None;
        let mut is_inside = false;
        for line in text.lines() {
            let Some(comment) = line.strip_prefix('#') else {
                continue;
            };
            let words: String = comment.split_whitespace().skip(1).collect();
            let levels = || words.chars().filter(|level| "0123456S".contains(*level)).collect();
            match comment.trim() {
                "## BEGIN INIT INFO" => is_inside = true,
                "## END INIT INFO" => is_inside = false,
                said if is_inside && said.starts_with("Default-Start:") => starts = Some(levels()),
                said if is_inside && said.starts_with("Default-Stop:") => stops = Some(levels()),
                said => chkconfig = chkconfig.or_else(|| chkconfig_line(said)),
            }
        }
        let has_header = starts.is_some() || stops.is_some();
        let or = |levels: Option<String>, default: &str| match has_header {
            true => levels.unwrap_or_default(),
            false => default.to_owned(),
        };
        Self {
            starts: or(starts, START),
            stops: or(stops, "016"),
            chkconfig,
        }
    }
}

/// `chkconfig: 2345 55 25`, or `-` for no runlevels.
fn chkconfig_line(comment: &str) -> Option<Chkconfig> {
    let mut words = comment.strip_prefix("chkconfig:")?.split_whitespace();
    let levels = words.next()?.trim_matches('-').to_owned();
    let mut priority = || words.next()?.parse::<u8>().ok().filter(|priority| *priority < 100);
    let (start, stop) = (priority()?, priority()?);
    Some(Chkconfig { levels, start, stop })
}
