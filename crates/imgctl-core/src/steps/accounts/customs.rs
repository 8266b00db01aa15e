//! How the guest makes its users: login.defs(5), and the defaults of useradd(8).

use crate::guest::{Guest, MAX_TEXT_BYTES, OsFamily, OsRelease};
use crate::steps::Outcome;
use imgctl_vfs::GuestPath;
use std::collections::BTreeMap;

/// What is said by the guest's files, and what holds where they say nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Customs {
    login_defs: BTreeMap<String, String>,
    useradd: BTreeMap<String, String>,
    /// Whether there is a login.defs at all; without one it is busybox that makes users.
    pub(super) has_login_defs: bool,
    pub(super) family: OsFamily,
}

/// A range of numbers, both ends in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Range {
    pub(super) low: u32,
    pub(super) high: u32,
}

impl Customs {
    pub(super) fn read(guest: &Guest) -> Outcome<Self> {
        let mut customs = Self {
            family: OsRelease::read(guest.tree())?.unwrap_or_default().family,
            ..Self::default()
        };
        for path in configuration(guest, "login.defs", ".defs")? {
            let text = guest.read(&path, MAX_TEXT_BYTES)?.unwrap_or_default();
            customs.has_login_defs = true;
            customs.login_defs.extend(assignments(&text, char::is_whitespace));
        }
        for path in configuration(guest, "default/useradd", ".conf")? {
            let text = guest.read(&path, MAX_TEXT_BYTES)?.unwrap_or_default();
            customs.useradd.extend(assignments(&text, |c| c == '='));
        }
        Ok(customs)
    }

    fn number(&self, key: &str, default: u32) -> u32 {
        let number = self.login_defs.get(key).and_then(|text| number(text));
        number.unwrap_or(default)
    }

    /// A value of login.defs.
    pub(super) fn login_def(&self, key: &str) -> Option<&str> {
        self.login_defs.get(key).map(String::as_str)
    }

    /// A value of useradd's defaults that is not empty.
    fn default_of(&self, key: &str) -> Option<&str> {
        let value = self.useradd.get(key).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// The numbers of users (`UID`) or groups (`GID`).
    pub(super) fn range(&self, kind: &str, system: bool) -> Range {
        let first = self.number(&format!("{kind}_MIN"), 1000);
        match (system, self.has_login_defs) {
            (true, true) => Range {
                low: self.number(&format!("SYS_{kind}_MIN"), 101),
                high: self.number(&format!("SYS_{kind}_MAX"), first.saturating_sub(1)),
            },
            (true, false) => Range { low: 100, high: 999 },
            (false, true) => Range {
                low: first,
                high: self.number(&format!("{kind}_MAX"), 60_000),
            },
            (false, false) => Range {
                low: 1000,
                high: 59_999,
            },
        }
    }

    /// The numbers of subordinate users (`UID`) or groups (`GID`), and how many a user gets.
    pub(super) fn subordinate(&self, kind: &str) -> (Range, u32) {
        let range = Range {
            low: self.number(&format!("SUB_{kind}_MIN"), 100_000),
            high: self.number(&format!("SUB_{kind}_MAX"), 600_100_000),
        };
        (range, self.number(&format!("SUB_{kind}_COUNT"), 65_536))
    }

    /// Whether a user gets a group of its own name.
    pub(super) fn has_user_groups(&self) -> bool {
        !self.has_login_defs || self.is_yes("USERGROUPS_ENAB")
    }

    fn is_yes(&self, key: &str) -> bool {
        self.login_def(key)
            .is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    }

    /// The primary group of users without one of their own.
    pub(super) fn default_group(&self) -> &str {
        self.default_of("GROUP").unwrap_or("100")
    }

    /// The folder of home directories.
    pub(super) fn home_folder(&self) -> &str {
        let home = self.default_of("HOME").filter(|home| home.starts_with('/'));
        home.unwrap_or("/home").trim_end_matches('/')
    }

    /// The shell of users for whom none was asked; busybox gives them root's.
    pub(super) fn shell(&self, of_root: Option<&[u8]>) -> Vec<u8> {
        match self.default_of("SHELL") {
            Some(shell) => shell.into(),
            None if self.has_login_defs => b"/bin/bash".to_vec(),
            None => of_root.unwrap_or(b"/bin/sh").to_vec(),
        }
    }

    /// What a new home directory holds.
    pub(super) fn skeleton(&self) -> &str {
        let folder = self.default_of("SKEL").filter(|folder| folder.starts_with('/'));
        folder.unwrap_or("/etc/skel")
    }

    /// The permission bits of a new home directory. Those of busybox carry setgid.
    pub(super) fn home_mode(&self) -> u16 {
        if !self.has_login_defs {
            return 0o2755;
        }
        let mask = self.number("UMASK", 0o022);
        let mode = self.number("HOME_MODE", 0o777 & !mask);
        u16::try_from(mode & 0o7777).unwrap_or(0o700)
    }

    /// Where a new user's mail goes, if it gets a file for it.
    pub(super) fn mail_folder(&self) -> Option<&str> {
        let wanted = self.default_of("CREATE_MAIL_SPOOL")?.eq_ignore_ascii_case("yes");
        wanted.then(|| self.mail_place())
    }

    /// Where the guest keeps its users' mail.
    pub(super) fn mail_place(&self) -> &str {
        let folder = self.login_def("MAIL_DIR").filter(|folder| folder.starts_with('/'));
        folder.unwrap_or("/var/mail")
    }

    /// The fields of shadow(5) after the date of the last change, for a new user.
    pub(super) fn aging(&self, system: bool) -> [String; 3] {
        let days = |key: &str, default: &str| {
            let value = self.login_def(key).unwrap_or(default);
            // The number below zero stands for no limit.
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            if digits { value.to_owned() } else { String::new() }
        };
        match (system, self.has_login_defs) {
            (true, true) => Default::default(),
            (false, true) => [
                days("PASS_MIN_DAYS", ""),
                days("PASS_MAX_DAYS", ""),
                days("PASS_WARN_AGE", ""),
            ],
            (_, false) => ["0", "99999", "7"].map(str::to_owned),
        }
    }

    /// The fields of shadow(5) for the time without use and for the end of the account.
    pub(super) fn limits(&self) -> [String; 2] {
        let inactive = self.default_of("INACTIVE").filter(|days| days.parse::<u32>().is_ok());
        [inactive.unwrap_or_default().to_owned(), String::new()]
    }
}

/// The files that make up a configuration, those that win last: the one of the administrator takes the place of the
/// vendor's (SUSE), and pieces add to either.
fn configuration(guest: &Guest, name: &'static str, ending: &str) -> Outcome<Vec<GuestPath>> {
    let mut files = Vec::new();
    for folder in ["/etc/", "/usr/etc/"] {
        let path = GuestPath::new(format!("{folder}{name}"))?;
        if guest.exists(&path)? {
            files.push(path);
            break;
        }
    }
    let mut pieces = BTreeMap::new();
    for folder in ["/usr/etc/", "/etc/"] {
        for path in guest.glob(&format!("{folder}{name}.d/*{ending}"))? {
            pieces.insert(path.file_name().unwrap_or_default().to_vec(), path);
        }
    }
    files.extend(pieces.into_values());
    Ok(files)
}

/// `KEY value` or `KEY=value`, one in a line.
fn assignments(text: &[u8], separator: impl Fn(char) -> bool) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(&separator));
    let plain = |value: &str| value.trim().trim_matches('"').to_owned();
    pairs
        .map(|(key, value)| (key.trim().to_owned(), plain(value)))
        .collect()
}

