//! What a run did, for machines and for people.

use crate::guest::{Change, Guest, OsRelease};
use crate::steps::flags::{PlannedAction, PlannedFlag};
use crate::steps::{self, StepSpec};
use imgctl_recipe::Plan;
use serde::Serialize;
use std::collections::BTreeSet;

/// The record of one run.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// The version of imgctl that wrote it.
    pub imgctl: String,
    /// Whether nothing was to be written.
    pub dry_run: bool,
    /// The run's reference time, in seconds since 1970.
    pub reference_time: i64,
    /// The image it began with.
    pub base: BaseRecord,
    /// The image it wrote; `None` for a dry run, and when nothing changed in an image that was to be changed in place.
    pub output: Option<OutputRecord>,
    /// What was found inside.
    pub guest: GuestRecord,
    /// The steps that ran, in their order.
    pub steps: Vec<StepRecord>,
    /// Every path that differs, sorted.
    pub changes: Vec<Change>,
    /// Who read the changes back.
    pub verified_by: Vec<VerifierRecord>,
    /// What the recipe's `verify` asked for; all of it holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<crate::CheckRecord>,
    /// What people should know.
    pub warnings: Vec<String>,
    /// Milliseconds per stage, in order.
    pub stages: Vec<StageRecord>,
}

/// The base image.
#[derive(Clone, Debug, Serialize)]
pub struct BaseRecord {
    /// As it was named.
    pub path: String,
    /// `qcow2` or `raw`.
    pub format: String,
    /// Whether the format was detected by content rather than given.
    pub format_detected: bool,
    /// Its length in bytes.
    pub file_bytes: u64,
    /// The disk's length in bytes.
    pub virtual_bytes: u64,
    /// SHA-256 of the file, lower-case hex, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The output image.
#[derive(Clone, Debug, Serialize)]
pub struct OutputRecord {
    /// As it was named.
    pub path: String,
    /// `qcow2` or `raw`.
    pub format: String,
    /// `zlib`, `zstd` or `none`.
    pub compression: String,
    /// Its length in bytes.
    pub file_bytes: u64,
    /// The disk's length in bytes.
    pub virtual_bytes: u64,
    /// SHA-256 of the file, lower-case hex. Left out of an image that was changed in place: it would have to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// SHA-512 of the file, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha512: Option<String>,
    /// The base it needs, when only the changes were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backing_file: Option<String>,
    /// How its clusters came about.
    pub clusters: ClusterRecord,
}

/// How an output's clusters came about.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ClusterRecord {
    /// Clusters of the base that were copied as they are: compressed ones, and in place also plain ones.
    pub copied: u64,
    /// Compressed anew.
    pub compressed: u64,
    /// Stored plain.
    pub plain: u64,
    /// Left out because the filesystem does not use them.
    pub free: u64,
    /// Left out because they are all zeros.
    pub zero: u64,
}

/// The guest.
#[derive(Clone, Debug, Serialize)]
pub struct GuestRecord {
    /// `ID` of os-release.
    pub os: String,
    /// `VERSION_ID`.
    pub version: Option<String>,
    /// `PRETTY_NAME`.
    pub name: Option<String>,
    /// Mount points with the partition that holds them.
    pub mounts: Vec<MountRecord>,
}

impl GuestRecord {
    /// What is known of the guest before the first step.
    pub(crate) fn of(guest: &Guest, mounts: Vec<MountRecord>) -> Self {
        // An os-release that cannot be read is the steps' business, where it matters.
        let os = OsRelease::read(guest.tree()).ok().flatten().unwrap_or_default();
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            os: os.id,
            version: given(os.version_id),
            name: given(os.pretty_name),
            mounts,
        }
    }
}

/// One step of the run.
#[derive(Clone, Debug, Serialize)]
pub struct StepRecord {
    /// Its name, as changes and messages have it.
    pub name: &'static str,
    /// The recipe's section that asks for it.
    pub section: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
}

impl StepRecord {
    /// Of every step that the plan and the options of the command line ask for; each name once.
    pub(crate) fn of(plan: &Plan, flags: &[PlannedFlag]) -> Vec<Self> {
        let of_plan = |plan| steps::planned(plan).map(Self::of_spec);
        let mut records: Vec<Self> = of_plan(plan).collect();
        for flag in flags {
            match &flag.action {
                PlannedAction::Plan(plan) => records.extend(of_plan(plan)),
                PlannedAction::Step(step) => records.push(Self {
                    name: step.name(),
                    section: "command line",
                    about: flag.spec.help,
                }),
            }
        }
        let mut seen = BTreeSet::new();
        records.retain(|record| seen.insert(record.name));
        records.sort_by_key(|record| record.section == steps::LAST_SECTION);
        records
    }

    fn of_spec(spec: &StepSpec) -> Self {
        Self {
            name: spec.name,
            section: spec.section,
            about: spec.about(),
        }
    }
}

/// One of the guest's filesystems.
#[derive(Clone, Debug, Serialize)]
pub struct MountRecord {
    /// Where it is mounted.
    pub path: String,
    /// The partition's number, 0 for a disk without a table.
    pub partition: u32,
    /// `ext4` or `vfat`.
    pub filesystem: String,
}

/// A reader that judged the result.
#[derive(Clone, Debug, Serialize)]
pub struct VerifierRecord {
    /// Which filesystem it read.
    pub mount: String,
    /// The reader: `imgctl` or `ext4-view`.
    pub reader: String,
    /// How many changed paths it read.
    pub paths: u64,
    /// Why it judged less than everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How long a stage took.
#[derive(Clone, Debug, Serialize)]
pub struct StageRecord {
    /// The stage.
    pub stage: String,
    /// Wall-clock milliseconds.
    pub milliseconds: u64,
}
