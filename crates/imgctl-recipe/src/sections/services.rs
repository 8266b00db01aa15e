//! `services`: which units start at boot.

use std::collections::BTreeMap;

use super::Context;
use crate::fields::Fields;
use crate::finding::Complaint;
use crate::kinds::full_name;
use crate::plan::{Services, Sourced};

pub(super) fn services(fields: &Fields<'_>, context: &mut Context<'_>) -> Services {
    let Some((section, _)) = fields.table("services") else {
        return Services::default();
    };
    let enable = units(section, "enable", context);
    let disable = units(section, "disable", context);
    let mask = units(section, "mask", context);
    let lines = section
        .texts("enable")
        .map(|(name, place)| (full_name(name), context.line(place)));
    let enabled: BTreeMap<_, _> = lines.collect();
    for list in ["disable", "mask"] {
        for (name, place) in section.texts(list) {
            let unit = full_name(name);
            if let Some(line) = enabled.get(&unit) {
                let message = format!("`{unit}` is in `{list}` and in `enable` (line {line})");
                context.report(place, Complaint::error(message).hint("remove it from one of them"));
            }
        }
    }
    Services { enable, disable, mask }
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
