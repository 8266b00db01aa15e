//! `dhcp_state`: leases, and what ties the network's settings to one machine.

use super::Operation;
use super::sweep;
use crate::guest::Guest;
use crate::steps::{Outcome, StepSpec, fixed};
use imgctl_recipe::{Plan, ResetOperation};

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "dhcp-state",
    section: "reset",
    help: "remove DHCP leases, NetworkManager's keys and fixed names of network cards",
    build: |plan: &Plan| Operation::build(plan, &SPEC, ResetOperation::DhcpState, run),
};

const LEASE_FOLDERS: [&str; 4] = [
    "/var/lib/dhcp",
    "/var/lib/dhclient",
    "/var/lib/dhcpcd",
    "/var/lib/systemd/network",
];

const FILES: [&str; 5] = [
    "/var/lib/NetworkManager/*.lease",
    "/var/lib/NetworkManager/secret_key",
    "/var/lib/NetworkManager/seen-bssids",
    "/var/lib/NetworkManager/timestamps",
    "/etc/udev/rules.d/70-persistent-net.rules",
];

pub(super) fn run(guest: &mut Guest) -> Outcome<()> {
    for folder in LEASE_FOLDERS {
        sweep::empty(guest, &fixed(folder))?;
    }
    sweep::remove_files(guest, &FILES)
}
