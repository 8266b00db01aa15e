//! virt-edit: edits files of a guest in place, by an expression or with an editor.

use super::Tool;
use super::changing::{GuestMountArgs, change, disk_of_guest, input, line, warn};
use super::disks::DiskArgs;
use super::getopt::Getopt;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::flags::refusal;
use crate::commands::programs::with_network;
use crate::host_files::LocalHost;
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use imgctl_core::steps::flags::parse;
use imgctl_core::{Event, open_guest};
use imgctl_vfs::GuestPath;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

pub(super) const TOOL: Tool = Tool {
    name: "virt-edit",
    getopt: Getopt::Long,
    arguments: EditArgs::augment_args,
    run,
};

/// What an editor is given at most.
const MAX_BYTES: u64 = 64 << 20;

/// Edit files inside a disk image, in place
///
/// Without an expression, $EDITOR is started with a copy of each file. All files are changed, or none.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  virt-edit -a disk.qcow2 /etc/fstab
  virt-edit -a disk.qcow2 /etc/default/grub -e 's/quiet//'")]
struct EditArgs {
    #[command(flatten)]
    disks: DiskArgs,
    #[command(flatten)]
    mounts: GuestMountArgs,
    /// Keep the original under its name with EXT behind it
    #[arg(short, long, value_name = "EXT")]
    backup: Option<String>,
    /// Change every line by an expression of Perl, as sed does
    #[arg(short, long, value_name = "EXPR", allow_hyphen_values = true)]
    expr: Option<String>,
    /// Paths inside the guest
    #[arg(value_name = "FILE")]
    files: Vec<OsString>,
}

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let EditArgs {
        disks,
        mounts,
        backup,
        expr,
        mut files,
    } = EditArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    let disks = disks.or_first_of(&mut files, 1)?;
    if files.is_empty() {
        return Err(CommandError::usage("no file is named").hint("virt-edit -a disk.qcow2 /etc/fstab"));
    }
    mounts.check(&disks)?;
    let files: Vec<String> = files.into_iter().map(text).collect::<CommandResult<_>>()?;
    let edits = match expr {
        Some(expr) => files.into_iter().map(|file| (file, Edit::By(expr.clone()))).collect(),
        None => with_editor(&disks, files)?,
    };
    let mut given = Vec::new();
    for (file, edit) in edits {
        if file.contains(':') {
            return Err(CommandError::usage(format!(
                "the path {file} has a colon, which is not supported"
            )));
        }
        if let Some(extension) = &backup {
            given.push(("copy".to_owned(), format!("{file}:{file}{extension}")));
        }
        given.push(match edit {
            Edit::By(expr) => ("edit".to_owned(), format!("{file}:{expr}")),
            Edit::To(content) => ("write".to_owned(), format!("{file}:{content}")),
        });
    }
    if given.is_empty() {
        return Ok(());
    }
    let flags = parse(&given, &LocalHost).map_err(|error| refusal(&error))?;
    let tell = |event| {
        if let Event::Warning(text) = event {
            warn(ui, &text);
        }
    };
    change(&disks, flags, with_network(false), false, &tell).map(drop)
}

/// What becomes of a file.
enum Edit {
    By(String),
    To(String),
}

/// Has the user edit copies of the files. Those that stay as they are need nothing.
fn with_editor(disks: &DiskArgs, files: Vec<String>) -> CommandResult<Vec<(String, Edit)>> {
    let disk = disk_of_guest(disks)?;
    let folder = tempfile::Builder::new()
        .prefix("virt-edit-")
        .tempdir()
        .map_err(|source| CommandError::file("create a folder in", &env::temp_dir(), source))?;
    let mut edits = Vec::new();
    for file in files {
        let before = {
            let opened = open_guest(&disk.path, &input(disks, disk))?;
            let path = GuestPath::new(file.as_str()).map_err(|error| CommandError::usage(error.to_string()))?;
            read(opened.tree(), &path).map_err(|source| CommandError::guest(format!("cannot read {file}"), source))?
        };
        // The name tells the editor what it is.
        let name = file.rsplit('/').next().unwrap_or("file");
        let copy = folder.path().join(name);
        fs::write(&copy, &before).map_err(|source| CommandError::file("write", &copy, source))?;
        edit(&copy)?;
        let after = fs::read(&copy).map_err(|source| CommandError::file("read", &copy, source))?;
        if after == before {
            line(format_args!("File not changed."));
            continue;
        }
        let content = String::from_utf8(after)
            .map_err(|_| CommandError::other(format!("{file} is not UTF-8 text after it was edited")))?;
        edits.push((file, Edit::To(content)));
    }
    Ok(edits)
}

fn read(tree: &imgctl_vfs::Tree, path: &GuestPath) -> imgctl_vfs::Result<Vec<u8>> {
    let found = tree.resolve(path)?;
    tree.read_file(found.node, MAX_BYTES)
}

/// `$EDITOR`, as a shell reads it: it may have arguments.
fn edit(copy: &Path) -> CommandResult {
    let editor = env::var("EDITOR").ok().filter(|editor| !editor.is_empty());
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    let status = Command::new("/bin/sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(copy)
        .status()
        .map_err(|source| CommandError::other(format!("cannot start the editor {editor}: {source}")))?;
    match status.success() {
        true => Ok(()),
        false => Err(CommandError::other(format!("the editor {editor} failed: {status}"))
            .hint("nothing was changed in the guest")),
    }
}

/// A path as an option's value has it.
pub(super) fn text(word: OsString) -> CommandResult<String> {
    word.into_string()
        .map_err(|word| CommandError::usage(format!("{} is not UTF-8", word.display())))
}
