//! `reset`: takes away what must not travel from one machine to its clones.

pub(super) mod cloud_init;
pub(super) mod dhcp_state;
pub(super) mod logs;
pub(super) mod machine_id;
pub(super) mod package_cache;
pub(super) mod random_seed;
pub(super) mod shell_history;
pub(super) mod ssh_hostkeys;
mod sweep;
#[cfg(test)]
mod tests;
pub(super) mod tmp;

use super::{Outcome, Step, StepError, StepSpec};
use crate::guest::Guest;
use imgctl_recipe::{Origin, Plan, ResetOperation, ResetProfile};

/// An operation that needs nothing from the plan but to be asked for.
#[derive(Debug)]
struct Operation {
    name: &'static str,
    origin: Origin,
    run: fn(&mut Guest) -> Outcome<()>,
}

impl Operation {
    /// The step, if the plan's profile or its own entry asks for `operation`.
    fn build(
        plan: &Plan,
        spec: &StepSpec,
        operation: ResetOperation,
        run: fn(&mut Guest) -> Outcome<()>,
    ) -> Option<Box<dyn Step>> {
        let reset = plan.reset.as_ref()?;
        let named = reset
            .value
            .operations
            .iter()
            .rev()
            .find(|(named, _)| *named == operation);
        let is_on = named.map_or(reset.value.profile == ResetProfile::Golden, |(_, is_on)| *is_on);
        is_on.then(|| {
            Box::new(Self {
                name: spec.name,
                origin: reset.origin.clone(),
                run,
            }) as Box<dyn Step>
        })
    }
}

impl Step for Operation {
    fn name(&self) -> &'static str {
        self.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        (self.run)(guest).map_err(|failure| failure.at(self.name, Some(&self.origin)))
    }
}
