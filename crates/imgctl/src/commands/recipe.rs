//! `imgctl recipe check`, and how every command reads a recipe.

use crate::command_error::{CommandError, CommandResult};
use crate::diagnostics;
use crate::host_files::{self, LocalHost};
use crate::ui::{OneLine, Ui};
use clap::{Args, Subcommand};
use imgctl_recipe::{Finding, Outcome, Recipe, RecipeSource, Settings, Severity, Sources};
use serde::Serialize;
use std::io::Write as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum RecipeCommand {
    Check(CheckArgs),
    Explain(ExplainArgs),
    Schema(SchemaArgs),
}

/// Explain the language: all of it in short, a section, or a key
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  imgctl recipe explain                   # the sections, and the order in which they apply
  imgctl recipe explain files             # a section with its keys
  imgctl recipe explain files.mode        # a key
  imgctl recipe explain verify.package    # a kind of entry")]
pub(crate) struct ExplainArgs {
    /// A section, or a key as findings name it [default: the whole language in short]
    #[arg(value_name = "SECTION[.KEY]")]
    path: Option<String>,
}

/// Print the JSON schema of recipes, for editors and validators
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  imgctl recipe schema > recipe.schema.json
  check-jsonschema --schemafile recipe.schema.json golden.yaml

An editor with the YAML language server takes it from a comment in the first line of a recipe:
  # yaml-language-server: $schema=recipe.schema.json")]
pub(crate) struct SchemaArgs {}

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

pub(crate) fn explain(ui: &Ui, args: &ExplainArgs) -> CommandResult {
    let path = args.path.as_deref().unwrap_or_default();
    let text =
        imgctl_recipe::explain(path).map_err(|unknown| CommandError::usage(unknown.to_string()).hint(unknown.hint))?;
    print(ui, &text)
}

pub(crate) fn schema(ui: &Ui) -> CommandResult {
    print(ui, &imgctl_recipe::schema())
}

fn print(ui: &Ui, text: &str) -> CommandResult {
    let mut out = ui.data();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(CommandError::stdout)
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
        tell_unsupported(ui, &recipes);
        ui.status(format_args!(
            "{}: no errors, {}",
            plural(recipes.len(), "recipe"),
            plural(count.warnings, "warning")
        ));
    }
    Ok(())
}

/// What is right, and will be refused all the same.
fn tell_unsupported(ui: &Ui, recipes: &[Outcome]) {
    for recipe in recipes.iter().filter_map(|outcome| outcome.recipe.as_ref()) {
        let unsupported = recipe.unsupported();
        let names: Vec<String> = unsupported.iter().map(|key| format!("`{}`", key.value)).collect();
        if let Some(first) = unsupported.first() {
            ui.status(format_args!(
                "{}: `imgctl customize` cannot do this yet: {}",
                OneLine(first.origin.file.display()),
                OneLine(names.join(", "))
            ));
        }
    }
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
