//! What machines are made of: systems, processors, kernels, packages.

use super::{Numbers, TextKind, decode_base64, nearest, no_control};
use crate::finding::{Complaint, quoted};
use crate::plan::{Comparison, VersionRequirement};

/// `ID` of os-release(5).
pub(crate) static OS_ID: TextKind = TextKind {
    title: "system's id",
    what: "a system's id like `debian`",
    numbers: Numbers::Quote,
    pattern: "^[a-z0-9][a-z0-9._-]*$",
    check: |text| {
        let complaint = Complaint::error(format!("{} is not the id of a system", quoted(text)));
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        let lower = text.to_ascii_lowercase();
        match !text.is_empty() && text.chars().all(allowed) {
            true => Ok(()),
            false if !lower.is_empty() && lower.chars().all(allowed) => {
                Err(complaint.hint(format!("write {}", quoted(&lower))))
            }
            false => Err(complaint.hint("write `ID` of the guest's os-release, like `debian`, `ubuntu` or `rocky`")),
        }
    },
};

/// A processor as `uname -m` says it.
pub(crate) static ARCHITECTURE: TextKind = TextKind {
    title: "processor",
    what: "a processor like `x86_64`",
    numbers: Numbers::Quote,
    pattern: "^(x86_64|aarch64|riscv64|ppc64le|s390x|armv7l|i686|loongarch64)$",
    check: check_architecture,
};

/// A package and perhaps its version.
pub(crate) static PACKAGE: TextKind = TextKind {
    title: "package",
    what: "a package like `chrony` or `chrony=4.3-2`",
    numbers: Numbers::Quote,
    pattern: "^[A-Za-z0-9@][A-Za-z0-9+._:@-]*(=[A-Za-z0-9.+~:^_-]+)?$",
    check: |text| match text.split_once('=') {
        None => check_package(text),
        Some((name, version)) => check_package(name).and_then(|()| check_version(version)),
    },
};

/// A package's name.
pub(crate) static PACKAGE_NAME: TextKind = TextKind {
    title: "package name",
    what: "a package's name",
    numbers: Numbers::Quote,
    pattern: "^[A-Za-z0-9@][A-Za-z0-9+._:@-]*$",
    check: check_package,
};

/// Comparisons with versions.
pub(crate) static VERSION_REQUIREMENT: TextKind = TextKind {
    title: "version requirement",
    what: "a version requirement like `\">= 4.2, < 5\"`",
    numbers: Numbers::Quote,
    pattern: r"^\s*(=|!=|<|<=|>|>=)?\s*[A-Za-z0-9.+~:^_-]+\s*(,\s*(=|!=|<|<=|>|>=)?\s*[A-Za-z0-9.+~:^_-]+\s*)*$",
    check: |text| version_requirements(text).map(drop),
};

/// One argument of a kernel.
pub(crate) static KERNEL_ARGUMENT: TextKind = TextKind {
    title: "kernel argument",
    what: "an argument like `net.ifnames=0`",
    numbers: Numbers::Quote,
    pattern: r#"^[^\s"=]+(=(\S*|"[^"]*"))?$"#,
    check: check_kernel_argument,
};

/// A kernel module.
pub(crate) static MODULE: TextKind = TextKind {
    title: "module name",
    what: "a module's name",
    numbers: Numbers::Quote,
    pattern: "^[A-Za-z0-9_-]+$",
    check: check_module,
};

/// An option of a module.
pub(crate) static OPTION_NAME: TextKind = TextKind {
    title: "option",
    what: "an option's name",
    numbers: Numbers::Quote,
    pattern: "^[A-Za-z0-9_-]+$",
    check: check_module,
};

/// What an option of a module is set to.
pub(crate) static OPTION_VALUE: TextKind = TextKind {
    title: "value",
    what: "a number or a string",
    numbers: Numbers::Whole,
    pattern: r"^[^\s]*$",
    check: |text| match text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        true => Err(Complaint::error(format!("{} has spaces", quoted(text))).hint("a list is joined by commas")),
        false => Ok(()),
    },
};

/// A kernel parameter, as sysctl(8) names it.
pub(crate) static SYSCTL_NAME: TextKind = TextKind {
    title: "kernel parameter",
    what: "a kernel parameter like `net.ipv4.ip_forward`",
    numbers: Numbers::Quote,
    pattern: "^[A-Za-z0-9_*-]+([./][A-Za-z0-9_*:@-]+)+$",
    check: check_sysctl,
};

