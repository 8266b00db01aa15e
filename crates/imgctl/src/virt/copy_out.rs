//! virt-copy-out: copies files and folders of a guest to the host.

use super::Tool;
use super::disks::DiskArgs;
use super::getopt::Getopt;
use super::mounts::{MountArgs, Opened};
use crate::command_error::{CommandError, CommandResult};
use crate::commands::guest_path;
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use imgctl_core::{ExtractOptions, Extraction};
use imgctl_vfs::{FileKind, Tree};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub(super) const TOOL: Tool = Tool {
    name: "virt-copy-out",
    getopt: Getopt::Long,
    arguments: CopyOutArgs::augment_args,
    run,
};

/// Copy files and folders out of a disk image
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  virt-copy-out -a disk.qcow2 /etc/fstab /var/log .")]
struct CopyOutArgs {
    #[command(flatten)]
    disks: DiskArgs,
    #[command(flatten)]
    mounts: MountArgs,
    /// Files and folders inside the guest, and the folder of the host that they are copied to
    #[arg(value_name = "PATH... LOCALDIR")]
    words: Vec<OsString>,
}

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let CopyOutArgs { disks, mounts, words } =
        CopyOutArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    let disks = disks.or_first_of(&mut Vec::new(), 0)?;
    let Some((folder, paths)) = words.split_last().filter(|(_, paths)| !paths.is_empty()) else {
        return Err(
            CommandError::usage("a path inside the guest and a folder of the host are needed")
                .hint("virt-copy-out -a disk.qcow2 /var/log ."),
        );
    };
    let opened = Opened::open(&disks, &mounts)?;
    let mut extraction = Extraction::new(Path::new(folder), host_options())?;
    let copied = paths
        .iter()
        .try_for_each(|path| copy(&mut extraction, opened.tree(), path));
    for warning in extraction.warnings() {
        ui.warning(warning);
    }
    copied
}

fn copy(extraction: &mut Extraction, tree: &Tree, path: &OsStr) -> CommandResult {
    let path = guest_path(path.as_bytes())?;
    let cannot = |source| CommandError::guest(format!("cannot copy {path}"), source);
    let found = tree.resolve_link(&path).map_err(cannot)?;
    let kind = tree.metadata(found.node).map_err(cannot)?.kind;
    let done = match (kind, found.path.file_name()) {
        (FileKind::File, Some(name)) => extraction.file(tree, &found, name),
        (FileKind::Directory, _) => extraction.folder(tree, &found),
        _ => {
            let what = format!("{path} is a {}, neither a file nor a folder", kind.name());
            let error = CommandError::other(what);
            return Err(match kind {
                FileKind::Symlink => error.hint("name what it leads to"),
                _ => error,
            });
        }
    };
    Ok(done?)
}

/// What this process may take over, as tar(1) decides it.
pub(super) fn host_options() -> ExtractOptions {
    match rustix::process::geteuid().is_root() {
        true => ExtractOptions { owners: true, umask: 0 },
        false => ExtractOptions {
            owners: false,
            umask: umask().unwrap_or(0o022),
        },
    }
}

/// The process's umask, which can be read without changing it in /proc alone.
fn umask() -> Option<u16> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u16::from_str_radix(value.trim(), 8).ok()
}
