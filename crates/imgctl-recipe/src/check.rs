//! Holds a tree of nodes against the table of keys; what comes out has only known keys and values of the right shape.

mod conditions;
mod filled;
mod rules;
mod union;

use std::collections::{BTreeMap, BTreeSet};

use conditions::Verdict;
pub(crate) use filled::absent_secret;

use crate::fields::{Checked, Fields, Value};
use crate::finding::{Complaint, Findings, Place, is_harmful, quoted};
use crate::kinds::{self, Numbers, TextKind, listed, mode_bits, nearest};
use crate::node::{Node, NodeKind, Resolved, Scalar};
use crate::reading::Reading;
use crate::schema::{RECIPE, Shape, State, Table};

/// Checks a whole recipe.
pub(crate) fn check<'n>(root: &'n Node, findings: &mut Findings, reading: Reading<'_>) -> Fields<'n> {
    let place = Place {
        span: root.span.clone(),
        key: String::new(),
    };
    match (Checker { findings, reading }).table(root, &RECIPE, &place) {
        Value::Table(fields) => fields,
        _ => Fields::default(),
    }
}

/// Checks what every file of a recipe must say for itself: what it is, and what it is made of.
pub(crate) fn check_head(root: &Node, findings: &mut Findings, reading: Reading<'_>) {
    let mut checker = Checker { findings, reading };
    let mut missing = Fields::default();
    for key in RECIPE.keys {
        let Some(value) = root.get(key.name).filter(|_| HEAD.contains(&key.name)) else {
            continue;
        };
        let place = Place {
            span: value.span.clone(),
            key: key.name.to_owned(),
        };
        let value = checker.value(value, &key.shape, place.clone(), key.example);
        missing.insert(key.name, place, value);
    }
    let place = Place {
        span: root.span.clone(),
        key: String::new(),
    };
    checker.missing(&RECIPE, &missing, &BTreeSet::new(), &place);
}

/// The keys that are not taken over from the recipes that one builds on.
pub(crate) const HEAD: [&str; 3] = ["apiVersion", "kind", "extends"];

struct Checker<'f> {
    findings: &'f mut Findings,
    reading: Reading<'f>,
}

