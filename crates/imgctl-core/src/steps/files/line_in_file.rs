//! `line` with `match`, `insert_before` and `insert_after`, `append`, and their options: lines that a file must have.

use super::Owner;
use super::append_line::line_end;
use crate::guest::{Guest, MAX_TEXT_BYTES};
use crate::steps::Outcome;
use crate::steps::flags::{FlagDeed, FlagError, FlagGroup, FlagSpec, Peer};
use imgctl_recipe::{LinePattern, LineSide};
use imgctl_vfs::GuestPath;
use serde_json::{Value, json};

pub(super) const ENSURE: FlagSpec = FlagSpec {
    name: "ensure-line",
    value: "FILE:LINE",
    group: FlagGroup::Files,
    help: "Add a line to the end of a file unless it is in it already",
    example: "/etc/hosts:192.0.2.1 registry",
    recipe: "files[].line",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|text| {
        let (path, line) = text.split_once(':').ok_or_else(no_colon)?;
        Ok(json!({ "files": [{ "path": path, "line": line }] }))
    }),
};

pub(super) const REPLACE: FlagSpec = FlagSpec {
    name: "replace-line",
    value: "FILE:/PATTERN/LINE",
    group: FlagGroup::Files,
    help: "Put a line in place of the last one that a regular expression finds, else at the end",
    example: "/etc/default/grub:/^GRUB_TIMEOUT=/GRUB_TIMEOUT=1",
    recipe: "files[].match",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|text| with_pattern(text, "match")),
};

pub(super) const BEFORE: FlagSpec = FlagSpec {
    name: "insert-before",
    value: "FILE:/PATTERN/LINE",
    group: FlagGroup::Files,
    help: "Add a line before the last one that a regular expression finds, unless the file has it already",
    example: "/etc/ssh/sshd_config:/^Match /AllowUsers admin",
    recipe: "files[].insert_before",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|text| with_pattern(text, "insert_before")),
};

pub(super) const AFTER: FlagSpec = FlagSpec {
    name: "insert-after",
    value: "FILE:/PATTERN/LINE",
    group: FlagGroup::Files,
    help: "Add a line after the last one that a regular expression finds, unless the file has it already",
    example: "/etc/ssh/sshd_config:/^#?Port /Port 2222",
    recipe: "files[].insert_after",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|text| with_pattern(text, "insert_after")),
};

fn no_colon() -> FlagError {
    FlagError::with_hint("there is no colon in it", "write the file, a colon and the line")
}

/// `FILE:/PATTERN/LINE`, where any character can stand for the slashes that is not in the pattern.
fn with_pattern(text: &str, key: &str) -> Result<Value, FlagError> {
    let (path, rest) = text.split_once(':').ok_or_else(no_colon)?;
    let mut characters = rest.chars();
    let parts = characters
        .next()
        .filter(|delimiter| !delimiter.is_alphanumeric())
        .and_then(|delimiter| characters.as_str().split_once(delimiter));
    let (pattern, line) = parts.ok_or_else(|| {
        FlagError::with_hint(
            "there is no pattern between slashes in it",
            "write FILE:/PATTERN/LINE; another character than the slash is possible, too",
        )
    })?;
    Ok(json!({ "files": [{ "path": path, "line": line, key: pattern }] }))
}

/// Replaces the text of a file, which may be missing, by what `edit` makes of it; `None` leaves it.
pub(super) fn edit_text(
    guest: &mut Guest,
    path: &GuestPath,
    owner: &Owner,
    edit: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> Outcome<()> {
    let old = guest.read(path, MAX_TEXT_BYTES)?;
    if let Some(new) = edit(old.as_deref().unwrap_or_default()) {
        super::make_parents(guest, path)?;
        guest.write_file(path, &mut new.as_slice(), owner.for_new(0o644, false))?;
    }
    Ok(())
}

/// The text with `addition` at its end, unless its lines are in it already, in this order and without others between.
pub(super) fn appended(old: &[u8], addition: &[u8]) -> Option<Vec<u8>> {
    let wanted = lines(addition);
    if wanted.is_empty() || lines(old).windows(wanted.len()).any(|window| window == wanted) {
        return None;
    }
    let mut new = terminated(old);
    new.extend_from_slice(addition);
    Some(terminated(&new))
}

/// The text with `line` in place of the last line that the pattern finds; else, unless it is there already, beside the
/// last line that `near` finds, or at the end.
pub(super) fn with_line(
    old: &[u8],
    line: &[u8],
    replaces: Option<&LinePattern>,
    near: Option<&(LineSide, LinePattern)>,
) -> Option<Vec<u8>> {
    let present = lines(old);
    let last = |pattern: &LinePattern| present.iter().rposition(|line| pattern.0.is_match(line));
    let whole: Vec<&[u8]> = old.split_inclusive(|byte| *byte == b'\n').collect();
    let start_of = |index: usize| -> usize { whole.iter().take(index).map(|line| line.len()).sum() };
    if let Some(index) = replaces.and_then(last) {
        let there = present.get(index).copied().unwrap_or_default();
        if there == line {
            return None;
        }
        let start = start_of(index);
        let (before, rest) = old.split_at_checked(start)?;
        return Some([before, line, rest.get(there.len()..).unwrap_or_default()].concat());
    }
    if present.contains(&line) {
        return None;
    }
    let place = near.and_then(|(side, pattern)| {
        let index = last(pattern)?;
        Some(if *side == LineSide::Before { index } else { index + 1 })
    });
    match place {
        Some(index) if index < whole.len() => {
            let (before, after) = old.split_at_checked(start_of(index))?;
            Some([before, line, line_end(old), after].concat())
        }
        _ => Some([&terminated(old), line, b"\n"].concat()),
    }
}

/// The lines of a text without their ends, `\n` or `\r\n`.
pub(super) fn lines(text: &[u8]) -> Vec<&[u8]> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines
        .map(|line| {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            line.strip_suffix(b"\r").unwrap_or(line)
        })
        .collect()
}

/// The text, its last line ended.
fn terminated(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    if text.last().is_some_and(|byte| *byte != b'\n') {
        text.push(b'\n');
    }
    text
}
