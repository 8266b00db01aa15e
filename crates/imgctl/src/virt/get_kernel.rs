//! virt-get-kernel: the newest kernel of a guest with its initramfs.

use super::Tool;
use super::copy_out::host_options;
use super::disks::DiskArgs;
use super::getopt::Getopt;
use super::mounts::{MountArgs, Opened};
use crate::command_error::{CommandError, CommandResult};
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use imgctl_core::Extraction;
use imgctl_vfs::{Found, GuestPath, Tree};
use std::cmp::Ordering;
use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

pub(super) const TOOL: Tool = Tool {
    name: "virt-get-kernel",
    getopt: Getopt::LongOnly,
    arguments: GetKernelArgs::augment_args,
    run,
};

/// What kernels are called; the first that is there counts.
const KERNELS: [&[u8]; 2] = [b"vmlinuz-", b"vmlinux-"];
const INITRAMFS: [&[u8]; 3] = [b"initramfs-", b"initrd-", b"initrd.img-"];

/// Copy the newest kernel and its initramfs out of a disk image
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  virt-get-kernel -a disk.qcow2
  virt-get-kernel -a disk.qcow2 -o boot --unversioned-names")]
struct GetKernelArgs {
    #[command(flatten)]
    disks: DiskArgs,
    /// Folder that they are written to [default: the current one]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Names without the version: vmlinuz, initrd.img
    #[arg(long)]
    unversioned_names: bool,
    /// Names that begin with PREFIX and a dash
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<OsString>,
    /// Tell what this tool can do, for programs
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    machine_readable: Option<String>,
    /// Do not tell what is copied
    #[arg(short, long)]
    quiet: bool,
    #[arg(long, aliases = ["color", "colour", "colours"], hide = true)]
    colors: bool,
    #[arg(long, hide = true)]
    wrap: bool,
}

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let args = GetKernelArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    let mut out = ui.data();
    if args.machine_readable.is_some() {
        return out
            .write_all(b"virt-get-kernel\n")
            .and_then(|()| out.flush())
            .map_err(CommandError::stdout);
    }
    let disks = args.disks.clone().or_first_of(&mut Vec::new(), 0)?;
    let opened = Opened::open(&disks, &MountArgs::default())?;
    let tree = opened.tree();
    let files = newest(tree).map_err(|source| CommandError::guest("cannot read /boot", source))?;
    if files.is_empty() {
        return Err(CommandError::other("no kernel was found in the guest's /boot"));
    }
    let folder = args.output.as_deref().unwrap_or(Path::new("."));
    let mut extraction = Extraction::new(folder, host_options())?;
    for (path, found) in files {
        let name = args.name_of(path.file_name().unwrap_or_default());
        if !args.quiet {
            let place = folder.join(OsString::from_vec(name.clone()));
            let text = [
                b"download: ",
                path.as_bytes(),
                b" -> ",
                place.as_os_str().as_bytes(),
                b"\n",
            ]
            .concat();
            out.write_all(&text)
                .and_then(|()| out.flush())
                .map_err(CommandError::stdout)?;
        }
        extraction.file(tree, &found, &name)?;
    }
    Ok(())
}

impl GetKernelArgs {
    fn name_of(&self, name: &[u8]) -> Vec<u8> {
        let name = match self.unversioned_names {
            true => name.split(|byte| *byte == b'-').next().unwrap_or_default(),
            false => name,
        };
        match &self.prefix {
            Some(prefix) => [prefix.as_bytes(), b"-", name].concat(),
            None => name.to_vec(),
        }
    }
}

/// The newest kernel, and the newest initramfs.
fn newest(tree: &Tree) -> imgctl_vfs::Result<Vec<(GuestPath, Found)>> {
    let boot = GuestPath::new("/boot")?;
    let Some(folder) = tree.find(&boot)? else {
        return Ok(Vec::new());
    };
    let names: Vec<Vec<u8>> = tree.read_dir(folder.node)?.into_iter().map(|(name, _)| name).collect();
    let Some(kernel) = newest_of(&names, &KERNELS) else {
        return Ok(Vec::new());
    };
    let mut files = Vec::new();
    for name in [Some(kernel), newest_of(&names, &INITRAMFS)].into_iter().flatten() {
        let path = boot.join(name);
        let found = tree.resolve(&path)?;
        files.push((path, found));
    }
    Ok(files)
}

/// The newest of the names that begin with the first prefix that any begins with.
fn newest_of<'n>(names: &'n [Vec<u8>], prefixes: &[&[u8]]) -> Option<&'n [u8]> {
    let newest = |prefix: &&[u8]| {
        let named = names.iter().filter(|name| name.starts_with(prefix));
        named
            .map(Vec::as_slice)
            .max_by(|one, other| compare_versions(one, other))
    };
    prefixes.iter().find_map(newest)
}

/// Digits are compared as numbers, everything else as text.
fn compare_versions(one: &[u8], other: &[u8]) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        match (one.is_empty(), other.is_empty()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        let (first, rest) = split_piece(one);
        let (second, other_rest) = split_piece(other);
        let order = match (first[0].is_ascii_digit(), second[0].is_ascii_digit()) {
            (true, true) => number(first).cmp(&number(second)),
            _ => first.cmp(second),
        };
        if order.is_ne() {
            return order;
        }
        (one, other) = (rest, other_rest);
    }
}

/// The digits, or whatever else, that a text begins with; at least one byte.
fn split_piece(text: &[u8]) -> (&[u8], &[u8]) {
    let is_digit = text.first().is_some_and(u8::is_ascii_digit);
    let end = text.iter().position(|byte| byte.is_ascii_digit() != is_digit);
    text.split_at(end.unwrap_or(text.len()))
}

/// A number of any length as something that can be compared.
fn number(digits: &[u8]) -> (usize, &[u8]) {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = &digits[zeros..];
    (digits.len(), digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_the_one_with_the_greatest_numbers() {
        let names: Vec<Vec<u8>> = [
            "System.map-6.1.0-9",
            "initrd.img-6.1.0-10-amd64",
            "initrd.img-6.1.0-9-amd64",
            "vmlinux-9",
            "vmlinuz-6.1.0-10-amd64",
            "vmlinuz-6.1.0-9-amd64",
        ]
        .map(|name| name.as_bytes().to_vec())
        .to_vec();
        assert_eq!(newest_of(&names, &KERNELS), Some(&b"vmlinuz-6.1.0-10-amd64"[..]));
        assert_eq!(newest_of(&names, &INITRAMFS), Some(&b"initrd.img-6.1.0-10-amd64"[..]));
        assert_eq!(newest_of(&names, &[b"none-"]), None);
        assert_eq!(compare_versions(b"a-007", b"a-7"), Ordering::Equal);
        assert_eq!(compare_versions(b"a-1", b"a-1.1"), Ordering::Less);
        assert_eq!(
            compare_versions(b"a-99999999999999999999", b"a-100000000000000000000"),
            Ordering::Less
        );
    }
}