/// A number as strtol(3) with base 0 reads it.
fn number(text: &str) -> Option<u32> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u32::from_str_radix(digits, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
        _ => text.parse().ok(),
    }
}

/// The days from 1970 to the run's reference time; `None` on its first day, whose number means something else.
pub(super) fn today(guest: &Guest) -> Option<i64> {
    let days = guest.now().seconds.div_euclid(86_400);
    (days > 0).then_some(days)
}

/// The day as shadow(5) has it.
pub(super) fn day_field(day: Option<i64>) -> String {
    day.map_or(String::new(), |day| day.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::guest;

    #[test]
    fn families_differ() {
        let el = guest(&[
            "/etc/os-release|ID=rocky\n",
            "/etc/login.defs|# x\nUMASK\t\t022\nHOME_MODE\t0700\nSYS_UID_MIN  201\nUID_MIN 1000\nUSERGROUPS_ENAB yes\nPASS_MIN_DAYS 0\n",
            "/etc/default/useradd|GROUP=100\nSHELL=/bin/bash\nINACTIVE=-1\nCREATE_MAIL_SPOOL=yes\n",
        ]);
        let el = Customs::read(&el).unwrap();
        assert_eq!(el.home_mode(), 0o700);
        assert_eq!(el.range("UID", true), Range { low: 201, high: 999 });
        assert_eq!(el.mail_folder(), Some("/var/mail"));
        assert_eq!(el.aging(false), ["0", "", ""]);
        assert_eq!(el.limits(), ["", ""]);
        assert!(el.has_user_groups());

        let suse = guest(&[
            "/etc/os-release|ID=opensuse-tumbleweed\n",
            "/usr/etc/login.defs|UMASK 022\nUSERGROUPS_ENAB no\nUID_MIN 1000\n",
            "/usr/etc/login.defs.d/10-x.defs|UID_MIN 2000\nUMASK 077\n",
            "/etc/login.defs.d/10-x.defs|UID_MIN 3000\n",
            "/usr/etc/default/useradd|GROUP=users\nSHELL=/bin/bash\n",
        ]);
        let suse = Customs::read(&suse).unwrap();
        assert_eq!((suse.home_mode(), suse.has_user_groups()), (0o755, false));
        assert_eq!(
            suse.range("UID", false),
            Range {
                low: 3000,
                high: 60_000
            }
        );
        assert_eq!(suse.default_group(), "users");

        let alpine = Customs::read(&guest(&["/etc/os-release|ID=alpine\n"])).unwrap();
        assert_eq!(alpine.home_mode(), 0o2755);
        assert_eq!(alpine.shell(Some(b"/bin/ash")), b"/bin/ash");
        assert_eq!(alpine.aging(true), ["0", "99999", "7"]);
        assert_eq!(alpine.range("GID", true), Range { low: 100, high: 999 });
    }

    #[test]
    fn numbers_are_those_of_c() {
        for (text, value) in [
            ("022", Some(18)),
            ("0x10", Some(16)),
            ("0", Some(0)),
            ("65536", Some(65_536)),
            ("08", None),
            ("-1", None),
        ] {
            assert_eq!(number(text), value, "{text}");
        }
    }
}
