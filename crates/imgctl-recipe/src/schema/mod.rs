//! The tables of keys: what a recipe can say, with types, defaults, examples and meaning.
//!
//! Everything that knows keys reads these tables: the check, the hints, the JSON schema, `imgctl recipe explain` and the
//! reference in docs/recipe.md.

mod ansible;
mod cloud_init;
mod disk;
mod files;
mod first_boot;
pub(crate) mod json;
mod kernel;
mod language;
mod mounts;
mod network;
mod order;
mod outputs;
mod packages;
mod repositories;
mod reset;
mod run;
mod selinux;
mod services;
mod settings;
mod source;
mod sshd;
mod topics;
mod trust;
mod users;
mod variables;
mod verify;

use crate::kinds::TextKind;

pub(crate) use language::RECIPE;
pub(crate) use order::ORDER;
pub(crate) use topics::{TOPICS, Topic, topic};

/// A mapping with a fixed set of keys.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its path in the document, like `files[]`; empty for the recipe itself.
    pub(crate) path: &'static str,
    /// What it is, after "must be": `a mapping with …`.
    pub(crate) what: &'static str,
    /// What it is for, as Markdown.
    pub(crate) about: &'static str,
    /// A fragment of a recipe that checks clean.
    pub(crate) example: &'static str,
    /// The keys, in the order of the reference.
    pub(crate) keys: &'static [Key],
    /// Which of its keys need or exclude each other.
    pub(crate) rules: &'static [Rule],
}

impl Table {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The names of all keys, for hints.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}

/// What the keys of one mapping must be together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// One of these keys, and no other of them.
    One(&'static [&'static str]),
    /// At most one of these keys.
    OneAtMost(&'static [&'static str]),
    /// The first key makes sense only with one of the others.
    Needs(&'static str, &'static [&'static str]),
}

/// One key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// What it does, as one line of Markdown.
    pub(crate) about: &'static str,
    /// The value as YAML in one line.
    pub(crate) example: &'static str,
    /// What happens without it, in words.
    pub(crate) default: &'static str,
    /// Whether the table makes no sense without it.
    pub(crate) required: bool,
    /// What other tools call it.
    pub(crate) also: &'static [&'static str],
    /// Whether it can be carried out.
    pub(crate) state: State,
}

/// Whether a key of the language has an engine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// It is carried out.
    Supported,
    /// It is checked, but a plan that has it is refused.
    Later,
    /// Likewise, but for this value: it says what happens anyway.
    LaterBut(&'static str),
}

impl Key {
    const fn new(name: &'static str, shape: Shape, example: &'static str, about: &'static str) -> Self {
        Self {
            name,
            shape,
            about,
            example,
            default: "none",
            required: false,
            also: &[],
            state: State::Supported,
        }
    }

    /// Whether some of it can be carried out.
    pub(crate) fn works(&self) -> bool {
        let own = self.state == State::Supported;
        let mut inner = self.shape.tables().into_iter().peekable();
        own && (inner.peek().is_none() || inner.any(|table| table.keys.iter().any(Self::works)))
    }

    /// The condition of an entry.
    const fn when() -> Self {
        Self::new(
            "when",
            Shape::Text(&crate::kinds::CONDITION),
            "vars.stage != \"\"",
            "A condition: the entry counts only where it is true.",
        )
        .default("always")
        .also(&["if", "only_if", "condition"])
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    const fn required(self) -> Self {
        Self {
            required: true,
            default: "required",
            ..self
        }
    }

    const fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }

    /// A key that has no engine yet.
    const fn later(self) -> Self {
        Self {
            state: State::Later,
            ..self
        }
    }

    /// A key that has no engine yet, but a value that says what happens without one.
    const fn later_but(self, value: &'static str) -> Self {
        Self {
            state: State::LaterBut(value),
            ..self
        }
    }
}

