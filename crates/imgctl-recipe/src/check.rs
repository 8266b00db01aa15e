//! Holds a tree of nodes against the table of keys; what comes out has only known keys and values of the right shape.

use std::collections::BTreeMap;

use crate::finding::{Complaint, Findings, Place, quoted};
use crate::kinds::{Numbers, TextKind, listed, mode_bits, nearest};
use crate::node::{Node, NodeKind, Resolved, Scalar};
use crate::schema::{Key, RECIPE, Shape, Table};

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
    Boolean(bool),
    Integer(u32),
    List(Vec<Checked<'n>>),
    Table(Fields<'n>),
    /// A finding was made; nothing more is known.
    Invalid,
}

/// The keys of a table that are there.
#[derive(Debug, Default)]
pub(crate) struct Fields<'n> {
    entries: BTreeMap<&'static str, (Place, Checked<'n>)>,
}

impl<'n> Fields<'n> {
    /// Whether the key is there, with a valid value or not.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
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
                value: Value::Text(text),
            } => Some((text, place)),
            _ => None,
        }
    }

    pub(crate) fn boolean(&self, key: &str) -> Option<bool> {
        match self.get(key)?.value {
            Value::Boolean(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn integer(&self, key: &str) -> Option<(u32, &Place)> {
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
            Value::Text(text) => Some((text, &item.place)),
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

/// Checks a whole recipe.
pub(crate) fn check<'n>(root: &'n Node, findings: &mut Findings<'_>) -> Fields<'n> {
    let place = Place {
        span: root.span.clone(),
        key: String::new(),
    };
    match (Checker { findings }).table(root, &RECIPE, &place) {
        Value::Table(fields) => fields,
        _ => Fields::default(),
    }
}

struct Checker<'f, 's> {
    findings: &'f mut Findings<'s>,
}

impl Checker<'_, '_> {
    fn value<'n>(
        &mut self,
        node: &'n Node,
        shape: &'static Shape,
        place: Place,
        example: &str,
    ) -> Checked<'n> {
        let value = match &node.kind {
            NodeKind::Refused => Value::Invalid,
            NodeKind::Scalar(scalar) if scalar.text.contains("${{") => {
                self.findings.push(
                    &place,
                    Complaint::error("variables are not supported yet")
                        .hint("write the value in place of `${{ … }}`"),
                );
                Value::Invalid
            }
            kind => match (shape, kind) {
                (Shape::Text(kind), NodeKind::Scalar(scalar)) => {
                    self.text(scalar, kind, &place, example)
                }
                (Shape::Choice(choices), NodeKind::Scalar(scalar)) => {
                    self.choice(scalar, choices, &place, example)
                }
                (Shape::Boolean, NodeKind::Scalar(scalar)) => self.boolean(scalar, &place),
                (Shape::Always(only, why), NodeKind::Scalar(scalar)) => {
                    self.always(scalar, *only, why, &place)
                }
                (Shape::Integer(low, high), NodeKind::Scalar(scalar)) => {
                    self.integer(scalar, *low, *high, &place)
                }
                (Shape::Table(table), NodeKind::Mapping(_)) => self.table(node, table, &place),
                (Shape::List(item), NodeKind::Sequence(nodes)) => {
                    self.list(nodes, item, &place, example)
                }
                (Shape::Map(names, values), NodeKind::Mapping(entries)) => {
                    self.map(entries, names, values, &place)
                }
                _ => self.wrong_shape(node, shape, &place, example),
            },
        };
        Checked { place, value }
    }

    fn wrong_shape<'n>(
        &mut self,
        node: &Node,
        shape: &Shape,
        place: &Place,
        example: &str,
    ) -> Value<'n> {
        let key = last_key(&place.key);
        let expected = shape.expected();
        let found = node.describe();
        let complaint = Complaint::error(format!(
            "{} must be {expected}, but is {found}",
            subject(&place.key)
        ));
        let complaint = match (shape, &node.kind) {
            (Shape::List(item), NodeKind::Scalar(scalar))
                if matches!(**item, Shape::Text(_) | Shape::Choice(_))
                    && scalar.resolve() == Resolved::Text =>
            {
                complaint.hint(format!(
                    "write `{key}: [{}]`",
                    quoted(&scalar.text).trim_matches('`')
                ))
            }
            _ if found == "empty" => {
                complaint.hint(format!("remove {} or give it a value", quoted(key)))
            }
            _ if example.is_empty() => complaint,
            _ if place.key.ends_with(']') => complaint.hint(format!("for example `- {example}`")),
            _ => complaint.hint(format!("for example `{key}: {example}`")),
        };
        self.findings.push(place, complaint);
        Value::Invalid
    }

    fn table<'n>(&mut self, node: &'n Node, table: &'static Table, place: &Place) -> Value<'n> {
        let NodeKind::Mapping(entries) = &node.kind else {
            let key = place.key.as_str();
            let what = if key.is_empty() { "the recipe" } else { key };
            let message = format!("{what} must be {}, but is {}", table.what, node.describe());
            self.findings.push(place, Complaint::error(message));
            return Value::Invalid;
        };
        let mut fields = Fields::default();
        let mut seen = BTreeMap::new();
        for (key, value) in entries {
            let Some(name) = self.key_name(key, place, &mut seen) else {
                continue;
            };
            let path = join(&place.key, name);
            let key_place = Place {
                span: key.span.clone(),
                key: path.clone(),
            };
            match table.key(name) {
                None => self.unknown(name, table, &key_place),
                Some(Key {
                    shape: Shape::Later,
                    ..
                }) => self.later(name, table, &key_place),
                Some(known) => {
                    let span = if value.span.is_empty() {
                        key.span.clone()
                    } else {
                        value.span.clone()
                    };
                    let value = self.value(
                        value,
                        &known.shape,
                        Place { span, key: path },
                        known.example,
                    );
                    fields.entries.insert(known.name, (key_place, value));
                }
            }
        }
        self.missing(table, &fields, &seen, place);
        Value::Table(fields)
    }

    /// The name of a key that stands here for the first time.
    fn key_name<'n>(
        &mut self,
        key: &'n Node,
        parent: &Place,
        seen: &mut BTreeMap<&'n str, usize>,
    ) -> Option<&'n str> {
        let place = Place {
            span: key.span.clone(),
            key: parent.key.clone(),
        };
        let name = match &key.kind {
            NodeKind::Refused => return None,
            NodeKind::Scalar(scalar) => scalar.text.as_str(),
            _ => {
                self.findings.push(
                    &place,
                    Complaint::error(format!("a key must be a string, but is {}", key.describe()))
                        .hint("a value that begins with `{` or `[` needs quotes"),
                );
                return None;
            }
        };
        if name.is_empty() {
            self.findings
                .push(&place, Complaint::error("there is no key before this `:`"));
            return None;
        }
        if let Some(first) = seen.get(name) {
            let (line, _) = self.findings.source.line_column(*first);
            let place = Place {
                key: join(&place.key, name),
                ..place
            };
            self.findings.push(
                &place,
                Complaint::error(format!(
                    "{} is given twice, first in line {line}",
                    quoted(name)
                ))
                .hint("merge the two"),
            );
            return None;
        }
        seen.insert(name, key.span.start);
        Some(name)
    }

    fn unknown(&mut self, name: &str, table: &'static Table, place: &Place) {
        if self.findings.is_full() {
            return self.findings.push(place, Complaint::error(String::new()));
        }
        let inside = match table.path {
            "" => String::new(),
            path => format!(" in `{path}`"),
        };
        let complaint = Complaint::error(format!("unknown key {}{inside}", quoted(name)));
        let synonym = table.keys.iter().find(|key| key.also.contains(&name));
        let complaint = if name == "<<" {
            Complaint::error("merge keys are not supported").hint("write the keys out")
        } else if let Some(key) = synonym {
            complaint.hint(format!("did you mean `{}`?", key.name))
        } else if let Some(near) = nearest(name, table.keys.iter().map(|key| key.name)) {
            complaint.hint(format!("did you mean `{near}`?"))
        } else if let Some(home) = home_of(name, &RECIPE) {
            complaint.hint(format!("`{name}` belongs in `{home}`"))
        } else {
            complaint.hint(format!("known keys: {}", listed(table.names())))
        };
        self.findings.push(place, complaint);
    }

    fn later(&mut self, name: &str, table: &Table, place: &Place) {
        let inside = match table.path {
            "" => String::new(),
            path => format!(" in `{path}`"),
        };
        self.findings.push(
            place,
            Complaint::error(format!("`{name}` is not supported yet{inside}"))
                .hint("this version of imgctl cannot do it; remove the key"),
        );
    }

    fn missing(
        &mut self,
        table: &Table,
        fields: &Fields<'_>,
        seen: &BTreeMap<&str, usize>,
        place: &Place,
    ) {
        for key in table.keys {
            let misnamed = key.also.iter().any(|name| seen.contains_key(name));
            if !key.required || fields.has(key.name) || misnamed && !table.path.is_empty() {
                continue;
            }
            let whole = match (place.key.as_str(), table.path) {
                ("", _) => "the recipe".to_owned(),
                (path, _) => format!("`{path}`"),
            };
            self.findings.push(
                place,
                Complaint::error(format!("{whole} has no `{}`", key.name))
                    .hint(format!("add `{}: {}`", key.name, key.example)),
            );
        }
    }

    fn list<'n>(
        &mut self,
        nodes: &'n [Node],
        item: &'static Shape,
        place: &Place,
        example: &str,
    ) -> Value<'n> {
        let example = example
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let checked = nodes.iter().enumerate().map(|(index, node)| {
            let place = Place {
                span: node.span.clone(),
                key: format!("{}[{index}]", place.key),
            };
            self.value(node, item, place, example.unwrap_or_default())
        });
        Value::List(checked.collect())
    }

    fn map<'n>(
        &mut self,
        entries: &'n [(Node, Node)],
        names: &'static TextKind,
        values: &'static TextKind,
        place: &Place,
    ) -> Value<'n> {
        let mut seen = BTreeMap::new();
        for (key, value) in entries {
            let Some(name) = self.key_name(key, place, &mut seen) else {
                continue;
            };
            let path = join(&place.key, name);
            if let Err(complaint) = (names.check)(name) {
                let span = key.span.clone();
                self.findings.push(
                    &Place {
                        span,
                        key: path.clone(),
                    },
                    complaint,
                );
            }
            let span = if value.span.is_empty() {
                key.span.clone()
            } else {
                value.span.clone()
            };
            let place = Place { span, key: path };
            match &value.kind {
                NodeKind::Scalar(scalar) => drop(self.text(scalar, values, &place, "")),
                NodeKind::Refused => {}
                _ => {
                    let found = value.describe();
                    let message = format!(
                        "{} must be {}, but is {found}",
                        subject(&place.key),
                        values.what
                    );
                    self.findings.push(&place, Complaint::error(message));
                }
            }
        }
        // Nothing reads it yet.
        Value::Invalid
    }

    fn text<'n>(
        &mut self,
        scalar: &'n Scalar,
        kind: &TextKind,
        place: &Place,
        example: &str,
    ) -> Value<'n> {
        if let Some(complaint) = surprise(scalar, kind.what, kind.numbers, place, example) {
            self.findings.push(place, complaint);
            return Value::Invalid;
        }
        match (kind.check)(&scalar.text) {
            Ok(()) => Value::Text(&scalar.text),
            Err(complaint) => {
                self.findings.push(place, complaint);
                Value::Invalid
            }
        }
    }

    fn choice<'n>(
        &mut self,
        scalar: &'n Scalar,
        choices: &[&str],
        place: &Place,
        example: &str,
    ) -> Value<'n> {
        let text = scalar.text.as_str();
        if choices.contains(&text) {
            return Value::Text(text);
        }
        let what = match choices {
            [only] => format!("`{only}`"),
            _ => format!("one of {}", listed(choices.iter().copied())),
        };
        if scalar.resolve() == Resolved::Null {
            let complaint = surprise(scalar, &what, Numbers::Quote, place, example);
            self.findings.push(
                place,
                complaint.unwrap_or_else(|| Complaint::error("no value")),
            );
            return Value::Invalid;
        }
        let complaint = Complaint::error(format!(
            "{} must be {what}, but is {}",
            subject(&place.key),
            quoted(text)
        ));
        let near = nearest(text, choices.iter().copied()).filter(|_| choices.len() > 1);
        self.findings.push(
            place,
            match near {
                Some(near) => complaint.hint(format!("did you mean `{near}`?")),
                None => complaint,
            },
        );
        Value::Invalid
    }

    fn boolean<'n>(&mut self, scalar: &Scalar, place: &Place) -> Value<'n> {
        let resolved = scalar.resolve();
        if let Resolved::Boolean(value) = resolved {
            return Value::Boolean(value);
        }
        let key = last_key(&place.key);
        let found = match resolved {
            Resolved::Null => "empty".into(),
            _ => quoted(&scalar.text),
        };
        let complaint = Complaint::error(format!(
            "{} must be `true` or `false`, but is {found}",
            subject(&place.key)
        ));
        let meant = match scalar.text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => Some(true),
            "no" | "off" | "n" | "false" => Some(false),
            _ => None,
        };
        self.findings.push(
            place,
            match meant {
                Some(value) => complaint.hint(format!("write `{key}: {value}`")),
                None => complaint,
            },
        );
        Value::Invalid
    }

    fn always<'n>(&mut self, scalar: &Scalar, only: bool, why: &str, place: &Place) -> Value<'n> {
        let value = self.boolean(scalar, place);
        if matches!(value, Value::Boolean(other) if other != only) {
            let message = format!("{} cannot be `{}`: {why}", subject(&place.key), !only);
            self.findings
                .push(place, Complaint::error(message).hint("remove the key"));
            return Value::Invalid;
        }
        value
    }

    fn integer<'n>(&mut self, scalar: &Scalar, low: u32, high: u32, place: &Place) -> Value<'n> {
        let parsed = scalar.text.parse::<u32>().ok();
        let found = match scalar.resolve() {
            Resolved::Null => "empty".into(),
            Resolved::Integer => match parsed {
                Some(value) if (low..=high).contains(&value) => return Value::Integer(value),
                _ => quoted(&scalar.text),
            },
            Resolved::Text if !scalar.plain && parsed.is_some() => "a string".into(),
            _ => quoted(&scalar.text),
        };
        let what = subject(&place.key);
        let complaint = Complaint::error(format!(
            "{what} must be a number from {low} to {high}, but is {found}"
        ));
        let key = last_key(&place.key);
        self.findings.push(
            place,
            match parsed {
                Some(value) if (low..=high).contains(&value) => {
                    complaint.hint(format!("write `{key}: {value}`"))
                }
                _ => complaint,
            },
        );
        Value::Invalid
    }
}

