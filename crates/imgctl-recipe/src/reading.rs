//! One look at a recipe's tree: what it knows, and which entries it leaves out.

use crate::files::LocalFiles;
use crate::recipe::GuestFacts;
use crate::scope::Scope;

/// What one look at a recipe's tree goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'r> {
    pub(crate) scope: &'r Scope,
    pub(crate) files: &'r LocalFiles<'r>,
    pub(crate) mode: Mode<'r>,
}

/// Which entries with a condition are looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode<'r> {
    /// All of them.
    Every,
    /// Those whose condition holds whatever the guest is.
    Certain,
    /// Those whose condition holds for this guest.
    Guest(&'r GuestFacts),
}

impl Reading<'_> {
    /// Whether entries may be there that are not in the plan later.
    pub(crate) fn is_of_every(&self) -> bool {
        matches!(self.mode, Mode::Every)
    }
}
