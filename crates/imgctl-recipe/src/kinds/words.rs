//! Single words and small texts: names of files, variables, time zones, and what programs are given.

use super::{Numbers, TextKind, no_control};
use crate::finding::{Complaint, quoted};

/// The condition of an entry.
pub(crate) static CONDITION: TextKind = TextKind {
    title: "condition",
    what: "a condition like `vars.stage != \"\"`",
    numbers: Numbers::Quote,
    pattern: r"\S",
    // Judged by the check of the mapping that it belongs to.
    check: |_| Ok(()),
};

/// What a variable is set to.
pub(crate) static VARIABLE_VALUE: TextKind = TextKind {
    title: "string",
    what: "a string",
    numbers: Numbers::Quote,
    pattern: "",
    check: |_| Ok(()),
};

/// A word without spaces.
pub(crate) static WORD: TextKind = TextKind {
    title: "word",
    what: "a word without spaces",
    numbers: Numbers::Quote,
    pattern: r"^\S+$",
    check: |text| {
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(Complaint::error(format!("{} is not a single word", quoted(text))));
        }
        no_control(text, "it")
    },
};

/// A file of a `.d` folder, without its ending.
pub(crate) static DROP_IN: TextKind = TextKind {
    title: "file name",
    what: "a file's name like `90-kubernetes`",
    numbers: Numbers::Accept,
    pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$",
    check: check_drop_in,
};

/// The name of a variable or secret.
pub(crate) static VARIABLE_NAME: TextKind = TextKind {
    title: "name",
    what: "a name",
    numbers: Numbers::Quote,
    pattern: "^[A-Za-z_][A-Za-z0-9_]*$",
    check: |text| check_variable(text, "a variable or secret"),
};

/// The name of a secret that the recipe has.
pub(crate) static SECRET_NAME: TextKind = TextKind {
    title: "name",
    what: "the name of a secret",
    numbers: Numbers::Quote,
    pattern: VARIABLE_NAME.pattern,
    check: |text| check_variable(text, "a variable or secret"),
};

/// The name of an environment variable.
pub(crate) static ENVIRONMENT_NAME: TextKind = TextKind {
    title: "name",
    what: "a variable's name",
    numbers: Numbers::Quote,
    pattern: "^[A-Za-z_][A-Za-z0-9_]*$",
    check: |text| check_variable(text, "an environment variable"),
};

/// What an environment variable is set to.
pub(crate) static ENVIRONMENT_VALUE: TextKind = TextKind {
    title: "text",
    what: "a string",
    numbers: Numbers::Whole,
    pattern: "",
    check: no_nul,
};

/// An argument of a program.
pub(crate) static ARGUMENT: TextKind = TextKind {
    title: "text",
    what: "a string",
    numbers: Numbers::Whole,
    pattern: "",
    check: no_nul,
};

/// A script's text.
pub(crate) static SCRIPT: TextKind = TextKind {
    title: "text",
    what: "a script",
    numbers: Numbers::Quote,
    pattern: r"\S",
    check: |text| match text.trim().is_empty() {
        true => Err(Complaint::error("the script is empty").hint("remove the entry")),
        false => no_nul(text),
    },
};

/// A line for people.
pub(crate) static TITLE: TextKind = TextKind {
    title: "line",
    what: "a line of text",
    numbers: Numbers::Quote,
    pattern: r"^[^\r\n]+$",
    check: |text| match text.trim().is_empty() || text.chars().count() > 120 {
        true => Err(Complaint::error("a name has 1 to 120 characters")),
        false => no_control(text, "a name"),
    },
};

/// A person's name, as passwd(5) has it.
pub(crate) static GECOS: TextKind = TextKind {
    title: "line",
    what: "a line of text",
    numbers: Numbers::Quote,
    pattern: r"^[^:\r\n]*$",
    check: |text| match text.contains(':') {
        true => Err(Complaint::error(format!(
            "{} has a `:`, which ends a field of passwd",
            quoted(text)
        ))),
        false => no_control(text, "it"),
    },
};

/// A group's name.
pub(crate) static GROUP_NAME: TextKind = TextKind {
    title: "group name",
    what: "a group's name",
    numbers: Numbers::Quote,
    pattern: super::USER_NAME.pattern,
    check: super::USER_NAME.check,
};

/// A password itself. Nothing about it is repeated in messages.
pub(crate) static PASSWORD: TextKind = TextKind {
    title: "text",
    what: "a string",
    numbers: Numbers::Quote,
    pattern: r"^[^\r\n]+$",
    check: |text| match text.is_empty() || text.contains(char::is_control) {
        true => Err(Complaint::error("a password is one line, not empty")),
        false => Ok(()),
    },
};

