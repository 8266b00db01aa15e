//! `--machine-id`: what becomes of /etc/machine-id, in its turn among the other options.

use crate::guest::Guest;
use crate::steps::flags::{FlagArgument, FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use crate::steps::reset::machine_id::reset;
use crate::steps::{Outcome, fixed};
use imgctl_recipe::MachineId;

pub(super) const FLAG: FlagSpec = FlagSpec {
    name: "machine-id",
    value: "STATE",
    group: FlagGroup::Identity,
    help: "Leave /etc/machine-id empty, uninitialized (the next boot counts as the first), or keep it",
    example: "uninitialized",
    recipe: "reset.machine_id",
    peer: Peer::Ours,
    deed: FlagDeed::Step(|argument| Ok(argument.step(state(argument)?, apply))),
};

fn state(argument: &FlagArgument<'_>) -> Result<MachineId, FlagError> {
    match argument.text {
        "empty" => Ok(MachineId::Empty),
        "uninitialized" => Ok(MachineId::Uninitialized),
        "keep" => Ok(MachineId::Keep),
        other => Err(FlagError::with_hint(
            format!("`{other}` is no state of a machine id"),
            "write empty, uninitialized or keep",
        )),
    }
}

fn apply(state: &MachineId, guest: &mut Guest) -> Outcome<()> {
    match state {
        MachineId::Empty => reset(guest, "")?,
        MachineId::Uninitialized => reset(guest, "uninitialized\n")?,
        MachineId::Keep => return Ok(()),
    }
    Ok(guest.keep(&fixed("/etc/machine-id"))?)
}
