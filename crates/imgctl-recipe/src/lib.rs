//! Recipes: YAML to every finding at once, or a typed [`Plan`].
//!
//! ```
//! use std::path::{Path, PathBuf};
//! use imgctl_recipe::{HostFileError, HostFiles, RecipeSource, read};
//!
//! #[derive(Debug)]
//! struct NoFiles;
//!
//! impl HostFiles for NoFiles {
//!     fn source_file(&self, _path: &Path) -> Result<PathBuf, HostFileError> {
//!         Err(HostFileError::NotFound)
//!     }
//! }
//!
//! let text = b"apiVersion: imgctl/v1\nkind: Recipe\nhostnam: golden\n";
//! let outcome = read(RecipeSource { name: Path::new("golden.yaml"), text }, &NoFiles);
//! assert!(outcome.plan.is_none());
//! let finding = &outcome.findings[0];
//! assert_eq!(finding.to_string(), "golden.yaml:3:1: error: unknown key `hostnam`");
//! assert_eq!(finding.hint.as_deref(), Some("did you mean `hostname`?"));
//! ```
//!
//! # Invariants
//! - There is a plan exactly when no finding is an error.
//! - Nothing is read but the given text; local files are asked for through [`HostFiles`].
//! - Any input ends in findings or a plan, in bounded time and memory; nothing in it is ignored silently.
//!
//! Deliberately absent: drawing findings (the command line does), and doing what a plan says (`imgctl-core` does).

mod check;
mod fields;
mod finding;
mod kinds;
mod node;
mod plan;
mod reader;
mod reference;
mod schema;
mod sections;
mod source_map;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use finding::{Complaint, Findings, Place};
pub use finding::{Finding, Severity};
pub use plan::*;
pub use reference::reference;
use source_map::SourceMap;

/// The most bytes a recipe can have; large files belong beside it, named by `source`.
pub const MAX_RECIPE_BYTES: usize = 512 << 10;

/// A recipe's name and bytes.
#[derive(Clone, Copy, Debug)]
pub struct RecipeSource<'s> {
    /// The name that messages show.
    pub name: &'s Path,
    /// What the file holds.
    pub text: &'s [u8],
}

/// What this machine's files are like, as far as a recipe names them.
pub trait HostFiles: fmt::Debug {
    /// Finds the file that a recipe names by `source`, relative to the recipe's folder unless absolute.
    ///
    /// Returns the path to open later: a regular file that can be read.
    ///
    /// # Errors
    /// Says why there is no such file; this becomes a finding.
    fn source_file(&self, path: &Path) -> Result<PathBuf, HostFileError>;
}

/// Why a local file cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HostFileError {
    /// Nothing is there.
    #[error("there is no such file")]
    NotFound,
    /// A directory is there.
    #[error("it is a directory")]
    IsADirectory,
    /// A device, socket or pipe is there.
    #[error("it is not a regular file")]
    NotAFile,
    /// It may not be read.
    #[error("permission denied")]
    PermissionDenied,
    /// Something else, in words.
    #[error("{0}")]
    Other(String),
}

impl From<io::Error> for HostFileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound,
            io::ErrorKind::IsADirectory => Self::IsADirectory,
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            _ => Self::Other(error.to_string()),
        }
    }
}

/// What a recipe came to.
#[derive(Debug)]
pub struct Outcome {
    /// What the recipe asks for; `None` if a finding is an error.
    pub plan: Option<Plan>,
    /// Everything there is to say, in the order of the text.
    pub findings: Vec<Finding>,
}

/// Reads and checks a whole recipe.
#[must_use]
pub fn read(source: RecipeSource<'_>, host: &dyn HostFiles) -> Outcome {
    let (text, refusal) = decode(source.text);
    let map = SourceMap::new(source.name, text);
    let mut findings = Findings::new(&map);
    if let Some((at, complaint)) = refusal {
        let place = Place {
            span: at..at,
            key: String::new(),
        };
        findings.push(&place, complaint);
        return Outcome {
            plan: None,
            findings: findings.into_sorted(),
        };
    }
    let plan = reader::read(&map, &mut findings).map(|root| {
        let fields = check::check(&root, &mut findings);
        sections::plan(&fields, &mut findings, host)
    });
    let plan = plan.filter(|_| !findings.failed());
    Outcome {
        plan,
        findings: findings.into_sorted(),
    }
}

/// The text as far as it is UTF-8, and why it is not a recipe.
fn decode(bytes: &[u8]) -> (&str, Option<(usize, Complaint)>) {
    if bytes.len() > MAX_RECIPE_BYTES {
        let complaint = Complaint::error(format!("the recipe is larger than {MAX_RECIPE_BYTES} bytes"))
            .hint("put large contents into files beside the recipe and name them by `source`");
        return ("", Some((0, complaint)));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let at = error.valid_up_to();
            let text = bytes.get(..at).map(std::str::from_utf8).and_then(Result::ok);
            let complaint = Complaint::error("the recipe is not UTF-8 text").hint("save it as UTF-8");
            (text.unwrap_or_default(), Some((at, complaint)))
        }
    }
}
