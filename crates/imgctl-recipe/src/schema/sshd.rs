//! `sshd`: how the SSH server lets people in.

use super::{Key, Shape, Table};
use crate::kinds;

pub(super) static SSHD: Table = Table {
    path: "sshd",
    what: "a mapping like `{ password_authentication: false }`",
    about: "\
Settings of the SSH server, in `/etc/ssh/sshd_config.d/10-imgctl.conf`, or in `sshd_config` itself where that includes
nothing from there. A setting that a file read earlier contradicts is an error: it would have no effect.",
    example: "sshd: { permit_root_login: prohibit-password, password_authentication: false, settings: { MaxAuthTries: 3 } }\n",
    rules: &[],
    keys: &[
        Key::new(
            "permit_root_login",
            Shape::Choice(&["yes", "no", "prohibit-password", "forced-commands-only"]),
            "prohibit-password",
            "How root may log in; `\"yes\"` and `\"no\"` need quotes.",
        )
        .default("unchanged")
        .also(&["root_login"]),
        Key::new(
            "password_authentication",
            Shape::Boolean,
            "false",
            "Whether passwords log in; `false` covers those that PAM asks for by keyboard, too.",
        )
        .default("unchanged")
        .also(&["ssh_pwauth", "password_login"]),
        Key::new(
            "settings",
            Shape::Map(
                &kinds::SSHD_KEYWORD,
                &Shape::OneOrMore(&Shape::Text(&kinds::SSHD_VALUE)),
            ),
            "{ X11Forwarding: \"no\" }",
            "Any keywords of sshd_config with their values; a list is one line for each.",
        )
        .default("unchanged")
        .also(&["config", "options"]),
        Key::when(),
    ],
};
