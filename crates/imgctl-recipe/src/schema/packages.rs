//! `packages`: repositories, and what is installed.

use super::{Key, Rule, Shape, Table, repositories};
use crate::kinds;

pub(super) static PACKAGES: Table = Table {
    path: "packages",
    what: "a mapping like `{ install: [qemu-guest-agent] }`",
    about: "\
Done by the guest's own package manager, in this order: repositories, `update`, `install` and `files`, `remove`, `hold`; and
`remove_after` once the `run` hooks at `after-packages` are through. A name can carry a version: `containerd=1.7.2-1`.",
    example: "\
packages:
  update: all
  install: [qemu-guest-agent, chrony, build-essential]
  remove: [snapd]
  remove_after: [build-essential]
",
    rules: &[],
    keys: &[
        Key::new(
            "repos",
            Shape::List(&Shape::Table(&repositories::REPO)),
            "[{ id: k8s, baseurl: \"https://mirror.example/k8s\", gpgkey: \"https://mirror.example/key\" }]",
            "Repositories to add; they stay in the image.",
        )
        .also(&["repositories", "sources", "repo"]),
        Key::new(
            "snapshot",
            Shape::Text(&kinds::TIMESTAMP),
            "2025-11-01T00:00:00Z",
            "Packages come from the distribution's archive as it was at this time.",
        )
        .default("as it is")
        .also(&["as_of", "date"]).later(),
        Key::new(
            "update",
            Shape::Choice(&["all", "security", "none"]),
            "all",
            "What is brought up to date.",
        )
        .default("`none`")
        .also(&["upgrade", "package_upgrade", "dist_upgrade", "full_upgrade"]).later_but("none"),
        Key::new(
            "install",
            Shape::List(&Shape::Text(&kinds::PACKAGE)),
            "[qemu-guest-agent, chrony]",
            "Packages that must be there.",
        )
        .also(&["add", "present", "packages"]).later(),
        Key::new(
            "files",
            Shape::List(&Shape::Table(&PACKAGE_FILE)),
            "[{ source: files/agent_1.0_amd64.deb }]",
            "Packages to install from files.",
        )
        .also(&["urls", "local", "debs", "rpms"]).later(),
        Key::new(
            "remove",
            Shape::List(&Shape::Text(&kinds::PACKAGE_NAME)),
            "[snapd]",
            "Packages that must not be there.",
        )
        .also(&["uninstall", "purge", "absent"]).later(),
        Key::new(
            "hold",
            Shape::List(&Shape::Text(&kinds::PACKAGE_NAME)),
            "[kubelet]",
            "Packages that the guest's own updates leave as they are.",
        )
        .also(&["lock", "versionlock", "pin"]).later(),
        Key::new(
            "remove_after",
            Shape::List(&Shape::Text(&kinds::PACKAGE_NAME)),
            "[build-essential]",
            "Packages that are only needed while the image is made, with what came along with them.",
        )
        .also(&["build_only", "build_depends"]).later(),
        Key::new(
            "recommends",
            Shape::Boolean,
            "false",
            "Whether packages that others only recommend are installed, too.",
        )
        .default("`false`")
        .also(&["install_recommends", "weak_deps"]).later_but("false"),
    ],
};

static PACKAGE_FILE: Table = Table {
    path: "packages.files[]",
    what: "a mapping like `{ source: files/agent_1.0_amd64.deb }`",
    about: "A package from a local file or an address; what comes from an address needs its digest.",
    example: "\
packages:
  files:
    - url: https://mirror.example/agent_1.0_amd64.deb
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
",
    rules: &[Rule::One(&["url", "source"]), Rule::Needs("url", &["sha256"])],
    keys: &[
        Key::new(
            "url",
            Shape::Text(&kinds::URL),
            "https://mirror.example/agent_1.0_amd64.deb",
            "Where to fetch it.",
        ),
        Key::new(
            "source",
            Shape::Text(&kinds::HOST_PATH),
            "files/agent_1.0_amd64.deb",
            "A local file, relative to the recipe's folder.",
        )
        .also(&["path", "file", "src"]),
        Key::new(
            "sha256",
            Shape::Text(&kinds::SHA256),
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "Its digest.",
        )
        .default("needed with `url`")
        .also(&["digest", "checksum"]),
        Key::when(),
    ],
};
