//! `selinux`: labels.

use super::{Key, Shape, Table};
use crate::kinds;

pub(super) static SELINUX: Table = Table {
    path: "selinux",
    what: "a mapping like `{ relabel: changed }`",
    about: "Labels are set last, by the guest's own policy as it then is.",
    example: "\
selinux:
  relabel: changed
  mode: enforcing
  fcontexts:
    - { path: '/opt/rke2(/.*)?', context: container_file_t }
",
    rules: &[],
    keys: &[
        Key::new(
            "relabel",
            Shape::Choice(&["changed", "full", "none"]),
            "changed",
            "Which files are labelled: those that this run changed, all, or none.",
        )
        .default("`changed`, where the guest uses SELinux")
        .later_but("none"),
        Key::new(
            "mode",
            Shape::Choice(&["enforcing", "permissive", "disabled"]),
            "enforcing",
            "What `/etc/selinux/config` says.",
        )
        .default("unchanged")
        .also(&["state", "selinux"])
        .later(),
        Key::new(
            "fcontexts",
            Shape::List(&Shape::Table(&FCONTEXT)),
            "[{ path: '/opt/rke2(/.*)?', context: container_file_t }]",
            "Rules to add to `file_contexts.local`, as `semanage fcontext -a` does.",
        )
        .also(&["file_contexts", "fcontext", "contexts"])
        .later(),
    ],
};

static FCONTEXT: Table = Table {
    path: "selinux.fcontexts[]",
    what: "a mapping like `{ path: '/opt/rke2(/.*)?', context: container_file_t }`",
    about: "One rule; a later one wins.",
    example: "\
selinux:
  fcontexts:
    - { path: '/opt/agent/bin(/.*)?', context: \"system_u:object_r:bin_t:s0\", type: file }
",
    rules: &[],
    keys: &[
        Key::new(
            "path",
            Shape::Text(&kinds::PATH_PATTERN),
            "'/opt/rke2(/.*)?'",
            "A regular expression for whole paths.",
        )
        .required()
        .also(&["pattern", "regex", "target"]),
        Key::new(
            "context",
            Shape::Text(&kinds::SELINUX_CONTEXT),
            "container_file_t",
            "A type alone, a whole context, or `<<none>>`.",
        )
        .required()
        .also(&["setype", "label"]),
        Key::new(
            "type",
            Shape::Choice(&["any", "file", "directory", "symlink", "socket", "fifo", "char", "block"]),
            "directory",
            "Which kind of file it is for.",
        )
        .default("`any`")
        .also(&["ftype", "kind"]),
        Key::when(),
    ],
};
