//! `services`: what starts at boot, by the links that systemd reads.

mod disable;
mod enable;
mod mask;
mod search;
mod state;
mod sysv;
#[cfg(test)]
mod tests;
mod unit_file;
mod unit_name;

use super::flags::{FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use super::{Outcome, Step, StepError, StepFailure, StepSpec};
use crate::guest::Guest;
use imgctl_recipe::{Plan, Sourced};
use imgctl_vfs::{EscapedBytes, GuestPath};
use serde_json::{Value, json};
pub(crate) use state::{UnitState, unit_state};
use unit_name::UnitName;

pub(super) const DISABLE: StepSpec = StepSpec {
    name: "disable-services",
    section: "services",
    help: "keep units from starting at boot",
    build: |plan: &Plan| build(&DISABLE, disable::disable, &plan.services.disable),
};

pub(super) const ENABLE: StepSpec = StepSpec {
    name: "enable-services",
    section: "services",
    help: "make units start at boot",
    build: |plan: &Plan| build(&ENABLE, enable::enable, &plan.services.enable),
};

pub(super) const MASK: StepSpec = StepSpec {
    name: "mask-services",
    section: "services",
    help: "make it impossible to start units",
    build: |plan: &Plan| build(&MASK, mask::mask, &plan.services.mask),
};

pub(super) const FLAGS: &[FlagSpec] = &[
    flag("enable-unit", "Make a unit start at boot", "services.enable", |unit| {
        Ok(json!({ "services": { "enable": [unit] } }))
    }),
    flag(
        "disable-unit",
        "Keep a unit from starting at boot",
        "services.disable",
        |unit| Ok(json!({ "services": { "disable": [unit] } })),
    ),
    flag(
        "mask-unit",
        "Make it impossible to start a unit",
        "services.mask",
        |unit| Ok(json!({ "services": { "mask": [unit] } })),
    ),
];

const fn flag(
    name: &'static str,
    help: &'static str,
    recipe: &'static str,
    sections: fn(&str) -> Result<Value, FlagError>,
) -> FlagSpec {
    FlagSpec {
        name,
        value: "UNIT",
        group: FlagGroup::Services,
        help,
        example: "fstrim.timer",
        recipe,
        peer: Peer::Ours,
        deed: FlagDeed::Recipe(sections),
    }
}

type Edit = fn(&mut Guest, &str) -> Outcome<()>;

fn build(spec: &StepSpec, edit: Edit, units: &[Sourced<String>]) -> Option<Box<dyn Step>> {
    let (name, units) = (spec.name, units.to_vec());
    (!units.is_empty()).then(|| Box::new(Services { name, edit, units }) as Box<dyn Step>)
}

#[derive(Debug)]
struct Services {
    name: &'static str,
    edit: Edit,
    units: Vec<Sourced<String>>,
}

impl Step for Services {
    fn name(&self) -> &'static str {
        self.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        for unit in &self.units {
            (self.edit)(guest, &unit.value).map_err(|failure| failure.at(self.name, Some(&unit.origin)))?;
        }
        Ok(())
    }
}

/// Enables a unit that another step put into the guest.
pub(super) fn enable_unit(guest: &mut Guest, name: &str) -> Outcome<()> {
    enable::enable(guest, name)
}

/// What a unit says of itself: its file's and drop-ins' texts; `None` when it does not exist or is masked.
pub(super) fn unit_texts(guest: &Guest, name: &str) -> Outcome<Option<Vec<Vec<u8>>>> {
    let folders = search::UnitFolders::of(guest)?;
    match folders.find(guest, &parse(name)?)? {
        Some(unit) if !unit.is_masked => Ok(Some(folders.texts(guest, &unit.name, &unit.path)?)),
        _ => Ok(None),
    }
}

/// Every `key=value` of unit text, each with its section.
pub(super) fn assignments(text: &[u8]) -> Vec<(String, String, String)> {
    unit_file::assignments(text)
}

/// The links below the configuration folder by which other units pull `name` in.
pub(super) fn links_to(guest: &Guest, name: &str) -> Outcome<Vec<GuestPath>> {
    let mut links = Vec::new();
    for kind in ["wants", "requires"] {
        links.extend(guest.glob(&format!("{}/*.{kind}/{name}", search::CONFIG))?);
    }
    Ok(links)
}

fn parse(name: &str) -> Outcome<UnitName> {
    UnitName::parse(name)
        .ok_or_else(|| StepFailure::refused(format!("{} is not the name of a unit", EscapedBytes(name.as_bytes()))))
}
