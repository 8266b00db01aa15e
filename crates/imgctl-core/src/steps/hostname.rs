//! `hostname`: /etc/hostname, and where a family also keeps the name: /etc/hosts, /etc/HOSTNAME, /etc/sysconfig/network.

use super::flags::{FlagDeed, FlagGroup, FlagSpec, Peer};
use super::identity::Settings;
use super::services::{links_to, unit_texts};
use super::{Outcome, Step, StepError, StepSpec, fixed, text};
use crate::guest::{Guest, MAX_TEXT_BYTES, OsFamily, OsRelease};
use imgctl_recipe::{Plan, Sourced};
use imgctl_vfs::GuestPath;
use serde_json::json;

pub(super) const SPEC: StepSpec = StepSpec {
    name: "hostname",
    section: "hostname",
    help: "set the name of the machine",
    build: |plan: &Plan| {
        let name = plan.hostname.clone()?;
        Some(Box::new(Hostname { name }))
    },
};

pub(super) const FLAGS: &[FlagSpec] = &[FlagSpec {
    name: "hostname",
    value: "NAME",
    group: FlagGroup::Identity,
    help: "Set the name of the machine",
    example: "node1",
    recipe: "hostname",
    peer: Peer::Better(
        "Debian's /etc/hosts gets the name even where no old one was in it, Alpine's too; no guest is left out for its os-release; \
         cloud-init that would set another name at boot is told of",
    ),
    deed: FlagDeed::Recipe(|name| Ok(json!({ "hostname": name }))),
}];

#[derive(Debug)]
struct Hostname {
    name: Sourced<String>,
}

impl Step for Hostname {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        set(guest, &self.name.value).map_err(|failure| failure.at(SPEC.name, Some(&self.name.origin)))
    }
}

fn set(guest: &mut Guest, name: &str) -> Outcome<()> {
    let path = fixed("/etc/hostname");
    let old = guest.read(&path, MAX_TEXT_BYTES)?.unwrap_or_default();
    let old = String::from_utf8_lossy(&old).into_owned();
    let lines = old.lines().map(str::trim);
    let old = lines
        .filter(|line| !line.starts_with('#'))
        .find(|line| !line.is_empty());
    write(guest, &path, &format!("{name}\n"))?;
    let release = OsRelease::read(guest.tree())?.unwrap_or_default();
    let with_name = match release.family {
        OsFamily::Debian => Some(debian as Hosts),
        OsFamily::Alpine => Some(alpine as Hosts),
        _ => None,
    };
    if let Some(with_name) = with_name {
        let path = fixed("/etc/hosts");
        let hosts = guest.read(&path, MAX_TEXT_BYTES)?;
        let hosts = hosts.unwrap_or_else(|| b"127.0.0.1\tlocalhost\n".to_vec());
        // A file that is not text is left alone rather than damaged.
        if let Ok(hosts) = String::from_utf8(hosts) {
            write(guest, &path, &with_name(&hosts, old, name))?;
        }
    }
    // SUSE's older file, unless it is a link to the other.
    let path = fixed("/etc/HOSTNAME");
    if guest.exists(&path)? && guest.read_link(&path)?.is_none() {
        write(guest, &path, &format!("{name}\n"))?;
    }
    for (file, setting) in [
        // Red Hat before systemd.
        ("/etc/sysconfig/network", "HOSTNAME"),
        // A name for people, which would go on saying the old one.
        ("/etc/machine-info", "PRETTY_HOSTNAME"),
    ] {
        replace(guest, &fixed(file), setting, name)?;
    }
    if cloud_init_sets_names(guest)? {
        guest.warn(
            "cloud-init is in the guest: at first boot it sets the host name that its datasource gives; to keep this one, \
             set `cloud_init: { settings: { preserve_hostname: true } }` in the recipe",
        );
    }
    Ok(())
}

