//! `files`: what each entry means, and entries that contradict each other.

use std::collections::BTreeMap;
use std::path::Path;

use super::Context;
use crate::MAX_RECIPE_BYTES;
use crate::check::absent_secret;
use crate::fields::Fields;
use crate::finding::{Complaint, Place, quoted};
use crate::host::HostFileError;
use crate::interpolation::render;
use crate::kinds::{check_glob, glob_part, mode_change, principal, xattr_value};
use crate::plan::{
    AclChange, AclEntry, Content, FileAction, FileCapabilities, FileEntry, LinePattern, LineSide, Preserve, Sourced,
};
use crate::source_map::LineName;

/// The keys that say what is at a path; an entry has one of them at most.
const DEEDS: [&str; 12] = [
    "content", "source", "target", "append", "line", "template", "url", "edit", "tree", "archive", "copy", "move",
];

/// Of them, those that make directories.
const FOLDERS: [&str; 4] = ["tree", "archive", "copy", "move"];

/// The keys that say whose it is, and what is noted about it.
const METADATA: [&str; 8] = [
    "mode",
    "owner",
    "group",
    "acl",
    "capabilities",
    "xattrs",
    "remove_xattrs",
    "recursive",
];

pub(super) fn files(fields: &Fields<'_>, context: &mut Context<'_>) -> Vec<Sourced<FileEntry>> {
    let mut files = Vec::new();
    let mut seen = Seen::default();
    for (entry, place) in fields.tables("files") {
        context.rendered_secret = false;
        let action = action(entry, place, context);
        let sensitive = context.rendered_secret || DEEDS.iter().any(|deed| entry.is_secret(deed));
        let Some((path, path_place)) = entry.text("path") else {
            continue;
        };
        let Some(action) = action else {
            continue;
        };
        check_path(path, path_place, &action, context);
        let path = match path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        if !entry.is_conditional() {
            seen.check(path, &action, path_place, context);
        }
        let named = FileEntry::new(path, action);
        let entry = FileEntry {
            sensitive,
            ..with_metadata(named, entry)
        };
        files.push(context.sourced(entry, place));
    }
    files
}

/// The entry with its mode, owner, lists and attributes.
fn with_metadata(file: FileEntry, entry: &Fields<'_>) -> FileEntry {
    let acl: Vec<&str> = texts(entry, "acl");
    FileEntry {
        mode: entry.text("mode").and_then(|(text, _)| mode_change(text)),
        owner: entry.text("owner").and_then(|(text, _)| principal(text)),
        group: entry.text("group").and_then(|(text, _)| principal(text)),
        recursive: entry.boolean("recursive").unwrap_or(false),
        xattrs: entry
            .named_texts("xattrs")
            .filter_map(|(name, text)| Some((name.to_owned(), xattr_value(text)?)))
            .collect(),
        removed_xattrs: texts(entry, "remove_xattrs").into_iter().map(str::to_owned).collect(),
        acl: match acl.as_slice() {
            [] => None,
            ["none"] => Some(AclChange::Clear),
            entries => Some(AclChange::Set(
                entries.iter().filter_map(|text| AclEntry::parse(text)).collect(),
            )),
        },
        capabilities: entry
            .text("capabilities")
            .map(|(text, _)| FileCapabilities::parse(text)),
        ..file
    }
}

/// One string, or those of a list.
fn texts<'n>(entry: &Fields<'n>, key: &str) -> Vec<&'n str> {
    match entry.text(key) {
        Some((text, _)) => vec![text],
        None => entry.texts(key).map(|(text, _)| text).collect(),
    }
}

