//! What comes from elsewhere: addresses, digests, certificates.

use super::{Numbers, TextKind, no_control};
use crate::finding::{Complaint, quoted};

/// An address to fetch from.
pub(crate) static URL: TextKind = TextKind {
    title: "URL",
    what: "an address like `https://mirror.example/file`",
    numbers: Numbers::Quote,
    pattern: r"^(https?|file)://\S+$",
    check: check_url,
};

/// An address or a file on this machine.
pub(crate) static URL_OR_PATH: TextKind = TextKind {
    title: "URL or local path",
    what: "an address or a path",
    numbers: Numbers::Quote,
    pattern: ".",
    check: |text| match text.contains("://") {
        true => check_url(text),
        false => (super::LOCAL_PATH.check)(text),
    },
};

/// A SHA-256 digest.
pub(crate) static SHA256: TextKind = TextKind {
    title: "SHA-256",
    what: "a SHA-256 digest of 64 hexadecimal digits",
    numbers: Numbers::Check,
    pattern: "^[0-9a-fA-F]{64}$",
    check: |text| check_digest(text, "SHA-256", 64),
};

/// A SHA-512 digest.
pub(crate) static SHA512: TextKind = TextKind {
    title: "SHA-512",
    what: "a SHA-512 digest of 128 hexadecimal digits",
    numbers: Numbers::Check,
    pattern: "^[0-9a-fA-F]{128}$",
    check: |text| check_digest(text, "SHA-512", 128),
};

/// Certificates in PEM form.
pub(crate) static CERTIFICATE: TextKind = TextKind {
    title: "certificate in PEM form",
    what: "a certificate in PEM form",
    numbers: Numbers::Quote,
    pattern: "-----BEGIN CERTIFICATE-----",
    check: check_certificate,
};

/// A keyring: of the guest, or a file on this machine.
pub(crate) static KEYRING: TextKind = TextKind {
    title: "keyring",
    what: "a keyring's name or path",
    numbers: Numbers::Quote,
    pattern: r"^\S+$",
    check: |text| match text.is_empty() || text.contains(char::is_whitespace) {
        true => Err(Complaint::error(format!("{} is not a keyring", quoted(text)))
            .hint("write a name like `debian-archive-keyring`, or a path")),
        false => no_control(text, "a path"),
    },
};

/// A key's fingerprint.
pub(crate) static FINGERPRINT: TextKind = TextKind {
    title: "fingerprint",
    what: "a fingerprint of 40 or 64 hexadecimal digits",
    numbers: Numbers::Check,
    pattern: "^([0-9a-fA-F] ?){39}[0-9a-fA-F]$|^([0-9a-fA-F] ?){63}[0-9a-fA-F]$",
    check: |text| {
        let digits = text.chars().filter(|c| *c != ' ');
        let is_right = digits.clone().all(|c| c.is_ascii_hexdigit()) && matches!(digits.count(), 40 | 64);
        match is_right {
            true => Ok(()),
            false => Err(
                Complaint::error(format!("{} is not the fingerprint of a key", quoted(text)))
                    .hint("`gpg --show-keys FILE` prints it: 40 or 64 hexadecimal digits"),
            ),
        }
    },
};

fn check_url(text: &str) -> Result<(), Complaint> {
    let refuse = |why: &str| Complaint::error(format!("{} is not an address: {why}", quoted(text)));
    let Some((scheme, rest)) = text.split_once("://") else {
        let complaint = refuse("there is no `://`");
        return Err(match text.split('/').next() {
            Some(host) if host.contains('.') && !text.starts_with('.') => {
                complaint.hint(format!("write {}", quoted(&format!("https://{text}"))))
            }
            _ => complaint.hint("an address begins with `https://`"),
        });
    };
    if !matches!(scheme, "http" | "https" | "file") {
        return Err(refuse(&format!("{} cannot be fetched", quoted(scheme)))
            .hint("it begins with `https://`, `http://` or `file://`"));
    }
    if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(refuse("it has spaces or control characters").hint("write a space as `%20`"));
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.contains('@') {
        // The message does not repeat what is perhaps a password.
        return Err(Complaint::error("the address holds a user or password")
            .hint("everyone who has the recipe can read it; use ~/.netrc or a secret"));
    }
    match scheme {
        "file" if !host.is_empty() || path.is_empty() => {
            Err(refuse("a file has an absolute path").hint("it looks like `file:///srv/images/base.qcow2`"))
        }
        "http" | "https" if host.is_empty() || host.starts_with(':') => Err(refuse("there is no host")),
        _ => Ok(()),
    }
}

fn check_digest(text: &str, name: &str, digits: usize) -> Result<(), Complaint> {
    let given = text.chars().count();
    if given == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    let refuse = |why: &str| Complaint::error(format!("{} is not a {name} digest: {why}", quoted(text)));
    if text.split_once(':').is_some_and(|(_, rest)| rest.len() == digits) {
        return Err(refuse("it has a prefix").hint(format!("write the {digits} digits alone")));
    }
    if let Some(bad) = text.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(refuse(&format!("{} is no hexadecimal digit", quoted(&bad.to_string()))));
    }
    let complaint = refuse(&format!("it has {given} digits, not {digits}"));
    Err(match given {
        64 => complaint.hint("that is the length of SHA-256"),
        128 => complaint.hint("that is the length of SHA-512"),
        32 | 40 => complaint.hint("MD5 and SHA-1 protect from nothing; take a SHA-256 of the publisher"),
        _ => complaint,
    })
}

fn check_certificate(text: &str) -> Result<(), Complaint> {
    if text.contains("PRIVATE KEY") {
        return Err(Complaint::error("there is a private key in it").hint("give the certificate alone"));
    }
    if !text.contains("-----BEGIN CERTIFICATE-----") || !text.contains("-----END CERTIFICATE-----") {
        return Err(Complaint::error("this is not a certificate in PEM form")
            .hint("it begins with `-----BEGIN CERTIFICATE-----` and has an end, too"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for text in [
            "https://a.example/b?c=d#e",
            "http://[::1]:80/x",
            "file:///srv/a",
            "https://a.example",
        ] {
            assert!(check_url(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "a.example/b",
            "ftp://a.example/b",
            "https://",
            "https:///b",
            "https://:80/",
            "https://a b/",
            "file://a/b",
            "file://",
            "https://me:secret@a.example/",
            "https:/a.example",
            "//a.example/b",
            "https://a.example/\u{7}",
        ] {
            assert!(check_url(text).is_err(), "{text}");
        }
        let Err(complaint) = check_url("https://me:hunter2@a.example/") else {
            panic!("accepted");
        };
        assert!(!format!("{complaint:?}").contains("hunter2"));
    }

    #[test]
    fn digests() {
        let right = "0123456789abcdefABCDEF0123456789".repeat(2);
        assert!(check_digest(&right, "SHA-256", 64).is_ok());
        for text in [
            "",
            "abc",
            &right[1..],
            &format!("sha256:{right}"),
            &right.replace('a', "g"),
            &"é".repeat(32),
        ] {
            assert!(check_digest(text, "SHA-256", 64).is_err(), "{text}");
        }
    }
}
