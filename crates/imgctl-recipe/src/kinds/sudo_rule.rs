//! Rules of sudoers(5), as far as they can be judged without the rest of the guest's sudoers.

use super::{Numbers, TextKind};
use crate::finding::{Complaint, quoted};

/// What a user may do as whom: a rule of sudoers without the user's name.
pub(crate) static SUDO_RULE: TextKind = TextKind {
    title: "rule of sudoers",
    what: "a rule of sudoers like `ALL=(ALL) NOPASSWD: ALL`",
    numbers: Numbers::Quote,
    pattern: "^[^#\r\n]*=[^\r\n]*$",
    check: |text| match sudo_rule(text) {
        Ok(()) => Ok(()),
        Err(Refusal(reason)) => Err(Complaint::error(format!(
            "{} is not a rule of sudoers that can be judged: {reason}",
            quoted(text)
        ))
        .hint(HINT)),
    },
};

const HINT: &str = "it looks like `ALL=(ALL:ALL) NOPASSWD: /usr/bin/systemctl restart *`; other rules can be put into /etc/sudoers.d by `files`";

/// The longest rule that sudo reads without wondering.
const LONGEST: usize = 4096;

const TAGS: [&str; 16] = [
    "EXEC",
    "NOEXEC",
    "FOLLOW",
    "NOFOLLOW",
    "INTERCEPT",
    "NOINTERCEPT",
    "LOG_INPUT",
    "NOLOG_INPUT",
    "LOG_OUTPUT",
    "NOLOG_OUTPUT",
    "MAIL",
    "NOMAIL",
    "PASSWD",
    "NOPASSWD",
    "SETENV",
    "NOSETENV",
];

/// Why a rule is refused.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Refusal(pub(crate) &'static str);

/// Judges `HOSTS=(RUNAS) TAGS: COMMANDS`, several parted by `:`. The grammar is a part of that of sudoers(5): what is
/// accepted is accepted by visudo, too; aliases, options and regular expressions are not.
pub(crate) fn sudo_rule(text: &str) -> Result<(), Refusal> {
    if text.len() > LONGEST {
        return Err(Refusal("it is too long"));
    }
    if text.chars().any(|c| c != '\t' && c.is_control()) {
        return Err(Refusal("it is more than one line"));
    }
    if text.contains(['"', '\'', '^', '$']) {
        return Err(Refusal("quotes and regular expressions are not known here"));
    }
    for part in split(text, ':', true) {
        privilege(part)?;
    }
    Ok(())
}

/// `HOSTS=COMMANDS`
fn privilege(text: &str) -> Result<(), Refusal> {
    let (hosts, commands) = text.split_once('=').ok_or(Refusal("there is no `=` after the hosts"))?;
    for host in hosts.split(',') {
        let host = host.trim().trim_start_matches('!').trim_start();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:*".contains(c);
        if host.is_empty() || !host.chars().all(allowed) || host.contains(':') {
            return Err(Refusal("its hosts are not known here"));
        }
        if is_alias(host) || !(host == "ALL" || is_host(host)) {
            return Err(Refusal("its hosts are neither `ALL` nor names"));
        }
    }
    for command in split(commands, ',', false) {
        command_of(command)?;
    }
    Ok(())
}

fn is_host(host: &str) -> bool {
    let begins_well = host.starts_with(|c: char| c.is_ascii_alphanumeric());
    begins_well
        && !host.contains("//")
        && !host.ends_with('/')
        && (!host.contains('/') || host.starts_with(|c: char| c.is_ascii_digit()) && is_network(host))
}

/// An address with the length of its network.
fn is_network(host: &str) -> bool {
    let Some((address, bits)) = host.split_once('/') else {
        return false;
    };
    address.parse::<std::net::Ipv4Addr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 32)
}

/// `(RUNAS) TAGS: COMMAND`
fn command_of(text: &str) -> Result<(), Refusal> {
    let mut rest = text.trim();
    if let Some(inner) = rest.strip_prefix('(') {
        let (runas, after) = inner.split_once(')').ok_or(Refusal("a `)` is missing"))?;
        run_as(runas)?;
        rest = after.trim_start();
    }
    loop {
        let end = rest
            .find(|c: char| !(c.is_ascii_uppercase() || c == '_'))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let Some(after) = after.trim_start().strip_prefix(':') else {
            break;
        };
        if word.is_empty() || !TAGS.contains(&word) {
            return Err(Refusal("there is an unknown tag in it"));
        }
        rest = after.trim_start();
    }
    command(rest)
}

fn run_as(text: &str) -> Result<(), Refusal> {
    let mut lists = text.split(':');
    let users = lists.next().unwrap_or_default();
    let groups = lists.next();
    if lists.next().is_some() {
        return Err(Refusal("there are too many `:` in its parentheses"));
    }
    for list in [Some(users), groups].into_iter().flatten() {
        if list.trim().is_empty() {
            continue;
        }
        for name in list.split(',') {
            let name = name.trim().trim_start_matches('!').trim_start();
            let name = name.strip_prefix(['%', '#']).unwrap_or(name);
            let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
            if !begins_well || !name.chars().all(allowed) || is_alias(name) {
                return Err(Refusal("who may be become is neither `ALL` nor a name"));
            }
        }
    }
    Ok(())
}

