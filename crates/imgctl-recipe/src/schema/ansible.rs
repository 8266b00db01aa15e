//! `ansible`: a playbook for the guest.

use super::{Key, Shape, Table};
use crate::kinds;

pub(super) static ANSIBLE: Table = Table {
    path: "ansible",
    what: "a mapping like `{ playbook: playbooks/bake.yml }`",
    about: "Runs ansible-core of this machine against the guest's tree; no host is contacted.",
    example: "\
ansible:
  playbook: playbooks/bake.yml
  extra_vars: { role: node }
  tags: [bake]
",
    rules: &[],
    keys: &[
        Key::new(
            "playbook",
            Shape::Text(&kinds::HOST_PATH),
            "playbooks/bake.yml",
            "The playbook, a local file.",
        )
        .required()
        .also(&["playbook_file", "file", "path"]),
        Key::new(
            "extra_vars",
            Shape::Map(&kinds::VARIABLE_NAME, &Shape::Any),
            "{ role: node }",
            "Variables for the playbook.",
        )
        .also(&["vars", "variables", "extra_arguments"]),
        Key::new(
            "tags",
            Shape::List(&Shape::Text(&kinds::WORD)),
            "[bake]",
            "Only tasks with one of these tags run.",
        )
        .default("every task"),
        Key::new(
            "skip_tags",
            Shape::List(&Shape::Text(&kinds::WORD)),
            "[reboot]",
            "Tasks with one of these tags do not run.",
        ),
        Key::new(
            "network",
            Shape::Boolean,
            "true",
            "Whether the guest's programs reach the network.",
        )
        .default("`false`"),
        Key::new("timeout", Shape::Text(&kinds::DURATION), "30m", "How long it may take.").default("no limit"),
        Key::when(),
    ],
};
