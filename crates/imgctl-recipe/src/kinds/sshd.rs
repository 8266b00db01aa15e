//! Keywords of sshd_config(5) and what they can be set to.

use super::{Numbers, TextKind, nearest, no_control};
use crate::finding::{Complaint, quoted};

/// A keyword of sshd_config.
pub(crate) static SSHD_KEYWORD: TextKind = TextKind {
    title: "keyword",
    what: "a keyword of sshd_config",
    numbers: Numbers::Quote,
    pattern: "^[A-Za-z][A-Za-z0-9]*$",
    check: |text| match (sshd_keyword(text), text.to_ascii_lowercase().as_str()) {
        (Some(_), _) => Ok(()),
        (None, "match" | "include") => Err(Complaint::error(format!(
            "{} is not a setting of the whole server",
            quoted(text)
        ))
        .hint("put a file into /etc/ssh/sshd_config.d by `files`")),
        (None, _) => {
            let complaint = Complaint::error(format!("{} is not a keyword of sshd_config", quoted(text)));
            Err(match nearest(text, KEYWORDS.iter().map(|(name, _)| *name)) {
                Some(name) => complaint.hint(format!("did you mean {}?", quoted(name))),
                None => complaint.hint("see sshd_config(5)"),
            })
        }
    },
};

/// What a keyword is set to.
pub(crate) static SSHD_VALUE: TextKind = TextKind {
    title: "text",
    what: "a string",
    numbers: Numbers::Accept,
    pattern: r"^[^\r\n]+$",
    check: |text| match text.trim().is_empty() {
        true => Err(Complaint::error("the value is empty")),
        false => no_control(text, "it"),
    },
};

/// What a keyword takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Takes {
    /// `yes` or `no`.
    YesNo,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number.
    Number,
    /// Anything, the first line counts.
    Text,
    /// Anything, every line counts.
    Texts,
}

use Takes::{Number, Text, Texts, Word, YesNo};

/// The keywords up to OpenSSH 10, with what they take.
static KEYWORDS: &[(&str, Takes)] = &[
    ("AcceptEnv", Texts),
    ("AddressFamily", Word(&["any", "inet", "inet6"])),
    ("AllowAgentForwarding", YesNo),
    ("AllowGroups", Texts),
    (
        "AllowStreamLocalForwarding",
        Word(&["yes", "no", "all", "local", "remote"]),
    ),
    ("AllowTcpForwarding", Word(&["yes", "no", "all", "local", "remote"])),
    ("AllowUsers", Texts),
    ("AuthenticationMethods", Text),
    ("AuthorizedKeysCommand", Text),
    ("AuthorizedKeysCommandUser", Text),
    ("AuthorizedKeysFile", Text),
    ("AuthorizedPrincipalsCommand", Text),
    ("AuthorizedPrincipalsCommandUser", Text),
    ("AuthorizedPrincipalsFile", Text),
    ("Banner", Text),
    ("CASignatureAlgorithms", Text),
    ("ChallengeResponseAuthentication", YesNo),
    ("ChannelTimeout", Text),
    ("ChrootDirectory", Text),
    ("Ciphers", Text),
    ("ClientAliveCountMax", Number),
    ("ClientAliveInterval", Text),
    ("Compression", Word(&["yes", "no", "delayed"])),
    ("DebianBanner", YesNo),
    ("DenyGroups", Texts),
    ("DenyUsers", Texts),
    ("DisableForwarding", YesNo),
    ("ExposeAuthInfo", YesNo),
    ("FingerprintHash", Word(&["md5", "sha256"])),
    ("ForceCommand", Text),
    ("GatewayPorts", Word(&["yes", "no", "clientspecified"])),
    ("GSSAPIAuthentication", YesNo),
    ("GSSAPICleanupCredentials", YesNo),
    ("GSSAPIKexAlgorithms", Text),
    ("GSSAPIKeyExchange", YesNo),
    ("GSSAPIStoreCredentialsOnRekey", YesNo),
    ("GSSAPIStrictAcceptorCheck", YesNo),
    ("HostbasedAcceptedAlgorithms", Text),
    ("HostbasedAuthentication", YesNo),
    ("HostbasedUsesNameFromPacketOnly", YesNo),
    ("HostCertificate", Texts),
    ("HostKey", Texts),
    ("HostKeyAgent", Text),
    ("HostKeyAlgorithms", Text),
    ("IgnoreRhosts", Word(&["yes", "no", "shosts-only"])),
    ("IgnoreUserKnownHosts", YesNo),
    ("IPQoS", Text),
    ("KbdInteractiveAuthentication", YesNo),
    ("KerberosAuthentication", YesNo),
    ("KerberosGetAFSToken", YesNo),
    ("KerberosOrLocalPasswd", YesNo),
    ("KerberosTicketCleanup", YesNo),
    ("KexAlgorithms", Text),
    ("ListenAddress", Texts),
    ("LoginGraceTime", Text),
    (
        "LogLevel",
        Word(&[
            "QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3",
        ]),
    ),
    ("LogVerbose", Text),
    ("MACs", Text),
    ("MaxAuthTries", Number),
    ("MaxSessions", Number),
    ("MaxStartups", Text),
    ("ModuliFile", Text),
    ("PAMServiceName", Text),
    ("PasswordAuthentication", YesNo),
    ("PermitEmptyPasswords", YesNo),
    ("PermitListen", Text),
    ("PermitOpen", Text),
    (
        "PermitRootLogin",
        Word(&[
            "yes",
            "no",
            "prohibit-password",
            "without-password",
            "forced-commands-only",
        ]),
    ),
    ("PermitTTY", YesNo),
    ("PermitTunnel", Word(&["yes", "no", "point-to-point", "ethernet"])),
    ("PermitUserEnvironment", Text),
    ("PermitUserRC", YesNo),
    ("PerSourceMaxStartups", Text),
    ("PerSourceNetBlockSize", Text),
    ("PerSourcePenalties", Texts),
    ("PerSourcePenaltyExemptList", Text),
    ("PidFile", Text),
    ("Port", Texts),
    ("PrintLastLog", YesNo),
    ("PrintMotd", YesNo),
    ("PubkeyAcceptedAlgorithms", Text),
    ("PubkeyAuthentication", YesNo),
    ("PubkeyAuthOptions", Text),
    ("RefuseConnection", YesNo),
    ("RekeyLimit", Text),
    ("RequiredRSASize", Number),
    ("RevokedKeys", Text),
    ("SecurityKeyProvider", Text),
    ("SetEnv", Texts),
    ("SshdAuthPath", Text),
    ("SshdSessionPath", Text),
    ("StreamLocalBindMask", Text),
    ("StreamLocalBindUnlink", YesNo),
    ("StrictModes", YesNo),
    ("Subsystem", Texts),
    ("SyslogFacility", Text),
    ("TCPKeepAlive", YesNo),
    ("TrustedUserCAKeys", Text),
    ("UnusedConnectionTimeout", Text),
    ("UseDNS", YesNo),
    ("UsePAM", YesNo),
    ("VersionAddendum", Text),
    ("X11DisplayOffset", Number),
    ("X11Forwarding", YesNo),
    ("X11UseLocalhost", YesNo),
    ("XAuthLocation", Text),
];

