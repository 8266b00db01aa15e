//! Networks: addresses, interfaces, domains; and what mounts are made of.

use std::net::IpAddr;

use super::{Numbers, TextKind, nearest, no_control};
use crate::finding::{Complaint, quoted};

/// An IP address.
pub(crate) static IP_ADDRESS: TextKind = TextKind {
    title: "IP address",
    what: "an IP address like `192.0.2.1`",
    numbers: Numbers::Quote,
    pattern: r"^[0-9A-Fa-f.:]+$",
    check: |text| match text.parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(Complaint::error(format!("{} is not an IP address", quoted(text)))
            .hint("it looks like `192.0.2.1` or `2001:db8::1`")),
    },
};

/// An IP address with the length of its network's prefix.
pub(crate) static IP_PREFIX: TextKind = TextKind {
    title: "IP address with prefix",
    what: "an address like `192.0.2.10/24`",
    numbers: Numbers::Quote,
    pattern: r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$",
    check: check_prefix,
};

/// The name of a network interface.
pub(crate) static INTERFACE: TextKind = TextKind {
    title: "interface name",
    what: "an interface's name like `eth0`",
    numbers: Numbers::Quote,
    pattern: r"^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$",
    check: |text| check_interface(text, false),
};

/// A glob of names of network interfaces.
pub(crate) static INTERFACE_GLOB: TextKind = TextKind {
    title: "glob of interface names",
    what: "names of interfaces like `en*`",
    numbers: Numbers::Quote,
    pattern: r"^[A-Za-z0-9*?\[][A-Za-z0-9._*?\[\]-]{0,31}$",
    check: |text| check_interface(text, true),
};

/// The hardware address of a network interface.
pub(crate) static MAC_ADDRESS: TextKind = TextKind {
    title: "MAC address",
    what: "a MAC address like `52:54:00:12:34:56`",
    numbers: Numbers::Quote,
    pattern: "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$",
    check: |text| {
        let parts: Vec<&str> = text.split(':').collect();
        let is_byte = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        match parts.len() == 6 && parts.iter().all(is_byte) {
            true => Ok(()),
            false => Err(Complaint::error(format!("{} is not a MAC address", quoted(text)))
                .hint("it looks like `52:54:00:12:34:56`")),
        }
    },
};

/// A domain to search names in.
pub(crate) static DOMAIN: TextKind = TextKind {
    title: "domain",
    what: "a domain like `lan.example`",
    numbers: Numbers::Quote,
    pattern: r"^[A-Za-z0-9_~][A-Za-z0-9._-]*$",
    check: |text| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let name = text.strip_prefix('~').unwrap_or(text);
        match !name.is_empty() && name.len() < 254 && name.chars().all(allowed) && !name.starts_with('-') {
            true => Ok(()),
            false => {
                Err(Complaint::error(format!("{} is not a domain", quoted(text))).hint("write it like `lan.example`"))
            }
        }
    },
};

/// A datasource of cloud-init.
pub(crate) static DATASOURCE: TextKind = TextKind {
    title: "datasource",
    what: "a datasource like `NoCloud`",
    numbers: Numbers::Quote,
    pattern: "^[A-Za-z0-9]+$",
    check: check_datasource,
};

/// What is mounted: the first field of fstab(5).
pub(crate) static MOUNT_SOURCE: TextKind = TextKind {
    title: "source of a mount",
    what: "a source like `LABEL=data`",
    numbers: Numbers::Quote,
    pattern: r"^\S.*$",
    check: |text| match text.trim().is_empty() || text.starts_with('#') {
        true => Err(
            Complaint::error(format!("{} is nothing that can be mounted", quoted(text)))
                .hint("it looks like `UUID=…`, `LABEL=data`, `/dev/vdb1`, `tmpfs` or `server:/export`"),
        ),
        false => no_control(text, "a source"),
    },
};

/// The identifier or label of a filesystem.
pub(crate) static FILESYSTEM_NAME: TextKind = TextKind {
    title: "identifier",
    what: "a filesystem's identifier or label",
    numbers: Numbers::Accept,
    pattern: r"^\S.*$",
    check: |text| match text.trim().is_empty() || text.contains(['"', '=']) {
        true => Err(
            Complaint::error(format!("{} is not the name of a filesystem", quoted(text)))
                .hint("write it without `UUID=` or `LABEL=`"),
        ),
        false => no_control(text, "a label"),
    },
};