/// The name of an extended attribute.
pub(crate) static XATTR_NAME: TextKind = TextKind {
    title: "extended attribute",
    what: "an extended attribute like `user.origin`",
    numbers: Numbers::Quote,
    pattern: r"^(user|trusted|security)\..+$",
    check: check_xattr,
};

/// The value of an extended attribute.
pub(crate) static XATTR_VALUE: TextKind = TextKind {
    title: "text, or `0x…`, or `0s…`",
    what: "a string",
    numbers: Numbers::Whole,
    pattern: "",
    check: |text| match xattr_value(text) {
        Some(value) if value.len() <= 65_536 => Ok(()),
        Some(_) => Err(Complaint::error("the value of an attribute has at most 65536 bytes")),
        None => Err(Complaint::error(format!("{} cannot be decoded", quoted(text)))
            .hint("after `0x` come pairs of hexadecimal digits, after `0s` base64")),
    },
};

/// The bytes that a checked string means.
pub(crate) fn xattr_value(text: &str) -> Option<Vec<u8>> {
    if let Some(encoded) = text.strip_prefix("0s") {
        return decode_base64(encoded);
    }
    let Some(digits) = text.strip_prefix("0x") else {
        return Some(text.as_bytes().to_vec());
    };
    let digits: Option<Vec<u32>> = digits.chars().map(|digit| digit.to_digit(16)).collect();
    let (pairs, rest) = digits.as_ref()?.as_chunks::<2>();
    let byte = |[high, low]: &[u32; 2]| u8::try_from(high * 16 + low).ok();
    rest.is_empty().then(|| pairs.iter().filter_map(byte).collect())
}

fn check_xattr(text: &str) -> Result<(), Complaint> {
    let refuse = || {
        Complaint::error(format!(
            "{} is not the name of an attribute that can be set",
            quoted(text)
        ))
    };
    match text.split_once('.') {
        Some(("security", "capability")) => Err(refuse().hint("write `capabilities`")),
        Some(("system", "posix_acl_access" | "posix_acl_default")) => Err(refuse().hint("write `acl`")),
        Some(("user" | "trusted" | "security", name)) if !name.is_empty() && text.len() <= 255 => {
            no_control(text, "the name of an attribute")
        }
        _ => Err(refuse().hint("names begin with `user.`, `trusted.` or `security.` and have up to 255 bytes")),
    }
}

/// What a kernel parameter is set to.
pub(crate) static SYSCTL_VALUE: TextKind = TextKind {
    title: "value",
    what: "a number or a string",
    numbers: Numbers::Whole,
    pattern: r"^[^\r\n]+$",
    check: |text| match text.trim().is_empty() || text.contains(char::is_control) {
        true => Err(
            Complaint::error(format!("{} is not the value of a kernel parameter", quoted(text)))
                .hint("write it as one line, numbers between spaces"),
        ),
        false => Ok(()),
    },
};

/// A label or its type (SELinux).
pub(crate) static SELINUX_CONTEXT: TextKind = TextKind {
    title: "SELinux context",
    what: "an SELinux type like `bin_t`",
    numbers: Numbers::Quote,
    pattern: r"^(<<none>>|[A-Za-z0-9_]+|[A-Za-z0-9_]+:[A-Za-z0-9_]+:[A-Za-z0-9_]+(:\S+)?)$",
    check: check_context,
};

fn check_architecture(text: &str) -> Result<(), Complaint> {
    const KNOWN: [&str; 8] = [
        "x86_64",
        "aarch64",
        "riscv64",
        "ppc64le",
        "s390x",
        "armv7l",
        "i686",
        "loongarch64",
    ];
    const OTHER_NAMES: [(&str, &str); 8] = [
        ("amd64", "x86_64"),
        ("x64", "x86_64"),
        ("x86-64", "x86_64"),
        ("arm64", "aarch64"),
        ("ppc64el", "ppc64le"),
        ("armhf", "armv7l"),
        ("i386", "i686"),
        ("x86", "i686"),
    ];
    if KNOWN.contains(&text) {
        return Ok(());
    }
    let lower = text.to_ascii_lowercase();
    let other = OTHER_NAMES
        .iter()
        .find(|(other, _)| *other == lower)
        .map(|(_, name)| *name);
    let complaint = Complaint::error(format!("{} is not a processor that guests have", quoted(text)));
    Err(match other.or_else(|| nearest(text, KNOWN)) {
        Some(name) => complaint.hint(format!("write `{name}`")),
        None => complaint.hint(format!("known are {}", super::listed(KNOWN))),
    })
}

