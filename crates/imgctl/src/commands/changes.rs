//! Changes for people: step by step in the order in which they are made, with what differs inside of files.

use super::recipe::plural;
use crate::ui::OneLine;
use anstyle::{AnsiColor, Style};
use imgctl_core::guest::{Change, ChangeKind, Snapshot};
use imgctl_core::{ContentDiff, Receipt, StepRecord};
use imgctl_vfs::{EscapedBytes, FileKind, GuestPath};
use indicatif::HumanBytes;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

const HEADING: Style = Style::new().bold();
const ADDED: Style = AnsiColor::Green.on_default();
const REMOVED: Style = AnsiColor::Red.on_default();
const MODIFIED: Style = AnsiColor::Yellow.on_default();
const HUNK: Style = AnsiColor::Cyan.on_default();

/// The most characters of an attribute's value that are shown.
const MAX_VALUE_CHARS: usize = 120;

/// Each step with what it changes: a line per path, the differences of texts below it.
///
/// A path that several steps touch is shown whole with the first of them, and named again with the others.
pub(super) fn write_changes(out: &mut impl Write, receipt: &Receipt) -> io::Result<()> {
    let mut by_step: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in &receipt.changes {
        for step in &change.steps {
            by_step.entry(step).or_default().push(change);
        }
    }
    // Most operations of a reset find nothing in most guests.
    let is_idle = |step: &&StepRecord| step.section == "reset" && !by_step.contains_key(step.name);
    let (idle, steps): (Vec<&StepRecord>, Vec<&StepRecord>) = receipt.steps.iter().partition(is_idle);
    for (index, step) in steps.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        let StepRecord { name, about, .. } = step;
        writeln!(out, "{HEADING}{}. {name}{HEADING:#}: {about}", index + 1)?;
        match by_step.get(name) {
            Some(changes) => write_step(out, &steps, step, changes)?,
            None => writeln!(out, "nothing to change")?,
        }
    }
    if !idle.is_empty() {
        let names: Vec<&str> = idle.iter().map(|step| step.name).collect();
        let gap = if steps.is_empty() { "" } else { "\n" };
        writeln!(out, "{gap}nothing to reset for {}", names.join(", "))?;
    }
    if receipt.steps.is_empty() {
        writeln!(out, "the recipe asks for nothing")?;
    }
    Ok(())
}

fn write_step(out: &mut impl Write, steps: &[&StepRecord], step: &StepRecord, changes: &[&Change]) -> io::Result<()> {
    let is_first = |change: &&&Change| change.steps.first() == Some(&step.name);
    let gone = changes
        .iter()
        .filter(is_first)
        .filter(|change| is_removed_folder(change));
    let gone: BTreeSet<&GuestPath> = gone.map(|change| &change.path).collect();
    let mut trees: BTreeMap<GuestPath, Tree> = BTreeMap::new();
    for change in changes.iter().filter(is_first) {
        if let Some(top) = topmost(&gone, change) {
            trees.entry(top).or_default().add(change);
        }
    }
    let mut stamped = 0;
    for change in changes {
        if is_time_of_folder(change) {
            stamped += 1;
            continue;
        }
        let Some(number) = shown_before(steps, step, change) else {
            match topmost(&gone, change) {
                Some(top) if top != change.path => {}
                Some(top) => write_change(out, change, trees.get(&top))?,
                None => write_change(out, change, None)?,
            }
            continue;
        };
        writeln!(out, "{} as shown with step {number}", head(change))?;
    }
    match stamped {
        0 => Ok(()),
        count => writeln!(out, "and the time of {}", folders(count)),
    }
}

/// The number of an earlier step that a change is shown with.
fn shown_before(steps: &[&StepRecord], step: &StepRecord, change: &Change) -> Option<usize> {
    let first = change.steps.first().filter(|first| **first != step.name)?;
    let index = steps.iter().position(|other| other.name == *first)?;
    Some(index + 1)
}

fn is_removed_folder(change: &Change) -> bool {
    change.kind == ChangeKind::Removed
        && change
            .before
            .as_ref()
            .is_some_and(|before| before.kind == FileKind::Directory)
}

/// The topmost folder in `gone` that the removed path is, or is in.
fn topmost(gone: &BTreeSet<&GuestPath>, change: &Change) -> Option<GuestPath> {
    if change.kind != ChangeKind::Removed {
        return None;
    }
    let parents = std::iter::successors(Some(change.path.clone()), GuestPath::parent);
    parents.filter(|path| gone.contains(path)).last()
}

