//! `services`: what starts at boot, by the links that systemd reads; init scripts and OpenRC's services likewise.

mod default_target;
mod disable;
mod enable;
mod init_system;
mod mask;
mod openrc;
mod preset;
mod scope;
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
use imgctl_recipe::{Plan, Services, Sourced};
use imgctl_vfs::{EscapedBytes, GuestPath};
pub(crate) use init_system::InitSystem;
pub(crate) use scope::Scope;
use serde_json::{Value, json};
pub(crate) use state::{UnitState, unit_state};
use std::collections::BTreeSet;
use unit_name::UnitName;

pub(super) const UNMASK: StepSpec = StepSpec {
    name: "unmask-services",
    section: "services",
    help: "make it possible again to start units",
    build: |plan: &Plan| build(&UNMASK, Verb::Unmask, &plan.services),
};

pub(super) const PRESET: StepSpec = StepSpec {
    name: "preset-services",
    section: "services",
    help: "have units start at boot or not as the guest's preset files say",
    build: |plan: &Plan| build(&PRESET, Verb::Preset, &plan.services),
};

pub(super) const DISABLE: StepSpec = StepSpec {
    name: "disable-services",
    section: "services",
    help: "keep units from starting at boot",
    build: |plan: &Plan| build(&DISABLE, Verb::Disable, &plan.services),
};

pub(super) const ENABLE: StepSpec = StepSpec {
    name: "enable-services",
    section: "services",
    help: "make units start at boot",
    build: |plan: &Plan| build(&ENABLE, Verb::Enable, &plan.services),
};

pub(super) const MASK: StepSpec = StepSpec {
    name: "mask-services",
    section: "services",
    help: "make it impossible to start units",
    build: |plan: &Plan| build(&MASK, Verb::Mask, &plan.services),
};

pub(super) const USER: StepSpec = StepSpec {
    name: "user-services",
    section: "services",
    help: "the same for the units of every user's session",
    build: |plan: &Plan| {
        let units = &plan.user_services;
        let verbs = [Verb::Unmask, Verb::Preset, Verb::Disable, Verb::Enable, Verb::Mask];
        let deeds: Vec<Deed> = verbs
            .into_iter()
            .filter_map(|verb| Deed::of(verb, Scope::User, units))
            .collect();
        let name = USER.name;
        (!deeds.is_empty()).then(|| Box::new(UnitStep { name, deeds }) as Box<dyn Step>)
    },
};

pub(super) const DEFAULT_TARGET: StepSpec = StepSpec {
    name: "default-target",
    section: "services",
    help: "set the target that the guest boots into",
    build: |plan: &Plan| {
        let target = plan.default_target.clone()?;
        Some(Box::new(DefaultTarget { target }))
    },
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
    flag(
        "unmask-unit",
        "Make it possible again to start a unit",
        "services.unmask",
        |unit| Ok(json!({ "services": { "unmask": [unit] } })),
    ),
    flag(
        "preset-unit",
        "Have a unit start at boot or not as the guest's preset files say; all: every unit",
        "services.preset",
        |unit| match unit {
            "all" => Ok(json!({ "services": { "preset": "all" } })),
            unit => Ok(json!({ "services": { "preset": [unit] } })),
        },
    ),
    flag(
        "enable-user-unit",
        "Make a unit start in every user's session",
        "services.user.enable",
        |unit| Ok(json!({ "services": { "user": { "enable": [unit] } } })),
    ),
    flag(
        "disable-user-unit",
        "Keep a unit from starting in users' sessions",
        "services.user.disable",
        |unit| Ok(json!({ "services": { "user": { "disable": [unit] } } })),
    ),
    flag(
        "mask-user-unit",
        "Make it impossible to start a unit in users' sessions",
        "services.user.mask",
        |unit| Ok(json!({ "services": { "user": { "mask": [unit] } } })),
    ),
    FlagSpec {
        name: "default-target",
        value: "TARGET",
        group: FlagGroup::Services,
        help: "Set the target that the guest boots into",
        example: "multi-user.target",
        recipe: "services.default_target",
        peer: Peer::Ours,
        deed: FlagDeed::Recipe(|target| Ok(json!({ "services": { "default_target": target } }))),
    },
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

/// What is done with a unit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verb {
    Enable,
    Disable,
    Mask,
    Unmask,
    Preset,
}

fn build(spec: &StepSpec, verb: Verb, units: &Services) -> Option<Box<dyn Step>> {
    let deeds = vec![Deed::of(verb, Scope::System, units)?];
    let name = spec.name;
    Some(Box::new(UnitStep { name, deeds }))
}

/// One verb and the units that it is about.
#[derive(Debug)]
struct Deed {
    verb: Verb,
    scope: Scope,
    units: Vec<Sourced<String>>,
    /// Every unit but for these.
    all: Option<Sourced<BTreeSet<String>>>,
}