/// A password as crypt(5) stores it.
pub(crate) static PASSWORD_HASH: TextKind = TextKind {
    title: "password hash",
    what: "a hash like `$6$…`",
    numbers: Numbers::Quote,
    pattern: r"^\$[0-9a-z]+\$[^\s:]+$",
    check: |text| {
        let rest = text.strip_prefix('$').and_then(|rest| rest.split_once('$'));
        let right = rest.is_some_and(|(method, hash)| {
            !method.is_empty()
                && method.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && !hash.is_empty()
                && hash.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
        });
        match right {
            true => Ok(()),
            false => Err(Complaint::error("this is not a password's hash")
                .hint("it begins with `$6$` or `$y$`, as `mkpasswd` prints it; `password` takes the password itself")),
        }
    },
};

/// A day, or that there is none.
pub(crate) static DATE_OR_NEVER: TextKind = TextKind {
    title: "date or `never`",
    what: "a date like `2027-01-31`, or `never`",
    numbers: Numbers::Check,
    pattern: "^(never|[0-9]{4}-[0-9]{2}-[0-9]{2})$",
    check: |text| match text == "never" || days_from_1970(text).is_some() {
        true => Ok(()),
        false => Err(Complaint::error(format!("{} is not a date", quoted(text)))
            .hint("write the year, the month and the day, like `2027-01-31`, or `never`")),
    },
};

/// The days from 1970-01-01 to a date like `2027-01-31`; not to one before.
pub(crate) fn days_from_1970(text: &str) -> Option<u32> {
    let mut parts = text.split('-');
    let mut part = |digits: usize| {
        let part = parts.next().filter(|part| part.len() == digits)?;
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<u32>().ok())?
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    let is_leap = |year: u32| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let lengths = [
        31,
        if is_leap(year) { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let length = *lengths.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if parts.next().is_some() || year < 1970 || !(1..=length).contains(&day) {
        return None;
    }
    let years: u32 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: u32 = lengths.iter().take(usize::try_from(month).ok()? - 1).sum();
    Some(years + months + day - 1)
}

/// A name of the tz database.
pub(crate) static TIMEZONE: TextKind = TextKind {
    title: "time zone",
    what: "a time zone like `Europe/Berlin`",
    numbers: Numbers::Quote,
    pattern: "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
    check: |text| {
        let part = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-'))
        };
        let right = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.split('/').count() <= 3;
        match right && text.split('/').all(part) {
            true => Ok(()),
            false => Err(Complaint::error(format!("{} is not a time zone", quoted(text)))
                .hint("write its name in the tz database, like `UTC` or `Europe/Berlin`")),
        }
    },
};

/// A locale (setlocale(3)).
pub(crate) static LOCALE: TextKind = TextKind {
    title: "locale",
    what: "a locale like `en_US.UTF-8`",
    numbers: Numbers::Quote,
    pattern: r"^(C|POSIX|[a-z]{2,3}(_[A-Z]{2})?)(\.[A-Za-z0-9-]+)?(@[a-z]+)?$",
    check: check_locale,
};

/// A name of xkb, which ends up in files that a shell and the X server read.
pub(crate) static XKB_NAME: TextKind = TextKind {
    title: "name of xkb",
    what: "a name of xkb like `de`",
    numbers: Numbers::Quote,
    pattern: "^[A-Za-z0-9_+,:()-]+$",
    check: |text| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-+,:()".contains(c);
        match !text.is_empty() && text.chars().all(is_allowed) {
            true => Ok(()),
            false => Err(Complaint::error(format!("{} is no name of xkb", quoted(text)))
                .hint("for example `de`, `pc105`, `nodeadkeys` or `compose:menu`")),
        }
    },
};

/// What gets a disk's new space.
pub(crate) static GROWN: TextKind = TextKind {
    title: "`root` or mount point",
    what: "`root` or a mount point",
    numbers: Numbers::Quote,
    pattern: "^(root|/.+)$",
    check: |text| match text {
        "root" => Ok(()),
        "/" => Err(Complaint::error("the root filesystem is called `root` here").hint("write `grow: root`")),
        _ if text.starts_with('/') => (super::GUEST_PATH.check)(text),
        _ => Err(
            Complaint::error(format!("{} is neither `root` nor a mount point", quoted(text)))
                .hint("write `root`, or where the filesystem is mounted, like `/var`"),
        ),
    },
};

