//! `hostname`: /etc/hostname, and on Debian's relatives the name's line in /etc/hosts.

use super::flags::{FlagDeed, FlagGroup, FlagSpec, Peer};
use super::{Outcome, Step, StepError, StepSpec, fixed};
use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata, OsFamily, OsRelease};
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
        "Debian's /etc/hosts gets the name even where no old one was in it; no guest is left out for its os-release",
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
    if release.family == OsFamily::Debian {
        let path = fixed("/etc/hosts");
        let hosts = guest.read(&path, MAX_TEXT_BYTES)?;
        let hosts = hosts.unwrap_or_else(|| b"127.0.0.1\tlocalhost\n".to_vec());
        // A file that is not text is left alone rather than damaged.
        if let Ok(hosts) = String::from_utf8(hosts) {
            write(guest, &path, &with_name(&hosts, old, name))?;
        }
    }
    Ok(())
}

fn write(guest: &mut Guest, path: &GuestPath, text: &str) -> Outcome<()> {
    if !guest.has_content(path, &mut text.as_bytes())? {
        guest.create_directory_all(&fixed("/etc"), NewMetadata::root(0o755))?;
        guest.write_file(path, &mut text.as_bytes(), NewMetadata::root(0o644))?;
    }
    Ok(())
}

/// /etc/hosts with the new name. Every mention of the old one is replaced; when the new one is on no line then, it gets
/// 127.0.1.1, as Debian's installer would give it: an existing line for that address, else one after 127.0.0.1.
fn with_name(hosts: &str, old: Option<&str>, name: &str) -> String {
    let old = old.filter(|old| *old != name && !old.starts_with("localhost"));
    let mut lines: Vec<String> = hosts.lines().map(|line| renamed(line, old, name)).collect();
    let is_named = |line: &String| fields(line).skip(1).any(|field| field == name);
    if !lines.iter().any(is_named) {
        let names = match short(name) {
            host if host == name => name.to_owned(),
            host => format!("{name} {host}"),
        };
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
    use crate::testing::{edited, guest, text};

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
            let once = with_name(hosts, old, name);
            assert_eq!(once, expected, "{hosts}");
            assert_eq!(with_name(&once, Some(name), name), once);
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
    fn a_second_run_changes_nothing() {
        let mut guest = guest(&[
            DEBIAN,
            "/etc/hostname|n.example\n",
            "/etc/hosts|127.0.1.1 n.example n\n",
        ]);
        assert!(edited(&mut guest, |guest| set(guest, "n.example").unwrap()).is_empty());
        assert!(guest.log().is_empty());
    }
}
