//! OpenRC's services: links in /etc/runlevels, as rc-update(8) makes them.

use super::Verb;
use super::unit_name::UnitName;
use crate::guest::Guest;
use crate::steps::{Outcome, StepFailure, fixed};
use imgctl_vfs::{EscapedBytes, GuestPath};

const RUNLEVELS: &str = "/etc/runlevels";
const DEFAULT: &str = "default";

/// A service and, after its `@`, a runlevel.
struct Service {
    name: String,
    runlevel: Option<String>,
}

impl Service {
    /// Reads a unit's name, of which OpenRC knows no suffix.
    fn of(unit: &UnitName) -> Outcome<Self> {
        if unit.suffix() != "service" {
            let kind = unit.suffix();
            return Err(StepFailure::refused(format!(
                "the guest starts services by OpenRC, which has no {kind} units like {}",
                unit.as_str()
            )));
        }
        Ok(Self {
            name: unit.prefix().to_owned(),
            runlevel: unit.instance().map(str::to_owned),
        })
    }
}

/// Does what OpenRC has a way for: services are in a runlevel or not.
pub(super) fn act(guest: &mut Guest, verb: Verb, unit: &UnitName) -> Outcome<()> {
    let service = Service::of(unit)?;
    match verb {
        Verb::Enable => enable(guest, &service),
        Verb::Disable => disable(guest, &service),
        // Nothing is masked there, and nothing has to be.
        Verb::Unmask => Ok(()),
        Verb::Mask => Err(StepFailure::refused_with(
            format!(
                "the guest starts services by OpenRC, which cannot mask {}",
                service.name
            ),
            "disable it; to make it impossible to start, remove its script with an entry of files, `state: absent`",
        )),
        Verb::Preset => Err(StepFailure::refused_with(
            format!(
                "the guest starts services by OpenRC, which has no presets for {}",
                service.name
            ),
            "list it in `enable` or `disable`",
        )),
    }
}

/// Puts the service into the runlevel that is named, else into the default one unless it is in any.
fn enable(guest: &mut Guest, service: &Service) -> Outcome<()> {
    let script = fixed("/etc/init.d").join(service.name.as_bytes());
    if !guest.exists(&script)? {
        let known = super::sysv::names(guest)?;
        return Err(StepFailure::unknown(
            "service",
            &service.name,
            known.iter().map(Vec::as_slice),
        ));
    }
    let runlevel = match &service.runlevel {
        Some(runlevel) => runlevel.as_str(),
        None if !links_of(guest, service)?.is_empty() => return Ok(()),
        None => DEFAULT,
    };
    let folder = fixed(RUNLEVELS).join(runlevel.as_bytes());
    if !guest.is_directory(&folder)? {
        let entries = guest.read_dir(&fixed(RUNLEVELS))?.unwrap_or_default();
        let known = entries.iter().filter_map(|entry| entry.path.file_name());
        return Err(StepFailure::unknown("runlevel", runlevel, known));
    }
    let link = folder.join(service.name.as_bytes());
    if guest.find_link(&link)?.is_none() {
        guest.symlink(&link, script.as_bytes())?;
    }
    Ok(())
}

/// Takes the service out of the runlevel that is named, else out of all.
fn disable(guest: &mut Guest, service: &Service) -> Outcome<()> {
    let links = links_of(guest, service)?;
    if links.is_empty() && !guest.exists(&fixed("/etc/init.d").join(service.name.as_bytes()))? {
        let name = EscapedBytes(service.name.as_bytes());
        guest.warn(format!("the service {name} does not exist"));
    }
    for link in links {
        guest.remove(&link)?;
    }
    Ok(())
}

fn links_of(guest: &Guest, service: &Service) -> Outcome<Vec<GuestPath>> {
    let mut links = Vec::new();
    for folder in guest.read_dir(&fixed(RUNLEVELS))?.unwrap_or_default() {
        let is_asked = |runlevel: &String| folder.path.file_name() == Some(runlevel.as_bytes());
        let link = folder.path.join(service.name.as_bytes());
        if service.runlevel.as_ref().is_none_or(is_asked) && guest.find_link(&link)?.is_some() {
            links.push(link);
        }
    }
    Ok(links)
}