/// What an entry does; `None` after a finding.
fn action(entry: &Fields<'_>, place: &Place, context: &mut Context<'_>) -> Option<FileAction> {
    if let Some((state @ ("absent" | "empty"), _)) = entry.text("state") {
        return emptied(state, entry, context);
    }
    let kind = entry.text("type").map(|(kind, _)| kind);
    if entry.has("type") && kind.is_none() || entry.has("state") && entry.text("state").is_none() {
        // Without them, nothing can be said about the other keys.
        return None;
    }
    let deed = single_deed(entry, context);
    let pattern = pattern(entry, context);
    match (kind, deed) {
        (Some("directory") | None, Some(deed)) if FOLDERS.contains(&deed) => folder(entry, deed, context),
        (Some("directory"), Some(deed)) => {
            let complaint = Complaint::error(format!("a directory has no `{deed}`"));
            report_key(entry, deed, complaint.hint(directory_hint(deed)), context);
            None
        }
        (Some("directory"), None) => Some(FileAction::Directory),
        (Some("symlink"), Some("target")) | (None, Some("target")) => symlink(entry, context),
        (Some("symlink"), Some(deed)) => {
            let complaint = Complaint::error(format!("a symbolic link has no `{deed}`"));
            report_key(entry, deed, complaint.hint("say where it leads by `target`"), context);
            None
        }
        (Some("symlink"), None) if entry.is_incomplete() => None,
        (Some("symlink"), None) => {
            let complaint = Complaint::error("a symbolic link needs a `target`").hint("add `target: …`");
            context.report(place, complaint);
            None
        }
        (Some(_), Some("target")) => {
            let complaint = Complaint::error("a regular file has no `target`");
            report_key(entry, "target", complaint.hint("write `type: symlink`"), context);
            None
        }
        (_, Some(deed)) => regular(entry, deed, pattern, context),
        (Some(_), None) if entry.is_incomplete() => None,
        (Some(_), None) => Some(FileAction::File),
        (None, None) => metadata_only(entry, place, context),
    }
}

