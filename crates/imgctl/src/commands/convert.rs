//! `imgctl convert`: from one image format to another.

use super::BackingArgs;
use super::info::TableArgs;
use super::output::FormArgs;
use super::summary::conversion;
use crate::command_error::{CommandError, CommandResult};
use crate::interrupt;
use crate::ui::{Progress, Ui};
use clap::Args;
use imgctl_core::{ConvertOptions, Destination, OutputOptions};
use imgctl_recipe::ChecksumKind;
use std::num::NonZeroUsize;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  imgctl convert disk.raw disk.qcow2
  imgctl convert disk.qcow2 disk.raw --format raw
  imgctl convert disk.qcow2 smaller.qcow2 --compress zstd:9 --drop-swap
  imgctl convert overlay.qcow2 flat.qcow2 --allow-backing /srv/images
  imgctl convert disk.qcow2 /dev/sdb --format raw --force     # not atomic

What clean ext4, XFS and FAT filesystems do not use is left out, so it reads as zeros in the output; with --no-sparsify the \
output's disk is the input's, byte by byte. A block device is written in place: after a failure it is half written.

Standard output stays empty unless --json asks for the record.";

/// Write the disk of an image as another image
///
/// The input is only read. The output appears whole, or not at all, with its SHA-256 beside it.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConvertArgs {
    /// Image to read, qcow2 or raw
    #[arg(value_name = "IN")]
    image: PathBuf,
    /// Image to write, or a block device with --force
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Keep the blocks that the guest's filesystems do not use
    #[arg(long)]
    no_sparsify: bool,
    /// Leave out what swap partitions hold
    #[arg(long)]
    drop_swap: bool,
    /// Write the record of the conversion to standard output
    #[arg(long)]
    json: bool,
    /// Worker threads; the output does not depend on it [default: one per processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Replace the output if it exists, or write to a block device
    #[arg(long, help_heading = "Output")]
    force: bool,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    input: TableArgs,
    #[command(flatten)]
    backing: BackingArgs,
}

pub(crate) fn convert(ui: &Ui, args: &ConvertArgs) -> CommandResult {
    let form = args.form.resolve(ui, &args.output, None, None)?;
    let cancel = interrupt::cancel_flag()
        .map_err(|error| CommandError::other(format!("cannot listen for interrupts: {error}")))?;
    let options = ConvertOptions {
        image: args.image.clone(),
        input: args.backing.on(args.input.options()),
        destination: Destination::File(OutputOptions {
            path: args.output.clone(),
            force: args.force,
            format: form.format,
            compression: form.compression,
            cluster_bytes: form.cluster_bytes,
            compat: form.compat,
            recompress: form.recompress,
            thin: false,
            checksums: vec![ChecksumKind::Sha256],
        }),
        sparsify: !args.no_sparsify,
        drop_swap: args.drop_swap,
        ignored: Vec::new(),
        zeroed: Vec::new(),
        threads: args.threads,
        cancel,
    };
    let record = {
        let progress = Progress::new(ui);
        imgctl_core::convert(&options, &|event| progress.event(event))?
    };
    ui.event("done", &record);
    if args.json {
        return super::print_json(ui, &record);
    }
    ui.status(conversion(&record).trim_end());
    Ok(())
}
