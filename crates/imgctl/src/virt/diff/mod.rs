//! virt-diff: what two guests differ in, file by file.

mod entries;
mod lines;

use super::Tool;
use super::checksum::Checksum;
use super::clock;
use super::disks::{DiskArgs, SECOND};
use super::getopt::Getopt;
use super::ls::records::Times;
use super::mounts::{MountArgs, Opened};
use crate::command_error::{CommandError, CommandResult};
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use entries::{Entry, entries};
use imgctl_core::unified_diff;
use imgctl_vfs::FileKind;
use lines::Lines;
use std::cmp::Ordering;
use std::ffi::OsString;
use std::io::Write as _;

pub(super) const TOOL: Tool = Tool {
    name: "virt-diff",
    getopt: Getopt::Long,
    arguments: DiffArgs::augment_args,
    run,
};

/// Of longer files only the line is told.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Show what two guests differ in
#[derive(Args, Debug)]
#[command(after_help = "\
Lines begin with - (only in the first), + (only in the second), = (content changed; a unified diff follows); - and + of the same
file with # changed: below name what else is different.

Examples:
  virt-diff -a before.qcow2 -A after.qcow2
  virt-diff -a before.qcow2 -A after.qcow2 --checksum=sha256 --all --csv")]
struct DiffArgs {
    #[command(flatten)]
    disks: DiskArgs,
    /// Disk image of the second guest; may be repeated
    #[arg(id = SECOND, short = 'A', value_name = "FILE")]
    second: Vec<OsString>,
    /// The same as --extra-stats --times --uids --xattrs
    #[arg(long)]
    all: bool,
    /// Compare times of access, too
    #[arg(long)]
    atime: bool,
    /// Compare files by checksums, too: crc, md5 (default), sha1, sha224, sha256, sha384 or sha512
    #[arg(long, alias = "checksums", value_name = "KIND", num_args = 0..=1, require_equals = true, default_missing_value = "md5")]
    checksum: Option<String>,
    /// Comma-separated values, and no diffs of contents
    #[arg(long)]
    csv: bool,
    /// Compare the link counts of directories, too
    #[arg(long, aliases = ["dir-link", "dir-nlink", "dir-nlinks"])]
    dir_links: bool,
    /// Compare the times of directories, too
    #[arg(long, alias = "dir-time")]
    dir_times: bool,
    /// Show device, inode, links, device it stands for, and blocks
    #[arg(long, alias = "extra-stat")]
    extra_stats: bool,
    /// Sizes for people: 1.2G
    #[arg(short = 'h', long = "human-readable")]
    human: bool,
    /// Show times
    #[arg(long, alias = "time")]
    times: bool,
    /// Show times in seconds since 1970
    #[arg(long)]
    time_t: bool,
    /// Show times in seconds before now
    #[arg(long)]
    time_relative: bool,
    /// Show times in days before now
    #[arg(long)]
    time_days: bool,
    /// Show owner and group
    #[arg(long, alias = "uid")]
    uids: bool,
    /// Show extended attributes
    #[arg(long, alias = "xattr")]
    xattrs: bool,
    #[arg(short = 'D', value_name = "NAME", hide = true)]
    second_domain: Option<String>,
    #[arg(hide = true)]
    words: Vec<OsString>,
}

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let args = DiffArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    if let Some(name) = &args.second_domain {
        return Err(super::disks::no_libvirt(name));
    }
    if args.disks.disks.is_empty() {
        return Err(
            CommandError::usage("no disk of the first guest is named").hint("virt-diff -a before.qcow2 -A after.qcow2")
        );
    }
    let second = args.disks.second(matches)?;
    if second.disks.is_empty() {
        return Err(CommandError::usage("no disk of the second guest is named")
            .hint("virt-diff -a before.qcow2 -A after.qcow2"));
    }
    if args.human && args.csv {
        return Err(CommandError::usage("-h and --csv cannot be used together"));
    }
    super::no_words(&args.words)?;
    let checksum = args.checksum.as_deref().map(Checksum::parse).transpose()?;
    let opened = [
        Opened::open(&args.disks, &MountArgs::default())?,
        Opened::open(&second, &MountArgs::default())?,
    ];
    let sides = [
        Side::read(&opened[0], &args, checksum)?,
        Side::read(&opened[1], &args, checksum)?,
    ];
    let mut out = ui.data();
    let lines = args.lines();
    let [first, second] = &sides;
    for pair in pairs(&first.entries, &second.entries) {
        let mut text = Vec::new();
        match pair {
            (Some(old), None) => first.line(&lines, "-", old, &mut text)?,
            (None, Some(new)) => second.line(&lines, "+", new, &mut text)?,
            (Some(old), Some(new)) => changed(&lines, (first, old), (second, new), &mut text)?,
            (None, None) => {}
        }
        out.write_all(&text).map_err(CommandError::stdout)?;
    }
    out.flush().map_err(CommandError::stdout)
}

