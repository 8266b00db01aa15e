//! A receipt for people: the list of changes, and the summary of a run.

use super::kind_name;
use super::recipe::plural;
use crate::ui::{OneLine, columns, date_and_time};
use imgctl_core::Receipt;
use imgctl_core::guest::{Change, ChangeKind, Snapshot};
use imgctl_vfs::{EscapedBytes, FileKind, GuestPath};
use indicatif::HumanBytes;
use std::io::{self, Write};

/// One line per change: `A /etc/x 0644 0:0 12 B`, `M /etc/y mode 0644→0600`, `D /etc/z`.
pub(crate) fn write_changes(out: &mut impl Write, changes: &[Change]) -> io::Result<()> {
    for change in changes {
        writeln!(out, "{}", change_line(change))?;
    }
    Ok(())
}

fn change_line(change: &Change) -> String {
    let states = [change.before.as_ref(), change.after.as_ref()];
    let kind = states.into_iter().flatten().next_back().map(|snapshot| snapshot.kind);
    let path = path_text(&change.path, kind);
    let (letter, details) = match (change.kind, states) {
        (ChangeKind::Added, [_, Some(after)]) => ('A', description(after)),
        (ChangeKind::Added, _) => ('A', String::new()),
        (ChangeKind::Modified, [Some(before), Some(after)]) => ('M', difference(before, after)),
        (ChangeKind::Modified, _) => ('M', String::new()),
        (ChangeKind::Removed, _) => ('D', String::new()),
    };
    format!("{letter} {path} {details}").trim_end().to_owned()
}

/// Folders end in a slash.
fn path_text(path: &GuestPath, kind: Option<FileKind>) -> String {
    match kind {
        Some(FileKind::Directory) if !path.is_root() => format!("{path}/"),
        _ => path.to_string(),
    }
}

fn description(state: &Snapshot) -> String {
    let Snapshot { mode, uid, gid, .. } = state;
    match (state.kind, &state.target) {
        (FileKind::Symlink, Some(target)) => format!("-> {}", EscapedBytes(target)),
        (FileKind::File, _) => format!("{mode:04o} {uid}:{gid} {}", HumanBytes(state.size)),
        (FileKind::Directory, _) => format!("{mode:04o} {uid}:{gid}"),
        (kind, _) => format!("{mode:04o} {uid}:{gid} {}", kind_name(kind)),
    }
}

fn difference(before: &Snapshot, after: &Snapshot) -> String {
    if before.kind != after.kind {
        return format!(
            "{}→{} {}",
            kind_name(before.kind),
            kind_name(after.kind),
            description(after)
        );
    }
    let mut parts = Vec::new();
    if before.kind == FileKind::File && before.size != after.size {
        parts.push(format!(
            "content {}→{}",
            HumanBytes(before.size),
            HumanBytes(after.size)
        ));
    } else if before.kind == FileKind::File && has_other_content(before, after) {
        parts.push("content".to_owned());
    }
    if before.target != after.target {
        let target = |state: &Snapshot| EscapedBytes(state.target.as_deref().unwrap_or_default()).to_string();
        parts.push(format!("target {}→{}", target(before), target(after)));
    }
    if before.mode != after.mode {
        parts.push(format!("mode {:04o}→{:04o}", before.mode, after.mode));
    }
    if (before.uid, before.gid) != (after.uid, after.gid) {
        parts.push(format!(
            "owner {}:{}→{}:{}",
            before.uid, before.gid, after.uid, after.gid
        ));
    }
    let names = before.xattrs.keys().chain(after.xattrs.keys());
    let mut names: Vec<&Vec<u8>> = names
        .filter(|name| before.xattrs.get(*name) != after.xattrs.get(*name))
        .collect();
    names.sort();
    names.dedup();
    parts.extend(names.iter().map(|name| format!("xattr {}", EscapedBytes(name))));
    if parts.is_empty() {
        // Nothing but the time, or a folder's length.
        parts.push("time".to_owned());
    }
    parts.join(", ")
}

/// Whether the states still differ when everything but the content is made equal.
fn has_other_content(before: &Snapshot, after: &Snapshot) -> bool {
    let mut before = before.clone();
    before.mode = after.mode;
    before.uid = after.uid;
    before.gid = after.gid;
    before.size = after.size;
    before.modified = after.modified;
    before.target.clone_from(&after.target);
    before.xattrs.clone_from(&after.xattrs);
    before.secret = after.secret;
    before != *after
}

/// What a run did, in a few lines.
pub(crate) fn summary(receipt: &Receipt) -> String {
    let mut rows = vec![row("base", &base_text(receipt))];
    rows.push(row("", &format!("sha256 {}", receipt.base.sha256)));
    let guest = &receipt.guest;
    rows.push(row("guest", guest.name.as_deref().unwrap_or(&guest.os)));
    rows.push(row("clock", &format!("{} UTC", date_and_time(receipt.reference_time))));
    rows.push(row("changes", &count_text(&receipt.changes)));
    if !receipt.verified_by.is_empty() {
        let readers = receipt.verified_by.iter();
        let readers: Vec<String> = readers
            .map(|reader| format!("{} by {}", reader.mount, reader.reader))
            .collect();
        rows.push(row("verified", &readers.join(", ")));
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
            rows.push(row("", &format!("sha256 {}", output.sha256)));
            if let Some(base) = &output.backing_file {
                rows.push(row("", &format!("needs its base {base}")));
            }
        }
        None => rows.push(row("output", "none, this was a dry run")),
    }
    if !receipt.warnings.is_empty() {
        rows.push(row("warnings", &plural(receipt.warnings.len(), "warning")));
    }
    rows.push(row("time", &time_text(receipt)));
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
    let count = |kind| changes.iter().filter(|change| change.kind == kind).count();
    let (added, modified, removed) = (
        count(ChangeKind::Added),
        count(ChangeKind::Modified),
        count(ChangeKind::Removed),
    );
    format!("{added} added, {modified} modified, {removed} deleted")
}

fn time_text(receipt: &Receipt) -> String {
    let seconds = |milliseconds: u64| format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100);
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
