//! `first_boot`: scripts for the machines that are made of the image, and what runs them there.

mod packages;
#[cfg(test)]
mod tests;

use super::flags::{FlagDeed, FlagGroup, FlagSpec, Peer};
use super::services::{InitSystem, Scope, Verb, act};
use super::{Outcome, Step, StepError, StepFailure, StepSpec, fixed, text};
use crate::guest::{Guest, NewMetadata};
use imgctl_recipe::{Content, FirstBoot, FirstBootDeed, Plan, Sourced};
use imgctl_vfs::{EscapedBytes, GuestPath};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::PathBuf;

pub(super) const SPEC: StepSpec = StepSpec {
    name: "first-boot",
    section: "first_boot",
    help: "put scripts in place that run at the first boot, each until it succeeds",
    build: |plan: &Plan| {
        let entries = plan.first_boot.clone();
        (!entries.is_empty()).then(|| Box::new(Scripts { entries }) as Box<dyn Step>)
    },
};

const RETRIED: &str = "tried again until it succeeds, also after a reboot, and the following wait; the order holds over several \
runs of imgctl; the same is not added twice; all of it is gone after the last one, but for the log in /var/log; \
no directory for init scripts is an error";

pub(super) const FLAGS: &[FlagSpec] = &[
    FlagSpec {
        name: "firstboot",
        value: "SCRIPT",
        group: FlagGroup::FirstBoot,
        help: "Run a local script at the first boot, until it succeeds",
        example: "setup.sh",
        recipe: "first_boot[].source",
        peer: Peer::Better(RETRIED),
        deed: FlagDeed::Recipe(|script| Ok(json!({ "first_boot": [{ "source": script }] }))),
    },
    FlagSpec {
        name: "firstboot-command",
        value: "CMD",
        group: FlagGroup::FirstBoot,
        help: "Run a line of shell at the first boot, until it succeeds",
        example: "systemctl start agent",
        recipe: "first_boot[].command",
        peer: Peer::Better(RETRIED),
        deed: FlagDeed::Recipe(|command| Ok(json!({ "first_boot": [{ "command": command }] }))),
    },
    FlagSpec {
        name: "firstboot-install",
        value: "PKG[,PKG]",
        group: FlagGroup::FirstBoot,
        help: "Install packages at the first boot, until that succeeds",
        example: "chrony,jq",
        recipe: "first_boot[].packages",
        peer: Peer::Better(
            "it waits for the network, is tried again until it succeeds, and keeps configuration files that are there",
        ),
        deed: FlagDeed::Recipe(|packages| {
            let packages: Vec<&str> = packages
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .collect();
            Ok(json!({ "first_boot": [{ "packages": packages }] }))
        }),
    },
];

/// What runs the scripts.
const RUNNER: &str = include_str!("runner.sh");
const RUNNER_PATH: &str = "/usr/lib/imgctl/first-boot";

/// The scripts: `NNNN-NAME`, and after it `.network` and `.once`.
const SCRIPTS: &str = "/usr/lib/imgctl/first-boot.d";

/// The unit and its link are the vendor's, not the administrator's: presets that are applied at the first boot (Fedora
/// does so) leave them alone.
const UNIT: &str = include_str!("service.systemd");
const UNIT_PATH: &str = "/usr/lib/systemd/system/imgctl-first-boot.service";
const UNIT_LINK: &str = "/usr/lib/systemd/system/multi-user.target.wants/imgctl-first-boot.service";

const OPENRC: &str = include_str!("service.openrc");
const SYSV: &str = include_str!("service.sysv");
const INIT_SCRIPT: &str = "/etc/init.d/imgctl-first-boot";
const SERVICE: &str = "imgctl-first-boot.service";

const MAX_NUMBER: u32 = 9999;
const MAX_NAME_CHARS: usize = 60;

#[derive(Debug)]
struct Scripts {
    entries: Vec<Sourced<FirstBoot>>,
}

impl Step for Scripts {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        let at = |failure: StepFailure, entry: &Sourced<FirstBoot>| failure.at(SPEC.name, Some(&entry.origin));
        if let Some(first) = self.entries.first() {
            install(guest).map_err(|failure| at(failure, first))?;
        }
        // Two entries that are alike are two scripts, and both are there already the next time.
        let mut taken = BTreeSet::new();
        for entry in &self.entries {
            put(guest, &entry.value, &mut taken).map_err(|failure| at(failure, entry))?;
        }
        Ok(())
    }
}

/// Puts what runs the scripts in place, started as the guest starts its services.
fn install(guest: &mut Guest) -> Outcome<()> {
    let manager = InitSystem::of(guest)?;
    match manager {
        InitSystem::Systemd => {
            write(guest, UNIT_PATH, UNIT, 0o644)?;
            let link = fixed(UNIT_LINK);
            if let Some(folder) = link.parent() {
                guest.create_directory_all(&folder, NewMetadata::root(0o755))?;
            }
            guest.symlink(&link, b"../imgctl-first-boot.service")?;
        }
        InitSystem::OpenRc | InitSystem::SysV => {
            let text = if manager == InitSystem::OpenRc { OPENRC } else { SYSV };
            write(guest, INIT_SCRIPT, text, 0o755)?;
            act(guest, Verb::Enable, Scope::System, SERVICE)?;
        }
        InitSystem::None => {
            return Err(StepFailure::refused_with(
                "nothing in the guest is known to start services, so nothing can be run at its first boot",
                "imgctl knows systemd, OpenRC and init scripts",
            ));
        }
    }
    write(guest, RUNNER_PATH, RUNNER, 0o755)
}

