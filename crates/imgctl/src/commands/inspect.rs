//! `imgctl inspect`: what an image is and holds.

use super::InputArgs;
use crate::command_error::{CommandError, CommandResult};
use crate::ui::{Ui, columns};
use clap::Args;
use imgctl_core::Inspection;
use imgctl_core::{GuestInspection, PartitionInspection, Usage};
use indicatif::HumanBytes;
use std::io::Write as _;
use std::path::PathBuf;

/// Show what an image is and holds
///
/// Its format, partitions, filesystems with their features and how full they are; of the guest inside the operating
/// system, kernels, packages and mounts.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  imgctl inspect base.qcow2
  imgctl inspect --json base.qcow2 | jq -r .guest.os.pretty_name")]
pub(crate) struct InspectArgs {
    /// Image, qcow2 or raw
    image: PathBuf,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    input: InputArgs,
}

pub(crate) fn inspect(ui: &Ui, args: &InspectArgs) -> CommandResult {
    let inspection = imgctl_core::inspect(&args.image, &args.input.options())?;
    if args.json {
        return super::print_json(ui, &inspection);
    }
    let mut out = ui.data();
    out.write_all(text(&inspection).as_bytes())
        .and_then(|()| out.flush())
        .map_err(CommandError::stdout)
}

fn text(inspection: &Inspection) -> String {
    let mut text = columns("", &[], &image_rows(inspection));
    if !inspection.partitions.is_empty() {
        text.push('\n');
        text.push_str(&columns(
            "",
            &[true, true, true],
            &partition_rows(&inspection.partitions),
        ));
    }
    let features = inspection
        .partitions
        .iter()
        .filter(|partition| !partition.features.is_empty());
    let features: Vec<Vec<String>> = features
        .map(|partition| {
            row(
                &format!("features of {}", place(partition.number)),
                &partition.features.join(" "),
            )
        })
        .collect();
    text.push_str(&section(&features));
    if let Some(guest) = &inspection.guest {
        text.push_str(&section(&guest_rows(guest)));
    }
    let notes = inspection.partitions.iter().filter_map(|partition| {
        let note = partition.note.as_ref()?;
        Some(row("note", &format!("{}: {note}", place(partition.number))))
    });
    let notes: Vec<Vec<String>> = notes
        .chain(inspection.notes.iter().map(|note| row("note", note)))
        .collect();
    text.push_str(&section(&notes));
    text
}

fn section(rows: &[Vec<String>]) -> String {
    match rows {
        [] => String::new(),
        rows => format!("\n{}", columns("", &[], rows)),
    }
}

fn row(name: &str, text: &str) -> Vec<String> {
    vec![name.to_owned(), text.to_owned()]
}

fn place(partition: u32) -> String {
    match partition {
        0 => "the disk".to_owned(),
        number => format!("partition {number}"),
    }
}

fn image_rows(inspection: &Inspection) -> Vec<Vec<String>> {
    let details = inspection.format_details.iter();
    let details: Vec<String> = details.map(|(name, value)| format!("{name} {value}")).collect();
    let format = match details.as_slice() {
        [] => inspection.format.clone(),
        details => format!("{} ({})", inspection.format, details.join(", ")),
    };
    vec![
        row("image", &inspection.path),
        row("format", &format),
        row("file", &HumanBytes(inspection.file_bytes).to_string()),
        row("disk", &HumanBytes(inspection.virtual_bytes).to_string()),
        row("partition table", &inspection.partition_table),
    ]
}

fn partition_rows(partitions: &[PartitionInspection]) -> Vec<Vec<String>> {
    let header = [
        "nr", "start", "size", "for", "holds", "label", "used", "uuid", "partuuid",
    ];
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(partitions.iter().map(|partition| {
        vec![
            partition.number.to_string(),
            HumanBytes(partition.start).to_string(),
            HumanBytes(partition.bytes).to_string(),
            partition.kind.clone(),
            partition.content.clone(),
            text(&partition.label),
            partition.usage.map_or_else(|| "-".to_owned(), used),
            text(&partition.uuid),
            text(&partition.id),
        ]
    }));
    rows
}

fn used(usage: Usage) -> String {
    let used = usage.bytes.saturating_sub(usage.free_bytes);
    format!("{} of {}", HumanBytes(used), HumanBytes(usage.bytes))
}

fn guest_rows(guest: &GuestInspection) -> Vec<Vec<String>> {
    let os = &guest.os;
    let name = match os.pretty_name.as_str() {
        "" => format!("{} {}", os.id, os.version_id).trim_end().to_owned(),
        name => name.to_owned(),
    };
    let mut rows = vec![row("guest", &name)];
    if let Some(hostname) = &guest.hostname {
        rows.push(row("hostname", hostname));
    }
    rows.extend(guest.kernels.iter().map(|kernel| row("kernel", kernel)));
    if let Some(packages) = &guest.packages {
        let installed = packages
            .installed
            .map_or_else(|| "not counted".to_owned(), |count| count.to_string());
        rows.push(row("packages", &format!("{installed} ({})", packages.database)));
    }
    rows.extend(guest.mounts.iter().map(|mount| {
        row(
            "mount",
            &format!("{} from {} ({})", mount.path, place(mount.partition), mount.filesystem),
        )
    }));
    rows
}
