//! virt-cat: prints files of a guest.

use super::Tool;
use super::disks::DiskArgs;
use super::getopt::Getopt;
use super::mounts::{MountArgs, Opened};
use crate::command_error::{CommandError, CommandErrorKind, CommandResult};
use crate::commands::cat::{copy, regular_file};
use crate::commands::guest_path;
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

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
    #[command(flatten)]
    mounts: MountArgs,
    /// Paths inside the guest
    #[arg(value_name = "FILE")]
    files: Vec<OsString>,
}

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let CatArgs {
        disks,
        mounts,
        mut files,
    } = CatArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    let disks = disks.or_first_of(&mut files, 1)?;
    if files.is_empty() {
        return Err(CommandError::usage("no file is named").hint("virt-cat -a disk.qcow2 /etc/hosts"));
    }
    let opened = Opened::open(&disks, &mounts)?;
    let image = disks.first_path();
    let mut out = ui.data();
    // The others are printed nevertheless.
    let mut failed: Option<CommandError> = None;
    for file in &files {
        match print(&mut out, &opened, file, image) {
            Ok(()) => {}
            Err(error) if error.kind == CommandErrorKind::BrokenPipe => return Err(error),
            Err(error) => {
                out.flush().map_err(CommandError::stdout)?;
                if let Some(earlier) = failed.replace(error) {
                    earlier.report(ui);
                }
            }
        }
    }
    out.flush().map_err(CommandError::stdout)?;
    failed.map_or(Ok(()), Err)
}

fn print(out: &mut impl Write, opened: &Opened, file: &OsStr, image: &Path) -> CommandResult {
    let path = guest_path(file.as_bytes())?;
    let node = regular_file(opened.tree(), &path, image)?;
    copy(out, opened.tree(), node, &path, image)
}
