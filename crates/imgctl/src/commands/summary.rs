//! A receipt for people: the list of changes, and the summary of a run.

use super::recipe::plural;
use crate::ui::{OneLine, columns, date_and_time};
use imgctl_core::guest::{Change, ChangeKind, Snapshot};
use imgctl_core::{ConvertRecord, Receipt, VerifierRecord};
use imgctl_vfs::{EscapedBytes, FileKind, GuestPath};
use indicatif::HumanBytes;
use std::collections::BTreeMap;
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
        (kind, _) => format!("{mode:04o} {uid}:{gid} {}", kind.name()),
    }
}

fn difference(before: &Snapshot, after: &Snapshot) -> String {
    if before.kind != after.kind {
        return format!("{}→{} {}", before.kind.name(), after.kind.name(), description(after));
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
        row("", &format!("sha256 {}", output.sha256)),
    ];
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
    let count = |kind| changes.iter().filter(|change| change.kind == kind).count();
    let (added, modified, removed) = (
        count(ChangeKind::Added),
        count(ChangeKind::Modified),
        count(ChangeKind::Removed),
    );
    format!("{added} added, {modified} modified, {removed} deleted")
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

#[cfg(test)]
mod tests {
    use super::*;
    use imgctl_vfs::{MetadataChange, ModelFs, NewNode, NodeId, ReadFs as _, Timestamp, Tree, WriteFs};

    const PATH: &str = "/evil\x1b[2J\nD !";

    fn new_node(kind: FileKind) -> NewNode {
        NewNode {
            kind,
            mode: 0o640,
            uid: 0,
            gid: 42,
            target: Vec::new(),
        }
    }

    /// The state of a node of this kind, after `edit`.
    fn state(new: &NewNode, edit: impl FnOnce(&mut ModelFs, NodeId)) -> Option<Snapshot> {
        let mut fs = ModelFs::new(Timestamp::from_seconds(0));
        let root = fs.root();
        let node = fs.create(root, &PATH.as_bytes()[1..], new).unwrap();
        edit(&mut fs, node);
        let tree = Tree::new("test", Box::new(fs));
        let found = tree.resolve_link(&GuestPath::new(PATH).unwrap()).unwrap();
        Some(Snapshot::take(&tree, &found.path, found.node).unwrap())
    }

    fn file(content: &str) -> Option<Snapshot> {
        state(&new_node(FileKind::File), |fs, node| {
            fs.write_at(node, 0, content.as_bytes()).unwrap()
        })
    }

    fn line(kind: ChangeKind, before: Option<Snapshot>, after: Option<Snapshot>) -> String {
        change_line(&Change {
            path: GuestPath::new(PATH).unwrap(),
            partition: "partition 1".to_owned(),
            kind,
            before,
            after,
        })
    }

    #[test]
    fn every_change_is_one_line_whatever_its_name() {
        let link = NewNode {
            target: b"\x1b]0;x".to_vec(),
            ..new_node(FileKind::Symlink)
        };
        let plain = |kind| state(&new_node(kind), |_, _| {});
        for (line, expected) in [
            (
                line(ChangeKind::Added, None, file("hello")),
                "A /evil\\x1b[2J\\x0aD ! 0640 0:42 5 B",
            ),
            (
                line(ChangeKind::Added, None, plain(FileKind::Directory)),
                "A /evil\\x1b[2J\\x0aD !/ 0640 0:42",
            ),
            (
                line(ChangeKind::Added, None, plain(FileKind::Fifo)),
                "A /evil\\x1b[2J\\x0aD ! 0640 0:42 fifo",
            ),
            (
                line(ChangeKind::Added, None, state(&link, |_, _| {})),
                "A /evil\\x1b[2J\\x0aD ! -> \\x1b]0;x",
            ),
            (
                line(ChangeKind::Removed, file("hello"), None),
                "D /evil\\x1b[2J\\x0aD !",
            ),
            (
                line(ChangeKind::Modified, file(""), plain(FileKind::Directory)),
                "M /evil\\x1b[2J\\x0aD !/ file→directory 0640 0:42",
            ),
        ] {
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn modifications_name_what_differs() {
        let edited = |change: MetadataChange| {
            state(&new_node(FileKind::File), |fs, node| {
                fs.write_at(node, 0, b"hello").unwrap();
                fs.set_metadata(node, &change).unwrap();
            })
        };
        let xattr = state(&new_node(FileKind::File), |fs, node| {
            fs.write_at(node, 0, b"hello").unwrap();
            fs.set_xattr(node, b"user.a\n", b"x").unwrap();
        });
        let mode = MetadataChange {
            mode: Some(0o4755),
            ..MetadataChange::default()
        };
        let owner = MetadataChange {
            uid: Some(7),
            ..MetadataChange::default()
        };
        let time = MetadataChange {
            modified: Some(Timestamp::from_seconds(9)),
            ..MetadataChange::default()
        };
        for (after, expected) in [
            (file("hello, world"), "content 5 B→12 B"),
            (file("HELLO"), "content"),
            (edited(mode), "mode 0640→4755"),
            (edited(owner), "owner 0:42→7:42"),
            (edited(time), "time"),
            (xattr, "xattr user.a\\x0a"),
        ] {
            assert_eq!(difference(&file("hello").unwrap(), &after.unwrap()), expected);
        }
    }
}
