//! Why a step failed, with the place in the recipe that asked for it.

use crate::guest::GuestError;
use imgctl_recipe::Origin;
use imgctl_vfs::{EscapedBytes, GuestPath};
use std::fmt;
use std::path::PathBuf;

/// A failed step. `source()` tells the cause.
#[derive(Debug)]
pub struct StepError {
    step: &'static str,
    /// The option of the command line that asked for it.
    flag: Option<&'static str>,
    /// The recipe's entry.
    pub origin: Option<Box<Origin>>,
    /// The guest path it was about.
    pub path: Option<GuestPath>,
    /// What went wrong.
    pub cause: Box<StepFailure>,
}

/// What went wrong in a step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepFailure {
    /// The guest could not be read or changed.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// A filesystem failed, or a path of the recipe is no guest path.
    #[error(transparent)]
    Filesystem(#[from] imgctl_vfs::Error),
    /// A local file could not be read.
    #[error("cannot read the local file {}", path.display())]
    HostFile {
        /// The file.
        path: PathBuf,
        /// The host's error.
        source: std::io::Error,
    },
    /// The guest has no such user, group or unit.
    #[error("the guest has no {kind} named {name}")]
    Unknown {
        /// `user`, `group` or `unit`.
        kind: &'static str,
        /// The name, escaped.
        name: String,
        /// What it does have that is nearest, escaped.
        nearest: Vec<String>,
    },
    /// A program of the guest failed.
    #[error("the program {end}{last}")]
    Program {
        /// How it ended, as a part of a sentence.
        end: String,
        /// The last lines that it wrote, each after a line break.
        last: String,
    },
    /// A program of the guest could not be run.
    #[error(transparent)]
    Sandbox(imgctl_sandbox::Error),
    /// Something the guest holds does not allow what was asked.
    #[error("{message}")]
    Refused {
        /// What it is, and why not.
        message: String,
        /// What the user can do.
        hint: Option<&'static str>,
    },
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, self.flag) {
            (_, Some(flag)) => write!(f, "cannot do what --{flag} asks for")?,
            (Some(origin), _) => write!(
                f,
                "{}:{}: cannot apply {}",
                origin.file.display(),
                origin.line,
                origin.key
            )?,
            (None, None) => write!(f, "cannot apply the step {}", self.step)?,
        }
        match &self.path {
            Some(path) => write!(f, " ({path})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StepError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.cause)
    }
}

impl StepError {
    /// The same error, about this path.
    pub(super) fn about(self, path: Option<GuestPath>) -> Self {
        Self { path, ..self }
    }

    /// The same error, of a step that an option of the command line asked for.
    pub(super) fn of_flag(self, flag: &'static str) -> Self {
        let flag = Some(flag);
        Self { flag, ..self }
    }

    /// The step's name.
    #[must_use]
    pub fn step(&self) -> &'static str {
        self.step
    }

    /// What the user can do, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.cause.hint()
    }
}

impl StepFailure {
    /// What the user can do, where that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { nearest, .. } if !nearest.is_empty() => {
                Some(format!("did you mean {}?", nearest.join(" or ")))
            }
            Self::Refused { hint, .. } => hint.map(str::to_owned),
            Self::Sandbox(error) => error.hint().map(str::to_owned),
            _ => None,
        }
    }

    /// What the guest does not allow, without a remedy.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Refused { message, hint: None }
    }

    /// What the guest does not allow, and what the user can do.
    pub(crate) fn refused_with(message: impl Into<String>, hint: &'static str) -> Self {
        let message = message.into();
        let hint = Some(hint);
        Self::Refused { message, hint }
    }

    /// Names the step and the recipe's entry.
    pub(super) fn at(self, step: &'static str, origin: Option<&Origin>) -> StepError {
        StepError {
            step,
            flag: None,
            origin: origin.cloned().map(Box::new),
            path: None,
            cause: Box::new(self),
        }
    }

    /// That `name` is unknown, with the up to three nearest of `known`.
    pub(crate) fn unknown<'a>(kind: &'static str, name: &str, known: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let known = known.into_iter().map(|name| EscapedBytes(name).to_string());
        let mut ranked: Vec<(usize, String)> = known
            .map(|known| (strsim::osa_distance(name, &known), known))
            .filter(|(distance, known)| *distance <= 2.max(name.len() / 4) && *distance < known.chars().count())
            .collect();
        ranked.sort();
        ranked.dedup();
        ranked.truncate(3);
        Self::Unknown {
            kind,
            name: EscapedBytes(name.as_bytes()).to_string(),
            nearest: ranked.into_iter().map(|(_, name)| name).collect(),
        }
    }
}
