//! `imgctl verify`: whether an image is what a recipe's `expect` and `verify` say.

use super::recipe::{plural, read_right, tell};
use super::{InputArgs, VariableArgs};
use crate::command_error::{CommandError, CommandResult};
use crate::interrupt;
use crate::ui::{OneLine, Ui};
use clap::Args;
use imgctl_core::{ErrorKind, Verification, VerifyOptions};
use std::io::{self, Write};
use std::path::PathBuf;

/// Check an image against a recipe's `expect` and `verify`
///
/// Nothing is changed or written. Every check is shown with its place in the recipe, what it expects, and where it
/// failed what was found.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  imgctl verify golden.qcow2 --recipe golden.yaml
  imgctl verify --json golden.qcow2 --recipe golden.yaml | jq '.checks[] | select(.passed | not)'

Exits with 21 when a check failed.")]
pub(crate) struct VerifyArgs {
    /// Image, qcow2 or raw
    image: PathBuf,
    /// Recipe whose `expect` and `verify` are checked
    #[arg(long, value_name = "FILE")]
    recipe: PathBuf,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    variables: VariableArgs,
    #[command(flatten)]
    input: InputArgs,
}

pub(crate) fn verify(ui: &Ui, args: &VerifyArgs) -> CommandResult {
    let recipe = read_right(ui, &args.recipe, &args.variables.settings())?;
    let cancel = interrupt::cancel_flag()
        .map_err(|error| CommandError::other(format!("cannot listen for interrupts: {error}")))?;
    let options = VerifyOptions {
        image: args.image.clone(),
        input: args.input.options(),
        recipe,
        cancel,
    };
    let verification = imgctl_core::verify(&options).map_err(|error| {
        tell(ui, &options.recipe.sources(), error.findings());
        CommandError::from(error)
    })?;
    for warning in &verification.warnings {
        ui.warning(warning);
    }
    if args.json {
        super::print_json(ui, &verification)?;
    } else {
        let mut out = ui.data();
        write_checks(&mut out, &verification)
            .and_then(|()| out.flush())
            .map_err(CommandError::stdout)?;
    }
    conclude(ui, args, &verification)
}

fn write_checks(out: &mut impl Write, verification: &Verification) -> io::Result<()> {
    for check in &verification.checks {
        let word = if check.passed { "ok" } else { "FAILED" };
        writeln!(out, "{word:<6} {}", OneLine(check))?;
    }
    Ok(())
}

fn conclude(ui: &Ui, args: &VerifyArgs, verification: &Verification) -> CommandResult {
    let count = verification.checks.len();
    if count == 0 {
        ui.warning(format_args!(
            "{} has neither `expect` nor `verify`",
            args.recipe.display()
        ));
    }
    if !verification.passed() {
        let failed = verification.checks.iter().filter(|check| !check.passed).count();
        let message = format!("{failed} of {count} checks failed");
        return Err(imgctl_core::Error::new(ErrorKind::Verify, message).into());
    }
    if !args.json && count > 0 {
        ui.status(format_args!("{} passed", plural(count, "check")));
    }
    Ok(())
}
