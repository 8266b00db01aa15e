//! What can fail around a program of the guest.

use std::io;

/// The result of an operation of the sandbox.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a program could not be run to its end, or what it changed could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part of the sandbox could not be made on this machine.
    #[error("the sandbox cannot {action}")]
    Setup {
        /// What was attempted, as a verb: `make a user namespace`.
        action: String,
        /// What the user can do.
        hint: Option<&'static str>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The guest has no such program, or the kernel cannot execute it.
    #[error("{program} cannot be started in the guest")]
    Start {
        /// The program, escaped.
        program: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The caller wanted the run to end.
    #[error("interrupted")]
    Cancelled,
    /// The process that watches over the program ended, or spoke nonsense.
    #[error("the sandbox ended unexpectedly: {0}")]
    Lost(String),
    /// What the program wrote cannot be read back.
    #[error("cannot read what the program changed: {0}")]
    Harvest(String),
    /// The guest's filesystem could not be read while the program ran.
    #[error("the guest could not be read while the program ran: {0}")]
    Guest(String),
}

impl Error {
    /// What the user can do, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Setup { hint, .. } => *hint,
            _ => None,
        }
    }
}
