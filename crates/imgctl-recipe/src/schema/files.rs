//! `files`: what is where.

use super::source::CHECKSUMS;
use super::{Key, Rule, Shape, Table};
use crate::kinds;

pub(super) static FILE: Table = Table {
    path: "files[]",
    what: "a mapping like `{ path: /etc/motd, content: \"welcome\\n\" }`",
    about: "\
Each entry names a path and at most one thing to do with it: `content` or `source` (a regular file with these bytes),
`type: directory`, `target` (a symbolic link), `append`, `line`, `template`, `url`, or `state: absent`. With only `mode`, `owner` or `group`,
what is there gets them. Parents are made as needed. Entries apply in order.",
    example: "\
files:
  - { path: /etc/motd, content: \"made with imgctl\\n\" }
  - { path: /etc/ssh/sshd_config.d/10-golden.conf, mode: \"0600\", content: \"PasswordAuthentication no\\n\" }
  - { path: /opt/agent, type: directory, owner: root, group: adm, mode: \"0750\" }
  - { path: /usr/local/bin/editor, target: /usr/bin/vim }
  - { path: /etc/hosts, append: \"192.0.2.1 registry\\n\" }
  - { path: /etc/default/grub, match: '^GRUB_TIMEOUT=', line: GRUB_TIMEOUT=1 }
  - { path: /etc/cron.daily/*, state: absent }
",
    rules: &[Rule::Needs("sha256", &["url"]), Rule::Needs("checksums", &["url"]), Rule::OneAtMost(&["sha256", "checksums"])],
    keys: &[
        Key::new(
            "path",
            Shape::Text(&kinds::GUEST_PATH),
            "/etc/motd",
            "The absolute path in the guest; with `state: absent` a glob (`*`, `?`, `[…]`, `{a,b}`) in which `*` does not match `/` or a name that begins with `.`.",
        )
        .required()
        .also(&["dest", "destination", "dst", "name", "to"]),
        Key::new(
            "type",
            Shape::Choice(&["file", "directory", "symlink"]),
            "directory",
            "What is at the path.",
        )
        .default("`symlink` with `target`, else `file`")
        .also(&["kind"]),
        Key::new(
            "state",
            Shape::Choice(&["present", "absent"]),
            "absent",
            "`absent` removes what is there, a directory with all it holds.",
        )
        .default("`present`")
        .also(&["ensure"]),
        Key::new(
            "content",
            Shape::Text(&kinds::CONTENT),
            "\"welcome\\n\"",
            "The whole file.",
        )
        .default("none")
        .also(&["contents", "text", "inline", "data"]),
        Key::new(
            "source",
            Shape::Text(&kinds::HOST_PATH),
            "files/motd",
            "A file of this machine with the whole content, relative to the recipe's folder.",
        )
        .default("none")
        .also(&["src", "from", "local"]),
        Key::new(
            "target",
            Shape::Text(&kinds::LINK_TARGET),
            "../lib/agent",
            "Where a symbolic link leads, as it is stored.",
        )
        .default("none")
        .also(&["link", "to", "link_to"]),
        Key::new(
            "append",
            Shape::Text(&kinds::CONTENT),
            "\"192.0.2.1 registry\\n\"",
            "Text for the end of the file, unless it holds these lines already.",
        )
        .default("none"),
        Key::new(
            "line",
            Shape::Text(&kinds::LINE),
            "GRUB_TIMEOUT=1",
            "A line that the file must have.",
        )
        .default("none")
        .also(&["lineinfile"]),
        Key::new(
            "match",
            Shape::Text(&kinds::REGEX),
            "'^GRUB_TIMEOUT='",
            "A regular expression: the last line that matches becomes `line`, which else is added at the end.",
        )
        .default("none")
        .also(&["regexp", "regex", "pattern"]),
        Key::new(
            "mode",
            Shape::Text(&kinds::MODE),
            "\"0644\"",
            "Permission bits, octal, in quotes.",
        )
        .default("`\"0644\"` for a new file, `\"0755\"` for a new directory, else unchanged")
        .also(&["permissions", "perms", "perm", "chmod"]),
        Key::new(
            "owner",
            Shape::Text(&kinds::PRINCIPAL),
            "root",
            "A user of the guest, or a number.",
        )
        .default("`root` for what is new, else unchanged")
        .also(&["user", "uid", "chown"]),
        Key::new(
            "group",
            Shape::Text(&kinds::PRINCIPAL),
            "adm",
            "A group of the guest, or a number.",
        )
        .default("`root` for what is new, else unchanged")
        .also(&["gid", "grp"]),
        Key::new(
            "template",
            Shape::Text(&kinds::HOST_PATH),
            "files/chrony.conf.tmpl",
            "A local file whose `${{ … }}` are filled in; the result is the whole file.",
        )
        .also(&["tmpl"])
        .later(),
        Key::new(
            "url",
            Shape::Text(&kinds::URL),
            "https://mirror.example/agent",
            "Where to fetch the whole file; its digest comes from `sha256` or `checksums`.",
        )
        .also(&["src", "download", "fetch", "href"])
        .later(),
        Key::new(
            "sha256",
            Shape::Text(&kinds::SHA256),
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "The digest of what `url` gives.",
        )
        .also(&["digest", "checksum", "sha256sum"])
        .later(),
        Key::new(
            "checksums",
            Shape::Table(&CHECKSUMS),
            "{ url: \"https://mirror.example/SHA256SUMS\" }",
            "Where the digest of what `url` gives is listed.",
        )
        .later(),
        Key::when(),
    ],
};
