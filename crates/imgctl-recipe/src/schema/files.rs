//! `files`: what is where.

use super::source::CHECKSUMS;
use super::{Key, Rule, Shape, Table};
use crate::kinds;

pub(super) static FILE: Table = Table {
    path: "files[]",
    what: "a mapping like `{ path: /etc/motd, content: \"welcome\\n\" }`",
    about: "\
Each entry names a path and at most one thing to do with it: `content`, `source`, `template` or `url` (a regular file with these bytes),
`type: file` (one that may hold anything), `type: directory`, `target` (a symbolic link), `append`, `line`, `edit` (parts of a text),
`tree` (a local directory), `archive` (a local tar file), `copy`, `move` (of the guest's own), `state: empty` or `state: absent`. With
only `mode`, `owner`, `group`, `acl`, `capabilities` or `xattrs`, what is there gets them. Parents are made as needed. Entries apply in order.",
    example: "\
files:
  - { path: /etc/motd, content: \"made with imgctl\\n\" }
  - { path: /etc/ssh/sshd_config.d/10-golden.conf, mode: \"0600\", content: \"PasswordAuthentication no\\n\" }
  - { path: /opt/agent, type: directory, owner: root, group: adm, mode: \"0750\" }
  - { path: /usr/local/bin/editor, target: /usr/bin/vim }
  - { path: /etc/hosts, append: \"192.0.2.1 registry\\n\" }
  - { path: /etc/default/grub, match: '^GRUB_TIMEOUT=', line: GRUB_TIMEOUT=1 }
  - { path: /etc/ssh/sshd_config, insert_before: '^Match ', line: AllowUsers admin }
  - { path: /etc/ssh/sshd_config, edit: 's/^#?(PermitRootLogin)\\s.*/$1 no/' }
  - { path: /opt/agent, owner: root, group: adm, mode: 'u=rwX,g=rX,o=', recursive: true }
  - { path: /usr/bin/agent, capabilities: cap_net_bind_service+ep }
  - { path: /srv/www, acl: ['u:www-data:rX', 'd:u:www-data:rX'] }
  - { path: /var/log/*.log, state: empty }
  - { path: /etc/cron.daily/*, state: absent }
",
    rules: &[
        Rule::Needs("sha256", &["url"]),
        Rule::Needs("checksums", &["url"]),
        Rule::OneAtMost(&["sha256", "checksums"]),
        Rule::OneAtMost(&["insert_before", "insert_after"]),
        Rule::Needs("insert_before", &["line"]),
        Rule::Needs("insert_after", &["line"]),
        Rule::Needs("preserve", &["tree"]),
        Rule::Needs("strip_components", &["archive"]),
        Rule::Needs("recursive", &["mode", "owner", "group", "acl", "xattrs", "remove_xattrs", "state"]),
    ],
    keys: &[
        Key::new(
            "path",
            Shape::Text(&kinds::GUEST_PATH),
            "/etc/motd",
            "The absolute path in the guest; with `state: absent` and `state: empty` a glob (`*`, `?`, `[…]`, `{a,b}`) in which `*` does not match `/` or a name that begins with `.`.",
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
            Shape::Choice(&["present", "absent", "empty"]),
            "absent",
            "`absent` removes what is there, a directory with all it holds; `empty` leaves files without content, with `recursive` all of a directory.",
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
            "insert_before",
            Shape::Text(&kinds::REGEX),
            "'^Match '",
            "A regular expression: where the file has no `line` yet, it goes before the last line that matches, or to the end.",
        )
        .also(&["insertbefore", "before"]),
        Key::new(
            "insert_after",
            Shape::Text(&kinds::REGEX),
            "'^#?Port '",
            "Likewise, after the last line that matches.",
        )
        .also(&["insertafter", "after"]),
        Key::new(
            "edit",
            Shape::Text(&kinds::EDIT),
            "'s/^#?(PermitRootLogin)\\s.*/$1 no/'",
            "Perl for every line, as `virt-customize --edit` takes it; done twice it must change nothing. `/…/d` deletes lines.",
        )
        .also(&["sed", "perl", "replace", "substitute"]),
        Key::new(
            "tree",
            Shape::Text(&kinds::HOST_DIRECTORY),
            "files/etc",
            "A directory of this machine: all it holds is put into `path`, which is made; what else is there stays.",
        )
        .also(&["copy_in", "directory", "dir", "folder"]),
        Key::new(
            "preserve",
            Shape::List(&Shape::Choice(&["owners", "times", "xattrs"])),
            "[owners, times]",
            "What of a `tree` is as on this machine, besides content, kind and mode: owners as numbers, times of change, extended attributes.",
        )
        .default("none: new files are root's, their time is the run's"),
        Key::new(
            "archive",
            Shape::Text(&kinds::HOST_PATH),
            "files/agent.tar.zst",
            "A tar archive of this machine (plain, gzip, xz or zstd) that is unpacked into `path`, with its owners and times.",
        )
        .also(&["tar", "tar_in", "tarball", "unarchive", "unpack"]),
        Key::new(
            "strip_components",
            Shape::Integer(0, 100),
            "1",
            "How many leading names of each path in the `archive` to leave out.",
        )
        .default("`0`")
        .also(&["strip"]),
        Key::new(
            "copy",
            Shape::Text(&kinds::GUEST_PATH),
            "/etc/skel",
            "What is at this path of the guest is copied to `path`, with owners, modes, times and attributes.",
        )
        .also(&["copy_from", "cp"]),
        Key::new(
            "move",
            Shape::Text(&kinds::GUEST_PATH),
            "/etc/motd.old",
            "What is at this path of the guest is moved to `path`; where it was moved already, nothing happens.",
        )
        .also(&["rename", "mv", "move_from"]),
        Key::new(
            "mode",
            Shape::Text(&kinds::FILE_MODE),
            "\"0644\"",
            "Permission bits: octal, in quotes, or symbolic like `u+x,go-w` or `a=rX`.",
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
            "recursive",
            Shape::Boolean,
            "true",
            "Whether `mode`, `owner`, `group`, `acl`, `xattrs` and `state: empty` are for everything below, too.",
        )
        .default("`false`")
        .also(&["recurse"]),
        Key::new(
            "acl",
            Shape::OneOrMore(&Shape::Text(&kinds::ACL_ENTRY)),
            "['u:www-data:rX', 'd:g:adm:r']",
            "Entries of access control lists, as for `setfacl -m`; others stay. `none` takes all away.",
        )
        .also(&["acls", "facl", "setfacl"]),
        Key::new(
            "capabilities",
            Shape::Text(&kinds::CAPABILITIES),
            "cap_net_bind_service+ep",
            "Capabilities that a program gets when it starts, as for setcap; `none` takes them away.",
        )
        .also(&["caps", "capability", "setcap"]),
        Key::new(
            "xattrs",
            Shape::Map(&kinds::XATTR_NAME, &Shape::Text(&kinds::XATTR_VALUE)),
            "{ user.origin: golden }",
            "Extended attributes with their values: text, or `0x…` in hexadecimal, or `0s…` in base64.",
        )
        .also(&["xattr", "attributes", "setfattr"]),
        Key::new(
            "remove_xattrs",
            Shape::OneOrMore(&Shape::Text(&kinds::XATTR_NAME)),
            "[user.origin]",
            "Extended attributes that are not to be there.",
        ),
        Key::new(
            "template",
            Shape::Text(&kinds::HOST_PATH),
            "files/chrony.conf.tmpl",
            "A local file whose `${{ … }}` are filled in; the result is the whole file.",
        )
        .also(&["tmpl"]),
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
