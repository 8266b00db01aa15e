//! The peers' options about the run rather than the guest, and what stands for them here.

/// An option of virt-customize or virt-sysprep, and what to write instead.
pub(super) struct General {
    pub(super) option: &'static str,
    pub(super) here: &'static str,
}

const fn row(option: &'static str, here: &'static str) -> General {
    General { option, here }
}

const NO_DOMAINS: &str = "refused: imgctl works on image files; name the file of the domain's disk";
const NO_ENCRYPTION: &str = "refused: encrypted disks are not opened";
const NO_APPLIANCE: &str = "needless: there is no virtual machine";
const NO_MOUNT: &str = "refused: nothing is mounted; read with `imgctl cat`, write with options or a recipe";

pub(super) const GENERAL: &[General] = &[
    row(
        "-a, --add FILE",
        "the first argument; one disk. The base is never written: -o names the output",
    ),
    row("-a URI", "refused: only local files"),
    row("-d, --domain; -c, --connect", NO_DOMAINS),
    row("--format FORMAT", "`--input-format`; `--format` is the output's"),
    row(
        "--attach, --attach-format",
        "later: they serve programs of the guest, which imgctl cannot run yet",
    ),
    row("-n, --dry-run", "the same, and `imgctl plan`: it shows every change"),
    row("-m, --memsize; --smp", NO_APPLIANCE),
    row(
        "--network, --no-network",
        "needless: no operation of today uses the network",
    ),
    row("--key, --keys-from-stdin, --echo-keys", NO_ENCRYPTION),
    row("--colors, --wrap", "`--color`; lines are never wrapped"),
    row("-q, --quiet", "the same"),
    row(
        "-v, --verbose; -x",
        "needless: `--log-format json` tells every stage and step, `--receipt` every change",
    ),
    row("-V, --version; --help", "the same"),
    row("--mount-options", NO_MOUNT),
    row("--script, --scriptdir", NO_MOUNT),
];
