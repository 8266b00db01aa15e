//! Options of virt-customize that have no operation of their own here.

use super::{FlagDeed, FlagGroup, FlagSpec, Peer};
use crate::guest::Guest;
use crate::steps::{Outcome, StepFailure, fixed};

const NEEDS_PACKAGES: &str = "it runs the guest's package manager, which imgctl cannot do yet; unpack what you need with --tar-in, or install \
it at the first boot with --firstboot-install";
const WINDOWS: &str = "it is for Windows guests, which imgctl does not change";
const SUBSCRIPTION: &str = "imgctl does not speak to Red Hat's subscription manager, and virt-customize dropped it, too; register at the first \
boot with --firstboot-command";

pub(super) const FLAGS: &[FlagSpec] = &[
    FlagSpec {
        name: "commands-from-file",
        value: "FILE",
        group: FlagGroup::Compatibility,
        help: "Do what the lines of FILE say: an option without dashes, a space and its value in each",
        example: "golden.commands",
        recipe: "extends",
        peer: Peer::Same,
        deed: FlagDeed::Commands,
    },
    FlagSpec {
        name: "no-logfile",
        value: "",
        group: FlagGroup::Compatibility,
        help: "Leave no log in the image, as is always so",
        example: "",
        recipe: "",
        peer: Peer::Better("there is never a log in the image"),
        deed: FlagDeed::Nothing("there is never a log in the image"),
    },
    later(
        "install",
        "PKG[,PKG]",
        "Install packages",
        "chrony,jq",
        "packages.install",
        NEEDS_PACKAGES,
    ),
    later(
        "uninstall",
        "PKG[,PKG]",
        "Remove packages",
        "snapd",
        "packages.remove",
        NEEDS_PACKAGES,
    ),
    later(
        "update",
        "",
        "Bring all packages up to date",
        "",
        "packages.update",
        NEEDS_PACKAGES,
    ),
    FlagSpec {
        name: "selinux-relabel",
        value: "",
        group: FlagGroup::Programs,
        help: "Set the labels of all files: nothing to do in a guest without SELinux, refused in one with it for now",
        example: "",
        recipe: "selinux.relabel",
        peer: Peer::Better(
            "the same in a guest without SELinux; a guest with it is refused until its labels can be set",
        ),
        deed: FlagDeed::Step(|argument| Ok(argument.step((), relabel))),
    },
    FlagSpec {
        name: "no-selinux-relabel",
        value: "",
        group: FlagGroup::Compatibility,
        help: "Leave the labels of files as they are",
        example: "",
        recipe: "selinux.relabel",
        peer: Peer::Same,
        deed: FlagDeed::Nothing("labels are left as they are"),
    },
    refused("inject-virtio-win", "DIR", WINDOWS),
    refused("inject-qemu-ga", "DIR", WINDOWS),
    refused("inject-blnsvr", "DIR", WINDOWS),
    refused("sm-credentials", "SELECTOR", SUBSCRIPTION),
    refused("sm-attach", "SELECTOR", SUBSCRIPTION),
    refused("sm-register", "", SUBSCRIPTION),
    refused("sm-remove", "", SUBSCRIPTION),
    refused("sm-unregister", "", SUBSCRIPTION),
];

const fn later(
    name: &'static str,
    value: &'static str,
    help: &'static str,
    example: &'static str,
    recipe: &'static str,
    needs: &'static str,
) -> FlagSpec {
    FlagSpec {
        name,
        value,
        group: FlagGroup::Programs,
        help,
        example,
        recipe,
        peer: Peer::Same,
        deed: FlagDeed::Later(needs),
    }
}

const fn refused(name: &'static str, value: &'static str, reason: &'static str) -> FlagSpec {
    FlagSpec {
        name,
        value,
        group: FlagGroup::Compatibility,
        help: "Not supported",
        example: value,
        recipe: "",
        peer: Peer::Better(reason),
        deed: FlagDeed::Refused(reason),
    }
}

/// What virt-customize takes for a guest with SELinux.
fn relabel(_: &(), guest: &mut Guest) -> Outcome<()> {
    for path in ["/usr/sbin/load_policy", "/etc/selinux/config"] {
        if guest.tree().find(&fixed(path))?.is_none() {
            return Ok(());
        }
    }
    Err(StepFailure::refused_with(
        "the guest has SELinux, and imgctl does not set its labels yet",
        "have the guest do it at its first boot instead: --touch /.autorelabel",
    ))
}
