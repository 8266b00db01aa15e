//! What is left of a recipe after the check: known keys with values of the right shape.

use std::collections::BTreeMap;

use crate::finding::Place;
use crate::node::Node;

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Checked<'n> {
    pub(crate) place: Place,
    pub(crate) value: Value<'n>,
}

/// A value of the shape its key asks for.
#[derive(Debug)]
pub(crate) enum Value<'n> {
    Text(&'n str),
    /// A text that a secret is in.
    Secret(&'n str),
    Boolean(bool),
    Integer(u64),
    List(Vec<Checked<'n>>),
    Table(Fields<'n>),
    /// Names of the recipe's own with their values.
    Map(Vec<(&'n str, Checked<'n>)>),
    /// Whatever it is.
    Any(&'n Node),
    /// Its condition does not hold.
    LeftOut,
    /// A finding was made; nothing more is known.
    Invalid,
}

impl<'n> Checked<'n> {
    /// The string, or the strings of a list.
    pub(crate) fn texts(&self) -> Vec<(&'n str, &Place)> {
        match &self.value {
            Value::Text(text) | Value::Secret(text) => vec![(*text, &self.place)],
            Value::List(items) => items.iter().flat_map(Self::texts).collect(),
            _ => Vec::new(),
        }
    }
}

impl Checked<'_> {
    fn later<'s>(&'s self, places: &mut Vec<&'s Place>) {
        match &self.value {
            Value::Table(fields) => places.extend(fields.later()),
            Value::List(items) => items.iter().for_each(|item| item.later(places)),
            Value::Map(entries) => entries.iter().for_each(|(_, value)| value.later(places)),
            _ => {}
        }
    }
}

/// The keys of a table that are there.
#[derive(Debug, Default)]
pub(crate) struct Fields<'n> {
    entries: BTreeMap<&'static str, (Place, Checked<'n>)>,
    /// Whether there were keys that are not known, not supported or not readable.
    incomplete: bool,
    /// Keys that cannot be carried out yet.
    later: Vec<Place>,
    /// Whether there is a condition that is not judged yet.
    conditional: bool,
}

impl<'n> Fields<'n> {
    pub(crate) fn insert(&mut self, key: &'static str, place: Place, value: Checked<'n>) {
        self.entries.insert(key, (place, value));
    }

    pub(crate) fn mark_incomplete(&mut self) {
        self.incomplete = true;
    }

    pub(crate) fn mark_conditional(&mut self) {
        self.conditional = true;
    }

    /// Whether it may be left out later, so that it does not contradict others yet.
    pub(crate) fn is_conditional(&self) -> bool {
        self.conditional
    }

    pub(crate) fn mark_later(&mut self, place: Place) {
        self.later.push(place);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.incomplete
    }

    /// The places of all keys that cannot be carried out yet, here and inside; of nested ones the outermost.
    pub(crate) fn later(&self) -> Vec<&Place> {
        let mut places: Vec<&Place> = self.later.iter().collect();
        for (key, value) in self.entries.values() {
            if !self.later.iter().any(|later| later.key == key.key) {
                value.later(&mut places);
            }
        }
        places.sort_by_key(|place| place.span.start);
        places
    }

    /// Whether the key is there, with a valid value or not.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Whether something was left out, so that what is missing was perhaps meant by it.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Where the key itself stands.
    pub(crate) fn key_place(&self, key: &str) -> Option<&Place> {
        self.entries.get(key).map(|(place, _)| place)
    }

    fn get(&self, key: &str) -> Option<&Checked<'n>> {
        self.entries.get(key).map(|(_, checked)| checked)
    }

    pub(crate) fn text(&self, key: &str) -> Option<(&'n str, &Place)> {
        match self.get(key)? {
            Checked {
                place,
                value: Value::Text(text) | Value::Secret(text),
            } => Some((text, place)),
            _ => None,
        }
    }

    /// Whether a secret is in the text.
    pub(crate) fn is_secret(&self, key: &str) -> bool {
        matches!(self.get(key).map(|checked| &checked.value), Some(Value::Secret(_)))
    }

    pub(crate) fn boolean(&self, key: &str) -> Option<bool> {
        match self.get(key)?.value {
            Value::Boolean(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn integer(&self, key: &str) -> Option<(u64, &Place)> {
        match self.get(key)? {
            Checked {
                place,
                value: Value::Integer(value),
            } => Some((*value, place)),
            _ => None,
        }
    }

    pub(crate) fn table(&self, key: &str) -> Option<(&Self, &Place)> {
        match self.get(key)? {
            Checked {
                place,
                value: Value::Table(fields),
            } => Some((fields, place)),
            _ => None,
        }
    }

    /// The entries of a mapping with names of the recipe's own; none without the key.
    pub(crate) fn map(&self, key: &str) -> &[(&'n str, Checked<'n>)] {
        match self.get(key) {
            Some(Checked {
                value: Value::Map(entries),
                ..
            }) => entries,
            _ => &[],
        }
    }

    /// A value of any shape.
    pub(crate) fn any(&self, key: &str) -> Option<(&'n Node, &Place)> {
        match self.get(key)? {
            Checked {
                place,
                value: Value::Any(node),
            } => Some((node, place)),
            _ => None,
        }
    }

    /// Whether the key is there with a list, empty or not.
    pub(crate) fn is_list(&self, key: &str) -> bool {
        matches!(self.get(key).map(|checked| &checked.value), Some(Value::List(_)))
    }

    /// The items of a list; none without the key.
    pub(crate) fn items(&self, key: &str) -> &[Checked<'n>] {
        match self.get(key) {
            Some(Checked {
                value: Value::List(items),
                ..
            }) => items,
            _ => &[],
        }
    }

    /// The valid strings of a list.
    pub(crate) fn texts(&self, key: &str) -> impl Iterator<Item = (&'n str, &Place)> {
        self.items(key).iter().filter_map(|item| match item.value {
            Value::Text(text) | Value::Secret(text) => Some((text, &item.place)),
            _ => None,
        })
    }

    /// The valid strings of a mapping, with their names.
    pub(crate) fn named_texts(&self, key: &str) -> impl Iterator<Item = (&'n str, &'n str)> {
        let entries = match self.get(key) {
            Some(Checked {
                value: Value::Map(entries),
                ..
            }) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().filter_map(|(name, checked)| match checked.value {
            Value::Text(text) | Value::Secret(text) => Some((*name, text)),
            _ => None,
        })
    }

    /// The valid mappings of a list.
    pub(crate) fn tables(&self, key: &str) -> impl Iterator<Item = (&Self, &Place)> {
        self.items(key).iter().filter_map(|item| match &item.value {
            Value::Table(fields) => Some((fields, &item.place)),
            _ => None,
        })
    }
}
