//! Recipe v1, key by key.

use super::{Key, Shape, Table};
use crate::kinds;

/// The whole recipe.
pub(crate) static RECIPE: Table = Table {
    path: "",
    what: "a mapping that begins with `apiVersion: imgctl/v1`",
    about: "A recipe is one YAML document. It says what should exist in the image; sections can be given in any order.",
    example: "\
hostname: golden
files:
  - { path: /etc/motd, content: \"made with imgctl\\n\" }
reset: { profile: golden }
",
    keys: &[
        Key::new(
            "apiVersion",
            Shape::Choice(&["imgctl/v1"]),
            "imgctl/v1",
            "The version of the language.",
        )
        .required()
        .also(&["api_version", "version"]),
        Key::new("kind", Shape::Choice(&["Recipe"]), "Recipe", "What the document is.").required(),
        Key::new(
            "metadata",
            Shape::Table(&METADATA),
            "{ name: debian13-node }",
            "What the recipe is called.",
        )
        .default("none"),
        Key::new(
            "hostname",
            Shape::Text(&kinds::HOSTNAME),
            "golden",
            "The guest's name, in `/etc/hostname`.",
        )
        .default("unchanged")
        .also(&["host_name", "fqdn"]),
        Key::new(
            "users",
            Shape::List(&Shape::Table(&USER)),
            "[{ name: debian, ssh_authorized_keys: [\"ssh-ed25519 AAAA… me\"] }]",
            "Existing users and who may log in as them.",
        )
        .default("unchanged")
        .also(&["user", "accounts"]),
        Key::new(
            "files",
            Shape::List(&Shape::Table(&FILE)),
            "[{ path: /etc/motd, content: \"welcome\\n\" }]",
            "Files, directories and symbolic links, in order.",
        )
        .default("unchanged")
        .also(&["write_files", "file", "copy", "upload"]),
        Key::new(
            "services",
            Shape::Table(&SERVICES),
            "{ enable: [ssh] }",
            "Which systemd units start at boot.",
        )
        .default("unchanged")
        .also(&["units", "systemd"]),
        Key::new(
            "reset",
            Shape::Table(&RESET),
            "{ profile: golden }",
            "What must not travel from this machine to its clones.",
        )
        .default("nothing is reset")
        .also(&["sysprep"]),
        Key::new(
            "outputs",
            Shape::Table(&OUTPUTS),
            "{ images: [{ path: golden.qcow2 }] }",
            "What is written; the command line wins over it.",
        )
        .default("the command line says it")
        .also(&["output"]),
        Key::later("extends", "Recipes that this one builds on."),
        Key::later("vars", "Typed variables for `${{ … }}`.").also(&["variables"]),
        Key::later("secrets", "Values that no log shows."),
        Key::later("source", "Where the base image comes from.").also(&["base", "image"]),
        Key::later("expect", "What the base image must be."),
        Key::later("disk", "The disk's size and layout."),
        Key::later("trust", "Certificate authorities to trust.").also(&["ca_certs"]),
        Key::later("packages", "Packages to install, update and remove.").also(&["package"]),
        Key::later("kernel", "Kernel command line, modules and initramfs."),
        Key::later("sysctl", "Kernel parameters."),
        Key::later("timezone", "The guest's time zone."),
        Key::later("locale", "The guest's language."),
        Key::later("run", "Scripts that run in the guest.").also(&["runcmd", "script", "commands"]),
        Key::later("selinux", "How files are labelled."),
        Key::later("ansible", "A playbook to apply."),
        Key::later("verify", "What must be true of the result.").also(&["tests", "checks"]),
    ],
};

static METADATA: Table = Table {
    path: "metadata",
    what: "a mapping like `{ name: debian13-node }`",
    about: "Names for people and inventories; nothing in the image depends on them.",
    example: "metadata: { name: debian13-node, version: 1.0.0, labels: { consumer: proxmox } }\n",
    keys: &[
        Key::new(
            "name",
            Shape::Text(&kinds::NAME),
            "debian13-node",
            "The recipe's name: letters, digits, `.`, `_` and `-`.",
        )
        .default("none"),
        Key::new(
            "version",
            Shape::Text(&kinds::VERSION),
            "\"1.10\"",
            "The recipe's version; quote it if it looks like a number.",
        )
        .default("none"),
        Key::new(
            "labels",
            Shape::Map(&kinds::LABEL_NAME, &kinds::LABEL),
            "{ consumer: proxmox }",
            "Any names with any values.",
        )
        .default("none"),
    ],
};

static USER: Table = Table {
    path: "users[]",
    what: "a mapping like `{ name: debian, ssh_authorized_keys: [\"ssh-ed25519 AAAA…\"] }`",
    about: "The user must exist in the guest. Keys that are authorized already stay.",
    example: "\
users:
  - name: debian
    ssh_authorized_keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@example.com
",
    keys: &[
        Key::new("name", Shape::Text(&kinds::USER_NAME), "debian", "An existing user.")
            .required()
            .also(&["user", "username", "login"]),
        Key::new(
            "ssh_authorized_keys",
            Shape::List(&Shape::Text(&kinds::SSH_KEY)),
            "[\"ssh-ed25519 AAAA… me\"]",
            "Public keys that may log in, each as a line of `authorized_keys`: options, type, key, comment.",
        )
        .required()
        .also(&["ssh_keys", "authorized_keys", "ssh_key", "keys", "ssh_import_id"]),
        Key::later("password", "The user's password.").also(&["passwd", "plain_text_passwd", "hashed_passwd"]),
        Key::later("groups", "Groups the user is in."),
        Key::later("shell", "The login shell."),
        Key::later("sudo", "What the user may do as root."),
        Key::later("state", "Whether the user exists."),
        Key::later("when", "A condition."),
    ],
};

static FILE: Table = Table {
    path: "files[]",
    what: "a mapping like `{ path: /etc/motd, content: \"welcome\\n\" }`",
    about: "\
Each entry names a path and at most one thing to do with it: `content` or `source` (a regular file with these bytes),
`type: directory`, `target` (a symbolic link), `append`, `line`, or `state: absent`. With only `mode`, `owner` or `group`,
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
        Key::later("template", "A local file with `${{ … }}` to fill in."),
        Key::later("url", "Where to fetch the content."),
        Key::later("sha256", "The digest of what `url` gives."),
        Key::later("checksums", "Where the digest of what `url` gives is listed."),
        Key::later("when", "A condition."),
    ],
};