impl Deed {
    /// `None` where nothing is asked for.
    fn of(verb: Verb, scope: Scope, units: &Services) -> Option<Self> {
        let list = match verb {
            Verb::Enable => &units.enable,
            Verb::Disable => &units.disable,
            Verb::Mask => &units.mask,
            Verb::Unmask => &units.unmask,
            Verb::Preset => &units.preset,
        };
        let named = || [&units.enable, &units.disable, &units.mask].into_iter().flatten();
        let except = || named().map(|unit| unit.value.clone()).collect();
        let all = match (verb, &units.preset_all) {
            (Verb::Preset, Some(origin)) => Some(Sourced {
                value: except(),
                origin: origin.clone(),
            }),
            _ => None,
        };
        let units = list.clone();
        (!units.is_empty() || all.is_some()).then_some(Self {
            verb,
            scope,
            units,
            all,
        })
    }
}

#[derive(Debug)]
struct UnitStep {
    name: &'static str,
    deeds: Vec<Deed>,
}

impl Step for UnitStep {
    fn name(&self) -> &'static str {
        self.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        for deed in &self.deeds {
            if let Some(all) = &deed.all {
                preset_all(guest, deed.scope, &all.value)
                    .map_err(|failure| failure.at(self.name, Some(&all.origin)))?;
            }
            for unit in &deed.units {
                act(guest, deed.verb, deed.scope, &unit.value)
                    .map_err(|failure| failure.at(self.name, Some(&unit.origin)))?;
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct DefaultTarget {
    target: Sourced<String>,
}

impl Step for DefaultTarget {
    fn name(&self) -> &'static str {
        DEFAULT_TARGET.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        let done = match InitSystem::of(guest) {
            Ok(InitSystem::Systemd) => default_target::set_default(guest, &self.target.value),
            Ok(_) => Err(without_systemd("has a default target")),
            Err(failure) => Err(failure),
        };
        done.map_err(|failure| failure.at(DEFAULT_TARGET.name, Some(&self.target.origin)))
    }
}

/// Does one thing with one unit, as the guest's own tools would.
pub(super) fn act(guest: &mut Guest, verb: Verb, scope: Scope, name: &str) -> Outcome<()> {
    match (InitSystem::of(guest)?, scope) {
        (InitSystem::Systemd, _) => match verb {
            Verb::Enable => enable::enable(guest, scope, name),
            Verb::Disable => disable::disable(guest, scope, name),
            Verb::Mask => mask::mask(guest, scope, name),
            Verb::Unmask => mask::unmask(guest, scope, name),
            Verb::Preset => preset::preset(guest, scope, name),
        },
        (_, Scope::User) => Err(without_systemd("starts services of user sessions")),
        (InitSystem::OpenRc, _) => openrc::act(guest, verb, &parse(name)?),
        (InitSystem::SysV, _) => by_script(guest, verb, &parse(name)?),
        (InitSystem::None, _) => Err(StepFailure::refused_with(
            format!("nothing in the guest is known to start services like {}", escaped(name)),
            "imgctl knows systemd, OpenRC and init scripts; write what the guest needs by `files`",
        )),
    }
}

fn preset_all(guest: &mut Guest, scope: Scope, except: &BTreeSet<String>) -> Outcome<()> {
    match InitSystem::of(guest)? {
        InitSystem::Systemd => preset::preset_all(guest, scope, except),
        _ => Err(without_systemd("has presets")),
    }
}

/// In a guest whose services are init scripts alone.
fn by_script(guest: &mut Guest, verb: Verb, unit: &UnitName) -> Outcome<()> {
    let name = unit.prefix();
    match verb {
        Verb::Enable | Verb::Disable => {
            if !sysv::switch(guest, unit, verb == Verb::Enable, false)? {
                if verb == Verb::Enable {
                    let known = sysv::names(guest)?;
                    return Err(StepFailure::unknown(
                        "init script",
                        name,
                        known.iter().map(Vec::as_slice),
                    ));
                }
                guest.warn(format!("the guest has no init script named {}", escaped(name)));
            }
            Ok(())
        }
        Verb::Unmask => Ok(()),
        Verb::Mask => Err(without_systemd("masks services")),
        Verb::Preset => Err(without_systemd("has presets")),
    }
}

fn without_systemd(what: &str) -> StepFailure {
    StepFailure::refused(format!("only systemd {what}, and the guest has none"))
}

fn escaped(name: &str) -> String {
    EscapedBytes(name.as_bytes()).to_string()
}

/// Enables a unit that another step put into the guest.
pub(super) fn enable_unit(guest: &mut Guest, name: &str) -> Outcome<()> {
    enable::enable(guest, Scope::System, name)
}

/// What a unit says of itself: its file's and drop-ins' texts; `None` when it does not exist or is masked.
pub(super) fn unit_texts(guest: &Guest, name: &str) -> Outcome<Option<Vec<Vec<u8>>>> {
    let folders = search::UnitFolders::of(guest, Scope::System)?;
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
        links.extend(guest.glob(&format!("{}/*.{kind}/{name}", Scope::System.config()))?);
    }
    Ok(links)
}

fn parse(name: &str) -> Outcome<UnitName> {
    UnitName::parse(name)
        .ok_or_else(|| StepFailure::refused(format!("{} is not the name of a unit", EscapedBytes(name.as_bytes()))))
}
