//! The reference of the language as Markdown, from the tables of keys.

use std::fmt::Write as _;

use crate::MAX_RECIPE_BYTES;
use crate::schema::{Inner, Key, ORDER, RECIPE, State, TOPICS, Table, Topic, Union};

const HEAD: &str = "\
# Recipes

<!-- Written from the tables of keys in crates/imgctl-recipe; a test says when it is out of date. -->

A recipe says what should exist in an image. `imgctl recipe check FILE` reports everything that is wrong with one, and
`imgctl customize BASE --recipe FILE -o OUT` applies it. The files in `examples/` are a good start. `imgctl recipe explain` shows
this reference in the terminal, key by key; [recipe.schema.json](recipe.schema.json) is the same for editors:

    # yaml-language-server: $schema=https://imgctl.dev/schema/v1/recipe.json

A recipe is one YAML document of at most {LIMIT} KiB, without anchors, aliases and tags. A string that looks like a number or
a boolean needs quotes (`\"1.10\"`, `\"no\"`); a mode always does (`\"0644\"`). Local files are relative to
the recipe's folder and must be there when the recipe is read.

A key with † is part of the language and checked, but cannot be carried out yet: `imgctl customize` refuses a recipe that has it,
by name, before it opens an image.

## Order of application

Whatever the order in the file, this is the order in which sections apply:

";

/// The reference of every key: docs/recipe.md.
#[must_use]
pub fn reference() -> String {
    let mut out = HEAD.replace("{LIMIT}", &(MAX_RECIPE_BYTES >> 10).to_string());
    for (index, stage) in ORDER.iter().enumerate() {
        let sections: Vec<String> = stage.sections.iter().map(|section| format!("`{section}`")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{}. **{}** ({}): {}",
            index + 1,
            stage.name,
            sections.join(", "),
            stage.about
        );
    }
    for topic in &TOPICS {
        let Topic {
            title, text, example, ..
        } = topic;
        let _ = write!(out, "\n## {title}\n\n{text}\n\n```yaml\n{example}```\n");
    }
    let mut done = Vec::new();
    let _ = table(&RECIPE, false, &mut done, &mut out);
    out
}

fn table(table_: &'static Table, later: bool, done: &mut Vec<&'static str>, out: &mut String) -> std::fmt::Result {
    if done.contains(&table_.path) {
        return Ok(());
    }
    done.push(table_.path);
    section(table_, later, out)?;
    for key in table_.keys {
        let later = later || key.state == State::Later;
        match key.shape.inner() {
            Some(Inner::Table(inner)) => table(inner, later, done, out)?,
            Some(Inner::Union(inner)) if !done.contains(&inner.path) => {
                done.push(inner.path);
                union(inner, later, out)?;
                for inner in inner.tables {
                    table(inner, later, done, out)?;
                }
            }
            Some(Inner::Union(_)) | None => {}
        }
    }
    Ok(())
}

fn union(union: &Union, later: bool, out: &mut String) -> std::fmt::Result {
    writeln!(out, "\n## `{}`{}\n\n{}\n", union.path, mark(later), union.about)?;
    for table in union.tables {
        writeln!(out, "- `{}`: {}", union.name_of(table), table.about)?;
    }
    writeln!(out, "\n```yaml\n{}```", union.example)
}

fn section(table: &Table, later: bool, out: &mut String) -> std::fmt::Result {
    match table.path {
        "" => writeln!(out, "\n## The recipe")?,
        path => writeln!(out, "\n## `{path}`{}", mark(later))?,
    }
    if !table.about.is_empty() {
        writeln!(out, "\n{}", table.about)?;
    }
    writeln!(
        out,
        "\n| key | type | default | meaning | example |\n|---|---|---|---|---|"
    )?;
    for key in table.keys {
        row(key, out)?;
    }
    if !table.example.is_empty() {
        writeln!(out, "\n```yaml\n{}```", table.example)?;
    }
    Ok(())
}

fn row(key: &Key, out: &mut String) -> std::fmt::Result {
    let (name, title, default) = (key.name, key.shape.title(), key.default);
    let later = match key.state {
        State::Supported if key.works() => String::new(),
        State::Supported => " †".to_owned(),
        State::Later => " †".to_owned(),
        State::LaterBut(value) => format!(" † (but `{value}`)"),
    };
    let example = key.example.replace('|', "\\|");
    let about = key.about.replace('|', "\\|");
    writeln!(out, "| `{name}`{later} | {title} | {default} | {about} | `{example}` |")
}

fn mark(later: bool) -> &'static str {
    if later { " †" } else { "" }
}