static SERVICES: Table = Table {
    path: "services",
    what: "a mapping like `{ enable: [ssh] }`",
    about: "Names without a suffix are services. `enable` does what `systemctl enable` does, by the unit's own `[Install]` section.",
    example: "services: { enable: [ssh, fstrim.timer], disable: [apt-daily.timer], mask: [ctrl-alt-del.target] }\n",
    keys: &[
        Key::new(
            "enable",
            Shape::List(&Shape::Text(&kinds::UNIT)),
            "[ssh]",
            "Units that start at boot; each must exist.",
        )
        .default("none")
        .also(&["enabled", "start"]),
        Key::new(
            "disable",
            Shape::List(&Shape::Text(&kinds::UNIT)),
            "[apt-daily.timer]",
            "Units that do not start at boot.",
        )
        .default("none")
        .also(&["disabled", "stop"]),
        Key::new(
            "mask",
            Shape::List(&Shape::Text(&kinds::UNIT)),
            "[ctrl-alt-del.target]",
            "Units that nothing can start.",
        )
        .default("none")
        .also(&["masked"]),
        Key::later("when", "A condition."),
    ],
};

static RESET: Table = Table {
    path: "reset",
    what: "a mapping like `{ profile: golden }`",
    about: "\
Takes the identity and the traces of one machine out of the image. Each operation can be switched on (`true`) or off
(`false`) by its key; the profile says the others.",
    example: "reset: { profile: golden, machine_id: empty, logs: false }\n",
    keys: &[
        Key::new(
            "profile",
            Shape::Choice(&["golden", "none"]),
            "golden",
            "`golden`: every operation below; `none`: only those that are `true`.",
        )
        .default("`golden`"),
        Key::new(
            "machine_id",
            Shape::Choice(&["empty", "uninitialized", "keep"]),
            "empty",
            "`/etc/machine-id`: `empty` gives a new id at first boot, `uninitialized` also runs `ConditionFirstBoot=` units.",
        )
        .default("`empty`; `keep` with `profile: none`"),
        Key::new("ssh_hostkeys", Shape::Boolean, "true", "SSH host keys; the guest makes new ones at its first boot.")
            .default("by profile")
            .also(&["ssh_host_keys", "hostkeys"]),
        Key::new("cloud_init", Shape::Boolean, "true", "cloud-init's state, as `cloud-init clean --logs --seed`.")
            .default("by profile"),
        Key::new("logs", Shape::Boolean, "true", "Log files and the journal.")
            .default("by profile")
            .also(&["logfiles", "journal"]),
        Key::new("package_cache", Shape::Boolean, "true", "What package managers have downloaded.")
            .default("by profile")
            .also(&["pkg_cache", "cache", "caches"]),
        Key::new("shell_history", Shape::Boolean, "true", "Histories of shells.")
            .default("by profile")
            .also(&["bash_history", "history"]),
        Key::new("random_seed", Shape::Boolean, "true", "Stored random seeds and systemd's credential secret.")
            .default("by profile")
            .also(&["seed"]),
        Key::new("tmp", Shape::Boolean, "true", "What lies in `/tmp` and `/var/tmp`.")
            .default("by profile")
            .also(&["tmp_files", "temp"]),
        Key::new("dhcp_state", Shape::Boolean, "true", "DHCP leases and other network identity.")
            .default("by profile")
            .also(&["dhcp_client_state", "dhcp", "leases"]),
        Key::later("ssh_authorized_keys", "Users whose authorized keys go."),
        Key::later("keep_authorized_keys", "Users whose authorized keys stay."),
        Key::later("when", "A condition."),
    ],
};

