//! Names of systemd units (systemd.unit(5), "Description").

use super::{Numbers, TextKind, nearest};
use crate::finding::{Complaint, quoted};

/// The types a unit's name can end in.
const SUFFIXES: [&str; 11] = [
    "service",
    "socket",
    "target",
    "timer",
    "mount",
    "automount",
    "path",
    "swap",
    "device",
    "slice",
    "scope",
];

/// A unit's name, with or without its type.
pub(crate) static UNIT: TextKind = TextKind {
    title: "unit name",
    what: "the name of a systemd unit",
    numbers: Numbers::Quote,
    check: check_unit,
    pattern: r"^[A-Za-z0-9:_.\\@-]+$",
};

/// The name with its type: `.service` where none is given.
pub(crate) fn full_name(text: &str) -> String {
    match text.rsplit_once('.') {
        Some((_, suffix)) if SUFFIXES.contains(&suffix) => text.into(),
        _ => format!("{text}.service"),
    }
}

fn check_unit(text: &str) -> Result<(), Complaint> {
    const LONGEST: usize = 255;
    let refuse = |why: &str| Complaint::error(format!("{} is not the name of a unit: {why}", quoted(text)));
    if text.is_empty() {
        return Err(Complaint::error("the unit's name is empty"));
    }
    if text.contains('/') {
        return Err(refuse("it has a `/`").hint("name the unit alone, like `ssh.service`; `files` can put it there"));
    }
    if text.contains(['*', '?', '[']) {
        return Err(refuse("globs do not work here").hint("name each unit"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '\\' | '@');
    if let Some(bad) = text.chars().find(|c| !allowed(*c)) {
        return Err(refuse(&format!("{} cannot be in it", quoted(&bad.to_string()))));
    }
    if full_name(text).len() > LONGEST {
        return Err(refuse("it is longer than 255 characters"));
    }
    let stem = text.rsplit_once('.').map_or(text, |(stem, _)| stem);
    if stem.is_empty() || stem.starts_with('@') {
        return Err(refuse("there is nothing before the type"));
    }
    if let Some((stem, suffix)) = text.rsplit_once('.') {
        let near = nearest(suffix, SUFFIXES).filter(|near| *near != suffix && suffix.len() > 3);
        if let (Some(near), false) = (near, SUFFIXES.contains(&suffix)) {
            return Err(refuse(&format!("{} is not a type of unit", quoted(suffix)))
                .hint(format!("did you mean `{stem}.{near}`?")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_names() {
        assert_eq!(full_name("ssh"), "ssh.service");
        assert_eq!(full_name("fstrim.timer"), "fstrim.timer");
        assert_eq!(full_name("org.example.agent"), "org.example.agent.service");
        for good in [
            "ssh",
            "getty@tty1",
            "getty@.service",
            "dev-disk-by\\x2dlabel-a.swap",
            "a.b",
            "netplan.io",
        ] {
            assert!(check_unit(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/etc/x.service",
            "a b",
            "ssh*",
            ".service",
            "@.service",
            "ssh.servce",
            "ä",
            "a\0",
        ] {
            assert!(check_unit(bad).is_err(), "{bad}");
        }
        assert!(check_unit(&"a".repeat(248)).is_err());
    }
}
