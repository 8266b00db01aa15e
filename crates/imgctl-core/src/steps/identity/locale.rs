//! `locale`: the guest's language, `LANG`, in the file that its family reads it from.

use super::locale_archive;
use super::settings::Settings;
use super::write;
use crate::guest::{Guest, MAX_TEXT_BYTES, OsFamily, OsRelease};
use crate::steps::flags::{FlagDeed, FlagGroup, FlagSpec, Peer};
use crate::steps::{Outcome, Step, StepError, StepSpec, fixed};
use imgctl_recipe::{Plan, Sourced};
use imgctl_vfs::GuestPath;
use serde_json::json;

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "locale",
    section: "locale",
    help: "set the language of the system",
    build: |plan: &Plan| {
        let locale = plan.locale.clone()?;
        Some(Box::new(Locale { locale }))
    },
};

pub(super) const FLAG: FlagSpec = FlagSpec {
    name: "locale",
    value: "LOCALE",
    group: FlagGroup::Identity,
    help: "Set the language of the system: LANG",
    example: "en_US.UTF-8",
    recipe: "locale",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|locale| Ok(json!({ "locale": locale }))),
};

const DEBIAN: &str = "/etc/default/locale";
const SYSTEMD: &str = "/etc/locale.conf";

/// Read by every login shell, before the file in which Alpine's own default stands.
const ALPINE: &str = "/etc/profile.d/10-locale.sh";

#[derive(Debug)]
struct Locale {
    locale: Sourced<String>,
}

impl Step for Locale {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        set(guest, &self.locale.value).map_err(|failure| failure.at(SPEC.name, Some(&self.locale.origin)))
    }
}

fn set(guest: &mut Guest, locale: &str) -> Outcome<()> {
    let family = OsRelease::read(guest.tree())?.unwrap_or_default().family;
    if family == OsFamily::Alpine {
        write(guest, ALPINE, &format!("export LANG={locale}\n"))?;
        if !is_builtin(locale) && !guest.exists(&musl(locale)?)? {
            guest.warn(format!(
                "the locale {locale} is not in the guest, so programs speak English: its package is `musl-locales`"
            ));
        }
        return Ok(());
    }
    // Since Debian 13 the first is a link to the second.
    let has = [guest.exists(&fixed(DEBIAN))?, guest.exists(&fixed(SYSTEMD))?];
    let files: &[&'static str] = match (has, family) {
        ([true, true], _) => &[DEBIAN, SYSTEMD],
        ([true, false], OsFamily::Debian) | ([false, false], OsFamily::Debian) => &[DEBIAN],
        _ => &[SYSTEMD],
    };
    for file in files {
        edit(guest, file, locale)?;
    }
    if !is_there(guest, locale)? {
        warn(guest, family, locale);
    }
    Ok(())
}

/// Sets `LANG`, as update-locale(8) does: a `LANGUAGE` of another language goes.
fn edit(guest: &mut Guest, file: &'static str, locale: &str) -> Outcome<()> {
    let text = guest.read(&fixed(file), MAX_TEXT_BYTES)?.unwrap_or_default();
    let mut settings = Settings::parse(&text);
    settings.set("LANG", locale, "");
    let language = |locale: &str| locale.split(['_', '.', '@']).next().unwrap_or_default().to_owned();
    if let Some(languages) = settings.get("LANGUAGE").map(str::to_owned) {
        let first = languages.split(':').next().unwrap_or_default();
        if !first.is_empty() && language(first) != language(locale) {
            settings.remove("LANGUAGE");
        }
    }
    if let Some(all) = settings.get("LC_ALL").filter(|all| !all.is_empty() && *all != locale) {
        let message = format!("{file} sets LC_ALL={all}, which wins over LANG={locale}");
        guest.warn(message);
    }
    write(guest, file, &settings.text())
}

/// Whether every C library has it.
fn is_builtin(locale: &str) -> bool {
    matches!(locale, "C" | "POSIX" | "C.UTF-8" | "C.utf8")
}

fn musl(locale: &str) -> Outcome<GuestPath> {
    let name = locale.split('.').next().unwrap_or(locale);
    Ok(GuestPath::new(format!("/usr/share/i18n/locales/musl/{name}"))?)
}

/// Whether glibc finds the locale: as a folder, or in the archive.
fn is_there(guest: &Guest, locale: &str) -> Outcome<bool> {
    if is_builtin(locale) {
        return Ok(true);
    }
    let name = normalized(locale);
    let mut is_there = false;
    for name in [name.as_str(), locale] {
        is_there |= guest.is_directory(&fixed("/usr/lib/locale").join(name.as_bytes()))?;
    }
    Ok(is_there || locale_archive::has(guest, &name)?)
}

