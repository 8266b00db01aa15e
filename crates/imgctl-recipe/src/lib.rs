//! Recipes: YAML to every finding at once, or to a typed [`Plan`] once the guest is known.
//!
//! ```
//! use std::path::Path;
//! use imgctl_recipe::{GuestFacts, Host, HostFileError, RecipeSource, Settings, read};
//!
//! #[derive(Debug)]
//! struct Nothing;
//!
//! impl Host for Nothing {
//!     fn check_file(&self, _path: &Path) -> Result<(), HostFileError> {
//!         Err(HostFileError::NotFound)
//!     }
//!     fn read_file(&self, _path: &Path, _limit_bytes: usize) -> Result<Vec<u8>, HostFileError> {
//!         Err(HostFileError::NotFound)
//!     }
//!     fn variable(&self, _name: &str) -> Option<Vec<u8>> {
//!         None
//!     }
//! }
//!
//! let name = Path::new("golden.yaml");
//! let text = b"apiVersion: imgctl/v1\nkind: Recipe\nhostnam: golden\n";
//! let outcome = read(RecipeSource { name, text }, &Settings::default(), &Nothing);
//! assert!(outcome.recipe.is_none());
//! let finding = &outcome.findings[0];
//! assert_eq!(finding.to_string(), "golden.yaml:3:1: error: unknown key `hostnam`");
//! assert_eq!(finding.hint.as_deref(), Some("did you mean `hostname`?"));
//!
//! let text = b"apiVersion: imgctl/v1\nkind: Recipe\nhostname: golden\n";
//! let recipe = read(RecipeSource { name, text }, &Settings::default(), &Nothing).recipe.unwrap();
//! let plan = recipe.plan(&GuestFacts::default()).unwrap();
//! assert_eq!(plan.hostname.unwrap().value, "golden");
//! ```
//!
//! # Invariants
//! - There is a recipe exactly when no finding is an error.
//! - Nothing is read but the given text; other files and the environment are asked for through [`Host`].
//! - Any input ends in findings or a recipe, in bounded time and memory; nothing in it is ignored silently.
//!
//! Deliberately absent: drawing findings (the command line does), and doing what a plan says (`imgctl-core` does).

mod check;
mod condition;
mod document;
mod explain;
mod extends;
mod fields;
mod files;
mod finding;
mod host;
mod import;
mod interpolation;
mod kinds;
mod node;
mod plan;
mod reader;
mod reading;
mod recipe;
mod reference;
mod schema;
mod scope;
mod secrets;
mod sections;
mod source_map;
mod trust;
mod variables;

use std::path::{Path, PathBuf};

pub use explain::{UnknownKey, explain};
use files::LocalFiles;
use finding::{Complaint, Findings, Place};
pub use finding::{Finding, Severity};
pub use host::{Host, HostFileError};
pub use import::{
    CloudConfigOptions, CommandLine, Import, ImportError, ImportHost, ImportNote, ImportNoteKind, LocalFile,
    MAX_IMPORT_BYTES, command_lines, from_cloud_config, from_virt_customize,
};
pub use plan::*;
use reading::{Mode, Reading};
use recipe::Inner;
pub use recipe::{GuestFacts, Recipe, Sources};
pub use reference::reference;
pub use schema::json::schema;
use scope::Scope;
use source_map::SourceMap;
pub use trust::{
    Certificate, CertificateError, KeyError, MAX_TRUST_BYTES, PublicKey, certificates, pem, public_keys,
    single_certificate,
};

/// The most bytes that one file of a recipe can have; large files belong beside it, named by `source`.
pub const MAX_RECIPE_BYTES: usize = 512 << 10;

/// A recipe's name and bytes.
#[derive(Clone, Copy, Debug)]
pub struct RecipeSource<'s> {
    /// The name that messages show; other files are found from its folder.
    pub name: &'s Path,
    /// What the file holds.
    pub text: &'s [u8],
}

/// What the caller says to a recipe's variables.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `--set`: `name=value` each; of one name the last counts, and it wins over every file.
    pub set: Vec<String>,
    /// `--vars`: YAML mappings of names to values; of one name the last file counts.
    pub files: Vec<PathBuf>,
}

/// What a recipe came to.
#[derive(Debug)]
pub struct Outcome {
    /// The recipe; `None` if a finding is an error.
    pub recipe: Option<Recipe>,
    /// Everything there is to say: of the recipe itself in the order of the text, then of the files it is made of.
    pub findings: Vec<Finding>,
    /// The texts that findings are about.
    pub sources: Sources,
    /// The secrets that have a value, whether there is a recipe or not: no output may show them.
    pub secrets: Vec<Secret>,
}

/// Reads and checks a whole recipe with every file it is made of, whatever the guest will be.
#[must_use]
pub fn read(source: RecipeSource<'_>, settings: &Settings, host: &dyn Host) -> Outcome {
    let (text, refusal) = decode(source.text);
    let mut findings = Findings::new(SourceMap::new(source.name, text.to_owned()));
    if let Some((at, complaint)) = refusal {
        let place = Place {
            span: at..at,
            key: String::new(),
        };
        findings.push(&place, complaint);
    }
    let mut scope = Scope::default();
    let recipe = (!findings.failed())
        .then(|| read_checked(&mut findings, &mut scope, settings, host))
        .flatten();
    Outcome {
        secrets: scope.known_secrets(),
        recipe: recipe.filter(|_| !findings.failed()).map(Recipe::new),
        findings: findings.take_sorted(),
        sources: Sources(findings.source),
    }
}

/// What is wrong with a line of authorized_keys, in words.
#[must_use]
pub fn ssh_key_problem(line: &str) -> Option<String> {
    problem(&kinds::SSH_KEY, line)
}

/// Why a rule of sudoers without the user's name is refused, in words.
#[must_use]
pub fn sudo_rule_problem(rule: &str) -> Option<String> {
    problem(&kinds::SUDO_RULE, rule)
}

fn problem(kind: &kinds::TextKind, text: &str) -> Option<String> {
    (kind.check)(text).err().map(|complaint| complaint.message)
}

fn read_checked(findings: &mut Findings, scope: &mut Scope, settings: &Settings, host: &dyn Host) -> Option<Inner> {
    let files = LocalFiles::asking(host);
    let nothing = Scope::default();
    let alone = Reading {
        scope: &nothing,
        files: &files,
        mode: Mode::Every,
    };
    let mut root = extends::read(findings, host, alone)?;
    variables::declare(&root, settings, host, findings, scope);
    secrets::declare(&root, host, findings, scope);
    interpolation::fill_in(&mut root, scope, findings);
    // Every entry is checked, whatever its condition.
    let every = Reading {
        scope,
        files: &files,
        mode: Mode::Every,
    };
    let fields = check::check(&root, findings, every);
    sections::plan(&fields, findings, every);
    if findings.failed() {
        return None;
    }
    // What holds for any guest is known now, with what it says together.
    let certain = Reading {
        mode: Mode::Certain,
        ..every
    };
    let mut more = findings.anew();
    let fields = check::check(&root, &mut more, certain);
    let certain = sections::plan(&fields, &mut more, certain);
    findings.take_over(more);
    Some(Inner {
        certain,
        root,
        source: findings.source.clone(),
        scope: scope.clone(),
        files: files.into_known(),
    })
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
