//! virt-log: the system log of a guest.

use super::Tool;
use super::disks::DiskArgs;
use super::getopt::Getopt;
use super::mounts::{MountArgs, Opened};
use crate::command_error::{CommandError, CommandResult};
use crate::commands::cat::copy;
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use imgctl_vfs::{FileKind, GuestPath, Tree};
use std::ffi::OsString;
use std::io::Write as _;

pub(super) const TOOL: Tool = Tool {
    name: "virt-log",
    getopt: Getopt::Long,
    arguments: LogArgs::augment_args,
    run,
};

const JOURNAL: &str = "/var/log/journal";
/// As much of a journal's header as is looked at. All of it is as systemd's documentation of the format says.
const HEADER_BYTES: usize = 160;
const SIGNATURE: &[u8] = b"LPKSHHRH";
/// The incompatible features there are: three compressions, keyed hashes and the compact form.
const FEATURES: u32 = 0x1f;
/// Offline, online or archived.
const LAST_STATE: u8 = 2;
/// The header of the first journals that had all that is looked at.
const MIN_HEADER_BYTES: u64 = 208;
/// The first of them that is there is the log.
const TEXT_LOGS: [&str; 2] = ["/var/log/syslog", "/var/log/messages"];

/// Print the system log of a guest
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  virt-log -a disk.qcow2 | less")]
struct LogArgs {
    #[command(flatten)]
    disks: DiskArgs,
    #[arg(value_name = "NOTHING", hide = true)]
    words: Vec<OsString>,
}

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let LogArgs { disks, words } = LogArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    super::no_words(&words)?;
    let disks = disks.or_first_of(&mut Vec::new(), 0)?;
    let opened = Opened::open(&disks, &MountArgs::default())?;
    let tree = opened.tree();
    let cannot = |source| CommandError::guest("cannot read the guest's log", source);
    match journal(tree).map_err(cannot)? {
        Journal::Missing => {}
        // A journal without entries is the log nevertheless.
        Journal::Empty => return Ok(()),
        Journal::Filled(path) => {
            return Err(CommandError::other(format!(
                "the guest's log is a systemd journal ({path}), which is not read"
            ))
            .hint(format!(
                "virt-copy-out -a {} {JOURNAL} . && journalctl --directory journal",
                disks.first_path().display()
            )));
        }
    }
    for path in TEXT_LOGS {
        let path = GuestPath::new(path).map_err(cannot)?;
        let Some(found) = tree.find(&path).map_err(cannot)? else {
            continue;
        };
        if tree.metadata(found.node).map_err(cannot)?.kind == FileKind::File {
            let mut out = ui.data();
            copy(&mut out, tree, found.node, &path, disks.first_path())?;
            return out.flush().map_err(CommandError::stdout);
        }
    }
    Ok(())
}

/// What is in the journal's folder.
#[derive(Debug)]
enum Journal {
    /// Nothing, so it is not the log.
    Missing,
    /// Something, but no journal.
    Empty,
    /// The first of its files.
    Filled(GuestPath),
}

fn journal(tree: &Tree) -> imgctl_vfs::Result<Journal> {
    let Some(folder) = tree.find(&GuestPath::new(JOURNAL)?)? else {
        return Ok(Journal::Missing);
    };
    let mut is_empty = true;
    for entry in tree.walk(&folder).skip(1) {
        let entry = entry?;
        is_empty = false;
        let name = entry.path.file_name().unwrap_or_default();
        let is_journal = name.ends_with(b".journal") || name.ends_with(b".journal~");
        if is_journal && entry.metadata.kind == FileKind::File {
            let mut start = [0; HEADER_BYTES];
            let count = tree.fs(entry.node).read_at(entry.node.node, 0, &mut start)?;
            if has_entries(&start[..count]) {
                return Ok(Journal::Filled(entry.path));
            }
        }
    }
    Ok(if is_empty { Journal::Missing } else { Journal::Empty })
}

/// Whether a file's start is that of a journal with entries. What only claims to be one is passed over, as journalctl
/// does.
fn has_entries(header: &[u8]) -> bool {
    let number = |offset: usize| {
        let bytes = header.get(offset..offset + 8)?;
        bytes.first_chunk().copied().map(u64::from_le_bytes)
    };
    let flags = header.get(12..16).and_then(<[u8]>::first_chunk).copied();
    let is_known = flags.is_some_and(|flags| u32::from_le_bytes(flags) & !FEATURES == 0);
    let is_valid = header.get(16).is_some_and(|state| *state <= LAST_STATE)
        && number(88).is_some_and(|bytes| bytes >= MIN_HEADER_BYTES);
    header.starts_with(SIGNATURE) && is_known && is_valid && number(152).is_some_and(|entries| entries > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_with_entries_is_known_by_its_header() {
        let header = |flags: u32, state: u8, entries: u64| {
            let mut header = vec![0; HEADER_BYTES];
            header[..8].copy_from_slice(SIGNATURE);
            header[12..16].copy_from_slice(&flags.to_le_bytes());
            header[16] = state;
            header[88..96].copy_from_slice(&264_u64.to_le_bytes());
            header[152..].copy_from_slice(&entries.to_le_bytes());
            header
        };
        assert!(has_entries(&header(0x1c, 0, 7)));
        assert!(!has_entries(&header(0x1c, 0, 0)));
        assert!(!has_entries(&header(0x20, 0, 7)));
        assert!(!has_entries(&header(0, 3, 7)));
        assert!(!has_entries(&header(0, 0, 7)[..100]));
        assert!(!has_entries(b""));
    }
}
