//! The steps that make a guest what a plan says, in the one table that gives their order.

mod accounts;
pub(crate) mod boot;
mod each;
mod error;
mod files;
mod first_boot;
pub mod flags;
mod hostname;
mod identity;
mod network;
mod repositories;
mod reset;
mod run;
pub(crate) mod services;
mod ssh_authorized_keys;
mod text;
mod trust;

pub use error::{StepError, StepFailure};

pub use reset::{RESET_ROWS, Removal, ResetRow};

use crate::guest::Guest;
use flags::{PlannedAction, PlannedFlag};
use imgctl_recipe::Plan;
use imgctl_vfs::GuestPath;
use std::fmt::Debug;
use std::sync::Arc;

/// The result of one piece of a step, before the step and the recipe's entry are named.
pub(crate) type Outcome<T> = std::result::Result<T, StepFailure>;

/// One operation on the guest, with all it needs from the plan.
pub trait Step: Debug + Send + Sync {
    /// Its name in [`STEPS`].
    fn name(&self) -> &'static str;

    /// Makes the guest what the plan says. What is so already is not touched.
    fn apply(&self, guest: &mut Guest) -> Result<(), StepError>;
}

/// A row of [`STEPS`].
#[derive(Clone, Copy, Debug)]
pub struct StepSpec {
    /// The step's name.
    pub name: &'static str,
    /// The recipe's section that asks for it: its key.
    pub section: &'static str,
    /// One line that says what it does.
    pub help: &'static str,
    /// The step, if the plan asks for it.
    pub build: fn(&Plan) -> Option<Box<dyn Step>>,
}

impl StepSpec {
    /// What it does, as part of a line: without a final period.
    #[must_use]
    pub fn about(&self) -> &'static str {
        self.help.trim_end_matches('.')
    }
}

/// Every step, in the order in which they run.
pub const STEPS: &[StepSpec] = &joined::<{ FIRST.len() + reset::SPECS.len() }>(FIRST, reset::SPECS);

/// The steps before the last section.
const FIRST: &[StepSpec] = &[
    trust::SPEC,
    repositories::SPEC,
    run::BEFORE_PACKAGES,
    run::AFTER_PACKAGES,
    accounts::group::SPEC,
    accounts::user::SPEC,
    accounts::group::MEMBERS,
    accounts::password::SPEC,
    accounts::sudoers::SPEC,
    ssh_authorized_keys::SPEC,
    files::SPEC,
    // What cloud-init keeps is known before the name is set.
    network::cloud_init::SPEC,
    hostname::SPEC,
    identity::timezone::SPEC,
    identity::locale::SPEC,
    identity::keyboard::SPEC,
    boot::cmdline::SPEC,
    boot::modules::SPEC,
    boot::initramfs::SPEC,
    boot::sysctl::SPEC,
    boot::fstab::SPEC,
    boot::swap::SPEC,
    network::interfaces::SPEC,
    accounts::sshd::SPEC,
    run::AFTER_FILES,
    services::UNMASK,
    services::PRESET,
    services::DISABLE,
    services::ENABLE,
    services::MASK,
    services::USER,
    services::DEFAULT_TARGET,
    first_boot::SPEC,
    run::SPEC,
];

/// Two lists of steps as one.
const fn joined<const COUNT: usize>(first: &[StepSpec], then: &[StepSpec]) -> [StepSpec; COUNT] {
    let mut all = [first[0]; COUNT];
    let mut index = 0;
    while index < COUNT {
        all[index] = match index < first.len() {
            true => first[index],
            false => then[index - first.len()],
        };
        index += 1;
    }
    all
}

/// The section whose steps come last of all.
pub(crate) const LAST_SECTION: &str = "reset";

/// Runs the steps that `plan` asks for, in the order of [`STEPS`]. `on_step` hears each step's name before it begins, and
/// ends the run when it says `false`; whether all were run. After an error the guest is half changed and must not be
/// committed.
pub fn execute(plan: &Plan, guest: &mut Guest, on_step: &mut dyn FnMut(&str) -> bool) -> Result<bool, StepError> {
    execute_with(plan, &[], guest, on_step)
}

/// Likewise; the options of the command line come in their own order, before what must not travel to clones is taken away.
pub(crate) fn execute_with(
    plan: &Plan,
    flags: &[PlannedFlag],
    guest: &mut Guest,
    on_step: &mut dyn FnMut(&str) -> bool,
) -> Result<bool, StepError> {
    let mut run = |step: &dyn Step, guest: &mut Guest| {
        let goes_on = on_step(step.name());
        if goes_on {
            guest.begin_step(step.name());
            step.apply(guest)?;
        }
        Ok::<bool, StepError>(goes_on)
    };
    for step in steps(plan, false) {
        if !run(&*step, guest)? {
            return Ok(false);
        }
    }
    for flag in flags {
        let of_flag = |error: StepError| error.of_flag(flag.spec.name);
        let steps = match &flag.action {
            PlannedAction::Step(step) => vec![Arc::clone(step)],
            PlannedAction::Plan(plan) => steps(plan, false),
        };
        for step in steps {
            if !run(&*step, guest).map_err(of_flag)? {
                return Ok(false);
            }
        }
    }
    for plan in [plan].into_iter().chain(flags.iter().filter_map(PlannedFlag::plan)) {
        for step in steps(plan, true) {
            if !run(&*step, guest)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The steps that `plan` asks for, those of the last section or those before it.
fn steps(plan: &Plan, is_last: bool) -> Vec<Arc<dyn Step>> {
    let specs = STEPS.iter().filter(|spec| (spec.section == LAST_SECTION) == is_last);
    specs.filter_map(|spec| (spec.build)(plan)).map(Arc::from).collect()
}

/// Of the steps that `plan` asks for, the rows of the table, in the order in which they run.
pub fn planned(plan: &Plan) -> impl Iterator<Item = &'static StepSpec> {
    STEPS.iter().filter(|spec| (spec.build)(plan).is_some())
}

/// A path that is written in this crate's source.
pub(crate) fn fixed(path: &'static str) -> GuestPath {
    GuestPath::new(path).unwrap_or_else(|_| GuestPath::root())
}

#[cfg(test)]
mod tests;
