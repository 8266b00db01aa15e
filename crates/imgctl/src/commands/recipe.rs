//! `imgctl recipe check`, and how every command reads a recipe.

use crate::command_error::{CommandError, CommandResult};
use crate::diagnostics;
use crate::host_files::{self, RecipeFolder};
use crate::ui::Ui;
use clap::{Args, Subcommand};
use imgctl_recipe::{Finding, Plan, RecipeSource, Severity};
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

/// A recipe that was read, right or wrong.
#[derive(Debug)]
pub(crate) struct ReadRecipe {
    text: String,
    findings: Vec<Finding>,
    plan: Option<Plan>,
}

impl ReadRecipe {
    pub(crate) fn open(path: &Path) -> CommandResult<Self> {
        let bytes = host_files::read_recipe(path)?;
        let source = RecipeSource {
            name: path,
            text: &bytes,
        };
        let outcome = imgctl_recipe::read(source, &RecipeFolder::of(path));
        // Findings speak of the text only as far as it is UTF-8.
        let text = bytes
            .utf8_chunks()
            .next()
            .map_or_else(String::new, |chunk| chunk.valid().to_owned());
        Ok(Self {
            text,
            findings: outcome.findings,
            plan: outcome.plan,
        })
    }

    /// The plan, after telling the user what is to say about it.
    pub(crate) fn into_plan(self, ui: &Ui, path: &Path) -> CommandResult<Plan> {
        if ui.is_json() {
            for finding in &self.findings {
                ui.event("finding", FindingRecord::new(finding));
            }
        } else if !self.findings.is_empty() {
            ui.notice(format_args!("{}\n", diagnostics::draw(&self.text, &self.findings)));
        }
        let count = Count::of(&self.findings);
        self.plan
            .filter(|_| count.errors == 0)
            .ok_or_else(|| CommandError::usage(format!("{} has {}", path.display(), plural(count.errors, "error"))))
    }
}

pub(crate) fn check(ui: &Ui, args: &CheckArgs) -> CommandResult {
    let mut recipes = Vec::new();
    let mut unreadable = None;
    for path in &args.files {
        match ReadRecipe::open(path) {
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

fn print_findings(ui: &Ui, recipes: &[ReadRecipe]) -> CommandResult {
    let mut out = ui.styled_data();
    for recipe in recipes.iter().filter(|recipe| !recipe.findings.is_empty()) {
        let drawn = diagnostics::draw(&recipe.text, &recipe.findings);
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
    fn new(count: Count, recipes: &'r [ReadRecipe]) -> Self {
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
