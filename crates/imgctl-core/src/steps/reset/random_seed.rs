//! `random_seed`: randomness that must not be the same twice.

use super::Operation;
use super::sweep;
use crate::guest::Guest;
use crate::steps::{Outcome, StepSpec};
use imgctl_recipe::{Plan, ResetOperation};

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "random-seed",
    section: "reset",
    help: "remove stored random seeds and the credential secret",
    build: |plan: &Plan| Operation::build(plan, &SPEC, ResetOperation::RandomSeed, run),
};

const SEEDS: [&str; 11] = [
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/credential.secret",
    "/boot/efi/loader/random-seed",
    "/boot/loader/random-seed",
    "/efi/loader/random-seed",
    "/var/lib/random-seed",
    "/var/lib/urandom/random-seed",
    "/var/lib/misc/random-seed",
    "/etc/random-seed",
    "/var/lib/seedrng/seed.credit",
    "/var/lib/seedrng/seed.no-credit",
];

pub(super) fn run(guest: &mut Guest) -> Outcome<()> {
    sweep::remove_files(guest, &SEEDS)
}
