//! `services.default_target`: what the guest boots into, as `systemctl set-default` does it.

use super::scope::Scope;
use super::search::UnitFolders;
use super::{enable, parse};
use crate::guest::Guest;
use crate::steps::{Outcome, StepFailure, fixed};

const DEFAULT: &str = "default.target";

/// Makes `name` the default target.
pub(super) fn set_default(guest: &mut Guest, name: &str) -> Outcome<()> {
    let asked = parse(name)?;
    if asked.suffix() != "target" || name == DEFAULT {
        return Err(StepFailure::refused_with(
            format!("{name} cannot be the default target"),
            "name a target like multi-user.target or graphical.target",
        ));
    }
    let folders = UnitFolders::of(guest, Scope::System)?;
    let Some(unit) = folders.find(guest, &asked)? else {
        let known = folders.names(guest)?;
        let known = known
            .iter()
            .map(Vec::as_slice)
            .filter(|name| name.ends_with(b".target"));
        return Err(StepFailure::unknown("unit", name, known));
    };
    if unit.is_masked {
        return Err(StepFailure::refused_with(
            format!("the unit {name} is masked by {}", unit.path),
            "list it in `services.unmask` too, or put `--unmask-unit` first",
        ));
    }
    let link = fixed(Scope::System.config()).join(DEFAULT.as_bytes());
    enable::place(guest, &link, &unit.path, true)
}
