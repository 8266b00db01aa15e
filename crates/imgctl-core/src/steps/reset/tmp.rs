//! `tmp`: what lies in the folders for temporary files.

use super::Operation;
use super::sweep;
use crate::guest::Guest;
use crate::steps::{Outcome, StepSpec, fixed};
use imgctl_recipe::{Plan, ResetOperation};

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "tmp",
    section: "reset",
    help: "empty /tmp and /var/tmp",
    build: |plan: &Plan| Operation::build(plan, &SPEC, ResetOperation::Tmp, run),
};

pub(super) fn run(guest: &mut Guest) -> Outcome<()> {
    sweep::empty(guest, &fixed("/tmp"))?;
    sweep::empty(guest, &fixed("/var/tmp"))
}
