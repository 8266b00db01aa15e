//! `timezone`: /etc/localtime, and what else a family keeps of it.

use super::settings::Settings;
use super::write;
use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata, OsFamily, OsRelease};
use crate::steps::flags::{FlagDeed, FlagGroup, FlagSpec, Peer};
use crate::steps::{Outcome, Step, StepError, StepFailure, StepSpec, fixed};
use imgctl_recipe::{Plan, Sourced};
use imgctl_vfs::{FileKind, GuestPath};
use serde_json::json;

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "timezone",
    section: "timezone",
    help: "set the time zone",
    build: |plan: &Plan| {
        let zone = plan.timezone.clone()?;
        Some(Box::new(Timezone { zone }))
    },
};

pub(super) const FLAG: FlagSpec = FlagSpec {
    name: "timezone",
    value: "ZONE",
    group: FlagGroup::Identity,
    help: "Set the time zone, by its name in the tz database",
    example: "Europe/Berlin",
    recipe: "timezone",
    peer: Peer::Better(
        "Debian's /etc/timezone is kept up to date, and an unknown name comes with the nearest that the guest has",
    ),
    deed: FlagDeed::Recipe(|zone| Ok(json!({ "timezone": zone }))),
};

/// Where the tz database is. Alpine's own tool copies single zones to the second.
const DATABASES: [&str; 2] = ["/usr/share/zoneinfo", "/etc/zoneinfo"];

/// As many names of zones as are looked at for suggestions.
const MAX_ZONES: usize = 4096;

#[derive(Debug)]
struct Timezone {
    zone: Sourced<String>,
}

impl Step for Timezone {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        set(guest, &self.zone.value).map_err(|failure| failure.at(SPEC.name, Some(&self.zone.origin)))
    }
}

fn set(guest: &mut Guest, zone: &str) -> Outcome<()> {
    let family = OsRelease::read(guest.tree())?.unwrap_or_default().family;
    let Some(database) = database_of(guest, zone)? else {
        return missing(guest, zone);
    };
    link(guest, family, database, zone)?;
    if has_timezone_file(guest, family)? {
        write(guest, "/etc/timezone", &format!("{zone}\n"))?;
    }
    // Red Hat and SUSE before systemd.
    for name in ["ZONE", "TIMEZONE"] {
        let path = "/etc/sysconfig/clock";
        let text = guest.read(&fixed(path), MAX_TEXT_BYTES)?.unwrap_or_default();
        let mut settings = Settings::parse(&text);
        if settings.get(name).is_some() {
            settings.set(name, zone, "\"");
            write(guest, path, &settings.text())?;
        }
    }
    Ok(())
}

/// The database that has the zone.
fn database_of(guest: &Guest, zone: &str) -> Outcome<Option<&'static str>> {
    for database in DATABASES {
        let file = GuestPath::new(format!("{database}/{zone}"))?;
        if guest
            .metadata(&file)?
            .is_some_and(|metadata| metadata.kind == FileKind::File)
        {
            return Ok(Some(database));
        }
    }
    Ok(None)
}

/// What is to be said when the guest does not have the zone. Without /etc/localtime the time is UTC.
fn missing(guest: &mut Guest, zone: &str) -> Outcome<()> {
    let localtime = fixed("/etc/localtime");
    if guest.is_directory(&fixed("/usr/share/zoneinfo/Europe"))? {
        let names = names(guest)?;
        return Err(StepFailure::unknown("time zone", zone, names.iter().map(Vec::as_slice)));
    }
    if matches!(zone, "UTC" | "Etc/UTC" | "Universal" | "Zulu") && guest.find_link(&localtime)?.is_none() {
        return Ok(());
    }
    Err(StepFailure::refused_with(
        format!("the guest has no tz database in /usr/share/zoneinfo, so {zone} cannot be looked up"),
        "install its package `tzdata` in the base image",
    ))
}

/// Makes /etc/localtime a link, in the form that the family's own tool gives it; one to the same zone stays.
fn link(guest: &mut Guest, family: OsFamily, database: &str, zone: &str) -> Outcome<()> {
    let localtime = fixed("/etc/localtime");
    let absolute = format!("{database}/{zone}");
    let relative = format!("..{absolute}");
    let present = guest.read_link(&localtime)?;
    if present.is_some_and(|present| present == absolute.as_bytes() || present == relative.as_bytes()) {
        return Ok(());
    }
    // Debian's tzdata and Alpine's setup-timezone make it absolute, timedatectl relative.
    let target = match family {
        OsFamily::Debian | OsFamily::Alpine | OsFamily::Other => absolute,
        _ if database == "/etc/zoneinfo" => absolute,
        _ => relative,
    };
    guest.create_directory_all(&fixed("/etc"), NewMetadata::root(0o755))?;
    Ok(guest.symlink(&localtime, target.as_bytes())?)
}

/// Whether the guest keeps the zone's name in /etc/timezone: it is there, or Debian's tzdata (before 13) writes it.
fn has_timezone_file(guest: &Guest, family: OsFamily) -> Outcome<bool> {
    if guest.exists(&fixed("/etc/timezone"))? {
        return Ok(true);
    }
    let script = guest.read(&fixed("/var/lib/dpkg/info/tzdata.postinst"), MAX_TEXT_BYTES)?;
    let script = String::from_utf8_lossy(&script.unwrap_or_default()).into_owned();
    let is_written = script.contains("/etc/timezone") && !script.contains("test -f \"$DPKG_ROOT/etc/timezone\"");
    Ok(family == OsFamily::Debian && is_written)
}

