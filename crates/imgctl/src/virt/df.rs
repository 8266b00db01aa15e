//! virt-df: how full the filesystems of a disk are.

use super::Tool;
use super::disks::DiskArgs;
use super::figures::{human_size, write_csv_line};
use super::getopt::Getopt;
use super::mounts::device_name;
use crate::command_error::{CommandError, CommandResult};
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use imgctl_core::Place;
use imgctl_vfs::StatFs;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;

pub(super) const TOOL: Tool = Tool {
    name: "virt-df",
    getopt: Getopt::Long,
    arguments: DfArgs::augment_args,
    run,
};

/// The width of the first column.
const NAME_WIDTH: usize = 36;

/// Show how full the filesystems of a disk image are
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  virt-df -a disk.qcow2 -h
  virt-df -a disk.qcow2 --csv")]
struct DfArgs {
    #[command(flatten)]
    disks: DiskArgs,
    /// Sizes for people: 1.2G
    #[arg(short = 'h', long = "human-readable")]
    human: bool,
    /// Count inodes instead of blocks
    #[arg(short, long)]
    inodes: bool,
    /// Comma-separated values
    #[arg(long)]
    csv: bool,
    /// Accepted: only domains of libvirt have UUIDs
    #[arg(long, hide = true)]
    uuid: bool,
    #[arg(long, hide = true)]
    one_per_guest: bool,
    /// Accepted: there are no appliances to run side by side
    #[arg(short = 'P', value_name = "N", hide = true)]
    threads: Option<u64>,
    #[arg(value_name = "DISK", hide = true)]
    words: Vec<OsString>,
}

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let mut args = DfArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    if args.human && args.csv {
        return Err(CommandError::usage("-h and --csv cannot be used together"));
    }
    args.disks = std::mem::take(&mut args.disks).or_first_of(&mut args.words, 0)?;
    super::no_words(&args.words)?;
    let name = display_name(&args.disks);
    let disks = args.disks.open()?;
    let mut out = ui.data();
    title(&mut out, &args).map_err(CommandError::stdout)?;
    for volume in super::by_kind_of_device(&disks.records()) {
        if !volume.is_filesystem {
            continue;
        }
        match disks.usage(volume.place) {
            Ok(usage) => line(&mut out, &args, &name, volume.place, &usage).map_err(CommandError::stdout)?,
            Err(error) => {
                out.flush().map_err(CommandError::stdout)?;
                ui.warning(format!("{}: {}", device_name(volume.place), super::chain(&error)));
            }
        }
    }
    out.flush().map_err(CommandError::stdout)
}

/// The first disk's name without its folder, with a plus for every other one.
fn display_name(disks: &DiskArgs) -> Vec<u8> {
    let first = disks.disks.first().and_then(|disk| disk.path.file_name());
    let mut name = first.map(|name| name.as_bytes().to_vec()).unwrap_or_default();
    name.resize(name.len() + disks.disks.len().saturating_sub(1), b'+');
    name
}

fn title(out: &mut impl Write, args: &DfArgs) -> io::Result<()> {
    let titles = match (args.inodes, args.human) {
        (true, _) => ["Inodes", "IUsed", "IFree", "IUse%"],
        (false, true) => ["Size", "Used", "Available", "Use%"],
        (false, false) => ["1K-blocks", "Used", "Available", "Use%"],
    };
    match args.csv {
        true => write_csv_line(
            out,
            ["VirtualMachine", "Filesystem"]
                .into_iter()
                .chain(titles)
                .map(str::as_bytes),
        ),
        false => row(out, b"Filesystem", &titles.map(str::to_owned)),
    }
}

fn line(out: &mut impl Write, args: &DfArgs, name: &[u8], place: Place, usage: &StatFs) -> io::Result<()> {
    let device = device_name(place);
    let [total, used, left, percent] = cells(args, usage);
    match args.csv {
        true => write_csv_line(
            out,
            [
                name,
                device.as_bytes(),
                total.as_bytes(),
                used.as_bytes(),
                left.as_bytes(),
                percent.as_bytes(),
            ],
        ),
        false => row(
            out,
            &[name, b":", device.as_bytes()].concat(),
            &[total, used, left, percent],
        ),
    }
}

fn cells(args: &DfArgs, usage: &StatFs) -> [String; 4] {
    let block = u128::from(usage.block_bytes);
    let size = |blocks: u64| {
        let bytes = u128::from(blocks) * block;
        match args.human {
            true => human_size(u64::try_from(bytes).unwrap_or(u64::MAX)),
            false => (bytes / 1024).to_string(),
        }
    };
    let (all, free) = match args.inodes {
        true => (usage.nodes, usage.free_nodes),
        false => (usage.blocks, usage.free_blocks),
    };
    let used = all.saturating_sub(free);
    let percent = percent(all, free);
    let percent = match args.csv {
        true => format!("{percent:.1}"),
        false => format!("{:3.0}%", percent.ceil()),
    };
    match args.inodes {
        true => [all.to_string(), used.to_string(), free.to_string(), percent],
        false => [size(all), size(used), size(usage.available_blocks), percent],
    }
}

/// How much of it is used, in the precision that theirs counts in.
fn percent(all: u64, free: u64) -> f64 {
    if all == 0 {
        return 0.0;
    }
    let exact = 100.0 - 100.0 * free as f64 / all as f64;
    f64::from(exact as f32)
}

/// A line of the table; a long name has one of its own.
fn row(out: &mut impl Write, name: &[u8], cells: &[String; 4]) -> io::Result<()> {
    out.write_all(name)?;
    let padding = match NAME_WIDTH.checked_sub(name.len()) {
        Some(missing) => missing,
        None => {
            out.write_all(b"\n")?;
            NAME_WIDTH
        }
    };
    let [total, used, left, percent] = cells;
    writeln!(out, "{:padding$}{total:>10} {used:>10} {left:>10} {percent:>5}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_rounded_up_in_the_table_only() {
        let usage = StatFs {
            block_bytes: 512,
            blocks: 250_012,
            free_blocks: 247_351,
            available_blocks: 247_351,
            ..StatFs::default()
        };
        let command = DfArgs::augment_args(clap::Command::new("x").no_binary_name(true).disable_help_flag(true));
        let args = |line: &str| {
            let matches = command.clone().get_matches_from(line.split_whitespace());
            DfArgs::from_arg_matches(&matches).unwrap()
        };
        assert_eq!(cells(&args(""), &usage), ["125006", "1330", "123675", "  2%"]);
        assert_eq!(cells(&args("--csv"), &usage), ["125006", "1330", "123675", "1.1"]);
        assert_eq!(cells(&args("-h"), &usage), ["122M", "1.3M", "121M", "  2%"]);
        assert_eq!(cells(&args("-i"), &usage), ["0", "0", "0", "  0%"]);
    }

    #[test]
    fn long_names_have_a_line_of_their_own() {
        let text = |name: &[u8]| {
            let mut out = Vec::new();
            row(&mut out, name, &["1", "2", "3", "4%"].map(str::to_owned)).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            text(&[b'x'; 36]),
            format!("{}         1          2          3    4%\n", "x".repeat(36))
        );
        assert_eq!(
            text(&[b'x'; 37]),
            format!(
                "{}\n{}         1          2          3    4%\n",
                "x".repeat(37),
                " ".repeat(36)
            )
        );
    }
}
