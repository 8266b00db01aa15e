//! Who owns a file and who may use it: users, groups and modes.

use super::{Numbers, TextKind};
use crate::finding::{Complaint, quoted};
use crate::plan::{AclEntry, FileCapabilities, ModeChange, Principal};

/// A user's or group's name or number.
pub(crate) static PRINCIPAL: TextKind = TextKind {
    title: "name or number",
    what: "a name or a number",
    numbers: Numbers::Accept,
    check: check_principal,
    pattern: r"^([0-9]+|[A-Za-z_][A-Za-z0-9_.-]*\$?)$",
};

/// A user's name.
pub(crate) static USER_NAME: TextKind = TextKind {
    title: "user name",
    what: "a user's name",
    numbers: Numbers::Quote,
    check: check_name,
    pattern: r"^[A-Za-z_][A-Za-z0-9_.-]*\$?$",
};

/// Permission bits in octal.
pub(crate) static MODE: TextKind = TextKind {
    title: "octal mode in quotes",
    what: "an octal mode in quotes",
    numbers: Numbers::Octal,
    check: check_mode,
    pattern: r"^0?[0-7]{3,4}$",
};

/// Permission bits in octal, or what chmod(1) takes.
pub(crate) static FILE_MODE: TextKind = TextKind {
    title: "octal mode in quotes, or symbolic",
    what: "a mode like `\"0644\"` or `u+x,go-w`",
    numbers: Numbers::Octal,
    check: |text| match mode_change(text) {
        Some(_) => Ok(()),
        None => check_mode(text),
    },
    pattern: r"^(0?[0-7]{3,4}|[ugoa]*[-+=][-+=rwxXstugo]*(,[ugoa]*[-+=][-+=rwxXstugo]*)*)$",
};

/// An entry of an access control list.
pub(crate) static ACL_ENTRY: TextKind = TextKind {
    title: "entry of an access control list",
    what: "an entry like `u:www-data:rX`",
    numbers: Numbers::Quote,
    check: |text| {
        if text == "none" || AclEntry::parse(text).is_some() {
            return Ok(());
        }
        Err(
            Complaint::error(format!("{} is no entry of an access control list", quoted(text))).hint(
                "write `u:NAME:rwx`, `g:NAME:rX`, `m::r`, `o::-`, and `d:` before it for what a directory hands down",
            ),
        )
    },
    pattern: r"^(none$|(d:|default:)?(u|user|g|group|m|mask|o|other):)",
};

/// Capabilities of a program.
pub(crate) static CAPABILITIES: TextKind = TextKind {
    title: "capabilities",
    what: "capabilities like `cap_net_bind_service+ep`",
    numbers: Numbers::Quote,
    check: |text| {
        if text == "none" || FileCapabilities::parse(text).is_some() {
            return Ok(());
        }
        Err(Complaint::error(format!("{} are no capabilities", quoted(text)))
            .hint("write them as for setcap, like `cap_net_bind_service,cap_net_raw+ep`; `none` takes all away"))
    },
    pattern: r"^(none|.*[-+=].*)$",
};

/// The user or group that a checked string names.
pub(crate) fn principal(text: &str) -> Option<Principal> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // The highest number means "no change" to chown.
        let id = text.parse().ok().filter(|id| *id != u32::MAX);
        return id.map(Principal::Id);
    }
    check_name(text).ok().map(|()| Principal::Name(text.into()))
}

/// The permission bits that a checked string means.
pub(crate) fn mode_bits(text: &str) -> Option<u16> {
    let long_enough = (3..=5).contains(&text.len()) && (text.len() < 5 || text.starts_with('0'));
    let octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    if !(long_enough && octal) {
        return None;
    }
    u16::from_str_radix(text, 8).ok()
}

/// The change of permission bits that a checked string means.
pub(crate) fn mode_change(text: &str) -> Option<ModeChange> {
    match mode_bits(text) {
        Some(bits) => Some(ModeChange::Bits(bits)),
        None if text.bytes().any(|byte| byte.is_ascii_digit()) => None,
        None => ModeChange::parse(text),
    }
}

fn check_principal(text: &str) -> Result<(), Complaint> {
    if principal(text).is_some() {
        return Ok(());
    }
    if let Some((owner, group)) = text.split_once([':', '.'])
        && principal(owner).is_some()
        && principal(group).is_some()
    {
        return Err(Complaint::error(format!("{} names a user and a group", quoted(text)))
            .hint(format!("write `owner: {owner}` and `group: {group}`")));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        return Err(Complaint::error(format!("{} is too large a number", quoted(text)))
            .hint(format!("the largest is {}", u32::MAX - 1)));
    }
    Err(invalid_name(text))
}

fn check_name(text: &str) -> Result<(), Complaint> {
    // useradd's limit.
    const LONGEST: usize = 32;
    let name = text.strip_suffix('$').unwrap_or(text);
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if begins_well && name.chars().all(allowed) && text.len() <= LONGEST {
        return Ok(());
    }
    Err(invalid_name(text))
}

fn invalid_name(text: &str) -> Complaint {
    Complaint::error(format!("{} cannot be the name of a user or group", quoted(text)))
        .hint("names have up to 32 letters, digits, `_`, `-` and `.`, and begin with a letter or `_`")
}

fn check_mode(text: &str) -> Result<(), Complaint> {
    if mode_bits(text).is_some() {
        return Ok(());
    }
    let complaint = Complaint::error(format!("{} is not a mode", quoted(text)));
    let octal = text.strip_prefix("0o").unwrap_or_default();
    Err(if mode_bits(octal).is_some() {
        complaint.hint(format!("write `mode: \"0{}\"`", octal.trim_start_matches('0')))
    } else if text.contains(['+', '=', '-']) {
        complaint.hint("write clauses like `u+x,go-w` or `a=rX`, or all bits, like `mode: \"0644\"`")
    } else {
        complaint.hint("write three or four octal digits, like `mode: \"0644\"`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        for (text, bits) in [
            ("0644", 0o644),
            ("755", 0o755),
            ("4755", 0o4755),
            ("01777", 0o1777),
            ("000", 0),
        ] {
            assert_eq!(mode_bits(text), Some(bits), "{text}");
        }
        for text in ["", "7", "75", "0888", "17777", "0o644", "u+x", "-644", "+644", "007777"] {
            assert_eq!(mode_bits(text), None, "{text}");
        }
    }

    #[test]
    fn principals() {
        assert_eq!(principal("root"), Some(Principal::Name("root".into())));
        assert_eq!(principal("0"), Some(Principal::Id(0)));
        assert_eq!(principal("4294967294"), Some(Principal::Id(4_294_967_294)));
        assert_eq!(principal("machine$"), Some(Principal::Name("machine$".into())));
        for text in [
            "",
            "4294967295",
            "99999999999999999999",
            "-1",
            "a b",
            "root:root",
            "ä",
            "$",
        ] {
            assert_eq!(principal(text), None, "{text}");
        }
    }
}
