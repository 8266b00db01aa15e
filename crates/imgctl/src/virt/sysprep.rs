//! virt-sysprep: takes identity and traces of a machine out of a guest, in place.

use super::Tool;
use super::changing::{Told, change};
use super::customize::{SharedArgs, messages, passwords_last};
use super::disks::DiskArgs;
use super::getopt::Getopt;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::flags::FlagArgs;
use crate::commands::sysprep::ChoiceArgs;
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use imgctl_recipe::RESET_OPERATIONS;
use std::io::Write as _;

pub(super) const TOOL: Tool = Tool {
    name: "virt-sysprep",
    getopt: Getopt::LongOnly,
    arguments: SysprepArgs::augment_args,
    run,
};

/// Reset a guest inside a disk image, in place, so that clones can be made of it
///
/// The image is replaced as a whole when everything has been done, or not at all. The machine-id stays empty.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  virt-sysprep -a disk.qcow2
  virt-sysprep -a disk.qcow2 --operations defaults,-ssh-userdir --hostname template
  virt-sysprep --list-operations")]
struct SysprepArgs {
    #[command(flatten)]
    disks: DiskArgs,
    #[command(flatten)]
    shared: SharedArgs,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[arg(long, value_name = "MP:OPTIONS", hide = true)]
    mount_options: Option<String>,
    #[arg(long, value_name = "PROGRAM", hide = true)]
    script: Vec<String>,
    #[arg(long, value_name = "DIR", hide = true)]
    scriptdir: Option<String>,
    #[command(flatten)]
    flags: FlagArgs,
}

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let args = SysprepArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    if args.choice.is_list() {
        return list(ui);
    }
    if !args.script.is_empty() || args.scriptdir.is_some() {
        return Err(CommandError::usage(
            "--script is not supported: the guest is not mounted for programs of this machine",
        )
        .hint("say what the program does with options, such as --delete, --edit and --upload"));
    }
    let reset = args.choice.reset(!args.flags.is_empty())?;
    let mut flags = passwords_last(args.flags.read()?);
    flags.push(reset);
    let mut expected = messages(&args.flags);
    expected.extend(
        RESET_OPERATIONS
            .iter()
            .map(|operation| (operation.name.to_owned(), performing(operation.name, operation.peer))),
    );
    let told = Told::new(ui, args.shared.quiet, expected);
    let programs = args.shared.programs(false);
    change(&args.disks, flags, programs, args.shared.dry_run, &|event| {
        told.event(event);
    })
    .map(drop)
}

/// The line of an operation, by their name for it.
fn performing(name: &str, peers: &[&str]) -> String {
    format!("Performing {:?} ...", peers.first().unwrap_or(&name))
}

/// Name, star, text: as their scripts read it, by their names.
fn list(ui: &Ui) -> CommandResult {
    let mut rows: Vec<(&str, bool, &str)> = vec![("customize", true, "Do what the other options say")];
    for operation in RESET_OPERATIONS.iter().filter(|operation| operation.refused.is_empty()) {
        let names = match operation.peer {
            [] => std::slice::from_ref(&operation.name),
            peers => peers,
        };
        rows.extend(names.iter().map(|name| (*name, operation.sysprep, operation.about)));
    }
    rows.sort_unstable();
    rows.dedup_by_key(|(name, ..)| *name);
    let width = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
    let mut out = ui.data();
    let write = || {
        for (name, is_default, about) in rows {
            let star = if is_default { '*' } else { ' ' };
            writeln!(out, "{name:<width$} {star} {about}")?;
        }
        out.flush()
    };
    write().map_err(CommandError::stdout)
}
