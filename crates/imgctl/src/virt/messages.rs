//! What virt-customize says before each operation.

/// How much of a value is told: what follows the first colon may be long, or secret.
#[derive(Clone, Copy)]
enum Form {
    /// `FILE` of `FILE:CONTENT`.
    First,
    /// `FILE:DEST` with a word between.
    Pair(&'static str),
    /// `PERMISSIONS:FILE` the other way round, with a word between.
    Turned(&'static str),
    Whole,
    Nothing,
}

/// The options with the words that come before their values.
const MESSAGES: &[(&str, &str, Form)] = &[
    ("append-line", "Appending line to ", Form::First),
    ("chmod", "Changing permissions of ", Form::Turned("to")),
    ("chown", "Changing ownership: ", Form::Whole),
    ("copy", "Copying (in image): ", Form::Pair("to")),
    ("copy-in", "Copying: ", Form::Pair("to")),
    ("delete", "Deleting: ", Form::Whole),
    ("edit", "Editing: ", Form::First),
    ("firstboot", "Installing firstboot script: ", Form::Whole),
    ("firstboot-command", "Installing firstboot command: ", Form::Whole),
    ("firstboot-install", "Installing firstboot packages: ", Form::Whole),
    ("hostname", "Setting the hostname: ", Form::Whole),
    ("install", "Installing packages: ", Form::Whole),
    ("link", "Linking: ", Form::Pair("->")),
    ("mkdir", "Making directory: ", Form::Whole),
    ("move", "Moving: ", Form::Pair("->")),
    ("password", "Setting passwords", Form::Nothing),
    ("root-password", "Setting passwords", Form::Nothing),
    ("run", "Running: ", Form::Whole),
    ("run-command", "Running: ", Form::Whole),
    ("scrub", "Scrubbing: ", Form::Whole),
    ("selinux-relabel", "SELinux relabelling", Form::Nothing),
    ("ssh-inject", "SSH key inject: ", Form::First),
    ("tar-in", "Copying: ", Form::Pair("to")),
    ("timezone", "Setting the timezone: ", Form::Whole),
    ("touch", "Running touch: ", Form::Whole),
    ("truncate", "Truncating: ", Form::Whole),
    ("truncate-recursive", "Recursively truncating: ", Form::Whole),
    ("uninstall", "Uninstalling packages: ", Form::Whole),
    ("update", "Updating packages", Form::Nothing),
    ("upload", "Uploading: ", Form::Pair("to")),
    ("write", "Writing: ", Form::First),
];

/// What is told of an option, if there are words for it.
pub(super) fn message(name: &str, value: &str) -> Option<String> {
    let (_, words, form) = MESSAGES.iter().find(|(known, ..)| *known == name)?;
    let (first, second) = value.split_once(':').unwrap_or((value, ""));
    let told = match form {
        Form::Nothing => String::new(),
        Form::Whole => value.to_owned(),
        Form::First => first.to_owned(),
        Form::Pair(between) => format!("{first} {between} {second}"),
        Form::Turned(between) => format!("{second} {between} {first}"),
    };
    Some(format!("{words}{told}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_and_secrets_are_not_told() {
        let told = |name, value| message(name, value).unwrap();
        assert_eq!(told("write", "/etc/token:secret"), "Writing: /etc/token");
        assert_eq!(told("root-password", "password:secret"), "Setting passwords");
        assert_eq!(told("chmod", "0600:/etc/x"), "Changing permissions of /etc/x to 0600");
        assert_eq!(told("upload", "a:/b"), "Uploading: a to /b");
        assert_eq!(message("mask-unit", "x"), None);
        assert!(MESSAGES.is_sorted_by_key(|(name, ..)| *name));
    }
}
