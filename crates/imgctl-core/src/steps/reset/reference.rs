//! The part of docs/operations.md about resets, from their table.

use super::{RED_HAT, RESET_ROWS, Removal, ResetRow};
use crate::steps::flags::Peer;
use imgctl_recipe::{RESET_OPERATIONS, ResetOperation};
use std::fmt::Write as _;

const INTRODUCTION: &str = "
## Reset operations

`reset` in a recipe, `--reset` of `imgctl customize`, and `imgctl sysprep`. The profile `golden` has what a template for clones must not
have, `sysprep` what virt-sysprep does by default. They come last, and leave what the same run has put into the guest by name: files and
links that steps and options write, keys of `users`, users that it makes. Where a file stays for this reason, a warning says so.
A link on the way never leads a reset out of the guest, nor to `/usr` or `/etc`; what is mounted below is emptied, not removed.

| operation | virt-sysprep's name | profiles | what goes | beside virt-sysprep |
|---|---|---|---|---|
";

/// The names of virt-sysprep that are no operations of ours, with what they are.
const OTHERS: [(&str, &str); 2] = [
    (
        "customize",
        "the options of the command line: `imgctl sysprep` has all of `imgctl customize`; left out of the list with options \
        given it is an error, where virt-sysprep ignores them without a word",
    ),
    ("scriptdir", "refused, like `script`: nothing is mounted"),
];

/// The tables of operations and of those that are refused.
pub(in crate::steps) fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    for row in RESET_ROWS {
        let peer = match row.peer {
            Peer::Same => "the same",
            Peer::Better(difference) => difference,
            Peer::Ours => "only here",
        };
        line(&mut text, row.operation, &what(row), peer);
    }
    for operation in RESET_OPERATIONS
        .iter()
        .filter(|operation| !operation.refused.is_empty())
    {
        line(
            &mut text,
            operation,
            operation.about,
            &format!("refused: {}", operation.refused),
        );
    }
    for (name, here) in OTHERS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| – | {name} | – | – | {here} |");
    }
    text
}

fn line(text: &mut String, operation: &ResetOperation, what: &str, peer: &str) {
    let names = operation
        .peer
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let profiles = match (operation.golden, operation.sysprep) {
        (true, true) => "golden, sysprep",
        (true, false) => "golden",
        (false, true) => "sysprep",
        (false, false) => "–",
    };
    let names = if names.is_empty() { "–" } else { &names };
    let name = operation.name;
    let (what, peer) = (what.replace('|', "\\|"), peer.replace('|', "\\|"));
    let _ = writeln!(text, "| `{name}` | {names} | {profiles} | {what} | {peer} |");
}

fn what(row: &ResetRow) -> String {
    let parts = row.removes.iter().map(|removal| match removal {
        Removal::All(globs) => listed(globs),
        Removal::Files(globs) => format!("files {}", listed(globs)),
        Removal::Contents(folders) => format!("everything in {}", listed(folders)),
        Removal::Truncate(globs) => format!("the content of {}", listed(globs)),
        Removal::Run(words, _) => (*words).to_owned(),
        Removal::FilesBelow { folders, but: [] } => format!("files below {}", listed(folders)),
        Removal::FilesBelow { folders, but } => format!("files below {} but {}", listed(folders), listed(but)),
    });
    let text = parts.collect::<Vec<_>>().join("; ");
    match row.families == RED_HAT {
        true => format!("relatives of Red Hat: {text}"),
        false => text,
    }
}

fn listed(paths: &[&str]) -> String {
    paths
        .iter()
        .map(|path| format!("`{path}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