/// The name as glibc stores it: the character set in lower case, without punctuation.
fn normalized(locale: &str) -> String {
    let (rest, modifier) = match locale.split_once('@') {
        Some((rest, modifier)) => (rest, format!("@{modifier}")),
        None => (locale, String::new()),
    };
    let Some((name, charset)) = rest.split_once('.') else {
        return locale.to_owned();
    };
    let charset: String = charset.chars().filter(char::is_ascii_alphanumeric).collect();
    let charset = charset.to_ascii_lowercase();
    let prefix = match charset.chars().all(|c| c.is_ascii_digit()) {
        true => "iso",
        false => "",
    };
    format!("{name}.{prefix}{charset}{modifier}")
}

fn warn(guest: &mut Guest, family: OsFamily, locale: &str) {
    let language = locale.split(['_', '.', '@']).next().unwrap_or_default();
    let remedy = match family {
        OsFamily::Debian => {
            "list it in /etc/locale.gen and have `locale-gen` run, at the first boot for example, or install `locales-all`"
                .to_owned()
        }
        OsFamily::El | OsFamily::Fedora => format!("its package is `glibc-langpack-{language}`"),
        OsFamily::Suse => "its package is `glibc-locale`".to_owned(),
        _ => "list it in /etc/locale.gen and have `locale-gen` run, at the first boot for example".to_owned(),
    };
    guest.warn(format!(
        "the locale {locale} is not generated in the guest, so programs speak English: {remedy}"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{changed_by, guest, text};

    fn warnings(guest: &Guest) -> Vec<&str> {
        guest
            .warnings()
            .iter()
            .map(|warning| warning.message.as_str())
            .collect()
    }

    #[test]
    fn each_family_in_its_own_file() {
        for (release, more, locale, file, content) in [
            (
                "ID=debian",
                &["/etc/default/locale|#  File generated by update-locale\nLANGUAGE=en:de\n"][..],
                "C.UTF-8",
                "/etc/default/locale",
                "#  File generated by update-locale\nLANG=C.UTF-8\n",
            ),
            (
                "ID=debian",
                &["/etc/locale.conf|LANG=C\n", "/etc/default/locale -> ../locale.conf"],
                "C.UTF-8",
                "/etc/locale.conf",
                "LANG=C.UTF-8\n",
            ),
            (
                "ID=ubuntu\nID_LIKE=debian",
                &[],
                "C.UTF-8",
                "/etc/default/locale",
                "LANG=C.UTF-8\n",
            ),
            (
                "ID=rocky",
                &[
                    "/etc/locale.conf|LANG=\"en_US.UTF-8\"\nLC_TIME=C\n",
                    "/usr/lib/locale/de_DE.utf8/",
                ],
                "de_DE.UTF-8",
                "/etc/locale.conf",
                "LANG=de_DE.UTF-8\nLC_TIME=C\n",
            ),
            ("ID=arch", &[], "C.UTF-8", "/etc/locale.conf", "LANG=C.UTF-8\n"),
            (
                "ID=alpine",
                &["/usr/share/i18n/locales/musl/de_DE|x"],
                "de_DE.UTF-8",
                "/etc/profile.d/10-locale.sh",
                "export LANG=de_DE.UTF-8\n",
            ),
        ] {
            let release = format!("/etc/os-release|{release}\n");
            let mut entries = vec![release.as_str()];
            entries.extend(more);
            let mut guest = guest(&entries);
            set(&mut guest, locale).unwrap();
            assert_eq!(text(&guest, file), content, "{release}");
            assert_eq!(warnings(&guest), [""; 0], "{release}");
            assert!(changed_by(&mut guest, |guest| set(guest, locale).unwrap()).is_empty());
        }
    }

    #[test]
    fn a_locale_that_is_not_generated_is_told_with_the_remedy() {
        for (release, remedy) in [
            ("debian", "/etc/locale.gen"),
            ("rocky", "glibc-langpack-de"),
            ("alpine", "musl-locales"),
        ] {
            let mut guest = guest(&[&format!("/etc/os-release|ID={release}\n")]);
            set(&mut guest, "de_DE.UTF-8").unwrap();
            assert!(warnings(&guest)[0].contains(remedy), "{:?}", warnings(&guest));
        }
        let mut guest = guest(&["/etc/locale.conf|LC_ALL=C\n"]);
        set(&mut guest, "C.UTF-8").unwrap();
        assert_eq!(
            warnings(&guest),
            ["/etc/locale.conf sets LC_ALL=C, which wins over LANG=C.UTF-8"]
        );
    }

    #[test]
    fn names_are_as_glibc_stores_them() {
        for (name, stored) in [
            ("de_DE.UTF-8", "de_DE.utf8"),
            ("de_DE", "de_DE"),
            ("de_DE.ISO-8859-15@euro", "de_DE.iso885915@euro"),
            ("ja_JP.8859-1", "ja_JP.iso88591"),
        ] {
            assert_eq!(normalized(name), stored);
        }
    }
}
