//! `imgctl info`: what an image is by its own tables.

use super::InputFormat;
use crate::command_error::{CommandError, CommandResult};
use crate::interrupt;
use crate::ui::{Ui, columns, date_and_time};
use clap::Args;
use imgctl_core::{AllocationInfo, ImageFormat, ImageInfo, InputOptions, SnapshotInfo};
use indicatif::HumanBytes;
use std::io::Write as _;
use std::path::PathBuf;

/// How an image is opened whose content nobody asks for.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Input")]
pub(super) struct TableArgs {
    /// The image's format, instead of detecting it by content
    #[arg(long, value_name = "FORMAT")]
    input_format: Option<InputFormat>,
    /// Go on although another program has the image open for writing
    #[arg(long)]
    force_share: bool,
}

impl TableArgs {
    pub(super) fn options(self) -> InputOptions {
        InputOptions {
            format: self.input_format.map(ImageFormat::from),
            force_share: self.force_share,
            ..InputOptions::default()
        }
    }
}

/// Show an image's format, size, allocation, snapshots and features
///
/// Backing and data files are named, never opened. What the disk holds is shown by `imgctl inspect`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  imgctl info disk.qcow2
  imgctl info --json disk.qcow2 | jq .allocation.compression_ratio")]
pub(crate) struct InfoArgs {
    /// Image, qcow2 or raw
    image: PathBuf,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    input: TableArgs,
}

pub(crate) fn info(ui: &Ui, args: &InfoArgs) -> CommandResult {
    let cancel = interrupt::cancel_flag()
        .map_err(|error| CommandError::other(format!("cannot listen for interrupts: {error}")))?;
    let info = imgctl_core::info(&args.image, &args.input.options(), &cancel)?;
    if args.json {
        return super::print_json(ui, &info);
    }
    let mut out = ui.data();
    out.write_all(text(&info).as_bytes())
        .and_then(|()| out.flush())
        .map_err(CommandError::stdout)
}

fn text(info: &ImageInfo) -> String {
    let mut rows = vec![row("image", info.path.clone())];
    rows.push(row("format", format_text(info)));
    rows.push(row("disk", bytes_text(info.virtual_bytes)));
    let file = match info.stored_bytes == info.file_bytes {
        true => bytes_text(info.file_bytes),
        false => format!(
            "{}, of which {} are stored",
            bytes_text(info.file_bytes),
            HumanBytes(info.stored_bytes)
        ),
    };
    rows.push(row("file", file));
    if let Some(cluster_bytes) = info.cluster_bytes {
        rows.push(row("clusters", clusters_text(cluster_bytes, info.allocation.as_ref())));
    }
    if let Some(allocation) = &info.allocation {
        rows.extend(compression_row(info, allocation));
    }
    if let Some(bits) = info.refcount_bits {
        rows.push(row("refcounts", format!("{bits} bits")));
    }
    if !info.features.is_empty() {
        rows.push(row("features", info.features.join(", ")));
    }
    rows.extend(info.encryption.iter().map(|name| row("encryption", name.clone())));
    rows.extend(info.backing_file.iter().map(|name| {
        let format = info.backing_format.as_deref().unwrap_or("format not named");
        row("backing file", format!("{name} ({format}), not opened"))
    }));
    rows.extend(
        info.data_file
            .iter()
            .map(|name| row("data file", format!("{name}, not opened"))),
    );
    if info.bitmaps > 0 {
        rows.push(row("bitmaps", info.bitmaps.to_string()));
    }
    rows.extend(info.notes.iter().map(|note| row("note", note.clone())));
    let mut text = columns("", &[], &rows);
    if !info.snapshots.is_empty() {
        text.push('\n');
        text.push_str(&columns("", &[true], &snapshot_rows(&info.snapshots)));
    }
    text
}

fn row(name: &str, text: String) -> Vec<String> {
    vec![name.to_owned(), text]
}

fn bytes_text(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        _ => format!("{} ({bytes} bytes)", HumanBytes(bytes)),
    }
}

fn format_text(info: &ImageInfo) -> String {
    match &info.compat {
        Some(compat) => format!("{}, compat {compat}", info.format),
        None if info.format_detected => format!("{} (no other format was recognised)", info.format),
        None => info.format.clone(),
    }
}

fn clusters_text(cluster_bytes: u64, allocation: Option<&AllocationInfo>) -> String {
    let size = HumanBytes(cluster_bytes);
    let Some(found) = allocation else {
        return format!("of {size}");
    };
    let kinds = [
        (found.compressed, "compressed"),
        (found.plain, "plain"),
        (found.zero, "zero"),
        (found.unallocated, "unallocated"),
    ];
    let kinds: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    format!("{} of {size}: {}", found.clusters, kinds.join(", "))
}

fn compression_row(info: &ImageInfo, allocation: &AllocationInfo) -> Option<Vec<String>> {
    let codec = info.compression.as_deref()?;
    let text = match allocation.compression_ratio {
        None => format!("none (would be {codec})"),
        Some(ratio) => format!(
            "{codec}, {} in {}, {ratio:.2} : 1",
            HumanBytes(allocation.compressed * info.cluster_bytes.unwrap_or(0)),
            HumanBytes(allocation.compressed_bytes)
        ),
    };
    Some(row("compression", text))
}

fn snapshot_rows(snapshots: &[SnapshotInfo]) -> Vec<Vec<String>> {
    let header = ["snapshot", "name", "made (UTC)", "disk", "machine state"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(snapshots.iter().map(|snapshot| {
        vec![
            snapshot.id.clone(),
            snapshot.name.clone(),
            date_and_time(snapshot.seconds.into()),
            snapshot
                .virtual_bytes
                .map_or_else(|| "-".to_owned(), |bytes| HumanBytes(bytes).to_string()),
            match snapshot.vm_state_bytes {
                0 => "-".to_owned(),
                bytes => HumanBytes(bytes).to_string(),
            },
        ]
    }));
    rows
}
