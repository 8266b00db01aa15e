//! virt-copy-in and virt-tar-in: put local files into a guest, in place.

use super::Tool;
use super::changing::{GuestMountArgs, change, warn};
use super::disks::DiskArgs;
use super::edit::text;
use super::getopt::Getopt;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::flags::refusal;
use crate::commands::programs::with_network;
use crate::host_files::LocalHost;
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use imgctl_core::Event;
use imgctl_core::steps::flags::parse;
use std::ffi::OsString;
use std::io;

pub(super) const COPY_IN: Tool = Tool {
    name: "virt-copy-in",
    getopt: Getopt::Long,
    arguments: CopyInArgs::augment_args,
    run: copy_in,
};

pub(super) const TAR_IN: Tool = Tool {
    name: "virt-tar-in",
    getopt: Getopt::Long,
    arguments: TarInArgs::augment_args,
    run: tar_in,
};

/// Copy local files and folders into a disk image, in place
///
/// Everything is copied, or nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  virt-copy-in -a disk.qcow2 motd issue /etc
  virt-copy-in -a disk.qcow2 site /var/www")]
struct CopyInArgs {
    #[command(flatten)]
    disks: DiskArgs,
    #[command(flatten)]
    mounts: GuestMountArgs,
    /// Local files and folders, and last a folder of the guest
    #[arg(value_name = "LOCAL")]
    words: Vec<OsString>,
}

/// Unpack a tar archive into a disk image, in place
///
/// `-` is standard input. Compressed archives are unpacked, too.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  virt-tar-in -a disk.qcow2 data.tar /srv
  tar cf - data | virt-tar-in -a disk.qcow2 - /srv")]
struct TarInArgs {
    #[command(flatten)]
    disks: DiskArgs,
    #[command(flatten)]
    mounts: GuestMountArgs,
    /// Local archive and folder of the guest, once or several times
    #[arg(value_name = "TARBALL", allow_hyphen_values = true)]
    words: Vec<OsString>,
}

fn copy_in(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let CopyInArgs { disks, mounts, words } =
        CopyInArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    let words: Vec<String> = words.into_iter().map(text).collect::<CommandResult<_>>()?;
    let Some((folder, sources)) = words.split_last().filter(|(_, sources)| !sources.is_empty()) else {
        return Err(CommandError::usage("what to copy and where to is not named")
            .hint("virt-copy-in -a disk.qcow2 FILE… /folder/of/the/guest"));
    };
    let given = sources.iter().map(|source| place("copy-in", source, folder));
    mounts.check(&disks)?;
    put(ui, &disks, &given.collect::<CommandResult<Vec<_>>>()?)
}

fn tar_in(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let TarInArgs { disks, mounts, words } =
        TarInArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    let words: Vec<String> = words.into_iter().map(text).collect::<CommandResult<_>>()?;
    if words.is_empty() || !words.len().is_multiple_of(2) {
        return Err(CommandError::usage("an archive and a folder of the guest are needed")
            .hint("virt-tar-in -a disk.qcow2 data.tar /folder/of/the/guest"));
    }
    // An archive is read more than once, and standard input cannot be.
    let mut spool = None;
    let mut given = Vec::new();
    for pair in words.chunks_exact(2) {
        let [archive, folder] = pair else { continue };
        let archive = match archive.as_str() {
            "-" if spool.is_none() => {
                let file = spooled()?;
                let name = file.path().to_string_lossy().into_owned();
                spool = Some(file);
                name
            }
            "-" => return Err(CommandError::usage("standard input cannot be two archives")),
            name => name.to_owned(),
        };
        given.push(place("tar-in", &archive, folder)?);
    }
    mounts.check(&disks)?;
    put(ui, &disks, &given)
}

/// Standard input as a file.
fn spooled() -> CommandResult<tempfile::NamedTempFile> {
    let failed = |source| CommandError::file("keep standard input in", &std::env::temp_dir(), source);
    let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
    io::copy(&mut io::stdin().lock(), &mut file).map_err(failed)?;
    Ok(file)
}

/// `LOCAL:FOLDER` of the option that does the same.
fn place(option: &str, source: &str, folder: &str) -> CommandResult<(String, String)> {
    match source.contains(':') {
        true => Err(
            CommandError::usage(format!("the name {source} has a colon, which is not supported"))
                .hint("rename it, or name the folder that it is in"),
        ),
        false => Ok((option.to_owned(), format!("{source}:{folder}"))),
    }
}

fn put(ui: &Ui, disks: &DiskArgs, given: &[(String, String)]) -> CommandResult {
    let flags = parse(given, &LocalHost).map_err(|error| refusal(&error))?;
    let tell = |event| {
        if let Event::Warning(text) = event {
            warn(ui, &text);
        }
    };
    change(disks, flags, with_network(false), false, &tell).map(drop)
}
