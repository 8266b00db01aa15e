//! `packages.repos`: where packages come from.

use super::{Key, Rule, Shape, Table};
use crate::kinds;

pub(super) static REPO: Table = Table {
    path: "packages.repos[]",
    what: "a mapping like `{ id: k8s, baseurl: \"https://mirror.example/k8s\" }`",
    about: "\
`uri` and what goes with it for apt; `baseurl` for dnf, zypper, apk and pacman. A file of the entry's name is written where the
package manager of the guest looks for it: `/etc/apt/sources.list.d/ID.sources`, `/etc/yum.repos.d/ID.repo`,
`/etc/zypp/repos.d/ID.repo`, a line of `/etc/apk/repositories`, a section of `/etc/pacman.conf`.",
    example: "\
packages:
  repos:
    - { id: backports, uri: \"http://mirror.example/debian\", suite: trixie-backports, components: [main, contrib],
        signed_by: debian-archive-keyring }
    - { id: k8s, baseurl: \"https://mirror.example/k8s/x86_64\", gpgkey: \"https://mirror.example/k8s/key\" }
    - { id: vendor, uri: \"https://mirror.example/vendor\", suite: stable, key: { source: keys/vendor.asc } }
",
    rules: &[
        Rule::One(&["uri", "baseurl", "mirrorlist", "metalink"]),
        Rule::OneAtMost(&["signed_by", "gpgkey", "key"]),
        Rule::Needs("uri", &["suite"]),
        Rule::Needs("suite", &["uri"]),
        Rule::Needs("components", &["uri"]),
        Rule::Needs("architectures", &["uri"]),
        Rule::Needs("types", &["uri"]),
        Rule::Needs("format", &["uri"]),
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
        Key::new("uri", Shape::Text(&kinds::URL), "http://mirror.example/debian", "An apt archive.")
            .also(&["uris", "mirror"]),
        Key::new(
            "suite",
            Shape::Text(&kinds::WORD),
            "trixie-backports",
            "The suite of an apt archive; one that ends in `/` is a folder and has no components.",
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
            "architectures",
            Shape::List(&Shape::Text(&kinds::WORD)),
            "[amd64]",
            "The architectures that apt takes from it.",
        )
        .default("the guest's")
        .also(&["arch", "architecture"]),
        Key::new(
            "types",
            Shape::List(&Shape::Choice(&["deb", "deb-src"])),
            "[deb, deb-src]",
            "Whether packages, their sources or both come from it.",
        )
        .default("`[deb]`")
        .also(&["type"]),
        Key::new(
            "format",
            Shape::Choice(&["deb822", "one-line"]),
            "one-line",
            "`deb822`: fields in `ID.sources`; `one-line`: a line in `ID.list`.",
        )
        .default("`deb822`"),
        Key::new(
            "signed_by",
            Shape::Text(&kinds::KEYRING),
            "debian-archive-keyring",
            "The keyring that signs an apt archive: a name in the guest's `/usr/share/keyrings`, an absolute path of the guest, \
             or a local file (with `/` or an ending).",
        )
        .default("the guest's own keyrings")
        .also(&["keyring"]),
        Key::new(
            "baseurl",
            Shape::Text(&kinds::URL),
            "https://mirror.example/k8s/x86_64",
            "A repository of dnf, zypper, apk or pacman.",
        )
        .also(&["url", "base_url", "server"]),
        Key::new(
            "mirrorlist",
            Shape::Text(&kinds::URL),
            "https://mirror.example/list",
            "A list of mirrors of a dnf or zypper repository.",
        )
        .also(&["mirror_list"]),
        Key::new(
            "metalink",
            Shape::Text(&kinds::URL),
            "https://mirror.example/metalink",
            "A list of mirrors of a dnf repository, with digests.",
        ),
        Key::new(
            "gpgkey",
            Shape::OneOrMore(&Shape::Text(&kinds::URL_OR_PATH)),
            "https://mirror.example/k8s/key",
            "The key that signs its packages: an address, which the guest's dnf or zypper fetches it from, or a local file.",
        )
        .default("the guest's own keys")
        .also(&["gpg_key"]),
        Key::new(
            "key",
            Shape::Table(&KEY),
            "{ source: keys/vendor.asc }",
            "The key that signs it, which goes into the guest.",
        )
        .default("the guest's own keys"),
        Key::new(
            "gpgcheck",
            Shape::Boolean,
            "true",
            "Whether packages, for apt the archive, must be signed.",
        )
        .default("`true`")
        .also(&["gpg_check", "signed"]),
        Key::new("enabled", Shape::Boolean, "false", "Whether the guest uses it later on.")
            .default("`true`")
            .also(&["enable"]),
        Key::new(
            "priority",
            Shape::Integer(1, 1000),
            "500",
            "As the guest's package manager means it; apt gets a pin of the archive's host in `/etc/apt/preferences.d`.",
        )
        .default("the manager's"),
        Key::when(),
    ],
};

static KEY: Table = Table {
    path: "packages.repos[].key",
    what: "a mapping like `{ source: keys/vendor.asc }`",
    about: "A public key of OpenPGP, armored or not (for apk one of RSA): `/etc/apt/keyrings/ID.asc` or `.gpg`, or `/etc/pki/rpm-gpg/RPM-GPG-KEY-ID`.",
    example: "\
packages:
  repos:
    - id: vendor
      uri: https://mirror.example/vendor
      suite: stable
      key: { source: keys/vendor.asc, fingerprint: FF8097335A57E485B19B1E67FDABDFC45FA492E4 }
",
    rules: &[Rule::One(&["source", "secret", "content", "url"])],
    keys: &[
        Key::new(
            "source",
            Shape::Text(&kinds::HOST_PATH),
            "keys/vendor.asc",
            "A local file, relative to the recipe's folder.",
        )
        .also(&["file", "path", "src"]),
        Key::new(
            "secret",
            Shape::Text(&kinds::SECRET_NAME),
            "vendor_key",
            "The name of a secret that holds it.",
        ),
        Key::new(
            "content",
            Shape::Text(&kinds::CONTENT),
            "\"-----BEGIN PGP PUBLIC KEY BLOCK-----\\n…\\n-----END PGP PUBLIC KEY BLOCK-----\\n\"",
            "The text itself.",
        )
        .also(&["inline", "text", "armored"]),
        Key::new(
            "url",
            Shape::Text(&kinds::URL),
            "https://mirror.example/vendor.asc",
            "Where to fetch it.",
        )
        .later(),
        Key::new(
            "sha256",
            Shape::Text(&kinds::SHA256),
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "The digest that it must have.",
        )
        .also(&["digest", "checksum"]),
        Key::new(
            "fingerprint",
            Shape::Text(&kinds::FINGERPRINT),
            "FF8097335A57E485B19B1E67FDABDFC45FA492E4",
            "The fingerprint that a key in it must have.",
        )
        .also(&["fpr", "keyid"]),
    ],
};