fn check_package(text: &str) -> Result<(), Complaint> {
    let refuse = |why: &str| Complaint::error(format!("{} is not the name of a package: {why}", quoted(text)));
    if text.is_empty() {
        return Err(Complaint::error("the package's name is empty"));
    }
    if text.contains("://") || text.contains('/') || [".deb", ".rpm", ".apk"].iter().any(|end| text.ends_with(end)) {
        return Err(refuse("it is a file").hint("name it in `packages.files`"));
    }
    if text.contains(['*', '?', '[']) {
        return Err(refuse("globs do not work here").hint("name each package"));
    }
    if text.starts_with(['-', '+', '.']) {
        return Err(refuse("it begins with a sign").hint("what must not be there goes into `remove`"));
    }
    if let Some(sign) = text.chars().find(|c| matches!(c, '<' | '>' | '~' | '=')) {
        return Err(
            refuse(&format!("`{sign}` cannot be in it")).hint("an exact version follows `=`, like `chrony=4.3-2`")
        );
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '_' | ':' | '@' | '-');
    match text.chars().find(|c| !allowed(*c)) {
        Some(' ') => Err(refuse("it has spaces").hint("use one list entry for each package")),
        Some(bad) => Err(refuse(&format!("{} cannot be in it", quoted(&bad.to_string())))),
        None => Ok(()),
    }
}

fn check_version(text: &str) -> Result<(), Complaint> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '~' | ':' | '^' | '_' | '-');
    if text.is_empty() || text.len() > 128 || !text.chars().all(allowed) {
        return Err(
            Complaint::error(format!("{} is not a version", quoted(text))).hint("it looks like `4.3-2+deb12u1`")
        );
    }
    Ok(())
}

/// The comparisons that a requirement like `>= 4.2, < 5` holds.
pub(crate) fn version_requirements(text: &str) -> Result<Vec<VersionRequirement>, Complaint> {
    const MOST: usize = 16;
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if parts.len() > MOST {
        return Err(Complaint::error(format!("there are more than {MOST} comparisons")));
    }
    parts.into_iter().map(|part| version_requirement(part, text)).collect()
}

fn version_requirement(part: &str, whole: &str) -> Result<VersionRequirement, Complaint> {
    let signs = part
        .find(|c| !matches!(c, '<' | '>' | '=' | '!' | '~'))
        .unwrap_or(part.len());
    let (sign, version) = part.split_at_checked(signs).unwrap_or_default();
    let refuse = |why: &str| {
        Complaint::error(format!("{} is not a version requirement: {why}", quoted(whole)))
            .hint("it looks like `>= 4.2, < 5`: `=`, `!=`, `<`, `<=`, `>`, `>=`, joined by commas")
    };
    let comparison = match sign {
        "" | "=" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => return Err(refuse(&format!("{} is not a comparison", quoted(sign)))),
    };
    let version = version.trim();
    if version.is_empty() {
        return Err(refuse("a version is missing"));
    }
    if version.contains(char::is_whitespace) {
        return Err(refuse("comparisons are joined by commas"));
    }
    check_version(version)?;
    Ok(VersionRequirement {
        comparison,
        version: version.to_owned(),
    })
}

fn check_kernel_argument(text: &str) -> Result<(), Complaint> {
    let refuse = |why: &str| Complaint::error(format!("{} is not a kernel argument: {why}", quoted(text)));
    if text.is_empty() {
        return Err(Complaint::error("the kernel argument is empty"));
    }
    let (name, value) = text
        .split_once('=')
        .map_or((text, None), |(name, value)| (name, Some(value)));
    if name.is_empty() || name.contains('"') {
        return Err(refuse("there is no name before the value"));
    }
    let unquoted = value
        .and_then(|value| value.strip_prefix('"'))
        .and_then(|value| value.strip_suffix('"'));
    let spaces = |text: &str| text.contains(|c: char| c.is_whitespace());
    if text.contains(char::is_control) || unquoted.is_some_and(|value| value.contains('"')) {
        return Err(refuse("it has control characters or a quote in quotes"));
    }
    if spaces(name) || value.is_some_and(spaces) && unquoted.is_none() {
        return Err(refuse("it has spaces").hint("use one list entry for each argument"));
    }
    Ok(())
}

