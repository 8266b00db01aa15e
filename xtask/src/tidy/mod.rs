//! `cargo xtask tidy`: the rules of this workspace that no compiler or linter checks.

mod fixtures;
mod functions;
mod licences;
mod manifests;
mod reachable;
mod rooms;
mod scan;
mod sources;
mod workspace;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::say;
use workspace::Workspace;

/// One breach of a rule.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Finding {
    /// The file, relative to the workspace.
    file: PathBuf,
    /// The line, from 1; 0 for the whole file.
    line: usize,
    /// What is wrong.
    message: String,
}

impl Finding {
    fn new(file: impl Into<PathBuf>, line: usize, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.file.display(), self.message),
            line => write!(formatter, "{}:{line}: {}", self.file.display(), self.message),
        }
    }
}

/// Runs every check and prints what it found.
pub(crate) fn run() -> Result<ExitCode> {
    let workspace = Workspace::read(&imgctl_testkit::workspace())?;
    let mut findings = Vec::new();
    findings.extend(rooms::check(&workspace)?);
    findings.extend(manifests::check(&workspace)?);
    findings.extend(sources::check(&workspace)?);
    findings.extend(reachable::check(&workspace)?);
    findings.extend(fixtures::check(&workspace)?);
    findings.extend(licences::check(&workspace)?);
    findings.sort();
    for finding in &findings {
        say(&format!("tidy: {finding}"));
    }
    let (files, packages) = (workspace.files.len(), workspace.packages.len());
    say(&format!(
        "tidy: {packages} packages, {files} files, {} findings",
        findings.len()
    ));
    Ok(if findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
