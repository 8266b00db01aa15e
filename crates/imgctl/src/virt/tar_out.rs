//! virt-tar-out: a folder of a guest as a tar archive.

use super::Tool;
use super::disks::DiskArgs;
use super::getopt::Getopt;
use super::mounts::{MountArgs, Opened};
use crate::command_error::{CommandError, CommandResult};
use crate::commands::guest_path;
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use flate2::write::GzEncoder;
use imgctl_core::{ArchiveOptions, write_archive};
use imgctl_vfs::{FileKind, Found, Tree};
use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

pub(super) const TOOL: Tool = Tool {
    name: "virt-tar-out",
    getopt: Getopt::Long,
    arguments: TarOutArgs::augment_args,
    run,
};

/// Write a folder of a disk image as a tar archive
#[derive(Args, Debug)]
#[command(after_help = "\
Options of the archive:
  compress:gzip, compress:zstd
  numericowner:true (always so), xattrs:true, selinux:true, acls:true

Examples:
  virt-tar-out -a disk.qcow2 /home home.tar
  virt-tar-out -a disk.qcow2 /etc - | tar tvf -
  virt-tar-out -a disk.qcow2 /etc etc.tar.gz compress:gzip")]
struct TarOutArgs {
    #[command(flatten)]
    disks: DiskArgs,
    #[command(flatten)]
    mounts: MountArgs,
    /// A folder inside the guest, the archive (- for standard output), and options of the archive
    #[arg(value_name = "DIR FILE [OPTION...]")]
    words: Vec<OsString>,
}

/// What the words after the archive's name say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Form {
    compression: Compression,
    archive: ArchiveOptions,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Compression {
    #[default]
    None,
    Gzip,
    Zstd,
}

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let TarOutArgs { disks, mounts, words } =
        TarOutArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    let disks = disks.or_first_of(&mut Vec::new(), 0)?;
    let [folder, file, options @ ..] = words.as_slice() else {
        return Err(
            CommandError::usage("a folder inside the guest and an archive are needed")
                .hint("virt-tar-out -a disk.qcow2 /etc etc.tar"),
        );
    };
    let form = form(options)?;
    let path = guest_path(folder.as_bytes())?;
    let opened = Opened::open(&disks, &mounts)?;
    let tree = opened.tree();
    let cannot = |source| CommandError::guest(format!("cannot read {path}"), source);
    let found = tree.resolve(&path).map_err(cannot)?;
    if tree.metadata(found.node).map_err(cannot)?.kind != FileKind::Directory {
        return Err(CommandError::other(format!("{path} is not a folder")).hint("virt-copy-out copies files"));
    }
    let warnings = match file == "-" {
        true => write(tree, &found, form, ui.data())?,
        false => write_file(tree, &found, form, Path::new(file))?,
    };
    for warning in warnings {
        ui.warning(warning);
    }
    Ok(())
}

/// Reads `compress:gzip` and the like.
fn form(options: &[OsString]) -> CommandResult<Form> {
    let mut form = Form::default();
    for option in options {
        let text = option.to_str().unwrap_or_default();
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let flag = matches!(value, "true" | "t" | "1" | "yes" | "y" | "on");
        match (name, value) {
            ("compress", "gzip") => form.compression = Compression::Gzip,
            ("compress", "zstd") => form.compression = Compression::Zstd,
            ("compress", other) => {
                return Err(CommandError::usage(format!("compress:{other} is not supported"))
                    .hint("write to standard output and compress there: virt-tar-out … - | xz > x.tar.xz"));
            }
            ("numericowner", _) => {}
            ("xattrs", _) => form.archive.xattrs = flag,
            ("selinux", _) => form.archive.selinux = flag,
            ("acls", _) => form.archive.acls = flag,
            ("excludes", _) => {
                return Err(CommandError::usage("excludes: is not supported")
                    .hint("leave them out when the archive is unpacked: tar -x --exclude=PATTERN"));
            }
            _ => {
                return Err(CommandError::usage(format!(
                    "{} is no option of an archive",
                    option.display()
                )));
            }
        }
    }
    Ok(form)
}

fn write<W: Write>(tree: &Tree, found: &Found, form: Form, mut out: W) -> CommandResult<Vec<String>> {
    let finished = |result: io::Result<W>| result.and_then(|mut out| out.flush()).map_err(CommandError::stdout);
    match form.compression {
        Compression::None => Ok(write_archive(tree, found, &mut out, form.archive).map_err(told)?),
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(out, flate2::Compression::default());
            let warnings = write_archive(tree, found, &mut encoder, form.archive).map_err(told)?;
            finished(encoder.finish()).map(|()| warnings)
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(out, 0).map_err(CommandError::stdout)?;
            let warnings = write_archive(tree, found, &mut encoder, form.archive).map_err(told)?;
            finished(encoder.finish()).map(|()| warnings)
        }
    }
}

/// A reader that went away is nothing to tell of.
fn told(error: imgctl_core::Error) -> CommandError {
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>());
    match source.map(io::Error::kind) {
        Some(io::ErrorKind::BrokenPipe) => CommandError::stdout(io::ErrorKind::BrokenPipe.into()),
        _ => error.into(),
    }
}

/// Writes a file that appears whole or not at all; a device or pipe is written to as it is.
fn write_file(tree: &Tree, found: &Found, form: Form, file: &Path) -> CommandResult<Vec<String>> {
    let cannot = |source| CommandError::file("write", file, source);
    let is_special = std::fs::metadata(file).is_ok_and(|metadata| !metadata.is_file());
    if is_special {
        let out = File::options().write(true).open(file).map_err(cannot)?;
        return write(tree, found, form, BufWriter::new(out));
    }
    let target = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = target
        .parent()
        .filter(|folder| *folder != OsStr::new(""))
        .unwrap_or(Path::new("."));
    let scratch = tempfile::Builder::new()
        .prefix(".virt-tar-out-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(cannot)?;
    let warnings = write(tree, found, form, BufWriter::new(scratch.as_file()))?;
    scratch.persist(&target).map_err(|error| cannot(error.error))?;
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_archive_stand_behind_it() {
        let read = |text: &str| {
            let words: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
            form(&words).map_err(|error| error.error.to_string())
        };
        assert_eq!(read(""), Ok(Form::default()));
        let expected = Form {
            compression: Compression::Gzip,
            archive: ArchiveOptions {
                xattrs: true,
                selinux: true,
                acls: false,
            },
        };
        assert_eq!(
            read("compress:gzip numericowner:true xattrs:true selinux:1 acls:false"),
            Ok(expected)
        );
        for wrong in ["compress:xz", "excludes:*.o", "gzip", "compress"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