/// A folder in which entries came or went, which is told by these.
fn is_time_of_folder(change: &Change) -> bool {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            after.kind == FileKind::Directory && before.kind == after.kind && differences(before, after).is_empty()
        }
        _ => false,
    }
}

/// What a removed folder held.
#[derive(Debug, Default)]
struct Tree {
    files: usize,
    folders: usize,
    others: usize,
    bytes: u64,
}

impl Tree {
    fn add(&mut self, change: &Change) {
        let Some(before) = &change.before else {
            return;
        };
        match before.kind {
            FileKind::File => {
                self.files += 1;
                self.bytes = self.bytes.saturating_add(before.size);
            }
            FileKind::Directory => self.folders += 1,
            _ => self.others += 1,
        }
    }

    /// ` with 12 files, 2 directories, 4 KiB`.
    fn text(&self) -> String {
        // The folder itself is named already.
        let folders_below = self.folders.saturating_sub(1);
        let mut parts = Vec::new();
        if self.files > 0 {
            parts.push(plural(self.files, "file"));
        }
        if folders_below > 0 {
            parts.push(folders(folders_below));
        }
        if self.others > 0 {
            parts.push(match self.others {
                1 => "1 link or device".to_owned(),
                count => format!("{count} links and devices"),
            });
        }
        if self.bytes > 0 {
            parts.push(HumanBytes(self.bytes).to_string());
        }
        match parts.is_empty() {
            true => String::new(),
            false => format!(" with {}", parts.join(", ")),
        }
    }
}

fn folders(count: usize) -> String {
    match count {
        1 => "1 directory".to_owned(),
        _ => format!("{count} directories"),
    }
}

fn write_change(out: &mut impl Write, change: &Change, tree: Option<&Tree>) -> io::Result<()> {
    let details = details(change);
    let space = if details.is_empty() { "" } else { " " };
    let tree = tree.map(Tree::text).unwrap_or_default();
    let others = match change.steps.as_slice() {
        [_, others @ ..] if !others.is_empty() => format!(" (also by {})", others.join(", ")),
        _ => String::new(),
    };
    writeln!(out, "{}{space}{details}{tree}{others}", head(change))?;
    match &change.diff {
        Some(ContentDiff::Text(text)) => {
            for line in text.unified.lines() {
                write_diff_line(out, line)?;
            }
            match text.lines_left_out {
                0 => Ok(()),
                count => writeln!(out, "  … {} more", plural(count, "line")),
            }
        }
        Some(ContentDiff::Binary | ContentDiff::Large) => write_digests(out, change),
        _ => Ok(()),
    }
}

fn write_diff_line(out: &mut impl Write, line: &str) -> io::Result<()> {
    let style = match line.bytes().next() {
        Some(b'+') => ADDED,
        Some(b'-') => REMOVED,
        Some(b'@') => HUNK,
        _ => Style::new(),
    };
    // A tab moves the cursor only forward.
    let cells: Vec<String> = line.split('\t').map(|cell| OneLine(cell).to_string()).collect();
    writeln!(out, "  {style}{}{style:#}", cells.join("\t"))
}

fn write_digests(out: &mut impl Write, change: &Change) -> io::Result<()> {
    let digest = |state: &Option<Snapshot>| state.as_ref().and_then(Snapshot::sha256);
    match (digest(&change.before), digest(&change.after)) {
        (Some(before), Some(after)) => writeln!(out, "  sha256 {before} → {after}"),
        (None, Some(after)) => writeln!(out, "  sha256 {after}"),
        _ => Ok(()),
    }
}

/// `A /etc/x`, `M /etc/y/`, with colour.
fn head(change: &Change) -> String {
    let (letter, style) = match change.kind {
        ChangeKind::Added => ('A', ADDED),
        ChangeKind::Modified => ('M', MODIFIED),
        ChangeKind::Removed => ('D', REMOVED),
    };
    let state = change.after.as_ref().or(change.before.as_ref());
    let path = path_text(&change.path, state.map(|state| state.kind));
    format!("{style}{letter}{style:#} {path}")
}