/// The one key that says what to do; more of them are findings.
fn single_deed(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<&'static str> {
    let mut given: Vec<(&'static str, Place)> = DEEDS
        .iter()
        .filter_map(|deed| Some((*deed, entry.key_place(deed)?.clone())))
        .collect();
    given.sort_by_key(|(_, place)| place.span.start);
    let mut given = given.into_iter();
    let (first, first_place) = given.next()?;
    for (other, place) in given {
        let line = context.line(&first_place);
        let complaint = Complaint::error(format!("`{other}` contradicts `{first}` in line {line}"));
        context.report(
            &place,
            complaint.hint("keep one of them; entries apply in order, so two can follow each other"),
        );
    }
    Some(first)
}

/// The expression of `match`, which only makes sense with a `line`.
fn pattern(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<LinePattern> {
    if entry.has("match") && !entry.has("line") {
        let complaint = Complaint::error("`match` needs a `line`").hint("add `line: …`, which takes the match's place");
        report_key(entry, "match", complaint, context);
    }
    let (text, place) = entry.text("match")?;
    context.pattern(text, place)
}

fn emptied(state: &str, entry: &Fields<'_>, context: &mut Context<'_>) -> Option<FileAction> {
    let is_empty = state == "empty";
    let metadata = METADATA.into_iter().filter(|key| !(is_empty && *key == "recursive"));
    for key in DEEDS.into_iter().chain(metadata).chain(["type", "match"]) {
        if entry.has(key) {
            let complaint = Complaint::error(format!("`{key}` contradicts `state: {state}`"));
            report_key(entry, key, complaint.hint("remove one of the two"), context);
        }
    }
    Some(if is_empty {
        FileAction::Empty
    } else {
        FileAction::Absent
    })
}

/// A deed whose result can be a directory.
fn folder(entry: &Fields<'_>, deed: &str, context: &mut Context<'_>) -> Option<FileAction> {
    let (text, place) = entry.text(deed)?;
    match deed {
        "copy" => Some(FileAction::Copy(text.to_owned())),
        "move" => Some(FileAction::Move(text.to_owned())),
        "archive" => {
            let Some(Content::Source(source)) = source(text, place, context) else {
                return None;
            };
            let strip = entry.integer("strip_components").map_or(0, |(strip, _)| strip);
            Some(FileAction::Archive {
                source,
                strip: usize::try_from(strip).unwrap_or(0),
            })
        }
        _ => {
            let source = context.local_path(text, place);
            match context.reading.files.check(&source) {
                Err(HostFileError::IsADirectory) => {}
                Ok(()) => {
                    let complaint = Complaint::error(format!("{} is not a directory", quoted(text)));
                    context.report(
                        place,
                        complaint.hint("name a file by `source`, and its path in the guest"),
                    );
                    return None;
                }
                Err(error) => {
                    context.report(place, cannot_read(text, &error));
                    return None;
                }
            }
            let preserves = |what: &str| entry.texts("preserve").any(|(text, _)| text == what);
            Some(FileAction::Tree {
                source,
                preserve: Preserve {
                    owners: preserves("owners"),
                    times: preserves("times"),
                    xattrs: preserves("xattrs"),
                },
            })
        }
    }
}

fn symlink(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<FileAction> {
    for key in ["mode", "acl", "capabilities", "xattrs", "remove_xattrs", "recursive"] {
        if entry.has(key) {
            let complaint = Complaint::error(format!("a symbolic link has no {key} of its own"));
            report_key(entry, key, complaint.hint(format!("remove `{key}`")), context);
        }
    }
    let (target, _) = entry.text("target")?;
    Some(FileAction::Symlink(target.to_owned()))
}

fn regular(
    entry: &Fields<'_>,
    deed: &str,
    pattern: Option<LinePattern>,
    context: &mut Context<'_>,
) -> Option<FileAction> {
    let (text, place) = entry.text(deed)?;
    match deed {
        "content" => Some(FileAction::Content(Content::Inline(text.to_owned()))),
        "source" => source(text, place, context).map(FileAction::Content),
        "append" if text.is_empty() => {
            let complaint = Complaint::error("`append` is empty").hint("remove the entry");
            context.report(place, complaint);
            None
        }
        "append" => Some(FileAction::Append(text.to_owned())),
        // Not carried out yet, and said so by the plan.
        "template" => template(text, place, context).map(FileAction::Content),
        "url" => {
            if !["sha256", "checksums"].iter().any(|key| entry.has(key)) {
                let complaint = Complaint::error("nothing says what `url` must give");
                report_key(
                    entry,
                    "url",
                    complaint.hint("add `sha256`, or `checksums: { url: … }` with the publisher's list"),
                    context,
                );
            }
            None
        }
        "edit" => context.script(text, place).map(FileAction::Edit),
        _ => Some(FileAction::Line {
            line: text.to_owned(),
            replaces: pattern,
            near: near(entry, context),
        }),
    }
}

/// Where a line goes that replaces nothing.
fn near(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<(LineSide, LinePattern)> {
    let (side, key) = match entry.has("insert_before") {
        true => (LineSide::Before, "insert_before"),
        false => (LineSide::After, "insert_after"),
    };
    let (text, place) = entry.text(key)?;
    context.pattern(text, place).map(|pattern| (side, pattern))
}

/// A local file that is there.
pub(super) fn source(text: &str, place: &Place, context: &mut Context<'_>) -> Option<Content> {
    let path = context.local_path(text, place);
    match context.reading.files.check(&path) {
        Ok(()) => Some(Content::Source(path)),
        Err(error) => {
            context.report(place, cannot_read(text, &error));
            None
        }
    }
}

/// The content of a template, filled in.
fn template(text: &str, place: &Place, context: &mut Context<'_>) -> Option<Content> {
    let path = context.local_path(text, place);
    let source = &mut context.findings.source;
    let read = context.reading.files.read(&path, MAX_RECIPE_BYTES, |bytes| {
        let text = String::from_utf8(bytes).map_err(|_| HostFileError::NotText)?;
        source.add(&path, text);
        Ok(())
    });
    if let Err(error) = read {
        context.report(place, cannot_read(text, &error));
        return None;
    }
    let file = context.findings.source.named(&path)?.clone();
    let scope = context.reading.scope;
    let rendered = render(&file.text, file.start, place, scope, context.findings)?;
    if let Some(absent) = &rendered.absent
        && !context.reading.is_of_every()
    {
        context.report(place, absent_secret(absent));
        return None;
    }
    context.rendered_secret = rendered.sensitive;
    Some(Content::Inline(rendered.text))
}

pub(super) fn cannot_read(text: &str, error: &HostFileError) -> Complaint {
    let complaint = Complaint::error(format!("cannot read {}: {error}", quoted(text)));
    match error {
        HostFileError::NotFound if Path::new(text).is_relative() => {
            complaint.hint("the path is relative to the recipe's folder")
        }
        HostFileError::IsADirectory => complaint.hint("name it by `tree`, with the directory in the guest as `path`"),
        HostFileError::NotText | HostFileError::TooLarge(_) => {
            complaint.hint("name it by `source` if there is nothing to fill in")
        }
        _ => complaint,
    }
}

fn metadata_only(entry: &Fields<'_>, place: &Place, context: &mut Context<'_>) -> Option<FileAction> {
    if METADATA.iter().any(|key| entry.has(key)) {
        return Some(FileAction::Metadata);
    }
    if !entry.has("match") && !entry.is_incomplete() {
        let complaint = Complaint::error("the entry does not say what should be at its path")
            .hint("add `content`, `source`, `target`, `append`, `line`, `edit`, `tree`, `type: directory`, `state: absent` or `mode`");
        context.report(place, complaint);
    }
    None
}

/// What a path can be depends on what is done there.
fn check_path(path: &str, place: &Place, action: &FileAction, context: &mut Context<'_>) {
    let complaint = match action {
        FileAction::Absent | FileAction::Empty => check_glob(path).err(),
        FileAction::Directory
        | FileAction::Metadata
        | FileAction::Tree { .. }
        | FileAction::Archive { .. }
        | FileAction::Copy(_)
        | FileAction::Move(_) => literal(path),
        _ if path.ends_with('/') => {
            let message = format!("{} is a directory", quoted(path));
            Some(Complaint::error(message).hint("add the file's name, or write `type: directory`"))
        }
        _ => literal(path),
    };
    if let Some(complaint) = complaint {
        context.report(place, complaint);
    }
}

fn literal(path: &str) -> Option<Complaint> {
    let special = glob_part(path)?;
    let message = format!("`{special}` in {} is taken as it is", quoted(path));
    Some(Complaint::warning(message).hint("globs work only with `state: absent` and `state: empty`"))
}

fn directory_hint(deed: &str) -> &'static str {
    match deed {
        "source" => "name the local directory by `tree`",
        "target" => "write `type: symlink`",
        _ => "remove `type: directory` to make it a regular file",
    }
}

fn report_key(entry: &Fields<'_>, key: &str, complaint: Complaint, context: &mut Context<'_>) {
    if let Some(place) = entry.key_place(key) {
        context.report(place, complaint);
    }
}

/// What earlier entries said about a path.
#[derive(Debug, Default)]
struct Seen {
    /// Path to what decides all of it, and in which line.
    whole: BTreeMap<String, (&'static str, LineName)>,
    /// Path to the line of the entry that edits it or sets its mode and owner.
    metadata: BTreeMap<String, LineName>,
}

impl Seen {
    fn check(&mut self, path: &str, action: &FileAction, place: &Place, context: &mut Context<'_>) {
        let line = context.line(place);
        if *action == FileAction::Metadata {
            if let Some(first) = self.metadata.insert(path.to_owned(), line) {
                self.twice(path, &first, place, context);
            }
            return;
        }
        let what = match action {
            FileAction::Content(_) => "a regular file",
            FileAction::Directory | FileAction::Tree { .. } | FileAction::Archive { .. } => {
                return self.folder(path, action, place, context);
            }
            FileAction::Symlink(_) => "a symbolic link",
            FileAction::Absent => "absent",
            FileAction::Append(_) | FileAction::Line { .. } | FileAction::Edit(_) | FileAction::Empty => {
                self.edited(path, place, context);
                return;
            }
            FileAction::File | FileAction::Copy(_) | FileAction::Move(_) | FileAction::Metadata => return,
        };
        match self.whole.insert(path.to_owned(), (what, line)) {
            None => {}
            // Removing first and then making it anew is a clean start.
            Some(("absent", _)) if what != "absent" => {}
            Some((before, first)) if before == what => self.twice(path, &first, place, context),
            Some((before, first)) => {
                let message = format!("{} is {what} here, but {before} in line {first}", quoted(path));
                context.report(place, Complaint::error(message).hint("remove one of the two entries"));
            }
        }
    }

    /// Several entries can put something into one directory.
    fn folder(&mut self, path: &str, action: &FileAction, place: &Place, context: &mut Context<'_>) {
        let line = context.line(place);
        let is_plain = *action == FileAction::Directory;
        match self.whole.get(path) {
            Some(("a directory", first)) if is_plain => {
                let first = first.clone();
                self.twice(path, &first, place, context);
            }
            Some((what @ ("a regular file" | "a symbolic link"), first)) => {
                let message = format!("{} is a directory here, but {what} in line {first}", quoted(path));
                context.report(place, Complaint::error(message).hint("remove one of the two entries"));
            }
            _ if is_plain => {
                self.whole.insert(path.to_owned(), ("a directory", line));
            }
            _ => {}
        }
    }

    fn edited(&self, path: &str, place: &Place, context: &mut Context<'_>) {
        let Some((what, first)) = self.whole.get(path) else {
            return;
        };
        if matches!(*what, "a directory" | "a symbolic link") {
            let message = format!("{} gets text here, but is {what} in line {first}", quoted(path));
            context.report(place, Complaint::error(message).hint("remove one of the two entries"));
        }
    }

    fn twice(&self, path: &str, first: &LineName, place: &Place, context: &mut Context<'_>) {
        let message = format!("{} is set twice, first in line {first}", quoted(path));
        context.report(place, Complaint::error(message).hint("merge the two entries"));
    }
}
