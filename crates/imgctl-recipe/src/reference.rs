//! The reference of the language as Markdown, from the table of keys.

use std::fmt::Write as _;

use crate::MAX_RECIPE_BYTES;
use crate::schema::{RECIPE, State, Table};

const HEAD: &str = "\
# Recipes

<!-- Written from the table of keys in crates/imgctl-recipe; a test says when it is out of date. -->

A recipe says what should exist in an image. `imgctl recipe check FILE` reports everything that is wrong with one, and
`imgctl customize BASE --recipe FILE -o OUT` applies it. The files in `examples/` are a good start.

A recipe is one YAML document of at most {LIMIT} KiB, without anchors, aliases and tags. A string that looks like a number or
a boolean needs quotes (`\"1.10\"`, `\"no\"`); a mode always does (`\"0644\"`). Local files named by `source` are relative to
the recipe's folder and must be there when the recipe is read.

Whatever the order in the file, sections apply in this one: `users`, `files`, `hostname`, `services`, `reset`.
";

/// The reference of every key: docs/recipe.md.
#[must_use]
pub fn reference() -> String {
    let mut out = HEAD.replace("{LIMIT}", &(MAX_RECIPE_BYTES >> 10).to_string());
    let mut done = Vec::new();
    table(&RECIPE, &mut done, &mut out);
    out
}

fn table(table_: &'static Table, done: &mut Vec<&'static str>, out: &mut String) {
    if done.contains(&table_.path) {
        return;
    }
    done.push(table_.path);
    // Writing to a string cannot fail.
    let _ = section(table_, out);
    for key in table_.keys {
        for inner in key.shape.tables() {
            table(inner, done, out);
        }
    }
}

fn section(table: &Table, out: &mut String) -> std::fmt::Result {
    match table.path {
        "" => writeln!(out, "\n## The recipe")?,
        path => writeln!(out, "\n## `{path}`")?,
    }
    if !table.about.is_empty() {
        writeln!(out, "\n{}", table.about)?;
    }
    writeln!(
        out,
        "\n| key | type | default | meaning | example |\n|---|---|---|---|---|"
    )?;
    let (later, now): (Vec<_>, Vec<_>) = table.keys.iter().partition(|key| key.state == State::Later);
    for key in now {
        let (name, title, default) = (key.name, key.shape.title(), key.default);
        let example = key.example.replace('|', "\\|");
        writeln!(out, "| `{name}` | {title} | {default} | {} | `{example}` |", key.about)?;
    }
    if !later.is_empty() {
        let names: Vec<String> = later.iter().map(|key| format!("`{}`", key.name)).collect();
        writeln!(out, "\nNot supported yet, and refused by name: {}.", names.join(", "))?;
    }
    if !table.example.is_empty() {
        writeln!(out, "\n```yaml\n{}```", table.example)?;
    }
    Ok(())
}
