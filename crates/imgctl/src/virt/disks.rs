//! The disks that a tool works on: `--format F -a DISK`, as files or `file://` URIs.

use crate::command_error::{CommandError, CommandResult};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use imgctl_core::{Disks, ImageFormat, InputOptions};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// The option that says what the disks after it are.
pub(super) const FORMAT: &str = "format";

/// The option that names disks of a second guest, where a tool has it.
pub(super) const SECOND: &str = "second";

const ADD: &str = "add";
const ALLOW_BACKING: &str = "allow-backing";
const HEADING: &str = "Disks";

/// One disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Disk {
    pub(super) path: PathBuf,
    /// `None`: found by its content.
    pub(super) format: Option<ImageFormat>,
}

/// The disks that were named, and what may be opened for them.
#[derive(Clone, Debug, Default)]
pub(super) struct DiskArgs {
    pub(super) disks: Vec<Disk>,
    pub(super) allow_backing: Vec<PathBuf>,
}

impl DiskArgs {
    /// The disks; with none, the first of `words` are it, as long as `others` of them stay: `virt-cat DISK FILE`.
    pub(super) fn or_first_of(mut self, words: &mut Vec<OsString>, others: usize) -> CommandResult<Self> {
        if self.disks.is_empty() {
            let count = words.len().saturating_sub(others);
            for word in words.drain(..count) {
                if !PathBuf::from(&word).exists() {
                    return Err(no_libvirt(&word.display().to_string()));
                }
                self.disks.push(Disk {
                    path: word.into(),
                    format: None,
                });
            }
        }
        match self.disks.is_empty() {
            true => Err(CommandError::usage("no disk is named").hint("name an image file: -a disk.qcow2")),
            false => Ok(self),
        }
    }

    /// The first one's name, for messages.
    pub(super) fn first_path(&self) -> &Path {
        self.disks.first().map_or(Path::new(""), |disk| &disk.path)
    }

    /// All of them, opened for reading.
    pub(super) fn open(&self) -> CommandResult<Disks> {
        let disks = self.disks.iter().map(|disk| (disk.path.clone(), self.input(disk)));
        Ok(Disks::open(&disks.collect::<Vec<_>>())?)
    }

    /// The disks of a second guest.
    pub(super) fn second(&self, matches: &ArgMatches) -> CommandResult<Self> {
        let last_first = matches.indices_of(ADD).and_then(Iterator::last);
        Ok(Self {
            disks: disks_of(matches, SECOND, last_first)?,
            allow_backing: self.allow_backing.clone(),
        })
    }

    /// How one of them is opened.
    pub(super) fn input(&self, disk: &Disk) -> InputOptions {
        InputOptions {
            format: disk.format,
            allow_backing: self.allow_backing.clone(),
            ..InputOptions::default()
        }
    }
}

