//! `services`: which units start.

use super::{Key, Shape, Table};
use crate::kinds;

pub(super) static SERVICES: Table = Table {
    path: "services",
    what: "a mapping like `{ enable: [ssh] }`",
    about: "Names without a suffix are services. `enable` does what `systemctl enable` does, by the unit's own `[Install]` section.",
    example: "services: { enable: [ssh, fstrim.timer], disable: [apt-daily.timer], mask: [ctrl-alt-del.target] }\n",
    rules: &[],
    keys: &[
        Key::new(
            "enable",
            Shape::List(&Shape::Text(&kinds::UNIT)),
            "[ssh]",
            "Units that start at boot; each must exist.",
        )
        .default("none")
        .also(&["enabled", "start"]),
        Key::new(
            "disable",
            Shape::List(&Shape::Text(&kinds::UNIT)),
            "[apt-daily.timer]",
            "Units that do not start at boot.",
        )
        .default("none")
        .also(&["disabled", "stop"]),
        Key::new(
            "mask",
            Shape::List(&Shape::Text(&kinds::UNIT)),
            "[ctrl-alt-del.target]",
            "Units that nothing can start.",
        )
        .default("none")
        .also(&["masked"]),
        Key::new(
            "unmask",
            Shape::List(&Shape::Text(&kinds::UNIT)),
            "[systemd-networkd]",
            "Units that can be started again.",
        )
        .also(&["unmasked"])
        .later(),
        Key::new(
            "preset",
            Shape::List(&Shape::Text(&kinds::UNIT)),
            "[chrony]",
            "Units that start at boot or not as the guest's preset files say.",
        )
        .also(&["presets"])
        .later(),
        Key::new(
            "default_target",
            Shape::Text(&kinds::UNIT),
            "multi-user.target",
            "The target that the guest boots into.",
        )
        .default("unchanged")
        .also(&["target", "default"])
        .later(),
        Key::when(),
    ],
};