fn details(change: &Change) -> String {
    match (change.kind, &change.before, &change.after) {
        (ChangeKind::Added, _, Some(after)) => description(after),
        (ChangeKind::Modified, Some(before), Some(after)) => difference(before, after),
        _ => String::new(),
    }
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
    let text = match (state.kind, &state.target) {
        (FileKind::Symlink, Some(target)) => format!("-> {}", EscapedBytes(target)),
        (FileKind::File, _) if state.secret => format!("{mode:04o} {uid}:{gid}, secret content"),
        (FileKind::File, _) => format!("{mode:04o} {uid}:{gid} {}", HumanBytes(state.size)),
        (FileKind::Directory, _) => format!("{mode:04o} {uid}:{gid}"),
        (kind, _) => format!("{mode:04o} {uid}:{gid} {}", kind.name()),
    };
    let xattrs = state.xattrs.iter();
    let xattrs: String = xattrs
        .map(|(name, value)| format!(", xattr {} {}", EscapedBytes(name), attribute(Some(value))))
        .collect();
    text + &xattrs
}

fn difference(before: &Snapshot, after: &Snapshot) -> String {
    if before.kind != after.kind {
        return format!("{} → {} {}", before.kind.name(), after.kind.name(), description(after));
    }
    match differences(before, after) {
        // Nothing but the time, or a folder's length.
        parts if parts.is_empty() => "time".to_owned(),
        parts => parts.join(", "),
    }
}

/// What differs between two states of the same kind, but for times.
fn differences(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let mut parts = Vec::new();
    if !before.has_same_content(after) {
        parts.push(if before.secret || after.secret {
            "content (secret)".to_owned()
        } else if before.size == after.size {
            "content".to_owned()
        } else {
            format!("content {} → {}", HumanBytes(before.size), HumanBytes(after.size))
        });
    }
    if before.target != after.target {
        let target = |state: &Snapshot| EscapedBytes(state.target.as_deref().unwrap_or_default()).to_string();
        parts.push(format!("target {} → {}", target(before), target(after)));
    }
    if before.mode != after.mode {
        parts.push(format!("mode {:04o} → {:04o}", before.mode, after.mode));
    }
    if (before.uid, before.gid) != (after.uid, after.gid) {
        let owner = |state: &Snapshot| format!("{}:{}", state.uid, state.gid);
        parts.push(format!("owner {} → {}", owner(before), owner(after)));
    }
    let names: BTreeSet<&Vec<u8>> = before.xattrs.keys().chain(after.xattrs.keys()).collect();
    for name in names {
        let (old, new) = (before.xattrs.get(name), after.xattrs.get(name));
        if old != new {
            let (old, new) = (attribute(old), attribute(new));
            parts.push(format!("xattr {} {old} → {new}", EscapedBytes(name)));
        }
    }
    parts
}

/// An attribute's value in quotes.
fn attribute(value: Option<&Vec<u8>>) -> String {
    let Some(value) = value else {
        return "none".to_owned();
    };
    let text = EscapedBytes(value).to_string();
    match text.char_indices().nth(MAX_VALUE_CHARS) {
        None => format!("\"{text}\""),
        Some((end, _)) => format!("\"{}…\" ({} bytes)", &text[..end], value.len()),
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

    fn change(kind: ChangeKind, before: Option<Snapshot>, after: Option<Snapshot>) -> Change {
        Change {
            path: GuestPath::new(PATH).unwrap(),
            partition: "partition 1".to_owned(),
            kind,
            steps: vec!["files"],
            before,
            after,
            diff: None,
        }
    }

    fn written(change: &Change) -> String {
        let mut out = Vec::new();
        write_change(&mut out, change, None).unwrap();
        let text = String::from_utf8(out).unwrap();
        anstream::adapter::strip_str(&text).to_string()
    }

    fn line(kind: ChangeKind, before: Option<Snapshot>, after: Option<Snapshot>) -> String {
        written(&change(kind, before, after)).trim_end().to_owned()
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
                "M /evil\\x1b[2J\\x0aD !/ file → directory 0640 0:42",
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
            (file("hello, world"), "content 5 B → 12 B"),
            (file("HELLO"), "content"),
            (edited(mode), "mode 0640 → 4755"),
            (edited(owner), "owner 0:42 → 7:42"),
            (edited(time), "time"),
            (xattr, "xattr user.a\\x0a none → \"x\""),
        ] {
            assert_eq!(difference(&file("hello").unwrap(), &after.unwrap()), expected);
        }
    }
}