static OUTPUTS: Table = Table {
    path: "outputs",
    what: "a mapping like `{ images: [{ path: golden.qcow2 }] }`",
    about: "One image for now.",
    example: "\
outputs:
  defaults: { compression: { type: zlib, level: 9 }, checksums: [sha256] }
  images:
    - { path: golden.qcow2 }
",
    keys: &[
        Key::new(
            "defaults",
            Shape::Table(&DEFAULTS),
            "{ format: qcow2, checksums: [sha256] }",
            "What holds for each image that does not say otherwise.",
        )
        .default("as below"),
        Key::new(
            "images",
            Shape::List(&Shape::Table(&IMAGE)),
            "[{ path: golden.qcow2 }]",
            "The image to write.",
        )
        .default("the command line says it")
        .also(&["image"]),
        Key::later("emit", "Files for the platforms that import the image."),
        Key::later("when", "A condition."),
    ],
};

static FORMATS: &[&str] = &["qcow2", "raw"];

static DEFAULTS: Table = Table {
    path: "outputs.defaults",
    what: "a mapping like `{ format: qcow2 }`",
    about: "",
    example: "",
    keys: &[
        Key::new(
            "format",
            Shape::Choice(FORMATS),
            "qcow2",
            "`qcow2`, or `raw`: a sparse file.",
        )
        .default("`qcow2`"),
        Key::new(
            "compression",
            Shape::Table(&COMPRESSION),
            "{ type: zlib, level: 9 }",
            "How qcow2 clusters are compressed.",
        )
        .default("`{ type: zlib }`"),
        Key::new(
            "checksums",
            Shape::List(&Shape::Choice(&["sha256", "sha512"])),
            "[sha256]",
            "Digests to write beside the image, as `sha256sum -c` reads them.",
        )
        .default("none")
        .also(&["checksum"]),
        Key::new(
            "align",
            Shape::Choice(&["512B"]),
            "512B",
            "The file's length is a multiple of it; always so.",
        )
        .default("`512B`"),
        Key::new(
            "discard_free_blocks",
            Shape::Always(true, "free blocks are never written"),
            "true",
            "What no file uses is not in the image; always so.",
        )
        .default("`true`"),
        Key::later("sbom", "Lists of what is in the image."),
        Key::later("provenance", "A statement of how the image was made."),
    ],
};

static IMAGE: Table = Table {
    path: "outputs.images[]",
    what: "a mapping like `{ path: golden.qcow2 }`",
    about: "",
    example: "",
    keys: &[
        Key::new(
            "path",
            Shape::Text(&kinds::OUTPUT_PATH),
            "golden.qcow2",
            "Where to write, relative to the folder the command runs in.",
        )
        .required()
        .also(&["file", "name", "dest"]),
        Key::new("format", Shape::Choice(FORMATS), "raw", "As in `outputs.defaults`.")
            .default("that of `defaults`")
            .also(&["type"]),
        Key::new(
            "compression",
            Shape::Table(&COMPRESSION),
            "{ type: zstd }",
            "As in `outputs.defaults`.",
        )
        .default("that of `defaults`")
        .also(&["compress"]),
        Key::later("when", "A condition."),
    ],
};

static COMPRESSION: Table = Table {
    path: "compression",
    what: "a mapping like `{ type: zlib }`",
    about: "In `outputs.defaults` and in each image. Raw images are not compressed.",
    example: "",
    keys: &[
        Key::new(
            "type",
            Shape::Choice(&["zlib", "zstd", "none"]),
            "zlib",
            "`zlib`: every reader knows it; `zstd`: QEMU 5.1 and later.",
        )
        .required()
        .also(&["kind", "codec", "algorithm"]),
        Key::new(
            "level",
            Shape::Integer(1, 22),
            "9",
            "1 (fast) to 9 (small) for zlib, to 22 for zstd.",
        )
        .default("the codec's"),
    ],
};
