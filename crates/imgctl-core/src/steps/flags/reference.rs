//! The reference of all operations, docs/operations.md, from the tables that make them.

use super::general::GENERAL;
use super::{FlagDeed, FlagGroup, FlagSpec, Peer, flags};
use crate::steps::{STEPS, reset};
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
# Operations

Everything that `imgctl customize` can do to a guest, made from the tables that do it (`IMGCTL_BLESS=1 cargo test -p imgctl-core
--test it operations` writes this file). A **recipe** says what should be so: what is so already stays untouched, and a second run on
its own output changes nothing. An **option** of the command line is an order, in virt-customize's words and with its meaning: it is
done in its turn, whatever was there before.

The order of a run: the recipe's sections as listed below; then the options, in the order in which they stand on the command line, with
the contents of `--commands-from-file` in its place; then `reset`, the recipe's before that of options.

";

/// docs/operations.md.
#[must_use]
pub fn operations_reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    text.push_str("## Options of the command line\n");
    let mut groups: Vec<FlagGroup> = flags().map(|flag| flag.group).collect();
    groups.sort();
    groups.dedup();
    for group in groups {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n### {}\n\n| option | what it does | recipe | beside virt-customize |\n|---|---|---|---|\n",
            group.title()
        );
        for flag in flags().filter(|flag| flag.group == group) {
            row(&mut text, flag);
        }
    }
    text.push_str("\n### Options of virt-customize and virt-sysprep about the run\n\n| theirs | here |\n|---|---|\n");
    for general in GENERAL {
        let _ = writeln!(text, "| `{}` | {} |", general.option, cell(general.here));
    }
    text.push_str("\n## Steps of a recipe\n\n| step | section | what it does |\n|---|---|---|\n");
    for step in STEPS {
        let _ = writeln!(text, "| {} | `{}` | {} |", step.name, step.section, cell(step.about()));
    }
    text.push_str(&reset::reference());
    text
}

fn row(text: &mut String, flag: &FlagSpec) {
    let option = match flag.value {
        "" => format!("`--{}`", flag.name),
        value => format!("`--{} {value}`", flag.name),
    };
    let recipe = match flag.recipe {
        "" => "–".to_owned(),
        key => format!("`{key}`"),
    };
    let state = match (flag.deed, flag.peer) {
        (FlagDeed::Refused(reason), _) => format!("refused: {reason}"),
        (FlagDeed::Later(reason), _) => format!("later: {reason}"),
        (_, Peer::Same) => "the same".to_owned(),
        (_, Peer::Better(difference)) => difference.to_owned(),
        (_, Peer::Ours) => "only here".to_owned(),
    };
    let _ = writeln!(
        text,
        "| {} | {} | {recipe} | {} |",
        cell(&option),
        cell(flag.help),
        cell(&state)
    );
}

/// A text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
