//! The command line, and the way from it to an exit code.

use crate::command_error::CommandResult;
use crate::commands::{cat, check, compare, convert, customize, info, inspect, ls, recipe, verify};
use crate::ui::Ui;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default())
    .error(AnsiColor::Red.on_default().bold());

const EXIT_CODES: &str = "\
Exit codes:
  0  done                              13  no space on the host
  1  another failure                   20  a step failed
  2  wrong usage or recipe             21  the result could not be verified
 10  a download failed (try again)     30  publishing failed (try again)
 11  wrong checksum or signature       70  a bug in imgctl
 12  unsupported or damaged image     130  interrupted";

/// Rebakes golden disk images: no VM, no root, no kernel drivers
#[derive(Debug, Parser)]
#[command(name = "imgctl", version, styles = STYLES, after_long_help = EXIT_CODES)]
#[command(arg_required_else_help = true, disable_help_subcommand = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Customize(Box<customize::CustomizeArgs>),
    Inspect(inspect::InspectArgs),
    Ls(ls::LsArgs),
    Cat(cat::CatArgs),
    Convert(convert::ConvertArgs),
    Compare(compare::CompareArgs),
    Info(info::InfoArgs),
    Check(check::CheckArgs),
    Verify(verify::VerifyArgs),
    /// Work with recipes
    #[command(subcommand, arg_required_else_help = true)]
    Recipe(recipe::RecipeCommand),
}

/// Runs one command line to its end.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let is_check = arguments.get(1).is_some_and(|command| command == "check");
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output; nobody is left to be told when that is gone.
            let _ = error.print();
            return ExitCode::from(match u8::try_from(error.exit_code()) {
                Ok(0) => 0,
                // There 2 means a damaged image.
                _ if is_check => check::EXIT_INCOMPLETE,
                code => code.unwrap_or(2),
            });
        }
    };
    let ui = Ui;
    match dispatch(&ui, &cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            error.report(&ui);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

/// Returns the exit code of a command that did what it was asked for: some answer with it.
fn dispatch(ui: &Ui, command: &Command) -> CommandResult<u8> {
    match command {
        Command::Customize(args) => customize::customize(ui, args)?,
        Command::Inspect(args) => inspect::inspect(ui, args)?,
        Command::Ls(args) => ls::ls(ui, args)?,
        Command::Cat(args) => cat::cat(ui, args)?,
        Command::Convert(args) => convert::convert(ui, args)?,
        Command::Compare(args) => return compare::compare(ui, args),
        Command::Info(args) => info::info(ui, args)?,
        Command::Check(args) => return check::check(ui, args),
        Command::Verify(args) => verify::verify(ui, args)?,
        Command::Recipe(recipe::RecipeCommand::Check(args)) => recipe::check(ui, args)?,
        Command::Recipe(recipe::RecipeCommand::Explain(args)) => recipe::explain(ui, args)?,
        Command::Recipe(recipe::RecipeCommand::Schema(_)) => recipe::schema(ui)?,
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
