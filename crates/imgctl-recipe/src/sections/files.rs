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
use crate::kinds::{check_glob, glob_part, mode_bits, principal};
use crate::plan::{Content, FileAction, FileEntry, LinePattern, Sourced};
use crate::source_map::LineName;

/// The keys that say what is at a path; an entry has one of them at most.
const DEEDS: [&str; 7] = ["content", "source", "target", "append", "line", "template", "url"];

/// The keys that say whose it is.
const METADATA: [&str; 3] = ["mode", "owner", "group"];

pub(super) fn files(fields: &Fields<'_>, context: &mut Context<'_>) -> Vec<Sourced<FileEntry>> {
    let mut files = Vec::new();
    let mut seen = Seen::default();
    for (entry, place) in fields.tables("files") {
        context.rendered_secret = false;
        let action = action(entry, place, context);
        let sensitive = context.rendered_secret || DEEDS.iter().any(|deed| entry.is_secret(deed));
        let mode = entry.text("mode").and_then(|(text, _)| mode_bits(text));
        let owner = entry.text("owner").and_then(|(text, _)| principal(text));
        let group = entry.text("group").and_then(|(text, _)| principal(text));
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
        let entry = FileEntry {
            path: path.to_owned(),
            action,
            mode,
            owner,
            group,
            sensitive,
        };
        files.push(context.sourced(entry, place));
    }
    files
}

/// What an entry does; `None` after a finding.
fn action(entry: &Fields<'_>, place: &Place, context: &mut Context<'_>) -> Option<FileAction> {
    if let Some(("absent", _)) = entry.text("state") {
        return absent(entry, context);
    }
    let kind = entry.text("type").map(|(kind, _)| kind);
    if entry.has("type") && kind.is_none() || entry.has("state") && entry.text("state").is_none() {
        // Without them, nothing can be said about the other keys.
        return None;
    }
    let deed = single_deed(entry, context);
    let pattern = pattern(entry, context);
    match (kind, deed) {
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
        (Some(_), None) => {
            let complaint = Complaint::error("a regular file needs `content`, `source`, `url`, `append` or `line`")
                .hint("write `content: \"\"` for an empty file; leave `type` out to change only mode and owner");
            context.report(place, complaint);
            None
        }
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

fn absent(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<FileAction> {
    for key in DEEDS.into_iter().chain(METADATA).chain(["type", "match"]) {
        if entry.has(key) {
            let complaint = Complaint::error(format!("`{key}` contradicts `state: absent`"));
            report_key(entry, key, complaint.hint("remove one of the two"), context);
        }
    }
    Some(FileAction::Absent)
}

fn symlink(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<FileAction> {
    if entry.has("mode") {
        let complaint = Complaint::error("a symbolic link has no mode of its own").hint("remove `mode`");
        report_key(entry, "mode", complaint, context);
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
        _ => Some(FileAction::Line {
            line: text.to_owned(),
            replaces: pattern,
        }),
    }
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
        HostFileError::IsADirectory => complaint.hint("copying directories is not supported yet: name each file"),
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
            .hint("add `content`, `source`, `target`, `append`, `line`, `type: directory`, `state: absent` or `mode`");
        context.report(place, complaint);
    }
    None
}

/// What a path can be depends on what is done there.
fn check_path(path: &str, place: &Place, action: &FileAction, context: &mut Context<'_>) {
    let complaint = match action {
        FileAction::Absent => check_glob(path).err(),
        FileAction::Directory | FileAction::Metadata => literal(path),
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
    Some(Complaint::warning(message).hint("globs work only with `state: absent`"))
}

fn directory_hint(deed: &str) -> &'static str {
    match deed {
        "source" => "copying directories is not supported yet: name each file in an entry of its own",
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
            FileAction::Directory => "a directory",
            FileAction::Symlink(_) => "a symbolic link",
            FileAction::Absent => "absent",
            FileAction::Append(_) | FileAction::Line { .. } | FileAction::Metadata => {
                self.edited(path, place, context);
                return;
            }
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
