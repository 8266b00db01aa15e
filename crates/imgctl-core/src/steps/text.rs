//! Small text files: read, written and edited only where they differ.

use super::{Outcome, StepFailure};
use crate::guest::{Guest, MAX_TEXT_BYTES, NewMetadata};
use imgctl_vfs::GuestPath;

/// The text of a file; `None` when it is not there.
pub(super) fn read(guest: &Guest, path: &GuestPath) -> Outcome<Option<String>> {
    let Some(text) = guest.read(path, MAX_TEXT_BYTES)? else {
        return Ok(None);
    };
    match String::from_utf8(text) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(StepFailure::refused(format!("{path} is not UTF-8 text"))),
    }
}

/// Makes the file that `path` leads to hold exactly this; whether that was a change. One that is there keeps its owner and
/// mode, a new one is root's with this mode.
pub(super) fn write(guest: &mut Guest, path: &GuestPath, content: &[u8], mode: u16) -> Outcome<bool> {
    let is_new = !guest.has_content(path, &mut &*content)?;
    if is_new {
        if let Some(parent) = path.parent() {
            guest.create_directory_all(&parent, NewMetadata::root(0o755))?;
        }
        guest.write_file(path, &mut &*content, NewMetadata::root(mode))?;
    }
    Ok(is_new)
}

/// Makes a file of root's hold exactly this text, with this mode; whether that was a change.
pub(super) fn put(guest: &mut Guest, path: &GuestPath, text: &str, mode: u16) -> Outcome<bool> {
    let is_new = write(guest, path, text.as_bytes(), mode)?;
    // What others can read must not be what an older file allowed.
    guest.set_mode(path, mode)?;
    Ok(is_new)
}

/// Replaces the text of a file by what `change` makes of it, nothing of a file that is not there; whether that is
/// something else. A new file is root's, with mode 0644, and is not made for nothing.
pub(super) fn edit(
    guest: &mut Guest,
    path: &GuestPath,
    change: impl FnOnce(&str) -> Outcome<Option<String>>,
) -> Outcome<bool> {
    let old = read(guest, path)?.unwrap_or_default();
    let Some(new) = change(&old)?.filter(|new| *new != old) else {
        return Ok(false);
    };
    if let Some(parent) = path.parent() {
        guest.create_directory_all(&parent, NewMetadata::root(0o755))?;
    }
    guest.write_file(path, &mut new.as_bytes(), NewMetadata::root(0o644))?;
    Ok(true)
}

/// The text with these lines, each of which is added at the end unless it is there.
pub(super) fn with_lines<'l>(text: &str, lines: impl IntoIterator<Item = &'l str>) -> String {
    let mut new = text.to_owned();
    for line in lines {
        if !new.lines().any(|known| known.trim() == line) {
            push_line(&mut new, line);
        }
    }
    new
}

/// Adds a line at the end.
pub(super) fn push_line(text: &mut String, line: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(line);
    text.push('\n');
}
