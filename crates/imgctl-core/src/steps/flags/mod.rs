//! Operations as ordered options of the command line, in virt-customize's names and forms where it has them.
//!
//! A row of [`FLAGS`] makes the option, its help, the line of `imgctl steps` and that of docs/operations.md.

mod argument;
mod compatibility;
mod entry;
mod error;
mod general;
mod reference;
mod run;
#[cfg(test)]
mod tests;

pub use argument::{FlagArgument, FlagHost};
pub(in crate::steps) use entry::{Form, entry, named_entry};
pub use error::FlagError;
pub use reference::operations_reference;
pub use run::{Flag, of_sections, parse};
pub(crate) use run::{PlannedAction, PlannedFlag, planned};

use super::Step;
use serde_json::Value;
use std::sync::Arc;

/// An option that changes the guest.
#[derive(Clone, Copy, Debug)]
pub struct FlagSpec {
    /// Its name without the dashes: `append-line`.
    pub name: &'static str,
    /// What stands for its value in help, like `FILE:LINE`; empty: it takes none.
    pub value: &'static str,
    /// Under which heading help lists it.
    pub group: FlagGroup,
    /// What it does, in one line.
    pub help: &'static str,
    /// A value that it takes; empty where it takes none.
    pub example: &'static str,
    /// The key of a recipe that ensures the same, like `files[].append`; empty where there is none.
    pub recipe: &'static str,
    /// How it compares with virt-customize's and virt-sysprep's option of this name.
    pub peer: Peer,
    /// What comes of it.
    pub deed: FlagDeed,
}

/// The headings that options are listed under.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum FlagGroup {
    /// Files, directories, links.
    Files,
    /// Hostname, time zone, languages.
    Identity,
    /// Users, groups, passwords, keys.
    Accounts,
    /// Units and the default target.
    Services,
    /// Kernel, boot loader, mounts.
    Boot,
    /// Interfaces, names, cloud-init.
    Network,
    /// Certificate authorities, package repositories.
    Trust,
    /// What happens when a clone starts for the first time.
    FirstBoot,
    /// What must not travel to clones.
    Reset,
    /// What needs programs of the guest.
    Programs,
    /// Options of other tools that change nothing here.
    Compatibility,
}

impl FlagGroup {
    /// The heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Files => "Files",
            Self::Identity => "Identity",
            Self::Accounts => "Users and groups",
            Self::Services => "Services",
            Self::Boot => "Boot and kernel",
            Self::Network => "Network and cloud",
            Self::Trust => "Trust and repositories",
            Self::FirstBoot => "First boot",
            Self::Reset => "Reset",
            Self::Programs => "Guest programs",
            Self::Compatibility => "Compatibility",
        }
    }
}

/// How an option compares with the peers' option of the same name.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    /// It has the same effect.
    Same,
    /// It differs on purpose: in what, and why.
    Better(&'static str),
    /// The peers have no such option.
    Ours,
}

/// What comes of an option.
#[derive(Clone, Copy, Debug)]
pub enum FlagDeed {
    /// An operation of its own, read at once and done in its turn.
    Step(fn(&FlagArgument<'_>) -> Result<Arc<dyn Step>, FlagError>),
    /// A short form of a recipe: its sections. The recipe's own reader checks them, and its steps carry them out.
    Recipe(fn(&str) -> Result<Value, FlagError>),
    /// It says how other options are meant, wherever it stands.
    Setting(fn(&str, &mut FlagSettings) -> Result<(), FlagError>),
    /// A file of options, which take its place.
    Commands,
    /// It is taken and has no effect, for this reason.
    Nothing(&'static str),
    /// It is known, and cannot be done yet: what it needs.
    Later(&'static str),
    /// It is known and refused: why, and what to do instead.
    Refused(&'static str),
}

/// What options say about other options.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FlagSettings {
    /// `--preserve-xattrs`.
    pub(crate) preserves_xattrs: bool,
    /// `--password-crypto`: how passwords are hashed; `None`: as the guest does it.
    pub(crate) password_method: Option<super::accounts::Method>,
}

/// Every option, by subject.
pub const FLAGS: &[&[FlagSpec]] = &[
    super::files::FLAGS,
    super::hostname::FLAGS,
    super::accounts::FLAGS,
    super::services::FLAGS,
    super::trust::FLAGS,
    super::repositories::FLAGS,
    super::reset::FLAGS,
    super::identity::FLAGS,
    super::first_boot::FLAGS,
    super::boot::FLAGS,
    super::network::FLAGS,
    super::run::FLAGS,
    compatibility::FLAGS,
];

/// Every option, in the order of help.
pub fn flags() -> impl Iterator<Item = &'static FlagSpec> {
    FLAGS.iter().copied().flatten()
}

/// The option of this name.
#[must_use]
pub fn flag(name: &str) -> Option<&'static FlagSpec> {
    flags().find(|flag| flag.name == name)
}
