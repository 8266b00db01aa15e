//! Local files that only later stages read: that they are there is known now.

use super::{Context, files};
use crate::fields::Fields;

/// Makes sure that each of them is there; an entry with a condition may be for where it is.
pub(super) fn check(fields: &Fields<'_>, context: &mut Context<'_>) {
    if !context.reading.is_of_every() {
        return;
    }
    for entry in tables(fields, None, "run") {
        file(entry, "source", context);
    }
    for entry in tables(fields, Some("packages"), "files") {
        file(entry, "source", context);
    }
    if let Some((ansible, _)) = fields.table("ansible") {
        file(ansible, "playbook", context);
    }
    if let Some((source, _)) = fields.table("source") {
        keyring(source, context);
    }
    for entry in tables(fields, None, "files") {
        keyring(entry, context);
    }
}

fn tables<'f, 'n>(fields: &'f Fields<'n>, section: Option<&str>, list: &'f str) -> Vec<&'f Fields<'n>> {
    let holder = match section {
        Some(section) => fields.table(section).map(|(fields, _)| fields),
        None => Some(fields),
    };
    let entries = holder.into_iter().flat_map(|holder| holder.tables(list));
    entries.map(|(entry, _)| entry).collect()
}

fn keyring(entry: &Fields<'_>, context: &mut Context<'_>) {
    let signature = entry
        .table("checksums")
        .and_then(|(checksums, _)| checksums.table("signature"));
    if let (Some((signature, _)), false) = (signature, entry.has("when")) {
        file(signature, "keyring", context);
    }
}

fn file(entry: &Fields<'_>, key: &str, context: &mut Context<'_>) {
    if entry.has("when") {
        return;
    }
    if let Some((text, place)) = entry.text(key) {
        files::source(text, place, context);
    }
}
