//! `first_boot`: what runs in the machines that are made of the image.

use super::{Key, Rule, Shape, Table};
use crate::kinds;

pub(super) static FIRST_BOOT: Table = Table {
    path: "first_boot[]",
    what: "a mapping like `{ name: join, script: \"join-cluster\\n\" }`",
    about: "\
Runs once in every machine that is made of the image, when it boots for the first time, as root: entries in the recipe's order, after
those that are in the image already. What fails is tried again, after ten seconds and then ever more seldom up to every five minutes, also after
a reboot, until it succeeds; those after it wait. So a script must bear to be run again. What has succeeded is removed, and after
the last one all that imgctl put there for it, but for the log `/var/log/imgctl-first-boot.log` (also in the journal of
`imgctl-first-boot.service`). The boot does not wait for it.",
    example: "\
first_boot:
  - { name: grow the data disk, script: \"#!/bin/bash\\nlvextend --resizefs --extents +100%FREE /dev/vg0/data\\n\" }
  - { packages: [qemu-guest-agent] }
  - { name: join, command: [/usr/local/bin/join, --token-file, /run/token], network: true }
  - { name: greeting, command: \"wall 'ready'\", retry: false }
",
    rules: &[Rule::One(&["script", "command", "source", "packages"])],
    keys: &[
        Key::new(
            "name",
            Shape::Text(&kinds::TITLE),
            "join",
            "What the log calls it.",
        )
        .default("a name of what it does")
        .also(&["title", "description"]),
        Key::new(
            "script",
            Shape::Text(&kinds::SCRIPT),
            "\"join-cluster\\n\"",
            "Text of a script: run by the interpreter of its `#!` line, else by `/bin/sh -e`.",
        )
        .also(&["shell", "inline", "run", "content"]),
        Key::new(
            "command",
            Shape::OneOrMore(&Shape::Text(&kinds::ARGUMENT)),
            "[systemctl, start, agent]",
            "A program and its arguments; a single string is one line for `/bin/sh -c`.",
        )
        .also(&["cmd", "exec"]),
        Key::new(
            "source",
            Shape::Text(&kinds::HOST_PATH),
            "files/setup.sh",
            "A local script or program, relative to the recipe's folder.",
        )
        .also(&["file", "path", "src"]),
        Key::new(
            "packages",
            Shape::List(&Shape::Text(&kinds::PACKAGE_NAME)),
            "[qemu-guest-agent]",
            "Packages that the guest's own package manager installs then.",
        )
        .also(&["install", "package"]),
        Key::new(
            "network",
            Shape::Boolean,
            "true",
            "Whether it waits until the network is up (systemd's `network-online.target`).",
        )
        .default("`true` with `packages`, else `false`")
        .also(&["online", "network_online"]),
        Key::new(
            "retry",
            Shape::Boolean,
            "false",
            "Whether it is tried until it succeeds; with `false` it has one try, and those after it do not wait.",
        )
        .default("`true`")
        .also(&["retries", "until_success"]),
        Key::when(),
    ],
};
