//! `verify`: what must be true of the result, subject by subject.

use super::{Key, Rule, Shape, Table, ToldBy, Union};
use crate::kinds;

pub(super) static VERIFY: Union = Union {
    path: "verify[]",
    what: "a mapping like `{ package: chrony, state: installed }`",
    about: "\
Each entry is about one subject, which its first key names. Checks run on the finished guest before anything is written, in a dry
run too, and all of them are reported; when one fails, the exit code is 21. `imgctl verify IMAGE --recipe FILE` runs them alone.",
    example: "\
verify:
  - { package: chrony, state: installed, version: \">= 4.2\" }
  - { file: /etc/motd, contains: golden }
  - { glob: \"/etc/ssh/ssh_host_*\", count: 0 }
  - { service: systemd-timesyncd, state: masked }
",
    told_by: ToldBy::FirstKey,
    tables: &[
        &FILE,
        &GLOB,
        &PACKAGE,
        &SERVICE,
        &USER,
        &GROUP,
        &KERNEL_CMDLINE,
        &SYSCTL,
        &FSTAB,
        &BOOTLOADER,
        &INITRAMFS,
        &SSH_HOST_KEYS,
        &MACHINE_ID,
        &SECRETS,
    ],
};

/// `state: exists` or `absent`.
const fn existence(about: &'static str) -> Key {
    Key::new("state", Shape::Choice(&["exists", "absent"]), "absent", about)
        .default("`exists`")
        .also(&["ensure", "exists", "absent"])
}

static FILE: Table = Table {
    path: "verify.file",
    what: "a mapping like `{ file: /etc/motd, mode: \"0644\" }`",
    about: "A path: that something is there, and what else is given. Symbolic links are followed unless `type` is `symlink`.",
    example: "\
verify:
  - { file: /etc/machine-id, size: 0 }
  - { file: /usr/local/bin/k3s, mode: \"0755\", owner: root, group: root }
  - { file: /etc/ssh/sshd_config.d/99-hardening.conf, matches: '^PasswordAuthentication no$' }
  - { file: /etc/nologin, state: absent }
",
    rules: &[],
    keys: &[
        Key::new("file", Shape::Text(&kinds::GUEST_PATH), "/etc/motd", "The path.")
            .required()
            .also(&["path", "directory", "symlink", "link"]),
        existence("Whether it must be there; nothing else is looked at when it must not."),
        Key::new(
            "type",
            Shape::Choice(&["file", "directory", "symlink"]),
            "directory",
            "What it is.",
        )
        .default("any")
        .also(&["kind"]),
        Key::new(
            "mode",
            Shape::Text(&kinds::MODE),
            "\"0644\"",
            "Its permission bits, all of them.",
        )
        .default("any")
        .also(&["permissions", "perms"]),
        Key::new("owner", Shape::Text(&kinds::PRINCIPAL), "root", "Its owner.")
            .default("any")
            .also(&["uid"]),
        Key::new("group", Shape::Text(&kinds::PRINCIPAL), "adm", "Its group.")
            .default("any")
            .also(&["gid"]),
        Key::new("size", Shape::Integer(0, u64::MAX), "0", "Its length in bytes.")
            .default("any")
            .also(&["length", "bytes"]),
        Key::new(
            "sha256",
            Shape::Text(&kinds::SHA256),
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "The digest of what it holds.",
        )
        .default("any")
        .also(&["digest", "checksum"]),
        Key::new(
            "contains",
            Shape::Text(&kinds::CONTENT),
            "golden",
            "Text that it holds somewhere.",
        )
        .default("any")
        .also(&["content", "has"]),
        Key::new(
            "matches",
            Shape::Text(&kinds::REGEX),
            "'^PasswordAuthentication no$'",
            "A regular expression that one of its lines matches.",
        )
        .default("any")
        .also(&["match", "regex", "regexp", "line", "pattern"]),
        Key::when(),
    ],
};

static GLOB: Table = Table {
    path: "verify.glob",
    what: "a mapping like `{ glob: \"/etc/ssh/ssh_host_*\", count: 0 }`",
    about: "How many paths match a pattern: at least one, unless a number is given.",
    example: "\
verify:
  - { glob: \"/lib/modules/*/updates/dkms/i915*.ko*\", min: 1 }
  - { glob: /var/lib/cloud/instances/*, count: 0 }
",
    rules: &[Rule::OneAtMost(&["count", "min"]), Rule::OneAtMost(&["count", "max"])],
    keys: &[
        Key::new(
            "glob",
            Shape::Text(&kinds::GUEST_GLOB),
            "\"/etc/ssh/ssh_host_*\"",
            "An absolute path with `*`, `?`, `[…]` and `{a,b}`; `*` does not match `/` or a name that begins with `.`.",
        )
        .required()
        .also(&["globs", "paths", "files"]),
        Key::new("count", Shape::Integer(0, u64::MAX), "0", "How many there are.")
            .default("any from `min` to `max`")
            .also(&["number", "equals"]),
        Key::new("min", Shape::Integer(0, u64::MAX), "1", "The fewest.")
            .default("`1`; `0` with `max`")
            .also(&["at_least", "minimum"]),
        Key::new("max", Shape::Integer(0, u64::MAX), "3", "The most.")
            .default("no limit")
            .also(&["at_most", "maximum"]),
        Key::when(),
    ],
};

static PACKAGE: Table = Table {
    path: "verify.package",
    what: "a mapping like `{ package: chrony, state: installed }`",
    about: "A package in the guest's own database: dpkg's, rpm's or apk's.",
    example: "\
verify:
  - { package: chrony, version: \">= 4.2, < 5\" }
  - { package: snapd, state: absent }
",
    rules: &[],
    keys: &[
        Key::new("package", Shape::Text(&kinds::PACKAGE_NAME), "chrony", "Its name.")
            .required()
            .also(&["packages", "pkg", "rpm", "deb"]),
        Key::new(
            "state",
            Shape::Choice(&["installed", "absent"]),
            "absent",
            "Whether it must be there.",
        )
        .default("`installed`")
        .also(&["ensure", "installed"]),
        Key::new(
            "version",
            Shape::Text(&kinds::VERSION_REQUIREMENT),
            "\">= 4.2, < 5\"",
            "What its version must be: `=`, `!=`, `<`, `<=`, `>`, `>=`, several joined by commas; a version alone means `=`.",
        )
        .default("any")
        .also(&["versions"]),
        Key::when(),
    ],
};

static SERVICE: Table = Table {
    path: "verify.service",
    what: "a mapping like `{ service: ssh, state: enabled }`",
    about: "A systemd unit; a name without a suffix is a service.",
    example: "\
verify:
  - { service: chrony, state: enabled }
  - { service: apt-daily.timer, state: disabled }
",
    rules: &[],
    keys: &[
        Key::new("service", Shape::Text(&kinds::UNIT), "chrony", "The unit.")
            .required()
            .also(&["unit", "services", "systemd"]),
        Key::new(
            "state",
            Shape::Choice(&["enabled", "disabled", "masked"]),
            "enabled",
            "What it must be; a unit that is not there is `disabled`.",
        )
        .required()
        .also(&["is", "enabled", "masked", "disabled"]),
        Key::when(),
    ],
};

static USER: Table = Table {
    path: "verify.user",
    what: "a mapping like `{ user: debian, shell: /bin/bash }`",
    about: "A user in the guest's `/etc/passwd`.",
    example: "\
verify:
  - { user: debian, groups: [sudo], shell: /bin/bash, locked: true }
  - { user: pi, state: absent }
",
    rules: &[],
    keys: &[
        Key::new("user", Shape::Text(&kinds::USER_NAME), "debian", "The login name.")
            .required()
            .also(&["users", "account", "login"]),
        existence("Whether the user must be there; nothing else is looked at when not."),
        Key::new("uid", Shape::Integer(0, ID_MAX), "1000", "The number.")
            .default("any")
            .also(&["id"]),
        Key::new(
            "home",
            Shape::Text(&kinds::GUEST_PATH),
            "/home/debian",
            "The home directory.",
        )
        .default("any"),
        Key::new(
            "shell",
            Shape::Text(&kinds::GUEST_PATH),
            "/bin/bash",
            "The login shell.",
        )
        .default("any"),
        Key::new(
            "groups",
            Shape::List(&Shape::Text(&kinds::GROUP_NAME)),
            "[sudo]",
            "Groups that the user must be in.",
        )
        .also(&["in_groups", "member_of"]),
        Key::new("locked", Shape::Boolean, "true", "Whether no password logs in.")
            .default("any")
            .also(&["disabled"]),
        Key::when(),
    ],
};

static GROUP: Table = Table {
    path: "verify.group",
    what: "a mapping like `{ group: docker, state: exists }`",
    about: "A group in the guest's `/etc/group`.",
    example: "verify: [{ group: adm, gid: 4 }, { group: docker, state: absent }]\n",
    rules: &[],
    keys: &[
        Key::new("group", Shape::Text(&kinds::GROUP_NAME), "adm", "Its name.").required(),
        existence("Whether it must be there; nothing else is looked at when not."),
        Key::new("gid", Shape::Integer(0, ID_MAX), "4", "The number.")
            .default("any")
            .also(&["id"]),
        Key::when(),
    ],
};

const ID_MAX: u64 = 4_294_967_294;

static KERNEL_CMDLINE: Table = Table {
    path: "verify.kernel_cmdline",
    what: "a mapping like `{ kernel_cmdline: contains, args: [net.ifnames=0] }`",
    about: "Arguments of every boot entry that the boot loader shows.",
    example: "\
verify:
  - { kernel_cmdline: contains, args: [console=ttyS0] }
  - { kernel_cmdline: lacks, args: [nomodeset] }
",
    rules: &[],
    keys: &[
        Key::new(
            "kernel_cmdline",
            Shape::Choice(&["contains", "lacks"]),
            "contains",
            "Whether the arguments must be there.",
        )
        .required()
        .also(&["cmdline", "kernel_command_line", "kernel"]),
        Key::new(
            "args",
            Shape::List(&Shape::Text(&kinds::KERNEL_ARGUMENT)),
            "[net.ifnames=0]",
            "Whole arguments.",
        )
        .required()
        .also(&["arguments", "parameters", "arg"]),
        Key::when(),
    ],
};

static SYSCTL: Table = Table {
    path: "verify.sysctl",
    what: "a mapping like `{ sysctl: net.ipv4.ip_forward, value: 1 }`",
    about: "What the guest's sysctl.d files come to: the last one wins, as at boot.",
    example: "verify: [{ sysctl: net.ipv4.ip_forward, value: 1 }]\n",
    rules: &[],
    keys: &[
        Key::new(
            "sysctl",
            Shape::Text(&kinds::SYSCTL_NAME),
            "net.ipv4.ip_forward",
            "The parameter.",
        )
        .required()
        .also(&["kernel_parameter", "sysctls"]),
        Key::new("value", Shape::Text(&kinds::SYSCTL_VALUE), "1", "Its value.")
            .required()
            .also(&["is", "equals"]),
        Key::when(),
    ],
};

static FSTAB: Table = Table {
    path: "verify.fstab",
    what: "a mapping like `{ fstab: mounts_resolve }`",
    about: "Every source in `/etc/fstab` is on the disk, and every mount point in the tree.",
    example: "verify: [{ fstab: mounts_resolve }]\n",
    rules: &[],
    keys: &[
        Key::new(
            "fstab",
            Shape::Choice(&["mounts_resolve"]),
            "mounts_resolve",
            "What is looked at.",
        )
        .required()
        .also(&["mounts"]),
        Key::when(),
    ],
};

static BOOTLOADER: Table = Table {
    path: "verify.bootloader",
    what: "a mapping like `{ bootloader: root_uuid_matches }`",
    about: "Every `root=` of the boot loader's entries names the root filesystem of this disk.",
    example: "verify: [{ bootloader: root_uuid_matches }]\n",
    rules: &[],
    keys: &[
        Key::new(
            "bootloader",
            Shape::Choice(&["root_uuid_matches"]),
            "root_uuid_matches",
            "What is looked at.",
        )
        .required()
        .also(&["boot_loader", "grub", "boot"]),
        Key::when(),
    ],
};

static INITRAMFS: Table = Table {
    path: "verify.initramfs",
    what: "a mapping like `{ initramfs: contains, modules: [virtio_blk] }`",
    about: "Kernel modules in the initramfs of every installed kernel; one that is built into the kernel counts.",
    example: "verify: [{ initramfs: contains, modules: [virtio_blk, virtio_scsi] }]\n",
    rules: &[],
    keys: &[
        Key::new(
            "initramfs",
            Shape::Choice(&["contains"]),
            "contains",
            "What is looked at.",
        )
        .required()
        .also(&["initrd"]),
        Key::new(
            "modules",
            Shape::List(&Shape::Text(&kinds::MODULE)),
            "[virtio_blk, virtio_scsi]",
            "Module names; `-` and `_` are the same.",
        )
        .required()
        .also(&["drivers", "module"]),
        Key::when(),
    ],
};

static SSH_HOST_KEYS: Table = Table {
    path: "verify.ssh_host_keys",
    what: "a mapping like `{ ssh_host_keys: absent }`",
    about: "No host key is in the image.",
    example: "verify: [{ ssh_host_keys: absent }]\n",
    rules: &[],
    keys: &[
        Key::new(
            "ssh_host_keys",
            Shape::Choice(&["absent"]),
            "absent",
            "What must be so.",
        )
        .required()
        .also(&["ssh_hostkeys", "host_keys", "hostkeys"]),
        Key::when(),
    ],
};

static MACHINE_ID: Table = Table {
    path: "verify.machine_id",
    what: "a mapping like `{ machine_id: empty }`",
    about: "The state of `/etc/machine-id`.",
    example: "verify: [{ machine_id: empty }]\n",
    rules: &[],
    keys: &[
        Key::new(
            "machine_id",
            Shape::Choice(&["empty", "uninitialized", "set"]),
            "empty",
            "An empty file, the word `uninitialized`, or an id.",
        )
        .required()
        .also(&["machineid"]),
        Key::when(),
    ],
};

static SECRETS: Table = Table {
    path: "verify.secrets",
    what: "a mapping like `{ secrets: absent }`",
    about: "No value of the recipe's secrets is in a file of the guest, but where the recipe put it.",
    example: "verify: [{ secrets: absent }]\n",
    rules: &[],
    keys: &[
        Key::new("secrets", Shape::Choice(&["absent"]), "absent", "What must be so.")
            .required()
            .also(&["secret"]),
        Key::when(),
    ],
};
