//! `imgctl recipe check`, and how every command reads a recipe.

use crate::command_error::{CommandError, CommandResult};
use crate::diagnostics;
use crate::host_files::{self, LocalHost};
use crate::ui::Ui;
use clap::{Args, Subcommand};
use imgctl_recipe::{Finding, Outcome, Recipe, RecipeSource, Settings, Severity, Sources};
use serde::Serialize;
use std::io::Write as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum RecipeCommand {
    Check(CheckArgs),
}

/// Check recipes without an image
///
/// Every finding of every file is shown, on standard output, with the line it is about. Local files named by `source:`
/// must exist.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  imgctl recipe check golden.yaml
  imgctl recipe check --json recipes/*.yaml

Exits with 2 when there is an error, with 0 when there are only warnings.")]
pub(crate) struct CheckArgs {
    /// Recipes
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the findings as JSON
    #[arg(long)]
    json: bool,
}

/// Reads a recipe, right or wrong, and all it is made of.
fn read(path: &Path, settings: &Settings) -> CommandResult<Outcome> {
    let bytes = host_files::read_recipe(path)?;
    let source = RecipeSource {
        name: path,
        text: &bytes,
    };
    Ok(imgctl_recipe::read(source, settings, &LocalHost))
}

/// Reads a recipe and tells the user what is to say about it.
pub(crate) fn read_right(ui: &Ui, path: &Path, settings: &Settings) -> CommandResult<Recipe> {
    let outcome = read(path, settings)?;
    tell(ui, &outcome.sources, &outcome.findings);
    let count = Count::of(&outcome.findings);
    outcome
        .recipe
        .filter(|_| count.errors == 0)
        .ok_or_else(|| CommandError::usage(format!("{} has {}", path.display(), plural(count.errors, "error"))))
}

/// Draws findings on standard error.
pub(crate) fn tell(ui: &Ui, sources: &Sources, findings: &[Finding]) {
    if !findings.is_empty() {
        ui.status(format_args!("{}\n", diagnostics::draw(sources, findings)));
    }
}

pub(crate) fn check(ui: &Ui, args: &CheckArgs) -> CommandResult {
    let mut recipes = Vec::new();
    let mut unreadable = None;
    for path in &args.files {
        match read(path, &Settings::default()) {
            Ok(recipe) => recipes.push(recipe),
            // The others are checked all the same.
            Err(error) => {
                if let Some(earlier) = unreadable.replace(error) {
                    earlier.report(ui);
                }
            }
        }
    }
    let count = Count::of(recipes.iter().flat_map(|recipe| &recipe.findings));
    if args.json {
        super::print_json(ui, &Findings::new(count, &recipes))?;
    } else {
        print_findings(ui, &recipes)?;
    }
    if let Some(error) = unreadable {
        return Err(error);
    }
    if count.errors > 0 {
        let warnings = match count.warnings {
            0 => String::new(),
            warnings => format!(" and {}", plural(warnings, "warning")),
        };
        return Err(CommandError::usage(format!(
            "{}{warnings}",
            plural(count.errors, "error")
        )));
    }
    if !args.json {
        ui.status(format_args!(
            "{}: no errors, {}",
            plural(recipes.len(), "recipe"),
            plural(count.warnings, "warning")
        ));
    }
    Ok(())
}

fn print_findings(ui: &Ui, recipes: &[Outcome]) -> CommandResult {
    let mut out = ui.styled_data();
    for recipe in recipes.iter().filter(|recipe| !recipe.findings.is_empty()) {
        let drawn = diagnostics::draw(&recipe.sources, &recipe.findings);
        writeln!(out, "{drawn}\n").map_err(CommandError::stdout)?;
    }
    out.flush().map_err(CommandError::stdout)
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    errors: usize,
    warnings: usize,
}

impl Count {
    fn of<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> Self {
        findings.into_iter().fold(Self::default(), |mut count, finding| {
            match finding.severity {
                Severity::Error => count.errors += 1,
                Severity::Warning => count.warnings += 1,
            }
            count
        })
    }
}

/// `recipe check --json`.
#[derive(Debug, Serialize)]
struct Findings<'r> {
    errors: usize,
    warnings: usize,
    findings: Vec<FindingRecord<'r>>,
}

#[derive(Debug, Serialize)]
struct FindingRecord<'r> {
    severity: String,
    file: String,
    line: usize,
    column: usize,
    key: &'r str,
    message: &'r str,
    hint: Option<&'r str>,
}

impl<'r> Findings<'r> {
    fn new(count: Count, recipes: &'r [Outcome]) -> Self {
        let findings = recipes.iter().flat_map(|recipe| &recipe.findings);
        Self {
            errors: count.errors,
            warnings: count.warnings,
            findings: findings.map(FindingRecord::new).collect(),
        }
    }
}

impl<'r> FindingRecord<'r> {
    fn new(finding: &'r Finding) -> Self {
        Self {
            severity: finding.severity.to_string(),
            file: finding.origin.file.display().to_string(),
            line: finding.origin.line,
            column: finding.origin.column,
            key: &finding.origin.key,
            message: &finding.message,
            hint: finding.hint.as_deref(),
        }
    }
}

/// `1 error`, `2 errors`, `no errors`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
