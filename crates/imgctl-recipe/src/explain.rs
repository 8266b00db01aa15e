//! The reference of the language for a terminal, one section or key at a time.

use std::fmt::{self, Write as _};

use crate::finding::quoted;
use crate::kinds::{listed, nearest};
use crate::schema::{Inner, Key, ORDER, RECIPE, Rule, State, Table, Topic, Union, topic};

/// How wide lines are, in characters.
const WIDTH: usize = 90;

/// A name that is not in the language.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownKey {
    message: String,
    /// What was perhaps meant, or what there is.
    pub hint: String,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UnknownKey {}

/// What `path` means: a section (`files`), a key (`files.mode`, `outputs.defaults.compression`), a kind of entry
/// (`verify.package`, `outputs.emit.proxmox-import`), or, if it is empty, the whole language in short.
///
/// # Errors
/// When there is no such name.
pub fn explain(path: &str) -> Result<String, UnknownKey> {
    let mut out = String::new();
    let clean: String = path.split(['[', ']']).step_by(2).collect();
    let clean = clean.trim_matches('.');
    let topic = topic(clean);
    let (place, later) = match find(clean) {
        Ok(found) => found,
        Err(unknown) => match topic {
            Some(topic) => {
                of_topic(topic, &mut out);
                return Ok(out);
            }
            None => return Err(unknown),
        },
    };
    // Writing to a string cannot fail.
    let _ = match place {
        Found::Recipe => overview(&mut out),
        Found::Order => order(&mut out),
        Found::Key(name, key) => of_key(&name, key, &mut out),
        Found::Table(name, inner) => table(&name, "mapping", inner, &mut out),
    };
    if let Some(topic) = topic {
        out.push('\n');
        of_topic(topic, &mut out);
    }
    if later {
        let _ = writeln!(out, "\n† checked, but cannot be carried out yet");
    }
    Ok(out)
}

fn of_topic(topic: &Topic, out: &mut String) {
    out.push_str(topic.title);
    out.push_str("\n\n");
    out.push_str(topic.text);
    out.push_str("\n\n");
    for line in topic.example.lines() {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "    {line}");
    }
}

