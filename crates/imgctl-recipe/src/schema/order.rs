//! The order in which sections apply: said here, for documentation and commands alike.

/// One stage of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    /// What it is called.
    pub(crate) name: &'static str,
    /// The sections it carries out, or the place of `run` hooks.
    pub(crate) sections: &'static [&'static str],
    /// What happens, as one line of Markdown.
    pub(crate) about: &'static str,
}

/// Every stage of a run, whatever the order in the recipe.
pub(crate) static ORDER: &[Stage] = &[
    Stage {
        name: "source",
        sections: &["source", "expect"],
        about: "The base image is found, checked, and held against what the recipe expects.",
    },
    Stage {
        name: "disk",
        sections: &["disk"],
        about: "The disk gets its size, filesystems grow.",
    },
    Stage {
        name: "trust and repositories",
        sections: &["trust", "packages.repos"],
        about: "Certificate authorities and package repositories are added. Then `run` hooks with `at: before-packages`.",
    },
    Stage {
        name: "packages",
        sections: &["packages"],
        about: "Packages are updated, installed, removed. Then `run` hooks with `at: after-packages`, then `remove_after`.",
    },
    Stage {
        name: "users",
        sections: &["groups", "users"],
        about: "Groups and users, so that files can belong to them.",
    },
    Stage {
        name: "files and kernel configuration",
        sections: &[
            "files",
            "cloud_init",
            "hostname",
            "timezone",
            "locale",
            "keyboard",
            "kernel",
            "sysctl",
            "fstab",
            "swap",
            "network",
            "sshd",
        ],
        about: "Files in the recipe's order, then settings. Then `run` hooks with `at: after-files`.",
    },
    Stage {
        name: "services",
        sections: &["services"],
        about: "Units are unmasked, preset, disabled, enabled and masked, also those that came with packages and files.",
    },
    Stage {
        name: "first boot",
        sections: &["first_boot"],
        about: "What runs at the first boot of the image's machines is put in place.",
    },
    Stage {
        name: "hooks",
        sections: &["run", "ansible"],
        about: "The playbook, then `run` hooks with `at: before-reset`.",
    },
    Stage {
        name: "initramfs and boot loader",
        sections: &["kernel"],
        about: "Made anew where something that they hold has changed.",
    },
    Stage {
        name: "reset",
        sections: &["reset"],
        about: "What must not travel to clones goes.",
    },
    Stage {
        name: "SELinux labels",
        sections: &["selinux"],
        about: "Set last, by the policy as it then is.",
    },
    Stage {
        name: "verify",
        sections: &["verify"],
        about: "The finished guest is checked; a failure ends the run, and nothing is published.",
    },
    Stage {
        name: "outputs",
        sections: &["outputs"],
        about: "Images and what goes beside them are written, and appear whole.",
    },
];
