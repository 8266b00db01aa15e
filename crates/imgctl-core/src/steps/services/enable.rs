//! `services.enable`: the links that a unit's `[Install]` section asks for, as `systemctl enable` makes them.

use super::scope::Scope;
use super::search::{Unit, UnitFolders, link_target};
use super::unit_file::expand;
use super::unit_name::UnitName;
use super::{parse, sysv};
use crate::guest::{Guest, NewMetadata};
use crate::steps::{Outcome, StepFailure, fixed};
use imgctl_vfs::{EscapedBytes, GuestPath};
use std::collections::{BTreeSet, VecDeque};

/// Kinds of units that can have only one name.
const WITHOUT_ALIASES: [&str; 4] = ["mount", "slice", "swap", "automount"];

/// Enables a unit and those its `Also=` names. An init script that is the unit, or stands beside it, is switched too.
pub(super) fn enable(guest: &mut Guest, scope: Scope, name: &str) -> Outcome<()> {
    let folders = UnitFolders::of(guest, scope)?;
    let asked = parse(name)?;
    let unit = folders.find(guest, &asked)?;
    let has_script = scope == Scope::System && sysv::switch(guest, &asked, true, unit.is_some())?;
    if unit.is_none() && has_script {
        return Ok(());
    }
    if unit.is_some_and(|unit| !unit.is_masked && unit.install.is_empty()) {
        guest.warn(format!(
            "the unit {name} has nothing in [Install], so enabling it changes nothing"
        ));
    }
    enable_natively(guest, scope, &asked, Care::Full)
}

/// What becomes of rules in `[Install]` that cannot be followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Care {
    /// They are errors.
    Full,
    /// They are passed over, as presets do: those of units that others name by `Also=`, and those that no link can be
    /// made of, like a template's without a default instance.
    Preset,
}

/// The same without init scripts.
pub(super) fn enable_natively(guest: &mut Guest, scope: Scope, asked: &UnitName, care: Care) -> Outcome<()> {
    let folders = UnitFolders::of(guest, scope)?;
    let name = asked.as_str();
    let Some(unit) = folders.find(guest, asked)? else {
        let known = folders.names(guest)?;
        return Err(StepFailure::unknown("unit", name, known.iter().map(Vec::as_slice)));
    };
    if unit.is_masked {
        let message = format!("the unit {name} is masked by {}", unit.path);
        return Err(StepFailure::refused_with(
            message,
            "list it in `services.unmask` too, or put `--unmask-unit` first",
        ));
    }
    let mut pending = VecDeque::from([unit]);
    let mut seen = BTreeSet::new();
    while let Some(unit) = pending.pop_front() {
        if !seen.insert(unit.name.clone()) {
            continue;
        }
        match link(guest, &folders, &unit, care) {
            Err(StepFailure::Refused { .. }) if care == Care::Preset && seen.len() > 1 => {}
            other => other?,
        }
        for name in &unit.install.also {
            let name = expanded(name, &unit)?;
            match folders.find(guest, &parse(&name)?)? {
                Some(also) if also.is_masked => guest.warn(format!(
                    "the unit {name}, which {} names, is masked",
                    unit.name.as_str()
                )),
                Some(also) => pending.push_back(also),
                None => guest.warn(format!(
                    "the unit {name}, which {} names, does not exist",
                    unit.name.as_str()
                )),
            }
        }
    }
    Ok(())
}

/// Makes the links of one unit.
fn link(guest: &mut Guest, folders: &UnitFolders, unit: &Unit, care: Care) -> Outcome<()> {
    for alias in &unit.install.aliases {
        link_alias(guest, folders.scope(), unit, alias)?;
    }
    let lists = [
        (&unit.install.wanted_by, "wants"),
        (&unit.install.required_by, "requires"),
        (&unit.install.upheld_by, "upholds"),
    ];
    for (list, kind) in lists {
        for by in list {
            if care == Care::Full || has_place(unit, by)? {
                link_below(guest, folders, unit, by, kind)?;
            }
        }
    }
    Ok(())
}

