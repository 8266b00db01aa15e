//! virt-cat: prints files of a guest.

use super::Tool;
use super::disks::DiskArgs;
use super::getopt::Getopt;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::cat::print_files;
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use std::ffi::OsString;

pub(super) const TOOL: Tool = Tool {
    name: "virt-cat",
    getopt: Getopt::Long,
    arguments: CatArgs::augment_args,
    run,
};

/// Print files from inside a disk image
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  virt-cat -a disk.qcow2 /etc/hosts
  virt-cat -a disk.qcow2 /var/log/syslog | less")]
struct CatArgs {
    #[command(flatten)]
    disks: DiskArgs,
    /// Paths inside the guest
    #[arg(value_name = "FILE")]
    files: Vec<OsString>,
}

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let CatArgs { disks, mut files } = CatArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    let disks = disks.or_first_of(&mut files, 1)?;
    if files.is_empty() {
        return Err(CommandError::usage("no file is named").hint("virt-cat -a disk.qcow2 /etc/hosts"));
    }
    let disk = disks.only()?;
    print_files(ui, &disk.path, &disks.input(disk), &files)
}
