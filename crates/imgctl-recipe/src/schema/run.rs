//! `run`: programs of the guest.

use super::{Key, Rule, Shape, Table};
use crate::kinds;

pub(super) static RUN: Table = Table {
    path: "run[]",
    what: "a mapping like `{ name: build module, script: \"dkms autoinstall\\n\" }`",
    about: "\
Runs in the guest's tree, in a sandbox (docs/sandbox.md) without a network unless the entry asks for one and the command line gives
it one (`--network host`). What it changes becomes part of the image, but for what is under `/tmp`, `/run`, `/dev`, `/proc` and `/sys`, and
for lists, archives and logs of package managers. An exit status other than 0 ends the run and nothing is written. `at` says when; entries
of one place run in the recipe's order.",
    example: "\
run:
  - name: build the driver
    at: after-packages
    kernel: image
    timeout: 10m
    script: |
      dkms autoinstall -k \"$(uname -r)\"
  - { name: trust the host keys, command: [ssh-keyscan, -H, git.example], network: true, user: debian }
",
    rules: &[Rule::One(&["script", "command", "source"]), Rule::Needs("args", &["source", "script"])],
    keys: &[
        Key::new("name", Shape::Text(&kinds::TITLE), "build the driver", "What messages call it.")
            .default("its place in the list")
            .also(&["title", "description"]),
        Key::new(
            "at",
            Shape::Choice(&["before-packages", "after-packages", "after-files", "before-reset"]),
            "after-packages",
            "When it runs, in the order of application.",
        )
        .default("`before-reset`")
        .also(&["stage", "phase"]),
        Key::new(
            "script",
            Shape::Text(&kinds::SCRIPT),
            "\"dkms autoinstall\\n\"",
            "Text of a script: run by the interpreter of its `#!` line, else by `/bin/sh -e`.",
        )
        .also(&["shell", "inline", "run", "content"]),
        Key::new(
            "command",
            Shape::OneOrMore(&Shape::Text(&kinds::ARGUMENT)),
            "[dkms, autoinstall]",
            "A program and its arguments; a single string is one line for `/bin/sh -c`.",
        )
        .also(&["cmd", "exec"]),
        Key::new(
            "source",
            Shape::Text(&kinds::HOST_PATH),
            "files/setup.sh",
            "A local script, relative to the recipe's folder.",
        )
        .also(&["file", "path", "src"]),
        Key::new(
            "args",
            Shape::List(&Shape::Text(&kinds::ARGUMENT)),
            "[--quiet]",
            "Arguments of the script.",
        )
        .also(&["arguments", "argv"]),
        Key::new(
            "env",
            Shape::Map(&kinds::ENVIRONMENT_NAME, &Shape::Text(&kinds::ENVIRONMENT_VALUE)),
            "{ DEBIAN_FRONTEND: noninteractive }",
            "Environment variables.",
        )
        .also(&["environment", "environment_vars"]),
        Key::new("cwd", Shape::Text(&kinds::GUEST_PATH), "/root", "The folder it begins in.")
            .default("`/`")
            .also(&["chdir", "workdir", "working_directory"]),
        Key::new("user", Shape::Text(&kinds::PRINCIPAL), "debian", "Who runs it.")
            .default("`root`")
            .also(&["run_as", "become_user", "uid"]),
        Key::new("network", Shape::Boolean, "true", "Whether it reaches the network.").default("`false`"),
        Key::new(
            "kernel",
            Shape::Choice(&["image", "host"]),
            "image",
            "Which kernel `uname` tells of: the image's newest, or the one that runs.",
        )
        .default("`host`")
        .later_but("host"),
        Key::new("timeout", Shape::Text(&kinds::DURATION), "10m", "How long it may take.").default("no limit"),
        Key::new(
            "otherwise",
            Shape::Choice(&["fail", "first-boot"]),
            "first-boot",
            "What to do where guest programs cannot run: refuse, or put it off until the first boot.",
        )
        .default("`fail`")
        .also(&["fallback"])
        .later_but("fail"),
        Key::when(),
    ],
};