/// What YAML makes of a scalar without quotes where a string is wanted.
fn surprise(
    scalar: &Scalar,
    what: &str,
    numbers: Numbers,
    place: &Place,
    example: &str,
) -> Option<Complaint> {
    let text = scalar.text.as_str();
    let resolved = scalar.resolve();
    let assignment = |value: &str| match place.key.ends_with(']') {
        true => format!("write `{value}`"),
        false => format!("write `{}: {value}`", last_key(&place.key)),
    };
    let is_number = matches!(
        resolved,
        Resolved::Integer | Resolved::Float | Resolved::LegacyNumber
    );
    if numbers == Numbers::Octal && is_number {
        let octal = text.strip_prefix("0o").unwrap_or(text);
        let complaint = Complaint::error(format!(
            "the mode {} is a number: it needs quotes",
            quoted(text)
        ));
        return Some(if mode_bits(octal).is_some() {
            complaint.hint(assignment(&format!("\"{octal:0>4}\"")))
        } else {
            complaint.hint(assignment(example))
        });
    }
    match resolved {
        Resolved::Text => None,
        Resolved::Integer
            if numbers == Numbers::Accept && text.bytes().all(|b| b.is_ascii_digit()) =>
        {
            None
        }
        Resolved::Null => {
            let complaint = Complaint::error(format!(
                "{} must be {what}, but is empty",
                subject(&place.key)
            ));
            Some(if example.is_empty() {
                complaint
            } else {
                complaint.hint(format!(
                    "for example: {}",
                    assignment(example).trim_start_matches("write ")
                ))
            })
        }
        _ => {
            let found = resolved.describe();
            let shown = quoted(text);
            let message = format!(
                "{} must be {what}, but {shown} without quotes is {found}",
                subject(&place.key)
            );
            Some(
                Complaint::error(message)
                    .hint(assignment(&format!("\"{}\"", shown.trim_matches('`')))),
            )
        }
    }
}

/// The table that has a key of this name, for one that stands in the wrong place.
fn home_of(name: &str, table: &'static Table) -> Option<&'static str> {
    table.keys.iter().find_map(|key| {
        let inner = key.shape.inner()?;
        if inner
            .key(name)
            .is_some_and(|key| !matches!(key.shape, Shape::Later))
        {
            return Some(inner.path);
        }
        home_of(name, inner)
    })
}

fn join(parent: &str, name: &str) -> String {
    // Whole names only: a key of the language is short.
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    match parent {
        "" => name,
        _ => format!("{parent}.{name}"),
    }
}

/// The key at the end of a path, without an index.
fn last_key(path: &str) -> &str {
    let path = path.rsplit_once('.').map_or(path, |(_, last)| last);
    path.split_once('[').map_or(path, |(key, _)| key)
}

/// How a message names the value at a path.
fn subject(path: &str) -> String {
    match path.ends_with(']') {
        true => format!("an entry of `{}`", last_key(path)),
        false => format!("`{}`", last_key(path)),
    }
}
