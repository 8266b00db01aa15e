//! The table of keys: what a recipe can say, with types, defaults, examples and meaning.
//!
//! Everything that knows keys reads this one table: the check, the hints, and the reference in docs/recipe.md.

mod language;

use crate::kinds::TextKind;

pub(crate) use language::RECIPE;

/// A mapping with a fixed set of keys.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its path in the document, like `files[]`; empty for the recipe itself.
    pub(crate) path: &'static str,
    /// What it is, after "must be": `a mapping with …`.
    pub(crate) what: &'static str,
    /// What it is for, as Markdown.
    pub(crate) about: &'static str,
    /// A fragment of a recipe that checks clean; empty where an outer table shows it.
    pub(crate) example: &'static str,
    /// The keys, in the order of the reference.
    pub(crate) keys: &'static [Key],
}

impl Table {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The names of the keys that do something, for hints.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let supported = self.keys.iter().filter(|key| !matches!(key.shape, Shape::Later));
        supported.map(|key| key.name).collect()
    }
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
}

impl Key {
    const fn new(name: &'static str, shape: Shape, example: &'static str, about: &'static str) -> Self {
        Self {
            name,
            shape,
            about,
            example,
            default: "",
            required: false,
            also: &[],
        }
    }

    /// A key of the language that has no engine yet.
    const fn later(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Shape::Later, "", about)
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
    Integer(u32, u32),
    /// A mapping with known keys.
    Table(&'static Table),
    /// A list of such values.
    List(&'static Self),
    /// A mapping from any key of the first kind to a string of the second.
    Map(&'static TextKind, &'static TextKind),
    /// Part of the language, but not built yet.
    Later,
}

impl Shape {
    /// The table that it holds, one or many times.
    pub(crate) fn inner(&self) -> Option<&'static Table> {
        match self {
            Self::Table(table) => Some(table),
            Self::List(item) => item.inner(),
            _ => None,
        }
    }

    /// Its name in the reference.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Text(kind) => kind.title.into(),
            Self::Choice(values) => values
                .iter()
                .map(|value| format!("`{value}`"))
                .collect::<Vec<_>>()
                .join(" or "),
            Self::Boolean => "boolean".into(),
            Self::Always(value, _) => format!("`{value}`"),
            Self::Integer(low, high) => format!("number, {low} to {high}"),
            Self::Table(_) => "mapping".into(),
            Self::List(item) => format!("list of {}", item.plural()),
            Self::Map(_, value) => format!("mapping of names to {}s", value.title),
            Self::Later => "not supported yet".into(),
        }
    }

    fn plural(&self) -> String {
        match self {
            Self::Choice(_) => self.title(),
            _ => format!("{}s", self.title()),
        }
    }

    /// What is expected, after "must be".
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Text(kind) => kind.what.into(),
            Self::Choice(_) | Self::Later => "a string".into(),
            Self::Boolean | Self::Always(..) => "`true` or `false`".into(),
            Self::Integer(low, high) => format!("a number from {low} to {high}"),
            Self::Table(table) => table.what.into(),
            Self::List(_) => format!("a {}", self.title()),
            Self::Map(..) => format!("a {}", self.title()),
        }
    }
}
