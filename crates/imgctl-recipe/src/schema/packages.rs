//! `packages`: repositories, and what is installed.

use super::{Key, Rule, Shape, Table};
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
            Shape::List(&Shape::Table(&REPO)),
            "[{ id: k8s, baseurl: \"https://mirror.example/k8s\", gpgkey: \"https://mirror.example/key\" }]",
            "Repositories to add; they stay in the image.",
        )
        .also(&["repositories", "sources", "repo"]).later(),
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

static REPO: Table = Table {
    path: "packages.repos[]",
    what: "a mapping like `{ id: k8s, baseurl: \"https://mirror.example/k8s\" }`",
    about: "`uri` and what goes with it for apt; `baseurl` for dnf and zypper.",
    example: "\
packages:
  repos:
    - { id: backports, uri: \"http://mirror.example/debian\", suite: trixie-backports, components: [main, contrib],
        signed_by: debian-archive-keyring }
    - { id: k8s, baseurl: \"https://mirror.example/k8s/x86_64\", gpgkey: \"https://mirror.example/k8s/key\" }
",
    rules: &[
        Rule::One(&["uri", "baseurl"]),
        Rule::Needs("uri", &["suite"]),
        Rule::Needs("suite", &["uri"]),
        Rule::Needs("components", &["uri"]),
        Rule::Needs("signed_by", &["uri"]),
    ],
    keys: &[
        Key::new(
            "id",
            Shape::Text(&kinds::DROP_IN),
            "backports",
            "Its name, also that of the file in the guest.",
        )
        .required()
        .also(&["name", "repo"]),
        Key::new(
            "uri",
            Shape::Text(&kinds::URL),
            "http://mirror.example/debian",
            "An apt archive.",
        )
        .also(&["uris", "mirror"]),
        Key::new(
            "suite",
            Shape::Text(&kinds::WORD),
            "trixie-backports",
            "The suite of an apt archive.",
        )
        .default("needed with `uri`")
        .also(&["suites", "distribution", "codename"]),
        Key::new(
            "components",
            Shape::List(&Shape::Text(&kinds::WORD)),
            "[main, contrib]",
            "The components of an apt suite.",
        )
        .default("`[main]`; none for a suite that ends in `/`")
        .also(&["component"]),
        Key::new(
            "signed_by",
            Shape::Text(&kinds::KEYRING),
            "debian-archive-keyring",
            "The keyring that signs an apt archive: one of the guest's, or a local file.",
        )
        .default("the guest's own keyrings")
        .also(&["keyring", "key"]),
        Key::new(
            "baseurl",
            Shape::Text(&kinds::URL),
            "https://mirror.example/k8s/x86_64",
            "A dnf or zypper repository.",
        )
        .also(&["url", "base_url"]),
        Key::new(
            "gpgkey",
            Shape::OneOrMore(&Shape::Text(&kinds::URL_OR_PATH)),
            "https://mirror.example/k8s/key",
            "The key that signs its packages: an address, or a local file.",
        )
        .default("the guest's own keys")
        .also(&["gpg_key"]),
        Key::new(
            "enabled",
            Shape::Boolean,
            "false",
            "Whether the guest uses it later on.",
        )
        .default("`true`")
        .also(&["enable"]),
        Key::new(
            "priority",
            Shape::Integer(1, 1000),
            "500",
            "As the guest's package manager means it.",
        )
        .default("the manager's"),
        Key::when(),
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
