//! `service`: whether something starts a unit at boot, as `systemctl is-enabled` says.
//!
//! `enabled` is what systemctl calls so, by the unit's own name or by a further one; `masked` likewise. `disabled` are
//! those for which systemctl fails: disabled, linked, and not there at all.

use super::{Found, Scene, Verdict};
use crate::steps::services::{UnitState, unit_state};
use imgctl_recipe::ServiceState;
use imgctl_vfs::EscapedBytes;

pub(super) fn judge(scene: &Scene<'_>, unit: &str, wanted: ServiceState) -> Verdict {
    let expected = match wanted {
        ServiceState::Enabled => "enabled",
        ServiceState::Disabled => "disabled",
        ServiceState::Masked => "masked",
    };
    Verdict::new(format!("service {unit}"), expected, found(scene, unit, wanted))
}

fn found(scene: &Scene<'_>, unit: &str, wanted: ServiceState) -> Found {
    let (state, real) = unit_state(scene.guest, unit)?;
    let (state, of) = match state {
        UnitState::Alias => (unit_state(scene.guest, &real)?.0, Some(real)),
        state => (state, None),
    };
    let fits = match wanted {
        ServiceState::Enabled => state == UnitState::Enabled,
        ServiceState::Disabled => matches!(state, UnitState::Disabled | UnitState::Linked | UnitState::NotFound),
        ServiceState::Masked => state == UnitState::Masked,
    };
    let of = of
        .map(|of| format!(", which is {}", EscapedBytes(of.as_bytes())))
        .unwrap_or_default();
    Ok(match fits {
        true => Vec::new(),
        false => vec![format!("{}{of}", state.name())],
    })
}