/// Makes a setting that is there say the name.
fn replace(guest: &mut Guest, path: &GuestPath, setting: &str, name: &str) -> Outcome<()> {
    let text = guest.read(path, MAX_TEXT_BYTES)?.unwrap_or_default();
    let mut settings = Settings::parse(&text);
    match settings.get(setting) {
        Some(present) if present != name => {
            settings.set(setting, name, "");
            write(guest, path, &settings.text())
        }
        _ => Ok(()),
    }
}

/// Whether cloud-init is enabled and free to set the name.
fn cloud_init_sets_names(guest: &Guest) -> Outcome<bool> {
    let mut is_enabled = !guest.glob("/etc/runlevels/*/cloud-init*")?.is_empty();
    for unit in [
        "cloud-init.service",
        "cloud-init-network.service",
        "cloud-init-main.service",
    ] {
        is_enabled |= unit_texts(guest, unit)?.is_some() && !links_to(guest, unit)?.is_empty();
    }
    if !is_enabled || guest.exists(&fixed("/etc/cloud/cloud-init.disabled"))? {
        return Ok(false);
    }
    let mut is_preserved = false;
    let mut files = vec![fixed("/etc/cloud/cloud.cfg")];
    files.extend(guest.glob("/etc/cloud/cloud.cfg.d/*.cfg")?);
    for file in files {
        let text = guest.read(&file, MAX_TEXT_BYTES)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut values = text.lines().filter_map(|line| line.strip_prefix("preserve_hostname:"));
        if let Some(value) = values.next_back() {
            let value = value.split('#').next().unwrap_or_default().trim().to_ascii_lowercase();
            is_preserved = matches!(value.as_str(), "true" | "yes" | "on");
        }
    }
    Ok(!is_preserved)
}

fn write(guest: &mut Guest, path: &GuestPath, text: &str) -> Outcome<()> {
    text::write(guest, path, text.as_bytes(), 0o644).map(drop)
}

/// Makes of /etc/hosts, the old name and the new one what the file should be.
type Hosts = fn(&str, Option<&str>, &str) -> String;

/// /etc/hosts with the new name. Every mention of the old one is replaced; when the new one is on no line then, it gets
/// 127.0.1.1, as Debian's installer would give it: an existing line for that address, else one after 127.0.0.1.
fn debian(hosts: &str, old: Option<&str>, name: &str) -> String {
    let mut lines = lines_renamed(hosts, old, name);
    if !is_named(&lines, name) {
        let names = names(name);
        let of = |address| move |line: &String| fields(line).next() == Some(address);
        match lines.iter().position(of("127.0.1.1")) {
            Some(index) => {
                let line = &lines[index];
                let rest = line.trim_start().strip_prefix("127.0.1.1").unwrap_or_default();
                lines[index] = format!("127.0.1.1\t{names} {}", rest.trim_start())
                    .trim_end()
                    .to_owned();
            }
            None => {
                let index = lines.iter().position(of("127.0.0.1")).map_or(0, |index| index + 1);
                lines.insert(index, format!("127.0.1.1\t{names}"));
            }
        }
    }
    joined(&lines)
}

/// The same as Alpine's setup-alpine would have it: first on the line of 127.0.0.1.
fn alpine(hosts: &str, old: Option<&str>, name: &str) -> String {
    let mut lines = lines_renamed(hosts, old, name);
    if !is_named(&lines, name) {
        let names = names(name);
        match lines.iter_mut().find(|line| fields(line).next() == Some("127.0.0.1")) {
            Some(line) => {
                let rest = line.trim_start().strip_prefix("127.0.0.1").unwrap_or_default();
                *line = format!("127.0.0.1\t{names} {}", rest.trim_start())
                    .trim_end()
                    .to_owned();
            }
            None => lines.insert(0, format!("127.0.0.1\t{names} localhost")),
        }
    }
    joined(&lines)
}

