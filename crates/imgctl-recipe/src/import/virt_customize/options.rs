//! The options, and why some have no place in a recipe.

/// Options about the run rather than the guest: name, whether it takes a value, and what to tell, if anything.
pub(super) const GENERAL: &[(&str, bool, &str)] = &[
    ("add", true, "name the base image on imgctl's command line"),
    ("attach", true, "imgctl attaches no further disks"),
    ("attach-format", true, ""),
    ("color", false, ""),
    ("colors", false, ""),
    ("colour", false, ""),
    ("colours", false, ""),
    ("connect", true, "imgctl works on image files, not on libvirt's domains"),
    (
        "domain",
        true,
        "imgctl works on image files, not on libvirt's domains: name the image on its command line",
    ),
    ("dry-run", false, "use `imgctl plan`"),
    ("dryrun", false, "use `imgctl plan`"),
    ("echo-keys", false, ""),
    ("format", true, "use imgctl's --input-format"),
    ("key", true, "imgctl does not open encrypted disks"),
    ("keys-from-stdin", false, "imgctl does not open encrypted disks"),
    ("memsize", true, ""),
    ("network", false, ""),
    ("no-network", false, ""),
    ("quiet", false, ""),
    ("smp", true, ""),
    ("verbose", false, ""),
    ("wrap", false, ""),
    ("x", false, ""),
];

/// Options that change the guest and take a value.
pub(super) const WITH_VALUE: &[&str] = &[
    "append-line",
    "chmod",
    "chown",
    "commands-from-file",
    "copy",
    "copy-in",
    "delete",
    "edit",
    "firstboot",
    "firstboot-command",
    "firstboot-install",
    "hostname",
    "inject-blnsvr",
    "inject-qemu-ga",
    "inject-virtio-win",
    "install",
    "link",
    "mkdir",
    "move",
    "password",
    "password-crypto",
    "root-password",
    "run",
    "run-command",
    "scrub",
    "sm-attach",
    "sm-credentials",
    "ssh-inject",
    "tar-in",
    "timezone",
    "touch",
    "truncate",
    "truncate-recursive",
    "uninstall",
    "upload",
    "write",
];

/// Options that change the guest and take none.
pub(super) const ARGUMENT_FREE: &[&str] = &[
    "no-logfile",
    "no-selinux-relabel",
    "selinux-relabel",
    "sm-register",
    "sm-remove",
    "sm-unregister",
    "update",
];

/// Options that a recipe has nothing for.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("inject-blnsvr", WINDOWS),
    ("inject-qemu-ga", WINDOWS),
    ("inject-virtio-win", WINDOWS),
    ("password-crypto", "passwords are hashed as the guest itself does it"),
    ("sm-attach", SUBSCRIPTION),
    ("sm-credentials", SUBSCRIPTION),
    ("sm-register", SUBSCRIPTION),
    ("sm-remove", SUBSCRIPTION),
    ("sm-unregister", SUBSCRIPTION),
];

const WINDOWS: &str = "imgctl does not change Windows guests";
const SUBSCRIPTION: &str = "a recipe does not speak to Red Hat's subscription manager; virt-customize dropped it, too";

/// The long name of an option as it is written, with one dash or two.
pub(super) fn long_name(name: &str) -> Option<&'static str> {
    let long = match name {
        "a" => "add",
        "c" => "connect",
        "d" => "domain",
        "m" => "memsize",
        "n" => "dry-run",
        "q" => "quiet",
        "v" => "verbose",
        name => name,
    };
    let general = GENERAL.iter().map(|(name, ..)| *name);
    let mut known = general
        .chain(WITH_VALUE.iter().copied())
        .chain(ARGUMENT_FREE.iter().copied());
    known.find(|known| *known == long)
}
