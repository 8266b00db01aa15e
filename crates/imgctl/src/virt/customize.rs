//! virt-customize: changes a guest in place.

use super::Tool;
use super::changing::{Told, change};
use super::disks::DiskArgs;
use super::getopt::Getopt;
use super::messages::message;
use crate::command_error::CommandResult;
use crate::commands::flags::FlagArgs;
use crate::commands::programs::with_network;
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use imgctl_core::ProgramOptions;
use imgctl_core::steps::flags::Flag;
use std::ffi::OsString;

pub(super) const TOOL: Tool = Tool {
    name: "virt-customize",
    getopt: Getopt::LongOnly,
    arguments: CustomizeArgs::augment_args,
    run,
};

/// Change a guest inside a disk image, in place
///
/// The image is replaced as a whole when everything has been done, or not at all.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  virt-customize -a disk.qcow2 --hostname node1 --root-password password:secret
  virt-customize -a disk.qcow2 --commands-from-file golden.commands --dry-run")]
struct CustomizeArgs {
    #[command(flatten)]
    disks: DiskArgs,
    #[command(flatten)]
    shared: SharedArgs,
    /// Disk or ISO for programs of the guest
    #[arg(long, value_name = "FILE", hide = true)]
    attach: Vec<OsString>,
    #[arg(long, value_name = "FORMAT", hide = true)]
    attach_format: Vec<String>,
    #[arg(short = 'm', long, value_name = "MB", hide = true)]
    memsize: Option<String>,
    #[arg(long, value_name = "N", hide = true)]
    smp: Option<String>,
    #[command(flatten)]
    flags: FlagArgs,
}

/// What virt-customize and virt-sysprep have in common.
#[derive(Args, Debug)]
pub(super) struct SharedArgs {
    /// Do everything but replacing the image
    #[arg(short = 'n', long, alias = "dryrun")]
    pub(super) dry_run: bool,
    /// Tell nothing but warnings, errors and random passwords
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Let programs of the guest use this machine's network
    #[arg(long, overrides_with = "no_network")]
    network: bool,
    /// Let programs of the guest use no network
    #[arg(long)]
    no_network: bool,
    #[arg(long, aliases = ["colour", "colors", "colours"], hide = true)]
    color: bool,
    #[arg(long, hide = true)]
    wrap: bool,
}

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let args = CustomizeArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    let flags = passwords_last(args.flags.read()?);
    let told = Told::new(ui, args.shared.quiet, messages(&args.flags));
    let programs = args.shared.programs(true);
    change(&args.disks, flags, programs, args.shared.dry_run, &|event| {
        told.event(event);
    })
    .map(drop)
}

impl SharedArgs {
    /// How programs of the guest run: with a network if that was asked for, or is the tool's default.
    pub(super) fn programs(&self, has_network: bool) -> ProgramOptions {
        with_network((has_network || self.network) && !self.no_network)
    }
}

/// Theirs sets passwords after everything else, wherever the options stand.
pub(super) fn passwords_last(mut flags: Vec<Flag>) -> Vec<Flag> {
    flags.sort_by_key(|flag| matches!(flag.name(), "password" | "root-password"));
    flags
}

/// What is told of the options, by their names.
pub(super) fn messages(flags: &FlagArgs) -> Vec<(String, String)> {
    let told = |(name, value): &(String, String)| Some((name.clone(), message(name, value)?));
    flags.given().iter().filter_map(told).collect()
}