fn lines_renamed(hosts: &str, old: Option<&str>, name: &str) -> Vec<String> {
    let old = old.filter(|old| *old != name && !old.starts_with("localhost"));
    hosts.lines().map(|line| renamed(line, old, name)).collect()
}

fn is_named(lines: &[String], name: &str) -> bool {
    lines.iter().any(|line| fields(line).skip(1).any(|field| field == name))
}

/// The name, and of a full one the host's alone.
fn names(name: &str) -> String {
    match short(name) {
        host if host == name => name.to_owned(),
        host => format!("{name} {host}"),
    }
}

fn joined(lines: &[String]) -> String {
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// A line with the old name, full or short, replaced by the new one. An unchanged line keeps its spaces.
fn renamed(line: &str, old: Option<&str>, name: &str) -> String {
    let mut names: Vec<&str> = fields(line).collect();
    let (Some(old), [address, aliases @ ..]) = (old, names.as_mut_slice()) else {
        return line.to_owned();
    };
    let is_own = address.starts_with("127.") || *address == "::1";
    let prefix = format!("{}.", short(old));
    let mut is_changed = false;
    for alias in aliases.iter_mut() {
        if *alias == old || *alias == short(old) || (is_own && alias.starts_with(&prefix)) {
            *alias = if alias.contains('.') { name } else { short(name) };
            is_changed = true;
        }
    }
    if !is_changed {
        return line.to_owned();
    }
    let mut seen = Vec::new();
    for alias in aliases {
        if !seen.contains(alias) {
            seen.push(*alias);
        }
    }
    let comment = line.find('#').map_or(String::new(), |at| format!(" {}", &line[at..]));
    format!("{address}\t{}{comment}", seen.join(" "))
}

fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split('#').next().unwrap_or_default().split_whitespace()
}

