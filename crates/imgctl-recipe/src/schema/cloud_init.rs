//! `cloud_init`: what cloud-init finds in the guest.

use super::{Key, Shape, Table};
use crate::kinds;

/// A text as it is, or a mapping.
const DOCUMENT: Shape = Shape::Either(&Shape::Text(&kinds::CONTENT), &Shape::Any);

pub(super) static CLOUD_INIT: Table = Table {
    path: "cloud_init",
    what: "a mapping like `{ datasources: [NoCloud, None] }`",
    about: "Drop-ins of `/etc/cloud/cloud.cfg.d`, and a seed in the image. What is put here survives the recipe's own `reset`.",
    example: "\
cloud_init:
  datasources: [NoCloud, ConfigDrive, None]
  settings: { preserve_hostname: true }
  seed:
    user_data: { package_update: false, ssh_pwauth: false }
",
    rules: &[],
    keys: &[
        Key::new(
            "enabled",
            Shape::Boolean,
            "false",
            "Whether it runs at all: `/etc/cloud/cloud-init.disabled`.",
        )
        .default("unchanged"),
        Key::new("network", Shape::Boolean, "false", "Whether it configures the network.")
            .default("unchanged")
            .also(&["manage_network"]),
        Key::new(
            "datasources",
            Shape::List(&Shape::Text(&kinds::DATASOURCE)),
            "[NoCloud, None]",
            "Where it looks for its data, in this order: `datasource_list`.",
        )
        .default("unchanged")
        .also(&["datasource_list", "datasource"]),
        Key::new(
            "settings",
            Shape::Any,
            "{ preserve_hostname: true }",
            "Any settings of cloud.cfg; they become `/etc/cloud/cloud.cfg.d/99-imgctl.cfg`.",
        )
        .also(&["config", "cfg"]),
        Key::new(
            "seed",
            Shape::Table(&SEED),
            "{ user_data: { ssh_pwauth: false } }",
            "The data itself, for the datasource NoCloud.",
        )
        .also(&["nocloud"]),
        Key::when(),
    ],
};

static SEED: Table = Table {
    path: "cloud_init.seed",
    what: "a mapping like `{ user_data: { ssh_pwauth: false } }`",
    about: "Files of `/var/lib/cloud/seed/nocloud`. A mapping is written as YAML, `user_data` and `vendor_data` with `#cloud-config` \
before it; a string is written as it is, like a script.",
    example: "\
cloud_init:
  seed:
    meta_data: { local-hostname: node }
    user_data: \"#!/bin/sh\\necho hello\\n\"
    network_config: { version: 2, ethernets: { all: { match: { name: \"e*\" }, dhcp4: true } } }
",
    rules: &[],
    keys: &[
        Key::new(
            "meta_data",
            DOCUMENT,
            "{ local-hostname: node }",
            "What the machine is: `meta-data`.",
        )
        .default("an empty file")
        .also(&["metadata", "meta-data"]),
        Key::new(
            "user_data",
            DOCUMENT,
            "{ ssh_pwauth: false }",
            "What is done at the first boot: `user-data`.",
        )
        .default("an empty file")
        .also(&["userdata", "user-data"]),
        Key::new(
            "vendor_data",
            DOCUMENT,
            "{ ntp: { enabled: true } }",
            "Likewise, but users can leave it out: `vendor-data`.",
        )
        .also(&["vendordata", "vendor-data"]),
        Key::new(
            "network_config",
            DOCUMENT,
            "{ version: 2, ethernets: { eth0: { dhcp4: true } } }",
            "The network: `network-config`.",
        )
        .also(&["network-config", "network"]),
    ],
};