/// One guest, and everything in it.
struct Side<'a> {
    opened: &'a Opened,
    entries: Vec<Entry>,
    devices: lines::Devices,
}

impl<'a> Side<'a> {
    fn read(opened: &'a Opened, args: &DiffArgs, checksum: Option<Checksum>) -> CommandResult<Self> {
        let compared = entries::Compared {
            atime: args.atime,
            dir_links: args.dir_links,
            dir_times: args.dir_times,
            checksum,
        };
        Ok(Self {
            opened,
            entries: entries(opened.tree(), &compared)?,
            devices: super::ls::records::devices(opened),
        })
    }

    fn line(&self, lines: &Lines, sign: &str, entry: &Entry, out: &mut Vec<u8>) -> CommandResult {
        let written = lines.write(sign, self.opened.tree(), &self.devices, entry, out);
        written.map_err(|source| cannot(entry, source))
    }

    fn content(&self, entry: &Entry) -> CommandResult<Vec<u8>> {
        let content = self.opened.tree().read_file(entry.node, MAX_FILE_BYTES);
        content.map_err(|source| cannot(entry, source))
    }
}

impl DiffArgs {
    fn lines(&self) -> Lines {
        let times = match (self.time_days, self.time_relative, self.time_t, self.times || self.all) {
            (true, ..) => Some(Times::DaysAgo),
            (_, true, ..) => Some(Times::SecondsAgo),
            (_, _, true, _) => Some(Times::Seconds),
            (.., true) => Some(Times::Date),
            _ => None,
        };
        Lines {
            is_csv: self.csv,
            is_human: self.human,
            has_uids: self.uids || self.all,
            times,
            has_atime: self.atime,
            has_extra_stats: self.extra_stats || self.all,
            has_xattrs: self.xattrs || self.all,
            now: clock::seconds(),
        }
    }
}

/// What became of one path.
fn changed(
    lines: &Lines,
    (first, old): (&Side<'_>, &Entry),
    (second, new): (&Side<'_>, &Entry),
    out: &mut Vec<u8>,
) -> CommandResult {
    let is_file = |entry: &Entry| entry.metadata.kind == FileKind::File;
    let (before, after) = (&old.metadata, &new.metadata);
    let is_rewritten = old.checksum != new.checksum
        || before.modified.seconds != after.modified.seconds
        || before.changed.seconds != after.changed.seconds
        || before.size != after.size;
    if is_file(old) && is_file(new) && is_rewritten {
        first.line(lines, "=", old, out)?;
        if !lines.is_csv {
            if before.size.max(after.size) <= MAX_FILE_BYTES {
                let difference = unified_diff(&first.content(old)?, &second.content(new)?);
                out.extend_from_slice(&difference.unwrap_or_default());
            }
            out.extend_from_slice(b"@@ End of diff @@\n");
        }
        return Ok(());
    }
    let fields = old.differences(new);
    if fields.is_empty() {
        return Ok(());
    }
    first.line(lines, "-", old, out)?;
    second.line(lines, "+", new, out)?;
    let separator = if lines.is_csv { "," } else { " " };
    out.extend_from_slice(
        ["#", "changed:"]
            .into_iter()
            .chain(fields)
            .collect::<Vec<_>>()
            .join(separator)
            .as_bytes(),
    );
    out.push(b'\n');
    Ok(())
}

/// The entries of both sides, those of one path together, in the order of the paths: a folder before what is in it.
fn pairs<'e>(first: &'e [Entry], second: &'e [Entry]) -> Vec<(Option<&'e Entry>, Option<&'e Entry>)> {
    let mut pairs = Vec::with_capacity(first.len().max(second.len()));
    let (mut first, mut second) = (first.iter().peekable(), second.iter().peekable());
    loop {
        let order = match (first.peek(), second.peek()) {
            (None, None) => return pairs,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.names().cmp(new.names()),
        };
        pairs.push((
            if order.is_le() { first.next() } else { None },
            if order.is_ge() { second.next() } else { None },
        ));
    }
}

fn cannot(entry: &Entry, source: imgctl_vfs::Error) -> CommandError {
    CommandError::guest(format!("cannot read {}", entry.path), source)
}
