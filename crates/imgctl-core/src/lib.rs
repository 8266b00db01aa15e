//! Opens a disk image, changes the guest inside, and packs a new image.
//!
//! Two calls do the work: [`customize`] and [`inspect`]; [`open_guest`] gives a guest to read from. What they do on the
//! way is told by [`Event`]s; what they did is told by the [`Receipt`]. [`verify`] runs a recipe's checks alone. For images as such there are [`convert`],
//! [`compare`], [`info`] and [`check`].
//!
//! # Invariants
//! - A file is never written after it has its name: the base is replaced as a whole if it is to be changed in place, and
//!   not touched otherwise. A run fails if it changed meanwhile.
//! - An output appears whole or not at all.
//! - Nothing here prints, exits, or reads the environment or a clock for anything but the receipt's stage timings.
//!
//! Deliberately absent: the recipe's syntax (`imgctl-recipe`), terminals and exit statuses (`imgctl`).

mod boot;
mod checks;
mod compare;
mod convert;
mod customize;
mod diff;
mod disk;
mod error;
mod event;
mod extract;
pub mod guest;
mod image;
mod info;
mod inspect;
mod options;
mod pack;
mod programs;
mod receipt;
mod stages;
pub mod steps;
#[cfg(test)]
mod testing;
mod unified;
mod unsupported;
mod verify;

pub use checks::{CheckRecord, Verification, VerifyOptions, verify};
pub use compare::{CompareOptions, Comparison, Difference, compare};
pub use convert::{ConvertRecord, InputRecord, convert};
pub use customize::customize;
pub use diff::ContentDiff;
pub use disk::{DiskRecord, Disks, OpenedGuest, Place, VolumeRecord, open_guest};
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, Stage};
pub use extract::{ArchiveOptions, ExtractOptions, Extraction, write_archive};
pub use image::ImageFormat;
pub use imgctl_package as packages;
pub use imgctl_qcow2::{CheckReport, Compat, Finding, FindingKind};
pub use imgctl_sandbox::{Command, End, Launcher, Stream, doctor, warden};
pub use info::{AllocationInfo, ImageInfo, SnapshotInfo, check, info};
pub use inspect::{GuestInspection, Inspection, PackageCount, PartitionInspection, Usage, inspect};
pub use options::{ConvertOptions, CustomizeOptions, Destination, InputOptions, OutputOptions};
pub use programs::{Program, ProgramOptions, RunOptions, SandboxChoice, run_program};
pub use receipt::{
    BaseRecord, ClusterRecord, GuestRecord, MountRecord, OutputRecord, Receipt, StageRecord, StepRecord, VerifierRecord,
};
pub use unified::unified_diff;
