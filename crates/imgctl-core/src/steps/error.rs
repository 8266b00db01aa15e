//! Why a step failed, with the place in the recipe that asked for it.

use crate::guest::GuestError;
use imgctl_recipe::Origin;
use imgctl_vfs::{EscapedBytes, GuestPath};
use std::fmt;
use std::path::PathBuf;

/// A failed step. `source()` tells the cause.
#[derive(Debug)]
pub struct StepError {
    /// The step's name.
    pub step: &'static str,
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
    #[error("the guest has no {kind} named {name}{}", did_you_mean(nearest))]
    Unknown {
        /// `user`, `group` or `unit`.
        kind: &'static str,
        /// The name, escaped.
        name: String,
        /// What it does have that is nearest, escaped.
        nearest: Vec<String>,
    },
    /// Something the guest holds does not allow what was asked.
    #[error("{0}")]
    Refused(String),
}

fn did_you_mean(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("; the nearest: {}", names.join(", ")),
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{}:{}: ", origin.file.display(), origin.line)?;
        }
        write!(f, "the step {} failed", self.step)?;
        if let Some(origin) = &self.origin {
            write!(f, " at {}", origin.key)?;
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

impl StepFailure {
    /// Names the step and the recipe's entry.
    pub(super) fn at(self, step: &'static str, origin: Option<&Origin>) -> StepError {
        StepError {
            step,
            origin: origin.cloned().map(Box::new),
            path: None,
            cause: Box::new(self),
        }
    }

    /// That `name` is unknown, with the up to three nearest of `known`.
    pub(super) fn unknown<'a>(kind: &'static str, name: &str, known: impl IntoIterator<Item = &'a [u8]>) -> Self {
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
