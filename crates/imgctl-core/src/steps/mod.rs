//! The steps that make a guest what a plan says, in the one table that gives their order.

pub(crate) mod boot;
mod error;
mod files;
mod hostname;
mod reset;
pub(crate) mod services;
mod ssh_authorized_keys;

pub use error::{StepError, StepFailure};

use crate::guest::Guest;
use imgctl_recipe::Plan;
use imgctl_vfs::GuestPath;
use std::fmt::Debug;

/// The result of one piece of a step, before the step and the recipe's entry are named.
pub(crate) type Outcome<T> = std::result::Result<T, StepFailure>;

/// One operation on the guest, with all it needs from the plan.
pub trait Step: Debug {
    /// Its name in [`STEPS`].
    fn name(&self) -> &'static str;

    /// Makes the guest what the plan says. What is so already is not touched.
    fn apply(&self, guest: &mut Guest) -> Result<(), StepError>;
}

/// The recipe's section that a step belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Heading {
    /// `users`
    Users,
    /// `files`
    Files,
    /// `hostname`
    Hostname,
    /// `services`
    Services,
    /// `reset`
    Reset,
}

impl Heading {
    /// The recipe's key.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Files => "files",
            Self::Hostname => "hostname",
            Self::Services => "services",
            Self::Reset => "reset",
        }
    }
}

/// A row of [`STEPS`].
#[derive(Clone, Copy, Debug)]
pub struct StepSpec {
    /// The step's name.
    pub name: &'static str,
    /// The section it belongs to.
    pub heading: Heading,
    /// One line that says what it does.
    pub help: &'static str,
    /// The step, if the plan asks for it.
    pub build: fn(&Plan) -> Option<Box<dyn Step>>,
}

/// Every step, in the order in which they run.
pub const STEPS: &[StepSpec] = &[
    ssh_authorized_keys::SPEC,
    files::SPEC,
    hostname::SPEC,
    services::DISABLE,
    services::ENABLE,
    services::MASK,
    reset::machine_id::SPEC,
    reset::ssh_hostkeys::SPEC,
    reset::cloud_init::SPEC,
    reset::logs::SPEC,
    reset::package_cache::SPEC,
    reset::shell_history::SPEC,
    reset::random_seed::SPEC,
    reset::tmp::SPEC,
    reset::dhcp_state::SPEC,
];

/// Runs the steps that `plan` asks for, in the order of [`STEPS`]. `on_step` hears each step's name before it begins, and
/// ends the run when it says `false`; whether all were run. After an error the guest is half changed and must not be
/// committed.
pub fn execute(plan: &Plan, guest: &mut Guest, on_step: &mut dyn FnMut(&str) -> bool) -> Result<bool, StepError> {
    let steps = STEPS.iter().filter_map(|spec| (spec.build)(plan));
    for step in steps {
        if !on_step(step.name()) {
            return Ok(false);
        }
        guest.begin_step(step.name());
        step.apply(guest)?;
    }
    Ok(true)
}

/// The steps that `plan` asks for, in the order in which they run.
pub fn planned(plan: &Plan) -> impl Iterator<Item = &'static StepSpec> {
    STEPS.iter().filter(|spec| (spec.build)(plan).is_some())
}

/// A path that is written in this crate's source.
pub(crate) fn fixed(path: &'static str) -> GuestPath {
    GuestPath::new(path).unwrap_or_else(|_| GuestPath::root())
}

#[cfg(test)]
mod tests;
