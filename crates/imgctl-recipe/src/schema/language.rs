//! The recipe itself: its sections.

use super::{Key, Shape, Table, ansible, cloud_init, disk, files, first_boot, kernel, mounts, network, outputs};
use super::{packages, reset, run, selinux, services, settings, source, sshd, trust, users, variables, verify};
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
    rules: &[],
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
        ),
        Key::new(
            "extends",
            Shape::OneOrMore(&Shape::Text(&kinds::HOST_PATH)),
            "[base.yaml]",
            "Recipes that this one builds on, relative to its folder.",
        )
        .also(&["extend", "include", "includes", "imports", "import", "bases"]),
        Key::new(
            "vars",
            variables::VARIABLES,
            "{ release: { type: string, default: \"1.34\" } }",
            "Typed variables for `${{ vars.… }}`, `--set` and `--vars`.",
        )
        .also(&["variables", "parameters", "inputs"]),
        Key::new(
            "secrets",
            variables::SECRETS,
            "{ token: { env: TOKEN } }",
            "Values that nothing shows, for `${{ secrets.… }}`.",
        )
        .also(&["secret"]),
        Key::new(
            "source",
            Shape::Table(&source::SOURCE),
            "{ url: \"https://mirror.example/debian-13.qcow2\", checksums: { url: \"https://mirror.example/SHA512SUMS\" } }",
            "Where the base image comes from, and how its digest is known.",
        )
        .default("the command line names it")
        .also(&["base", "image", "from"])
        .later(),
        Key::new(
            "expect",
            Shape::Table(&source::EXPECT),
            "{ os: debian, version: \"13\" }",
            "What the base image must be; checked before anything else.",
        )
        .default("anything is taken")
        .also(&["require", "requires", "assert"]),
        Key::new(
            "disk",
            Shape::Table(&disk::DISK),
            "{ size: 16GiB, grow: root }",
            "The disk's size, and what gets the new space.",
        )
        .default("unchanged")
        .also(&["resize", "disk_size"]),
        Key::new(
            "trust",
            Shape::Table(&trust::TRUST),
            "{ ca: [{ source: files/company-ca.pem }] }",
            "Certificate authorities that the guest trusts.",
        )
        .default("unchanged")
        .also(&["ca_certs", "certificates", "ca"]),
        Key::new(
            "packages",
            Shape::Table(&packages::PACKAGES),
            "{ update: all, install: [qemu-guest-agent] }",
            "Repositories, and packages to install, update and remove.",
        )
        .default("unchanged")
        .also(&["package", "apt", "dnf"]),
        Key::new(
            "groups",
            Shape::List(&Shape::Table(&users::GROUP)),
            "[{ name: ops, gid: 2000 }]",
            "Groups and who is in them.",
        )
        .default("unchanged")
        .also(&["group"]),
        Key::new(
            "users",
            Shape::List(&Shape::Table(&users::USER)),
            "[{ name: debian, ssh_authorized_keys: [\"ssh-ed25519 AAAA… me\"] }]",
            "Users and who may log in as them.",
        )
        .default("unchanged")
        .also(&["user", "accounts"]),
        Key::new(
            "files",
            Shape::List(&Shape::Table(&files::FILE)),
            "[{ path: /etc/motd, content: \"welcome\\n\" }]",
            "Files, directories and symbolic links, in order.",
        )
        .default("unchanged")
        .also(&["write_files", "file", "copy", "upload"]),
        Key::new(
            "hostname",
            Shape::Text(&kinds::HOSTNAME),
            "golden",
            "The guest's name: in `/etc/hostname`, and in `/etc/hosts` as the guest's family has it.",
        )
        .default("unchanged")
        .also(&["host_name", "fqdn"]),
        Key::new(
            "timezone",
            Shape::Text(&kinds::TIMEZONE),
            "Europe/Berlin",
            "The guest's time zone, by its name in the tz database; the guest must have it.",
        )
        .default("unchanged")
        .also(&["time_zone", "tz"]),
        Key::new(
            "locale",
            Shape::Text(&kinds::LOCALE),
            "en_US.UTF-8",
            "The guest's language: `LANG`. Nothing is generated; a locale that the guest does not have comes with a warning.",
        )
        .default("unchanged")
        .also(&["lang", "language"]),
        Key::new(
            "keyboard",
            Shape::Table(&settings::KEYBOARD),
            "{ layout: de }",
            "The keyboard of the guest's console.",
        )
        .default("unchanged")
        .also(&["keymap", "keyboard_layout", "vconsole"]),
        Key::new(
            "kernel",
            Shape::Table(&kernel::KERNEL),
            "{ cmdline: { ensure: [net.ifnames=0] }, modules: { load: [overlay] } }",
            "Kernel command line, modules and initramfs.",
        )
        .default("unchanged")
        .also(&["boot", "grub"]),
        Key::new(
            "sysctl",
            Shape::Map(&kinds::DROP_IN, &settings::SYSCTL),
            "{ 99-kubernetes: { net.ipv4.ip_forward: 1 } }",
            "Kernel parameters: each name becomes `/etc/sysctl.d/NAME.conf` with these values.",
        )
        .default("unchanged")
        .also(&["sysctls", "kernel_parameters"]),
        Key::new(
            "fstab",
            Shape::List(&Shape::Table(&mounts::FSTAB)),
            "[{ path: /data, label: data, type: xfs }]",
            "What is mounted where: lines of `/etc/fstab`.",
        )
        .default("unchanged")
        .also(&["mounts", "mount", "filesystems"]),
        Key::new(
            "swap",
            Shape::Table(&mounts::SWAP),
            "{ path: /swapfile, size: 2GiB }",
            "A file to swap to.",
        )
        .default("unchanged")
        .also(&["swapfile", "swap_file"]),
        Key::new(
            "network",
            Shape::Table(&network::NETWORK),
            "{ interfaces: [{ match: \"en*\", dhcp4: true }] }",
            "Network interfaces and name servers.",
        )
        .default("unchanged")
        .also(&["networking", "netplan", "interfaces"]),
        Key::new(
            "cloud_init",
            Shape::Table(&cloud_init::CLOUD_INIT),
            "{ datasources: [NoCloud, None] }",
            "What cloud-init finds in the guest.",
        )
        .default("unchanged")
        .also(&["cloud-init", "cloudinit", "cloud"]),
        Key::new(
            "sshd",
            Shape::Table(&sshd::SSHD),
            "{ password_authentication: false }",
            "How the SSH server lets people in.",
        )
        .default("unchanged")
        .also(&["ssh", "sshd_config"]),
        Key::new(
            "services",
            Shape::Table(&services::SERVICES),
            "{ enable: [ssh] }",
            "Which systemd units start at boot.",
        )
        .default("unchanged")
        .also(&["units", "systemd"]),
        Key::new(
            "first_boot",
            Shape::List(&Shape::Table(&first_boot::FIRST_BOOT)),
            "[{ name: join, script: \"join-cluster\\n\", network: true }]",
            "What runs once in every machine that is made of the image.",
        )
        .default("nothing")
        .also(&["firstboot", "first_boot_scripts", "on_first_boot"]),
        Key::new(
            "run",
            Shape::List(&Shape::Table(&run::RUN)),
            "[{ name: warm up, at: after-files, script: \"ldconfig\\n\" }]",
            "Programs of the guest to run.",
        )
        .default("nothing is run")
        .also(&["runcmd", "script", "scripts", "commands", "provisioners"]),
        Key::new(
            "ansible",
            Shape::Table(&ansible::ANSIBLE),
            "{ playbook: playbooks/bake.yml }",
            "A playbook to apply to the guest.",
        )
        .also(&["playbook"])
        .later(),
        Key::new(
            "reset",
            Shape::Table(&reset::RESET),
            "{ profile: golden }",
            "What must not travel from this machine to its clones.",
        )
        .default("nothing is reset")
        .also(&["sysprep"]),
        Key::new(
            "selinux",
            Shape::Table(&selinux::SELINUX),
            "{ relabel: changed }",
            "How files are labelled.",
        )
        .default("unchanged"),
        Key::new(
            "verify",
            Shape::List(&Shape::Union(&verify::VERIFY)),
            "[{ package: chrony, state: installed }, { glob: \"/etc/ssh/ssh_host_*\", count: 0 }]",
            "What must be true of the result; otherwise nothing is published.",
        )
        .default("nothing is checked")
        .also(&["tests", "checks", "test", "validate"]),
        Key::new(
            "outputs",
            Shape::Table(&outputs::OUTPUTS),
            "{ images: [{ path: golden.qcow2 }] }",
            "What is written; the command line wins over it.",
        )
        .default("the command line says it")
        .also(&["output"]),
    ],
};

static METADATA: Table = Table {
    path: "metadata",
    what: "a mapping like `{ name: debian13-node }`",
    about: "Names for people and inventories; nothing in the image depends on them.",
    example: "metadata: { name: debian13-node, version: 1.0.0, labels: { consumer: proxmox } }\n",
    rules: &[],
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
            Shape::Map(&kinds::LABEL_NAME, &Shape::Text(&kinds::LABEL)),
            "{ consumer: proxmox }",
            "Any names with any values.",
        )
        .default("none"),
    ],
};
