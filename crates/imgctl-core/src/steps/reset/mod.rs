//! `reset`: takes away what must not travel from one machine to its clones, by a table of operations.

mod accounts;
pub(super) mod cloud_init;
mod flags;
mod functions;
mod ifcfg;
mod logs;
pub(super) mod machine_id;
mod reference;
mod shell_history;
mod snap;
mod ssh_hostkeys;
mod ssh_userdir;
mod sweep;
mod table;
#[cfg(test)]
mod tests;

pub(super) use flags::FLAGS;
pub(super) use reference::reference;
pub(super) use table::SPECS;
pub use table::{RESET_ROWS, ResetRow};

use super::{Outcome, Step, StepError, StepFailure};
use crate::guest::{Guest, OsFamily, OsRelease};
use imgctl_recipe::{Origin, Plan, RESET_OPERATIONS, Reset, ResetOperation};

/// What an operation takes away, each by shell globs or names of folders.
#[derive(Clone, Copy, Debug)]
pub enum Removal {
    /// What the globs find, directories with all they hold.
    All(&'static [&'static str]),
    /// Regular files that the globs find.
    Files(&'static [&'static str]),
    /// Everything in the folders, dot files too; the folders stay.
    Contents(&'static [&'static str]),
    /// Regular files in and below the folders; the folders stay.
    FilesBelow {
        /// The folders.
        folders: &'static [&'static str],
        /// Names of files that stay.
        but: &'static [&'static str],
    },
    /// The content of regular files that the globs find.
    Truncate(&'static [&'static str]),
    /// What a function finds, in words.
    Run(&'static str, fn(&mut Guest, &Reset) -> Outcome<()>),
}

impl Removal {
    fn run(&self, guest: &mut Guest, reset: &Reset) -> Outcome<()> {
        match self {
            Self::All(patterns) => sweep::remove_all(guest, patterns),
            Self::Files(patterns) => sweep::remove_files(guest, patterns),
            Self::Truncate(patterns) => sweep::truncate_files(guest, patterns),
            Self::Contents(folders) => folders
                .iter()
                .try_for_each(|path| sweep::empty(guest, &super::fixed(path))),
            Self::FilesBelow { folders, but } => {
                for folder in *folders {
                    for (path, _) in sweep::files_below(guest, &super::fixed(folder))? {
                        if !path
                            .file_name()
                            .is_some_and(|name| but.iter().any(|kept| kept.as_bytes() == name))
                        {
                            sweep::remove_file(guest, &path)?;
                        }
                    }
                }
                Ok(())
            }
            Self::Run(_, run) => run(guest, reset),
        }
    }
}

/// An operation that a plan asks for.
#[derive(Debug)]
struct Operation {
    row: &'static ResetRow,
    reset: Reset,
    origin: Origin,
}

impl Step for Operation {
    fn name(&self) -> &'static str {
        self.row.name
    }

    fn apply(&self, guest: &mut Guest) -> Result<(), StepError> {
        self.run(guest)
            .map_err(|failure| failure.at(self.row.name, Some(&self.origin)))
    }
}

impl Operation {
    fn run(&self, guest: &mut Guest) -> Outcome<()> {
        let family = OsRelease::read(guest.tree())?.unwrap_or_default().family;
        if !self.row.is_for(family) {
            return Ok(());
        }
        guest.keep_nothing();
        self.row
            .removes
            .iter()
            .try_for_each(|removal| removal.run(guest, &self.reset))?;
        let stayed = guest.take_stayed();
        if let Some(first) = stayed.first() {
            let further = match stayed.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            let name = self.row.name;
            guest.warn(format!(
                "the reset `{name}` leaves {first}{further}: this run has put that there"
            ));
        }
        Ok(())
    }
}

/// The step of one row, if the plan asks for it.
fn build(plan: &Plan, name: &str) -> Option<Box<dyn Step>> {
    let reset = plan.reset.as_ref()?;
    let is_asked = reset.value.runs(name) || name == ssh_userdir::NAME && !reset.value.ssh_authorized_keys.is_empty();
    let row = RESET_ROWS.iter().find(|row| row.name == name && is_asked)?;
    Some(Box::new(Operation {
        row,
        reset: reset.value.clone(),
        origin: reset.origin.clone(),
    }))
}

/// The families that Red Hat's way of doing things is common to.
const RED_HAT: &[OsFamily] = &[OsFamily::El, OsFamily::Fedora];

/// An operation of the recipe crate's table, looked up when this crate is compiled.
const fn operation(name: &str) -> &'static ResetOperation {
    let mut index = 0;
    while index < RESET_OPERATIONS.len() {
        if is_same(RESET_OPERATIONS[index].name.as_bytes(), name.as_bytes()) {
            return &RESET_OPERATIONS[index];
        }
        index += 1;
    }
    panic!("no operation of this name")
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// That a user named in a recipe is not there.
fn unknown_user(accounts: &crate::guest::Accounts, name: &str) -> StepFailure {
    StepFailure::unknown("user", name, accounts.users.iter().map(|user| user.name.as_slice()))
}
