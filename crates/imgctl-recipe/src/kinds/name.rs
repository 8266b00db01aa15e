//! Names: of hosts, recipes and labels.

use super::{Numbers, TextKind, no_control};
use crate::finding::{Complaint, quoted};

/// Linux stores at most 64 bytes of host name.
const HOSTNAME_MAX: usize = 64;

/// A host name by RFC 1123.
pub(crate) static HOSTNAME: TextKind = TextKind {
    title: "host name",
    what: "a host name",
    numbers: Numbers::Quote,
    check: check_hostname,
    pattern: r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
};

/// A recipe's name, which may become part of file names.
pub(crate) static NAME: TextKind = TextKind {
    title: "name",
    what: "a name",
    numbers: Numbers::Quote,
    check: check_name,
    pattern: r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
};

/// A recipe's version.
pub(crate) static VERSION: TextKind = TextKind {
    title: "string",
    what: "a string",
    numbers: Numbers::Quote,
    check: check_version,
    pattern: r"^\S+$",
};

/// The left side of a label.
pub(crate) static LABEL_NAME: TextKind = TextKind {
    title: "name",
    what: "a name",
    numbers: Numbers::Quote,
    check: check_label_name,
    pattern: r"^[A-Za-z0-9._/-]+$",
};

/// The right side of a label.
pub(crate) static LABEL: TextKind = TextKind {
    title: "string",
    what: "a string",
    numbers: Numbers::Quote,
    check: |text| no_control(text, "a label"),
    pattern: "",
};

fn check_hostname(text: &str) -> Result<(), Complaint> {
    let refuse = |why: String| Err(Complaint::error(format!("{} is not a host name: {why}", quoted(text))));
    if text.is_empty() {
        return Err(Complaint::error("the host name is empty").hint("remove `hostname` to leave it as it is"));
    }
    if text.len() > HOSTNAME_MAX {
        return refuse(format!("it is longer than {HOSTNAME_MAX} characters"));
    }
    if text.parse::<std::net::IpAddr>().is_ok() {
        return refuse("it is an address".into());
    }
    for label in text.split('.') {
        if label.is_empty() {
            return refuse("there is nothing before, after or between its dots".into());
        }
        if label.len() > 63 {
            return refuse("a part is longer than 63 characters".into());
        }
        if let Some(bad) = label.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
            let complaint = format!(
                "{} is not a host name: {} cannot be in it",
                quoted(text),
                quoted(&bad.to_string())
            );
            let hint = format!(
                "use letters, digits and `-`: {}",
                quoted(&text.replace(['_', ' '], "-"))
            );
            let complaint = Complaint::error(complaint);
            return Err(if matches!(bad, '_' | ' ') {
                complaint.hint(hint)
            } else {
                complaint
            });
        }
        if label.starts_with('-') || label.ends_with('-') {
            return refuse("a part begins or ends with `-`".into());
        }
    }
    Ok(())
}

fn check_name(text: &str) -> Result<(), Complaint> {
    const LONGEST: usize = 63;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins_well || !text.chars().all(allowed) {
        return Err(Complaint::error(format!("{} cannot be a recipe's name", quoted(text)))
            .hint("use letters, digits, `.`, `_` and `-`, and begin with a letter or digit"));
    }
    if text.len() > LONGEST {
        return Err(Complaint::error(format!(
            "the name is longer than {LONGEST} characters"
        )));
    }
    Ok(())
}

fn check_version(text: &str) -> Result<(), Complaint> {
    const LONGEST: usize = 128;
    if text.is_empty() || text.len() > LONGEST || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Complaint::error(format!("{} cannot be a version", quoted(text)))
            .hint("use one word like `1.4.0` or `2025-11-01`"));
    }
    Ok(())
}

fn check_label_name(text: &str) -> Result<(), Complaint> {
    const LONGEST: usize = 253;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if text.is_empty() || text.len() > LONGEST || !text.chars().all(allowed) {
        return Err(
            Complaint::error(format!("{} cannot be the name of a label", quoted(text)))
                .hint("use letters, digits, `.`, `_`, `-` and `/`"),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        let part = "a".repeat(63);
        for good in ["golden", "node-1", "a.example.com", "3com", "UPPER", part.as_str()] {
            assert!(check_hostname(good).is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        let longer = "a.".repeat(40) + "a";
        for bad in [
            "", "-a", "a-", "a..b", "a.", "a_b", "10.0.0.1", "::1", "ä", "a b", "a\0", &long, &longer,
        ] {
            assert!(check_hostname(bad).is_err(), "{bad}");
        }
    }
}