impl Args for DiskArgs {
    fn augment_args(command: Command) -> Command {
        let option = |name: &'static str| Arg::new(name).long(name).help_heading(HEADING);
        let flag = |name: &'static str| option(name).action(ArgAction::SetTrue);
        let value = |name: &'static str| option(name).action(ArgAction::Append).allow_hyphen_values(true);
        command
            .arg(
                value(ADD)
                    .short('a')
                    .value_name("FILE")
                    .value_parser(clap::value_parser!(OsString))
                    .help("Disk image: a file, or a file:// URI; may be repeated"),
            )
            .arg(
                value(FORMAT)
                    .value_name("raw|qcow2|auto")
                    .help("Format of the disks named after it [default: auto]"),
            )
            .arg(
                value(ALLOW_BACKING)
                    .value_name("DIR")
                    .value_parser(clap::value_parser!(PathBuf))
                    .help("Folder in and below which backing files may be opened (not an option of the peers)"),
            )
            .arg(value("domain").short('d').value_name("NAME").hide(true))
            .arg(value("connect").short('c').value_name("URI").hide(true))
            // What has no meaning without an appliance, or for disks that are not encrypted.
            .arg(
                option("blocksize")
                    .num_args(0..=1)
                    .require_equals(true)
                    .value_parser(["512", "4096"])
                    .action(ArgAction::Append)
                    .hide(true),
            )
            .arg(value("key").value_name("SELECTOR").hide(true))
            .arg(flag("keys-from-stdin").hide(true))
            .arg(flag("echo-keys").hide(true))
            .arg(flag("verbose").short('v').action(ArgAction::Count).hide(true))
            .arg(flag("trace").short('x').long(None).action(ArgAction::Count).hide(true))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for DiskArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let refuse = |error: CommandError| {
            let hints: String = error.hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
            clap::Error::raw(
                clap::error::ErrorKind::ValueValidation,
                format!("{}{hints}\n", error.error),
            )
        };
        if let Some(domain) = matches.get_many::<String>("domain").and_then(|mut names| names.next()) {
            return Err(refuse(no_libvirt(domain)));
        }
        if matches.contains_id("connect") {
            return Err(refuse(no_libvirt("--connect")));
        }
        // Most tools know no second guest.
        let has_second = matches.try_contains_id(SECOND).unwrap_or_default();
        let last_second = has_second.then(|| matches.indices_of(SECOND)).flatten();
        let disks = disks_of(matches, ADD, last_second.and_then(Iterator::last)).map_err(refuse)?;
        let allowed = matches.get_many::<PathBuf>(ALLOW_BACKING).into_iter().flatten();
        Ok(Self {
            disks,
            allow_backing: allowed.cloned().collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The disks of an option; `last_other` is the place of the last disk that another option names.
fn disks_of(matches: &ArgMatches, option: &str, last_other: Option<usize>) -> CommandResult<Vec<Disk>> {
    let places = |name| matches.indices_of(name).into_iter().flatten();
    let values = matches.get_many::<String>(FORMAT).into_iter().flatten();
    let formats: Vec<(usize, &String)> = places(FORMAT).zip(values).collect();
    let files = matches.get_many::<OsString>(option).into_iter().flatten();
    let files: Vec<(usize, &OsString)> = places(option).zip(files).collect();
    disks(&formats, &files, last_other.unwrap_or(0))
}

/// Each file with the last format before it, by their places on the command line.
fn disks(formats: &[(usize, &String)], files: &[(usize, &OsString)], last_other: usize) -> CommandResult<Vec<Disk>> {
    let last_file = files.last().map_or(0, |(place, _)| *place).max(last_other);
    if let Some((_, format)) = formats.last()
        && formats.last().is_some_and(|(place, _)| *place > last_file)
        && !files.is_empty()
    {
        return Err(
            CommandError::usage(format!("--format {format} stands after the last disk"))
                .hint("it holds for the disks after it: --format qcow2 -a disk.qcow2"),
        );
    }
    let one = |(place, file): &(usize, &OsString)| {
        let format = formats.iter().rev().find(|(before, _)| before < place);
        Ok(Disk {
            path: path_of(file)?,
            format: format.map_or(Ok(None), |(_, name)| format_of(name))?,
        })
    };
    files.iter().map(one).collect()
}

/// `None` for `auto`.
pub(super) fn format_of(name: &str) -> CommandResult<Option<ImageFormat>> {
    match name {
        "auto" | "" => Ok(None),
        "raw" => Ok(Some(ImageFormat::Raw)),
        "qcow2" => Ok(Some(ImageFormat::Qcow2)),
        name => Err(CommandError::usage(format!("the format {name} is not supported"))
            .hint("convert the image first: qemu-img convert -O qcow2 IN OUT")),
    }
}

/// The file that a name or a `file://` URI (RFC 8089) means.
pub(super) fn path_of(name: &OsStr) -> CommandResult<PathBuf> {
    let bytes = name.as_bytes();
    let scheme = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_lowercase() || **byte == b'+')
        .count();
    let Some(rest) = bytes
        .get(scheme..)
        .and_then(|rest| rest.strip_prefix(b"://"))
        .filter(|_| scheme > 0)
    else {
        return Ok(name.into());
    };
    if !bytes.starts_with(b"file://") {
        return Err(CommandError::usage(format!("{} is not a file", name.display()))
            .hint("only files of this machine are opened; download the image first"));
    }
    let path = rest.strip_prefix(b"localhost").unwrap_or(rest);
    match unescaped(path).filter(|path| path.first() == Some(&b'/')) {
        Some(path) => Ok(OsString::from_vec(path).into()),
        None => Err(CommandError::usage(format!("{} names no file", name.display()))
            .hint("write three slashes and a whole path: file:///var/tmp/disk.qcow2")),
    }
}

/// The bytes behind `%2F` and the like.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = rest.get(2..)?;
    }
    Some(bytes)
}

pub(super) fn no_libvirt(name: &str) -> CommandError {
    CommandError::usage(format!("{name}: domains of libvirt are not supported"))
        .hint("name the domain's disk instead: -a /var/lib/libvirt/images/disk.qcow2 (virsh domblklist shows it)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Vec<Disk>, String> {
        let command = DiskArgs::augment_args(Command::new("x").no_binary_name(true));
        let matches = command
            .try_get_matches_from(line.split_whitespace())
            .map_err(|error| error.to_string())?;
        let args = DiskArgs::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        Ok(args.disks)
    }

    #[test]
    fn a_format_holds_for_the_disks_after_it() {
        let disk = |path: &str, format| Disk {
            path: path.into(),
            format,
        };
        let (raw, qcow2) = (Some(ImageFormat::Raw), Some(ImageFormat::Qcow2));
        assert_eq!(read("-a x"), Ok(vec![disk("x", None)]));
        assert_eq!(
            read("-a a --format raw -a b --add c --format=qcow2 -a d --format auto -a e"),
            Ok(vec![
                disk("a", None),
                disk("b", raw),
                disk("c", raw),
                disk("d", qcow2),
                disk("e", None)
            ])
        );
        for wrong in [
            "-a a --format raw",
            "--format vmdk -a a",
            "-d guest",
            "-c qemu:///system -a x",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn uris_of_files_are_paths() {
        let path = |name: &str| path_of(OsStr::new(name)).map_err(|error| error.error.to_string());
        assert_eq!(path("file:///tmp/a%20b%2f"), Ok("/tmp/a b/".into()));
        assert_eq!(path("file://localhost/tmp/x"), Ok("/tmp/x".into()));
        assert_eq!(path("a:b"), Ok("a:b".into()));
        assert_eq!(path("://x"), Ok("://x".into()));
        for wrong in [
            "file://tmp/x",
            "file:///%zz",
            "file:///%+1",
            "nbd://host/x",
            "nbd+unix:///x",
        ] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_old_style_names_disks_without_an_option() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut words = vec![file.path().as_os_str().to_owned(), "/etc/x".into()];
        let args = DiskArgs::default().or_first_of(&mut words, 1).unwrap();
        assert_eq!((args.disks.len(), words), (1, vec!["/etc/x".into()]));
        let mut words = vec!["no-such-domain".into(), "/etc/x".into()];
        assert!(DiskArgs::default().or_first_of(&mut words, 1).is_err());
        assert!(DiskArgs::default().or_first_of(&mut vec!["/etc/x".into()], 1).is_err());
    }
}
