//! The kinds of strings a recipe has, each with its check.

mod address;
mod amount;
mod content;
mod machine;
mod name;
mod path;
mod principal;
mod remote;
mod reset;
mod ssh_key;
mod sshd;
mod sudo_rule;
mod unit;
mod words;

use crate::finding::{Complaint, quoted};

pub(crate) use address::{
    DATASOURCE, DOMAIN, FILESYSTEM_NAME, INTERFACE, INTERFACE_GLOB, IP_ADDRESS, IP_PREFIX, MAC_ADDRESS, MOUNT_POINT,
    MOUNT_SOURCE,
};
pub(crate) use amount::{CLUSTER_SIZE, DURATION, SIZE, TIMESTAMP, duration, size_bytes};
pub(crate) use content::{CONTENT, EDIT, LINE, REGEX, compile, script};
pub(crate) use machine::{
    ARCHITECTURE, KERNEL_ARGUMENT, MODULE, OPTION_NAME, OPTION_VALUE, OS_ID, PACKAGE, PACKAGE_NAME, SELINUX_CONTEXT,
    SYSCTL_NAME, SYSCTL_VALUE, VERSION_REQUIREMENT, XATTR_NAME, XATTR_VALUE, version_requirements, xattr_value,
};
pub(crate) use name::{HOSTNAME, LABEL, LABEL_NAME, NAME, VERSION};
pub(crate) use path::{
    GUEST_GLOB, GUEST_PATH, HOST_DIRECTORY, HOST_PATH, LINK_TARGET, LOCAL_PATH, OUTPUT_PATH, PATH_PATTERN, check_glob,
    glob_part,
};
pub(crate) use principal::{
    ACL_ENTRY, CAPABILITIES, FILE_MODE, MODE, PRINCIPAL, USER_NAME, mode_bits, mode_change, principal,
};
pub(crate) use remote::{CERTIFICATE, FINGERPRINT, KEYRING, SHA256, SHA512, URL, URL_OR_PATH};
pub(crate) use reset::RESET_OPERATION;
pub(crate) use ssh_key::{SSH_KEY, decode_base64};
pub(crate) use sshd::{SSHD_KEYWORD, SSHD_VALUE, Takes, sshd_keyword, sshd_value};
pub(crate) use sudo_rule::SUDO_RULE;
pub(crate) use unit::{UNIT, full_name};
pub(crate) use words::{
    ARGUMENT, CONDITION, DATE_OR_NEVER, DROP_IN, ENVIRONMENT_NAME, ENVIRONMENT_VALUE, GECOS, GROUP_NAME, GROWN, LOCALE,
    PASSWORD, PASSWORD_HASH, SCRIPT, SECRET_NAME, TIMEZONE, TITLE, VARIABLE_NAME, VARIABLE_VALUE, WORD, XKB_NAME,
    days_from_1970,
};

/// A kind of string.
#[derive(Debug)]
pub(crate) struct TextKind {
    /// Its name in the reference.
    pub(crate) title: &'static str,
    /// What it is, after "must be".
    pub(crate) what: &'static str,
    /// What to do with a number that is not in quotes.
    pub(crate) numbers: Numbers,
    /// An expression of ECMA-262 that every right string matches, for the JSON schema; empty: any string can be right.
    pub(crate) pattern: &'static str,
    /// Says what is wrong with a string.
    pub(crate) check: fn(&str) -> Result<(), Complaint>,
}

/// Numbers without quotes where a string is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Numbers {
    /// A finding: `1.10` would become 1.1.
    Quote,
    /// Whole decimal numbers are fine as they are.
    Accept,
    /// A finding that knows about octal.
    Octal,
    /// Whole numbers are fine in any form that all readers of YAML understand alike.
    Whole,
    /// Taken as it stands: the check of the string says more.
    Check,
}

/// The nearest of some words, for "did you mean".
pub(crate) fn nearest<'w>(word: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    const LONGEST: usize = 48;
    if word.len() > LONGEST {
        return None;
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', ' '], "");
    let word = plain(word);
    let near = words.into_iter().filter_map(|candidate| {
        let other = plain(candidate);
        let distance = strsim::osa_distance(&word, &other);
        let allowed = (other.chars().count().max(word.chars().count()) + 1) / 3;
        (distance <= allowed).then_some((distance, candidate))
    });
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Words in backquotes, separated by commas.
pub(crate) fn listed<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// Refuses what no file, name or line can hold.
fn no_control(text: &str, what: &str) -> Result<(), Complaint> {
    if text.contains('\0') {
        return Err(Complaint::error(format!("{what} cannot contain a NUL character")).hint("remove the `\\0`"));
    }
    if let Some(character) = text.chars().find(|character| character.is_control()) {
        let shown = character.escape_default();
        return Err(Complaint::error(format!(
            "{what} cannot contain the control character `{shown}`"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_words() {
        let words = ["mode", "owner", "group", "ssh_authorized_keys"];
        assert_eq!(nearest("mod", words), Some("mode"));
        assert_eq!(nearest("onwer", words), Some("owner"));
        assert_eq!(nearest("ssh-authorized-keys", words), Some("ssh_authorized_keys"));
        assert_eq!(nearest("sshAuthorizedKeys", words), Some("ssh_authorized_keys"));
        assert_eq!(nearest("permissions", words), None);
        assert_eq!(nearest(&"m".repeat(1 << 20), words), None);
    }
}
