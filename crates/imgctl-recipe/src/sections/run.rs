//! `run`: programs of the guest.

use super::{Context, first_boot};
use crate::fields::Fields;
use crate::kinds::{duration, principal};
use crate::plan::{FirstBootDeed, RunAt, RunDeed, RunEntry, Sourced};

pub(super) fn run(fields: &Fields<'_>, context: &mut Context<'_>) -> Vec<Sourced<RunEntry>> {
    let mut entries = Vec::new();
    for (entry, place) in fields.tables("run") {
        let arguments: Vec<String> = entry.texts("args").map(|(word, _)| word.to_owned()).collect();
        let deed = match first_boot::deed(entry, context) {
            Some(FirstBootDeed::Script(content)) => RunDeed::Script(content, arguments),
            Some(FirstBootDeed::Shell(line)) => RunDeed::Shell(line),
            Some(FirstBootDeed::Command(words)) => RunDeed::Command(words),
            Some(FirstBootDeed::Packages(_)) | None => continue,
        };
        let at = match entry.text("at").map(|(text, _)| text) {
            Some("before-packages") => RunAt::BeforePackages,
            Some("after-packages") => RunAt::AfterPackages,
            Some("after-files") => RunAt::AfterFiles,
            _ => RunAt::BeforeReset,
        };
        let environment = entry.named_texts("env");
        let run = RunEntry {
            name: entry.text("name").map(|(name, _)| name.to_owned()),
            at,
            deed,
            environment: environment
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            folder: entry.text("cwd").map(|(path, _)| path.to_owned()),
            user: entry.text("user").and_then(|(user, _)| principal(user)),
            network: entry.boolean("network").unwrap_or(false),
            timeout: entry.text("timeout").and_then(|(text, _)| duration(text)),
        };
        entries.push(context.sourced(run, place));
    }
    entries
}
