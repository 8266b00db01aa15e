//! `reset`: what must not travel to clones.

use super::{Key, Shape, Table};
use crate::kinds;

pub(super) static RESET: Table = Table {
    path: "reset",
    what: "a mapping like `{ profile: golden }`",
    about: "\
Takes the identity and the traces of one machine out of the image. Each operation can be switched on (`true`) or off
(`false`) by its key; the profile says the others.",
    example: "reset: { profile: golden, machine_id: empty, logs: false }\n",
    rules: &[],
    keys: &[
        Key::new(
            "profile",
            Shape::Choice(&["golden", "none"]),
            "golden",
            "`golden`: every operation below; `none`: only those that are `true`.",
        )
        .default("`golden`"),
        Key::new(
            "machine_id",
            Shape::Choice(&["empty", "uninitialized", "keep"]),
            "empty",
            "`/etc/machine-id`: `empty` gives a new id at first boot, `uninitialized` also runs `ConditionFirstBoot=` units.",
        )
        .default("`empty`; `keep` with `profile: none`"),
        Key::new("ssh_hostkeys", Shape::Boolean, "true", "SSH host keys; the guest makes new ones at its first boot.")
            .default("by profile")
            .also(&["ssh_host_keys", "hostkeys"]),
        Key::new("cloud_init", Shape::Boolean, "true", "cloud-init's state, as `cloud-init clean --logs --seed`.")
            .default("by profile"),
        Key::new("logs", Shape::Boolean, "true", "Log files and the journal.")
            .default("by profile")
            .also(&["logfiles", "journal"]),
        Key::new("package_cache", Shape::Boolean, "true", "What package managers have downloaded.")
            .default("by profile")
            .also(&["pkg_cache", "cache", "caches"]),
        Key::new("shell_history", Shape::Boolean, "true", "Histories of shells.")
            .default("by profile")
            .also(&["bash_history", "history"]),
        Key::new("random_seed", Shape::Boolean, "true", "Stored random seeds and systemd's credential secret.")
            .default("by profile")
            .also(&["seed"]),
        Key::new("tmp", Shape::Boolean, "true", "What lies in `/tmp` and `/var/tmp`.")
            .default("by profile")
            .also(&["tmp_files", "temp"]),
        Key::new("dhcp_state", Shape::Boolean, "true", "DHCP leases and other network identity.")
            .default("by profile")
            .also(&["dhcp_client_state", "dhcp", "leases"]),
        Key::new(
            "ssh_authorized_keys",
            Shape::List(&Shape::Text(&kinds::USER_NAME)),
            "[rocky, root]",
            "Users whose authorized keys go.",
        )
        .also(&["authorized_keys", "remove_authorized_keys"])
        .later(),
        Key::new(
            "keep_authorized_keys",
            Shape::List(&Shape::Text(&kinds::USER_NAME)),
            "[ubuntu]",
            "Users whose authorized keys stay, whatever the profile says.",
        )
        .also(&["keep_ssh_authorized_keys"])
        .later(),
        Key::when(),
    ],
};