fn write(guest: &mut Guest, path: &'static str, text: &str, mode: u16) -> Outcome<()> {
    text::put(guest, &fixed(path), text, mode).map(drop)
}

/// Adds one script after those that are there, unless it is there and not `taken` by an entry like it.
fn put(guest: &mut Guest, entry: &FirstBoot, taken: &mut BTreeSet<GuestPath>) -> Outcome<()> {
    let text = Text::of(guest, &entry.deed)?;
    let rest = format!(
        "-{}{}{}",
        slug(entry),
        if entry.network { ".network" } else { "" },
        if entry.retry { "" } else { ".once" }
    );
    let folder = fixed(SCRIPTS);
    guest.create_directory_all(&folder, NewMetadata::root(0o700))?;
    let mut last = 0;
    for present in guest.read_dir(&folder)?.unwrap_or_default() {
        let name = present.path.file_name().unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        let digits = name
            .get(..4)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(number) = digits.and_then(|digits| digits.parse::<u32>().ok()) else {
            continue;
        };
        last = last.max(number);
        let is_like = name.get(4..) == Some(&rest) && !taken.contains(&present.path);
        if is_like && guest.has_content(&present.path, &mut *text.open()?)? {
            taken.insert(present.path);
            return Ok(());
        }
    }
    if last >= MAX_NUMBER {
        return Err(StepFailure::refused(
            "the guest has no number left for a script of the first boot",
        ));
    }
    warn_of_interpreter(guest, &text, &slug(entry))?;
    let path = folder.join(format!("{:04}{rest}", last + 1).as_bytes());
    let written = guest.write_file(&path, &mut *text.open()?, NewMetadata::root(0o700))?;
    if entry.sensitive {
        guest.hide(&path)?;
    }
    taken.insert(written.path);
    Ok(())
}

/// A script's bytes.
enum Text {
    Inline(String),
    Source(PathBuf),
}

impl Text {
    fn of(guest: &Guest, deed: &FirstBootDeed) -> Outcome<Self> {
        Ok(Self::Inline(match deed {
            FirstBootDeed::Script(Content::Source(path)) => return Ok(Self::Source(path.clone())),
            FirstBootDeed::Script(Content::Inline(text)) if text.starts_with("#!") => terminated(text),
            FirstBootDeed::Script(Content::Inline(text)) => format!("#!/bin/sh -e\n{}", terminated(text)),
            FirstBootDeed::Shell(line) => format!("#!/bin/sh\n{}", terminated(line)),
            FirstBootDeed::Command(words) => {
                let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                format!("#!/bin/sh\nexec {}\n", words.join(" "))
            }
            FirstBootDeed::Packages(names) => packages::script(guest, names)?,
        }))
    }

    fn open(&self) -> Outcome<Box<dyn Read + '_>> {
        match self {
            Self::Inline(text) => Ok(Box::new(Cursor::new(text.as_bytes()))),
            Self::Source(path) => match File::open(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(source) => Err(StepFailure::HostFile {
                    path: path.clone(),
                    source,
                }),
            },
        }
    }

    /// The interpreter of the `#!` line, if there is one.
    fn interpreter(&self) -> Outcome<Option<GuestPath>> {
        const LONGEST: u64 = 256;
        let mut head = Vec::new();
        if let Err(source) = self.open()?.take(LONGEST).read_to_end(&mut head) {
            let Self::Source(path) = self else {
                return Ok(None);
            };
            let path = path.clone();
            return Err(StepFailure::HostFile { path, source });
        }
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let words = line.strip_prefix(b"#!").unwrap_or_default();
        let mut words = words.split(|byte| matches!(byte, b' ' | b'\t'));
        let program = words.find(|word| !word.is_empty());
        Ok(program.and_then(|program| GuestPath::new(program).ok()))
    }
}

fn warn_of_interpreter(guest: &mut Guest, text: &Text, name: &str) -> Outcome<()> {
    if let Some(program) = text.interpreter()?
        && !guest.exists(&program)?
    {
        let program = EscapedBytes(program.as_bytes()).to_string();
        guest.warn(format!(
            "the script {name} of the first boot asks for {program}, which the guest does not have"
        ));
    }
    Ok(())
}

/// What the file is called: letters, digits, `_` and `-` of the name, or of what runs. Never all of a command, which may
/// hold a secret.
fn slug(entry: &FirstBoot) -> String {
    let first_word = |text: &str| {
        let word = text.split_whitespace().next().unwrap_or_default().to_owned();
        word.rsplit('/').next().unwrap_or_default().to_owned()
    };
    let name = match (&entry.name, &entry.deed) {
        (Some(name), _) => name.clone(),
        (None, FirstBootDeed::Script(Content::Source(path))) => {
            path.file_name().unwrap_or_default().to_string_lossy().into_owned()
        }
        (None, _) if entry.sensitive => String::new(),
        (None, FirstBootDeed::Script(Content::Inline(_))) => String::new(),
        (None, FirstBootDeed::Shell(line)) => first_word(line),
        (None, FirstBootDeed::Command(words)) => first_word(words.first().map_or("", String::as_str)),
        (None, FirstBootDeed::Packages(names)) => format!("install-{}", names.join("-")),
    };
    let mut slug = String::new();
    for character in name.chars() {
        match character {
            _ if character.is_ascii_alphanumeric() || character == '_' => slug.push(character),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
        if slug.len() == MAX_NAME_CHARS {
            break;
        }
    }
    match slug.trim_end_matches('-') {
        "" => "script".to_owned(),
        slug => slug.to_owned(),
    }
}

fn terminated(text: &str) -> String {
    match text.ends_with('\n') {
        true => text.to_owned(),
        false => format!("{text}\n"),
    }
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