enum Found {
    Recipe,
    Order,
    Key(String, &'static Key),
    /// One table of a union.
    Table(String, &'static Table),
}

/// What is there, and whether something around it cannot be carried out yet.
fn find(path: &str) -> Result<(Found, bool), UnknownKey> {
    match path {
        "" => return Ok((Found::Recipe, false)),
        "order" => return Ok((Found::Order, false)),
        _ => {}
    }
    let mut inside = Inner::Table(&RECIPE);
    let mut found = Found::Recipe;
    let mut walked = String::new();
    let mut later = false;
    for name in path.split('.') {
        let parent = std::mem::take(&mut walked);
        walked = if parent.is_empty() {
            name.to_owned()
        } else {
            format!("{parent}.{name}")
        };
        let next = match inside {
            Inner::Table(table) => table
                .key(name)
                .map(|key| (Found::Key(walked.clone(), key), key.shape.inner())),
            Inner::Union(union) => union
                .table(name)
                .map(|table| (Found::Table(walked.clone(), table), Some(Inner::Table(table)))),
        };
        let Some((at, deeper)) = next else {
            return Err(unknown(name, &parent, inside));
        };
        later |= matches!(
            found,
            Found::Key(
                _,
                Key {
                    state: State::Later,
                    ..
                }
            )
        );
        found = at;
        match deeper {
            Some(deeper) => inside = deeper,
            None if walked.len() < path.len() => {
                return Err(UnknownKey {
                    message: format!("`{walked}` has no keys"),
                    hint: format!("imgctl recipe explain {walked}"),
                });
            }
            None => {}
        }
    }
    Ok((found, later))
}

fn unknown(name: &str, parent: &str, inside: Inner) -> UnknownKey {
    let (names, synonym): (Vec<&'static str>, _) = match inside {
        Inner::Table(table) => {
            let synonym = table.keys.iter().find(|key| key.also.contains(&name));
            (table.names().collect(), synonym.map(|key| key.name))
        }
        Inner::Union(union) => {
            let holder = union.tables.iter().find(|table| table.key(name).is_some());
            (union.names().collect(), holder.map(|table| union.name_of(table)))
        }
    };
    let message = match parent {
        "" => format!("recipes have no section {}", quoted(name)),
        _ => format!("{} has no {}", quoted(parent), quoted(name)),
    };
    let dotted = |name: &str| match parent {
        "" => name.to_owned(),
        _ => format!("{parent}.{name}"),
    };
    let part = names
        .iter()
        .copied()
        .find(|known| name.len() >= 4 && known.contains(name));
    let near = synonym.or_else(|| nearest(name, names.iter().copied())).or(part);
    let hint = match near {
        Some(near) => format!("did you mean `{}`?", dotted(near)),
        None => format!("known are {}", listed(names)),
    };
    UnknownKey { message, hint }
}

fn overview(out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "A recipe is one YAML document that says what should exist in an image.\n"
    )?;
    writeln!(out, "Sections († cannot be carried out yet):")?;
    keys(RECIPE.keys, out)?;
    writeln!(out)?;
    order(out)?;
    writeln!(out, "\nExample:\n\n  apiVersion: imgctl/v1\n  kind: Recipe")?;
    example(RECIPE.example, out)?;
    writeln!(
        out,
        "\nimgctl recipe explain SECTION tells more, like: imgctl recipe explain files.mode"
    )
}

fn order(out: &mut String) -> fmt::Result {
    writeln!(out, "Order of application, whatever the order in the file:")?;
    let name_width = ORDER
        .iter()
        .map(|stage| stage.name.chars().count())
        .max()
        .unwrap_or_default();
    for (index, stage) in ORDER.iter().enumerate() {
        let head = format!("  {:>2}  {:<name_width$}  ", index + 1, stage.name);
        wrapped(&head, &format!("{} ({})", stage.about, stage.sections.join(", ")), out)?;
    }
    Ok(())
}

fn of_key(name: &str, key: &'static Key, out: &mut String) -> fmt::Result {
    let title = key.shape.title();
    match key.shape.inner() {
        None => {
            writeln!(out, "{name}: {title}\n")?;
            wrapped("", key.about, out)?;
            facts(key, out)
        }
        Some(Inner::Table(inner)) => {
            writeln!(out, "{name}: {title}\n")?;
            wrapped("", key.about, out)?;
            facts(key, out)?;
            writeln!(out)?;
            body(inner, out)
        }
        Some(Inner::Union(inner)) => {
            writeln!(out, "{name}: {title}\n")?;
            wrapped("", key.about, out)?;
            facts(key, out)?;
            writeln!(out)?;
            union(name, inner, out)
        }
    }
}

fn facts(key: &Key, out: &mut String) -> fmt::Result {
    writeln!(out)?;
    match key.required {
        true => writeln!(out, "  required")?,
        false => wrapped("  default  ", key.default, out)?,
    }
    match key.state {
        State::Supported => {}
        State::Later => writeln!(out, "  state    † checked, but cannot be carried out yet")?,
        State::LaterBut(value) => {
            writeln!(out, "  state    † checked, but only `{value}` can be carried out yet")?;
        }
    }
    writeln!(out, "  example  {}: {}", key.name, key.example)
}

fn table(name: &str, title: &str, table: &Table, out: &mut String) -> fmt::Result {
    writeln!(out, "{name}: {title}\n")?;
    body(table, out)
}

fn body(table: &Table, out: &mut String) -> fmt::Result {
    wrapped("", &table.about.replace('\n', " "), out)?;
    writeln!(out, "\nKeys:")?;
    keys(table.keys, out)?;
    for rule in table.rules {
        match rule {
            Rule::One(keys) => writeln!(out, "  One of {} is needed.", listed(keys.iter().copied()))?,
            Rule::OneAtMost(keys) => writeln!(out, "  At most one of {}.", listed(keys.iter().copied()))?,
            Rule::Needs(key, others) => match others {
                [only] => writeln!(out, "  `{key}` needs `{only}`.")?,
                _ => writeln!(out, "  `{key}` needs one of {}.", listed(others.iter().copied()))?,
            },
        }
    }
    writeln!(out, "\nExample:\n")?;
    example(table.example, out)
}

fn union(name: &str, union: &Union, out: &mut String) -> fmt::Result {
    wrapped("", &union.about.replace('\n', " "), out)?;
    writeln!(out, "\nKinds of entries:")?;
    let width = union.names().map(str::len).max().unwrap_or_default();
    for table in union.tables {
        let head = format!("  {:<width$}  ", union.name_of(table));
        wrapped(&head, &table.about.replace('\n', " "), out)?;
    }
    writeln!(out, "\nExample:\n")?;
    example(union.example, out)?;
    let first = union.names().next().unwrap_or_default();
    writeln!(out, "\nimgctl recipe explain {name}.{first} tells more")
}

fn keys(keys: &[Key], out: &mut String) -> fmt::Result {
    let width = keys.iter().map(|key| key.name.len()).max().unwrap_or_default();
    for key in keys {
        let mark = if key.works() { ' ' } else { '†' };
        let required = if key.required { " Required." } else { "" };
        let head = format!("  {:<width$} {mark} ", key.name);
        wrapped(&head, &format!("{}{required} ({})", key.about, key.shape.title()), out)?;
    }
    Ok(())
}

fn example(text: &str, out: &mut String) -> fmt::Result {
    text.lines().try_for_each(|line| writeln!(out, "  {line}"))
}

/// Text after `head`, in lines that begin below its end.
fn wrapped(head: &str, text: &str, out: &mut String) -> fmt::Result {
    let indent = head.chars().count();
    let mut column = indent;
    out.write_str(head)?;
    for (index, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > WIDTH {
            write!(out, "\n{:indent$}", "")?;
            column = indent;
        } else if index > 0 {
            out.write_char(' ')?;
            column += 1;
        }
        out.write_str(word)?;
        column += length;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every name of the language, dotted.
    fn every_name(prefix: &str, inner: Inner, visit: &mut dyn FnMut(&str)) {
        let joined = |name: &str| match prefix {
            "" => name.to_owned(),
            _ => format!("{prefix}.{name}"),
        };
        match inner {
            Inner::Table(table) => {
                for key in table.keys {
                    let name = joined(key.name);
                    visit(&name);
                    if let Some(inner) = key.shape.inner() {
                        every_name(&name, inner, visit);
                    }
                }
            }
            Inner::Union(union) => {
                for table in union.tables {
                    let name = joined(union.name_of(table));
                    visit(&name);
                    every_name(&name, Inner::Table(table), visit);
                }
            }
        }
    }

    #[test]
    fn everything_can_be_explained() {
        let mut count = 0;
        every_name("", Inner::Table(&RECIPE), &mut |name| {
            let text = explain(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(text.starts_with(&format!("{name}: ")), "{name}: {text}");
            assert!(text.to_lowercase().contains("example"), "{name}: {text}");
            count += 1;
        });
        assert!(count > 250, "{count}");
    }

    #[test]
    fn indexes_are_left_out() {
        assert_eq!(explain("files[2].mode"), explain("files.mode"));
        assert_eq!(explain("files[].mode"), explain("files.mode"));
    }

    #[test]
    fn unknown_names_have_hints() {
        for (path, message, hint) in [
            ("fils", "recipes have no section `fils`", "did you mean `files`?"),
            ("files.mod", "`files` has no `mod`", "did you mean `files.mode`?"),
            ("files.chmod", "`files` has no `chmod`", "did you mean `files.mode`?"),
            ("verify.min", "`verify` has no `min`", "did you mean `verify.glob`?"),
            ("hostname.x", "`hostname` has no keys", "imgctl recipe explain hostname"),
        ] {
            let error = explain(path).unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.hint.as_str()),
                (message, hint),
                "{path}"
            );
        }
        assert!(
            explain("zzzzzz")
                .unwrap_err()
                .hint
                .starts_with("known are `apiVersion`")
        );
    }
}
