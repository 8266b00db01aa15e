//! A recipe's `expect` and `verify`: what must be true of a guest, judged without changing it.
//!
//! All of it is judged, whatever failed before; a check that cannot be judged has failed.

mod accounts;
mod bootloader;
mod expect;
mod file;
mod fstab;
mod glob;
mod initramfs;
mod kernel_cmdline;
mod machine_id;
mod package;
mod run;
mod scan;
mod secrets;
mod service;
mod ssh_host_keys;
pub(crate) mod sysctl;
#[cfg(test)]
mod tests;

pub(crate) use expect::expect;
pub use run::{VerifyOptions, verify};

use crate::disk::{Disk, MountPoint};
use crate::guest::{Guest, GuestError};
use crate::stages::cancelled;
use crate::steps::StepFailure;
use crate::{Error, ErrorKind, Result};
use imgctl_package::Database;
use imgctl_recipe::{Check, Origin, Plan, Secret, Sourced};
use imgctl_volume::{Content, Partition, Scheme};
use serde::Serialize;
use std::cell::OnceCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// One entry of `verify`, or one field of `expect`, with its result.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct CheckRecord {
    /// The place in the recipe: `golden.yaml:12:5`.
    pub origin: String,
    /// The path inside the recipe: `verify[3]`.
    pub key: String,
    /// What was looked at: `file /etc/motd`.
    pub subject: String,
    /// What must be true of it.
    pub expected: String,
    /// Whether it is.
    pub passed: bool,
    /// What was found instead; empty when it passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<String>,
}

impl fmt::Display for CheckRecord {
    /// `golden.yaml:12:5: file /etc/motd: mode 0644`, and where it failed `; found mode 0600`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.subject, self.expected)?;
        match self.passed {
            true => Ok(()),
            false => write!(f, "; found: {}", self.found.join("; ")),
        }
    }
}

/// The result of a whole `verify`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// The image as it was named.
    pub path: String,
    /// The guest in it.
    pub guest: crate::GuestRecord,
    /// Every check, `expect` first, in the recipe's order.
    pub checks: Vec<CheckRecord>,
    /// What people should know.
    pub warnings: Vec<String>,
}

impl Verification {
    /// Whether every check passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }
}

/// What checks look at.
pub(crate) struct Scene<'a> {
    pub(crate) guest: &'a Guest,
    pub(crate) partitions: Vec<(&'a Partition, &'a Content)>,
    pub(crate) scheme: Scheme,
    /// The length of the disk.
    pub(crate) disk_bytes: u64,
    pub(crate) mounts: &'a [MountPoint],
    /// What must not be found in the guest.
    pub(crate) secrets: &'a [Secret],
    /// Where the recipe itself put secrets.
    pub(crate) sensitive_paths: Vec<&'a str>,
    pub(crate) cancel: &'a AtomicBool,
    /// Read once, at the first check that asks.
    packages: OnceCell<std::result::Result<Option<Database>, String>>,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(
        guest: &'a Guest,
        disk: &'a Disk,
        mounts: &'a [MountPoint],
        plan: &'a Plan,
        cancel: &'a AtomicBool,
    ) -> Self {
        use imgctl_block::BlockRead as _;
        let sensitive = plan.files.iter().filter(|file| file.value.sensitive);
        Self {
            guest,
            partitions: disk.partitions().collect(),
            scheme: disk.layout.scheme,
            disk_bytes: disk.overlay.len_bytes(),
            mounts,
            secrets: &plan.secrets,
            sensitive_paths: sensitive.map(|file| file.value.path.as_str()).collect(),
            cancel,
            packages: OnceCell::new(),
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// The guest's package database; `None` when it has none.
    fn packages(&self) -> std::result::Result<Option<&Database>, Fault> {
        let read = || Database::read(self.guest.tree()).map_err(|error| chain(&error));
        match self.packages.get_or_init(read) {
            Ok(database) => Ok(database.as_ref()),
            Err(message) => Err(Fault(message.clone())),
        }
    }
}

/// Why a check could not be judged.
#[derive(Debug)]
struct Fault(String);

impl From<GuestError> for Fault {
    fn from(error: GuestError) -> Self {
        Self(chain(&error))
    }
}

impl From<imgctl_vfs::Error> for Fault {
    fn from(error: imgctl_vfs::Error) -> Self {
        Self(chain(&error))
    }
}

impl From<StepFailure> for Fault {
    fn from(error: StepFailure) -> Self {
        Self(chain(&error))
    }
}

/// What a check found that must not be so; nothing when it passed.
type Found = std::result::Result<Vec<String>, Fault>;

/// What a check is about, what it expects, and what it found.
struct Verdict {
    subject: String,
    expected: String,
    found: Found,
}

impl Verdict {
    fn new(subject: impl Into<String>, expected: impl Into<String>, found: Found) -> Self {
        Self {
            subject: subject.into(),
            expected: expected.into(),
            found,
        }
    }

    fn at(self, origin: &Origin) -> CheckRecord {
        let found = match self.found {
            Ok(found) => found,
            Err(Fault(message)) => vec![format!("it cannot be told: {message}")],
        };
        CheckRecord {
            origin: format!("{}:{}:{}", origin.file.display(), origin.line, origin.column),
            key: origin.key.clone(),
            subject: self.subject,
            expected: self.expected,
            passed: found.is_empty(),
            found,
        }
    }
}

/// Judges every check, in order.
pub(crate) fn evaluate(scene: &Scene<'_>, checks: &[Sourced<Check>]) -> Result<Vec<CheckRecord>> {
    let mut records = Vec::with_capacity(checks.len());
    for check in checks {
        let verdict = judge(scene, &check.value);
        // What an interrupted search found means nothing.
        if scene.is_cancelled() {
            return Err(cancelled());
        }
        records.push(verdict.at(&check.origin));
    }
    Ok(records)
}

/// The table of checks.
fn judge(scene: &Scene<'_>, check: &Check) -> Verdict {
    match check {
        Check::File(check) => file::judge(scene, check),
        Check::Glob(check) => glob::judge(scene, check),
        Check::Package(check) => package::judge(scene, check),
        Check::Service { unit, state } => service::judge(scene, unit, *state),
        Check::User(check) => accounts::judge_user(scene, check),
        Check::Group(check) => accounts::judge_group(scene, check),
        Check::KernelCmdline { present, args } => kernel_cmdline::judge(scene, *present, args),
        Check::Sysctl { key, value } => sysctl::judge(scene, key, value),
        Check::FstabMountsResolve => fstab::judge(scene),
        Check::BootloaderRootMatches => bootloader::judge(scene),
        Check::InitramfsContains { modules } => initramfs::judge(scene, modules),
        Check::SshHostKeysAbsent => ssh_host_keys::judge(scene),
        Check::MachineId(wanted) => machine_id::judge(scene, *wanted),
        Check::SecretsAbsent => secrets::judge(scene),
    }
}

/// The error of a run whose checks failed, a line for each; `None` when all passed.
pub(crate) fn failure(kind: ErrorKind, what: &str, checks: &[CheckRecord]) -> Option<Error> {
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| !check.passed)
        .map(|check| format!("\n{check}"))
        .collect();
    let message = format!("{} of {} {what} failed{}", failed.len(), checks.len(), failed.concat());
    (!failed.is_empty()).then(|| Error::new(kind, message).with_checks(checks.to_vec()))
}

/// An error with its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
