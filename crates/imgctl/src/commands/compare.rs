//! `imgctl compare`: whether two images hold the same disk.

use super::{BackingArgs, InputFormat};
use crate::command_error::{CommandError, CommandResult};
use crate::interrupt;
use crate::ui::{OneLine, Progress, Ui};
use clap::Args;
use imgctl_core::{CompareOptions, Comparison, ImageFormat, InputOptions};
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;

const EXIT_DIFFERENT: u8 = 1;
/// What exits with 1 in other commands.
const EXIT_FAILED: u8 = 2;

const EXIT_CODES: &str = "\
Examples:
  imgctl compare disk.raw disk.qcow2
  imgctl compare --json golden.qcow2 rebuilt.qcow2 | jq .first_difference

Exit codes: 0 the same, 1 different, 2 and above an error (2 where other commands have 1).
Where the disks differ, standard output tells the first place and what it belongs to.";

/// Compare what the guests of two images see
///
/// Formats, compression and allocation do not matter. A shorter disk counts as followed by zeros, unless --strict.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct CompareArgs {
    /// Image, qcow2 or raw
    #[arg(value_name = "A")]
    one: PathBuf,
    /// Another one
    #[arg(value_name = "B")]
    other: PathBuf,
    /// Disks of different length differ
    #[arg(long)]
    strict: bool,
    /// Write the result as JSON
    #[arg(long)]
    json: bool,
    /// Worker threads [default: one per processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// The first image's format, instead of detecting it by content
    #[arg(long, value_name = "FORMAT", help_heading = "Input")]
    format_a: Option<InputFormat>,
    /// The second image's format, instead of detecting it by content
    #[arg(long, value_name = "FORMAT", help_heading = "Input")]
    format_b: Option<InputFormat>,
    /// Go on although another program has an image open for writing
    #[arg(long, help_heading = "Input")]
    force_share: bool,
    #[command(flatten)]
    backing: BackingArgs,
}

/// Returns the exit code.
pub(crate) fn compare(ui: &Ui, args: &CompareArgs) -> CommandResult<u8> {
    match compared(ui, args) {
        Err(error) if error.kind.exit_code() == EXIT_DIFFERENT => {
            error.report_as(ui, EXIT_FAILED);
            Ok(EXIT_FAILED)
        }
        result => result,
    }
}

fn compared(ui: &Ui, args: &CompareArgs) -> CommandResult<u8> {
    let cancel = interrupt::cancel_flag()
        .map_err(|error| CommandError::other(format!("cannot listen for interrupts: {error}")))?;
    let input = |format: Option<InputFormat>| {
        args.backing.on(InputOptions {
            format: format.map(ImageFormat::from),
            force_share: args.force_share,
            ..InputOptions::default()
        })
    };
    let options = CompareOptions {
        images: [args.one.clone(), args.other.clone()],
        inputs: [input(args.format_a), input(args.format_b)],
        strict: args.strict,
        threads: args.threads,
        cancel,
    };
    let comparison = {
        let progress = Progress::new(ui);
        imgctl_core::compare(&options, &|event| progress.event(event))?
    };
    if args.json {
        super::print_json(ui, &comparison)?;
    } else {
        let mut out = ui.data();
        out.write_all(text(&comparison).as_bytes())
            .and_then(|()| out.flush())
            .map_err(CommandError::stdout)?;
    }
    Ok(if comparison.equal { 0 } else { EXIT_DIFFERENT })
}

fn text(comparison: &Comparison) -> String {
    let [one, other] = comparison.virtual_bytes;
    let lengths = match one == other {
        true => String::new(),
        false => format!(" (one disk has {one} bytes, the other {other})"),
    };
    let Some(found) = &comparison.first_difference else {
        return match comparison.equal {
            true => format!("the same{lengths}\n"),
            false => format!("different in length: {one} and {other} bytes\n"),
        };
    };
    let mut text = format!("different from offset {} on{lengths}\n", found.offset);
    match (found.partition, found.partition_offset) {
        (Some(0), _) => text.push_str("where: the disk without partitions"),
        (Some(number), Some(offset)) => text.push_str(&format!("where: partition {number}, offset {offset} in it")),
        _ => text.push_str("where"),
    }
    let place = found.place.as_deref().unwrap_or("content that imgctl does not know");
    match &found.path {
        Some(path) => text.push_str(&format!(": {place} {}\n", OneLine(path))),
        None => text.push_str(&format!(": {place}\n")),
    }
    text
}
