//! `run`: programs of the guest, in a sandbox.

use super::flags::{FlagDeed, FlagGroup, FlagSpec, Peer};
use super::{Outcome, Step, StepError, StepFailure, StepSpec};
use crate::guest::Guest;
use crate::programs::{self, Program};
use imgctl_recipe::{Content, Plan, RunAt, RunDeed, RunEntry, Sourced};
use imgctl_sandbox::Command;
use imgctl_vfs::GuestPath;
use serde_json::json;
use std::fs::File;
use std::io::Read as _;

/// A script may have this many bytes.
const MAX_SCRIPT_BYTES: u64 = 64 << 20;

pub(super) const BEFORE_PACKAGES: StepSpec = StepSpec {
    name: "run-before-packages",
    section: "run",
    help: "run programs of the guest before its packages are touched",
    build: |plan| build(BEFORE_PACKAGES.name, plan, RunAt::BeforePackages),
};

pub(super) const AFTER_PACKAGES: StepSpec = StepSpec {
    name: "run-after-packages",
    section: "run",
    help: "run programs of the guest after its packages are as they should be",
    build: |plan| build(AFTER_PACKAGES.name, plan, RunAt::AfterPackages),
};

pub(super) const AFTER_FILES: StepSpec = StepSpec {
    name: "run-after-files",
    section: "run",
    help: "run programs of the guest after files and settings are in place",
    build: |plan| build(AFTER_FILES.name, plan, RunAt::AfterFiles),
};

pub(super) const SPEC: StepSpec = StepSpec {
    name: "run",
    section: "run",
    help: "run programs of the guest",
    build: |plan| build(SPEC.name, plan, RunAt::BeforeReset),
};

const CONTAINED: &str = "it sees the guest's own boot line and host name, no devices of this machine and no network \
(--network host gives it this machine's); processes that it leaves behind are ended; no services are started by packages; \
lists, archives and logs of package managers are left out of the image, and nothing at all changes if it fails";

pub(super) const FLAGS: &[FlagSpec] = &[
    FlagSpec {
        name: "run",
        value: "SCRIPT",
        group: FlagGroup::Programs,
        help: "Run a local script in the guest, by the interpreter of its #! line",
        example: "setup.sh",
        recipe: "run[].source",
        peer: Peer::Better(CONTAINED),
        deed: FlagDeed::Recipe(|script| Ok(json!({ "run": [{ "source": script }] }))),
    },
    FlagSpec {
        name: "run-command",
        value: "CMD",
        group: FlagGroup::Programs,
        help: "Run a line of shell in the guest",
        example: "ldconfig",
        recipe: "run[].command",
        peer: Peer::Better(CONTAINED),
        deed: FlagDeed::Recipe(|command| Ok(json!({ "run": [{ "command": command }] }))),
    },
];

fn build(name: &'static str, plan: &Plan, at: RunAt) -> Option<Box<dyn Step>> {
    let entries = plan.run.iter().filter(|entry| entry.value.at == at).cloned();
    let entries: Vec<Sourced<RunEntry>> = entries.collect();
    (!entries.is_empty()).then(|| Box::new(Run { name, entries }) as Box<dyn Step>)
}

#[derive(Debug)]
struct Run {
    name: &'static str,
    entries: Vec<Sourced<RunEntry>>,
}

impl Step for Run {
    fn name(&self) -> &'static str {
        self.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        for entry in &self.entries {
            let ran = program(&entry.value).and_then(|program| programs::run(guest, self.name, &program));
            ran.map_err(|failure| failure.at(self.name, Some(&entry.origin)))?;
        }
        Ok(())
    }
}

fn program(entry: &RunEntry) -> Outcome<Program> {
    let bytes = |words: &[String]| words.iter().map(|word| word.clone().into_bytes()).collect();
    let command = match &entry.deed {
        RunDeed::Shell(line) => {
            let words = ["/bin/sh".to_owned(), "-c".to_owned(), line.clone()];
            Command::Program(bytes(&words))
        }
        RunDeed::Command(words) => Command::Program(bytes(words)),
        RunDeed::Script(content, arguments) => Command::Script {
            text: script(content)?,
            arguments: bytes(arguments),
        },
    };
    let folder = entry.folder.as_ref().map(GuestPath::new).transpose()?;
    Ok(Program {
        environment: entry.environment.clone(),
        folder: folder.unwrap_or_else(GuestPath::root),
        user: entry.user.clone(),
        timeout: entry.timeout,
        network: entry.network,
        ..Program::new(command)
    })
}

fn script(content: &Content) -> Outcome<Vec<u8>> {
    match content {
        Content::Inline(text) => Ok(text.clone().into_bytes()),
        Content::Source(path) => {
            let failed = |source| StepFailure::HostFile {
                path: path.clone(),
                source,
            };
            let mut text = Vec::new();
            let file = File::open(path).map_err(failed)?;
            file.take(MAX_SCRIPT_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
            match text.len() as u64 > MAX_SCRIPT_BYTES {
                true => Err(StepFailure::refused(format!(
                    "{} is too long for a script",
                    path.display()
                ))),
                false => Ok(text),
            }
        }
    }
}