fn command(text: &str) -> Result<(), Refusal> {
    let text = text.trim().trim_start_matches('!').trim();
    if text == "ALL" {
        return Ok(());
    }
    let (program, arguments) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    if program == "sudoedit" {
        let files = arguments.split_ascii_whitespace();
        return match files.clone().next().is_some() && files.clone().all(|file| file.starts_with('/')) {
            true => characters(arguments),
            false => Err(Refusal("`sudoedit` needs absolute paths")),
        };
    }
    if !program.starts_with('/') {
        return Err(Refusal("a command is neither `ALL` nor an absolute path"));
    }
    if program.ends_with('/') && !arguments.trim().is_empty() {
        return Err(Refusal("a folder of commands takes no arguments"));
    }
    characters(program)?;
    characters(arguments)
}

/// Letters that mean themselves, wildcards, and others behind a backslash.
fn characters(text: &str) -> Result<(), Refusal> {
    let mut characters = text.chars();
    let mut brackets = 0_u32;
    while let Some(character) = characters.next() {
        match character {
            '\\' if !characters.next().is_some_and(|next| ",:=\\".contains(next)) => {
                return Err(Refusal(
                    "a `\\` stands before something else than `,`, `:`, `=` or `\\`",
                ));
            }
            '[' => brackets += 1,
            ']' => brackets = brackets.saturating_sub(1),
            ',' | ':' | '=' | '#' | '!' | '(' | ')' => {
                return Err(Refusal(
                    "a `,`, `:` or `=` of a command needs a `\\` before it, and `#`, `!` and parentheses are not known here",
                ));
            }
            _ => {}
        }
    }
    if brackets > 0 {
        return Err(Refusal("a `]` is missing"));
    }
    Ok(())
}

/// The pieces between separators that are not escaped, not in parentheses, and (for privileges) not after a tag.
fn split(text: &str, separator: char, whole: bool) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut depth = 0_u32;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match character {
            '\\' => escaped = true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if character == separator && depth == 0 => {
                let before = text.get(start..at).unwrap_or_default();
                let word = before.trim_end().rsplit([' ', '\t', ',', '=', ')', ':']).next();
                let is_tag = word.is_some_and(|word| !word.is_empty() && TAGS.contains(&word));
                if !(whole && is_tag) {
                    pieces.push(before);
                    start = at + 1;
                }
            }
            _ => {}
        }
    }
    pieces.push(text.get(start..).unwrap_or_default());
    pieces
}

/// A name that sudoers takes for an alias, whose meaning is elsewhere.
fn is_alias(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_uppercase());
    let rest = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    name != "ALL" && begins && name.chars().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules with what visudo says of them; imgctl-core's tests ask it.
    #[test]
    fn the_grammar() {
        for rule in [
            "ALL=(ALL) NOPASSWD: ALL",
            "ALL=(ALL) NOPASSWD:ALL",
            "ALL=(ALL:ALL) ALL",
            "ALL = (root) NOPASSWD: SETENV: /usr/bin/apt-get update, /bin/ls",
            "web1,10.0.0.0/8=(www-data,%adm:#33) /usr/bin/systemctl restart nginx.service",
            "ALL=/usr/bin/id, !/usr/bin/su : web=(root) ALL",
            "ALL=(:adm) /bin/x a\\,b\\:c\\=d *.log [a-z]?",
            "ALL=() ALL",
            "ALL=NOPASSWD: sudoedit /etc/motd",
            "ALL=/usr/local/bin/",
        ] {
            assert_eq!(sudo_rule(rule), Ok(()), "{rule}");
        }
        for rule in [
            "",
            "ALL",
            "ALL=",
            "=ALL",
            "ALL=(ALL",
            "ALL=(ALL) NOPASSWORD: ALL",
            "ALL=(ALL) NOPASSWD ALL",
            "ALL=ls",
            "ALL=WEB",
            "SERVERS=ALL",
            "ALL=(OPS) ALL",
            "ALL=ALL # all",
            "ALL=ALL\nroot ALL=ALL",
            "ALL=/bin/x a,b",
            "ALL=/bin/x \\q",
            "ALL=/bin/x ^a$",
            "ALL=\"/bin/x\"",
            "ALL=(ALL:ALL:ALL) ALL",
            "ALL=/usr/bin/ x",
            "ALL=ALL,",
            "ALL=ALL:",
            "ALL=CWD=/ ALL",
            "+net=ALL",
            "ALL=/bin/[a",
        ] {
            assert!(sudo_rule(rule).is_err(), "{rule}");
        }
        assert!(sudo_rule(&"x".repeat(5000)).is_err());
    }
}