impl Checker<'_> {
    fn value<'n>(&mut self, node: &'n Node, shape: &'static Shape, place: Place, example: &str) -> Checked<'n> {
        match &node.kind {
            NodeKind::Scalar(scalar) if !scalar.from.is_empty() => self.filled_in(scalar, node, shape, place, example),
            _ => self.literal(node, shape, place, example),
        }
    }

    /// A value as it stands, or as it was filled in.
    fn literal<'n>(&mut self, node: &'n Node, shape: &'static Shape, place: Place, example: &str) -> Checked<'n> {
        let value = match (shape, &node.kind) {
            (_, NodeKind::Refused) => Value::Invalid,
            (Shape::Text(kind), NodeKind::Scalar(scalar)) => self.text(scalar, kind, &place, example),
            (Shape::Choice(choices), NodeKind::Scalar(scalar)) => self.choice(scalar, choices, &place, example),
            (Shape::Boolean, NodeKind::Scalar(scalar)) => self.boolean(scalar, &place),
            (Shape::Always(only, why), NodeKind::Scalar(scalar)) => self.always(scalar, *only, why, &place),
            (Shape::Integer(low, high), NodeKind::Scalar(scalar)) => self.integer(scalar, *low, *high, &place),
            (Shape::Table(table), NodeKind::Mapping(_)) => self.table(node, table, &place),
            (Shape::Union(union), NodeKind::Mapping(entries)) => self.union(node, entries, union, &place),
            (Shape::List(item) | Shape::OneOrMore(item), NodeKind::Sequence(nodes)) => {
                self.list(nodes, item, &place, example)
            }
            (Shape::OneOrMore(item), NodeKind::Scalar(_)) => {
                let only = self.value(node, item, place.clone(), example);
                Value::List(vec![only])
            }
            (Shape::Either(first, second), kind) => {
                return self.either(node, kind, [first, second], place, example);
            }
            (Shape::Map(names, values), NodeKind::Mapping(entries)) => {
                self.map(entries, names, values, &place, example)
            }
            (Shape::Any, _) => self.any(node, &place),
            _ => self.wrong_shape(node, shape, &place, example),
        };
        Checked { place, value }
    }

    fn wrong_shape<'n>(&mut self, node: &Node, shape: &Shape, place: &Place, example: &str) -> Value<'n> {
        let key = last_key(&place.key);
        let expected = shape.expected();
        let found = node.describe();
        let complaint = Complaint::error(format!("{} must be {expected}, but is {found}", subject(&place.key)));
        let complaint = match (shape, &node.kind) {
            (Shape::List(item), NodeKind::Scalar(scalar)) if item.is_scalar() && scalar.resolve() == Resolved::Text => {
                complaint.hint(format!("write `{key}: [{}]`", quoted(&scalar.text).trim_matches('`')))
            }
            _ if found == "empty" => complaint.hint(format!("remove {} or give it a value", quoted(key))),
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
        match self.condition(node, table, place) {
            Verdict::Holds => {}
            Verdict::Open => fields.mark_conditional(),
            Verdict::LeaveOut => return Value::LeftOut,
        }
        let mut seen = BTreeMap::new();
        let mut meant = BTreeSet::new();
        for (key, value) in entries {
            let Some(name) = self.key_name(key, place, &mut seen) else {
                fields.mark_incomplete();
                continue;
            };
            let path = join(&place.key, name);
            let key_place = Place {
                span: key.span.clone(),
                key: path.clone(),
            };
            match table.key(name) {
                None => {
                    fields.mark_incomplete();
                    meant.extend(self.unknown(name, table, &key_place));
                }
                Some(known) => {
                    let span = if value.span.is_empty() {
                        key.span.clone()
                    } else {
                        value.span.clone()
                    };
                    let value = self.value(value, &known.shape, Place { span, key: path }, known.example);
                    if matches!(value.value, Value::LeftOut) {
                        meant.insert(known.name);
                        continue;
                    }
                    if asks_more(known.state, &value.value) {
                        fields.mark_later(key_place.clone());
                    }
                    fields.insert(known.name, key_place, value);
                }
            }
        }
        self.missing(table, &fields, &meant, place);
        self.rules(table, &fields, place);
        Value::Table(fields)
    }

    /// The name of a key that stands here for the first time.
    fn key_name<'n>(&mut self, key: &'n Node, parent: &Place, seen: &mut BTreeMap<&'n str, usize>) -> Option<&'n str> {
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
        if name.contains("${{") {
            let complaint = Complaint::error("a key cannot contain `${{ … }}`");
            self.findings.push(&place, complaint.hint("only values are filled in"));
            return None;
        }
        if let Some(first) = seen.get(name) {
            let line = self.findings.source.line(*first);
            let place = Place {
                key: join(&place.key, name),
                ..place
            };
            self.findings.push(
                &place,
                Complaint::error(format!("{} is given twice, first in line {line}", quoted(name)))
                    .hint("merge the two"),
            );
            return None;
        }
        seen.insert(name, key.span.start);
        Some(name)
    }

    /// Returns the key that was perhaps meant.
    fn unknown(&mut self, name: &str, table: &'static Table, place: &Place) -> Option<&'static str> {
        if self.findings.is_full() {
            self.findings.push(place, Complaint::error("unknown key"));
            return None;
        }
        let inside = match table.path {
            "" => String::new(),
            path => format!(" in `{path}`"),
        };
        let complaint = Complaint::error(format!("unknown key {}{inside}", quoted(name)));
        let synonym = table
            .keys
            .iter()
            .find(|key| key.also.contains(&name))
            .map(|key| key.name);
        let meant = synonym.or_else(|| nearest(name, table.keys.iter().map(|key| key.name)));
        let complaint = if name == "<<" {
            Complaint::error("merge keys are not supported").hint("write the keys out")
        } else if name == "when" {
            complaint.hint("a condition belongs to an entry of a list, or to a section that has the key")
        } else if let Some(key) = meant {
            complaint.hint(format!("did you mean `{key}`?"))
        } else if let Some(home) = home_of(name, table) {
            complaint.hint(format!("`{name}` belongs in `{home}`"))
        } else {
            complaint.hint(format!("known keys: {}", listed(table.names())))
        };
        self.findings.push(place, complaint);
        meant
    }

    fn missing(&mut self, table: &Table, fields: &Fields<'_>, meant: &BTreeSet<&str>, place: &Place) {
        for key in table.keys {
            if !key.required || fields.has(key.name) || meant.contains(key.name) {
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

    fn list<'n>(&mut self, nodes: &'n [Node], item: &'static Shape, place: &Place, example: &str) -> Value<'n> {
        let example = example.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let example = example.map(first_item);
        let mut checked = Vec::new();
        // Entries are counted in the file that they stand in.
        let mut counted = BTreeMap::new();
        for node in nodes {
            let file = self.findings.source.file_at(node.span.start).start;
            let index = counted.entry(file).or_insert(0_usize);
            let place = Place {
                span: node.span.clone(),
                key: format!("{}[{index}]", place.key),
            };
            *index += 1;
            checked.push(self.value(node, item, place, example.unwrap_or_default()));
        }
        checked.retain(|checked| !matches!(checked.value, Value::LeftOut));
        Value::List(checked)
    }

    /// `place` is that of the whole mapping.
    fn map<'n>(
        &mut self,
        entries: &'n [(Node, Node)],
        names: &'static TextKind,
        values: &'static Shape,
        place: &Place,
        example: &str,
    ) -> Value<'n> {
        let mut seen = BTreeMap::new();
        let mut checked = Vec::new();
        for (key, value) in entries {
            let Some(name) = self.key_name(key, place, &mut seen) else {
                continue;
            };
            let path = join(&place.key, name);
            if let Err(complaint) = (names.check)(name) {
                let (span, key) = (key.span.clone(), path.clone());
                self.findings.push(&Place { span, key }, complaint);
            }
            let span = if value.span.is_empty() {
                key.span.clone()
            } else {
                value.span.clone()
            };
            let inner = Place { span, key: path };
            let nested = matches!(values, Shape::Map(..) | Shape::Table(_));
            if nested && matches!(value.kind, NodeKind::Scalar(_) | NodeKind::Sequence(_)) {
                let (expected, found) = (values.expected(), value.describe());
                let message = format!("{} must be {expected}, but is {found}", quoted(name));
                let hint = format!("for example `{}: {example}`", last_key(&place.key));
                self.findings.push(&inner, Complaint::error(message).hint(hint));
                continue;
            }
            let value = self.value(value, values, inner, "");
            if !matches!(value.value, Value::LeftOut) {
                checked.push((name, value));
            }
        }
        Value::Map(checked)
    }

    fn either<'n>(
        &mut self,
        node: &'n Node,
        kind: &NodeKind,
        [first, second]: [&'static Shape; 2],
        place: Place,
        example: &str,
    ) -> Checked<'n> {
        let NodeKind::Scalar(scalar) = kind else {
            return self.value(node, second, place, example);
        };
        match first {
            Shape::Choice(choices) if !choices.contains(&scalar.text.as_str()) => {
                let message = format!(
                    "{} must be {} or {}, but is {}",
                    subject(&place.key),
                    listed(choices.iter().copied()),
                    second.expected(),
                    quoted(&scalar.text)
                );
                self.findings.push(&place, Complaint::error(message));
                let value = Value::Invalid;
                Checked { place, value }
            }
            _ => self.value(node, first, place, example),
        }
    }

    /// Nothing is known about it, but that its own keys differ, and that what it is filled with is there.
    fn any<'n>(&mut self, node: &'n Node, place: &Place) -> Value<'n> {
        match &node.kind {
            NodeKind::Mapping(entries) => {
                let mut seen = BTreeMap::new();
                for (key, value) in entries {
                    if let Some(name) = self.key_name(key, place, &mut seen) {
                        let (span, key) = (value.span.clone(), join(&place.key, name));
                        self.any(value, &Place { span, key });
                    }
                }
            }
            NodeKind::Sequence(items) => {
                for item in items {
                    self.any(item, place);
                }
            }
            NodeKind::Scalar(scalar) => {
                if let Some(absent) = scalar.absent.as_ref().filter(|_| !self.reading.is_of_every()) {
                    self.findings.push(place, absent_secret(absent));
                }
            }
            NodeKind::Refused => {}
        }
        Value::Any(node)
    }

    fn text<'n>(&mut self, scalar: &'n Scalar, kind: &TextKind, place: &Place, example: &str) -> Value<'n> {
        if std::ptr::eq(kind, &kinds::CONDITION) {
            // Judged already.
            return Value::Text(&scalar.text);
        }
        if let Some(complaint) = surprise(scalar, kind.what, kind.numbers, place, example) {
            self.findings.push(place, complaint);
            return Value::Invalid;
        }
        let checked = (kind.check)(&scalar.text).and_then(|()| match std::ptr::eq(kind, &kinds::SECRET_NAME) {
            true => self.reading.scope.secret(&scalar.text).map(drop),
            false => Ok(()),
        });
        match checked {
            Ok(()) => Value::Text(&scalar.text),
            Err(complaint) => {
                self.findings.push(place, complaint);
                Value::Invalid
            }
        }
    }

    fn choice<'n>(&mut self, scalar: &'n Scalar, choices: &[&str], place: &Place, example: &str) -> Value<'n> {
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
            self.findings
                .push(place, complaint.unwrap_or_else(|| Complaint::error("no value")));
            return Value::Invalid;
        }
        let complaint = Complaint::error(format!(
            "{} must be {what}, but is {}",
            subject(&place.key),
            quoted(text)
        ));
        let part = choices.iter().find(|choice| text.len() >= 3 && choice.contains(text));
        let near = nearest(text, choices.iter().copied()).or(part.copied());
        let near = near.filter(|_| choices.len() > 1);
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
        let resolved = scalar.resolve_value();
        if let Resolved::Boolean(value) = resolved {
            return Value::Boolean(value);
        }
        let key = last_key(&place.key);
        let found = match resolved {
            Resolved::Null => "empty".into(),
            _ if !scalar.plain => format!("the string {}", quoted(&scalar.text)),
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

    fn integer<'n>(&mut self, scalar: &Scalar, low: u64, high: u64, place: &Place) -> Value<'n> {
        let parsed = scalar.text.parse::<u64>().ok();
        let found = match scalar.resolve_value() {
            Resolved::Null => "empty".into(),
            Resolved::Integer => match parsed {
                Some(value) if (low..=high).contains(&value) => return Value::Integer(value),
                _ => quoted(&scalar.text),
            },
            Resolved::Text if !scalar.plain => format!("the string {}", quoted(&scalar.text)),
            _ => quoted(&scalar.text),
        };
        let what = subject(&place.key);
        let expected = Shape::Integer(low, high).expected();
        let complaint = Complaint::error(format!("{what} must be {expected}, but is {found}"));
        let key = last_key(&place.key);
        self.findings.push(
            place,
            match parsed {
                Some(value) if (low..=high).contains(&value) => complaint.hint(format!("write `{key}: {value}`")),
                _ => complaint,
            },
        );
        Value::Invalid
    }
}