fn check_drop_in(text: &str) -> Result<(), Complaint> {
    const LONGEST: usize = 200;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let refuse = || Complaint::error(format!("{} cannot be the name of a file there", quoted(text)));
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins_well || text.len() > LONGEST || !text.chars().all(allowed) {
        return Err(refuse().hint("use letters, digits, `.`, `_` and `-`, and begin with a letter or digit"));
    }
    for ending in [".conf", ".list", ".sources", ".repo", ".crt", ".pem"] {
        if let Some(stem) = text.strip_suffix(ending) {
            return Err(refuse().hint(format!("the ending is added: write {}", quoted(stem))));
        }
    }
    Ok(())
}

fn check_variable(text: &str, what: &str) -> Result<(), Complaint> {
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins_well && text.len() <= 128 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    Err(
        Complaint::error(format!("{} cannot be the name of {what}", quoted(text)))
            .hint("use letters, digits and `_`, and begin with a letter or `_`"),
    )
}

fn check_locale(text: &str) -> Result<(), Complaint> {
    let refuse = || {
        Complaint::error(format!("{} is not a locale", quoted(text)))
            .hint("it looks like `en_US.UTF-8`, `de_DE.UTF-8` or `C.UTF-8`")
    };
    let (rest, modifier) = text.split_once('@').unwrap_or((text, "x"));
    let (name, charset) = rest.split_once('.').unwrap_or((rest, "x"));
    let (language, country) = name.split_once('_').unwrap_or((name, "XX"));
    let lower = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let language_ok = matches!(name, "C" | "POSIX") || lower(language) && (2..=3).contains(&language.len());
    let country_ok = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    let charset_ok = !charset.is_empty() && charset.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match language_ok && country_ok && charset_ok && lower(modifier) {
        true => Ok(()),
        false => Err(refuse()),
    }
}

fn no_nul(text: &str) -> Result<(), Complaint> {
    match text.contains('\0') {
        true => Err(Complaint::error("there is a NUL character in it").hint("remove the `\\0`")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(kind: &TextKind, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!((kind.check)(text).is_ok(), "{text}");
        }
        for text in bad {
            assert!((kind.check)(text).is_err(), "{text}");
        }
    }

    #[test]
    fn words() {
        holds(&WORD, &["a", "compose:menu", "trixie/updates"], &["", "a b", "a\0"]);
        holds(
            &DROP_IN,
            &["99-k8s", "a.b"],
            &["", "a.conf", "../x", "a/b", ".x", "a b"],
        );
        holds(&VARIABLE_NAME, &["a", "_a1"], &["", "1a", "a-b", "ä"]);
        holds(
            &TIMEZONE,
            &["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+2"],
            &["", "Europe/", "/UTC", "Europe Berlin", "a/b/c/d", "../x"],
        );
        holds(
            &LOCALE,
            &["C", "C.UTF-8", "en_US.UTF-8", "de_DE@euro", "de"],
            &["", "en_us", "english", "en-US", "C.", "EN"],
        );
        holds(
            &XKB_NAME,
            &["de", "us,de", "compose:menu", "pc105+inet"],
            &["", "a b", "a;b", "\"", "$(x)"],
        );
        holds(&GROWN, &["root", "/var"], &["/", "", "var", "/a/../b"]);
        holds(&GECOS, &["A B", ""], &["a:b", "a\n"]);
        holds(
            &DATE_OR_NEVER,
            &["never", "2027-01-31", "2000-02-29", "1970-01-01"],
            &[
                "",
                "2027-1-31",
                "2100-02-29",
                "2027-13-01",
                "1969-12-31",
                "2027-01-00",
                "2027-01-01-01",
            ],
        );
        assert_eq!(days_from_1970("2025-06-15"), Some(20_254));
    }

    #[test]
    fn passwords_are_not_repeated() {
        let hash =
            "$6$imgctlexample$c7FFf7Csmmh3o.6pyRg/kzA55JEIhUP3wL6VZPF1xzHwdceLo5qbhYQAKjGj3aRdJk6tQZHrrw6xJ1TJBKSuS0";
        holds(
            &PASSWORD_HASH,
            &[hash, "$y$j9T$abc$def"],
            &["", "hunter2", "$6$", "$$x", "$6$a:b"],
        );
        for kind in [&PASSWORD, &PASSWORD_HASH] {
            let Err(complaint) = (kind.check)("hunter2\n") else {
                panic!("accepted");
            };
            assert!(!format!("{complaint:?}").contains("hunter2"));
        }
    }
}
