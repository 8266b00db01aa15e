//! A receipt for people: the summary of a run.

use super::recipe::plural;
use crate::ui::{OneLine, columns, date_and_time};
use imgctl_core::guest::{Change, ChangeKind};
use imgctl_core::{ConvertRecord, OutputRecord, Receipt, VerifierRecord};
use indicatif::HumanBytes;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a run did, in a few lines.
pub(crate) fn summary(receipt: &Receipt) -> String {
    let mut rows = vec![row("base", &base_text(receipt))];
    let digest = receipt.base.sha256.iter();
    rows.extend(digest.map(|digest| row("", &format!("sha256 {digest}"))));
    let guest = &receipt.guest;
    rows.push(row("guest", guest.name.as_deref().unwrap_or(&guest.os)));
    rows.push(row("clock", &format!("{} UTC", date_and_time(receipt.reference_time))));
    rows.push(row("changes", &count_text(&receipt.changes)));
    if !receipt.verified_by.is_empty() {
        rows.push(row("verified", &verified_text(&receipt.verified_by)));
    }
    match &receipt.output {
        Some(output) => {
            let format = match output.format.as_str() {
                "qcow2" => format!("qcow2, {}", output.compression),
                other => other.to_owned(),
            };
            let (file, disk) = (HumanBytes(output.file_bytes), HumanBytes(output.virtual_bytes));
            rows.push(row(
                "output",
                &format!("{} ({format}), {file} for a disk of {disk}", output.path),
            ));
            let digest = output.sha256.iter();
            rows.extend(digest.map(|digest| row("", &format!("sha256 {digest}"))));
            if let Some(base) = &output.backing_file {
                rows.push(row("", &format!("needs its base {base}")));
            }
        }
        None if receipt.dry_run => rows.push(row("output", "none, this was a dry run")),
        None => rows.push(row("output", "none, nothing changed")),
    }
    if !receipt.warnings.is_empty() {
        rows.push(row("warnings", &plural(receipt.warnings.len(), "warning")));
    }
    rows.push(row("time", &time_text(receipt)));
    columns("", &[], &rows)
}

/// What a conversion did, in a few lines.
pub(crate) fn conversion(record: &ConvertRecord) -> String {
    let (input, output) = (&record.input, &record.output);
    let format = match output.format.as_str() {
        "qcow2" => format!("qcow2, {}", output.compression),
        other => other.to_owned(),
    };
    let (file, disk) = (HumanBytes(output.file_bytes), HumanBytes(output.virtual_bytes));
    let mut rows = vec![
        row(
            "input",
            &format!("{} ({}), {}", input.path, input.format, HumanBytes(input.file_bytes)),
        ),
        row(
            "output",
            &format!("{} ({format}), {file} for a disk of {disk}", output.path),
        ),
    ];
    let digest = output.sha256.iter();
    rows.extend(digest.map(|digest| row("", &format!("sha256 {digest}"))));
    if record.free_bytes > 0 {
        rows.push(row(
            "left out",
            &format!("{} that nobody uses", HumanBytes(record.free_bytes)),
        ));
    }
    columns("", &[], &rows)
}

fn row(name: &str, text: &str) -> Vec<String> {
    vec![name.to_owned(), text.to_owned()]
}

fn base_text(receipt: &Receipt) -> String {
    let base = &receipt.base;
    let origin = match base.format_detected {
        true => ", detected by content; --input-format would say so for certain",
        false => "",
    };
    format!("{} ({}{origin})", OneLine(&base.path), base.format)
}

fn count_text(changes: &[Change]) -> String {
    let Counts {
        added,
        modified,
        removed,
    } = Counts::of(changes);
    format!("{added} added, {modified} modified, {removed} deleted")
}

#[derive(Debug, Serialize)]
struct Counts {
    added: usize,
    modified: usize,
    removed: usize,
}

impl Counts {
    fn of(changes: &[Change]) -> Self {
        let count = |kind| changes.iter().filter(|change| change.kind == kind).count();
        Self {
            added: count(ChangeKind::Added),
            modified: count(ChangeKind::Modified),
            removed: count(ChangeKind::Removed),
        }
    }
}

/// The last event of a run that did what it was asked for.
#[derive(Debug, Serialize)]
pub(super) struct Done<'r> {
    dry_run: bool,
    changes: Counts,
    warnings: usize,
    output: Option<&'r OutputRecord>,
}

impl<'r> Done<'r> {
    pub(super) fn of(receipt: &'r Receipt) -> Self {
        Self {
            dry_run: receipt.dry_run,
            changes: Counts::of(&receipt.changes),
            warnings: receipt.warnings.len(),
            output: receipt.output.as_ref(),
        }
    }
}

/// `/ by imgctl and ext4-view, /boot by imgctl`; what a reader left out is said with it.
fn verified_text(verified_by: &[VerifierRecord]) -> String {
    let mut readers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for record in verified_by {
        let reader = match &record.note {
            None => record.reader.clone(),
            Some(note) => format!("{} in part ({note})", record.reader),
        };
        readers.entry(&record.mount).or_default().push(reader);
    }
    let mounts: Vec<String> = readers
        .iter()
        .map(|(mount, readers)| format!("{mount} by {}", readers.join(" and ")))
        .collect();
    mounts.join(", ")
}

fn time_text(receipt: &Receipt) -> String {
    let seconds = |milliseconds: u64| match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        _ => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
    };
    let total: u64 = receipt.stages.iter().map(|stage| stage.milliseconds).sum();
    // Stages too short to matter are left out.
    let long = receipt.stages.iter().filter(|stage| stage.milliseconds >= 100);
    let stages: Vec<String> = long
        .map(|stage| format!("{} {}", stage.stage, seconds(stage.milliseconds)))
        .collect();
    match stages.as_slice() {
        [] => seconds(total),
        stages => format!("{} ({})", seconds(total), stages.join(", ")),
    }
}