/// A keyword as the manual writes it, and what it takes. Case does not matter.
pub(crate) fn sshd_keyword(text: &str) -> Option<(&'static str, Takes)> {
    let mut keywords = KEYWORDS.iter();
    keywords.find(|(name, _)| name.eq_ignore_ascii_case(text)).copied()
}

/// What is wrong with a value of a keyword.
pub(crate) fn sshd_value(takes: Takes, value: &str) -> Option<Complaint> {
    // sshd does not mind the case of its words.
    let word = |words: &[&str]| {
        let is_known = words.iter().any(|word| word.eq_ignore_ascii_case(value));
        (!is_known).then(|| words.join("`, `"))
    };
    let expected = match takes {
        YesNo => word(&["yes", "no"]),
        Word(words) => word(words),
        Number => (!value.bytes().all(|byte| byte.is_ascii_digit()) || value.len() > 9).then(|| "0".to_owned()),
        Text | Texts => None,
    }?;
    let complaint = Complaint::error(format!("{} is not what sshd takes there", quoted(value)));
    Some(match takes {
        Number => complaint.hint("write a whole number"),
        _ => complaint.hint(format!("it can be `{expected}`")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_have_values() {
        assert_eq!(sshd_keyword("usepam"), Some(("UsePAM", YesNo)));
        assert!((SSHD_KEYWORD.check)("Match").is_err());
        assert!((SSHD_KEYWORD.check)("PermitRotLogin").is_err());
        for (name, value, is_right) in [
            ("PermitRootLogin", "prohibit-password", true),
            ("PermitRootLogin", "maybe", false),
            ("UsePAM", "true", false),
            ("MaxAuthTries", "3", true),
            ("MaxAuthTries", "three", false),
            ("Banner", "/etc/issue", true),
        ] {
            let (_, takes) = sshd_keyword(name).unwrap();
            assert_eq!(sshd_value(takes, value).is_none(), is_right, "{name} {value}");
        }
        let mut names: Vec<&str> = KEYWORDS.iter().map(|(name, _)| *name).collect();
        names.sort_by_key(|name| name.to_ascii_lowercase());
        assert_eq!(names, KEYWORDS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
}