/// What YAML makes of a scalar without quotes where a string is wanted.
fn surprise(scalar: &Scalar, what: &str, numbers: Numbers, place: &Place, example: &str) -> Option<Complaint> {
    let text = scalar.text.as_str();
    let resolved = scalar.resolve();
    let assignment = |value: &str| match place.key.ends_with(']') {
        true => format!("write `{value}`"),
        false => format!("write `{}: {value}`", last_key(&place.key)),
    };
    let is_number = matches!(resolved, Resolved::Integer | Resolved::Float | Resolved::LegacyNumber);
    if numbers == Numbers::Octal && is_number {
        let octal = text.strip_prefix("0o").unwrap_or(text);
        let complaint = Complaint::error(format!("the mode {} is a number: it needs quotes", quoted(text)));
        return Some(if mode_bits(octal).is_some() {
            complaint.hint(assignment(&format!("\"{octal:0>4}\"")))
        } else {
            complaint.hint(assignment(example))
        });
    }
    match resolved {
        Resolved::Text => None,
        Resolved::Integer if numbers == Numbers::Accept && text.bytes().all(|b| b.is_ascii_digit()) => None,
        Resolved::Integer if numbers == Numbers::Whole => None,
        _ if numbers == Numbers::Check && is_number => None,
        _ if numbers == Numbers::Accept && is_number => {
            let message = format!("{} must be {what}, but is {}", subject(&place.key), quoted(text));
            Some(Complaint::error(message).hint("a number is written in decimal, without sign and leading zeros"))
        }
        Resolved::Null => {
            let complaint = Complaint::error(format!("{} must be {what}, but is empty", subject(&place.key)));
            Some(if example.is_empty() {
                complaint
            } else {
                complaint.hint(format!(
                    "for example: {}",
                    assignment(example).trim_start_matches("write ")
                ))
            })
        }
        Resolved::Boolean(_) | Resolved::LegacyBoolean if what.starts_with("a number") => {
            let shown = quoted(text);
            let message = format!("{} must be {what}, but {shown} is a boolean", subject(&place.key));
            let on = matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "on");
            let hint = format!("{}, or the word in quotes", assignment(if on { "1" } else { "0" }));
            Some(Complaint::error(message).hint(hint))
        }
        _ => {
            let found = resolved.describe();
            let shown = quoted(text);
            let message = format!(
                "{} must be {what}, but {shown} without quotes is {found}",
                subject(&place.key)
            );
            Some(Complaint::error(message).hint(assignment(&format!("\"{}\"", shown.trim_matches('`')))))
        }
    }
}

