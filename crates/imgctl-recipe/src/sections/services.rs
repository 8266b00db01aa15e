//! `services`: which units start at boot.

use std::collections::BTreeMap;

use super::Context;
use crate::fields::Fields;
use crate::finding::Complaint;
use crate::kinds::full_name;
use crate::plan::{Services, Sourced};

/// The system's units, those of user sessions, and the default target.
pub(super) fn services(
    fields: &Fields<'_>,
    context: &mut Context<'_>,
) -> (Services, Services, Option<Sourced<String>>) {
    let Some((section, _)) = fields.table("services") else {
        return Default::default();
    };
    let user = match section.table("user") {
        Some((user, _)) => lists(user, context),
        None => Services::default(),
    };
    let target = section.text("default_target").map(|(name, place)| {
        let name = match name.contains('.') {
            true => name.to_owned(),
            false => format!("{name}.target"),
        };
        if !name.ends_with(".target") || name == "default.target" {
            let complaint = Complaint::error(format!("`{name}` cannot be the default target"));
            context.report(
                place,
                complaint.hint("name a target like `multi-user.target` or `graphical.target`"),
            );
        }
        context.sourced(name, place)
    });
    (lists(section, context), user, target)
}

fn lists(section: &Fields<'_>, context: &mut Context<'_>) -> Services {
    let services = Services {
        enable: units(section, "enable", context),
        disable: units(section, "disable", context),
        mask: units(section, "mask", context),
        unmask: units(section, "unmask", context),
        preset: units(section, "preset", context),
        preset_all: section.text("preset").map(|(_, place)| context.origin(place)),
    };
    // What is enabled or masked is so in the end; a preset is only about what is not said otherwise.
    for (first, others) in [
        ("enable", &["disable", "mask", "preset"][..]),
        ("disable", &["preset"]),
        ("mask", &["unmask", "preset"]),
    ] {
        contradictions(section, first, others, context);
    }
    services
}

fn contradictions(section: &Fields<'_>, first: &str, others: &[&str], context: &mut Context<'_>) {
    let lines = section
        .texts(first)
        .map(|(name, place)| (full_name(name), context.line(place)));
    let listed: BTreeMap<_, _> = lines.collect();
    for list in others {
        for (name, place) in section.texts(list) {
            let unit = full_name(name);
            if let Some(line) = listed.get(&unit) {
                let message = format!("`{unit}` is in `{list}` and in `{first}` (line {line})");
                context.report(place, Complaint::error(message).hint("remove it from one of them"));
            }
        }
    }
}

fn units(section: &Fields<'_>, list: &str, context: &mut Context<'_>) -> Vec<Sourced<String>> {
    let mut units = Vec::new();
    let mut seen = BTreeMap::new();
    for (name, place) in section.texts(list) {
        let unit = full_name(name);
        let line = context.line(place);
        if let Some(first) = seen.get(&unit) {
            let message = format!("`{unit}` is in `{list}` twice, first in line {first}");
            context.report(place, Complaint::warning(message).hint("remove one"));
            continue;
        }
        seen.insert(unit.clone(), line);
        units.push(context.sourced(unit, place));
    }
    units
}