/// What a value must be.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A string of some kind.
    Text(&'static TextKind),
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
    /// Only this boolean, with the reason.
    Always(bool, &'static str),
    /// A whole number in a range.
    Integer(u64, u64),
    /// A mapping with known keys.
    Table(&'static Table),
    /// A mapping of one of several kinds.
    Union(&'static Union),
    /// A list of such values.
    List(&'static Self),
    /// Such a value, or a list of them.
    OneOrMore(&'static Self),
    /// A value of the first shape if it is a string, number or boolean, else of the second.
    Either(&'static Self, &'static Self),
    /// A mapping from any key of the kind to such values.
    Map(&'static TextKind, &'static Self),
    /// Anything.
    Any,
}

/// A mapping that is one of several tables.
#[derive(Debug)]
pub(crate) struct Union {
    /// Its path in the document, like `verify[]`.
    pub(crate) path: &'static str,
    /// What it is, after "must be".
    pub(crate) what: &'static str,
    /// What it is for, as Markdown.
    pub(crate) about: &'static str,
    /// A fragment of a recipe that checks clean.
    pub(crate) example: &'static str,
    /// How to tell which of the tables it is.
    pub(crate) told_by: ToldBy,
    /// The tables.
    pub(crate) tables: &'static [&'static Table],
}

/// What tells the tables of a union apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ToldBy {
    /// Which of the tables' first keys is there.
    FirstKey,
    /// The value of the tables' first key, which has the same name and another single choice in each.
    FirstValue,
}

impl Union {
    /// What tells this table from the others: `file`, `proxmox-import`.
    pub(crate) fn name_of(&self, table: &Table) -> &'static str {
        let first = table.keys.first();
        match (self.told_by, first.map(|key| (key.name, &key.shape))) {
            (ToldBy::FirstValue, Some((_, Shape::Choice([name])))) => name,
            (_, Some((name, _))) => name,
            (_, None) => "",
        }
    }

    /// The table of this name.
    pub(crate) fn table(&self, name: &str) -> Option<&'static Table> {
        let mut tables = self.tables.iter().copied();
        tables.find(|table| self.name_of(table) == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.tables.iter().map(|table| self.name_of(table))
    }
}

impl Shape {
    /// What it holds mappings of, one or many times.
    pub(crate) fn inner(&self) -> Option<Inner> {
        match self {
            Self::Table(table) => Some(Inner::Table(table)),
            Self::Union(union) => Some(Inner::Union(union)),
            Self::List(item) | Self::OneOrMore(item) | Self::Map(_, item) => item.inner(),
            Self::Either(first, second) => first.inner().or_else(|| second.inner()),
            _ => None,
        }
    }

    /// The tables that it holds.
    pub(crate) fn tables(&self) -> Vec<&'static Table> {
        match self.inner() {
            None => Vec::new(),
            Some(Inner::Table(table)) => vec![table],
            Some(Inner::Union(union)) => union.tables.to_vec(),
        }
    }

    /// Whether it is a string, number or boolean.
    pub(crate) fn is_scalar(&self) -> bool {
        matches!(
            self,
            Self::Text(_) | Self::Choice(_) | Self::Boolean | Self::Always(..) | Self::Integer(..)
        )
    }

    /// Its name in the reference.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Text(kind) => kind.title.into(),
            Self::Choice(values) => or(values),
            Self::Boolean => "boolean".into(),
            Self::Always(value, _) => format!("`{value}`"),
            Self::Integer(low, u64::MAX) => format!("number, {low} or more"),
            Self::Integer(low, high) => format!("number, {low} to {high}"),
            Self::Table(_) | Self::Union(_) => "mapping".into(),
            Self::List(item) => format!("list of {}", item.plural()),
            Self::OneOrMore(item) => format!("{}, or a list of them", item.title()),
            Self::Either(first, second) => format!("{}, or a {}", first.title(), second.title()),
            Self::Map(_, value) => format!("mapping of names to {}", value.plural()),
            Self::Any => "anything".into(),
        }
    }

    fn plural(&self) -> String {
        match self {
            Self::Text(kind) if kind.title == "text" => "texts".into(),
            Self::Choice(_) | Self::Any => self.title(),
            Self::Either(first, second) => format!("{} or {}", first.plural(), second.plural()),
            Self::Map(..) => self.title().replacen("mapping", "mappings", 1),
            _ => {
                let title = self.title();
                match title.split_once(" in quotes") {
                    Some((noun, _)) => format!("{noun}s in quotes"),
                    None => format!("{title}s"),
                }
            }
        }
    }

    /// What is expected, after "must be".
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Text(kind) => kind.what.into(),
            Self::Choice(_) => "a string".into(),
            Self::Boolean | Self::Always(..) => "`true` or `false`".into(),
            Self::Integer(low, u64::MAX) => format!("a number from {low}"),
            Self::Integer(low, high) => format!("a number from {low} to {high}"),
            Self::Table(table) => table.what.into(),
            Self::Union(union) => union.what.into(),
            Self::List(_) | Self::Map(..) => format!("a {}", self.title()),
            Self::OneOrMore(item) => format!("{} or a list of {}", item.expected(), item.plural()),
            Self::Either(first, second) => format!("{}, or {}", first.expected(), second.expected()),
            Self::Any => "anything".into(),
        }
    }
}

/// A table or several of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Inner {
    Table(&'static Table),
    Union(&'static Union),
}

fn or(values: &[&str]) -> String {
    let values = values.iter().map(|value| format!("`{value}`"));
    values.collect::<Vec<_>>().join(" or ")
}