fn check_module(text: &str) -> Result<(), Complaint> {
    let refuse = |why: &str| Complaint::error(format!("{} is not the name of a module: {why}", quoted(text)));
    let stem = text.split_once(".ko").map(|(stem, _)| stem);
    if let Some(stem) = stem {
        let stem = stem.rsplit('/').next().unwrap_or_default();
        return Err(refuse("it is a file").hint(format!("write {}", quoted(stem))));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
        return Err(refuse("names have letters, digits, `_` and `-`"));
    }
    Ok(())
}

fn check_sysctl(text: &str) -> Result<(), Complaint> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*' | '.' | '/' | ':' | '@');
    let parts: Vec<&str> = text.split(['.', '/']).collect();
    if parts.len() < 2 || parts.iter().any(|part| part.is_empty()) || !text.chars().all(allowed) || text.len() > 255 {
        let complaint = Complaint::error(format!("{} is not a kernel parameter", quoted(text)));
        return Err(match text.strip_prefix("/proc/sys/") {
            Some(rest) => complaint.hint(format!("write {}", quoted(&rest.replace('/', ".")))),
            None => complaint.hint("it looks like `net.ipv4.ip_forward`"),
        });
    }
    Ok(())
}

fn check_context(text: &str) -> Result<(), Complaint> {
    let parts: Vec<&str> = text.splitn(4, ':').collect();
    let name = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let right = match parts.as_slice() {
        ["<<none>>"] => true,
        [kind] => name(kind),
        [user, role, kind] => [user, role, kind].into_iter().all(name),
        [user, role, kind, level] => {
            [user, role, kind].into_iter().all(name) && !level.is_empty() && !level.contains(char::is_whitespace)
        }
        _ => false,
    };
    match right {
        true => Ok(()),
        false => Err(Complaint::error(format!("{} is not an SELinux context", quoted(text)))
            .hint("write a type like `bin_t`, or a whole context like `system_u:object_r:bin_t:s0`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements() {
        let parsed = version_requirements(">= 4.2, <5, 1:2.3-4~deb12u1").ok();
        let shown: Option<Vec<_>> = parsed.map(|list| list.into_iter().map(|r| (r.comparison, r.version)).collect());
        let expected = [
            (Comparison::GreaterOrEqual, "4.2"),
            (Comparison::Less, "5"),
            (Comparison::Equal, "1:2.3-4~deb12u1"),
        ];
        assert_eq!(
            shown,
            Some(
                expected
                    .map(|(comparison, version)| (comparison, version.to_owned()))
                    .to_vec()
            )
        );
        for text in ["", ">=", ">= 4 < 5", "~> 4", ">> 4", "4,", ",", "=> 4", "4 5", "é"] {
            assert!(version_requirements(text).is_err(), "{text}");
        }
    }

    #[test]
    fn packages() {
        for text in [
            "chrony",
            "g++",
            "libc6:amd64",
            "@development",
            "linux-headers-amd64",
            "chrony=4.3-2+deb12u1",
        ] {
            assert!((PACKAGE.check)(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "a b",
            "a*",
            "./a.deb",
            "a.rpm",
            "https://x/y",
            "-a",
            "a>=4",
            "a=",
            "a=4 5",
            "a~b",
            "ä",
        ] {
            assert!((PACKAGE.check)(text).is_err(), "{text}");
        }
    }

    #[test]
    fn kernel_arguments() {
        for text in [
            "quiet",
            "net.ifnames=0",
            "a=b=c",
            "dyndbg=\"file a.c +p\"",
            "console=ttyS0,115200n8",
            "a=",
        ] {
            assert!(check_kernel_argument(text).is_ok(), "{text}");
        }
        for text in ["", "=x", "a b", "a=b c", "a\n", "\"a\"=b", "a=\"b\"c\""] {
            assert!(check_kernel_argument(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parameters() {
        for text in [
            "net.ipv4.ip_forward",
            "net/ipv4/conf/eth0.1/arp_ignore",
            "net.ipv4.conf.*.rp_filter",
        ] {
            assert!(check_sysctl(text).is_ok(), "{text}");
        }
        for text in ["", "net", "net.", ".net", "/proc/sys/net/ipv4/ip_forward", "a b.c"] {
            assert!(check_sysctl(text).is_err(), "{text}");
        }
    }

    #[test]
    fn contexts() {
        for text in [
            "bin_t",
            "system_u:object_r:bin_t:s0",
            "system_u:object_r:bin_t:s0-s15:c0.c1023",
            "<<none>>",
        ] {
            assert!(check_context(text).is_ok(), "{text}");
        }
        for text in ["", "a:b", "a b", "a::c", "a:b:c:", "é"] {
            assert!(check_context(text).is_err(), "{text}");
        }
    }
}
