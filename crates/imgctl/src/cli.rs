//! The command line, and the way from it to an exit code.

use crate::command_error::CommandResult;
use crate::commands::recipe::RecipeCommand;
use crate::commands::{
    cat, check, compare, completions, convert, customize, doctor, import, info, inspect, install_links, ls, man_pages,
    plan, recipe, run, steps, sysprep, verify,
};
use crate::ui::{MessageArgs, Ui};
use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default())
    .error(AnsiColor::Red.on_default().bold());

const EXIT_CODES: &str = "\
Drop-in tools:
  `imgctl virt-cat` is virt-cat of guestfs-tools, and so are virt-customize and others; `imgctl install-links DIR` makes
  links of their names.

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
    #[command(flatten)]
    messages: MessageArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    Customize(Box<customize::CustomizeArgs>),
    Sysprep(Box<sysprep::SysprepArgs>),
    Plan(Box<plan::PlanArgs>),
    Run(run::RunProgramArgs),
    Inspect(inspect::InspectArgs),
    Ls(ls::LsArgs),
    Cat(cat::CatArgs),
    Convert(convert::ConvertArgs),
    Compare(compare::CompareArgs),
    Info(info::InfoArgs),
    Check(check::CheckArgs),
    Verify(verify::VerifyArgs),
    Doctor(doctor::DoctorArgs),
    Steps(steps::StepsArgs),
    /// Work with recipes
    #[command(subcommand, arg_required_else_help = true)]
    Recipe(RecipeCommand),
    Completions(completions::CompletionsArgs),
    InstallLinks(install_links::InstallLinksArgs),
    #[command(hide = true)]
    ManPages(man_pages::ManPagesArgs),
}

/// Runs one command line to its end. `ui` and `command` are what can be known of it before it is found right.
pub(crate) fn run(ui: Ui, command: Option<&str>, arguments: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(ui, command, &error),
    };
    let ui = cli.messages.ui();
    match dispatch(&ui, &cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            error.report(&ui);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

/// Help, the version, or what is wrong about the command line.
fn refuse(ui: Ui, command: Option<&str>, error: &clap::Error) -> ExitCode {
    let code = match u8::try_from(error.exit_code()) {
        Ok(0) => 0,
        // There 2 means a damaged image.
        _ if command == Some("check") => check::EXIT_INCOMPLETE,
        code => code.unwrap_or(2),
    };
    if code == 0 || !ui.is_json() {
        // Help and version go to standard output; nobody is left to be told when that is gone.
        let _ = error.print();
        return ExitCode::from(code);
    }
    let text = error.render().to_string();
    let (message, rest) = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => ("no command is named", "imgctl --help lists them"),
        _ => text.split_once('\n').unwrap_or((&text, "")),
    };
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let hints: Vec<String> = rest
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    ui.error(&*Box::<dyn std::error::Error>::from(message), &hints, code);
    ExitCode::from(code)
}

/// The whole command line, for completions and man pages.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// Returns the exit code of a command that did what it was asked for: some answer with it.
fn dispatch(ui: &Ui, command: &Command) -> CommandResult<u8> {
    match command {
        Command::Customize(args) => customize::customize(ui, args)?,
        Command::Sysprep(args) => sysprep::sysprep(ui, args)?,
        Command::Plan(args) => plan::plan(ui, args)?,
        Command::Run(args) => return run::run(ui, args),
        Command::Inspect(args) => inspect::inspect(ui, args)?,
        Command::Ls(args) => ls::ls(ui, args)?,
        Command::Cat(args) => cat::cat(ui, args)?,
        Command::Convert(args) => convert::convert(ui, args)?,
        Command::Compare(args) => return compare::compare(ui, args),
        Command::Info(args) => info::info(ui, args)?,
        Command::Check(args) => return check::check(ui, args),
        Command::Recipe(RecipeCommand::Check(args)) => recipe::check(ui, args)?,
        Command::Recipe(RecipeCommand::FromCloudConfig(args)) => import::cloud_config(ui, args)?,
        Command::Recipe(RecipeCommand::FromVirtCustomize(args)) => import::virt_customize(ui, args)?,
        Command::Completions(args) => completions::completions(ui, args)?,
        Command::InstallLinks(args) => install_links::install_links(ui, args)?,
        Command::ManPages(args) => man_pages::man_pages(args)?,
        Command::Recipe(RecipeCommand::Explain(args)) => recipe::explain(ui, args)?,
        Command::Recipe(RecipeCommand::Schema(_)) => recipe::schema(ui)?,
        Command::Doctor(args) => return doctor::doctor(ui, args),
        Command::Steps(args) => steps::steps(ui, args)?,
        Command::Verify(args) => verify::verify(ui, args)?,
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