fn short(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{changed_by, edited, guest, text};

    const DEBIAN: &str = "/etc/os-release|ID=debian\n";

    #[test]
    fn hosts_follow_the_installer() {
        for (hosts, old, name, expected) in [
            (
                "127.0.0.1 localhost\n::1 x\n",
                None,
                "n1",
                "127.0.0.1 localhost\n127.0.1.1\tn1\n::1 x\n",
            ),
            ("", None, "n1.example", "127.0.1.1\tn1.example n1\n"),
            (
                "127.0.1.1 old.lan old # c\n",
                Some("old"),
                "new.lan",
                "127.0.1.1\tnew.lan new # c\n",
            ),
            ("127.0.1.1 old.lan old\n", Some("old.lan"), "new", "127.0.1.1\tnew\n"),
            ("127.0.1.1 other", Some("old"), "new", "127.0.1.1\tnew other\n"),
            (
                "10.0.0.1 older old.org old\n",
                Some("old"),
                "new",
                "10.0.0.1\tolder old.org new\n",
            ),
            (
                "127.0.0.1 localhost\n",
                Some("localhost"),
                "new",
                "127.0.0.1 localhost\n127.0.1.1\tnew\n",
            ),
            ("127.0.1.1  new\n", Some("new"), "new", "127.0.1.1  new\n"),
        ] {
            let once = debian(hosts, old, name);
            assert_eq!(once, expected, "{hosts}");
            assert_eq!(debian(&once, Some(name), name), once);
        }
    }

    #[test]
    fn debian_gets_hosts_and_others_do_not() {
        let mut debian = guest(&[DEBIAN, "/etc/hostname|old\n"]);
        let changes = edited(&mut debian, |guest| set(guest, "node1").unwrap());
        assert_eq!(changes, ["~/etc", "~/etc/hostname", "+/etc/hosts"]);
        assert_eq!(text(&debian, "/etc/hosts"), "127.0.0.1\tlocalhost\n127.0.1.1\tnode1\n");
        let mut rocky = guest(&[
            "/etc/os-release|ID=rocky\n",
            "/etc/hosts|127.0.1.1 old\n",
            "/etc/hostname|old\n",
        ]);
        let changes = edited(&mut rocky, |guest| set(guest, "node1").unwrap());
        assert_eq!(changes, ["~/etc/hostname"]);
    }

    #[test]
    fn alpine_names_itself_at_127_0_0_1() {
        for (hosts, old, name, expected) in [
            (
                "127.0.0.1\tlocalhost localhost.localdomain\n::1 localhost\n",
                None,
                "n1.lan",
                "127.0.0.1\tn1.lan n1 localhost localhost.localdomain\n::1 localhost\n",
            ),
            (
                "127.0.0.1 old localhost\n",
                Some("old"),
                "new",
                "127.0.0.1\tnew localhost\n",
            ),
            ("", None, "n1", "127.0.0.1\tn1 localhost\n"),
        ] {
            let once = alpine(hosts, old, name);
            assert_eq!(once, expected, "{hosts}");
            assert_eq!(alpine(&once, Some(name), name), once);
        }
    }

    #[test]
    fn older_files_follow_where_they_are() {
        let mut suse = guest(&["/etc/os-release|ID=sles\n", "/etc/HOSTNAME|old\n"]);
        let changes = edited(&mut suse, |guest| set(guest, "n1").unwrap());
        assert_eq!(changes, ["~/etc", "~/etc/HOSTNAME", "+/etc/hostname"]);
        let mut leap = guest(&["/etc/os-release|ID=\"opensuse-leap\"\n", "/etc/HOSTNAME -> hostname"]);
        let changes = edited(&mut leap, |guest| set(guest, "n1").unwrap());
        assert_eq!(changes, ["~/etc", "+/etc/hostname"]);
        let mut centos = guest(&[
            "/etc/os-release|ID=centos\n",
            "/etc/sysconfig/network|NETWORKING=yes\nHOSTNAME=old\n",
            "/etc/machine-info|PRETTY_HOSTNAME=\"Old one\"\nCHASSIS=vm\n",
        ]);
        edited(&mut centos, |guest| set(guest, "n1").unwrap());
        assert_eq!(text(&centos, "/etc/sysconfig/network"), "NETWORKING=yes\nHOSTNAME=n1\n");
        assert_eq!(text(&centos, "/etc/machine-info"), "PRETTY_HOSTNAME=n1\nCHASSIS=vm\n");
        assert!(changed_by(&mut centos, |guest| set(guest, "n1").unwrap()).is_empty());
    }

    #[test]
    fn cloud_init_is_told_of_unless_it_keeps_names() {
        let unit = "/usr/lib/systemd/system/cloud-init.service|[Install]\nWantedBy=cloud-init.target\n";
        let link = "/etc/systemd/system/cloud-init.target.wants/cloud-init.service -> /usr/lib/systemd/system/cloud-init.service";
        let keep = "/etc/cloud/cloud.cfg.d/90-hostname.cfg|preserve_hostname: true # c\n";
        let config = "/etc/cloud/cloud.cfg|preserve_hostname: false\n";
        for (entries, warnings) in [
            (&[DEBIAN, unit, link, config][..], 1),
            (&[DEBIAN, unit, link, config, keep], 0),
            (&[DEBIAN, unit, link, "/etc/cloud/cloud-init.disabled|"], 0),
            (&[DEBIAN, unit], 0),
        ] {
            let mut guest = guest(entries);
            set(&mut guest, "n1").unwrap();
            assert_eq!(guest.warnings().len(), warnings, "{entries:?}");
        }
    }

    #[test]
    fn a_second_run_changes_nothing() {
        let mut guest = guest(&[
            DEBIAN,
            "/etc/hostname|n.example\n",
            "/etc/hosts|127.0.1.1 n.example n\n",
        ]);
        assert!(changed_by(&mut guest, |guest| set(guest, "n.example").unwrap()).is_empty());
        assert!(guest.log().is_empty());
    }
}
