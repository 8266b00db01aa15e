//! virt-ls: lists folders of a guest.

mod long;
pub(super) mod records;

use super::Tool;
use super::disks::DiskArgs;
use super::getopt::Getopt;
use super::mounts::{MountArgs, Opened};
use crate::command_error::{CommandError, CommandResult};
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use imgctl_vfs::{ErrorKind, EscapedBytes, FileKind, Found, GuestPath, Tree};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;

pub(super) const TOOL: Tool = Tool {
    name: "virt-ls",
    getopt: Getopt::Long,
    arguments: LsArgs::augment_args,
    run,
};

/// List folders of a guest
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  virt-ls -a disk.qcow2 /home
  virt-ls -a disk.qcow2 -lR --csv --uids --times /etc")]
struct LsArgs {
    #[command(flatten)]
    disks: DiskArgs,
    #[command(flatten)]
    mounts: MountArgs,
    /// Like ls -la
    #[arg(short, long)]
    long: bool,
    /// Folders and everything below them; with -l, type, mode, size and path of each
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Comma-separated values (with -lR, as all below)
    #[arg(long)]
    csv: bool,
    /// Sizes for people: 1.2G
    #[arg(short = 'h', long = "human-readable")]
    human: bool,
    /// Checksums of files: crc, md5 (default), sha1, sha224, sha256, sha384 or sha512
    #[arg(long, alias = "checksums", value_name = "KIND", num_args = 0..=1, require_equals = true, default_missing_value = "md5")]
    checksum: Option<String>,
    /// Owner and group
    #[arg(long, alias = "uid")]
    uids: bool,
    /// Times of access, change of content, and change
    #[arg(long, alias = "time")]
    times: bool,
    /// Times in seconds since 1970
    #[arg(long)]
    time_t: bool,
    /// Times in seconds before now
    #[arg(long)]
    time_relative: bool,
    /// Times in days before now
    #[arg(long)]
    time_days: bool,
    /// Device, inode, links, device it stands for, and blocks
    #[arg(long, alias = "extra-stat")]
    extra_stats: bool,
    /// Folders inside the guest
    #[arg(value_name = "DIR")]
    folders: Vec<OsString>,
}

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let mut args = LsArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    args.disks = std::mem::take(&mut args.disks).or_first_of(&mut args.folders, 1)?;
    if args.folders.is_empty() {
        return Err(CommandError::usage("no folder is named").hint("virt-ls -a disk.qcow2 /etc"));
    }
    let records = args.records()?;
    if !(args.long && args.recursive) && args.needs_records() {
        return Err(CommandError::usage("one of the options can only be used with -lR")
            .hint("--csv, -h, --checksum, --uids, --times and --extra-stats add to what -lR shows"));
    }
    if args.human && args.csv {
        return Err(CommandError::usage("-h and --csv cannot be used together"));
    }
    let opened = Opened::open(&args.disks, &args.mounts)?;
    let mut out = ui.data();
    // The others are listed nevertheless.
    let mut failed = None;
    for folder in &args.folders {
        let folder = folder.as_bytes();
        let listed = match (args.long, args.recursive) {
            (false, false) => names(&mut out, opened.tree(), folder),
            (false, true) => below(&mut out, opened.tree(), folder),
            (true, false) => long::write(&mut out, opened.tree(), folder),
            (true, true) => records.write(&mut out, &opened, folder),
        };
        if let Err(error) = listed {
            out.flush().map_err(CommandError::stdout)?;
            if let Some(earlier) = failed.replace(error) {
                report(ui, &earlier)?;
            }
        }
    }
    out.flush().map_err(CommandError::stdout)?;
    failed.map_or(Ok(()), Err)
}

/// Tells of a failure that is not the last; when nobody reads the output any more, nothing is worth telling.
fn report(ui: &Ui, error: &CommandError) -> CommandResult {
    match error.kind {
        crate::command_error::CommandErrorKind::BrokenPipe => {
            Err(CommandError::stdout(std::io::ErrorKind::BrokenPipe.into()))
        }
        _ => {
            error.report(ui);
            Ok(())
        }
    }
}

impl LsArgs {
    fn needs_records(&self) -> bool {
        self.csv || self.human || self.uids || self.has_times() || self.extra_stats || self.checksum.is_some()
    }

    fn has_times(&self) -> bool {
        self.times || self.time_t || self.time_relative || self.time_days
    }
}

/// The folder that a path leads to, links followed.
fn folder(tree: &Tree, path: &[u8]) -> CommandResult<Found> {
    let whole = GuestPath::new(path).map_err(|source| cannot(path, source))?;
    let found = tree.resolve(&whole).map_err(|source| cannot(path, source))?;
    let metadata = tree.metadata(found.node).map_err(|source| cannot(path, source))?;
    match metadata.kind {
        FileKind::Directory => Ok(found),
        kind => Err(cannot(
            path,
            imgctl_vfs::Error::new(
                ErrorKind::NotADirectory,
                format!("it is a {}, not a directory", kind.name()),
            ),
        )),
    }
}

fn cannot(path: &[u8], source: imgctl_vfs::Error) -> CommandError {
    CommandError::guest(format!("cannot list {}", EscapedBytes(path)), source)
}

/// `virt-ls`: the names, hidden ones as well.
fn names(out: &mut impl Write, tree: &Tree, path: &[u8]) -> CommandResult {
    let found = folder(tree, path)?;
    for (name, _) in tree.read_dir(found.node).map_err(|source| cannot(path, source))? {
        write_line(out, &name)?;
    }
    Ok(())
}

/// `virt-ls -R`: all paths below a folder, from there, in order of their bytes. As with theirs, a folder named without a
/// slash at its end has paths that begin with one, and a link to a folder has nothing below.
fn below(out: &mut impl Write, tree: &Tree, path: &[u8]) -> CommandResult {
    let found = folder(tree, path)?;
    let whole = GuestPath::new(path).map_err(|source| cannot(path, source))?;
    let named = tree.resolve_link(&whole).map_err(|source| cannot(path, source))?;
    if named.node != found.node && !path.ends_with(b"/") {
        return Ok(());
    }
    let prefix: &[u8] = if path.ends_with(b"/") { b"" } else { b"/" };
    let mut paths = Vec::new();
    for entry in tree.walk(&found).skip(1) {
        let entry = entry.map_err(|source| cannot(path, source))?;
        paths.push([prefix, relative(&found, &entry.path)].concat());
    }
    paths.sort_unstable();
    paths.iter().try_for_each(|path| write_line(out, path))
}

/// A path from the folder that it lies below, without a slash at its start.
fn relative<'p>(from: &Found, path: &'p GuestPath) -> &'p [u8] {
    let rest = path
        .as_bytes()
        .strip_prefix(from.path.as_bytes())
        .unwrap_or(path.as_bytes());
    rest.strip_prefix(b"/").unwrap_or(rest)
}

fn write_line(out: &mut impl Write, line: &[u8]) -> CommandResult {
    out.write_all(line)
        .and_then(|()| out.write_all(b"\n"))
        .map_err(CommandError::stdout)
}