/// The table that has a key of this name, for one that stands in the wrong place.
fn home_of(name: &str, stray: &Table) -> Option<&'static str> {
    let mut homes = Vec::new();
    collect_homes(name, &RECIPE, &mut homes);
    let root = |path: &str| path.split(['.', '[']).next().unwrap_or_default().to_owned();
    let near: Vec<&str> = homes
        .iter()
        .copied()
        .filter(|home| root(home) == root(stray.path))
        .collect();
    match (near.as_slice(), homes.as_slice()) {
        ([home], _) | ([], [home]) => Some(home),
        // Of keys that stand alone, what makes something so is likelier than what looks at it.
        ([], homes) if stray.path.is_empty() => homes.iter().copied().find(|home| root(home) != "verify"),
        _ => None,
    }
}

fn collect_homes(name: &str, table: &'static Table, homes: &mut Vec<&'static str>) {
    for inner in table.keys.iter().flat_map(|key| key.shape.tables()) {
        if inner.key(name).is_some() && !homes.contains(&inner.path) {
            homes.push(inner.path);
        }
        collect_homes(name, inner, homes);
    }
}

/// The first of several values in flow style.
fn first_item(list: &str) -> &str {
    let (mut depth, mut quote) = (0_usize, None);
    for (at, character) in list.char_indices() {
        match (character, quote) {
            ('"' | '\'', None) => quote = Some(character),
            (_, Some(open)) if open == character => quote = None,
            ('[' | '{', None) => depth += 1,
            (']' | '}', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => return list.get(..at).unwrap_or(list),
            _ => {}
        }
    }
    list
}

/// Whether a value asks for something that cannot be done yet.
fn asks_more(state: State, value: &Value<'_>) -> bool {
    let empty = match value {
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        Value::Table(fields) => fields.is_empty(),
        _ => false,
    };
    match state {
        State::Supported => false,
        State::Later => !empty,
        State::LaterBut(known) => match value {
            Value::Text(text) => *text != known,
            Value::Boolean(value) => value.to_string() != known,
            _ => !empty,
        },
    }
}

fn join(parent: &str, name: &str) -> String {
    // Whole names only: a key of the language is short.
    let mut name: String = name.chars().filter(|c| !is_harmful(*c)).take(64).collect();
    if name.contains(['.', '[', ']', '"']) {
        name = format!("\"{}\"", name.replace('"', ""));
    }
    match parent {
        "" => name,
        _ => format!("{parent}.{name}"),
    }
}

/// The key at the end of a path, without an index.
fn last_key(path: &str) -> &str {
    let path = path.rfind(['"', ']']).map_or(path, |at| match path.get(at..) {
        // An index, or a key in quotes.
        Some("]") => path.rsplit_once('[').map_or(path, |(key, _)| key),
        _ => path,
    });
    if let Some(quoted) = path.strip_suffix('"') {
        return quoted.rsplit_once('"').map_or(quoted, |(_, key)| key);
    }
    path.rsplit_once('.').map_or(path, |(_, last)| last)
}

/// How a message names the value at a path.
fn subject(path: &str) -> String {
    match path.ends_with(']') {
        true => format!("an entry of `{}`", last_key(path)),
        false => format!("`{}`", last_key(path)),
    }
}

#[cfg(test)]
mod tests;