/// The names of the guest's zones.
fn names(guest: &Guest) -> Outcome<Vec<Vec<u8>>> {
    let root = fixed("/usr/share/zoneinfo");
    let mut names = Vec::new();
    let Some(found) = guest.find(&root)? else {
        return Ok(names);
    };
    for entry in guest.tree().walk(&found) {
        let entry = entry?;
        let Some(name) = entry.path.as_bytes().get(found.path.as_bytes().len() + 1..) else {
            continue;
        };
        let is_copy = name.starts_with(b"posix/") || name.starts_with(b"right/");
        let is_zone = name.first().is_some_and(u8::is_ascii_uppercase) && !name.contains(&b'.');
        if entry.metadata.kind != FileKind::Directory && is_zone && !is_copy {
            names.push(name.to_vec());
            // A part of a long name is easily forgotten: `Berlin`.
            if names.len() == MAX_ZONES {
                break;
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{changed_by, edited, guest, path, text};

    const ZONES: [&str; 3] = [
        "/usr/share/zoneinfo/Europe/Berlin|TZif2",
        "/usr/share/zoneinfo/Etc/UTC|TZif2",
        "/usr/share/zoneinfo/US/Eastern -> ../America/New_York",
    ];

    fn family(release: &str, more: &[&str]) -> Guest {
        let release = format!("/etc/os-release|{release}\n");
        let mut entries = vec![release.as_str()];
        entries.extend(ZONES);
        entries.extend(more);
        guest(&entries)
    }

    #[test]
    fn each_family_in_its_own_form() {
        for (release, more, target, changes) in [
            (
                "ID=debian",
                &[
                    "/etc/timezone|Etc/UTC\n",
                    "/etc/localtime -> /usr/share/zoneinfo/Etc/UTC",
                ][..],
                "/usr/share/zoneinfo/Europe/Berlin",
                &["~/etc", "~/etc/localtime", "~/etc/timezone"][..],
            ),
            (
                "ID=debian",
                &[],
                "/usr/share/zoneinfo/Europe/Berlin",
                &["~/etc", "+/etc/localtime"],
            ),
            (
                "ID=rocky",
                &["/etc/localtime -> ../usr/share/zoneinfo/Etc/UTC"],
                "../usr/share/zoneinfo/Europe/Berlin",
                &["~/etc", "~/etc/localtime"],
            ),
            (
                "ID=arch",
                &[],
                "../usr/share/zoneinfo/Europe/Berlin",
                &["~/etc", "+/etc/localtime"],
            ),
            (
                "ID=centos",
                &["/etc/sysconfig/clock|ZONE=\"Etc/UTC\"\n", "/etc/localtime|TZif2"],
                "../usr/share/zoneinfo/Europe/Berlin",
                &["~/etc", "~/etc/localtime", "~/etc/sysconfig/clock"],
            ),
            (
                "ID=alpine",
                &["/etc/localtime -> /etc/zoneinfo/Etc/UTC"],
                "/usr/share/zoneinfo/Europe/Berlin",
                &["~/etc", "~/etc/localtime"],
            ),
        ] {
            let mut guest = family(release, more);
            assert_eq!(
                edited(&mut guest, |guest| set(guest, "Europe/Berlin").unwrap()),
                changes,
                "{release}"
            );
            assert_eq!(
                guest.read_link(&path("/etc/localtime")).unwrap().unwrap(),
                target.as_bytes()
            );
            assert!(changed_by(&mut guest, |guest| set(guest, "Europe/Berlin").unwrap()).is_empty());
        }
    }

    #[test]
    fn debians_file_is_made_where_its_package_makes_it() {
        let old = "/var/lib/dpkg/info/tzdata.postinst|echo \"$TIMEZONE\" > \"$DPKG_ROOT/etc/timezone\"\n";
        let mut guest = family("ID=debian", &[old]);
        set(&mut guest, "Europe/Berlin").unwrap();
        assert_eq!(text(&guest, "/etc/timezone"), "Europe/Berlin\n");
        let new = "/var/lib/dpkg/info/tzdata.postinst|if test -f \"$DPKG_ROOT/etc/timezone\"; then\n";
        let mut guest = family("ID=debian", &[new]);
        set(&mut guest, "Europe/Berlin").unwrap();
        assert_eq!(text(&guest, "/etc/timezone"), "-");
    }

    #[test]
    fn unknown_zones_come_with_what_is_near() {
        let mut debian = family("ID=debian", &[]);
        for zone in ["Europe/Berlim", "US/Eastern"] {
            let failure = set(&mut debian, zone).unwrap_err();
            assert_eq!(failure.to_string(), format!("the guest has no time zone named {zone}"));
            let StepFailure::Unknown { nearest, .. } = failure else {
                panic!("{failure}");
            };
            assert!(zone == "US/Eastern" || nearest == ["Europe/Berlin"], "{nearest:?}");
        }
        let mut minimal = guest(&["/etc/os-release|ID=alpine\n"]);
        assert!(changed_by(&mut minimal, |guest| set(guest, "UTC").unwrap()).is_empty());
        let failure = set(&mut minimal, "Europe/Berlin").unwrap_err().to_string();
        assert!(failure.starts_with("the guest has no tz database"), "{failure}");
    }
}
