//! Network and cloud: interfaces, name servers, and what cloud-init finds.

pub(super) mod cloud_init;
mod dns;
pub(super) mod interfaces;
mod render;

use super::flags::FlagSpec;

pub(super) const FLAGS: &[FlagSpec] = &[
    interfaces::INTERFACE,
    interfaces::NETPLAN,
    dns::FLAG,
    cloud_init::DATASOURCE,
    cloud_init::USER_DATA,
    cloud_init::DISABLE,
    cloud_init::DISABLE_NETWORK,
];