fn link_alias(guest: &mut Guest, scope: Scope, unit: &Unit, alias: &str) -> Outcome<()> {
    let name = unit.name.as_str();
    if WITHOUT_ALIASES.contains(&unit.name.suffix()) {
        guest.warn(format!("the unit {name} has an Alias=, which its kind cannot have"));
        return Ok(());
    }
    let alias = expanded(alias, unit)?;
    let parsed = UnitName::parse(&alias).map(|parsed| match unit.name.instance() {
        Some(instance) if parsed.is_template() => parsed.with_instance(instance).unwrap_or(parsed),
        _ => parsed,
    });
    let Some(parsed) = parsed.filter(|parsed| can_be_alias(parsed, &unit.name)) else {
        return Err(StepFailure::refused(format!(
            "the unit {name} cannot have the alias {}",
            escaped(&alias)
        )));
    };
    if parsed == unit.name {
        return Ok(());
    }
    place(
        guest,
        &fixed(scope.config()).join(parsed.as_str().as_bytes()),
        &unit.path,
        false,
    )
}

/// Whether a unit can have this name too: of the same kind, and with an instance exactly when the unit has it.
fn can_be_alias(alias: &UnitName, unit: &UnitName) -> bool {
    let fits = match alias.instance() {
        Some(instance) => unit.is_template() || unit.instance() == Some(instance),
        None => unit.instance().is_none() && alias.is_template() == unit.is_template(),
    };
    fits && alias.suffix() == unit.suffix()
}

/// Whether `by` is a unit that can pull this one in: a template without instance only belongs to templates and instances.
fn has_place(unit: &Unit, by: &str) -> Outcome<bool> {
    let is_open = unit.name.is_template() && unit.install.default_instance.is_none();
    let puller = UnitName::parse(expanded(by, unit)?);
    Ok(puller.is_some_and(|puller| !is_open || puller.instance().is_some() || puller.is_template()))
}

/// Makes the link that lets the unit `by` pull this one in.
fn link_below(guest: &mut Guest, folders: &UnitFolders, unit: &Unit, by: &str, kind: &str) -> Outcome<()> {
    let by = expanded(by, unit)?;
    let name = unit.name.as_str();
    let Some(puller) = UnitName::parse(&by) else {
        return Err(StepFailure::refused(format!(
            "the unit {name} names {}, which is no unit",
            escaped(&by)
        )));
    };
    let linked = match &unit.install.default_instance {
        Some(instance) if unit.name.is_template() => {
            let instance = expanded(instance, unit)?;
            let Some(linked) = unit.name.with_instance(&instance) else {
                let message = format!(
                    "the unit {name} has the default instance {}, which is none",
                    escaped(&instance)
                );
                return Err(StepFailure::refused(message));
            };
            if folders.find(guest, &linked)?.is_some_and(|unit| unit.is_masked) {
                return Err(StepFailure::refused(format!("the unit {} is masked", linked.as_str())));
            }
            linked
        }
        _ => unit.name.clone(),
    };
    if linked.is_template() && puller.instance().is_none() && !puller.is_template() {
        let message = format!(
            "the template {name} has no default instance; name one, like {}@1.{}",
            unit.name.prefix(),
            unit.name.suffix()
        );
        return Err(StepFailure::refused(message));
    }
    let folder = fixed(folders.scope().config()).join(format!("{}.{kind}", puller.as_str()).as_bytes());
    place(guest, &folder.join(linked.as_str().as_bytes()), &unit.path, true)
}

/// Makes `link` lead to `target`, unless it does already. Another link there is replaced only with `replace`; a file
/// never.
pub(super) fn place(guest: &mut Guest, link: &GuestPath, target: &GuestPath, replace: bool) -> Outcome<()> {
    if guest.link_metadata(link)?.is_some() {
        let Some(present) = guest.read_link(link)? else {
            return Err(StepFailure::refused(format!(
                "{link} is a file; a link cannot take its place"
            )));
        };
        let is_same = link_target(link, &present).is_ok_and(|present| present == *target);
        let leads = guest.find(link)?;
        if is_same || (leads.is_some() && leads == guest.find(target)?) {
            return Ok(());
        }
        if !replace {
            return Err(StepFailure::refused(format!(
                "{link} leads to {} already",
                EscapedBytes(&present)
            )));
        }
    }
    if let Some(folder) = link.parent() {
        guest.create_directory_all(&folder, NewMetadata::root(0o755))?;
    }
    Ok(guest.symlink(link, target.as_bytes())?)
}

fn expanded(text: &str, unit: &Unit) -> Outcome<String> {
    expand(text, &unit.name, unit.install.default_instance.as_deref()).map_err(|specifier| {
        let name = unit.name.as_str();
        StepFailure::refused(format!(
            "the unit {name} has {} in [Install]: what {} stands for is known only on the running machine",
            escaped(text),
            escaped(&specifier)
        ))
    })
}

fn escaped(text: &str) -> String {
    EscapedBytes(text.as_bytes()).to_string()
}