/// Where something is mounted.
pub(crate) static MOUNT_POINT: TextKind = TextKind {
    title: "mount point",
    what: "a mount point like `/data`, or `none`",
    numbers: Numbers::Quote,
    pattern: r"^(none|/.*)$",
    check: |text| match text {
        "none" => Ok(()),
        "swap" => Err(Complaint::error("swap is mounted nowhere").hint("write `path: none` and `type: swap`")),
        _ => (super::GUEST_PATH.check)(text),
    },
};

fn check_prefix(text: &str) -> Result<(), Complaint> {
    let refuse = || {
        Complaint::error(format!(
            "{} is not an address with the length of its prefix",
            quoted(text)
        ))
        .hint("it looks like `192.0.2.10/24` or `2001:db8::10/64`")
    };
    let (address, length) = text.split_once('/').ok_or_else(refuse)?;
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return Err(refuse()),
    };
    match length.parse::<u8>() {
        Ok(length) if length <= most => Ok(()),
        _ => Err(refuse()),
    }
}

fn check_interface(text: &str, globs: bool) -> Result<(), Complaint> {
    let allowed = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') || globs && matches!(c, '*' | '?' | '[' | ']')
    };
    let complaint = Complaint::error(format!("{} is not the name of an interface", quoted(text)));
    let longest = if globs { 32 } else { 15 };
    match !text.is_empty() && text.len() <= longest && text.chars().all(allowed) && !text.starts_with(['-', '.']) {
        true => Ok(()),
        false if text.contains(['*', '?']) => Err(complaint.hint("write `match` in the place of `name`")),
        false => Err(complaint.hint("it has 1 to 15 letters, digits, `.`, `_` and `-`, like `eth0` or `enp1s0`")),
    }
}

fn check_datasource(text: &str) -> Result<(), Complaint> {
    const KNOWN: [&str; 30] = [
        "Akamai",
        "AliYun",
        "AltCloud",
        "Azure",
        "Bigstep",
        "CloudCIX",
        "CloudStack",
        "ConfigDrive",
        "DigitalOcean",
        "Ec2",
        "Exoscale",
        "GCE",
        "Hetzner",
        "IBMCloud",
        "LXD",
        "MAAS",
        "NWCS",
        "NoCloud",
        "None",
        "OVF",
        "OpenNebula",
        "OpenStack",
        "Oracle",
        "RbxCloud",
        "Scaleway",
        "SmartOS",
        "UpCloud",
        "VMware",
        "Vultr",
        "WSL",
    ];
    if KNOWN.contains(&text) {
        return Ok(());
    }
    let complaint = Complaint::error(format!("{} is not a datasource of cloud-init", quoted(text)));
    Err(match nearest(text, KNOWN) {
        Some(name) => complaint.hint(format!("did you mean `{name}`?")),
        None => complaint.hint("for example `NoCloud`, `ConfigDrive`, `OpenStack`, `Ec2`, `None`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (kind, good, bad) in [
            (
                &IP_ADDRESS,
                &["192.0.2.1", "2001:db8::1"][..],
                &["", "192.0.2", "a"][..],
            ),
            (
                &IP_PREFIX,
                &["192.0.2.1/24", "::1/128"],
                &["192.0.2.1", "192.0.2.1/33", "x/8", "::1/129"],
            ),
            (
                &INTERFACE,
                &["eth0", "enp1s0.10"],
                &["", "en*", "a b", "interface-too-long", "-x"],
            ),
            (&INTERFACE_GLOB, &["en*", "e[nt]*"], &["", "a b", "/x"]),
            (
                &MAC_ADDRESS,
                &["52:54:00:12:34:56"],
                &["52:54:00:12:34", "52-54-00-12-34-56", "g"],
            ),
            (&DOMAIN, &["lan.example", "~consul"], &["", "a b", "-x"]),
            (&DATASOURCE, &["NoCloud", "None"], &["nocloud", "x", ""]),
            (
                &MOUNT_SOURCE,
                &["LABEL=my data", "/dev/vdb1", "server:/x"],
                &["", "#x", " "],
            ),
            (&FILESYSTEM_NAME, &["data", "0f0f"], &["", "UUID=x"]),
            (&MOUNT_POINT, &["/", "/a", "none"], &["swap", "a", "/a/../b"]),
        ] {
            for text in good {
                assert!((kind.check)(text).is_ok(), "{text}");
            }
            for text in bad {
                assert!((kind.check)(text).is_err(), "{text}");
            }
        }
    }
}
