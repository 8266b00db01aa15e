//! `services`: which units start.

use super::{Key, Shape, Table};
use crate::kinds;

static UNIT: Shape = Shape::Text(&kinds::UNIT);
static UNITS: Shape = Shape::List(&UNIT);
static ALL: Shape = Shape::Choice(&["all"]);

const ENABLE: Key = Key::new(
    "enable",
    Shape::List(&UNIT),
    "[ssh]",
    "Units that start at boot; each must exist.",
)
.also(&["enabled", "start"]);

const DISABLE: Key = Key::new(
    "disable",
    Shape::List(&UNIT),
    "[apt-daily.timer]",
    "Units that do not start at boot.",
)
.also(&["disabled", "stop"]);

const MASK: Key = Key::new(
    "mask",
    Shape::List(&UNIT),
    "[ctrl-alt-del.target]",
    "Units that nothing can start.",
)
.also(&["masked"]);

const UNMASK: Key = Key::new(
    "unmask",
    Shape::List(&UNIT),
    "[systemd-networkd]",
    "Units that can be started again.",
)
.also(&["unmasked"]);

const PRESET: Key = Key::new(
    "preset",
    Shape::Either(&ALL, &UNITS),
    "[chrony]",
    "Units that start at boot or not as the guest's preset files say; `all`: every unit that no other list names.",
)
.also(&["presets"]);

pub(super) static SERVICES: Table = Table {
    path: "services",
    what: "a mapping like `{ enable: [ssh] }`",
    about: "\
Names without a suffix are services. `enable` does what `systemctl enable` does, by the unit's own `[Install]` section: with templates,
aliases and `Also=`; timers, sockets and paths by their full names. An init script without a unit gets its links in `/etc/rc?.d`. In a
guest with OpenRC, `enable` puts a service into the runlevel `default`, or into one that is named: `networking@boot`. The lists apply
in the order unmask, preset, disable, enable, mask.",
    example: "services: { enable: [ssh, fstrim.timer], disable: [apt-daily.timer], mask: [ctrl-alt-del.target] }\n",
    rules: &[],
    keys: &[
        ENABLE,
        DISABLE,
        MASK,
        UNMASK,
        PRESET,
        Key::new(
            "default_target",
            Shape::Text(&kinds::UNIT),
            "multi-user.target",
            "The target that the guest boots into.",
        )
        .default("unchanged")
        .also(&["target", "default"]),
        Key::new(
            "user",
            Shape::Table(&USER),
            "{ enable: [podman.socket] }",
            "The same lists for units of every user's session.",
        )
        .default("unchanged")
        .also(&["users", "global"]),
        Key::when(),
    ],
};

static USER: Table = Table {
    path: "services.user",
    what: "a mapping like `{ enable: [podman.socket] }`",
    about: "Units that systemd starts in the session of every user, as `systemctl --global` sets them up in `/etc/systemd/user`.",
    example: "services: { user: { enable: [podman.socket], mask: [obex.service] } }\n",
    rules: &[],
    keys: &[ENABLE, DISABLE, MASK, UNMASK, PRESET, Key::when()],
};
