//! `first_boot`: what runs in the machines that are made of the image.

use super::{Context, files};
use crate::fields::Fields;
use crate::finding::{Complaint, Place};
use crate::plan::{Content, FirstBoot, FirstBootDeed, Sourced};

pub(super) fn first_boot(fields: &Fields<'_>, context: &mut Context<'_>) -> Vec<Sourced<FirstBoot>> {
    let mut entries = Vec::new();
    for (entry, place) in fields.tables("first_boot") {
        let Some(deed) = deed(entry, context) else {
            continue;
        };
        let is_packages = matches!(deed, FirstBootDeed::Packages(_));
        let first_boot = FirstBoot {
            name: entry.text("name").map(|(name, _)| name.to_owned()),
            deed,
            network: entry.boolean("network").unwrap_or(is_packages),
            retry: entry.boolean("retry").unwrap_or(true),
            sensitive: ["script", "command"].iter().any(|key| entry.is_secret(key)),
        };
        entries.push(context.sourced(first_boot, place));
    }
    entries
}

/// What the entry runs; `None` after a finding.
pub(super) fn deed(entry: &Fields<'_>, context: &mut Context<'_>) -> Option<FirstBootDeed> {
    if let Some((text, place)) = entry.text("script") {
        check_interpreter(text, place, context);
        return Some(FirstBootDeed::Script(Content::Inline(text.to_owned())));
    }
    if let Some((text, place)) = entry.text("source") {
        return files::source(text, place, context).map(FirstBootDeed::Script);
    }
    let packages: Vec<String> = entry.texts("packages").map(|(name, _)| name.to_owned()).collect();
    if entry.has("packages") {
        if packages.is_empty() && entry.is_list("packages") && entry.items("packages").is_empty() {
            let complaint = Complaint::error("there are no packages in the list").hint("remove the entry");
            if let Some(place) = entry.key_place("packages") {
                context.report(place, complaint);
            }
        }
        return (!packages.is_empty()).then_some(FirstBootDeed::Packages(packages));
    }
    let words: Vec<String> = entry.texts("command").map(|(word, _)| word.to_owned()).collect();
    let place = entry.key_place("command")?;
    match words.as_slice() {
        [] if entry.is_incomplete() || !entry.items("command").is_empty() => None,
        [] => {
            context.report(
                place,
                Complaint::error("there is no program in the list").hint("remove the entry"),
            );
            None
        }
        [first, ..] if first.trim().is_empty() => {
            let message = "the command is empty";
            context.report(place, Complaint::error(message).hint("remove the entry"));
            None
        }
        // A list stands in brackets; a single string is a line for the shell.
        [line] if entry.items("command").first().map(|item| &item.place.key) == Some(&place.key) => {
            Some(FirstBootDeed::Shell(line.clone()))
        }
        _ => Some(FirstBootDeed::Command(words)),
    }
}

/// A line end of Windows would be taken for a part of the interpreter's name.
fn check_interpreter(text: &str, place: &Place, context: &mut Context<'_>) {
    let first = text.split('\n').next().unwrap_or_default();
    if first.starts_with("#!") && first.ends_with('\r') {
        let complaint = Complaint::error("the script's first line ends in a carriage return");
        context.report(
            place,
            complaint.hint("write it with the line ends of Unix: the kernel looks for the interpreter by this line"),
        );
    }
}
