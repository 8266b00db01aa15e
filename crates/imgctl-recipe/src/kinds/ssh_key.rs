//! Public keys as lines of `authorized_keys` (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").

use super::{Numbers, TextKind, nearest};
use crate::finding::{Complaint, quoted};

/// One line: options, type, key, comment.
pub(crate) static SSH_KEY: TextKind = TextKind {
    title: "public SSH key",
    what: "a public SSH key like `ssh-ed25519 AAAA… comment`",
    numbers: Numbers::Quote,
    check: check_key,
    pattern: r"(ssh|ecdsa|sk)-\S+[ \t]+AAAA",
};

/// Types that sshd accepts (ssh-keygen(1), `ssh -Q key`).
const TYPES: [&str; 12] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-ed25519-cert-v01@openssh.com",
    "ssh-rsa-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
];

/// Options that sshd knows; any other makes it ignore the whole line.
const OPTIONS: [&str; 23] = [
    "agent-forwarding",
    "cert-authority",
    "command",
    "environment",
    "expiry-time",
    "from",
    "no-agent-forwarding",
    "no-port-forwarding",
    "no-pty",
    "no-touch-required",
    "no-user-rc",
    "no-X11-forwarding",
    "permitlisten",
    "permitopen",
    "port-forwarding",
    "principals",
    "pty",
    "restrict",
    "touch-required",
    "tunnel",
    "user-rc",
    "verify-required",
    "X11-forwarding",
];

fn check_key(text: &str) -> Result<(), Complaint> {
    if text.contains("PRIVATE KEY") {
        return Err(
            Complaint::error("this is a private key").hint("give the public one, from the file that ends in `.pub`")
        );
    }
    // A block scalar ends in a line break.
    let text = text.trim_end_matches('\n');
    if text.contains('\n') {
        return Err(Complaint::error("a public key is one line").hint("use one list entry for each key"));
    }
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Complaint::error("a public key cannot contain a control character"));
    }
    let (options, rest) = split_options(text)?;
    for option in options {
        check_option(option)?;
    }
    let mut words = rest.split([' ', '\t']).filter(|word| !word.is_empty());
    let kind = words.next().unwrap_or_default();
    if kind == "ssh-dss" {
        return Err(
            Complaint::error("`ssh-dss` keys are refused by every current sshd").hint("make an `ssh-ed25519` key")
        );
    }
    if !TYPES.contains(&kind) {
        return Err(unknown_type(kind));
    }
    let Some(encoded) = words.next() else {
        return Err(
            Complaint::error(format!("there is no key after `{kind}`")).hint("copy the whole line of the `.pub` file")
        );
    };
    check_blob(kind, encoded)
}

fn unknown_type(kind: &str) -> Complaint {
    if let Some(near) = nearest(kind, TYPES) {
        return Complaint::error(format!("{} is not a type of SSH key", quoted(kind)))
            .hint(format!("did you mean `{near}`?"));
    }
    // A word of a misplaced secret is not repeated.
    Complaint::error("this is not a public SSH key").hint("it looks like `ssh-ed25519 AAAA… comment`")
}

/// The options before the type, and what follows them.
fn split_options(text: &str) -> Result<(Vec<&str>, &str), Complaint> {
    let text = text.trim_matches([' ', '\t']);
    let first = text.split([' ', '\t']).next().unwrap_or_default();
    let is_type = first.starts_with("ssh-") || first.starts_with("ecdsa-") || first.starts_with("sk-");
    if TYPES.contains(&first) || is_type {
        return Ok((Vec::new(), text));
    }
    let mut options = Vec::new();
    let (mut start, mut in_quotes, mut escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !escaped => in_quotes = !in_quotes,
            b',' | b' ' | b'\t' if !in_quotes => {
                options.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
                if byte != b',' {
                    return Ok((options, text.get(start..).unwrap_or_default()));
                }
            }
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
    }
    if in_quotes {
        return Err(Complaint::error("a quote in the key's options is not closed"));
    }
    Err(unknown_type(text))
}

fn check_option(option: &str) -> Result<(), Complaint> {
    let name = option.split_once('=').map_or(option, |(name, _)| name);
    if OPTIONS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    match nearest(name, OPTIONS.iter().copied().chain(TYPES)) {
        Some(near) => Err(
            Complaint::error(format!("{} is not an option of SSH keys", quoted(name)))
                .hint(format!("did you mean `{near}`?")),
        ),
        None => Err(unknown_type(name)),
    }
}

/// The key begins with its own type: a 32-bit length and the name (RFC 4253, 6.6).
fn check_blob(kind: &str, encoded: &str) -> Result<(), Complaint> {
    let damaged = |why: &str| {
        Complaint::error(format!("the key is damaged: {why}")).hint("copy the whole line of the `.pub` file")
    };
    let blob = decode_base64(encoded).ok_or_else(|| damaged("it is not base64"))?;
    let length = blob.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes));
    let length = length
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or_default();
    let name = blob.get(4..).and_then(|rest| rest.split_at_checked(length));
    let Some((name, rest)) = name else {
        return Err(damaged("it is too short"));
    };
    if name != kind.as_bytes() {
        let inner = TYPES.iter().find(|known| known.as_bytes() == name);
        return Err(match inner {
            Some(inner) => damaged(&format!("the line says `{kind}`, the key `{inner}`")),
            None => damaged(&format!("it does not begin as `{kind}` keys do")),
        });
    }
    let expected = if kind == "ssh-ed25519" {
        36..=36
    } else {
        32..=usize::MAX
    };
    if !expected.contains(&rest.len()) {
        return Err(damaged("its length is wrong"));
    }
    Ok(())
}

/// Base64 with padding (RFC 4648, 4); `None` if it is not.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in digits.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(bits.checked_shr(count)?.to_le_bytes().first().copied()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

    #[test]
    fn base64() {
        assert_eq!(decode_base64("aGVsbG8=").unwrap(), b"hello");
        assert_eq!(decode_base64("aGVsbG8h").unwrap(), b"hello!");
        assert_eq!(decode_base64("aA==").unwrap(), b"h");
        assert_eq!(decode_base64("").unwrap(), b"");
        for bad in ["a", "aGVsbG8", "aGVs-G8=", "====", "a===", "aG=s"] {
            assert_eq!(decode_base64(bad), None, "{bad}");
        }
    }

    #[test]
    fn keys() {
        check_key(KEY).unwrap();
        check_key(&format!("{KEY} me@example.com, work")).unwrap();
        check_key(&format!(
            "restrict,command=\"echo \\\"a, b\\\"\",from=\"10.0.0.0/8\" {KEY}"
        ))
        .unwrap();
        check_key(&format!("{KEY}\n")).unwrap();
        for bad in [
            "",
            "ssh-ed25519",
            "ssh-ed2551 AAAA",
            "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYH",
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4",
            "ssh-ed25519 /////w==",
            &format!("{KEY}\n{KEY}\n"),
            &format!("command=\"x {KEY}"),
            &format!("restrictt {KEY}"),
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ] {
            assert!(check_key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_repeated() {
        let Err(complaint) = check_key("hunter2hunter2") else {
            panic!("accepted");
        };
        assert!(!format!("{complaint:?}").contains("hunter2"));
    }
}
